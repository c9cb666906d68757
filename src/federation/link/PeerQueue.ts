import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as exchange from "../wire/exchange.js"
import type { PeerFailed } from "../wire/Peer.js"
import * as PeerApi from "../wire/PeerApi.js"

/** Operations waiting in one queue at most; what does not fit is left to the backfill lane. */
export const MAX_QUEUED_OPERATIONS = 4096
export const MAX_QUEUED_BYTES = 32 * 1024 * 1024

export interface Queued {
  readonly item: exchange.Outgoing
  /** Answers the send; a second answer changes nothing. No `Deferred`: there is one per write and peer. */
  readonly settle: (outcome: exchange.Outcome) => void
}

/** What waits for one request after the other towards a peer. */
export interface PeerQueue {
  /** Ends once something waits. */
  readonly work: Effect.Effect<void>
  /** Takes all of a send or, when they do not fit, none; `done` is told the outcome of each, in their order. */
  readonly offer: (
    items: ReadonlyArray<exchange.Outgoing>,
    done: (outcomes: ReadonlyArray<exchange.Outcome>) => void
  ) => boolean
  /** The next request: at most so many operations and 1 MiB. Under way until `done`. */
  readonly take: (most: number) => ReadonlyArray<Queued>
  /** The request that was taken last has its outcome. */
  readonly done: () => void
  /** The ids of the operations that wait here, or are under way. */
  readonly underWay: () => ReadonlySet<string>
  /** Empties it; everything that waited fails. */
  readonly fail: (error: PeerFailed) => void
  readonly size: () => number
}

export const make: Effect.Effect<PeerQueue> = Effect.map(Effect.makeLatch(false), (work) => {
  let queue: Array<Queued> = []
  let taken: ReadonlyArray<Queued> = []
  let bytes = 0

  return {
    work: work.await,
    offer: (items, done) => {
      const more = items.reduce((sum, item) => sum + item.bytes, 0)
      if (queue.length + items.length > MAX_QUEUED_OPERATIONS || bytes + more > MAX_QUEUED_BYTES) return false
      const settle = settleAll(items.length, done)
      items.forEach((item, index) => queue.push({ item, settle: (outcome) => settle(index, outcome) }))
      bytes += more
      work.unsafeOpen()
      return true
    },
    take: (most) => {
      const count = PeerApi.fitting(queue.slice(0, most).map(({ item }) => item.bytes), most)
      const batch = queue.slice(0, count)
      queue = queue.slice(count)
      for (const { item } of batch) bytes -= item.bytes
      if (queue.length === 0) work.unsafeClose()
      taken = batch
      return batch
    },
    done: () => {
      taken = []
    },
    underWay: () => new Set([...taken, ...queue].map(({ item }) => item.operation.opId)),
    fail: (error) => {
      const dropped = queue
      queue = []
      bytes = 0
      work.unsafeClose()
      for (const { settle } of dropped) settle(Either.left(error))
    },
    size: () => queue.length
  }
})

/** Once every one of them has an outcome, `done` gets them all. */
const settleAll = (count: number, done: (outcomes: ReadonlyArray<exchange.Outcome>) => void) => {
  const outcomes = new Map<number, exchange.Outcome>()
  return (index: number, outcome: exchange.Outcome): void => {
    outcomes.set(index, outcome)
    if (outcomes.size === count) {
      done(Array.from(outcomes).sort(([a], [b]) => a - b).map(([, settled]) => settled))
    }
  }
}
