import * as SqlClient from "@effect/sql/SqlClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Link } from "../../domain/Link.js"
import type { Memory } from "../../domain/Memory.js"
import { NamespaceMeta } from "../../domain/NamespaceMeta.js"
import { ofLog } from "../../replication/Payload.js"
import type { Governed } from "../deciding/governed.js"
import type { ReadFailed } from "../errors.js"
import { VersionRow } from "../log/OpLog.js"
import { memoryVersion } from "../state/apply.js"
import type { Archival } from "../state/Slice.js"
import { type Archived, ArchivedRow, fromArchivedRow } from "./ArchiveReader.js"
import { linkEndsKnown } from "./linkEnds.js"
import { fromRow, Row } from "./MemoryReader.js"
import { MEMORIES_PER_PAGE, pages } from "./pages.js"
import { fromRow as fromPendingRow, governedSql, Row as PendingRow } from "./PendingReader.js"

/**
 * Reads everything, a page after the other: never more than a page is in memory. Each page is as of its own moment. What is
 * there from the beginning to the end is given once.
 */
export class ExportReader extends Context.Tag("quorate/store/ExportReader")<ExportReader, {
  /** Visible memories by id, expired ones included. */
  readonly memories: Stream.Stream<Memory, ReadFailed>
  /** Archived memories, the latest first. */
  readonly archived: Stream.Stream<Archived, ReadFailed>
  /** What another memory or another version hides: shadows by id, then versions that lost, by the id of their memory. */
  readonly conflicts: Stream.Stream<Hidden, ReadFailed>
  /** Which memory is the standard of which namespace. */
  readonly standards: Stream.Stream<NamespaceMeta, ReadFailed>
  /** Pending actions, whatever became of them, with their votes and the decision that counts. */
  readonly pendings: Stream.Stream<Governed, ReadFailed>
  /** Links that were not removed, whether their ends are here or not. */
  readonly links: Stream.Stream<Link, ReadFailed>
}>() {}

/** A memory that no list shows. */
interface Hidden {
  readonly memory: Memory
  readonly archived: Archival | null
}

/** A link takes a few hundred bytes. */
export const LINKS_PER_PAGE = 1000

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient

  // Rows that are not visible are passed over here and not by SQLite, which would go through all of them in one go.
  const memories = pages(
    Row,
    MEMORIES_PER_PAGE,
    (last) => sql`SELECT * FROM memories WHERE id > ${last?.id ?? ""} ORDER BY id LIMIT ${MEMORIES_PER_PAGE}`
  )
  const archived = pages(ArchivedRow, MEMORIES_PER_PAGE, (last) => {
    const after = last === null
      ? sql`1 = 1`
      : sql`archived_at <= ${last.archived_at} AND (archived_at < ${last.archived_at} OR id > ${last.id})`
    return sql`SELECT * FROM memories WHERE visible = 2 AND ${after}
      ORDER BY archived_at DESC, id LIMIT ${MEMORIES_PER_PAGE}`
  })
  const links = pages(
    LinkRow,
    LINKS_PER_PAGE,
    (last) =>
      sql`SELECT key, body FROM objects WHERE type = 'link' AND key > ${last?.key ?? ""} AND current = 1
      AND ${sql.literal(linkEndsKnown)}
      ORDER BY key LIMIT ${LINKS_PER_PAGE}`
  )

  const versions = pages(HiddenRow, MEMORIES_PER_PAGE, (last) => {
    const { hlc, memory_id, origin } = last ?? { memory_id: "", hlc: "", origin: "" }
    return sql`SELECT c.memory_id, c.hlc, c.origin, o.oseq, o.hash, o.kind, o.entity, o.body
      FROM conflicts c CROSS JOIN oplog o ON o.origin = c.origin AND o.oseq = c.oseq
      WHERE (c.memory_id, c.hlc, c.origin) > (${memory_id}, ${hlc}, ${origin})
      ORDER BY c.memory_id, c.hlc, c.origin LIMIT ${MEMORIES_PER_PAGE}`
  })
  const standards = pages(
    StandardRow,
    LINKS_PER_PAGE,
    (last) =>
      sql`SELECT key, body FROM objects WHERE type = 'namespace_meta' AND key > ${last?.key ?? ""} AND current = 1
      ORDER BY key LIMIT ${LINKS_PER_PAGE}`
  )
  const actions = governedSql(sql)
  const pendings = pages(
    PendingRow,
    MEMORIES_PER_PAGE,
    (last) => sql`${actions} AND p.key > ${last?.key ?? ""} ORDER BY p.key LIMIT ${MEMORIES_PER_PAGE}`
  )

  return ExportReader.of({
    conflicts: Stream.concat(
      memories.pipe(
        Stream.filter(({ visible }) => visible === 0),
        Stream.map((row) => ({ memory: fromRow(row), archived: null }))
      ),
      Stream.map(versions, hiddenOf)
    ),
    standards: Stream.map(standards, ({ body }) => body),
    pendings: Stream.map(pendings, fromPendingRow),
    memories: memories.pipe(Stream.filter(({ visible }) => visible === 1), Stream.map(fromRow)),
    archived: Stream.map(archived, fromArchivedRow),
    links: Stream.map(links, ({ body }) => body)
  })
})

export const layer: Layer.Layer<ExportReader, never, SqlClient.SqlClient> = Layer.effect(ExportReader, make)

const StandardRow = Schema.Struct({ key: Schema.String, body: Schema.parseJson(NamespaceMeta) })

const HiddenRow = Schema.Struct({ memory_id: Schema.String, ...VersionRow.fields })

const hiddenOf = (row: typeof HiddenRow.Type): Hidden => {
  const version = memoryVersion(row, ofLog(row))
  if (version === null) throw new Error(`the log is damaged: a version of ${row.memory_id} without a memory`)
  return { memory: { ...version.memory, updated_at: row.hlc }, archived: version.archived }
}

const LinkRow = Schema.Struct({ key: Schema.String, body: Schema.parseJson(Link) })
