import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import type * as Statement from "@effect/sql/Statement"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Origin } from "../../domain/ids.js"
import { Link } from "../../domain/Link.js"
import type * as Stamp from "../../domain/Stamp.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import { liveIdSql, namesSql } from "../deciding/liveId.js"
import type { ReadFailed } from "../errors.js"
import { MemoryStore } from "../MemoryStore.js"
import { readFailed } from "./MemoryReader.js"

/** A link out of a memory, with what is known of its target. Its ends are the ids of live memories. */
export interface Outgoing {
  readonly link: Link
  readonly title: string
  readonly namespace: string
}

interface Page {
  readonly limit: number
  readonly offset: number
}

/** Which links are wanted. What is absent restricts nothing. */
export interface Wanted {
  /** Valid at this moment. */
  readonly validAt?: Stamp.Stamp | undefined
  /** Observed by one of these. */
  readonly observers?: ReadonlyArray<string> | undefined
  /** Valid from this moment or later; a link that does not say is valid from its creation. */
  readonly since?: Stamp.Stamp | undefined
  /** Valid from this moment or earlier. */
  readonly until?: Stamp.Stamp | undefined
  readonly limit: number
}

/** Links that are looked at for one answer, at most. */
const MAX_SCANNED = 10_000
/** Rows of a memory's links that are put in order here and not by the database, at most. */
const MAX_PLAIN = 1000
/** Ids under which one memory is looked for, at most: the latest. */
const MAX_NAMES = 32

/**
 * Reads links as clients see them: between live memories, under the ids that these have now. A link whose end is
 * deleted, archived, or has not arrived yet is kept and not shown; nor is one whose two ends became one memory. Links that
 * became the same, because memories did, are shown once: the latest.
 */
export class LinkReader extends Context.Tag("quorate/store/LinkReader")<LinkReader, {
  /** The live memory that a whole id stands for. */
  readonly resolve: (id: string) => Effect.Effect<Option.Option<string>, ReadFailed>
  /** The id itself, and the others that stand for the same live memory. */
  readonly names: (id: string) => Effect.Effect<ReadonlyArray<string>, ReadFailed>
  /** The links of the memory that an id stands for, in both directions, the oldest first. */
  readonly of: (id: string, page: Page) => Effect.Effect<ReadonlyArray<Link>, ReadFailed>
  /** The links out of several memories, by when they are valid from. */
  readonly outgoing: (ids: ReadonlyArray<string>, wanted: Wanted) => Effect.Effect<ReadonlyArray<Outgoing>, ReadFailed>
  /** Where in the log the version of a link stands that counts. */
  readonly placeOf: (key: string) => Effect.Effect<Option.Option<typeof Place.Type>, ReadFailed>
}>() {}

/** The links that have one of those ids at this end. */
const linksBy = (end: "source" | "target") =>
  `SELECT n.root, o.key, o.hlc, o.body FROM names n CROSS JOIN objects o
    ON o.type = 'link' AND o.current = 1 AND json_extract(o.body, '$.${end}_id') = n.id`

/** The links with an id at this end, and how the memory with the other id stands. */
const plainBy = (end: "source" | "target", other: "source" | "target") =>
  `SELECT o.key, o.hlc, o.body, (SELECT visible FROM memories WHERE id = json_extract(o.body, '$.${other}_id'))
    FROM objects o WHERE o.type = 'link' AND o.current = 1 AND json_extract(o.body, '$.${end}_id')`

/** The links of `raw` with the live memories at their ends. */
const shown = `shown AS MATERIALIZED (
    SELECT root, key, hlc, body,
      ${liveIdSql("json_extract(body, '$.source_id')")} AS source_id,
      ${liveIdSql("json_extract(body, '$.target_id')")} AS target_id
    FROM raw
  )`

const sameLink = "source_id, target_id, json_extract(body, '$.relation')"
const validFrom = "coalesce(json_extract(l.body, '$.valid_from'), json_extract(l.body, '$.created_at'))"

const Ends = { source_id: Schema.String, target_id: Schema.String, body: Schema.parseJson(Link) }
const LinkRow = Schema.Struct(Ends)
const PlainRow = Schema.Struct({
  key: Schema.NullOr(Schema.String),
  hlc: Schema.NullOr(Schema.String),
  body: Schema.NullOr(Schema.parseJson(Link)),
  there: Schema.NullOr(Schema.Int)
})
const OutgoingRow = Schema.Struct({ ...Ends, title: Schema.String, namespace: Schema.String })
const Place = Schema.Struct({ origin: Origin, oseq: Schema.Int })

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const unlessNone = makeUnlessNone(sql, yield* MemoryStore)
  const resolve = makeResolve(sql)
  const names = makeNames(sql)
  const of = makeOf(sql)
  const outgoing = makeOutgoing(sql)
  const placeOf = makePlaceOf(sql)

  return LinkReader.of({
    resolve: (id) => readFailed(resolve(id)),
    names: (id) => readFailed(names(id)),
    of: (id, page) => unlessNone(of(id, page)).pipe(readFailed, hotSpan("LinkReader.of")),
    outgoing: (ids, wanted) => outgoing(ids, wanted).pipe(readFailed, hotSpan("LinkReader.outgoing")),
    placeOf: (key) => readFailed(placeOf(key))
  })
})

export const layer: Layer.Layer<LinkReader, never, SqlClient.SqlClient | MemoryStore> = Layer.effect(
  LinkReader,
  make
)

/**
 * Every read of a memory asks for its links, and many nodes have none at all: that is known until an operation comes, and
 * spares a query.
 */
const makeUnlessNone = (sql: SqlClient.SqlClient, store: MemoryStore["Type"]) => {
  const any = sql`SELECT 1 FROM objects WHERE type = 'link' LIMIT 1`
  let none: ReturnType<typeof store.vector> | null = null
  return <A, E, R>(read: Effect.Effect<ReadonlyArray<A>, E, R>) =>
    Effect.suspend(() => {
      const held = store.vector()
      if (held === none) return Effect.succeed<ReadonlyArray<A>>([])
      return Effect.flatMap(any, (rows) => {
        if (rows.length > 0) return read
        none = held
        return Effect.succeed<ReadonlyArray<A>>([])
      })
    })
}

const makeResolve = (sql: SqlClient.SqlClient) => {
  const select = SqlSchema.findOne({
    Request: Schema.String,
    Result: Schema.Struct({ id: Schema.NullOr(Schema.String) }),
    execute: (id) =>
      sql`WITH given (id) AS (SELECT ${id}) SELECT ${sql.literal(liveIdSql("given.id"))} AS id FROM given`
  })
  return (id: string) => Effect.map(select(id), Option.flatMap(({ id }) => Option.fromNullable(id)))
}

const makeNames = (sql: SqlClient.SqlClient) => {
  const { literal } = sql
  const select = SqlSchema.findAll({
    Request: Schema.String,
    Result: Schema.Struct({ id: Schema.String }),
    execute: (id) =>
      sql`WITH RECURSIVE given (id) AS (SELECT ${id}),
          root (id) AS MATERIALIZED (SELECT ${literal(liveIdSql("given.id"))} FROM given), ${literal(namesSql)}
        SELECT DISTINCT n.id FROM names n LEFT JOIN aliases a ON a.id = n.id
        WHERE ${literal(liveIdSql("n.id"))} = n.root ORDER BY n.id = n.root DESC, a.hlc DESC ${atMost(sql, MAX_NAMES)}`
  })
  return (id: string) => Effect.map(select(id), (rows) => Array.from(new Set([id, ...rows.map((row) => row.id)])))
}

const makePlaceOf = (sql: SqlClient.SqlClient) =>
  SqlSchema.findOne({
    Request: Schema.String,
    Result: Place,
    execute: (key) => sql`SELECT origin, oseq FROM objects WHERE type = 'link' AND key = ${key} AND current = 1`
  })

/** The links of one memory: put in order here where that is the same, by the database elsewhere. */
const makeOf = (sql: SqlClient.SqlClient) => {
  const plainly = makePlainly(sql)
  const select = makeSelectOf(sql)
  return (id: string, page: Page) =>
    Effect.flatMap(
      plainly(id, page),
      Option.match({
        onSome: (links) => Effect.succeed(links),
        onNone: () => Effect.map(select({ id, ...page }), (rows) => rows.map(linkOf))
      })
    )
}

/** What `of` comes to where no other id stands for the memory or an end of its links, and none elsewhere. */
const makePlainly = (sql: SqlClient.SqlClient) => {
  const { literal } = sql
  const select = SqlSchema.findAll({
    Request: Schema.String,
    Result: PlainRow,
    execute: (id) =>
      sql`SELECT NULL AS key, NULL AS hlc, NULL AS body, (SELECT visible FROM memories WHERE id = ${id}) AS there
        UNION ALL SELECT NULL, NULL, NULL, 0 FROM aliases WHERE target = ${id}
        UNION ALL ${literal(plainBy("source", "target"))} = ${id}
        UNION ALL ${literal(plainBy("target", "source"))} = ${id} ${atMost(sql, MAX_PLAIN + 1)}`
  })
  return (id: string, { limit, offset }: Page) =>
    Effect.map(select(id), (rows) => {
      if (rows.length > MAX_PLAIN || rows.some(({ there }) => there !== 1)) return Option.none()
      const links = rows.flatMap(({ body, hlc, key }) => body === null ? [] : [{ body, order: `${hlc} ${key}` }])
      const sorted = links.toSorted((a, b) => a.order < b.order ? -1 : 1).map(({ body }) => body)
      return Option.some(sorted.slice(offset, offset + limit))
    })
}

const makeSelectOf = (sql: SqlClient.SqlClient) => {
  const { literal } = sql
  return SqlSchema.findAll({
    Request: Schema.Struct({ id: Schema.String, limit: Schema.Int, offset: Schema.Int }),
    Result: LinkRow,
    execute: ({ id, limit, offset }) =>
      sql`WITH RECURSIVE given (id) AS (SELECT ${id}),
          root (id) AS MATERIALIZED (SELECT ${literal(liveIdSql("given.id"))} FROM given), ${literal(namesSql)},
          raw AS (${literal(`${linksBy("source")} UNION ALL ${linksBy("target")}`)} ${atMost(sql, MAX_SCANNED)}), ${
        literal(shown)
      }
        SELECT source_id, target_id, body, max(hlc) AS hlc FROM shown
        WHERE source_id <> target_id AND root IN (source_id, target_id)
        GROUP BY ${literal(sameLink)} ORDER BY hlc, key LIMIT ${limit} OFFSET ${offset}`
  })
}

const makeOutgoing = (sql: SqlClient.SqlClient) => {
  const { literal } = sql
  const decode = Schema.decodeUnknown(Schema.Array(OutgoingRow))
  return (ids: ReadonlyArray<string>, wanted: Wanted) =>
    sql`WITH RECURSIVE given (id) AS (SELECT value FROM json_each(${JSON.stringify(ids)})),
        root (id) AS MATERIALIZED (SELECT DISTINCT ${literal(liveIdSql("given.id"))} FROM given), ${literal(namesSql)},
        raw AS (${literal(linksBy("source"))} ${atMost(sql, MAX_SCANNED)}), ${literal(shown)},
        latest AS MATERIALIZED (
          SELECT key, source_id, target_id, body, max(hlc) FROM shown
          WHERE source_id = root AND source_id <> target_id GROUP BY ${literal(sameLink)}
        )
      SELECT l.source_id, l.target_id, l.body, m.title, m.namespace
      FROM latest l CROSS JOIN memories m ON m.id = l.target_id WHERE ${conditionOf(sql, wanted)}
      ORDER BY ${literal(validFrom)}, l.key LIMIT ${wanted.limit}`.pipe(
      Effect.flatMap(decode),
      Effect.map((rows) => rows.map((row) => ({ link: linkOf(row), title: row.title, namespace: row.namespace })))
    )
}

/** A bound of ours, spelled out: as a parameter it would have SQLite compile the statement anew at each call. */
const atMost = (sql: SqlClient.SqlClient, count: number) => sql.literal(`LIMIT ${count}`)

/** The link between the memories that its ends stand for. */
const linkOf = ({ body, source_id, target_id }: typeof LinkRow.Type): Link => ({ ...body, source_id, target_id })

const conditionOf = (sql: SqlClient.SqlClient, wanted: Wanted): Statement.Fragment => {
  const { observers, since, until, validAt } = wanted
  const conditions: Array<Statement.Fragment> = [sql`1 = 1`]
  if (validAt !== undefined) {
    const end = sql`json_extract(l.body, '$.valid_until')`
    conditions.push(sql`coalesce(json_extract(l.body, '$.valid_from'), '') <= ${validAt}`)
    conditions.push(sql`(${end} IS NULL OR ${end} > ${validAt})`)
  }
  if (observers !== undefined) {
    const allowed = sql`(SELECT value FROM json_each(${JSON.stringify(observers)}))`
    conditions.push(sql`json_extract(l.body, '$.observed_by') IN ${allowed}`)
  }
  if (since !== undefined) conditions.push(sql`${sql.literal(validFrom)} >= ${since}`)
  if (until !== undefined) conditions.push(sql`${sql.literal(validFrom)} <= ${until}`)
  return sql.and(conditions)
}
