import * as Either from "effect/Either"
import { isDeepStrictEqual } from "node:util"
import * as CreateMemory from "../../domain/CreateMemory.js"
import type * as ids from "../../domain/ids.js"
import type { Memory } from "../../domain/Memory.js"
import { mergeUpsert } from "../../domain/Upsert.js"
import * as Payload from "../../replication/Payload.js"
import { slot } from "../../store/deciding/slot.js"
import type { Held } from "../../store/deciding/Transaction.js"
import type { Batch, Entry, Transaction } from "../../store/MemoryStore.js"
import { SlotTaken } from "../errors.js"
import { place } from "./place.js"
import { titlesBeside } from "./titlesBeside.js"

/** A row that keeps all rules, with the id that its memory gets if it becomes a new one. */
export interface Row {
  readonly draft: CreateMemory.Validated
  readonly agentId: ids.AgentId
  readonly index: number
  readonly id: ids.MemoryId
}

/**
 * What a row came to: a memory that was not there before, or a change of one; nothing, because a memory was there that says
 * the same, or because an earlier row of the request does.
 */
export interface Placed {
  readonly fate: "created" | "updated" | "unchanged" | "duplicate"
  /** The operation by which its memory is as it is. */
  readonly entry: Entry
  /** The title that it was stored under, where that is not its own. */
  readonly renamed?: string
}

/**
 * Places the rows of one request, one after the other. A title that was taken before the request says what `on_conflict`
 * says. One that an earlier row has is not given up for another text: that goes under the next free title.
 */
export const placing = (batch: Batch, isNewId: boolean): (row: Row) => Either.Either<Placed, SlotTaken> => {
  const rows = placedRows(batch)
  return (row) => {
    const now = batch.now()
    const { draft: { onConflict } } = row
    const memory = memoryOf(now, row)
    const store = (under: Memory, how: CreateMemory.OnConflict, placed: Omit<Placed, "entry">) =>
      Either.map(
        place(now, under, { onConflict: how, isNewId }),
        ({ decision }) => rows.add(row, { ...placed, entry: batch.write(decision) })
      )

    const taken = slot(now, memory.namespace, memory.title)
    if (taken._tag !== "held") return store(memory, "error", { fate: "created" })
    const { holder } = taken
    if (onConflict === "error") {
      return Either.left(new SlotTaken({ namespace: memory.namespace, existingId: holder.memory.id }))
    }
    const twin = rows.twinOf(row)
    if (twin !== undefined) return Either.right({ fate: "duplicate", entry: twin })
    if (addsNothing(holder, row, memory)) return Either.right(rows.keep(row, holder))
    if (onConflict === "merge" && !rows.has(holder)) return store(memory, "merge", { fate: "updated" })
    for (const renamed of rows.titlesFor(row)) {
      const beside = slot(now, memory.namespace, renamed)
      if (beside._tag !== "held") return store({ ...memory, title: renamed }, "error", { fate: "created", renamed })
      if (addsNothing(beside.holder, row, memory)) return Either.right(rows.keep(row, beside.holder))
    }
    return Either.left(new SlotTaken({ namespace: memory.namespace, existingId: holder.memory.id }))
  }
}

/**
 * What the rows of an earlier request with the same key came to, by what it wrote: a new memory has the id of its row, and one
 * that a row merged into has its title. A row for which nothing was written is found in a memory that says the same, as far as
 * that still does.
 */
export const recognizing = (batch: Batch, { isWhole, rowIds, written }: {
  readonly written: ReadonlyArray<Entry>
  /** The ids that new memories of the request have. */
  readonly rowIds: ReadonlySet<string>
  /** All that was written is known here, because it was written here. */
  readonly isWhole: boolean
}): (row: Row) => Either.Either<Placed, string> => {
  const left = written.toSorted((a, b) => a.operation.oseq - b.operation.oseq)
  const rows = placedRows(batch)
  return (row) => {
    const now = batch.now()
    const { draft: { namespace, onConflict, title } } = row
    const [entry] = left
    if (entry !== undefined && isOf(entry, row, rowIds)) {
      left.shift()
      const under = Payload.versionOf(entry.payload)?.title ?? title
      const fate = entry.operation.entity === row.id ? "created" : "updated"
      return Either.right(rows.add(row, { fate, entry, ...(under === title ? {} : { renamed: under }) }))
    }
    const taken = new SlotTaken({ namespace, existingId: "" })
    if (onConflict === "error" && isWhole) return Either.left(taken.message)
    const twin = onConflict === "error" ? undefined : rows.twinOf(row)
    if (twin !== undefined) return Either.right({ fate: "duplicate", entry: twin })
    if (!isWhole) return Either.left("not stored, or not yet known to this node: ask the one that answered first")
    const memory = memoryOf(now, row)
    for (const under of [title, ...rows.titlesFor(row)]) {
      const holder = now.holder(namespace, under)
      if (holder === null) break
      if (addsNothing(holder, row, memory)) return Either.right(rows.keep(row, holder))
    }
    return Either.left("nothing was written: a memory that said the same was here, and has changed since")
  }
}

const isOf = ({ operation, payload }: Entry, { draft, id }: Row, rowIds: ReadonlySet<string>): boolean => {
  if (operation.entity === id) return true
  const memory = Payload.versionOf(payload)
  return draft.onConflict === "merge" && !rowIds.has(operation.entity) && memory?.namespace === draft.namespace &&
    memory.title === draft.title
}

/** What is known of the rows that were placed so far. */
const placedRows = (batch: Batch) => {
  const ids = new Set<string>()
  const twins = new Map<string, Entry>()
  const titles = titlesBeside()
  const add = (row: Row, placed: Placed): Placed => {
    ids.add(placed.entry.operation.entity)
    twins.set(textOf(row), placed.entry)
    return placed
  }
  return {
    add,
    /** What is there says the same already. */
    keep: (row: Row, held: Held): Placed => {
      const fate = ids.has(held.memory.id) ? "duplicate" : "unchanged"
      return add(row, { fate, entry: batch.now().entryOf(held) })
    },
    /** Whether a row came to this memory. */
    has: ({ memory: { id } }: Held): boolean => ids.has(id),
    /** What an earlier row came to that says the same to the letter. */
    twinOf: (row: Row): Entry | undefined => twins.get(textOf(row)),
    titlesFor: ({ draft }: Row): Iterable<string> => titles(draft)
  }
}

/** All that a row says. */
const textOf = ({ draft }: Row): string => JSON.stringify(draft)

/** The memory as it would be on its own. */
const memoryOf = ({ stamp }: Transaction, { agentId, draft, id }: Row): Memory =>
  CreateMemory.build(draft, { id, agentId, stamp })

/**
 * Whether a memory would stay as it is if the row merged into it. An expiry that nobody asked for is none of what a row says:
 * it is another at every moment.
 */
const addsNothing = ({ memory: held, version: { hlc } }: Held, { draft: { expiry } }: Row, row: Memory): boolean => {
  const { expires_at: wanted, ...merged } = mergeUpsert(held, row, hlc)
  const { expires_at: given, ...plain } = held
  return (expiry._tag === "ByTier" || wanted === given) && isDeepStrictEqual(merged, plain)
}
