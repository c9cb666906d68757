import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Random from "effect/Random"
import type { NodeId, Origin } from "../../domain/ids.js"
import * as Stamp from "../../domain/Stamp.js"
import { nodeOf } from "../../store/log/OpLog.js"
import type { MemoryStore } from "../../store/MemoryStore.js"
import type { Metrics } from "../../telemetry/Metrics.js"
import type { RecentTraces } from "../RecentTraces.js"
import {
  MAX_BULK_OF_ORIGINAL,
  MAX_BULK_OPERATIONS,
  MAX_PUSH_BYTES,
  MAX_PUSH_OPERATIONS,
  Outcome,
  type Outgoing,
  PAGE_TIMEOUT,
  type PeerClient,
  type PeerFailed
} from "../wire/PeerClient.js"
import * as Backfill from "./Backfill.js"
import * as Breaker from "./Breaker.js"
import { fromLog, inCatchupSpan } from "./catchupSpan.js"
import type { Contact, Queues } from "./Contact.js"
import * as Delivery from "./Delivery.js"
import type { Greeting } from "./Greeting.js"
import * as LinkState from "./LinkState.js"
import type { Lane } from "./Watchdog.js"

/** A peer that was heard is probed after that; twice as long after each time that it could not be reached. */
const HEARD_PAUSE_MILLIS = 250
const MAX_DOUBLED = 7
/**
 * An original node is told the state of things, and believes whoever tells it last. What did not come from a client of
 * this node is told it only after this time: by then nodes that heard of it in different ways know the same.
 */
const SETTLED_AFTER = Duration.seconds(3)
/** A peer that is overloaded is sent nothing of the log for so long. */
const REST = Duration.seconds(1)
/** How often it is counted what a peer lacks. */
const MEASURE_EVERY = Duration.seconds(5)
/** What an original node took is written down no more often than this. */
const NOTE_PAUSE = Duration.seconds(1)

/** The parts of one link that its lanes work with. */
interface Parts {
  readonly client: PeerClient
  readonly machine: LinkState.Machine
  readonly queues: Queues
  readonly delivery: Delivery.Delivery
  readonly greeting: Greeting
  readonly contact: Contact
  readonly store: MemoryStore["Type"]
  readonly metrics: Metrics["Type"]
  readonly clock: Clock.Clock
  /** When the link was made, at the start of this node, by the clock that only goes on. */
  readonly begunNanos: bigint
  readonly random: Random.Random
  readonly ackTimeout: Duration.Duration
  readonly traces: RecentTraces
  /** Whether another link is in touch with the node of ours with this id. */
  readonly inTouch: (nodeId: NodeId) => boolean
}

/**
 * What a link does all the time, side by side: live writes, bulk writes and what the peer lacks from the log each have
 * one request in flight, so that none waits for another.
 */
export const lanesOf = (parts: Parts): Readonly<Record<string, Lane>> => ({
  live: sending(parts, parts.queues.live, MAX_PUSH_OPERATIONS, { timeout: parts.ackTimeout, bulk: false }),
  bulk: sending(parts, parts.queues.bulk, MAX_BULK_OPERATIONS, { timeout: PAGE_TIMEOUT, bulk: true }),
  backfill: backfilling(parts),
  note: noting(parts),
  lag: measuring(parts),
  probe: probing(parts)
})

/**
 * How many operations of so many the peer takes at once. An original node takes one, in a push of its own; of bulk as
 * many as its own kind sends it.
 */
const most = ({ machine }: Parts, wanted: number, isFreshBulk = false): number => {
  const { identity } = machine.state()
  if (identity?.kind === "quorate") return Math.max(1, Math.min(wanted, identity.hello.limits.operations))
  return isFreshBulk ? MAX_BULK_OF_ORIGINAL : 1
}

/** Sends what waits in a queue, one request after the other. */
const sending = (
  parts: Parts,
  queue: Queues["live"],
  atOnce: number,
  how: Delivery.How
): Lane =>
(within) => {
  const { client: { peer }, contact, delivery, machine, metrics, queues } = parts
  const lost = () => Outcome.failed(Delivery.unavailable(peer, machine.state()))
  return Effect.gen(function*() {
    yield* machine.until(LinkState.isConnected)
    yield* queue.work
    yield* Effect.yieldNow()
    const { done, items, settle } = queue.take(most(parts, atOnce, how.bulk))
    metrics.peerQueue(peer.name, queues.live.size() + queues.bulk.size())
    if (items.length === 0) return
    const settleAll = (outcome: (index: number) => Outcome.Outcome) => Effect.sync(() => settle(outcome))
    yield* delivery.pushWithRetry(items, { ...how, within }).pipe(
      Effect.matchEffect({
        onSuccess: (outcomes) => {
          contact.took()
          return Effect.zipRight(settleAll((index) => outcomes[index] ?? lost()), delivery.record(items, outcomes))
        },
        onFailure: (error) => Effect.zipRight(settleAll(() => Outcome.failed(error)), failing(parts, error))
      }),
      // However this fiber ends, nobody is left waiting.
      Effect.onInterrupt(() => settleAll(lost)),
      // Not before what the peer refused is noted: the backfill would send it at once, with the others.
      Effect.ensuring(Effect.sync(done))
    )
  })
}

/** A peer that is overloaded is there: the link stays whole, and what it did not take is sent again later. */
const failing = ({ contact, machine }: Parts, error: PeerFailed) =>
  error.reason === "overloaded"
    ? Effect.suspend(() => {
      machine.tell({ _tag: "overloaded" })
      return contact.complain(error)
    })
    : contact.lose(error)

/** Sends what the peer lacks from the log, whenever there may be something. */
const backfilling = (parts: Parts): Lane => (within) => {
  const { client: { peer }, greeting, machine, store } = parts
  return Effect.gen(function*() {
    yield* machine.until((state) => LinkState.isConnected(state) && state.lacks)
    if (machine.state().resting) yield* Effect.sleep(REST)
    machine.tell({ _tag: "looking" })
    yield* Effect.suspend(() => Backfill.pass(store, targetOf(parts, within))).pipe(
      Effect.catchTags({
        PeerFailed: (error) => failing(parts, error),
        ReadFailed: (error) => Effect.logError(`federation: catching up ${peer.name} failed`, error)
      })
    )
    machine.tell({ _tag: "noting" })
    yield* greeting.noteTaken
  })
}

const targetOf = (parts: Parts, within: Parameters<Lane>[0]) => {
  const { ackTimeout, contact, delivery, greeting, machine, queues } = parts
  const isOriginal = machine.state().identity?.kind === "original"
  const timeout = isOriginal ? ackTimeout : PAGE_TIMEOUT
  return {
    prepare: fromLog(parts.traces),
    maxBytes: MAX_PUSH_BYTES,
    settled: delivery.settled,
    underWay: () => new Set([...queues.live.items(), ...queues.bulk.items()].map(({ operation }) => operation.opId)),
    ask: isOriginal ? null : greeting.ask,
    isServed: (origin: Origin) => isServed(parts, origin),
    most: () => most(parts, Backfill.MAX_OPERATIONS),
    anyOrder: !isOriginal,
    fresh: queues.live.taken,
    push: (batch: ReadonlyArray<Outgoing>) =>
      Effect.zipRight(
        isOriginal ? settling(parts, batch) : Effect.void,
        inCatchupSpan(parts.client.peer)(batch, (batch) => delivery.push(batch, { timeout, bulk: true, within }))
      ).pipe(
        Effect.flatMap((outcomes) => delivery.record(batch, outcomes)),
        Effect.zipRight(Effect.sync(() => {
          contact.took()
          contact.measureLag()
        }))
      )
  }
}

/**
 * Whether the author of an origin is in touch, and sends what it writes to this peer, too. An original node is told by
 * everybody: it is told states, and whoever hears of something last is the one that knows the last of them.
 */
const isServed = ({ inTouch, machine }: Parts, origin: Origin): boolean => {
  const { identity } = machine.state()
  const author = nodeOf(origin)
  return identity?.kind === "quorate" && identity.peerId !== author && inTouch(author)
}

/** After a start this node may know less than it told before, or than others have told since: it hears of that first. */
const settling = ({ begunNanos, clock }: Parts, batch: ReadonlyArray<Outgoing>) =>
  Effect.suspend(() => {
    const newest = Math.max(...batch.map(({ operation }) => Stamp.toMillis(operation.hlc)))
    const known = Duration.millis(clock.unsafeCurrentTimeMillis() - newest)
    const age = Duration.min(known, Duration.nanos(clock.unsafeCurrentTimeNanos() - begunNanos))
    return Effect.sleep(
      Duration.clamp(Duration.subtract(SETTLED_AFTER, age), { minimum: 0, maximum: SETTLED_AFTER })
    )
  })

/** Writes down what an original node took. */
const noting = ({ greeting, machine }: Parts): Lane => () =>
  machine.until(({ untold }) => untold).pipe(
    Effect.zipRight(Effect.sleep(NOTE_PAUSE)),
    Effect.zipRight(Effect.sync(() => machine.tell({ _tag: "noting" }))),
    Effect.zipRight(greeting.noteTaken)
  )

/**
 * What a peer lacks grows also while it says nothing. One that is in touch may have it from others: it is asked, and when
 * that comes to nothing, other lanes will find out.
 */
const measuring = ({ contact, greeting, machine }: Parts): Lane => () =>
  Effect.gen(function*() {
    yield* Effect.sleep(MEASURE_EVERY)
    yield* contact.settle
    const state = machine.state()
    if (contact.measureLag() === 0 || !LinkState.isConnected(state) || state.identity?.kind !== "quorate") return
    yield* Effect.ignore(greeting.ask)
    contact.measureLag()
  })

/** Out of touch: waits its time, or until the peer is heard or wanted, and asks whether it is back. */
const probing = ({ contact, machine, random }: Parts): Lane => () =>
  Effect.gen(function*() {
    yield* machine.until((state) => !LinkState.isConnected(state))
    const breaker = LinkState.breakerOf(machine.state())
    if (Breaker.isOpen(breaker)) {
      const pause = Duration.millis(HEARD_PAUSE_MILLIS * 2 ** Math.min(LinkState.inVain(machine.state()), MAX_DOUBLED))
      yield* Effect.raceAll([
        Effect.sleep(Duration.millis(Breaker.openMillis(breaker, yield* random.next))),
        // One after the other: a pair side by side that loses at once, before it has begun, never ends, and this with it.
        Effect.zipRight(Effect.sleep(pause), machine.until(LinkState.wasHeard)),
        machine.until(LinkState.isWanted)
      ])
    }
    yield* contact.greet
  })
