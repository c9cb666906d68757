import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Archive from "../../domain/Archive.js"
import { MAX_IMPORTED } from "../../domain/limits.js"
import * as Link from "../../domain/Link.js"
import * as Memory from "../../domain/Memory.js"
import * as NamespaceMeta from "../../domain/NamespaceMeta.js"
import * as PendingAction from "../../domain/PendingAction.js"
import { decoder } from "../../domain/ShapeError.js"
import * as Stamp from "../../domain/Stamp.js"
import { tidy } from "../../domain/text.js"
import * as validate from "../../domain/validate.js"
import { linkId } from "../../replication/kinds.js"
import * as Payload from "../../replication/Payload.js"
import { Lifetimes } from "../../store/Lifetimes.js"
import { inTurns } from "../../store/log/inTurns.js"
import { bytesOf } from "../../store/log/OpLog.js"
import type { Steps } from "../../store/log/Steps.js"
import { type Batch, type Entry, MemoryStore } from "../../store/MemoryStore.js"
import { complete, isDraft } from "../../transfer/complete.js"
import * as Write from "../writing/Write.js"
import { bringing, type Brought, broughtBy, type Incoming, type OnConflict, type Options, wasThere } from "./bringIn.js"
import { bringLink, bringPending, bringStandard } from "./bringObjects.js"

/** What an export is made of. A `conflict` is a memory, live or archived, that another one or another version hides. */
type Kind = "memory" | "archived" | "conflict" | "link" | "standard" | "pending"

/** One thing to be brought in, as it came. */
export interface ImportItem {
  readonly kind: Kind
  readonly value: unknown
  /** Where it stands in the request, as in `memories[3]`. */
  readonly at: string
  /** In the place of that of the whole import. */
  readonly onConflict?: OnConflict
  /** It has an id, and all else that it lacks is made up for: see `complete`. */
  readonly isDraft?: boolean
}

export interface Imported extends Write.Acknowledged {
  /** Memories that were written. */
  readonly imported: number
  /** Of those, memories that are there and were not before. */
  readonly created: number
  /** Of those, memories that say now what the row says. */
  readonly updated: number
  /** Rows that say what their memory says already, or said and was changed since. */
  readonly unchanged: number
  /** Memories that were stored under another title than theirs. */
  readonly renamed: ReadonlyArray<{ readonly id: string; readonly title: string }>
  readonly linksImported: number
  readonly standardsImported: number
  /** Pending actions, each with its votes and its decision. */
  readonly pendingsImported: number
  /** What is here already. */
  readonly skipped: number
  /** What can not be brought in, under its id if it has one. */
  readonly errors: ReadonlyArray<string>
}

/**
 * Brings in what another node or an export holds, all in one transaction. Each memory keeps its id, whatever has its title:
 * of two the newer is visible, by `updated_at`, and the other one is kept beside it. Run again it changes nothing. What breaks
 * a rule does not stop the others.
 */
export const importData = (
  items: ReadonlyArray<ImportItem>,
  caller = Write.anonymous,
  onConflict: OnConflict = "shadow"
): Write.Verb<Imported, validate.Invalid> =>
  Write.togetherInSteps({
    name: "importData",
    counts: "created",
    caller,
    request: onConflict === "shadow" ? [items] : [items, onConflict],
    governed: "ungoverned",
    prepare: () =>
      Effect.gen(function*() {
        yield* checkCounts(items)
        return yield* readAll(items)
      }),
    decide: (batch, { lifetimes, rows }) => outcomesOf(rows, taking(batch, { onConflict, lifetimes })),
    settle: ({ answer, written }, { rows }) =>
      Effect.gen(function*() {
        const outcomes = Option.isSome(answer) ? answer.value : yield* recognize(rows, written)
        const taken = outcomes.flatMap((outcome) => Either.isRight(outcome) ? [outcome.right] : [])
        const acknowledged = yield* Write.acknowledge(distinct(taken.flatMap(({ entries }) => entries)))
        return { ...acknowledged, ...summary(taken, items, outcomes) }
      })
  })

/** What the import of these would come to. Nothing is written. */
export const rehearseImport = (items: ReadonlyArray<ImportItem>, onConflict: OnConflict = "shadow") =>
  Effect.gen(function*() {
    yield* checkCounts(items)
    const { lifetimes, rows } = yield* readAll(items)
    const store = yield* MemoryStore
    const outcomes = yield* store.rehearse((batch) => outcomesOf(rows, taking(batch, { onConflict, lifetimes })))
    const taken = outcomes.flatMap((outcome) => Either.isRight(outcome) ? [outcome.right] : [])
    return { ...yield* Write.acknowledge([]), ...summary(taken, items, outcomes) }
  })

const readAll = (items: ReadonlyArray<ImportItem>) =>
  Effect.gen(function*() {
    const now = Stamp.fromMillis(yield* Clock.currentTimeMillis)
    return { rows: yield* inTurns(items, (item) => read(withoutType(item), now)), lifetimes: yield* Lifetimes }
  })

type Rows = ReadonlyArray<Either.Either<Row, string>>
type Outcome = Either.Either<Taken, string>

/** What becomes of each row, one a step. */
function* outcomesOf(rows: Rows, take: (row: Row) => Outcome): Steps<Either.Either<ReadonlyArray<Outcome>>> {
  const outcomes: Array<Outcome> = []
  for (const row of rows) {
    const outcome = Either.flatMap(row, take)
    outcomes.push(outcome)
    const entries = Either.isRight(outcome) ? outcome.right.entries : []
    yield entries.reduce((bytes, { operation }) => bytes + bytesOf(operation), 0)
  }
  return Either.right(outcomes)
}

/** What became of one thing. */
interface Taken {
  readonly kind: Kind
  readonly fate: Brought["fate"]
  readonly renamed?: string
  /** The operations by which it is as it is, as far as they are known. */
  readonly entries: ReadonlyArray<Entry>
}

const summary = (
  taken: ReadonlyArray<Taken>,
  items: ReadonlyArray<ImportItem>,
  outcomes: ReadonlyArray<Outcome>
) => {
  const memories = taken.filter(({ kind }) => listOf[kind] === "memories")
  const count = (rows: ReadonlyArray<Taken>, ...fates: ReadonlyArray<Taken["fate"]>) =>
    rows.filter(({ fate }) => fates.includes(fate)).length
  return {
    imported: count(memories, "created", "updated", "older"),
    created: count(memories, "created"),
    updated: count(memories, "updated"),
    unchanged: count(memories, "unchanged"),
    renamed: memories.flatMap(({ entries, renamed: title }) =>
      title === undefined ? [] : entries.map(({ operation: { entity: id } }) => ({ id, title }))
    ),
    linksImported: count(taken.filter(({ kind }) => kind === "link"), "created"),
    standardsImported: count(taken.filter(({ kind }) => kind === "standard"), "created"),
    pendingsImported: count(taken.filter(({ kind }) => kind === "pending"), "created"),
    skipped: count(taken, "unchanged"),
    errors: items.flatMap((item, index) => {
      const outcome = outcomes[index]
      return outcome !== undefined && Either.isLeft(outcome) ? [`${labelOf(item)}: ${outcome.left}`] : []
    })
  }
}

/** Each operation once: several rows may have come to one. */
const distinct = (entries: ReadonlyArray<Entry>): ReadonlyArray<Entry> =>
  Array.from(new Map(entries.map((entry) => [entry.operation.opId, entry])).values())

/** What each kind counts as against the bound. */
const listOf = {
  memory: "memories",
  archived: "memories",
  conflict: "memories",
  link: "links",
  standard: "standards",
  pending: "pendings"
} as const

const checkCounts = (items: ReadonlyArray<ImportItem>): Either.Either<void, validate.Invalid> => {
  const counts = new Map<string, number>()
  for (const { kind } of items) counts.set(listOf[kind], (counts.get(listOf[kind]) ?? 0) + 1)
  const tooMany = Array.from(counts).find(([, count]) => count > MAX_IMPORTED)?.[0]
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

/** A thing that keeps the rules. */
type Row =
  | { readonly kind: "memory" | "archived" | "conflict"; readonly incoming: Incoming }
  | { readonly kind: "link"; readonly link: Link.Link }
  | { readonly kind: "standard"; readonly meta: NamespaceMeta.NamespaceMeta }
  | { readonly kind: "pending"; readonly action: PendingAction.Valid }

const read = (item: ImportItem, now: Stamp.Stamp): Either.Either<Row, string> => {
  const { kind, onConflict, value } = item
  switch (kind) {
    case "memory":
      return Either.map(liveOf(item, now), (incoming) => ({ kind, incoming: { ...incoming, onConflict } }))
    case "archived":
      return Either.map(archived(value), (incoming) => ({ kind, incoming }))
    case "conflict":
      return Either.map(
        Predicate.hasProperty(value, "archived_at") ? archived(value) : live(value),
        (incoming) => ({ kind, incoming })
      )
    case "link":
      return Either.map(
        ruled(Link.decode(item.isDraft === true ? dated(value, now) : value), Link.validate),
        (link) => ({ kind, link })
      )
    case "standard":
      return Either.map(ruled(NamespaceMeta.decode(value), NamespaceMeta.validate), (meta) => ({ kind, meta }))
    case "pending":
      return Either.map(ruled(PendingAction.decode(value), PendingAction.validate), (action) => ({ kind, action }))
  }
}

/** A row of a file may have been through other hands. What it is called is left as it is. */
const tidied = (memory: Memory.Memory): Memory.Memory => ({
  ...memory,
  title: tidy(memory.title),
  content: tidy(memory.content)
})

/** A memory as it is, or one to be: that which has no id is known by its text, whenever it was written. */
const liveOf = ({ isDraft: isNamed = false, value }: ImportItem, now: Stamp.Stamp): Either.Either<Incoming, string> => {
  if (!isDraft(value)) return live(isNamed && Predicate.isRecord(value) ? complete(value, now) : value)
  const isUndated = !Predicate.isString(value["created_at"]) && !Predicate.isString(value["updated_at"])
  return Either.map(live(complete(value, now)), (incoming) => ({ ...incoming, isUndated }))
}

const dated = (value: unknown, now: Stamp.Stamp): unknown =>
  Predicate.isRecord(value) ? { created_at: now, ...value } : value

const live = (value: unknown): Either.Either<Incoming, string> =>
  Either.map(
    ruled(Either.map(Memory.decode(value), tidied), validate.validateMemory),
    (memory) => ({ memory, archived: null })
  )

const archived = (value: unknown): Either.Either<Incoming, string> => ruled(decodeArchived(value), validateArchived)

const ruled = <A, B>(
  decoded: Either.Either<A, { readonly message: string }>,
  rule: (value: A) => Either.Either<B, validate.Invalid>
): Either.Either<B, string> => Either.mapLeft(Either.flatMap(decoded, (value) => rule(value)), ({ message }) => message)

/** Takes one thing in, as of its turn; or says why not. */
const taking = (batch: Batch, options: Options): (row: Row) => Outcome => {
  const bring = bringing(batch, options)
  return (row) => {
    switch (row.kind) {
      case "link":
        return Either.right(taken(row.kind, bringLink(batch, row.link)))
      case "standard":
        return Either.right(taken(row.kind, bringStandard(batch, row.meta)))
      case "pending":
        return Either.right(taken(row.kind, bringPending(batch, row.action)))
      default:
        return Either.map(bring(row.incoming), (brought) => ({ kind: row.kind, ...told(brought) }))
    }
  }
}

/** What is new here of an object, by the operations that it took. */
const taken = (kind: Kind, entries: ReadonlyArray<Entry>): Taken => ({
  kind,
  fate: entries.length === 0 ? "unchanged" : "created",
  entries
})

/** What an earlier import with the same key came to, by what it wrote. */
const recognize = (rows: Rows, written: ReadonlyArray<Entry>) =>
  Effect.flatMap(MemoryStore, (store) =>
    Effect.map(
      store.commitSteps((batch) => outcomesOf(rows, recognizing(batch, written)), null),
      ({ answer }) => Option.getOrElse(answer, (): ReadonlyArray<Outcome> => [])
    ))

const recognizing = (batch: Batch, written: ReadonlyArray<Entry>): (row: Row) => Outcome => {
  const left = written.toSorted((a, b) => a.operation.oseq - b.operation.oseq)
  return (row) => {
    const [entry] = left
    if (!("incoming" in row)) {
      const isDone = (each: Entry) => each.operation.entity === objectId(row) && each.payload.kind in objectKinds
      const count = left.findIndex((each) => !isDone(each))
      return Either.right(taken(row.kind, left.splice(0, count === -1 ? left.length : count)))
    }
    const stored = entry === undefined ? undefined : Payload.versionOf(entry.payload)
    if (entry !== undefined && stored?.id === row.incoming.memory.id) {
      left.shift()
      return Either.right({ kind: row.kind, ...told(broughtBy(entry, row.incoming, stored)) })
    }
    return wasThere(batch.now(), row.incoming) === null
      ? Either.left("not stored")
      : Either.right(taken(row.kind, []))
  }
}

const told = ({ entry, ...brought }: Brought) => ({ ...brought, entries: [entry] })

const objectId = (row: Exclude<Row, { readonly incoming: Incoming }>): string => {
  switch (row.kind) {
    case "link":
      return linkId(row.link)
    case "standard":
      return row.meta.namespace
    case "pending":
      return row.action.id
  }
}

const objectKinds = { link: 1, namespace_meta: 1, pending: 1, vote: 1, decision: 1 }

/** An archived memory as an export holds it. */
const ArchivedRow = Schema.Struct({
  ...Memory.Memory.fields,
  archived_at: Schema.String,
  archive_reason: Schema.String
}).annotations({ parseOptions: { onExcessProperty: "preserve" } })
const decodeArchived = decoder(ArchivedRow)

const validateArchived = (
  { archive_reason, archived_at, ...memory }: typeof ArchivedRow.Type
): Either.Either<Incoming, validate.Invalid> =>
  Either.all({
    memory: validate.validateMemory(memory),
    archived: Either.all({
      at: validate.stamp("archived_at", archived_at),
      reason: validate.named("archive_reason", Archive.reason(archive_reason))
    })
  })
