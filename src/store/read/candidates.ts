import type * as SqlClient from "@effect/sql/SqlClient"
import type * as Statement from "@effect/sql/Statement"
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
const BM25 = "bm25(2.5, 1.0, 2.0, 1.5)"

/** The best rows by bm25, whether the filter lets them through or not. FTS5's bm25 is negative, and the smaller the better. */
export const firstBest = (sql: SqlClient.SqlClient, { before, ranked }: Wanted, most: number): Statement.Fragment => {
  const now = sql`SELECT rowid AS rid, rank AS bm25 FROM memory_words
    WHERE memory_words MATCH ${ranked} AND rank MATCH ${BM25} ORDER BY rank LIMIT ${most}`
  if (before === undefined) return now
  return together(
    sql,
    now,
    sql`SELECT rowid AS rid, bm25(memories_fts) AS bm25 FROM memories_fts
      WHERE memories_fts MATCH ${before.match} AND rowid <= ${before.unread} ORDER BY bm25 LIMIT ${most}`
  )
}

/** The best rows by bm25 that the filter lets through, looked up in the order of their rank until there are enough. */
export const firstPassing = (sql: SqlClient.SqlClient, wanted: Wanted, most: number): Statement.Fragment => {
  const { before, ranked, required } = wanted
  const conditions: Array<Statement.Fragment> = [
    sql`f.memory_words MATCH ${ranked}`,
    sql`f.rank MATCH ${BM25}`,
    passing(sql, wanted)
  ]
  if (required !== undefined) {
    conditions.push(sql`+m.rid IN (SELECT rowid FROM memory_words WHERE memory_words MATCH ${required})`)
  }
  const now = sql`SELECT f.rowid AS rid, f.rank AS bm25 FROM memory_words f CROSS JOIN memories m ON m.rid = f.rowid
    WHERE ${sql.and(conditions)} ORDER BY f.rank LIMIT ${most}`
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
