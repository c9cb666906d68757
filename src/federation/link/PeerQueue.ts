import * as Effect from "effect/Effect"

/** Operations waiting in one queue at most; what does not fit is left to the backfill lane. */
const MAX_QUEUED_OPERATIONS = 4096
const MAX_QUEUED_BYTES = 32 * 1024 * 1024

/** One request, under way from `take` until it is done. */
interface Taken<Item, Result> {
  readonly items: ReadonlyArray<Item>
  /** Answers every send that has a part in it. A second answer changes nothing. */
  readonly settle: (result: (index: number) => Result) => void
  /** What came of it is kept, so that nobody else has to send it. */
  readonly done: () => void
}

/** What waits for one request after the other towards a peer. It knows nothing of what is sent, or how. */
export interface PeerQueue<Item, Result> {
  /** Ends once something waits. */
  readonly work: Effect.Effect<void>
  /**
   * Takes all of a send or, when they do not fit, none; `done` is told the result of each, in their order. What is to go ahead goes
   * before all that is not.
   */
  readonly offer: (
    items: ReadonlyArray<Item>,
    done: (results: ReadonlyArray<Result>) => void,
    isAhead?: boolean
  ) => boolean
  /** The next request: at most so many items, and no more than fit. */
  readonly take: (most: number) => Taken<Item, Result>
  /** What waits here, or is under way. */
  readonly items: () => ReadonlyArray<Item>
  /** Empties it: everything that waits comes to this. */
  readonly fail: (result: Result) => void
  /** So does what is under way, too: whoever sends it has lost it. */
  readonly abandon: (result: Result) => void
  /** How many items were taken so far. */
  readonly taken: () => number
  readonly size: () => number
}

interface Queued<Item, Result> {
  readonly item: Item
  /** No `Deferred`: there is one per write and peer. */
  readonly settle: (result: Result) => void
}

/** `fitting` says how many of the items of these sizes, and at most so many, one request carries. */
export const make = <Item extends { readonly bytes: number }, Result>(
  fitting: (sizes: ReadonlyArray<number>, most: number) => number
): Effect.Effect<PeerQueue<Item, Result>> =>
  Effect.map(Effect.makeLatch(false), (work) => {
    let queue: Array<Queued<Item, Result>> = []
    /** How many of them, from the first on, go ahead. */
    let ahead = 0
    let bytes = 0
    let sum = 0
    const underWay = new Set<Taken<Item, Result>>()

    const take = (most: number) => {
      const batch = queue.slice(0, fitting(queue.slice(0, most).map(({ item }) => item.bytes), most))
      queue = queue.slice(batch.length)
      ahead = Math.max(0, ahead - batch.length)
      for (const { item } of batch) bytes -= item.bytes
      if (queue.length === 0) work.unsafeClose()
      let isSettled = false
      const taken: Taken<Item, Result> = {
        items: batch.map(({ item }) => item),
        settle: (result) => {
          if (isSettled) return
          isSettled = true
          batch.forEach(({ settle }, index) => settle(result(index)))
        },
        done: () => {
          underWay.delete(taken)
        }
      }
      if (batch.length > 0) underWay.add(taken)
      sum += batch.length
      return taken
    }

    const fail = (result: Result) => {
      const dropped = queue
      queue = []
      ahead = 0
      bytes = 0
      work.unsafeClose()
      for (const { settle } of dropped) settle(result)
    }

    return {
      work: work.await,
      offer: (items, done, isAhead = false) => {
        const more = items.reduce((sum, item) => sum + item.bytes, 0)
        if (queue.length + items.length > MAX_QUEUED_OPERATIONS || bytes + more > MAX_QUEUED_BYTES) return false
        const settle = settleAll<Result>(items.length, done)
        const queued = items.map((item, index) => ({ item, settle: (result: Result) => settle(index, result) }))
        queue = isAhead ? [...queue.slice(0, ahead), ...queued, ...queue.slice(ahead)] : [...queue, ...queued]
        if (isAhead) ahead += items.length
        bytes += more
        work.unsafeOpen()
        return true
      },
      take,
      items: () => [...Array.from(underWay).flatMap(({ items }) => items), ...queue.map(({ item }) => item)],
      fail,
      abandon: (result) => {
        for (const { settle } of underWay) settle(() => result)
        underWay.clear()
        fail(result)
      },
      taken: () => sum,
      size: () => queue.length
    }
  })

/** Once every one of them has a result, `done` gets them all. */
const settleAll = <Result>(count: number, done: (results: ReadonlyArray<Result>) => void) => {
  const results = new Map<number, Result>()
  return (index: number, result: Result): void => {
    results.set(index, result)
    if (results.size === count) done(Array.from(results).sort(([a], [b]) => a - b).map(([, settled]) => settled))
  }
}
