import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import type * as Statement from "@effect/sql/Statement"
import * as Effect from "effect/Effect"
import type { ParseError } from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type { Match } from "./asking.js"
import { type Filter, matching } from "./MemoryReader.js"

/** What the index is asked for: the best by these words, and with all of those where some are required. */
export interface Wanted {
  readonly filter: Filter
  /** Decides the bm25. */
  readonly ranked: Match
  /** One that must match as well. */
  readonly required?: Match | undefined
  /** The same of the index of before, of the rows that are there alone; nothing when there are none. */
  readonly before?: { readonly match: Match; readonly unread: number } | undefined
  /** What stands in a namespace above counts as well. */
  readonly withAbove?: boolean
}

/** How much a word says in title, content, tags and dates. */
const WEIGHTS = "2.5, 1.0, 2.0, 1.5"
const BM25 = `bm25(${WEIGHTS})`

/** The best rows by bm25, whether the filter lets them through or not. FTS5's bm25 is negative, and the smaller the better. */
export const firstBest = (sql: SqlClient.SqlClient, { before, ranked }: Wanted, most: number): Statement.Fragment => {
  // Ordered here and not by the index, which would sort all rows and not only keep the best of them.
  const now = sql`SELECT rowid AS rid, ${sql.literal(`bm25(memory_words, ${WEIGHTS})`)} AS bm25 FROM memory_words
    WHERE memory_words MATCH ${ranked} ORDER BY bm25, rowid DESC LIMIT ${most}`
  if (before === undefined) return now
  return together(
    sql,
    now,
    sql`SELECT rowid AS rid, bm25(memories_fts) AS bm25 FROM memories_fts
      WHERE memories_fts MATCH ${before.match} AND rowid <= ${before.unread} ORDER BY bm25 LIMIT ${most}`
  )
}

/** Of a filter by namespace that lets through at most so many rows, these are listed before the words are asked for. */
const MOST_LISTED = 20_000

/** Whether the rows of the namespaces of a filter are few enough to be listed. */
export const isNarrow = (
  sql: SqlClient.SqlClient,
  wanted: Pick<Wanted, "filter" | "withAbove">
): Effect.Effect<boolean, SqlError | ParseError> =>
  wanted.filter.namespace === undefined
    ? Effect.succeed(false)
    : sql`SELECT count(*) AS rows FROM (${listed(sql, wanted.filter.namespace, wanted)} LIMIT ${MOST_LISTED + 1})`.pipe(
      Effect.flatMap(decodeCount),
      Effect.map(([{ rows }]) => rows <= MOST_LISTED)
    )

const decodeCount = Schema.decodeUnknown(Schema.Tuple(Schema.Struct({ rows: Schema.Int })))

const listed = (
  sql: SqlClient.SqlClient,
  namespace: string,
  { withAbove = false }: Pick<Wanted, "withAbove">
): Statement.Fragment =>
  sql`SELECT rid FROM memories WHERE visible = 1 AND ${
    sql.in("namespace", withAbove ? upFrom(namespace) : [namespace])
  }`

/**
 * The best rows by bm25 that the filter lets through: of a narrow one its rows alone are ranked, of another one all are looked up
 * in the order of their rank until there are enough.
 */
export const firstPassing = (
  sql: SqlClient.SqlClient,
  wanted: Wanted,
  most: number,
  isNarrow: boolean
): Statement.Fragment => {
  const { before, filter: { namespace }, ranked, required } = wanted
  const conditions: Array<Statement.Fragment> = [sql`f.memory_words MATCH ${ranked}`]
  const few = isNarrow && namespace !== undefined ? listed(sql, namespace, wanted) : undefined
  conditions.push(few === undefined ? sql`f.rank MATCH ${BM25}` : sql`+f.rowid IN (${few})`, passing(sql, wanted))
  if (required !== undefined) {
    conditions.push(sql`+m.rid IN (SELECT rowid FROM memory_words WHERE memory_words MATCH ${required})`)
  }
  const bm25 = sql.literal(few === undefined ? "f.rank" : `bm25(f.memory_words, ${WEIGHTS})`)
  const now = sql`SELECT f.rowid AS rid, ${bm25} AS bm25 FROM memory_words f CROSS JOIN memories m ON m.rid = f.rowid
    WHERE ${sql.and(conditions)} ORDER BY ${bm25}${few === undefined ? sql`` : sql`, f.rowid DESC`} LIMIT ${most}`
  if (before === undefined) return now
  return together(
    sql,
    now,
    sql`SELECT f.rowid AS rid, f.rank AS bm25 FROM memories_fts f CROSS JOIN memories m ON m.rid = f.rowid
      WHERE f.memories_fts MATCH ${before.match} AND f.rowid <= ${before.unread} AND ${passing(sql, wanted)}
      ORDER BY f.rank LIMIT ${most}`
  )
}

/** A row may have been brought over since it was known to be in the index of before. */
const together = (sql: SqlClient.SqlClient, now: Statement.Fragment, before: Statement.Fragment): Statement.Fragment =>
  sql`SELECT rid, min(bm25) AS bm25 FROM (SELECT * FROM (${now}) UNION ALL SELECT * FROM (${before})) GROUP BY rid`

/** The condition of the filter: with what is above, any of the namespaces from its own up to the first level. */
export const passing = (
  sql: SqlClient.SqlClient,
  { filter, withAbove = false }: Pick<Wanted, "filter" | "withAbove">
): Statement.Fragment => {
  const { namespace, ...others } = filter
  if (!withAbove || namespace === undefined) return matching(sql, filter)
  return sql`${matching(sql, others)} AND ${sql.in("m.namespace", upFrom(namespace))}`
}

/** A namespace and those above it. */
const upFrom = (namespace: string): ReadonlyArray<string> => {
  const levels = namespace.split("/")
  return levels.map((_, index) => levels.slice(0, levels.length - index).join("/"))
}

/** Whether the filter may hide much more than what has expired. */
export const isSelective = (filter: Filter): boolean => {
  const { agentId, asAgent, minPriority, namespace, since, tag, tier, until } = filter
  return [agentId, asAgent, minPriority, namespace, since, tag, tier, until].some((value) => value !== undefined)
}
