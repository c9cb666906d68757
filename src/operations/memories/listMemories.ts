import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { checkCount } from "../../domain/checks.js"
import { DEFAULT_LISTED, MAX_LISTED, MAX_OFFSET } from "../../domain/limits.js"
import type { Memory } from "../../domain/Memory.js"
import * as Stamp from "../../domain/Stamp.js"
import type { Invalid } from "../../domain/validate.js"
import { type Bounded, NOTHING } from "../../store/read/Bounded.js"
import { MemoryReader } from "../../store/read/MemoryReader.js"
import type { ReadFailed } from "../errors.js"
import { type AskedFilter, checkFilter } from "./filter.js"
import { foundSpan } from "./foundSpan.js"

export interface List extends AskedFilter {
  /** 0 to 1000, 20 unless given. */
  readonly limit?: number | undefined
  readonly offset?: number | undefined
}

/** Memories by priority, then by the latest change, both descending. Expired ones are hidden. */
export const listMemories = (
  list: List
): Effect.Effect<ReadonlyArray<Memory>, Invalid | ReadFailed, MemoryReader> =>
  Effect.map(listPage(list), ({ rows }) => rows)

/** The same, and whether the page was cut because its memories are large. The next one begins after what was given. */
export const listPage = (list: List): Effect.Effect<Bounded<Memory>, Invalid | ReadFailed, MemoryReader> =>
  paged(list, (reader) => reader.list)

/** The same page as the JSON texts that its memories are sent as. */
export const listTexts = (list: List): Effect.Effect<Bounded<string>, Invalid | ReadFailed, MemoryReader> =>
  paged(list, (reader) => reader.listTexts)

type Reads = MemoryReader["Type"]
type Read<A> = (page: Parameters<Reads["list"]>[0]) => Effect.Effect<Bounded<A>, ReadFailed>

const paged = <A>(
  list: List,
  readOf: (reader: Reads) => Read<A>
): Effect.Effect<Bounded<A>, Invalid | ReadFailed, MemoryReader> =>
  Effect.gen(function*() {
    const read = readOf(yield* MemoryReader)
    const limit = yield* checkCount("limit", list.limit ?? DEFAULT_LISTED, MAX_LISTED)
    const offset = yield* checkCount("offset", list.offset ?? 0, MAX_OFFSET)
    const filter = yield* checkFilter(list, Stamp.fromMillis(yield* Clock.currentTimeMillis))
    return limit === 0 ? NOTHING : yield* read({ ...filter, limit, offset })
  }).pipe(foundSpan("listMemories", list.namespace, ({ rows }) => rows.length))
