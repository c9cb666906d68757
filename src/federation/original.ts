import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Memory from "../domain/Memory.js"
import * as Stamp from "../domain/Stamp.js"
import { mergeUpsert } from "../domain/Upsert.js"
import * as validate from "../domain/validate.js"
import type { LocalWriteFailed, Overloaded } from "../store/errors.js"
import { type Decision, MemoryStore, type Transaction } from "../store/MemoryStore.js"
import { MAX_DRIFT_MILLIS } from "../store/OpLog.js"

/** Rows and deletions without an operation: they come from a node of the original, which has no log. */
export interface Items {
  readonly memories: ReadonlyArray<Memory.Memory>
  readonly deletions: ReadonlyArray<string>
}

/** The original's counters: `applied` also when the local row won. */
export interface Counters {
  readonly applied: number
  readonly deleted: number
  readonly noop: number
  readonly skipped: number
}

/** The row is known, or older than what is here: nothing to write. */
class Unchanged extends Data.TaggedError("Unchanged") {}

/** The row is stamped too far ahead of this node's clock. */
class Refused extends Data.TaggedError("Refused") {}

export const countValid = ({ deletions, memories }: Items): number =>
  memories.filter((memory) => Either.isRight(validate.validateMemory(memory))).length +
  deletions.filter((id) => Either.isRight(validate.memoryId(id))).length

/**
 * Turns each item into an operation of this node, so that it reaches the others by the log. Rows first, then deletions, as
 * the original does it.
 */
export const apply = (items: Items): Effect.Effect<Counters, LocalWriteFailed | Overloaded, MemoryStore> =>
  Effect.gen(function*() {
    const counters = { applied: 0, deleted: 0, noop: 0, skipped: 0 }
    for (const memory of items.memories) counters[yield* applyMemory(memory)]++
    for (const id of items.deletions) counters[yield* applyDeletion(id)]++
    return counters
  })

const applyMemory = (memory: Memory.Memory) =>
  Effect.gen(function*() {
    const valid = validate.validateMemory(memory)
    if (Either.isLeft(valid)) return "skipped"
    const store = yield* MemoryStore
    return yield* store.commit((transaction) => storeIfNewer(transaction, valid.right), null).pipe(
      Effect.as("applied" as const),
      Effect.catchTags({
        Unchanged: () => Effect.succeed("applied" as const),
        Refused: () => Effect.succeed("skipped" as const),
        ClockBehind: () => Effect.succeed("skipped" as const),
        KeyReused: () => Effect.succeed("skipped" as const)
      })
    )
  })

const applyDeletion = (id: string) =>
  Effect.gen(function*() {
    if (Either.isLeft(validate.memoryId(id))) return "skipped"
    const store = yield* MemoryStore
    return yield* store.commit((transaction) => deleteSeen(transaction, id), null).pipe(
      Effect.as("deleted" as const),
      Effect.catchTags({
        Unchanged: () => Effect.succeed("noop" as const),
        ClockBehind: () => Effect.succeed("skipped" as const),
        KeyReused: () => Effect.succeed("skipped" as const)
      })
    )
  })

/**
 * The original's insert-if-newer: the slot decides, then the id; newer is the greater `updated_at`, then the greater id. The
 * version keeps the row's own stamp, so that the original's comparison of texts still holds on the way back.
 */
const storeIfNewer = (
  transaction: Transaction,
  incoming: Memory.Memory
): Either.Either<Decision, Unchanged | Refused> => {
  const hlc = Option.getOrElse(Stamp.parse(incoming.updated_at), () => transaction.stamp)
  // As for an operation: one stamp from the future would put this node's own clock out of everyone's reach.
  if (Stamp.toMillis(hlc) > transaction.wallMillis + MAX_DRIFT_MILLIS) return Either.left(new Refused())
  const known = transaction.holder(incoming.namespace, incoming.title) ?? transaction.byId(incoming.id)
  const ended = transaction.endedUntil(incoming.id)
  if (ended !== null && hlc <= ended) return Either.left(new Unchanged())
  if (known !== null && !isNewer(incoming, known.memory)) return Either.left(new Unchanged())
  return Either.right({
    hlc,
    id: known?.memory.id ?? incoming.id,
    memory: known === null ? incoming : mergeUpsert(known.memory, incoming, hlc),
    baseHlc: known?.version.hlc ?? null,
    covers: known === null ? [] : transaction.claims(incoming.namespace, incoming.title)
  })
}

const isNewer = (incoming: Memory.Memory, known: Memory.Memory) =>
  incoming.updated_at !== known.updated_at ? incoming.updated_at > known.updated_at : incoming.id > known.id

/** A deletion from an original covers every sibling known here. */
const deleteSeen = (transaction: Transaction, id: string): Either.Either<Decision, Unchanged> => {
  const found = transaction.byId(id) ?? transaction.byId(transaction.alias(id) ?? id)
  if (found === null) return Either.left(new Unchanged())
  return Either.right({
    memory: null,
    id: found.memory.id,
    baseHlc: found.version.hlc,
    covers: transaction.endable(found)
  })
}
