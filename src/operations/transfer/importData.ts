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
import { tidy } from "../../domain/text.js"
import * as validate from "../../domain/validate.js"
import { linkId } from "../../replication/kinds.js"
import * as Payload from "../../replication/Payload.js"
import { type Batch, type Entry, MemoryStore } from "../../store/MemoryStore.js"
import * as Write from "../writing/Write.js"
import { bringing, type Brought, broughtBy, type Incoming, type OnConflict, wasThere } from "./bringIn.js"

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
  /** Of those, memories that are there and were not before. */
  readonly created: number
  /** Of those, memories that say now what the row says. */
  readonly updated: number
  /** Rows that say what their memory says already, or said and was changed since. */
  readonly unchanged: number
  /** Memories that were stored under another title than theirs. */
  readonly renamed: ReadonlyArray<{ readonly id: string; readonly title: string }>
  readonly linksImported: number
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
  Write.together({
    name: "importData",
    counts: "created",
    caller,
    request: onConflict === "shadow" ? [items] : [items, onConflict],
    governed: "ungoverned",
    prepare: () =>
      Effect.suspend(() => Either.map(checkCounts(items), () => items.map((item) => read(withoutType(item))))),
    decide: (batch, rows) => {
      const take = taking(batch, onConflict)
      return Either.right(rows.map(Either.flatMap(take)))
    },
    settle: ({ answer, written }, rows) =>
      Effect.gen(function*() {
        const outcomes = Option.isSome(answer) ? answer.value : yield* recognize(rows, written)
        const taken = outcomes.flatMap((outcome) => Either.isRight(outcome) ? [outcome.right] : [])
        const acknowledged = yield* Write.acknowledge(distinct(taken.flatMap(({ entry }) => entry ?? [])))
        return { ...acknowledged, ...summary(taken, items, outcomes) }
      })
  })

/** What became of one thing. */
interface Taken {
  readonly kind: ImportItem["kind"]
  readonly fate: Brought["fate"]
  readonly renamed?: string
  /** The operation by which it is as it is, if that is known. */
  readonly entry: Entry | null
}

const summary = (
  taken: ReadonlyArray<Taken>,
  items: ReadonlyArray<ImportItem>,
  outcomes: ReadonlyArray<Either.Either<Taken, string>>
) => {
  const memories = taken.filter(({ kind }) => kind !== "link")
  const count = (rows: ReadonlyArray<Taken>, ...fates: ReadonlyArray<Taken["fate"]>) =>
    rows.filter(({ fate }) => fates.includes(fate)).length
  return {
    imported: count(memories, "created", "updated", "older"),
    created: count(memories, "created"),
    updated: count(memories, "updated"),
    unchanged: count(memories, "unchanged"),
    renamed: memories.flatMap(({ entry, renamed }) =>
      renamed === undefined || entry === null ? [] : [{ id: entry.operation.entity, title: renamed }]
    ),
    linksImported: count(taken.filter(({ kind }) => kind === "link"), "created"),
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

/** A thing that keeps the rules. */
type Row =
  | { readonly kind: "memory" | "archived"; readonly incoming: Incoming }
  | { readonly kind: "link"; readonly link: Link.Link }

const read = ({ kind, value }: ImportItem): Either.Either<Row, string> => {
  switch (kind) {
    case "memory":
      return Either.map(
        ruled(Either.map(Memory.decode(value), tidied), validate.validateMemory),
        (memory) => ({ kind, incoming: { memory, archived: null } })
      )
    case "archived":
      return Either.map(ruled(decodeArchived(value), validateArchived), (incoming) => ({ kind, incoming }))
    case "link":
      return Either.map(ruled(Link.decode(value), Link.validate), (link) => ({ kind, link }))
  }
}

/** A row of a file may have been through other hands. What it is called is left as it is. */
const tidied = (memory: Memory.Memory): Memory.Memory => ({
  ...memory,
  title: tidy(memory.title),
  content: tidy(memory.content)
})

const ruled = <A, B>(
  decoded: Either.Either<A, { readonly message: string }>,
  rule: (value: A) => Either.Either<B, validate.Invalid>
): Either.Either<B, string> => Either.mapLeft(Either.flatMap(decoded, (value) => rule(value)), ({ message }) => message)

/** Takes one thing in, as of its turn; or says why not. */
const taking = (batch: Batch, onConflict: OnConflict): (row: Row) => Either.Either<Taken, string> => {
  const bring = bringing(batch, onConflict)
  return (row) =>
    row.kind === "link"
      ? Either.right(storeLink(batch, row.link))
      : Either.map(bring(row.incoming), (brought) => ({ kind: row.kind, ...brought }))
}

/** A triple that is there already stays as it is. Its ends may come later. */
const storeLink = (batch: Batch, link: Link.Link): Taken =>
  batch.now().current("link", linkId(link)) === null
    ? {
      kind: "link",
      fate: "created",
      entry: batch.write({ payload: { kind: "link", link }, baseHlc: null, covers: [] })
    }
    : { kind: "link", fate: "unchanged", entry: null }

/** What an earlier import with the same key came to, by what it wrote. */
const recognize = (rows: ReadonlyArray<Either.Either<Row, string>>, written: ReadonlyArray<Entry>) =>
  Effect.flatMap(MemoryStore, (store) =>
    Effect.map(
      store.commitAll((batch) => {
        const left = written.toSorted((a, b) => a.operation.oseq - b.operation.oseq)
        return Either.right(rows.map(Either.flatMap((row): Either.Either<Taken, string> => {
          const [entry] = left
          if (row.kind === "link") {
            if (entry?.operation.entity !== linkId(row.link)) return Either.right(there(row))
            left.shift()
            return Either.right({ kind: "link", fate: "created", entry })
          }
          const stored = entry === undefined ? undefined : Payload.versionOf(entry.payload)
          if (entry !== undefined && stored?.id === row.incoming.memory.id) {
            left.shift()
            return Either.right({ kind: row.kind, ...broughtBy(entry, row.incoming, stored) })
          }
          return wasThere(batch.now(), row.incoming) === null ? Either.left("not stored") : Either.right(there(row))
        })))
      }, null),
      ({ answer }) => Option.getOrElse(answer, (): ReadonlyArray<Either.Either<Taken, string>> => [])
    ))

const there = ({ kind }: Row): Taken => ({ kind, fate: "unchanged", entry: null })

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
