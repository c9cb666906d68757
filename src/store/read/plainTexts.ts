import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import type * as Statement from "@effect/sql/Statement"
import * as Effect from "effect/Effect"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { Metadata } from "../../domain/Memory.js"
import { type Bounded, boundedSql } from "./Bounded.js"

/*
 * The texts of memories that are sent as they stand, put together from their rows: what is JSON there stays as it is, and nothing
 * is decoded that would be encoded again. Tests compare them with what `fromRow` in `MemoryReader` comes to.
 */

/** What a text is made of, of `m`, which is `memories`. */
export const textColumns = `m.id, m.tier, m.namespace, m.title, m.content, m.tags, m.priority, m.confidence, m.source,
  m.access_count, m.created_at, m.updated_at, m.last_accessed_at, m.expires_at, m.metadata, m.extended_until, m.carried,
  json_valid(m.tags) + json_valid(m.metadata)`

type Text = string
type Absentable = string | null

/** The same as a list: hundreds are read for a page, and their names take longer than their values. */
export type TextRow = readonly [
  id: Text,
  tier: Text,
  namespace: Text,
  title: Text,
  content: Text,
  tags: Text,
  priority: number,
  confidence: number,
  source: Text,
  access_count: number,
  created_at: Text,
  updated_at: Text,
  last_accessed_at: Absentable,
  expires_at: Absentable,
  metadata: Text,
  extended_until: Absentable,
  carried: Absentable,
  sound: number
]

const isText = Predicate.isString
const isNumber = Predicate.isNumber
const isAbsentable = (value: unknown): value is Absentable => value === null || isText(value)

/** What each of them is. */
const LOOKS: ReadonlyArray<(value: unknown) => boolean> = [
  ...[isText, isText, isText, isText, isText, isText, isNumber, isNumber, isText, isNumber, isText, isText],
  ...[isAbsentable, isAbsentable, isText, isAbsentable, isAbsentable, (value: unknown) => value === SOUND]
]

/** Both of what is JSON. */
const SOUND = 2

/** A row is looked at like everything that enters the process. */
export const isTextRow = (row: ReadonlyArray<unknown>): row is TextRow =>
  row.length >= LOOKS.length && LOOKS.every((looks, at) => looks(row[at]))

export const textOf = (row: TextRow): string => row[16] === null ? knownText(row) : carryingText(row, row[16])

const knownText = (row: TextRow): string => {
  const [
    id,
    tier,
    namespace,
    title,
    content,
    tags,
    priority,
    confidence,
    source,
    count,
    createdAt,
    updatedAt,
    ...rest
  ] = row
  const [accessedAt, expiresAt, metadata, extendedUntil] = rest
  const expiry = expiresAt !== null && extendedUntil !== null && extendedUntil > expiresAt ? extendedUntil : expiresAt
  const used = accessedAt === null ? "" : `,"last_accessed_at":${JSON.stringify(accessedAt)}`
  const ending = expiry === null ? "" : `,"expires_at":${JSON.stringify(expiry)}`
  return `{"id":${JSON.stringify(id)},"tier":${JSON.stringify(tier)},"namespace":${JSON.stringify(namespace)},"title":${
    JSON.stringify(title)
  },"content":${JSON.stringify(content)},"tags":${tags},"priority":${priority},"confidence":${confidence},"source":${
    JSON.stringify(source)
  },"access_count":${count},"created_at":${JSON.stringify(createdAt)},"updated_at":${
    JSON.stringify(updatedAt)
  }${used}${ending},"metadata":${metadata}}`
}

const decodeObject = Schema.decodeSync(Schema.parseJson(Metadata))

/** Of the few that have fields for which this version has no word: these stand first. */
const carryingText = (row: TextRow, carried: string): string =>
  JSON.stringify({ ...decodeObject(carried), ...decodeObject(knownText(row)) })

/** The texts of the memories of a page that fit; its rows are those that `boundedMemories` reads. */
export const boundedTexts = (
  sql: SqlClient.SqlClient,
  page: Statement.Fragment,
  order: string
): Effect.Effect<Bounded<string>, SqlError | ParseResult.ParseError> =>
  sql`SELECT ${sql.literal(textColumns)}, p.page_rows FROM (${boundedSql(sql, page, order)}) p
    CROSS JOIN memories m ON m.rid = p.rid ORDER BY p.through`.values.pipe(Effect.flatMap((rows) => {
    const texts: Array<string> = []
    for (const row of rows) {
      if (!isTextRow(row)) return unsound(row)
      texts.push(textOf(row))
    }
    return Effect.succeed({ rows: texts, truncated: texts.length < pageRows(rows[0]) })
  }))

const pageRows = (row: ReadonlyArray<unknown> = []): number => {
  const rows = row[LOOKS.length]
  return Predicate.isNumber(rows) ? rows : 0
}

const unsound = (row: ReadonlyArray<unknown>) =>
  Effect.fail(
    new ParseResult.ParseError({
      issue: new ParseResult.Type(Schema.Unknown.ast, row[0], "a row of memories is damaged")
    })
  )
