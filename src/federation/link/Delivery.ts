import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stamp from "../../domain/Stamp.js"
import type { Operation } from "../../replication/Operation.js"
import * as OperationSet from "../../replication/OperationSet.js"
import * as VersionVector from "../../replication/VersionVector.js"
import { DeadLetters, type Refusal } from "../../store/DeadLetters.js"
import * as Metrics from "../../telemetry/globalMetrics.js"
import * as exchange from "../wire/exchange.js"
import { type Peer, PeerFailed } from "../wire/Peer.js"
import type { PeerTransport } from "../wire/PeerTransport.js"
import type { LinkState } from "./LinkState.js"

/** Before the one retry of a failed push, as in the original. */
export const RETRY_AFTER = Duration.millis(250)
/** Refusals of one push that get a line of their own in the log. */
const MAX_LOGGED = 8

/** How one lane pushes. */
export type How = Pick<exchange.Push, "timeout" | "bulk">

type Batch = ReadonlyArray<exchange.Outgoing>
type Outcomes = ReadonlyArray<exchange.Outcome>

/** Pushes to one peer, and keeps in mind what came of them. */
export interface Delivery {
  /** Fails when nothing is known of any of them. */
  readonly push: (batch: Batch, how: How) => Effect.Effect<Outcomes, PeerFailed>
  /** With the seeds' one retry: it mends a lost connection or a passing overload, not a peer that is gone. */
  readonly pushWithRetry: (batch: Batch, how: How) => Effect.Effect<Outcomes, PeerFailed>
  /** Keeps in mind what the peer took and what it refused. The log has both, so that a failure here loses nothing. */
  readonly record: (batch: Batch, outcomes: Outcomes) => Effect.Effect<void>
  /** Tells an original node once more what became of a memory; others know by themselves. */
  readonly restate: (id: string) => Effect.Effect<void, PeerFailed>
  /** What need not be sent with the rest: the peer holds it, or refuses it. */
  readonly settled: () => OperationSet.OperationSet
}

export const make = (options: {
  readonly peer: Peer
  readonly sender: exchange.Sender
  readonly state: LinkState
  /** Of a push that no lane makes. */
  readonly timeout: Duration.Duration
  /** An original node took something: it can not tell so itself. */
  readonly onTaken: () => void
}): Effect.Effect<Delivery, never, DeadLetters | PeerTransport | exchange.ToOriginal> =>
  Effect.gen(function*() {
    const { peer, sender, state } = options
    const clock = yield* Effect.clock
    const letters = yield* DeadLetters
    const services = yield* Effect.context<PeerTransport | exchange.ToOriginal>()
    /** An original node applies what comes in the order it comes: nothing may overtake. */
    const turn = yield* Effect.makeSemaphore(1)

    const pushOnce = (batch: Batch, how: How) =>
      Effect.suspend(() => {
        const { identity } = state
        if (identity === null) return unavailable(peer)
        const begin = clock.unsafeCurrentTimeNanos()
        const wallClock = Stamp.fromMillis(clock.unsafeCurrentTimeMillis())
        const pushed = Effect.provide(exchange.push({ peer, sender, identity, batch, wallClock, ...how }), services)
        return Effect.map(identity.kind === "original" ? turn.withPermits(1)(pushed) : pushed, (delivered) => {
          if (delivered.response.vector !== undefined) {
            state.vector = VersionVector.merge(state.vector, delivered.response.vector)
          }
          Metrics.push(batch.length, Number(clock.unsafeCurrentTimeNanos() - begin) / 1e9)
          return delivered.outcomes
        })
      })

    const push = halving(pushOnce)

    const pushWithRetry: Delivery["pushWithRetry"] = (batch, how) =>
      push(batch, how).pipe(
        Effect.catchAll((first) =>
          Effect.sleep(RETRY_AFTER).pipe(
            Effect.zipRight(push(batch, how)),
            Effect.tapBoth({
              onSuccess: () => Effect.sync(() => Metrics.retried("ok")),
              onFailure: () => Effect.sync(() => Metrics.retried("fail"))
            }),
            Effect.mapError(({ message, reason }) =>
              new PeerFailed({ peer: peer.name, reason, detail: `first: ${first.message}; retry: ${message}` })
            )
          )
        )
      )

    /** Nearly every push: a node of ours took it all, and there is nothing that it refused before. */
    const isRoutine = ({ kind, nodeId }: exchange.Identity, outcomes: Outcomes) =>
      kind === "quorate" && letters.refused(nodeId).size === 0 && outcomes.every(Either.isRight)

    const record: Delivery["record"] = (batch, outcomes) =>
      Effect.gen(function*() {
        const { identity } = state
        if (identity === null || isRoutine(identity, outcomes)) return
        const { refused, taken } = sorted(batch, outcomes)
        if (identity.kind === "original" && taken.size > 0) {
          state.vector = VersionVector.merge(state.vector, taken)
          options.onTaken()
        }
        yield* letters.settle(identity.nodeId, taken)
        if (refused.length > 0) yield* reportRefused(peer, yield* letters.add(identity.nodeId, refused))
      }).pipe(
        Effect.catchAll((error) =>
          Effect.logWarning(`federation: what peer ${peer.name} took and refused was not noted`, error)
        )
      )

    return {
      push,
      pushWithRetry,
      record,
      restate: (id) =>
        Effect.suspend(() =>
          state.identity?.kind !== "original"
            ? Effect.void
            : turn.withPermits(1)(exchange.restate({ peer, sender, timeout: options.timeout }, id)).pipe(
              Effect.provide(services),
              Effect.asVoid
            )
        ),
      settled: () =>
        state.identity === null
          ? state.vector
          : OperationSet.union(state.vector, letters.refused(state.identity.nodeId))
    }
  })

/** Nothing was sent: the peer is known not to answer. */
export const unavailable = (peer: Peer): PeerFailed =>
  new PeerFailed({
    peer: peer.name,
    reason: "unavailable",
    detail: "the peer does not answer and is tried again from time to time"
  })

/** A body that the peer will not take is cut in halves until the one bad operation stands alone. */
const halving = (once: Delivery["push"]): Delivery["push"] => {
  const push: Delivery["push"] = (batch, how) =>
    once(batch, how).pipe(
      Effect.catchIf((error) => error.reason === "refused", (error) => {
        if (batch.length === 1) return Effect.succeed([Either.left(error)])
        const middle = batch.length >> 1
        return Effect.zipWith(
          push(batch.slice(0, middle), how),
          push(batch.slice(middle), how),
          (left, right) => [...left, ...right]
        )
      })
    )
  return push
}

/** What the peer need not be sent again, and what it refuses. Everything else failed on its way. */
const sorted = (batch: Batch, outcomes: Outcomes) => {
  const taken: Array<Operation> = []
  const refused: Array<Refusal> = []
  batch.forEach(({ operation }, index) => {
    const outcome = outcomes[index]
    if (outcome === undefined) return
    const failure = Either.isLeft(outcome) ? outcome.left : undefined
    const reason = failure?.reason ?? "held"
    if (reason === "held" || reason === "parked" || reason === "not_carried") taken.push(operation)
    if (reason === "refused" || reason === "id_drift") refused.push({ operation, reason: failure?.detail ?? "" })
  })
  return { taken: OperationSet.of(taken), refused }
}

const reportRefused = (peer: Peer, fresh: ReadonlyArray<Refusal>) =>
  Effect.zipRight(
    Effect.forEach(fresh.slice(0, MAX_LOGGED), ({ operation: { kind, opId }, reason }) =>
      Effect.logWarning(`federation: peer ${peer.name} refused operation ${opId} (${kind}): ${reason}`).pipe(
        Effect.annotateLogs({ peer: peer.name, op_id: opId, kind, reason })
      ), { discard: true }),
    fresh.length <= MAX_LOGGED
      ? Effect.void
      : Effect.logWarning(
        `federation: peer ${peer.name} refused ${fresh.length - MAX_LOGGED} more operations of the same push`
      )
  )
