import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Quarantine from "../../domain/Quarantine.js"
import type { Operation } from "../../replication/Operation.js"
import { ofLog, type Payload, writersOf } from "../../replication/Payload.js"
import type { ReadFailed } from "../errors.js"
import { eventLoopTurn } from "../log/eventLoopTurn.js"
import { bytesOf, fromRow, LogRow } from "../log/OpLog.js"
import { readFailed } from "./MemoryReader.js"

/** An operation with what became of it here. */
export interface Written {
  readonly operation: Operation
  readonly payload: Payload
  /** Why it has no effect, or (`isWhole` false) not all of it. */
  readonly void: { readonly why: string; readonly isWhole: boolean } | null
  /** What it gave is what counts now: a memory at this version, or the like. */
  readonly stands: "visible" | "shadow" | "archived" | "counts" | null
}

interface Page {
  readonly found: ReadonlyArray<Written>
  /** Where the next page begins; null where this is the last. A page may be short, or empty, and not the last. */
  readonly next: number | null
}

/** A quarantine that stands, and how many operations here have no effect because of it and none with a lesser id. */
export interface Standing {
  readonly quarantine: Quarantine.Quarantine
  readonly operations: number
}

/** Who wrote what, and what of it is set aside. */
export class ProvenanceReader extends Context.Tag("quorate/store/ProvenanceReader")<ProvenanceReader, {
  /** What was written by whom a selector names, in the order in which it came here. `after` 0 is the beginning. */
  readonly written: (
    selector: Quarantine.Selector,
    page: { readonly after: number; readonly limit: number }
  ) => Effect.Effect<Page, ReadFailed>
  /** The oldest first. */
  readonly quarantines: Effect.Effect<ReadonlyArray<Standing>, ReadFailed>
  readonly quarantine: (id: string) => Effect.Effect<Option.Option<Quarantine.Quarantine>, ReadFailed>
}>() {}

/** Places of the log that one statement looks at, and operations that it reads at most. */
const WINDOW = 2_000
const ROWS = 100
/** After so much is answered what was found so far. */
const MAX_WINDOWS = 200
const MAX_BYTES = 16 * 1024 * 1024

const Row = Schema.Struct({
  ...LogRow.fields,
  lsn: Schema.Int,
  why: Schema.NullOr(Schema.String),
  whole: Schema.NullOr(Schema.Int),
  place: Schema.NullOr(Schema.Literal(0, 1, 2)),
  counts: Schema.NullOr(Schema.Int)
})
const places = { 0: "shadow", 1: "visible", 2: "archived" } as const

interface Window {
  readonly selector: Quarantine.Selector
  readonly after: number
  readonly to: number
}

const selecting = (sql: SqlClient.SqlClient) =>
  SqlSchema.findAll({
    Request: Schema.declare((input: unknown): input is Window => typeof input === "object"),
    Result: Row,
    execute: ({ after, selector: { agent, origin, peer, since, until }, to }) =>
      sql`SELECT o.*, v.why, v.whole, m.visible AS place, b.current AS counts FROM oplog o
        LEFT JOIN voids v ON v.origin = o.origin AND v.oseq = o.oseq
        LEFT JOIN memories m ON m.id = o.entity AND m.origin = o.origin AND m.oseq = o.oseq
        LEFT JOIN objects b ON b.type = iif(o.kind = 'earn', 'earned', o.kind) AND b.key = o.entity
          AND b.origin = o.origin AND b.oseq = o.oseq AND b.current = 1
        WHERE o.lsn > ${after} AND o.lsn <= ${to} AND ${
        sql.and([
          sql`1`,
          ...origin === undefined ? [] : [sql`o.origin = ${origin}`],
          ...peer === undefined ? [] : [sql`substr(o.origin, 1, ${peer.length + 1}) = ${`${peer}/`}`],
          ...since === undefined ? [] : [sql`o.hlc >= ${since}`],
          ...until === undefined ? [] : [sql`o.hlc <= ${until}`],
          // More than those that name it: which do, their payloads tell.
          ...agent === undefined ? [] : [sql`(o.agent = ${agent} OR instr(o.body, ${JSON.stringify(agent)}) > 0)`]
        ])
      } ORDER BY o.lsn LIMIT ${ROWS}`
  })

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const select = selecting(sql)
  const selectEnd = SqlSchema.findAll({
    Request: Schema.Void,
    Result: Schema.Struct({ end: Schema.Int }),
    execute: () => sql`SELECT coalesce(max(lsn), 0) AS end FROM oplog`
  })
  const selectQuarantines = SqlSchema.findAll({
    Request: Schema.NullOr(Schema.String),
    Result: Schema.Struct({ body: Schema.parseJson(Quarantine.Quarantine) }),
    execute: (id) =>
      sql`SELECT body FROM objects WHERE type = 'quarantine' AND current = 1 AND key = coalesce(${id}, key) ORDER BY key`
  })
  const selectCounts = SqlSchema.findAll({
    Request: Schema.Void,
    Result: Schema.Struct({ why: Schema.String, operations: Schema.Int }),
    execute: () => sql`SELECT why, count(*) AS operations FROM voids WHERE waits_for = 'quarantine' GROUP BY why`
  })

  const written = (selector: Quarantine.Selector, page: { readonly after: number; readonly limit: number }) =>
    Effect.gen(function*() {
      const [{ end } = { end: 0 }] = yield* selectEnd()
      const found: Array<Written> = []
      let { after } = page
      let bytes = 0
      for (let windows = 0; after < end && windows < MAX_WINDOWS && bytes < MAX_BYTES; windows++) {
        const to = after + WINDOW
        const rows = yield* select({ selector, after, to })
        for (const row of rows) {
          const one = writtenOf(row)
          bytes += bytesOf(one.operation)
          if (!isBy(selector, one)) continue
          found.push(one)
          if (found.length >= page.limit) return { found, next: row.lsn < end ? row.lsn : null }
        }
        after = rows.length < ROWS ? to : rows.at(-1)?.lsn ?? to
        yield* eventLoopTurn
      }
      return { found, next: after < end ? after : null }
    })

  return ProvenanceReader.of({
    written: (selector, page) => readFailed(written(selector, page)),
    quarantines: readFailed(Effect.zipWith(selectQuarantines(null), selectCounts(), (rows, counts) => {
      const byWhy = new Map(counts.map(({ operations, why }) => [why, operations]))
      return rows.map(({ body }) => ({
        quarantine: body,
        operations: byWhy.get(`quarantined by ${body.id}`) ?? 0
      })).toSorted((a, b) => a.quarantine.at < b.quarantine.at ? -1 : 1)
    })),
    quarantine: (id) => readFailed(Effect.map(selectQuarantines(id), ([row]) => Option.fromNullable(row?.body)))
  })
})

const isBy = (selector: Quarantine.Selector, { operation, payload }: Written): boolean =>
  Quarantine.matches(selector, {
    origin: operation.origin,
    hlc: operation.hlc,
    agents: writersOf(operation, payload)
  })

const writtenOf = (row: typeof Row.Type): Written => {
  const operation = fromRow(row)
  return {
    operation,
    payload: ofLog(operation),
    void: row.why === null ? null : { why: row.why, isWhole: row.whole === 1 },
    stands: row.place !== null ? places[row.place] : row.counts === null ? null : "counts"
  }
}

export const layer: Layer.Layer<ProvenanceReader, never, SqlClient.SqlClient> = Layer.effect(ProvenanceReader, make)
