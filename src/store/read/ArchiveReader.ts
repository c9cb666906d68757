import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { Memory } from "../../domain/Memory.js"
import * as Stamp from "../../domain/Stamp.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import { archivedIdSql } from "../deciding/liveId.js"
import type { ReadFailed } from "../errors.js"
import { type Bounded, boundedBy, boundedMemories, rowBytes } from "./Bounded.js"
import { fromRow, type NamespaceCount, readFailed, Row } from "./MemoryReader.js"

/** An archived memory. Its expiry is the one that replicates. */
export interface Archived {
  readonly memory: Memory
  readonly archivedAt: Stamp.Stamp
  readonly reason: string
}

interface Page {
  readonly namespace?: string | undefined
  readonly limit: number
  readonly offset: number
}

/** Where an archived memory stands in the order of the archive. */
export interface Place {
  readonly id: string
  readonly archived_at: Stamp.Stamp
}

/** Reads the archive: the memories that no list and no search finds. */
export class ArchiveReader extends Context.Tag("quorate/store/ArchiveReader")<ArchiveReader, {
  /** The latest archived first. */
  readonly list: (page: Page) => Effect.Effect<Bounded<Archived>, ReadFailed>
  /** How many there are of each namespace, largest first. */
  readonly namespaces: Effect.Effect<ReadonlyArray<NamespaceCount>, ReadFailed>
  /** What was archived before a moment and comes after a place, the latest first. */
  readonly before: (
    bound: Stamp.Stamp,
    after: Place | null,
    limit: number
  ) => Effect.Effect<ReadonlyArray<Place>, ReadFailed>
  /** Those of these ids that stand for an archived memory, each with the id that this has. */
  readonly standing: (ids: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, string>, ReadFailed>
}>() {}

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient

  const selectPage = SqlSchema.findAll({
    Request: Schema.Struct({
      namespace: Schema.UndefinedOr(Schema.String),
      limit: Schema.Int,
      offset: Schema.Int
    }),
    Result: Schema.Struct({ ...ArchivedRow.fields, page_rows: Schema.Int }),
    execute: ({ limit, namespace, offset }) => {
      const order = "archived_at DESC, id"
      const page = sql`SELECT m.rid, m.archived_at, m.id, ${sql.literal(rowBytes)} AS bytes FROM memories m WHERE ${
        sql.and([sql`visible = 2`, ...namespace === undefined ? [] : [sql`namespace = ${namespace}`]])
      } ORDER BY ${sql.literal(order)} LIMIT ${limit} OFFSET ${offset}`
      return boundedMemories(sql, page, order)
    }
  })
  const selectNamespaces = SqlSchema.findAll({
    Request: Schema.Void,
    Result: Schema.Struct({ namespace: Schema.String, count: Schema.Int }),
    execute: () =>
      sql`SELECT namespace, count(*) AS count FROM memories WHERE visible = 2
        GROUP BY namespace ORDER BY count DESC, namespace`
  })
  const selectBefore = SqlSchema.findAll({
    Request: Schema.Struct({ bound: Schema.String, after: Schema.NullOr(Placed), limit: Schema.Int }),
    Result: Placed,
    execute: ({ after, bound, limit }) =>
      sql`SELECT id, archived_at FROM memories WHERE visible = 2 AND archived_at < ${bound} AND ${
        after === null
          ? sql`1 = 1`
          : sql`archived_at <= ${after.archived_at} AND (archived_at < ${after.archived_at} OR id > ${after.id})`
      } ORDER BY archived_at DESC, id LIMIT ${limit}`
  })
  const selectStanding = SqlSchema.findAll({
    Request: Schema.parseJson(Schema.Array(Schema.String)),
    Result: Schema.Struct({ given: Schema.String, id: Schema.String }),
    execute: (ids) =>
      sql`SELECT given, id FROM (
        SELECT value AS given, ${sql.literal(archivedIdSql("value"))} AS id FROM json_each(${ids})
      ) WHERE id IS NOT NULL`
  })

  return ArchiveReader.of({
    list: ({ limit, namespace, offset }) =>
      selectPage({ limit, namespace, offset }).pipe(
        Effect.map(boundedBy(fromArchivedRow)),
        readFailed,
        hotSpan("ArchiveReader.list")
      ),
    namespaces: selectNamespaces().pipe(readFailed, hotSpan("ArchiveReader.namespaces")),
    before: (bound, after, limit) => readFailed(selectBefore({ bound, after, limit })),
    standing: (ids) =>
      selectStanding(ids).pipe(Effect.map((rows) => new Map(rows.map(({ given, id }) => [given, id]))), readFailed)
  })
})

export const layer: Layer.Layer<ArchiveReader, never, SqlClient.SqlClient> = Layer.effect(ArchiveReader, make)

/** A row of `memories` that is archived. */
export const ArchivedRow = Schema.Struct({
  ...Row.fields,
  archived_at: Stamp.Stamp,
  archive_reason: Schema.NullOr(Schema.String)
})

export const fromArchivedRow = (row: typeof ArchivedRow.Type): Archived => ({
  memory: fromRow({ ...row, extended_until: null }),
  archivedAt: row.archived_at,
  reason: row.archive_reason ?? ""
})

const Placed = Schema.Struct({ id: Schema.String, archived_at: Stamp.Stamp })
