import * as Arr from "effect/Array"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Operation } from "../../replication/Operation.js"
import * as OperationSet from "../../replication/OperationSet.js"
import { DeadLetters, type Refusal } from "../../store/DeadLetters.js"
import { nodeOf } from "../../store/log/OpLog.js"
import { MemoryStore } from "../../store/MemoryStore.js"
import { Withholding } from "../../store/read/Withholding.js"
import { Metrics } from "../../telemetry/Metrics.js"
import { PeerLimits } from "../PeerLimits.js"
import {
  type Identity,
  Outcome,
  type Outgoing,
  type Peer,
  type PeerClient,
  PeerFailed,
  type Push
} from "../wire/PeerClient.js"
import { causeOf, type LinkState, type Machine } from "./LinkState.js"

/** Before the one retry of a failed push, as in the original. */
const RETRY_AFTER = Duration.millis(250)
/** Refusals of one push that get a line of their own in the log. */
const MAX_LOGGED = 8

/** How a push is made. */
export type How = Pick<Push, "timeout" | "bulk" | "within">

type Batch = ReadonlyArray<Outgoing>
type Outcomes = ReadonlyArray<Outcome.Outcome>

/** Pushes to one peer, and keeps in mind what came of them. */
export interface Delivery {
  /** Fails when nothing is known of any of them. */
  readonly push: (batch: Batch, how: How) => Effect.Effect<Outcomes, PeerFailed>
  /**
   * With the seeds' one retry: it mends a lost connection or a passing overload, not a peer that is gone. It begins within
   * the timeout of the first attempt, or not at all, and has one of its own.
   */
  readonly pushWithRetry: (batch: Batch, how: How) => Effect.Effect<Outcomes, PeerFailed>
  /** Keeps in mind what the peer took and what it refused. The log has both, so that a failure here loses nothing. */
  readonly record: (batch: Batch, outcomes: Outcomes) => Effect.Effect<void>
  /** Tells an original node once more what became of a memory; others know by themselves. */
  readonly restate: (id: string) => Effect.Effect<void, PeerFailed>
  /** What need not be sent with the rest: the peer holds it, or refuses it. */
  readonly settled: () => OperationSet.OperationSet
}

/** A peer answered a request, of whichever lane. */
export type Heard = (peer: Peer, batch: Batch, outcomes: Outcomes) => void

export const make = (
  client: PeerClient,
  machine: Machine,
  heard: Heard
): Effect.Effect<Delivery, never, DeadLetters | MemoryStore | Metrics> =>
  Effect.gen(function*() {
    const { peer } = client
    const letters = yield* DeadLetters
    const store = yield* MemoryStore
    const metrics = yield* Metrics
    const push = halving(yield* pushing(client, machine, heard))
    const pushWithRetry = retrying(push, yield* Effect.clock, metrics)

    /** Nearly every push: a node of ours took it all, and there is nothing that it refused before. */
    const isRoutine = ({ kind, peerId }: Identity, outcomes: Outcomes) =>
      kind === "quorate" && letters.refused(peerId).size === 0 && outcomes.every(Outcome.isHeld)

    const record: Delivery["record"] = (batch, outcomes) =>
      Effect.gen(function*() {
        const { identity } = machine.state()
        if (identity === null || isRoutine(identity, outcomes)) return
        const { refused, taken } = sorted(batch, outcomes)
        if (taken.size > 0) machine.tell({ _tag: "took", operations: taken })
        const { kept, reissued } = yield* rewriting(store, refused)
        yield* letters.settle(identity.peerId, OperationSet.union(taken, reissued))
        if (kept.length > 0) yield* reportRefused(peer, yield* letters.add(identity.peerId, kept))
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
          machine.state().identity?.kind === "original" ? Effect.asVoid(client.restate(id)) : Effect.void
        ),
      settled: () => {
        const { identity, vector } = machine.state()
        return identity === null ? vector : OperationSet.union(vector, letters.refused(identity.peerId))
      }
    }
  })

/**
 * That a peer holds another operation under the name of one of this node's own is proof: it is written again under another
 * name, and is no dead letter. Answers what stays as it is, and the names that were given up.
 */
const rewriting = (store: MemoryStore["Type"], refused: ReadonlyArray<Refusal>) =>
  Effect.gen(function*() {
    const reused = refused.filter(({ operation, reason }) =>
      reason.startsWith("origin_reused") && nodeOf(operation.origin) === store.nodeId
    )
    if (reused.length === 0) return { kept: refused, reissued: OperationSet.empty }
    const held = new Set(yield* store.reissue(reused.map(({ operation }) => operation)))
    const [kept, gone] = Arr.partition(
      refused,
      (refusal) => reused.includes(refusal) && !held.has(refusal.operation)
    )
    return { kept, reissued: OperationSet.of(gone.map(({ operation }) => operation)) }
  })

/**
 * The second attempt begins after a failure only, and where the first one left time for it. It lives as long as the first
 * might have: whoever gave it up before would take a slow peer for a dead one, and its ack may still be wanted, by a
 * caller that asks for the write again.
 */
const retrying =
  (push: Delivery["push"], clock: Clock.Clock, metrics: Metrics["Type"]): Delivery["push"] => (batch, how) =>
    Effect.suspend(() => {
      const end = clock.unsafeCurrentTimeNanos() + Duration.unsafeToNanos(how.timeout)
      const left = () => Duration.nanos(end - clock.unsafeCurrentTimeNanos())
      const again = (first: PeerFailed) =>
        Effect.sleep(RETRY_AFTER).pipe(
          Effect.zipRight(push(batch, how)),
          Effect.tapBoth({
            onSuccess: (outcomes) => Effect.sync(() => metrics.retried(outcomes.some(isDrift) ? "id_drift" : "ok")),
            onFailure: () => Effect.sync(() => metrics.retried("fail"))
          }),
          Effect.mapError((retry) => retry.message === first.message ? retry : bothOf(first, retry))
        )
      return Effect.catchAll(
        push(batch, how),
        (first) => Duration.lessThanOrEqualTo(left(), RETRY_AFTER) ? first : again(first)
      )
    })

const bothOf = (first: PeerFailed, { laterMillis, message, peer, reason }: PeerFailed): PeerFailed =>
  new PeerFailed({ peer, reason, detail: `first: ${first.message}; retry: ${message}`, laterMillis })

const isDrift = (outcome: Outcome.Outcome): boolean => outcome._tag === "refused" && outcome.reason === "id_drift"

/** One push as it is: what the peer tells of itself is kept, and its time measured. */
const pushing = (
  client: PeerClient,
  machine: Machine,
  heard: Heard
): Effect.Effect<Delivery["push"], never, Metrics> =>
  Effect.gen(function*() {
    const clock = yield* Effect.clock
    const metrics = yield* Metrics
    const sift = yield* sifting(client.peer)
    return (batch, how) =>
      Effect.suspend(() => {
        const { identity } = machine.state()
        if (identity === null) return unavailable(client.peer, machine.state())
        const begin = clock.unsafeCurrentTimeNanos()
        return sift(identity, batch).pipe(
          Effect.flatMap((sifted) => client.push({ ...how, identity, batch: sifted })),
          Effect.map(({ outcomes, vector }) => {
            if (vector !== undefined) machine.tell({ _tag: "acked", vector })
            heard(client.peer, batch, outcomes)
            metrics.push(batch.length, Number(clock.unsafeCurrentTimeNanos() - begin) / 1e9)
            return outcomes
          })
        )
      })
  })

/** Of what a limited peer may not see it is told the names. What can not be looked up is not sent. */
const sifting = (peer: Peer) =>
  Effect.gen(function*() {
    const limits = yield* PeerLimits
    const withholding = yield* Withholding
    return ({ peerId }: Identity, batch: Batch): Effect.Effect<Batch, PeerFailed> => {
      const limit = limits.of(peerId)
      if (Option.isNone(limit)) return Effect.succeed(batch)
      return withholding.sift(batch.map(({ operation }) => operation), limit.value).pipe(
        Effect.map((stubs) =>
          batch.map((item, index) => {
            const stub = stubs[index] ?? null
            return stub === null ? item : { ...item, stub }
          })
        ),
        Effect.mapError(({ message }) => new PeerFailed({ peer: peer.name, reason: "overloaded", detail: message }))
      )
    }
  })

/** Nothing was sent: the peer was given up, for a reason that is known. */
export const unavailable = (peer: Peer, state: LinkState): PeerFailed => {
  const known = causeOf(state)
  const detail = known === undefined ? "the peer has not answered yet" : `not tried now; the last time ${known.message}`
  return new PeerFailed({ peer: peer.name, reason: "unavailable", detail, known })
}

/** A body that the peer will not take is cut in halves until the one bad operation stands alone. */
const halving = (once: Delivery["push"]): Delivery["push"] => {
  const push: Delivery["push"] = (batch, how) =>
    once(batch, how).pipe(
      Effect.catchIf((error) => error.reason === "refused", ({ detail }) => {
        if (batch.length === 1) return Effect.succeed([Outcome.refused(detail)])
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
    if (outcome?._tag === "held" || outcome?._tag === "settled") taken.push(operation)
    else if (outcome?._tag === "refused") {
      refused.push({ operation, reason: outcome.detail, notBeforeMillis: outcome.laterMillis })
    }
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
