import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Archive from "../../domain/Archive.js"
import { MAX_IMPORTED } from "../../domain/limits.js"
import * as Link from "../../domain/Link.js"
import * as Memory from "../../domain/Memory.js"
import { decoder } from "../../domain/ShapeError.js"
import type * as Stamp from "../../domain/Stamp.js"
import * as validate from "../../domain/validate.js"
import { linkId } from "../../replication/kinds.js"
import { archivedId, liveId } from "../../store/deciding/liveId.js"
import { storeIfNewer } from "../../store/deciding/storeIfNewer.js"
import type { Batch, Entry } from "../../store/MemoryStore.js"
import * as Write from "../writing/Write.js"

/** One thing to be brought in, as it came. */
export interface ImportItem {
  readonly kind: "memory" | "archived" | "link"
  readonly value: unknown
  /** Where it stands in the request, as in `memories[3]`. */
  readonly at: string
}

export interface Imported extends Write.Acknowledged {
  /** Memories that were written. */
  readonly imported: number
  readonly linksImported: number
  /** What is here already: as new or newer, or the same link. */
  readonly skipped: number
  /** What can not be brought in, under its id if it has one. */
  readonly errors: ReadonlyArray<string>
}

/**
 * Brings in what another node or an export holds, all in one transaction. A memory that is here is replaced by a newer one
 * only, by `updated_at`, and keeps its owner; one that was deleted or archived is live again. What breaks a rule does not stop
 * the others.
 */
export const importData = (
  items: ReadonlyArray<ImportItem>,
  caller = Write.anonymous
): Write.Verb<Imported, validate.Invalid> =>
  Write.together({
    name: "importData",
    counts: "created",
    caller,
    request: [items],
    governed: "ungoverned",
    prepare: () =>
      Effect.suspend(() =>
        Either.map(checkCounts(items), () =>
          items.map((item) => ({ label: labelOf(item), step: read(withoutType(item)) })))
      ),
    decide: (batch, steps) =>
      Either.right(steps.map(({ step }) => Either.flatMap(step, (run) => run(batch)))),
    settle: ({ answer, written }, steps) =>
      Effect.map(Write.acknowledge(written), (acknowledged) => {
        const outcomes = Option.getOrElse(answer, () => steps.map(({ step }) => Either.map(step, () => undefined)))
        const errors = steps.flatMap(({ label }, index) => {
          const outcome = outcomes[index]
          return outcome !== undefined && Either.isLeft(outcome) ? [`${label}: ${outcome.left}`] : []
        })
        const linksImported = written.filter(isLink).length
        const skipped = items.length - errors.length - written.length
        return { ...acknowledged, imported: written.length - linksImported, linksImported, skipped, errors }
      })
  })

/** Brings one thing in, as of its turn; or says why not. What is here already is left as it is. */
type Step = (batch: Batch) => Either.Either<void, string>

const isLink = ({ payload }: Entry) => payload.kind === "link"

const checkCounts = (items: ReadonlyArray<ImportItem>): Either.Either<void, validate.Invalid> => {
  const linkCount = items.filter(({ kind }) => kind === "link").length
  const tooMany = items.length - linkCount > MAX_IMPORTED ? "memories" : linkCount > MAX_IMPORTED ? "links" : undefined
  return tooMany === undefined
    ? Either.void
    : Either.left(new validate.Invalid({ field: tooMany, message: `${tooMany} must be at most ${MAX_IMPORTED}` }))
}

/** The id of the thing when that is one, else where it stands. */
const labelOf = ({ at, value }: ImportItem): string =>
  Predicate.hasProperty(value, "id") && Predicate.isString(value.id) && Either.isRight(validate.memoryId(value.id))
    ? value.id
    : at

/** A line of an export says what stands in it, which is no field of that. */
const withoutType = (item: ImportItem): ImportItem => {
  if (!Predicate.isRecord(item.value) || item.value["type"] !== item.kind) return item
  const { type: _, ...value } = item.value
  return { ...item, value }
}

const read = ({ kind, value }: ImportItem): Either.Either<Step, string> => {
  switch (kind) {
    case "memory":
      return Either.map(ruled(Memory.decode(value), validate.validateMemory), storeRow)
    case "archived":
      return Either.map(ruled(decodeArchived(value), validateArchived), storeArchived)
    case "link":
      return Either.map(ruled(Link.decode(value), Link.validate), storeLink)
  }
}

const ruled = <A, B>(
  decoded: Either.Either<A, { readonly message: string }>,
  rule: (value: A) => Either.Either<B, validate.Invalid>
): Either.Either<B, string> => Either.mapLeft(Either.flatMap(decoded, (value) => rule(value)), ({ message }) => message)

const storeRow = (memory: Memory.Memory): Step => (batch) => {
  const now = batch.now()
  const archived = now.archivedById(memory.id)
  const outcome = archived === null || now.holder(memory.namespace, memory.title) !== null
    ? storeIfNewer(batch, memory)
    : "ended"
  if (outcome === "future") return Either.left("updated_at must not be in the future")
  if (outcome === "ended") {
    // It is wanted again: a new version, because the old ones ended for good.
    batch.write({
      payload: { kind: "store", memory: { ...memory, updated_at: now.stamp } },
      baseHlc: archived?.version.hlc ?? null,
      covers: archived === null ? [] : [archived.version]
    })
  }
  return Either.void
}

/** An archived memory as an export holds it. */
const ArchivedRow = Schema.Struct({
  ...Memory.Memory.fields,
  archived_at: Schema.String,
  archive_reason: Schema.String
})
const decodeArchived = decoder(ArchivedRow)

interface ArchivedRow {
  readonly memory: Memory.Memory
  readonly archivedAt: Stamp.Stamp
  readonly reason: string
}

const validateArchived = (
  { archive_reason, archived_at, ...memory }: typeof ArchivedRow.Type
): Either.Either<ArchivedRow, validate.Invalid> =>
  Either.all({
    memory: validate.validateMemory(memory),
    archivedAt: validate.stamp("archived_at", archived_at),
    reason: validate.named("archive_reason", Archive.reason(archive_reason))
  })

/** Only what is not here at all, live or archived. */
const storeArchived = ({ archivedAt, memory, reason }: ArchivedRow): Step => (batch) => {
  const now = batch.now()
  if (liveId(now, memory.id) !== null || archivedId(now, memory.id) !== null) return Either.void
  batch.write({
    payload: {
      kind: "archive",
      memory: { ...memory, updated_at: now.stamp },
      archivedAt: archivedAt < now.stamp ? archivedAt : now.stamp,
      reason
    },
    baseHlc: null,
    covers: []
  })
  return Either.void
}

/** A triple that is there already stays as it is. Its ends may come later. */
const storeLink = (link: Link.Link): Step => (batch) => {
  if (batch.now().current("link", linkId(link)) === null) {
    batch.write({ payload: { kind: "link", link }, baseHlc: null, covers: [] })
  }
  return Either.void
}
