import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { checkCount } from "../../domain/checks.js"
import { MAX_PURGE_DAYS } from "../../domain/limits.js"
import * as Stamp from "../../domain/Stamp.js"
import type { Invalid } from "../../domain/validate.js"
import type { Batch } from "../../store/MemoryStore.js"
import { ArchiveReader, type Place } from "../../store/read/ArchiveReader.js"
import type { ReadFailed } from "../errors.js"
import * as Write from "../writing/Write.js"
import { keepingStandards, keeps, type Kept } from "./keepingStandards.js"

export interface PurgeRequest {
  /** What was archived later than so many days ago stays; without it nothing does. */
  readonly olderThanDays?: number | undefined
}

/** Deletes archived memories for good, on every node. */
export const purgeArchive = (
  { olderThanDays = 0 }: PurgeRequest = {},
  caller = Write.anonymous
): Write.Verb<Write.Counted, Invalid | ReadFailed, ArchiveReader> =>
  keepingStandards("purge", (kept) => sweep(olderThanDays, caller, kept))

const sweep = (olderThanDays: number, caller: Write.Caller, kept: Kept) =>
  Write.inChunks({
    name: "purgeArchive",
    counts: "deleted",
    caller,
    request: [olderThanDays],
    governed: "ungoverned",
    prepare: () =>
      Effect.gen(function*() {
        const reader = yield* ArchiveReader
        const days = yield* checkCount("older_than_days", olderThanDays, MAX_PURGE_DAYS)
        return { reader, age: Duration.days(days) }
      }),
    items: ({ at }, { age, reader }) => pages(reader, earlier(at, age)),
    write: (batch, place: Place) => purge(batch, place, kept)
  })

const earlier = (stamp: Stamp.Stamp, by: Duration.Duration): Stamp.Stamp =>
  Duration.toMillis(by) === 0 ? stamp : Stamp.fromMillis(Stamp.toMillis(stamp) - Duration.toMillis(by))

const pages = (reader: ArchiveReader["Type"], bound: Stamp.Stamp): Stream.Stream<Place, ReadFailed> => {
  const first: Place | null = null
  return Stream.paginateChunkEffect(
    first,
    (after: Place | null) =>
      Effect.map(reader.before(bound, after, Write.MAX_CHUNK), (places) => [
        Chunk.unsafeFromArray(places),
        Option.fromNullable(places.length < Write.MAX_CHUNK ? undefined : places.at(-1))
      ])
  )
}

/** Ends every version of it that is known here. One that was restored or archived anew meanwhile is another matter. */
const purge = (batch: Batch, { archived_at, id }: Place, kept: Kept): void => {
  const now = batch.now()
  const held = now.archivedById(id)
  if (held?.archived?.at !== archived_at || keeps(now, id, kept)) return
  batch.write({
    payload: { kind: "delete", entity: id },
    baseHlc: held.version.hlc,
    covers: now.endable(held)
  })
}
