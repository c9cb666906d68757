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
 * The texts of memories that are sent as they stand. SQLite puts them together, and quotes as JavaScript does: what is JSON in a
 * row stays as it is, nothing is decoded that would be encoded again, and few values come into the process. A number with a
 * fraction alone is left to JavaScript, which writes it otherwise. Tests compare them with what `fromRow` in `MemoryReader`
 * comes to.
 */

const quoted = (column: string) => `json_quote(m.${column})`

/** A field with a comma before it, or nothing. */
const absentable = (name: string, value: string) => `iif(${value} IS NULL, '', ',"${name}":' || json_quote(${value}))`

/** Until when a memory stands: uses may have put it off. */
const EXPIRY = "ifnull(max(m.expires_at, m.extended_until), m.expires_at)"

/** What a text is made of, of `m`, which is `memories`. */
export const textColumns = `m.id,
  printf('{"id":%s,"tier":%s,"namespace":%s,"title":%s,"content":%s,"tags":%s,"priority":%d,"confidence":',
    ${quoted("id")}, ${quoted("tier")}, ${quoted("namespace")}, ${quoted("title")}, ${
  quoted("content")
}, m.tags, m.priority),
  m.confidence,
  printf(',"source":%s,"access_count":%d,"created_at":%s,"updated_at":%s%s%s,"metadata":%s}',
    ${quoted("source")}, m.access_count, ${quoted("created_at")}, ${quoted("updated_at")},
    ${absentable("last_accessed_at", "m.last_accessed_at")}, ${absentable("expires_at", EXPIRY)}, m.metadata),
  m.carried, json_valid(m.tags) + json_valid(m.metadata)`

type Text = string

/** The same as a list: hundreds are read for a page, and their names take longer than their values. */
type TextRow = readonly [
  id: Text,
  start: Text,
  confidence: number,
  end: Text,
  carried: Text | null,
  sound: typeof SOUND
]

/** How many values a row has for its text: what else is asked for stands behind them. */
export const TEXT_COLUMNS = 6

/** Both of what is JSON. */
const SOUND = 2

/** A row is looked at like everything that enters the process. */
export const isTextRow = (row: ReadonlyArray<unknown>): row is TextRow => {
  const [id, start, confidence, end, carried, sound] = row
  return Predicate.isString(id) && Predicate.isString(start) && Predicate.isNumber(confidence) &&
    Predicate.isString(end) &&
    (carried === null || Predicate.isString(carried)) && sound === SOUND
}

export const textOf = (row: TextRow): string => row[4] === null ? knownText(row) : carryingText(row, row[4])

const knownText = ([, start, confidence, end]: TextRow): string => start + confidence + end

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
  const rows = row[TEXT_COLUMNS]
  return Predicate.isNumber(rows) ? rows : 0
}

const unsound = (row: ReadonlyArray<unknown>) =>
  Effect.fail(
    new ParseResult.ParseError({
      issue: new ParseResult.Type(Schema.Unknown.ast, row[0], "a row of memories is damaged")
    })
  )
