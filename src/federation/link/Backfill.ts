import * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Origin } from "../../domain/ids.js"
import type { Operation } from "../../replication/Operation.js"
import * as OperationSet from "../../replication/OperationSet.js"
import * as VersionVector from "../../replication/VersionVector.js"
import { eventLoopTurn } from "../../store/log/eventLoopTurn.js"
import { nodeOf } from "../../store/log/OpLog.js"
import type { MemoryStore } from "../../store/MemoryStore.js"

/** Operations in one push at most: what the peer applies without doing anything else, in a few dozen milliseconds. */
export const MAX_OPERATIONS = 256
/** Pushes under way to a node of ours: it reads one while it applies another. */
const AT_ONCE = 2
/**
 * While fresh writes go to the same peer, each push is followed by a pause of this share of the time that it took. So it is sent what
 * it can take, be that much or little, and not more of it than leaves room for them.
 */
const PAUSE_BESIDE_WRITES = 0.25
/** Rows read from the log without letting anything else run. */
const READ_AT_ONCE = 64
/** An author that is in touch gets so long to send what it wrote; then others pass it on. */
const RELAY_AFTER = Duration.seconds(2)

/** An operation made ready to be sent. */
interface Item {
  readonly operation: Operation
  readonly bytes: number
}

/** One peer that lacks something. */
interface Target<I extends Item, E> {
  readonly prepare: (operation: Operation) => I
  /** Of one push at most. */
  readonly maxBytes: number
  /** What need not be sent: the peer holds it, or refuses it. */
  readonly settled: () => OperationSet.OperationSet
  /** The ids of operations that another lane is sending. */
  readonly underWay: () => ReadonlySet<string>
  /** Asks the peer what it holds by now; none when it is one that cannot tell. */
  readonly ask: Effect.Effect<void, E> | null
  /** Whether someone else is in touch with the peer and sends it the operations of this origin, which are its own. */
  readonly isServed: (origin: Origin) => boolean
  /** Operations in one push at most. */
  readonly most: () => number
  /** Whether the order in which pushes come to it does not matter. */
  readonly anyOrder: boolean
  readonly push: (batch: ReadonlyArray<I>) => Effect.Effect<void, E>
  /** Fresh writes that have been sent to it so far. */
  readonly fresh: () => number
}

type Ranges = ReadonlyArray<VersionVector.OriginRange>

/**
 * One pass over what the peer lacks, as of now, of every origin: it need not hear an operation from its author. But
 * when the author is in touch, it goes first: otherwise every node would send a returning one the same.
 */
export const pass = <I extends Item, E>(store: MemoryStore["Type"], target: Target<I, E>) =>
  Effect.gen(function*() {
    const lacking = VersionVector.missing(store.vector(), target.settled())
    const [others, own] = Arr.partition(lacking, ({ origin }) => nodeOf(origin) === store.nodeId)
    const [unserved, served] = Arr.partition(others, ({ origin }) => target.isServed(origin))
    yield* sendAll(store, target, [...own, ...unserved])
    if (target.ask !== null) yield* relay(store, target, served, target.ask)
  })

/** Waits for as long as the rest becomes less, and then sends it. */
const relay = <I extends Item, E>(
  store: MemoryStore["Type"],
  target: Target<I, E>,
  ranges: Ranges,
  ask: Effect.Effect<void, E>
) =>
  Effect.gen(function*() {
    const wanted = OperationSet.fromRanges(ranges)
    let before = Infinity
    for (;;) {
      const lacking = VersionVector.missing(wanted, target.settled())
      const left = OperationSet.sizeOf(lacking)
      if (left === 0) return
      if (left >= before) return yield* sendAll(store, target, lacking)
      before = left
      yield* Effect.sleep(RELAY_AFTER)
      yield* ask
    }
  })

/** Page by page. The next one is read while those before are under way; what the peer got meanwhile is left out of it. */
const sendAll = <I extends Item, E>(store: MemoryStore["Type"], target: Target<I, E>, ranges: Ranges) =>
  Effect.scoped(Effect.gen(function*() {
    const underWay: Array<Fiber.Fiber<void, E>> = []
    const most = target.anyOrder ? AT_ONCE : 1
    let page = yield* readPage(store, target, ranges)
    while (page.items.length > 0 || page.rest.length > 0) {
      const following = yield* Effect.forkScoped(readPage(store, target, page.rest))
      const settled = target.settled()
      const others = target.underWay()
      const batch = page.items.filter(({ operation: { opId, origin, oseq } }) =>
        !VersionVector.contains(settled, origin, oseq) && !others.has(opId)
      )
      if (batch.length > 0) underWay.push(yield* Effect.forkScoped(paced(target, batch)))
      while (underWay.length >= most) yield* ended(underWay)
      page = yield* Fiber.join(following)
    }
    while (underWay.length > 0) yield* ended(underWay)
  }))

/** Waits for the first of them. */
const ended = <E>(underWay: Array<Fiber.Fiber<void, E>>): Effect.Effect<void, E> =>
  Effect.suspend(() => {
    const first = underWay.shift()
    return first === undefined ? Effect.void : Fiber.join(first)
  })

/** One push, and a pause after it when fresh writes went beside it. */
const paced = <I extends Item, E>(target: Target<I, E>, batch: ReadonlyArray<I>) =>
  Effect.suspend(() => {
    const before = target.fresh()
    return Effect.flatMap(
      Effect.timed(target.push(batch)),
      ([took]) =>
        target.fresh() === before
          ? Effect.void
          : Effect.sleep(Duration.times(took, PAUSE_BESIDE_WRITES))
    )
  })

/** The first operations of the ranges, as many as one push carries, and the ranges without them. */
const readPage = <I extends Item, E>(store: MemoryStore["Type"], target: Target<I, E>, ranges: Ranges) =>
  Effect.gen(function*() {
    const most = target.most()
    const items: Array<I> = []
    let bytes = 0
    let [range, ...rest] = ranges
    while (range !== undefined && items.length < most) {
      const found = yield* store.operations(range, Math.min(READ_AT_ONCE, most - items.length))
      for (const operation of found) {
        const item = target.prepare(operation)
        bytes += item.bytes
        if (items.length > 0 && bytes > target.maxBytes) {
          return { items, rest: [{ ...range, from: operation.oseq }, ...rest] }
        }
        items.push(item)
      }
      const last = found.at(-1)
      if (last === undefined || last.oseq >= range.to) [range, ...rest] = rest
      else range = { ...range, from: last.oseq + 1 }
      yield* eventLoopTurn
    }
    return { items, rest: range === undefined ? [] : [range, ...rest] }
  })
