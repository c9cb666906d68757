import * as Effect from "effect/Effect"
import { checkCount } from "../../domain/checks.js"
import { DEFAULT_ARCHIVE_LISTED, MAX_ARCHIVE_LISTED, MAX_OFFSET } from "../../domain/limits.js"
import type { Invalid } from "../../domain/validate.js"
import * as validate from "../../domain/validate.js"
import { type Archived, ArchiveReader } from "../../store/read/ArchiveReader.js"
import type { Bounded } from "../../store/read/Bounded.js"
import type { NamespaceCount } from "../../store/read/MemoryReader.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { ReadFailed } from "../errors.js"

export interface ListArchive {
  /** Exactly this namespace. */
  readonly namespace?: string | undefined
  /** 1 to 1000, 50 unless given. */
  readonly limit?: number | undefined
  readonly offset?: number | undefined
}

export type { Archived }

/** Archived memories, the latest first. */
export const listArchive = (
  list: ListArchive
): Effect.Effect<ReadonlyArray<Archived>, Invalid | ReadFailed, ArchiveReader> =>
  Effect.map(archivePage(list), ({ rows }) => rows)

/** The same, and whether there are more that were left out because these are large. */
export const archivePage = (
  list: ListArchive
): Effect.Effect<Bounded<Archived>, Invalid | ReadFailed, ArchiveReader> =>
  Effect.gen(function*() {
    const reader = yield* ArchiveReader
    const limit = yield* checkCount("limit", list.limit ?? DEFAULT_ARCHIVE_LISTED, {
      least: 1,
      most: MAX_ARCHIVE_LISTED
    })
    const offset = yield* checkCount("offset", list.offset ?? 0, MAX_OFFSET)
    const { namespace } = list
    if (namespace !== undefined) yield* validate.namespace(namespace)
    return yield* reader.list({ namespace, limit, offset })
  }).pipe(hotSpan("listArchive"))

/** How many archived memories this node holds. */
export interface ArchiveStats {
  readonly total: number
  /** Largest first. */
  readonly namespaces: ReadonlyArray<NamespaceCount>
}

export const archiveStats: Effect.Effect<ArchiveStats, ReadFailed, ArchiveReader> = Effect.gen(function*() {
  const namespaces = yield* (yield* ArchiveReader).namespaces
  return { total: namespaces.reduce((sum, { count }) => sum + count, 0), namespaces }
}).pipe(hotSpan("archiveStats"))
