import type * as SqlClient from "@effect/sql/SqlClient"
import type * as Statement from "@effect/sql/Statement"
import { MAX_PAGE_BYTES } from "../../domain/limits.js"

/** The first rows of a page, as many as its bound in bytes lets through. */
export interface Bounded<Row> {
  readonly rows: ReadonlyArray<Row>
  /** There are more than these in the page. */
  readonly truncated: boolean
}

/** The page of whoever asked for nothing. */
export const NOTHING: Bounded<never> = { rows: [], truncated: false }

/** What a row of `m`, which is `memories`, takes in an answer, about: told without reading it. */
export const rowBytes = "octet_length(m.content) + octet_length(m.metadata) + octet_length(m.tags) + 512"

/**
 * Of a page of rows with their `bytes`, in its order, the first ones that fit, each with how many there are in the page, and
 * with the bytes up to its own, by which they can be ordered.
 */
export const boundedSql = (
  sql: SqlClient.SqlClient,
  page: Statement.Fragment,
  order: string,
  mostBytes = MAX_PAGE_BYTES
): Statement.Fragment =>
  sql`SELECT * FROM (
      SELECT *, sum(bytes) OVER (ORDER BY ${sql.literal(order)} ROWS UNBOUNDED PRECEDING) AS through,
        count(*) OVER () AS page_rows FROM (${page})
    ) WHERE through - bytes < ${mostBytes}`

/** The rows of `memories` that fit, in the order of their page. That has the `rid` of each, its `bytes`, and its order. */
export const boundedMemories = (sql: SqlClient.SqlClient, page: Statement.Fragment, order: string) =>
  sql`SELECT m.*, p.page_rows FROM (${boundedSql(sql, page, order)}) p CROSS JOIN memories m ON m.rid = p.rid
    ORDER BY p.through`

/** What `boundedSql` left of a page. */
export const boundedBy =
  <Row, A>(read: (row: Row) => A) => (rows: ReadonlyArray<Row & { readonly page_rows: number }>): Bounded<A> => ({
    rows: rows.map((row) => read(row)),
    truncated: rows.length < (rows[0]?.page_rows ?? 0)
  })

/** The same page of what its rows come to. */
export const map = <A, B>({ rows, truncated }: Bounded<A>, each: (row: A) => B): Bounded<B> => ({
  rows: rows.map(each),
  truncated
})
