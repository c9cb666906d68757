import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import * as Stamp from "../../domain/Stamp.js"
import type { Operation } from "../../replication/Operation.js"
import * as OperationSet from "../../replication/OperationSet.js"
import * as VersionVector from "../../replication/VersionVector.js"
import type { DeadLetters } from "../../store/DeadLetters.js"
import { nodeOf } from "../../store/log/OpLog.js"
import { MemoryStore } from "../../store/MemoryStore.js"
import type { PeerStates } from "../../store/PeerStates.js"
import type { DigestReader } from "../../store/read/DigestReader.js"
import * as Metrics from "../../telemetry/globalMetrics.js"
import * as exchange from "../wire/exchange.js"
import { type Peer, PeerFailed } from "../wire/Peer.js"
import * as PeerApi from "../wire/PeerApi.js"
import type { PeerTransport } from "../wire/PeerTransport.js"
import * as Backfill from "./Backfill.js"
import * as Breaker from "./Breaker.js"
import * as Delivery from "./Delivery.js"
import * as Greeting from "./Greeting.js"
import type { LinkState } from "./LinkState.js"
import * as PeerQueue from "./PeerQueue.js"

/** A page of catch-up is large and nobody waits for it. */
export const BACKFILL_TIMEOUT = Duration.seconds(10)
/** Operations in one push of bulk writes at most; the peer may allow fewer. */
export const MAX_BULK_OPERATIONS = PeerApi.MAX_LIST_ITEMS

/** A peer that can reach this node but cannot be reached is probed no more often than this. */
const HEARD_PAUSE = Duration.millis(250)
/**
 * An original node is told the state of things, and believes whoever tells it last. What did not come from a client of this
 * node is told it only after this time: by then nodes that heard of it in different ways know the same.
 */
const SETTLED_AFTER = Duration.seconds(3)
/** What an original node took is written down no more often than this. */
const NOTE_PAUSE = Duration.seconds(1)

/**
 * The way to one peer. Live writes, bulk writes and what it lacks from the log go in lanes of their own, each with one
 * request in flight, so that none waits for another.
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
  /** The operations came from the peer, an original node that can not tell what it holds: it need not hear of them. */
  readonly took: (operations: ReadonlyArray<Operation>) => void
  /** Tells an original node once more what became of a memory that it has otherwise. */
  readonly restate: (id: string) => Effect.Effect<void, PeerFailed>
  /** Something came into the log that no write sends: the backfill lane does. */
  readonly catchUp: () => void
  /** Asks the peer what it holds, and sends it what it lacks. */
  readonly refresh: Effect.Effect<void>
  /** Ends once the peer has come back after a time without an answer. For one fiber to wait on. */
  readonly returned: Effect.Effect<void>
  readonly status: () => LinkStatus
}

export type SendOutcome = exchange.Outcome

export interface LinkStatus extends Readonly<LinkState> {
  readonly queued: number
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

type Requires = MemoryStore | DigestReader | DeadLetters | PeerStates | PeerTransport | exchange.ToOriginal

export const make = (options: Options): Effect.Effect<PeerLink, never, Requires | Scope.Scope> =>
  Effect.gen(function*() {
    const { attemptTimeout, peer, sender } = options
    const clock = yield* Effect.clock
    const random = yield* Effect.random
    const store = yield* MemoryStore
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
    const state: LinkState = { identity: null, breaker: Breaker.closed, vector: VersionVector.empty, skewMillis: 0 }
    const { push, pushWithRetry, record, restate, settled } = yield* Delivery.make({
      peer,
      sender,
      state,
      timeout: attemptTimeout,
      onTaken: () => latches.untold.unsafeOpen()
    })
    const { ask, noteTaken } = yield* Greeting.make({ ...options, timeout: attemptTimeout, state })
    let fresh = 0

    const unavailable = () => Delivery.unavailable(peer)

    /** Opens the breaker: what waits fails at once, and the log keeps it for later. */
    const trip = (cause: PeerFailed) =>
      Effect.suspend(() => {
        const first = !Breaker.isOpen(state.breaker)
        state.breaker = Breaker.failed(state.breaker)
        const { failures } = state.breaker
        latches.connected.unsafeClose()
        latches.retryNow.unsafeClose()
        latches.broken.unsafeOpen()
        live.fail(unavailable())
        bulk.fail(unavailable())
        Metrics.breaker(peer.name, true)
        Metrics.peerQueue(peer.name, 0)
        return first || failures % 10 === 0
          ? Effect.logWarning(`federation: peer ${peer.name} failed: ${cause.message}`).pipe(
            Effect.annotateLogs({ peer: peer.name, url: peer.url, failures })
          )
          : Effect.void
      })

    const most = (wanted: number) =>
      state.identity?.kind === "quorate" ? Math.max(1, Math.min(wanted, state.identity.hello.limits.operations)) : 1

    const laneOf = (queue: PeerQueue.PeerQueue, atOnce: number, how: Delivery.How) =>
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
          Effect.sync(() => {
            queue.done()
            batch.forEach(({ settle }, index) => settle(outcome(index)))
          })
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

    /**
     * Whether the author of an origin is in touch, and sends what it writes to this peer, too. An original node is told by
     * everybody: it is told states, and whoever hears of something last is the one that knows the last of them.
     */
    const isServed = (origin: string): boolean =>
      state.identity?.kind === "quorate" && state.identity.nodeId !== nodeOf(origin) &&
      options.inTouch(nodeOf(origin)) !== undefined

    const measureLag = () =>
      Metrics.lag(peer.name, OperationSet.sizeOf(VersionVector.missing(store.vector(), state.vector)))

    const settling = (batch: ReadonlyArray<exchange.Outgoing>) =>
      Effect.suspend(() => {
        const newest = Math.max(...batch.map(({ operation }) => Stamp.toMillis(operation.hlc)))
        const age = Duration.millis(clock.unsafeCurrentTimeMillis() - newest)
        return Effect.sleep(
          Duration.clamp(Duration.subtract(SETTLED_AFTER, age), { minimum: 0, maximum: SETTLED_AFTER })
        )
      })

    const backfill = Effect.suspend(() => {
      const isOriginal = state.identity?.kind === "original"
      const timeout = isOriginal ? attemptTimeout : BACKFILL_TIMEOUT
      return Backfill.pass(store, {
        settled,
        underWay: () => new Set([...live.underWay(), ...bulk.underWay()]),
        ask: isOriginal ? null : ask,
        isServed,
        most: () => most(Backfill.MAX_OPERATIONS),
        fresh: () => fresh,
        push: (batch) =>
          Effect.zipRight(isOriginal ? settling(batch) : Effect.void, push(batch, { timeout, bulk: true })).pipe(
            Effect.flatMap((outcomes) => record(batch, outcomes)),
            Effect.zipRight(Effect.sync(measureLag))
          )
      })
    })

    const backfillLane = Effect.gen(function*() {
      yield* latches.connected.await
      yield* latches.backfill.await
      latches.backfill.unsafeClose()
      yield* backfill.pipe(
        Effect.catchTags({
          PeerFailed: trip,
          ReadFailed: (error) => Effect.logError(`federation: catching up ${peer.name} failed`, error)
        })
      )
      yield* tell
    })

    const tell = Effect.suspend(() => {
      latches.untold.unsafeClose()
      return noteTaken
    })
    const noteLane = Effect.zipRight(latches.untold.await, Effect.delay(tell, NOTE_PAUSE))

    const greet = Effect.gen(function*() {
      yield* ask
      if (!VersionVector.dominates(settled(), store.vector())) latches.backfill.unsafeOpen()
      measureLag()
      const wasOpen = Breaker.isOpen(state.breaker)
      state.breaker = Breaker.closed
      latches.broken.unsafeClose()
      latches.connected.unsafeOpen()
      Metrics.breaker(peer.name, false)
      if (!wasOpen) return
      latches.returned.unsafeOpen()
      yield* Effect.logInfo(`federation: peer ${peer.name} is back`)
    })

    /** While the breaker is open: waits its time, or until the peer is heard, and asks whether it is back. */
    const prober = Effect.gen(function*() {
      yield* latches.broken.await
      const { breaker } = state
      const wait = breaker.failures === 0 ? 0 : Breaker.openMillis(breaker, yield* random.next)
      const heard = Effect.zip(latches.retryNow.await, Effect.sleep(HEARD_PAUSE), { concurrent: true })
      yield* Effect.race(Effect.sleep(Duration.millis(wait)), heard)
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
          if (Breaker.isOpen(state.breaker)) return resume(unavailable())
          const queue = how?.bulk === true ? bulk : live
          if (queue.offer(items, (outcomes) => resume(answerOf(outcomes)))) return
          latches.backfill.unsafeOpen()
          const detail = `${queue.size()} operations are waiting for the peer`
          resume(new PeerFailed({ peer: peer.name, reason: "queue_full", detail }))
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
        if (Breaker.isOpen(state.breaker)) latches.retryNow.unsafeOpen()
      },
      took: (operations) => {
        if (operations.length === 0 || state.identity?.kind !== "original") return
        state.vector = OperationSet.union(state.vector, OperationSet.of(operations))
        latches.untold.unsafeOpen()
      },
      restate,
      catchUp: () => latches.backfill.unsafeOpen(),
      refresh: Effect.suspend(() =>
        Breaker.isOpen(state.breaker) || state.identity === null
          ? Effect.void
          : greet.pipe(Effect.catchTag("PeerFailed", trip))
      ),
      returned: Effect.zipRight(latches.returned.await, latches.returned.close),
      status: () => ({ ...state, queued: live.size() + bulk.size() })
    }
  })

const answerOf = (outcomes: ReadonlyArray<SendOutcome>): Either.Either<ReadonlyArray<SendOutcome>, PeerFailed> => {
  const [first] = outcomes
  return first !== undefined && Either.isLeft(first) && outcomes.every(Either.isLeft)
    ? Either.left(first.left)
    : Either.right(outcomes)
}

export { outgoing } from "../wire/exchange.js"
export { RETRY_AFTER } from "./Delivery.js"
