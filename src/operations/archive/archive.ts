import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Archive from "../../domain/Archive.js"
import { MAX_ARCHIVED } from "../../domain/limits.js"
import * as validate from "../../domain/validate.js"
import type { Federation } from "../../federation/Federation.js"
import * as links from "../../store/deciding/links.js"
import type { Held } from "../../store/deciding/Transaction.js"
import { type Batched, type Decision, MemoryStore, type Transaction } from "../../store/MemoryStore.js"
import { ArchiveReader } from "../../store/read/ArchiveReader.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { ReadFailed } from "../errors.js"
import { acknowledge } from "../writing/acknowledge.js"
import { idempotencyOf } from "../writing/caller.js"
import { counted } from "../writing/counted.js"
import type { Acknowledged, Caller, WriteError } from "../writing/Written.js"

export interface ArchiveRequest {
  /** Whole ids, of the memory itself or of one that it took over; no prefixes. */
  readonly ids: ReadonlyArray<string>
  /** `archive` unless given. */
  readonly reason?: string | undefined
}

/** What became of the ids that were given, each of them in one of the two lists. */
export interface ArchivedIds extends Acknowledged {
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
  caller: Caller
): Effect.Effect<
  ArchivedIds,
  validate.Invalid | WriteError | ReadFailed,
  MemoryStore | ArchiveReader | Federation
> =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    const { ids, reason } = yield* check(request)
    const done = yield* store.commitAll((batch) =>
      Either.right(
        new Set(ids.filter((id) => {
          const now = batch.now()
          const held = links.resolve(now, id)
          if (held !== null) batch.write(archival(now, held, reason))
          return held !== null
        }))
      ), idempotencyOf(caller, ["archive", request]))
    const standing = yield* (yield* ArchiveReader).standing(ids)
    const acknowledged = yield* acknowledge(done.written)
    const archived = ids.filter((id) => standing.has(id) || wrote(done, id))
    const missing = ids.filter((id) => !archived.includes(id))
    return { ...acknowledged, archived, missing, reason }
  }).pipe(counted("updated"), hotSpan("archive"))

/** A memory that is put away. Its version ends; what else claimed its slot comes forward. */
export const archival = (now: Transaction, held: Held, reason: string): Decision => ({
  payload: {
    kind: "archive",
    memory: { ...held.memory, updated_at: now.stamp },
    archivedAt: now.stamp,
    reason
  },
  baseHlc: held.version.hlc,
  covers: [held.version]
})

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
