import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import * as Stamp from "../domain/Stamp.js"
import type { Operation } from "../replication/Operation.js"
import * as OperationSet from "../replication/OperationSet.js"
import * as VersionVector from "../replication/VersionVector.js"
import { DeadLetters } from "../store/DeadLetters.js"
import { MemoryStore } from "../store/MemoryStore.js"
import { nodeOf } from "../store/OpLog.js"
import { PeerStates } from "../store/PeerStates.js"
import * as Metrics from "../telemetry/Metrics.js"
import * as Backfill from "./Backfill.js"
import * as Breaker from "./Breaker.js"
import * as exchange from "./exchange.js"
import { type Peer, PeerFailed } from "./Peer.js"
import * as PeerApi from "./PeerApi.js"
import * as PeerQueue from "./PeerQueue.js"
import { PeerTransport } from "./PeerTransport.js"

/** Before the one retry of a failed push, as in the original. */
export const RETRY_AFTER = Duration.millis(250)
/** A page of catch-up is large and nobody waits for it. */
export const BACKFILL_TIMEOUT = Duration.seconds(10)
/** Operations in one push of bulk writes at most; the peer may allow fewer. */
export const MAX_BULK_OPERATIONS = PeerApi.MAX_LIST_ITEMS

/** A peer that can reach this node but cannot be reached is probed no more often than this. */
const HEARD_PAUSE = Duration.millis(250)
/** What an original node took is written down no more often than this. */
const NOTE_PAUSE = Duration.seconds(1)
/** Refusals of one push that get a line of their own in the log. */
const MAX_LOGGED = 8

/**
 * The way to one peer. Live writes, bulk writes and what it lacks from the log go in lanes of their own, each with one
 * request in flight, so that neither waits for another.
 */
export interface PeerLink {
  readonly peer: Peer
  /** What every request to the peer carries. */
  readonly headers: Record<string, string>
  /**
   * Answers for each operation the node id that now holds it durably, or why none is known to. Fails when that is so for
   * all of them. Never hangs.
   */
  readonly send: (
    items: ReadonlyArray<exchange.Outgoing>,
    options?: { readonly bulk: boolean }
  ) => Effect.Effect<ReadonlyArray<SendOutcome>, PeerFailed>
  /** Tries once more, alone, what the peer has refused. */
  readonly redeliver: (operation: Operation) => Effect.Effect<SendOutcome>
  /** The peer spoke to this node: it is alive, so an open breaker is tried again at once. */
  readonly heard: () => void
  /** Something came into the log that no write sends: the backfill lane does. */
  readonly catchUp: () => void
  /** Asks the peer what it holds, and sends it what it lacks. */
  readonly refresh: Effect.Effect<void>
  /** Ends once the peer has come back after a time without an answer. For one fiber to wait on. */
  readonly returned: Effect.Effect<void>
  readonly status: () => LinkStatus
}

export type SendOutcome = exchange.Outcome

export interface LinkStatus {
  readonly identity: exchange.Identity | null
  readonly breaker: Breaker.Breaker
  /** What the peer is known to hold. */
  readonly vector: VersionVector.VersionVector
  readonly queued: number
  readonly skewMillis: number
}

export interface Options {
  readonly peer: Peer
  readonly sender: exchange.Sender
  /** Of one push, well below the deadline of a quorum write. */
  readonly attemptTimeout: Duration.Duration
  readonly clockSkewWarn: Duration.Duration
  /** Takes an identity for this link; `false` when it is this node's own or another link has it. */
  readonly claim: (nodeId: string) => boolean
  /** The node of ours with this id, when another link is in touch with it. */
  readonly inTouch: (nodeId: string) => PeerApi.Hello | undefined
}

type Requires = MemoryStore | DeadLetters | PeerStates | PeerTransport | exchange.ToOriginal

export const make = (options: Options): Effect.Effect<PeerLink, never, Requires | Scope.Scope> =>
  Effect.gen(function*() {
    const { attemptTimeout, peer, sender } = options
    const clock = yield* Effect.clock
    const random = yield* Effect.random
    const store = yield* MemoryStore
    const letters = yield* DeadLetters
    const states = yield* PeerStates
    const services = yield* Effect.context<PeerTransport | exchange.ToOriginal>()
    const latches = yield* Effect.all({
      connected: Effect.makeLatch(false),
      broken: Effect.makeLatch(true),
      retryNow: Effect.makeLatch(true),
      backfill: Effect.makeLatch(false),
      returned: Effect.makeLatch(false),
      untold: Effect.makeLatch(false)
    })
    const live = yield* PeerQueue.make
    const bulk = yield* PeerQueue.make
    /** An original node applies what comes in the order it comes: nothing may overtake. */
    const turn = yield* Effect.makeSemaphore(1)
    let identity: exchange.Identity | null = null
    let breaker = Breaker.closed
    let vector = VersionVector.empty
    let skewMillis = 0
    let fresh = 0

    const fail = (reason: PeerFailed["reason"], detail: string) => new PeerFailed({ peer: peer.name, reason, detail })
    const unavailable = () => fail("unavailable", "the peer does not answer and is tried again from time to time")

    /** Opens the breaker: what waits fails at once, and the log keeps it for later. */
    const trip = (cause: PeerFailed) =>
      Effect.gen(function*() {
        const first = !Breaker.isOpen(breaker)
        breaker = Breaker.failed(breaker)
        latches.connected.unsafeClose()
        latches.retryNow.unsafeClose()
        latches.broken.unsafeOpen()
        live.fail(unavailable())
        bulk.fail(unavailable())
        Metrics.breaker(peer.name, true)
        Metrics.peerQueue(peer.name, 0)
        if (first || breaker.failures % 10 === 0) {
          yield* Effect.logWarning(`federation: peer ${peer.name} failed: ${cause.message}`).pipe(
            Effect.annotateLogs({ peer: peer.name, url: peer.url, failures: breaker.failures })
          )
        }
      })

    /** What need not be sent with the rest: the peer holds it, or refuses it. */
    const settled = () =>
      identity === null ? vector : OperationSet.union(vector, letters.refused(identity.nodeId))

    const measureLag = () =>
      Metrics.lag(peer.name, OperationSet.sizeOf(VersionVector.missing(store.vector(), vector)))

    const pushOnce = (batch: ReadonlyArray<exchange.Outgoing>, how: How) =>
      Effect.suspend(() => {
        if (identity === null) return unavailable()
        const begin = clock.unsafeCurrentTimeNanos()
        const pushed = exchange.push({
          peer,
          sender,
          identity,
          batch,
          ...how,
          wallClock: Stamp.fromMillis(clock.unsafeCurrentTimeMillis())
        }).pipe(Effect.provide(services))
        return Effect.map(identity.kind === "original" ? turn.withPermits(1)(pushed) : pushed, (delivered) => {
          if (delivered.response.vector !== undefined) {
            vector = VersionVector.merge(vector, delivered.response.vector)
          }
          Metrics.push(batch.length, Number(clock.unsafeCurrentTimeNanos() - begin) / 1e9)
          return delivered.outcomes
        })
      })

    /** A body that the peer will not take is cut in halves until the one bad operation stands alone. */
    const push = (
      batch: ReadonlyArray<exchange.Outgoing>,
      how: How
    ): Effect.Effect<ReadonlyArray<SendOutcome>, PeerFailed> =>
      pushOnce(batch, how).pipe(
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

    /** The seeds' one retry: it mends a lost connection or a passing overload, not a peer that is gone. */
    const pushWithRetry = (batch: ReadonlyArray<exchange.Outgoing>, how: How) =>
      push(batch, how).pipe(
        Effect.catchAll((first) =>
          Effect.sleep(RETRY_AFTER).pipe(
            Effect.zipRight(push(batch, how)),
            Effect.tapBoth({
              onSuccess: () => Effect.sync(() => Metrics.retried("ok")),
              onFailure: () => Effect.sync(() => Metrics.retried("fail"))
            }),
            Effect.mapError((again) => fail(again.reason, `first: ${first.message}; retry: ${again.message}`))
          )
        )
      )

    /** Keeps in mind what the peer took and what it refused. The log has both, so that a failure here loses nothing. */
    const record = (batch: ReadonlyArray<exchange.Outgoing>, outcomes: ReadonlyArray<SendOutcome>) =>
      Effect.gen(function*() {
        if (identity === null || isRoutine(identity, outcomes)) return
        const { taken, refused } = sorted(batch, outcomes)
        if (identity.kind === "original" && taken.size > 0) {
          vector = VersionVector.merge(vector, taken)
          latches.untold.unsafeOpen()
        }
        yield* letters.settle(identity.nodeId, taken)
        if (refused.length > 0) yield* reportRefused(yield* letters.add(identity.nodeId, refused))
      }).pipe(
        Effect.catchAll((error) =>
          Effect.logWarning(`federation: what peer ${peer.name} took and refused was not noted`, error)
        )
      )

    /** Nearly every push: a node of ours took it all, and there is nothing it refused before. */
    const isRoutine = ({ kind, nodeId }: exchange.Identity, outcomes: ReadonlyArray<SendOutcome>) =>
      kind === "quorate" && letters.refused(nodeId).size === 0 && outcomes.every(Either.isRight)

    const reportRefused = (fresh: ReadonlyArray<{ readonly operation: Operation; readonly reason: string }>) =>
      Effect.zipRight(
        Effect.forEach(fresh.slice(0, MAX_LOGGED), ({ operation, reason }) =>
          Effect.logWarning(`federation: peer ${peer.name} refused operation ${operation.opId}: ${reason}`).pipe(
            Effect.annotateLogs({ peer: peer.name, op_id: operation.opId, kind: operation.kind, reason })
          ), { discard: true }),
        fresh.length <= MAX_LOGGED
          ? Effect.void
          : Effect.logWarning(
            `federation: peer ${peer.name} refused ${fresh.length - MAX_LOGGED} operations more in the same push`
          )
      )

    const most = (wanted: number) =>
      identity?.kind === "quorate" ? Math.max(1, Math.min(wanted, identity.hello.limits.operations)) : 1

    const laneOf = (queue: PeerQueue.PeerQueue, atOnce: number, how: How) =>
      Effect.gen(function*() {
        yield* latches.connected.await
        yield* queue.work
        yield* Effect.yieldNow()
        const batch = queue.take(most(atOnce))
        Metrics.peerQueue(peer.name, live.size() + bulk.size())
        if (batch.length === 0) return
        if (queue === live) fresh += batch.length
        const items = batch.map(({ item }) => item)
        const settleAll = (outcome: (index: number) => SendOutcome) =>
          Effect.sync(() => batch.forEach(({ settle }, index) => settle(outcome(index))))
        yield* pushWithRetry(items, how).pipe(
          Effect.matchEffect({
            onSuccess: (outcomes) =>
              Effect.zipRight(
                settleAll((index) => outcomes[index] ?? Either.left(unavailable())),
                record(items, outcomes)
              ),
            onFailure: (error) => Effect.zipRight(settleAll(() => Either.left(error)), trip(error))
          }),
          // However this fiber ends, nobody is left waiting.
          Effect.onInterrupt(() => settleAll(() => Either.left(unavailable())))
        )
      })

    const backfillLane = Effect.gen(function*() {
      yield* latches.connected.await
      yield* latches.backfill.await
      latches.backfill.unsafeClose()
      yield* backfill.pipe(
        Effect.catchTags({
          PeerFailed: trip,
          ReadFailed: (error) => Effect.logError(`federation: catching up ${peer.name} failed`, error)
        }),
        Effect.zipRight(tell)
      )
    })

    const backfill = Effect.suspend(() => {
      const timeout = identity?.kind === "original" ? attemptTimeout : BACKFILL_TIMEOUT
      return Backfill.pass(store, {
        settled,
        ask: identity?.kind === "quorate" ? Effect.asVoid(ask) : null,
        isServed,
        most: () => most(Backfill.MAX_OPERATIONS),
        fresh: () => fresh,
        push: (batch) =>
          push(batch, { timeout, bulk: true }).pipe(
            Effect.flatMap((outcomes) => record(batch, outcomes)),
            Effect.zipRight(Effect.sync(measureLag))
          )
      })
    })

    /** Whether the author of an origin is in touch, and is known to send what it writes to this peer, too. */
    const isServed = (origin: string): boolean => {
      const author = identity?.nodeId === nodeOf(origin) ? undefined : options.inTouch(nodeOf(origin))
      return author !== undefined && (identity?.kind === "quorate" || (author.originals ?? []).includes(peer.url))
    }

    /** Writes down what an original node took: it cannot say so itself when this node starts again. */
    const tell = Effect.suspend(() => {
      latches.untold.unsafeClose()
      return identity?.kind === "original" ? note(0) : Effect.void
    })
    const noteLane = latches.untold.await.pipe(
      Effect.zipRight(Effect.sleep(NOTE_PAUSE)),
      Effect.zipRight(tell)
    )

    const note = (protocol: number) =>
      identity === null
        ? Effect.void
        : store.notePeer({ nodeId: identity.nodeId, url: peer.url, protocol, vector, skewMillis }).pipe(
          Effect.catchAll((error) => Effect.logDebug(`federation: peer ${peer.name} was not noted`, error))
        )

    /** Asks the peer who it is and what it holds. */
    const ask = Effect.gen(function*() {
      const asked = clock.unsafeCurrentTimeMillis()
      const found = yield* exchange.hello({ peer, sender, timeout: attemptTimeout }).pipe(Effect.provide(services))
      if (!options.claim(found.nodeId)) {
        return yield* fail("identity", `${found.nodeId} is this node itself, or is reached under another address, too`)
      }
      const known = identity
      identity = found
      if (found.kind === "quorate") return yield* compare(found.hello, asked)
      if (known?.nodeId === found.nodeId) return
      vector = yield* Effect.catchAll(
        states.vector(found.nodeId),
        (error) => Effect.as(Effect.logWarning(`federation: what ${peer.name} took is not known`, error), vector)
      )
    })

    const greet = Effect.gen(function*() {
      yield* ask
      if (!VersionVector.dominates(settled(), store.vector())) latches.backfill.unsafeOpen()
      measureLag()
      const wasOpen = Breaker.isOpen(breaker)
      breaker = Breaker.closed
      latches.broken.unsafeClose()
      latches.connected.unsafeOpen()
      Metrics.breaker(peer.name, false)
      if (!wasOpen) return
      latches.returned.unsafeOpen()
      yield* Effect.logInfo(`federation: peer ${peer.name} is back`)
    })

    /** What the answer to a greeting tells: the peer's clock, and who of the two lacks something. */
    const compare = (hello: PeerApi.Hello, askedMillis: number) =>
      Effect.gen(function*() {
        const now = clock.unsafeCurrentTimeMillis()
        skewMillis = Stamp.toMillis(hello.wall_clock) - (askedMillis + now) / 2
        Metrics.clockSkew(peer.name, skewMillis / 1000)
        if (Math.abs(skewMillis) > Duration.toMillis(options.clockSkewWarn)) {
          yield* Effect.logWarning(
            `federation: the clock of peer ${peer.name} is ${Math.round(skewMillis / 1000)} s off`
          )
        }
        vector = hello.vector
        yield* note(hello.protocol)
        yield* settleLetters(hello)
        yield* renewWhenBehind
      })

    /** What the peer got from elsewhere needs no other attempt, nor what it refused as an original node. */
    const settleLetters = (hello: PeerApi.Hello) =>
      Effect.zipRight(
        letters.settle(hello.node_id, hello.vector),
        letters.refused(peer.url).size === 0 ? Effect.void : letters.forget(peer.url)
      ).pipe(
        Effect.catchAll((error) => Effect.logDebug(`federation: dead letters to ${peer.name} were not settled`, error))
      )

    const renewWhenBehind = Effect.suspend(() => {
      const own = store.origin()
      if (VersionVector.upto(vector, own) <= VersionVector.upto(store.vector(), own)) return Effect.void
      return Effect.flatMap(Effect.option(store.renewWhenBehind(vector)), (renewed) =>
        Effect.logError(
          `federation: peer ${peer.name} holds more of ${own} than this node ever wrote: ` +
            "the database is an old backup or a copy, and goes on under a new incarnation"
        ).pipe(Effect.annotateLogs({ renewed })))
    })

    /** While the breaker is open: waits its time, or until the peer is heard, and asks whether it is back. */
    const prober = Effect.gen(function*() {
      yield* latches.broken.await
      const wait = breaker.failures === 0 ? 0 : Breaker.openMillis(breaker, yield* random.next)
      yield* Effect.race(Effect.sleep(Duration.millis(wait)), Effect.delay(latches.retryNow.await, HEARD_PAUSE))
      yield* greet.pipe(Effect.catchTag("PeerFailed", trip))
    })

    const lanes = {
      live: laneOf(live, PeerApi.MAX_PUSH_OPERATIONS, { timeout: attemptTimeout, bulk: false }),
      bulk: laneOf(bulk, MAX_BULK_OPERATIONS, { timeout: BACKFILL_TIMEOUT, bulk: true }),
      backfill: backfillLane,
      note: noteLane,
      probe: prober
    }
    for (const [name, lane] of Object.entries(lanes)) {
      yield* Effect.forkScoped(
        Effect.forever(lane).pipe(
          Effect.tapErrorCause((cause) =>
            Effect.logError(`federation: the ${name} lane to ${peer.name} stopped`, cause)
          )
        )
      )
    }

    return {
      peer,
      headers: sender.headers,
      send: (items, how) =>
        Effect.async((resume) => {
          if (Breaker.isOpen(breaker)) return resume(unavailable())
          const queue = how?.bulk === true ? bulk : live
          if (queue.offer(items, (outcomes) => resume(answerOf(outcomes)))) return
          latches.backfill.unsafeOpen()
          resume(fail("queue_full", `${queue.size()} operations are waiting for the peer`))
        }),
      redeliver: (operation) => {
        const items = [exchange.outgoing(operation, null)]
        return push(items, { timeout: BACKFILL_TIMEOUT, bulk: false }).pipe(
          Effect.tap((outcomes) => record(items, outcomes)),
          Effect.map(([outcome]) => outcome ?? Either.left(unavailable())),
          Effect.catchAll((error) => Effect.succeed(Either.left(error)))
        )
      },
      heard: () => {
        if (Breaker.isOpen(breaker)) latches.retryNow.unsafeOpen()
      },
      catchUp: () => latches.backfill.unsafeOpen(),
      refresh: Effect.suspend(() =>
        Breaker.isOpen(breaker) || identity === null
          ? Effect.void
          : greet.pipe(Effect.catchTag("PeerFailed", trip))
      ),
      returned: Effect.zipRight(latches.returned.await, latches.returned.close),
      status: () => ({ identity, breaker, vector, queued: live.size() + bulk.size(), skewMillis })
    }
  })

/** How one lane pushes. */
type How = Pick<exchange.Push, "timeout" | "bulk">

/** What the peer need not be sent again, and what it refuses. Everything else failed on its way. */
const sorted = (batch: ReadonlyArray<exchange.Outgoing>, outcomes: ReadonlyArray<SendOutcome>) => {
  const taken: Array<Operation> = []
  const refused: Array<{ readonly operation: Operation; readonly reason: string }> = []
  batch.forEach(({ operation }, index) => {
    const outcome = outcomes[index]
    if (outcome === undefined) return
    const reason = Either.isRight(outcome) ? "held" : outcome.left.reason
    if (reason === "held" || reason === "parked" || reason === "not_carried") taken.push(operation)
    if (reason === "refused" || reason === "id_drift") {
      refused.push({ operation, reason: Either.isLeft(outcome) ? outcome.left.detail : "" })
    }
  })
  return { taken: OperationSet.of(taken), refused }
}

const answerOf = (outcomes: ReadonlyArray<SendOutcome>): Either.Either<ReadonlyArray<SendOutcome>, PeerFailed> => {
  const [first] = outcomes
  return first !== undefined && Either.isLeft(first) && outcomes.every(Either.isLeft)
    ? Either.left(first.left)
    : Either.right(outcomes)
}

export { outgoing } from "./exchange.js"
