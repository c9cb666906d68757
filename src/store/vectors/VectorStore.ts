import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import type Database from "better-sqlite3"
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { hotSpan } from "../../telemetry/hotSpan.js"
import { liveIdSql } from "../deciding/liveId.js"
import type { LocalWriteFailed, Overloaded, ReadFailed } from "../errors.js"
import { eventLoopTurn } from "../log/eventLoopTurn.js"
import { Sqlite } from "../log/Sqlite.js"
import { one, run } from "../log/statements.js"
import { MemoryStore } from "../MemoryStore.js"
import { readFailed } from "../read/MemoryReader.js"
import { cosine, keptOf, signsOf, vectorOf } from "./codes.js"
import { type Allowed, make as makeIndex, type SignIndex } from "./SignIndex.js"

/** Which vectors compare: those of one model. */
interface Space {
  /** The model and its revision. */
  readonly id: string
  readonly dimensions: number
}

/** A memory to be embedded. */
export interface Lacking {
  readonly rid: number
  readonly title: string
  readonly content: string
}

/** A row, and what is kept of it: vectors of length 1, about. None where it lacks them, or where the model makes nothing of it. */
interface Standing extends Lacking {
  readonly vectors: ReadonlyArray<Float32Array>
}

/** What a model made of one memory: a vector for each of its parts; null for one that it can make nothing of. */
export interface Embedded {
  readonly rid: number
  readonly vectors: ReadonlyArray<Float32Array | null>
}

/** How much of what a node holds has vectors of its model. */
export interface Coverage {
  readonly memories: number
  readonly embedded: number
}

/**
 * The vectors of the memories of this node, by row. A row is never changed but for where it stands, so they belong to it as
 * long as it is there. They follow from its text: nothing of them replicates with it or is part of a digest.
 */
export class VectorStore extends Context.Tag("quorate/store/VectorStore")<VectorStore, {
  /** Rows without vectors of this space, those after `after` in their order. */
  readonly lacking: (
    space: Space,
    range: { readonly after: number; readonly limit: number }
  ) => Effect.Effect<ReadonlyArray<Lacking>, ReadFailed>
  /** Those that have gone meanwhile are passed over, and those that have vectors of this space already. */
  readonly keep: (
    space: Space,
    embedded: ReadonlyArray<Embedded>
  ) => Effect.Effect<void, LocalWriteFailed | Overloaded>
  /** The row at which an id stands, with its vectors of this space; none where nothing is known by it. */
  readonly standing: (space: Space, id: string) => Effect.Effect<Option.Option<Standing>, ReadFailed>
  /**
   * The rows nearest to a question of length 1, by the best of their parts, with the cosine, and those of `besides` wherever they
   * stand; some may be gone, or hidden. The first question has the signs of all vectors read, which takes two seconds for a
   * million.
   */
  readonly nearest: (
    space: Space,
    question: Float32Array,
    among: Allowed & { readonly limit: number; readonly besides?: ReadonlyArray<number> }
  ) => Effect.Effect<ReadonlyMap<number, number>, ReadFailed>
  /** The cosines of these rows, of those that have vectors. */
  readonly cosines: (
    space: Space,
    question: Float32Array,
    rids: ReadonlyArray<number>
  ) => Effect.Effect<ReadonlyMap<number, number>, ReadFailed>
  readonly coverage: (space: Space) => Effect.Effect<Coverage, ReadFailed>
  /** Removes what is left of rows that have gone; answers of how many. */
  readonly sweep: (space: Space) => Effect.Effect<number, LocalWriteFailed | Overloaded | ReadFailed>
}>() {}

const decodeLacking = Schema.Struct({ rid: Schema.Int, title: Schema.String, content: Schema.String })
const VectorRow = Schema.Struct({ rid: Schema.Int, vector: Schema.Uint8ArrayFromSelf })
const LoadedRow = Schema.Struct({
  rid: Schema.Int,
  part: Schema.Int,
  namespace: Schema.String,
  vector: Schema.Uint8ArrayFromSelf
})
const decodeCoverage = Schema.decodeUnknown(
  Schema.Tuple(Schema.Struct({ memories: Schema.Int, embedded: Schema.Int }))
)
const decodeGone = Schema.decodeUnknown(Schema.Array(Schema.Struct({ rid: Schema.Int })))

/** Rows whose vectors are read in one go, at most. */
const ROWS_A_TURN = 2000
/** Rows of the first look whose cosines are worked out: so many for each that is asked for, and at least so many. */
const LOOKS_PER_RESULT = 2
const LEAST_LOOKS = 200
const SWEPT_AT_ONCE = 500

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const { writer } = yield* Sqlite
  const { local } = yield* MemoryStore
  const rows = makeRows(writer)
  const reading = makeReading(sql)
  /** Whoever adds to an index, or takes from it, does so alone. */
  const alone = yield* Effect.makeSemaphore(1)
  const indexes = new Map<string, SignIndex>()

  const indexOf = makeIndexes(reading, alone, indexes)

  const cosines: VectorStore["Type"]["cosines"] = (space, question, rids) =>
    Effect.gen(function*() {
      const number = rids.length === 0 ? null : yield* reading.number(space)
      const best = new Map<number, number>()
      if (number === null) return best
      for (const { rid, vector } of yield* reading.vectors(number, rids)) {
        const value = cosine(question, vector)
        if (value > (best.get(rid) ?? -Infinity)) best.set(rid, value)
      }
      return best
    }).pipe(readFailed)

  return VectorStore.of({
    lacking: (space, range) => reading.lacking(space, range).pipe(readFailed, hotSpan("VectorStore.lacking")),
    keep: (space, embedded) =>
      alone.withPermits(1)(Effect.gen(function*() {
        const kept = yield* local(() => rows.keep(space, embedded))
        const index = indexes.get(space.id)
        for (const { namespace, rid, vectors } of kept) {
          for (const vector of vectors) if (vector.length > 0) index?.add(rid, namespace, signsOf(vector))
        }
      })).pipe(hotSpan("VectorStore.keep")),
    cosines,
    standing: (space, id) =>
      Effect.gen(function*() {
        const [row] = yield* reading.standing(id)
        if (row === undefined) return Option.none()
        const number = yield* reading.number(space)
        const kept = number === null ? [] : yield* reading.vectors(number, [row.rid])
        return Option.some({ ...row, vectors: kept.map(({ vector }) => vectorOf(vector)) })
      }).pipe(readFailed),
    nearest: (space, question, { besides = [], limit, ...allowed }) =>
      Effect.gen(function*() {
        const index = yield* indexOf(space)
        const looks = Math.max(LEAST_LOOKS, limit * LOOKS_PER_RESULT)
        const found = yield* Effect.sync(() => index.nearest(question, looks, allowed))
        const wanted = new Set(besides)
        const exact = yield* cosines(space, question, Array.from(new Set([...wanted, ...found.map(({ rid }) => rid)])))
        const best = Array.from(exact).sort(([, a], [, b]) => b - a)
        return new Map(best.filter(([rid], at) => at < limit || wanted.has(rid)))
      }).pipe(hotSpan("VectorStore.nearest")),
    coverage: (space) => reading.coverage(space).pipe(readFailed),
    sweep: (space) =>
      alone.withPermits(1)(Effect.gen(function*() {
        const gone = yield* reading.gone.pipe(readFailed)
        if (gone.length === 0) return 0
        yield* local(() => rows.remove(gone))
        indexes.get(space.id)?.remove(new Set(gone))
        return gone.length
      })).pipe(hotSpan("VectorStore.sweep"))
  })
})

export const layer: Layer.Layer<VectorStore, never, Sqlite | SqlClient.SqlClient | MemoryStore> = Layer.effect(
  VectorStore,
  make
)

/** The index of a space; the first who asks has it read. */
const makeIndexes = (
  reading: ReturnType<typeof makeReading>,
  alone: Effect.Semaphore,
  indexes: Map<string, SignIndex>
) => {
  const loaded = (space: Space) =>
    Effect.gen(function*() {
      const known = indexes.get(space.id)
      if (known !== undefined) return known
      const index = makeIndex(space.dimensions)
      const number = yield* reading.number(space)
      let last = { rid: 0, part: -1 }
      while (number !== null) {
        const found = yield* reading.page(number, last)
        for (const { namespace, rid, vector } of found) {
          if (vector.length > 0) index.add(rid, namespace, signsOf(vector))
        }
        const end = found.at(-1)
        if (end === undefined) break
        last = end
        yield* eventLoopTurn
      }
      indexes.set(space.id, index)
      return index
    })
  return (space: Space) =>
    Effect.suspend(() => {
      const known = indexes.get(space.id)
      return known === undefined ? readFailed(alone.withPermits(1)(loaded(space))) : Effect.succeed(known)
    })
}

/** What is read, on the connection that readers have. */
const makeReading = (sql: SqlClient.SqlClient) => {
  const selectNumber = SqlSchema.findAll({
    Request: Schema.String,
    Result: Schema.Struct({ id: Schema.Int, dimensions: Schema.Int }),
    execute: (name) => sql`SELECT id, dimensions FROM embedders WHERE name = ${name}`
  })
  const page = SqlSchema.findAll({
    Request: Schema.Struct({ number: Schema.Int, rid: Schema.Int, part: Schema.Int }),
    Result: LoadedRow,
    execute: ({ number, part, rid }) =>
      sql`SELECT v.rid, v.part, m.namespace, v.vector FROM vectors v CROSS JOIN memories m ON m.rid = v.rid
        WHERE (v.rid, v.part) > (${rid}, ${part}) AND v.embedder = ${number} ORDER BY v.rid, v.part LIMIT ${ROWS_A_TURN}`
  })
  const vectors = SqlSchema.findAll({
    Request: Schema.Struct({ number: Schema.Int, rids: Schema.String }),
    Result: VectorRow,
    execute: ({ number, rids }) =>
      sql`SELECT v.rid, v.vector FROM json_each(${rids}) r CROSS JOIN vectors v ON v.rid = r.value
        WHERE v.embedder = ${number} AND length(v.vector) > 0`
  })
  const lacking = SqlSchema.findAll({
    Request: Schema.Struct({ name: Schema.String, after: Schema.Int, limit: Schema.Int }),
    Result: decodeLacking,
    execute: ({ after, limit, name }) =>
      sql`SELECT m.rid, m.title, m.content FROM memories m WHERE m.rid > ${after} AND NOT EXISTS (
          SELECT 1 FROM vectors v WHERE v.rid = m.rid AND v.part = 0
            AND v.embedder = (SELECT id FROM embedders WHERE name = ${name})
        ) ORDER BY m.rid LIMIT ${limit}`
  })
  const standing = SqlSchema.findAll({
    Request: Schema.String,
    Result: decodeLacking,
    execute: (id) =>
      sql`WITH asked (id) AS (SELECT ${id})
        SELECT m.rid, m.title, m.content FROM asked CROSS JOIN memories m ON m.id = ${
        sql.literal(liveIdSql("asked.id"))
      }`
  })
  return {
    standing,
    /** What a space is called in the file; null where nothing was ever kept of it. */
    number: (space: Space) => Effect.map(selectNumber(space.id), ([row]) => row?.id ?? null),
    page: (number: number, after: { readonly rid: number; readonly part: number }) =>
      page({ number, rid: after.rid, part: after.part }),
    vectors: (number: number, rids: ReadonlyArray<number>) => vectors({ number, rids: JSON.stringify(rids) }),
    lacking: (space: Space, range: { readonly after: number; readonly limit: number }) =>
      lacking({ name: space.id, ...range }),
    coverage: (space: Space) =>
      sql`SELECT (SELECT count(*) FROM memories) AS memories, (
          SELECT count(*) FROM vectors v WHERE v.part = 0 AND v.embedder = (SELECT id FROM embedders WHERE name = ${space.id})
        ) AS embedded`.pipe(Effect.flatMap(decodeCoverage), Effect.map(([coverage]) => coverage)),
    gone: sql`SELECT v.rid FROM vectors v LEFT JOIN memories m ON m.rid = v.rid
      WHERE m.rid IS NULL AND v.part = 0 LIMIT ${SWEPT_AT_ONCE}`.pipe(
      Effect.flatMap(decodeGone),
      Effect.map(Arr.map(({ rid }) => rid))
    )
  }
}

/** What is written, in a transaction of the committer. */
const makeRows = (writer: Database.Database) => {
  const insertEmbedder = run(writer, "INSERT OR IGNORE INTO embedders (name, dimensions) VALUES (?, ?)")
  const embedder = one(writer, Schema.Struct({ id: Schema.Int }), "SELECT id FROM embedders WHERE name = ?")
  const namespaceOf = one(
    writer,
    Schema.Struct({ namespace: Schema.String }),
    "SELECT namespace FROM memories WHERE rid = ?"
  )
  const known = one(
    writer,
    Schema.Struct({ part: Schema.Int }),
    "SELECT part FROM vectors WHERE rid = ? AND part = 0 AND embedder = ?"
  )
  const remove = run(writer, "DELETE FROM vectors WHERE rid = ?")
  const insert = run(writer, "INSERT INTO vectors (rid, part, embedder, vector) VALUES (?, ?, ?, ?)")
  return {
    keep: (space: Space, embedded: ReadonlyArray<Embedded>) => {
      insertEmbedder(space.id, space.dimensions)
      const number = embedder(space.id)?.id
      return embedded.flatMap(({ rid, vectors }) => {
        const row = namespaceOf(rid)
        // A row is never changed: what is kept of it is as good, and stands in the index.
        if (row === null || known(rid, number) !== null) return []
        const kept = vectors.map(keptOf)
        remove(rid)
        kept.forEach((vector, part) => insert(rid, part, number, vector))
        return [{ rid, namespace: row.namespace, vectors: kept }]
      })
    },
    remove: (rids: ReadonlyArray<number>) => {
      for (const rid of rids) remove(rid)
    }
  }
}
