import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Archive from "../../domain/Archive.js"
import { MAX_ARCHIVED } from "../../domain/limits.js"
import * as validate from "../../domain/validate.js"
import { liveId } from "../../store/deciding/liveId.js"
import type { Batch, Batched } from "../../store/MemoryStore.js"
import { ArchiveReader } from "../../store/read/ArchiveReader.js"
import type { ReadFailed } from "../errors.js"
import * as Write from "../writing/Write.js"
import { archival } from "./archival.js"

export interface ArchiveRequest {
  /** Whole ids, of the memory itself or of one that it took over; no prefixes. */
  readonly ids: ReadonlyArray<string>
  /** `archive` unless given. */
  readonly reason?: string | undefined
}

/** What became of the ids that were given, each of them in one of the two lists. */
export interface ArchivedIds extends Write.Acknowledged {
  readonly archived: ReadonlyArray<string>
  readonly missing: ReadonlyArray<string>
  readonly reason: string
}

/**
 * Puts memories away, all in one transaction: no list and no search finds them, until they are restored. One that is in the
 * archive already stays as it is there, and counts as archived.
 */
export const archive = (
  request: ArchiveRequest,
  caller = Write.anonymous
): Write.Verb<ArchivedIds, validate.Invalid | ReadFailed, ArchiveReader> =>
  Write.together({
    name: "archive",
    counts: "updated",
    caller,
    request: [request],
    governed: "ungoverned",
    prepare: () => Effect.suspend(() => check(request)),
    decide: (batch, { ids, reason }) => Either.right(new Set(ids.filter((id) => putAway(batch, id, reason)))),
    settle: (done, { ids, reason }) =>
      Effect.gen(function*() {
        const standing = yield* (yield* ArchiveReader).standing(ids)
        const acknowledged = yield* Write.acknowledge(done.written)
        const archived = ids.filter((id) => standing.has(id) || wrote(done, id))
        const missing = ids.filter((id) => !archived.includes(id))
        return { ...acknowledged, archived, missing, reason }
      })
  })

const putAway = (batch: Batch, id: string, reason: string): boolean => {
  const now = batch.now()
  const held = liveId(now, id)
  if (held !== null) batch.write(archival(now, held, reason))
  return held !== null
}

/** The archive holds it now, or did when an earlier request with the same key put it there. */
const wrote = ({ answer, written }: Batched<ReadonlySet<string>>, id: string): boolean =>
  answer._tag === "Some" ? answer.value.has(id) : written.some(({ operation }) => operation.entity === id)

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
