import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { Memory } from "../../domain/Memory.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { ReadFailed } from "../errors.js"
import { boundedMemories, rowBytes } from "./Bounded.js"
import { decodePaged, type Filter, fromRow, matching, readFailed } from "./MemoryReader.js"

/** What a ranking has to know of a row, and no more: the texts of those that come out best are read then. */
export interface Feature
  extends Pick<Memory, "id" | "namespace" | "tier" | "priority" | "confidence" | "access_count">
{
  readonly rid: number
  readonly created_at: string
  readonly updated_at: string
  readonly session: string | null
}

/** The same without names: hundreds are read for each question. */
const FeatureRow = Schema.Tuple(
  Schema.Int,
  Memory.fields.id,
  Schema.String,
  Memory.fields.tier,
  Schema.Int,
  Schema.Number,
  Schema.Int,
  Schema.String,
  Schema.String,
  Schema.NullOr(Schema.String)
)

const featureOf = (
  [rid, id, namespace, tier, priority, confidence, access_count, created_at, updated_at, session]:
    typeof FeatureRow.Type
): Feature => ({ rid, id, namespace, tier, priority, confidence, access_count, created_at, updated_at, session })

/** Rows that were written shortly before and after one, in the same namespace; the nearest first on each side. */
interface Surroundings {
  readonly rid: number
  readonly before: ReadonlyArray<number>
  readonly after: ReadonlyArray<number>
}

/** Reads what recall looks at beside the indexes of words and of vectors. */
export class RecallReader extends Context.Tag("quorate/store/RecallReader")<RecallReader, {
  /** Of those rows that the filter lets through, in no order; of `namespaces`, where they are given. */
  readonly features: (
    rids: ReadonlyArray<number>,
    filter: Filter,
    namespaces?: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<Feature>, ReadFailed>
  /** The share of the times, each told by any of its words, that each of these rows fits; those that fit none are left out. */
  readonly times: (
    times: ReadonlyArray<ReadonlyArray<string>>,
    rids: ReadonlyArray<number>
  ) => Effect.Effect<ReadonlyMap<number, number>, ReadFailed>
  /** At most so many rows on each side. */
  readonly beside: (
    rids: ReadonlyArray<number>,
    steps: number
  ) => Effect.Effect<ReadonlyArray<Surroundings>, ReadFailed>
  /** The rows that a filter lets through, if they are at most `most`; null when there are more. */
  readonly passing: (
    filter: Filter,
    most: number,
    namespaces?: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlySet<number> | null, ReadFailed>
  /** In the order of the rows, as many as a page may have; those that have gone are left out. */
  readonly memories: (rids: ReadonlyArray<number>) => Effect.Effect<ReadonlyArray<Memory>, ReadFailed>
}>() {}

const Numbers = Schema.parseJson(Schema.Array(Schema.Int))

const decodeRows = Schema.decodeUnknown(Schema.Array(FeatureRow))

/** What is plainly a row is one; of another the schema says what is wrong with it. */
const decodeFeatures = (rows: ReadonlyArray<ReadonlyArray<unknown>>) =>
  rows.every(isFeatureRow) ? Effect.succeed(rows) : decodeRows(rows)

const isText = Predicate.isString
const tiers: ReadonlySet<unknown> = new Set(Memory.fields.tier.literals)

const isFeatureRow = (row: ReadonlyArray<unknown>): row is typeof FeatureRow.Type =>
  row.length === 10 && Number.isSafeInteger(row[0]) && isText(row[1]) && isText(row[2]) && tiers.has(row[3]) &&
  Number.isSafeInteger(row[4]) && Predicate.isNumber(row[5]) && Number.isSafeInteger(row[6]) && isText(row[7]) &&
  isText(row[8]) && (row[9] === null || isText(row[9]))
const decodeRids = Schema.decodeUnknown(Schema.Array(Schema.Struct({ rid: Schema.Int })))

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient

  const within = ({ namespace, ...filter }: Filter, namespaces?: ReadonlyArray<string>) =>
    namespaces === undefined
      ? matching(sql, { ...filter, namespace })
      : sql`${matching(sql, filter)} AND ${sql.in("m.namespace", namespaces)}`

  const beside = makeBeside(sql)
  const memories = (rids: string) =>
    boundedMemories(
      sql,
      sql`SELECT m.rid, r.key AS place, ${sql.literal(rowBytes)} AS bytes
        FROM json_each(${rids}) r CROSS JOIN memories m ON m.rid = r.value`,
      "place"
    ).pipe(Effect.flatMap(decodePaged))

  return RecallReader.of({
    features: (rids, filter, namespaces) =>
      sql`SELECT m.rid, m.id, m.namespace, m.tier, m.priority, m.confidence, m.access_count, m.created_at, m.updated_at,
          CAST(coalesce(json_extract(m.metadata, '$.session_id'), json_extract(m.metadata, '$.session')) AS TEXT) AS session
        FROM json_each(${JSON.stringify(rids)}) r CROSS JOIN memories m ON m.rid = r.value
        WHERE ${within(filter, namespaces)}`.values.pipe(
        Effect.flatMap(decodeFeatures),
        Effect.map((rows) => rows.map(featureOf)),
        readFailed,
        hotSpan("RecallReader.features")
      ),
    times: (times, rids) => timesOf(sql, times, rids).pipe(readFailed, hotSpan("RecallReader.times")),
    beside: (rids, steps) =>
      beside({ rids: JSON.stringify(rids), steps }).pipe(readFailed, hotSpan("RecallReader.beside")),
    passing: (filter, most, namespaces) =>
      sql`SELECT m.rid FROM memories m WHERE ${within(filter, namespaces)} LIMIT ${most + 1}`.pipe(
        Effect.flatMap(decodeRids),
        Effect.map((rows) => rows.length > most ? null : new Set(rows.map(({ rid }) => rid))),
        readFailed,
        hotSpan("RecallReader.passing")
      ),
    memories: (rids) =>
      memories(JSON.stringify(rids)).pipe(
        Effect.map((rows) => rows.map(fromRow)),
        readFailed,
        hotSpan("RecallReader.memories")
      )
  })
})

export const layer: Layer.Layer<RecallReader, never, SqlClient.SqlClient> = Layer.effect(RecallReader, make)

const makeBeside = (sql: SqlClient.SqlClient) => {
  const side = (direction: "before" | "after", steps: number) => {
    const [compare, order] = direction === "before" ? ["<", "DESC"] : [">", "ASC"]
    return sql`(SELECT json_group_array(n.rid) FROM (
        SELECT rid FROM memories WHERE visible = 1 AND namespace = m.namespace
          AND (created_at, id) ${sql.literal(compare)} (m.created_at, m.id)
        ORDER BY created_at ${sql.literal(order)}, id ${sql.literal(order)} LIMIT ${steps}
      ) n)`
  }
  return SqlSchema.findAll({
    Request: Schema.Struct({ rids: Schema.String, steps: Schema.Int }),
    Result: Schema.Struct({ rid: Schema.Int, before: Numbers, after: Numbers }),
    execute: ({ rids, steps }) =>
      sql`SELECT m.rid, ${side("before", steps)} AS before, ${side("after", steps)} AS after
        FROM json_each(${rids}) r CROSS JOIN memories m ON m.rid = r.value`
  })
}

const timesOf = (
  sql: SqlClient.SqlClient,
  times: ReadonlyArray<ReadonlyArray<string>>,
  rids: ReadonlyArray<number>
) =>
  Effect.gen(function*() {
    const fitting = new Map<number, number>()
    for (const words of times) {
      const match = `{dates} : (${words.map((word) => `"${word}"`).join(" OR ")})`
      const rows = yield* sql`SELECT rowid AS rid FROM memory_words
        WHERE memory_words MATCH ${match} AND rowid IN (SELECT value FROM json_each(${JSON.stringify(rids)}))`.pipe(
        Effect.flatMap(decodeRids)
      )
      for (const { rid } of rows) fitting.set(rid, (fitting.get(rid) ?? 0) + 1 / times.length)
    }
    return fitting
  })
