import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import type * as Statement from "@effect/sql/Statement"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { ParseError } from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Analyzer from "../../domain/analysis/Analyzer.js"
import { Origin } from "../../domain/ids.js"
import { MAX_PAGE_BYTES } from "../../domain/limits.js"
import type { Memory } from "../../domain/Memory.js"
import * as Stamp from "../../domain/Stamp.js"
import type { Tier } from "../../domain/Tier.js"
import type { VersionRef } from "../../replication/Operation.js"
import { ReadFailed } from "../errors.js"
import { eventLoopTurn } from "../log/eventLoopTurn.js"
import type { MemoryStore } from "../MemoryStore.js"
import { anyOf, type Asking, makeAsking } from "./asking.js"
import { type Bounded, boundedSql, rowBytes } from "./Bounded.js"
import { type Filter, fromRow, matching, Row } from "./MemoryReader.js"

/** Visible memories, expired or not, for which all of what is given holds. */
export interface Wanted {
  readonly namespace?: string | undefined
  readonly tier?: Tier | undefined
  /** Any of these words as they are written, but for case and marks: words of the same stem are not meant. */
  readonly pattern?: string | undefined
  /** At a version that came into this node's log up to there: see `OpLog.position`. */
  readonly upTo: number
}

/** Up to which expiry memories of each tier have expired. */
export type Deadlines = Readonly<Record<Tier, Stamp.Stamp>>

/** What a sweep looks for among all memories. */
interface Topic extends Pick<Filter, "now" | "namespace"> {
  /** The `topic` in the metadata, or the title. */
  readonly topic: string
  readonly limit: number
}

/**
 * Looks at every memory that there is, in parts, so that everybody else gets a turn in between. What is found may have changed
 * by the time it is used.
 */
export class SweepReader extends Context.Tag("quorate/store/SweepReader")<SweepReader, {
  /** Versions that are wanted. */
  readonly matching: (wanted: Wanted) => Stream.Stream<VersionRef, ReadFailed>
  /** Versions that are not archived and have expired by `now` on this node, and by its deadline in what replicates. */
  readonly expired: (now: Stamp.Stamp, deadlines: Deadlines) => Stream.Stream<VersionRef, ReadFailed>
  /** Visible memories that have not expired, those written last first. */
  readonly ofTopic: (topic: Topic) => Effect.Effect<Bounded<Memory>, ReadFailed>
}>() {}

/** Rows that are looked at in one go. */
export const ROWS_PER_TURN = 10_000

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const extent = sql`SELECT coalesce(min(rid), 0) AS first, coalesce(max(rid), -1) AS last FROM memories`.pipe(
    Effect.flatMap(decodeExtent),
    Effect.map(([extent]) => extent)
  )

  const selectMatching = makeMatching(sql, yield* makeAsking(sql))
  const selectExpired = (now: Stamp.Stamp, { long, mid, short }: Deadlines) => (range: Range) =>
    sql`SELECT m.id, m.updated_at, m.origin FROM memories m NOT INDEXED
      WHERE ${among(sql, range)} AND m.visible < 2
        AND m.expires_at <= CASE m.tier WHEN 'short' THEN ${short} WHEN 'mid' THEN ${mid} ELSE ${long} END
        AND (m.extended_until IS NULL OR m.extended_until <= ${now})`.pipe(Effect.flatMap(decodeVersions))
  const selectOfTopic = ({ limit, topic, ...filter }: Topic) => (range: Range) => {
    const page = sql`SELECT m.rid, ${sql.literal(rowBytes)} AS bytes FROM memories m NOT INDEXED
      WHERE ${among(sql, range)} AND ${matching(sql, filter)}
        AND (m.title = ${topic} OR json_extract(m.metadata, '$.topic') = ${topic})
      ORDER BY m.rid DESC LIMIT ${limit}`
    return sql`SELECT m.*, p.page_rows, p.bytes FROM (${boundedSql(sql, page, "rid DESC")}) p
      CROSS JOIN memories m ON m.rid = p.rid ORDER BY p.through`.pipe(Effect.flatMap(decodeFound))
  }

  /** What a part at a time comes to: one chunk for each part, also an empty one. */
  const sweep = <A>(
    order: "ascending" | "descending",
    select: (range: Range) => Effect.Effect<ReadonlyArray<A>, SqlError | ParseError>
  ): Stream.Stream<A, ReadFailed> =>
    Stream.unwrap(Effect.map(extent, (rows) =>
      Stream.paginateChunkEffect(0, (part) => {
        const parts = Math.ceil((rows.last - rows.first + 1) / ROWS_PER_TURN)
        const from = rows.first + (order === "ascending" ? part : parts - 1 - part) * ROWS_PER_TURN
        return select({ from, to: from + ROWS_PER_TURN - 1 }).pipe(
          Effect.zipLeft(eventLoopTurn),
          Effect.map((found) => [
            Chunk.unsafeFromArray(found),
            part + 1 < parts ? Option.some(part + 1) : Option.none<number>()
          ])
        )
      }))).pipe(Stream.mapError((cause) => new ReadFailed({ cause })))

  return SweepReader.of({
    matching: (wanted) => sweep("ascending", selectMatching(wanted)),
    expired: (now, deadlines) => sweep("ascending", selectExpired(now, deadlines)),
    ofTopic: (topic) => firstThatFit(sweep("descending", selectOfTopic(topic)), topic.limit)
  })
})

export const layer: Layer.Layer<SweepReader, never, SqlClient.SqlClient | MemoryStore> = Layer.effect(SweepReader, make)

/** As many rows as fit in a page: each part of the sweep is cut to that by itself, and says of each row how many it had. */
const firstThatFit = <E>(found: Stream.Stream<Found, E>, limit: number): Effect.Effect<Bounded<Memory>, E> =>
  Effect.suspend(() => {
    const rows: Array<Memory> = []
    let bytes = 0
    let truncated = false
    const take = (chunk: Chunk.Chunk<Found>) =>
      Effect.sync(() => {
        for (const row of chunk) {
          if (rows.length === limit) return false
          truncated = bytes >= MAX_PAGE_BYTES
          if (truncated) return false
          rows.push(fromRow(row))
          bytes += row.bytes
        }
        truncated = rows.length < limit && chunk.length < Chunk.reduce(chunk, 0, (_, { page_rows }) => page_rows)
        return !truncated && rows.length < limit
      })
    return Effect.map(Stream.runForEachWhile(Stream.chunks(found), take), () => ({ rows, truncated }))
  })

const among = (sql: SqlClient.SqlClient, { from, to }: Range) => sql`m.rid BETWEEN ${from} AND ${to}`

const makeMatching = (sql: SqlClient.SqlClient, asking: Effect.Effect.Success<ReturnType<typeof makeAsking>>) => {
  const conditionsOf = ({ namespace, tier, upTo }: Wanted) => {
    const conditions: Array<Statement.Fragment> = [
      sql`m.visible = 1`,
      sql`(SELECT o.lsn FROM oplog o WHERE o.origin = m.origin AND o.oseq = m.oseq) <= ${upTo}`
    ]
    if (namespace !== undefined) conditions.push(sql`m.namespace = ${namespace}`)
    if (tier !== undefined) conditions.push(sql`m.tier = ${tier}`)
    return sql.and(conditions)
  }
  const selectAll = (wanted: Wanted) => (range: Range) =>
    sql`SELECT m.id, m.updated_at, m.origin FROM memories m NOT INDEXED
      WHERE ${among(sql, range)} AND ${conditionsOf(wanted)}`.pipe(Effect.flatMap(decodeVersions))
  /** The index knows stems; what is ended has the very words. */
  const selectWith = (pattern: string, wanted: Wanted) => {
    const has = Analyzer.hasAny(pattern)
    return (range: Range) =>
      Effect.gen(function*() {
        const asked = yield* asking({ text: pattern, nowMillis: yield* Clock.currentTimeMillis })
        if (asked.wholes.length === 0) return []
        const rows = yield* sql`SELECT m.id, m.updated_at, m.origin, m.title, m.content, m.tags
          FROM (${withWords(sql, asked, range)}) f CROSS JOIN memories m ON m.rid = f.rid
          WHERE ${conditionsOf(wanted)} ORDER BY m.rid`.pipe(Effect.flatMap(decodeTexts))
        return yield* decodeVersions(rows.filter(has))
      })
  }
  return (wanted: Wanted) => wanted.pattern === undefined ? selectAll(wanted) : selectWith(wanted.pattern, wanted)
}

/** Rows with any of the words, and all that wait to be indexed where they could not be: what was stored is not passed over. */
const withWords = (sql: SqlClient.SqlClient, { before, index: { unread }, wholes }: Asking, { from, to }: Range) => {
  const now = sql`SELECT rowid AS rid FROM memory_words
    WHERE memory_words MATCH ${anyOf(wholes)} AND rowid BETWEEN ${from} AND ${to}
    UNION SELECT rid FROM memories WHERE rid BETWEEN ${from} AND ${to}
      AND rid > max(${unread}, (SELECT coalesce(max(id), 0) FROM memory_words_docsize))`
  return unread === 0 || before === null ? now : sql`${now} UNION SELECT rowid FROM memories_fts
    WHERE memories_fts MATCH ${before.any} AND rowid BETWEEN ${from} AND ${Math.min(to, unread)}`
}

/** Rows by their numbers, both ends included. */
interface Range {
  readonly from: number
  readonly to: number
}

const Found = Schema.Struct({ ...Row.fields, page_rows: Schema.Int, bytes: Schema.Int })
type Found = typeof Found.Type
const decodeFound = Schema.decodeUnknown(Schema.Array(Found))

const decodeExtent = Schema.decodeUnknown(
  Schema.Tuple(Schema.Struct({ first: Schema.Int, last: Schema.Int }))
)

const decodeTexts = Schema.decodeUnknown(Schema.Array(Schema.Struct({
  id: Schema.String,
  updated_at: Schema.String,
  origin: Schema.String,
  title: Schema.String,
  content: Schema.String,
  tags: Schema.parseJson(Schema.Array(Schema.String))
})))

const VersionRow = Schema.Struct({ id: Schema.String, updated_at: Stamp.Stamp, origin: Origin })
const decodeVersionRows = Schema.decodeUnknown(Schema.Array(VersionRow))
const decodeVersions = (rows: unknown): Effect.Effect<ReadonlyArray<VersionRef>, ParseError> =>
  Effect.map(
    decodeVersionRows(rows),
    (versions) => versions.map(({ id, origin, updated_at }) => ({ id, hlc: updated_at, origin }))
  )
