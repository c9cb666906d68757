import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Origin } from "../../domain/ids.js"
import { MAX_COVERS, MAX_PAGE_BYTES } from "../../domain/limits.js"
import type { Memory } from "../../domain/Memory.js"
import * as Stamp from "../../domain/Stamp.js"
import { Kind } from "../../replication/kinds.js"
import type { VersionRef } from "../../replication/Operation.js"
import * as Payload from "../../replication/Payload.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { ReadFailed } from "../errors.js"
import * as Bounded from "./Bounded.js"
import { fromRow, readFailed, Row } from "./MemoryReader.js"

/** An acknowledged version that is not what a reader finds, and the one that is. */
export interface Conflict {
  /** `shadow`: another memory has its slot. `version`: the same memory has another, concurrent version. */
  readonly kind: "shadow" | "version"
  readonly memory: Memory
  readonly version: VersionRef
  /** The state that lost is an archived one. */
  readonly archived: boolean
  readonly winner: { readonly id: string; readonly version: Stamp.Stamp }
}

interface ConflictPage {
  /** Exactly this namespace of the version that lost. */
  readonly namespace?: string | undefined
  readonly limit: number
  readonly offset: number
}

/** A live version of a memory with what it says. */
export interface LiveVersion {
  readonly ref: VersionRef
  readonly payload: Payload.Payload
}

/** Reads what lost against something concurrent: it is kept until somebody says which of the two is right. */
export class ConflictReader extends Context.Tag("quorate/store/ConflictReader")<ConflictReader, {
  /** Shadows first, by slot; then versions, by memory, without those that say the same as the one that won. */
  readonly list: (page: ConflictPage) => Effect.Effect<Bounded.Bounded<Conflict>, ReadFailed>
  /** All live versions of a memory, the one that counts among them. */
  readonly versions: (id: string) => Effect.Effect<ReadonlyArray<LiveVersion>, ReadFailed>
}>() {}

const Winner = { winner_id: Schema.String, winner_version: Stamp.Stamp }
/** See `boundedSql`. */
const Page = { page_rows: Schema.Int, through: Schema.Int }
const ShadowRow = Schema.Struct({ ...Row.fields, updated_at: Stamp.Stamp, origin: Origin, ...Winner, ...Page })
const Logged = { hlc: Stamp.Stamp, origin: Origin, kind: Kind, body: Schema.NullOr(Schema.String) }
const VersionRow = Schema.Struct({ id: Schema.String, ...Logged, ...Winner, ...Page })
const LiveRow = Schema.Struct(Logged)
const Request = Schema.Struct({ namespace: Schema.NullOr(Schema.String), limit: Schema.Int, offset: Schema.Int })
const VersionRequest = Schema.Struct({ ...Request.fields, mostBytes: Schema.Int })

/** What the operation of a version says of the memory. */
const said = (log: string) =>
  `CASE WHEN ${log}.kind IN ('archive', 'decision') THEN json_extract(${log}.body, '$.memory') ELSE ${log}.body END`

/** Without what two nodes that took in the same row may have seen differently: stamps of writing, and access data. */
const content = (log: string) =>
  `json_remove(${said(log)}, '$.created_at', '$.updated_at', '$.access_count', '$.last_accessed_at')`

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient

  const selectShadows = makeSelectShadows(sql)
  const countShadows = SqlSchema.findAll({
    Request: Schema.NullOr(Schema.String),
    Result: Schema.Struct({ count: Schema.Int }),
    execute: (namespace) =>
      sql`SELECT count(*) AS count FROM memories m
        WHERE m.visible = 0 AND ${namespace === null ? sql`1` : sql`m.namespace = ${namespace}`}`
  })
  const selectVersions = makeSelectVersions(sql)
  const selectLive = SqlSchema.findAll({
    Request: Schema.String,
    Result: LiveRow,
    execute: (id) =>
      sql`SELECT v.hlc, v.origin, o.kind, o.body FROM (
          SELECT updated_at AS hlc, origin, oseq FROM memories WHERE id = ${id}
          UNION ALL SELECT hlc, origin, oseq FROM conflicts WHERE memory_id = ${id}
        ) v CROSS JOIN oplog o ON o.origin = v.origin AND o.oseq = v.oseq LIMIT ${MAX_COVERS}`
  })

  return ConflictReader.of({
    list: ({ limit, offset, namespace = null }) =>
      Effect.gen(function*() {
        const rows = yield* selectShadows({ namespace, limit, offset })
        const shadows = Bounded.boundedBy(shadowOf)(rows)
        if (shadows.truncated || rows.length === limit) return shadows
        const [before] = yield* countShadows(namespace)
        const versions = yield* selectVersions({
          namespace,
          limit: limit - rows.length,
          offset: Math.max(0, offset - (before?.count ?? 0)),
          // At least one of them is shown.
          mostBytes: Math.max(1, MAX_PAGE_BYTES - (rows.at(-1)?.through ?? 0))
        })
        const { rows: more, truncated } = Bounded.boundedBy(versionOf)(versions)
        return { rows: [...shadows.rows, ...more], truncated }
      }).pipe(readFailed, hotSpan("ConflictReader.list")),
    versions: (id) =>
      selectLive(id).pipe(
        Effect.map((rows) =>
          rows.map((row) => ({ ref: { id, hlc: row.hlc, origin: row.origin }, payload: payloadOf(id, row) }))
        ),
        readFailed
      )
  })
})

export const layer: Layer.Layer<ConflictReader, never, SqlClient.SqlClient> = Layer.effect(ConflictReader, make)

const makeSelectShadows = (sql: SqlClient.SqlClient) =>
  SqlSchema.findAll({
    Request,
    Result: ShadowRow,
    execute: ({ limit, namespace, offset }) => {
      const page = sql`SELECT m.rid, m.namespace, m.title, m.updated_at, m.id, w.id AS winner_id,
          w.updated_at AS winner_version, ${sql.literal(Bounded.rowBytes)} AS bytes
        FROM memories m CROSS JOIN memories w ON w.namespace = m.namespace AND w.title = m.title AND w.visible = 1
        WHERE m.visible = 0 AND ${namespace === null ? sql`1` : sql`m.namespace = ${namespace}`}
        ORDER BY m.namespace, m.title, m.updated_at DESC, m.id LIMIT ${limit} OFFSET ${offset}`
      return sql`SELECT m.*, p.winner_id, p.winner_version, p.page_rows, p.through
        FROM (${Bounded.boundedSql(sql, page, "namespace, title, updated_at DESC, id")}) p
          CROSS JOIN memories m ON m.rid = p.rid ORDER BY p.through`
    }
  })

const makeSelectVersions = (sql: SqlClient.SqlClient) =>
  SqlSchema.findAll({
    Request: VersionRequest,
    Result: VersionRow,
    execute: ({ limit, mostBytes, namespace, offset }) => {
      const page = sql`SELECT c.memory_id, c.hlc, c.origin, c.oseq, m.id AS winner_id, m.updated_at AS winner_version,
          coalesce(octet_length(o.body), 0) + 512 AS bytes
        FROM conflicts c CROSS JOIN memories m ON m.id = c.memory_id
          CROSS JOIN oplog o ON o.origin = c.origin AND o.oseq = c.oseq
          CROSS JOIN oplog w ON w.origin = m.origin AND w.oseq = m.oseq
        WHERE ((o.kind = 'archive') <> (w.kind = 'archive')
            OR ${sql.literal(content("o"))} <> ${sql.literal(content("w"))})
          AND ${
        namespace === null ? sql`1` : sql`json_extract(${sql.literal(said("o"))}, '$.namespace') = ${namespace}`
      }
        ORDER BY c.memory_id, c.hlc, c.origin LIMIT ${limit} OFFSET ${offset}`
      return sql`SELECT p.memory_id AS id, p.hlc, p.origin, o.kind, o.body, p.winner_id, p.winner_version, p.page_rows, p.through
        FROM (${Bounded.boundedSql(sql, page, "memory_id, hlc, origin", mostBytes)}) p
          CROSS JOIN oplog o ON o.origin = p.origin AND o.oseq = p.oseq ORDER BY p.through`
    }
  })

const shadowOf = (row: typeof ShadowRow.Type): Conflict => ({
  kind: "shadow",
  memory: fromRow({ ...row, extended_until: null }),
  version: { id: row.id, hlc: row.updated_at, origin: row.origin },
  archived: false,
  winner: { id: row.winner_id, version: row.winner_version }
})

const payloadOf = (entity: string, { body, kind }: typeof LiveRow.Type) => Payload.ofLog({ entity, kind, body })

const versionOf = (row: typeof VersionRow.Type): Conflict => {
  const payload = payloadOf(row.id, row)
  const memory = Payload.versionOf(payload)
  if (memory === undefined) throw new Error(`the log is damaged: a version of ${row.id} without a memory`)
  return {
    kind: "version",
    memory,
    version: { id: row.id, hlc: row.hlc, origin: row.origin },
    archived: payload.kind === "archive",
    winner: { id: row.winner_id, version: row.winner_version }
  }
}
