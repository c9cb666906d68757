import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Archive from "../../domain/Archive.js"
import { MAX_ARCHIVED } from "../../domain/limits.js"
import * as validate from "../../domain/validate.js"
import { archivedId, liveId } from "../../store/deciding/liveId.js"
import type { Batch, Entry } from "../../store/MemoryStore.js"
import { ArchiveReader } from "../../store/read/ArchiveReader.js"
import type { ReadFailed, StandardInUse } from "../errors.js"
import * as Write from "../writing/Write.js"
import { archival, unlessStandard } from "./archival.js"

export interface ArchiveRequest {
  /** Whole ids, of the memory itself or of one that it took over; no prefixes. */
  readonly ids: ReadonlyArray<string>
  /** `archive` unless given. */
  readonly reason?: string | undefined
}

/** What became of the ids that were given, each of them in one of the two lists: put away now, or nothing to put away. */
export interface ArchivedIds extends Write.Acknowledged {
  readonly archived: ReadonlyArray<string>
  readonly missing: ReadonlyArray<string>
  readonly reason: string
}

/**
 * Puts memories away, all in one transaction: no list and no search finds them, until they are restored. One that is in the
 * archive already stays as it is there, and is missing among those that are live.
 */
export const archive = (
  request: ArchiveRequest,
  caller = Write.anonymous
): Write.Verb<ArchivedIds, validate.Invalid | ReadFailed | StandardInUse, ArchiveReader> =>
  Write.together({
    name: "archive",
    counts: "updated",
    caller,
    request: [request],
    governed: "ungoverned",
    prepare: () => Effect.suspend(() => check(request)),
    decide: (batch, { ids, reason }) => {
      const now = batch.now()
      const away = new Set<string>()
      return Either.map(
        Either.all(ids.flatMap((id) => liveId(now, id) ?? []).map((held) => unlessStandard(now, held))),
        () => new Set(ids.filter((id) => away.has(putAway(batch, id, reason, away))))
      )
    },
    settle: (done, { ids, reason }) =>
      Effect.gen(function*() {
        const now = Option.getOrUndefined(done.answer) ?? (yield* earlier(done.written, ids))
        const acknowledged = yield* Write.acknowledge(done.written)
        const archived = ids.filter((id) => now.has(id))
        const missing = ids.filter((id) => !archived.includes(id))
        return { ...acknowledged, archived, missing, reason }
      })
  })

/** Puts the memory away that the id stands for. Answers its own id: two of the given ones may stand for one memory. */
const putAway = (batch: Batch, id: string, reason: string, away: Set<string>): string => {
  const now = batch.now()
  const held = liveId(now, id)
  if (held === null) return archivedId(now, id)?.memory.id ?? id
  batch.write(archival(now, held, reason))
  away.add(held.memory.id)
  return held.memory.id
}

/** Which of the ids an earlier request with the same key put away, as ids of their own or as ones that were taken over. */
const earlier = (written: ReadonlyArray<Entry>, ids: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const standing = yield* (yield* ArchiveReader).standing(ids)
    const entities = new Set(written.map(({ operation }) => operation.entity))
    return new Set(ids.filter((id) => entities.has(standing.get(id) ?? id)))
  })

const check = (
  { ids, reason = Archive.reasons.archived }: ArchiveRequest
): Either.Either<{ readonly ids: ReadonlyArray<string>; readonly reason: string }, validate.Invalid> =>
  Either.gen(function*() {
    if (ids.length > MAX_ARCHIVED) {
      return yield* Either.left(
        new validate.Invalid({ field: "ids", message: `ids must be at most ${MAX_ARCHIVED}` })
      )
    }
    yield* validate.firstInvalid(ids.map((id, index) => validate.named(`ids[${index}]`, validate.memoryId(id))))
    yield* Archive.reason(reason)
    return { ids: Array.from(new Set(ids)), reason }
  })
