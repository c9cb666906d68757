import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import * as Stamp from "../domain/Stamp.js"
import * as VersionVector from "../replication/VersionVector.js"
import { MemoryStore } from "../store/MemoryStore.js"
import * as Metrics from "../telemetry/Metrics.js"
import * as Breaker from "./Breaker.js"
import * as exchange from "./exchange.js"
import { type Peer, PeerFailed } from "./Peer.js"
import * as PeerApi from "./PeerApi.js"
import { PeerTransport } from "./PeerTransport.js"

/** Operations waiting for one peer at most; what does not fit is left to the backfill lane. */
export const MAX_QUEUED_OPERATIONS = 4096
export const MAX_QUEUED_BYTES = 32 * 1024 * 1024
/** Before the one retry of a failed push, as in the original. */
export const RETRY_AFTER = Duration.millis(250)
/** A page of catch-up is large and nobody waits for it. */
export const BACKFILL_TIMEOUT = Duration.seconds(10)
/** Operations read from the log at once for backfill. */
export const BACKFILL_PAGE = PeerApi.MAX_PUSH_OPERATIONS

/** A peer that can reach this node but cannot be reached is probed no more often than this. */
const HEARD_PAUSE = Duration.millis(250)

/** The queue and the one request in flight towards one peer, and the slower lane that catches it up from the log. */
export interface PeerLink {
  readonly peer: Peer
  /** What every request to the peer carries. */
  readonly headers: Record<string, string>
  /**
   * Answers for each operation the node id that now holds it durably, or why none is known to. Fails when that is so for
   * all of them. Never hangs.
   */
  readonly send: (items: ReadonlyArray<exchange.Outgoing>) => Effect.Effect<ReadonlyArray<SendOutcome>, PeerFailed>
  /** The peer spoke to this node: it is alive, so an open breaker is tried again at once. */
  readonly heard: () => void
  /** Asks the peer what it holds, and sends it what it lacks. */
  readonly refresh: Effect.Effect<void>
  readonly status: () => LinkStatus
}

export type SendOutcome = Either.Either<string, PeerFailed>

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
}

interface Queued {
  readonly item: exchange.Outgoing
  /** Answers the send. No `Deferred`: there is one per write and peer. */
  readonly settle: (outcome: SendOutcome) => void
}

export const make = (options: Options): Effect.Effect<PeerLink, never, MemoryStore | PeerTransport | Scope.Scope> =>
  Effect.gen(function*() {
    const { attemptTimeout, peer, sender } = options
    const clock = yield* Effect.clock
    const random = yield* Effect.random
    const store = yield* MemoryStore
    const transport = yield* PeerTransport
    const lanes = yield* Effect.all({
      connected: Effect.makeLatch(false),
      broken: Effect.makeLatch(true),
      retryNow: Effect.makeLatch(true),
      work: Effect.makeLatch(false),
      backfill: Effect.makeLatch(false)
    })
    let queue: Array<Queued> = []
    let queuedBytes = 0
    let identity: exchange.Identity | null = null
    let breaker = Breaker.closed
    let vector = VersionVector.empty
    let skewMillis = 0

    const fail = (reason: PeerFailed["reason"], detail: string) => new PeerFailed({ peer: peer.name, reason, detail })
    const unavailable = () => fail("unavailable", "the peer does not answer and is tried again from time to time")

    const take = (): ReadonlyArray<Queued> => {
      const next = queue.slice(0, PeerApi.MAX_PUSH_OPERATIONS)
      const most = identity?.kind === "original" ? 1 : PeerApi.fitting(next.map(({ item }) => item.bytes))
      const batch = queue.slice(0, most)
      queue = queue.slice(most)
      for (const { item } of batch) queuedBytes -= item.bytes
      if (queue.length === 0) lanes.work.unsafeClose()
      Metrics.peerQueue(peer.name, queue.length)
      return batch
    }

    /** Opens the breaker: what waits fails at once, and the log keeps it for later. */
    const trip = (cause: PeerFailed) =>
      Effect.gen(function*() {
        const first = !Breaker.isOpen(breaker)
        breaker = Breaker.failed(breaker)
        lanes.connected.unsafeClose()
        lanes.retryNow.unsafeClose()
        lanes.broken.unsafeOpen()
        const dropped = queue
        queue = []
        queuedBytes = 0
        lanes.work.unsafeClose()
        for (const entry of dropped) entry.settle(Either.left(unavailable()))
        Metrics.breaker(peer.name, true)
        Metrics.peerQueue(peer.name, 0)
        if (first || breaker.failures % 10 === 0) {
          yield* Effect.logWarning(`federation: peer ${peer.name} failed: ${cause.message}`).pipe(
            Effect.annotateLogs({ peer: peer.name, url: peer.url, failures: breaker.failures })
          )
        }
      })

    const learn = (response: PeerApi.PushResponse) => {
      if (response.vector !== undefined) vector = VersionVector.merge(vector, response.vector)
    }

    const pushOnce = (batch: ReadonlyArray<exchange.Outgoing>, timeout: Duration.Duration) =>
      Effect.suspend(() => {
        if (identity === null) return unavailable()
        const begin = clock.unsafeCurrentTimeNanos()
        return exchange.push({
          peer,
          sender,
          identity,
          batch,
          timeout,
          wallClock: Stamp.fromMillis(clock.unsafeCurrentTimeMillis())
        }).pipe(
          Effect.provideService(PeerTransport, transport),
          Effect.map(({ outcomes, response }) => {
            learn(response)
            Metrics.push(batch.length, Number(clock.unsafeCurrentTimeNanos() - begin) / 1e9)
            return outcomes
          })
        )
      })

    /** A body that the peer will not take is cut in halves until the one bad operation stands alone. */
    const push = (
      batch: ReadonlyArray<exchange.Outgoing>,
      timeout: Duration.Duration
    ): Effect.Effect<ReadonlyArray<Either.Either<string, PeerFailed>>, PeerFailed> =>
      pushOnce(batch, timeout).pipe(
        Effect.catchIf((error) => error.reason === "refused", (error) => {
          if (batch.length === 1) return Effect.succeed([Either.left(error)])
          const middle = batch.length >> 1
          return Effect.zipWith(
            push(batch.slice(0, middle), timeout),
            push(batch.slice(middle), timeout),
            (left, right) => [...left, ...right]
          )
        })
      )

    /** The seeds' one retry: it mends a lost connection or a passing overload, not a peer that is gone. */
    const pushWithRetry = (batch: ReadonlyArray<exchange.Outgoing>) =>
      push(batch, attemptTimeout).pipe(
        Effect.catchAll((first) =>
          Effect.sleep(RETRY_AFTER).pipe(
            Effect.zipRight(push(batch, attemptTimeout)),
            Effect.tapBoth({
              onSuccess: () => Effect.sync(() => Metrics.retried("ok")),
              onFailure: () => Effect.sync(() => Metrics.retried("fail"))
            }),
            Effect.mapError((again) => fail(again.reason, `first: ${first.message}; retry: ${again.message}`))
          )
        )
      )

    const liveLane = Effect.gen(function*() {
      yield* lanes.connected.await
      yield* lanes.work.await
      yield* Effect.yieldNow()
      const batch = take()
      if (batch.length === 0) return
      yield* pushWithRetry(batch.map(({ item }) => item)).pipe(
        Effect.matchEffect({
          onSuccess: (outcomes) =>
            Effect.sync(() => {
              batch.forEach((entry, index) => entry.settle(outcomes[index] ?? Either.left(unavailable())))
            }),
          onFailure: (error) =>
            Effect.zipRight(
              Effect.sync(() => {
                for (const entry of batch) entry.settle(Either.left(error))
              }),
              trip(error)
            )
        }),
        // However this fiber ends, nobody is left waiting.
        Effect.onInterrupt(() =>
          Effect.sync(() => {
            for (const entry of batch) entry.settle(Either.left(unavailable()))
          })
        )
      )
    })

    const backfillLane = Effect.gen(function*() {
      yield* lanes.connected.await
      yield* lanes.backfill.await
      lanes.backfill.unsafeClose()
      yield* backfill.pipe(Effect.catchTag("PeerFailed", trip))
    })

    /** One pass over what the peer lacks, as of now, of every origin: it need not hear an operation from its author. */
    const backfill = Effect.gen(function*() {
      if (identity?.kind !== "quorate") return
      for (const range of VersionVector.missing(store.vector(), vector)) {
        let from = range.from
        while (from <= range.to) {
          const page = yield* store.operations({ ...range, from }, BACKFILL_PAGE)
          if (page.length === 0) break
          const items = page.map((operation) => outgoing(operation, null))
          const batch = items.slice(0, PeerApi.fitting(items.map(({ bytes }) => bytes)))
          const outcomes = yield* push(batch, BACKFILL_TIMEOUT)
          yield* reportRefused(batch, outcomes)
          Metrics.lag(peer.name, range.to - from + 1 - batch.length)
          from += batch.length
        }
      }
      Metrics.lag(peer.name, 0)
    }).pipe(
      Effect.catchTag("ReadFailed", (error) => Effect.logError(`federation: catching up ${peer.name} failed`, error))
    )

    const reportRefused = (
      batch: ReadonlyArray<exchange.Outgoing>,
      outcomes: ReadonlyArray<Either.Either<string, PeerFailed>>
    ) =>
      Effect.forEach(outcomes, (outcome, index) =>
        Either.isRight(outcome) ? Effect.void : Effect.logWarning(
          `federation: peer ${peer.name} refused operation ${batch[index]?.operation.opId}: ${outcome.left.detail}`
        ), { discard: true })

    const greet = Effect.gen(function*() {
      const asked = clock.unsafeCurrentTimeMillis()
      const found = yield* exchange.hello({ peer, sender, timeout: attemptTimeout }).pipe(
        Effect.provideService(PeerTransport, transport)
      )
      if (!options.claim(found.nodeId)) {
        return yield* fail("identity", `${found.nodeId} is this node itself, or is reached under another address, too`)
      }
      identity = found
      if (found.kind === "quorate") yield* compare(found.hello, asked)
      const wasOpen = Breaker.isOpen(breaker)
      breaker = Breaker.closed
      lanes.broken.unsafeClose()
      lanes.connected.unsafeOpen()
      Metrics.breaker(peer.name, false)
      if (wasOpen) yield* Effect.logInfo(`federation: peer ${peer.name} is back`)
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
        yield* store.notePeer({ nodeId: hello.node_id, url: peer.url, protocol: hello.protocol, vector, skewMillis })
          .pipe(
            Effect.catchAll((error) => Effect.logDebug(`federation: peer ${peer.name} was not noted`, error))
          )
        const own = store.origin()
        if (VersionVector.upto(vector, own) > VersionVector.upto(store.vector(), own)) {
          const renewed = yield* store.renewWhenBehind(vector).pipe(Effect.option)
          yield* Effect.logError(
            `federation: peer ${peer.name} holds more of ${own} than this node ever wrote: ` +
              "the database is an old backup or a copy, and goes on under a new incarnation"
          ).pipe(Effect.annotateLogs({ renewed }))
        }
        if (!VersionVector.dominates(vector, store.vector())) lanes.backfill.unsafeOpen()
      })

    /** While the breaker is open: waits its time, or until the peer is heard, and asks whether it is back. */
    const prober = Effect.gen(function*() {
      yield* lanes.broken.await
      const wait = breaker.failures === 0 ? 0 : Breaker.openMillis(breaker, yield* random.next)
      yield* Effect.race(Effect.sleep(Duration.millis(wait)), Effect.delay(lanes.retryNow.await, HEARD_PAUSE))
      yield* greet.pipe(Effect.catchTag("PeerFailed", trip))
    })

    for (const [name, lane] of Object.entries({ live: liveLane, backfill: backfillLane, probe: prober })) {
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
      send: (items) =>
        Effect.async((resume) => {
          if (Breaker.isOpen(breaker)) return resume(unavailable())
          const bytes = items.reduce((sum, item) => sum + item.bytes, 0)
          if (queue.length + items.length > MAX_QUEUED_OPERATIONS || queuedBytes + bytes > MAX_QUEUED_BYTES) {
            lanes.backfill.unsafeOpen()
            return resume(fail("queue_full", `${queue.length} operations are waiting for the peer`))
          }
          const settlers = settleAll(items.length, (outcomes) => resume(answerOf(outcomes)))
          items.forEach((item, index) => queue.push({ item, settle: settlers[index] ?? (() => {}) }))
          queuedBytes += bytes
          lanes.work.unsafeOpen()
        }),
      heard: () => {
        if (Breaker.isOpen(breaker)) lanes.retryNow.unsafeOpen()
      },
      refresh: Effect.suspend(() =>
        Breaker.isOpen(breaker) || identity === null
          ? Effect.void
          : greet.pipe(Effect.catchTag("PeerFailed", trip))
      ),
      status: () => ({ identity, breaker, vector, queued: queue.length, skewMillis })
    }
  })

/** One function per operation; once all have been called, `done` gets what they were called with. */
const settleAll = (count: number, done: (outcomes: ReadonlyArray<SendOutcome>) => void) => {
  const outcomes = new Map<number, SendOutcome>()
  return Array.from({ length: count }, (_, index) => (outcome: SendOutcome) => {
    outcomes.set(index, outcome)
    if (outcomes.size === count) {
      done(Array.from(outcomes).sort(([a], [b]) => a - b).map(([, settled]) => settled))
    }
  })
}

const answerOf = (outcomes: ReadonlyArray<SendOutcome>): Either.Either<ReadonlyArray<SendOutcome>, PeerFailed> => {
  const [first] = outcomes
  return first !== undefined && Either.isLeft(first) && outcomes.every(Either.isLeft)
    ? Either.left(first.left)
    : Either.right(outcomes)
}

/** An operation made ready for the wire, once for all peers. */
export const outgoing = (
  operation: exchange.Outgoing["operation"],
  span: exchange.Outgoing["span"]
): exchange.Outgoing => {
  const traceparent = span === null ? null : `00-${span.traceId}-${span.spanId}-0${span.sampled ? 1 : 0}`
  const text = PeerApi.encodeOperation(operation, traceparent)
  return { operation, text, bytes: PeerApi.sizeOf(operation, text), span }
}
