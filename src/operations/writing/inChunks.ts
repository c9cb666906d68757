import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { hash } from "node:crypto"
import type * as Stamp from "../../domain/Stamp.js"
import type { Federation } from "../../federation/Federation.js"
import type { Kind } from "../../replication/kinds.js"
import type { Idempotency, Operation } from "../../replication/Operation.js"
import { type Batch, type Entry, MemoryStore, type Transaction } from "../../store/MemoryStore.js"
import type { QuorumNotMet, ReadFailed } from "../errors.js"
import { acknowledge, NOTHING_WRITTEN } from "./acknowledge.js"
import type { Acknowledged, Counted, WriteError } from "./Written.js"

/** Operations in one transaction: it holds the event loop for as long as it takes. */
export const MAX_CHUNK = 50

/** When such a write begins: what was known before is meant, what is written from now on is not. */
export interface Moment {
  readonly at: Stamp.Stamp
  /** Where the log of this node ended. Unlike stamps it depends on no clock. */
  readonly position: number
}

/** A write of as many operations as there are items, whatever their number. */
interface InChunks<Item> {
  readonly idempotency: Idempotency | null
  /** What is to be written. */
  readonly items: (from: Moment) => Stream.Stream<Item, ReadFailed>
  /** Writes one item, as of its turn in the transaction, if there still is anything to write. */
  readonly write: (batch: Batch, item: Item) => void
}

/**
 * Writes any number of operations in transactions of a bounded size, one after the other, and waits for the quorum of each. A
 * chunk that misses its quorum does not stop those after it: nothing is undone, and all of it will replicate.
 *
 * With an idempotency key each chunk has its own, made from it. The same key again finds the chunks that were written, waits
 * for their quorum, and goes on from there with what was known before the first of them.
 */
export const inChunks = <Item>(
  options: InChunks<Item>
): Effect.Effect<Counted, WriteError | ReadFailed, MemoryStore | Federation> =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    const { idempotency, items, write } = options
    const tally = yield* makeTally
    let chunk = 0
    const commit = <A>(job: (batch: Batch) => A) =>
      store.commitAll((batch) => Either.right(job(batch)), keyOf(idempotency, chunk))

    let first: Operation | undefined
    let begin: Moment | null = null
    while (begin === null) {
      const { answer, written } = yield* commit((batch) => momentOf(batch.now(), first))
      begin = Option.getOrNull(answer)
      if (begin !== null) break
      first ??= written[0]?.operation
      yield* tally.add(written)
      chunk += 1
    }
    yield* Stream.runForEachChunk(items(begin), (found) =>
      Effect.forEach(Chunk.chunksOf(found, MAX_CHUNK), (some) =>
        Effect.gen(function*() {
          const { written } = yield* commit((batch) => {
            for (const item of some) {
              write(batch, item)
            }
          })
          if (written.length > 0) {
            chunk += 1
          }
          yield* tally.add(written)
        }), { discard: true }))
    return yield* tally.result
  })

/** The moment at which an operation was written, or now. */
const momentOf = ({ position, stamp }: Transaction, operation: Operation | undefined): Moment => ({
  at: operation?.hlc ?? stamp,
  position: position(operation)
})

/** The first chunk has the key as it is, so that another request under it is found out. */
const keyOf = (idempotency: Idempotency | null, chunk: number): Idempotency | null =>
  idempotency === null || chunk === 0
    ? idempotency
    : { ...idempotency, keyHash: hash("sha256", `${idempotency.keyHash} ${chunk}`, "hex") }

/** What the chunks came to so far. */
const makeTally = Effect.map(MemoryStore, ({ nodeId }) => {
  let count = 0
  const kinds = new Map<Kind, number>()
  let acknowledged: Acknowledged | null = null
  let missed: QuorumNotMet | null = null
  return {
    add: (written: ReadonlyArray<Entry>) =>
      written.length === 0 ? Effect.void : Effect.map(Effect.either(acknowledge(written)), (verdict) => {
        count += written.length
        for (const { payload: { kind } } of written) kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
        if (Either.isLeft(verdict)) missed ??= verdict.left
        else acknowledged = acknowledged === null ? verdict.right : both(acknowledged, verdict.right)
      }),
    // Nothing was to be done: that is as durable as it can be.
    result: Effect.suspend(() =>
      missed === null
        ? Effect.succeed({ ...acknowledged ?? { opId: NOTHING_WRITTEN, acks: 1, ackedBy: [nodeId] }, count, kinds })
        : Effect.fail(missed)
    )
  }
})

const both = (a: Acknowledged, b: Acknowledged): Acknowledged => {
  const ackedBy = a.ackedBy.filter((node) => b.ackedBy.includes(node))
  return { ...a, acks: Math.min(a.acks, b.acks), ackedBy }
}
