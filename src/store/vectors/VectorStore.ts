import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import type Database from "better-sqlite3"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type { Origin } from "../../domain/ids.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import { liveIdSql } from "../deciding/liveId.js"
import type { LocalWriteFailed, Overloaded, ReadFailed } from "../errors.js"
import { eventLoopTurn } from "../log/eventLoopTurn.js"
import { Sqlite } from "../log/Sqlite.js"
import { one, run } from "../log/statements.js"
import { FIRST_PART, firstPlace, lastPlace, partsOf } from "../log/vectorPlaces.js"
import { MemoryStore } from "../MemoryStore.js"
import { readFailed } from "../read/MemoryReader.js"
import * as Scope from "../Scope.js"
import * as Census from "./census.js"
import { type Kept, keptOf, signsOf, vectorOf } from "./codes.js"
import { makeCosines } from "./cosines.js"
import { type Allowed, make as makeIndex, type SignIndex } from "./SignIndex.js"

/** Which vectors compare: those of one model. */
export interface Space {
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

/** The vectors of one row as the file has them: empty for a part that the model can make nothing of. */
interface KeptRow {
  readonly rid: number
  readonly parts: ReadonlyArray<Kept>
}

/** The same by what any node knows a memory by: its id, and the text that they are of. */
export interface KeptText extends Omit<Lacking, "rid"> {
  readonly id: string
  readonly parts: ReadonlyArray<Kept>
}

/** Rows in their order: those after `after`, and where an origin is given only those of it. */
interface Range {
  readonly after: number
  readonly limit: number
  readonly origin?: Origin | undefined
}

/**
 * The vectors of the memories of this node, by row. A row is never changed but for where it stands, so they belong to it as
 * long as it is there. They follow from its text: nothing of them replicates with it or is part of a digest.
 */
export class VectorStore extends Context.Tag("quorate/store/VectorStore")<VectorStore, {
  /** Rows without vectors of this space. */
  readonly lacking: (space: Space, range: Range) => Effect.Effect<ReadonlyArray<Lacking>, ReadFailed>
  /** The same without their texts, by the ids that all nodes know them by. */
  readonly lackingIds: (
    space: Space,
    range: Range
  ) => Effect.Effect<ReadonlyArray<{ readonly rid: number; readonly id: string }>, ReadFailed>
  /** Those of these rows that still lack vectors of this space. */
  readonly stillLacking: (
    space: Space,
    rids: ReadonlyArray<number>
  ) => Effect.Effect<ReadonlyArray<Lacking>, ReadFailed>
  /** The greatest row there is; 0 where there is none. */
  readonly greatest: Effect.Effect<number, ReadFailed>
  /** Those that have gone meanwhile are passed over, and those that have vectors of this space already. */
  readonly keep: (
    space: Space,
    embedded: ReadonlyArray<Embedded>
  ) => Effect.Effect<void, LocalWriteFailed | Overloaded>
  /** What another node made, as it has it; `keep` in all else. Answers how many were not there already. */
  readonly take: (
    space: Space,
    rows: ReadonlyArray<KeptRow>
  ) => Effect.Effect<number, LocalWriteFailed | Overloaded>
  /** What there is of these memories, by their own ids, in that order. */
  readonly kept: (
    space: Space,
    ids: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<KeptText>, ReadFailed>
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
  readonly coverage: (space: Space) => Effect.Effect<Census.Coverage, ReadFailed>
  /** Removes what is left of rows that have gone; answers of how many. */
  readonly sweep: (space: Space) => Effect.Effect<number, LocalWriteFailed | Overloaded | ReadFailed>
}>() {}

const decodeLacking = Schema.Struct({ rid: Schema.Int, title: Schema.String, content: Schema.String })
const IdRow = Schema.Struct({ rid: Schema.Int, id: Schema.String })
const RangeRequest = Schema.Struct({
  name: Schema.String,
  origin: Schema.NullOr(Schema.String),
  after: Schema.Int,
  limit: Schema.Int
})
const VectorRow = Schema.Struct({ rid: Schema.Int, vector: Schema.Uint8ArrayFromSelf })
/** Place, row, namespace and vector, without names: all there are are read for the first question. */
const LoadedRow = Schema.Tuple(Schema.Int, Schema.Int, Schema.String, Schema.Uint8ArrayFromSelf)
const decodeLoaded = Schema.decodeUnknown(Schema.Array(LoadedRow))

const isLoadedRow = (row: ReadonlyArray<unknown>): row is typeof LoadedRow.Type =>
  row.length === 4 && Number.isSafeInteger(row[0]) && Number.isSafeInteger(row[1]) && Predicate.isString(row[2]) &&
  row[3] instanceof Uint8Array

/** Rows whose vectors are read in one go, at most. */
const ROWS_A_TURN = 2000
/** Rows of the first look whose cosines are worked out: so many for each that is asked for, and at least so many. */
const LOOKS_PER_RESULT = 2
const LEAST_LOOKS = 200

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const { writer } = yield* Sqlite
  const { local } = yield* MemoryStore
  const rows = makeRows(writer)
  const reading = makeReading(sql)
  const lacking = makeLacking(sql)
  const kept = makeGiving(sql, reading)
  const exact = makeCosines(sql)
  const census = Census.make(sql)
  /** Whoever adds to an index, or takes from it, does so alone. */
  const alone = yield* Effect.makeSemaphore(1)
  const indexes = new Map<string, Loaded>()

  const indexOf = makeIndexes(reading, alone, indexes)
  const take = makeTaking(local, rows, alone, indexes)

  const cosines: VectorStore["Type"]["cosines"] = (space, question, rids) =>
    Effect.gen(function*() {
      const number = rids.length === 0 ? null : yield* reading.number(space)
      return number === null ? new Map<number, number>() : yield* exact(number, question, rids)
    }).pipe(readFailed)

  return VectorStore.of({
    lacking: (space, range) => lacking.rows(space, range).pipe(readFailed, hotSpan("VectorStore.lacking")),
    lackingIds: (space, range) => lacking.ids(space, range).pipe(readFailed, hotSpan("VectorStore.lackingIds")),
    stillLacking: (space, rids) => lacking.still(space, rids).pipe(readFailed),
    greatest: census.greatest,
    keep: (space, embedded) =>
      Effect.suspend(() => take(space, embedded.map(({ rid, vectors }) => ({ rid, parts: vectors.map(keptOf) })))).pipe(
        Effect.asVoid,
        hotSpan("VectorStore.keep")
      ),
    take: (space, given) => take(space, given).pipe(hotSpan("VectorStore.take")),
    kept: (space, ids) => kept(space, ids).pipe(readFailed, hotSpan("VectorStore.kept")),
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
        const within = (yield* FiberRef.get(Scope.current)) ?? undefined
        const found = yield* Effect.sync(() => index.nearest(question, looks, { ...allowed, within }))
        const wanted = new Set(besides)
        const exact = yield* cosines(space, question, Array.from(new Set([...wanted, ...found.map(({ rid }) => rid)])))
        const best = Array.from(exact).sort(([, a], [, b]) => b - a)
        return new Map(best.filter(([rid], at) => at < limit || wanted.has(rid)))
      }).pipe(hotSpan("VectorStore.nearest")),
    coverage: (space) =>
      reading.number(space).pipe(readFailed, Effect.flatMap(census.coverage), hotSpan("VectorStore.coverage")),
    sweep: (space) =>
      census.sweep((gone) =>
        alone.withPermits(1)(Effect.zipRight(
          local(() => rows.remove(gone)),
          Effect.sync(() => indexes.get(space.id)?.index.remove(new Set(gone)))
        ))
      ).pipe(hotSpan("VectorStore.sweep"))
  })
})

export const layer: Layer.Layer<VectorStore, never, Sqlite | SqlClient.SqlClient | MemoryStore> = Layer.effect(
  VectorStore,
  make
)

/** Writes vectors, and adds them to the index of their space where that was read already. */
const makeTaking = (
  local: MemoryStore["Type"]["local"],
  rows: ReturnType<typeof makeRows>,
  alone: Effect.Semaphore,
  indexes: ReadonlyMap<string, Loaded>
): VectorStore["Type"]["take"] =>
(space, given) =>
  alone.withPermits(1)(Effect.gen(function*() {
    const kept = yield* local(() => rows.keep(space, given))
    const known = indexes.get(space.id)
    for (const { namespace, parts, rid } of kept) {
      // What stands behind that is read with the next question.
      if (known === undefined || firstPlace(rid) > known.last) continue
      for (const part of parts) if (part.length > 0) known.index.add(rid, namespace, signsOf(part))
    }
    return kept.length
  }))

/** The signs of a space, as far as they were read. */
interface Loaded {
  readonly index: SignIndex
  /** The last place that was read: rows come behind it, with vectors that followed them. */
  last: number
}

/** The index of a space; the first who asks has it read, and whoever asks later what came behind. */
const makeIndexes = (
  reading: ReturnType<typeof makeReading>,
  alone: Effect.Semaphore,
  indexes: Map<string, Loaded>
) => {
  const read = (space: Space, number: number, known: Loaded) =>
    Effect.gen(function*() {
      while (true) {
        const found = yield* reading.page(number, known.last)
        for (const [, rid, namespace, vector] of found) {
          if (vector.length > 0) known.index.add(rid, namespace, signsOf(vector))
        }
        const end = found.at(-1)
        if (end === undefined) break
        known.last = end[0]
        yield* eventLoopTurn
      }
      indexes.set(space.id, known)
    })
  return (space: Space) =>
    Effect.gen(function*() {
      const number = yield* reading.number(space)
      const isBehind = Effect.suspend(() => {
        const known = indexes.get(space.id)
        if (number === null) return Effect.succeed(false)
        return known === undefined ? Effect.succeed(true) : reading.isBehind(number, known.last)
      })
      const empty = (): Loaded => ({ index: makeIndex(space.dimensions), last: -1 })
      if (number !== null && (yield* isBehind)) {
        yield* alone.withPermits(1)(Effect.suspend(() => read(space, number, indexes.get(space.id) ?? empty())))
      }
      return (indexes.get(space.id) ?? empty()).index
    }).pipe(readFailed)
}

/** What is read, on the connection that readers have. */
const makeReading = (sql: SqlClient.SqlClient) => {
  const selectNumber = SqlSchema.findAll({
    Request: Schema.String,
    Result: Schema.Struct({ id: Schema.Int, dimensions: Schema.Int }),
    execute: (name) => sql`SELECT id, dimensions FROM embedders WHERE name = ${name}`
  })
  // What is plainly a row is one; of another the schema says what is wrong with it.
  const page = (number: number, after: number) =>
    sql`SELECT v.place, m.rid, m.namespace, v.vector FROM vectors v CROSS JOIN memories m ON m.rid = v.place >> 8
      WHERE v.place > ${after} AND v.embedder = ${number} ORDER BY v.place LIMIT ${ROWS_A_TURN}`.values.pipe(
      Effect.flatMap((rows) => rows.every(isLoadedRow) ? Effect.succeed(rows) : decodeLoaded(rows))
    )
  const behind = SqlSchema.findAll({
    Request: Schema.Struct({ number: Schema.Int, after: Schema.Int }),
    Result: Schema.Struct({ place: Schema.Int }),
    execute: ({ after, number }) =>
      sql`SELECT v.place FROM vectors v CROSS JOIN memories m ON m.rid = v.place >> 8
        WHERE v.place > ${after} AND v.embedder = ${number} LIMIT 1`
  })
  const vectors = SqlSchema.findAll({
    Request: Schema.Struct({ number: Schema.Int, rids: Schema.String }),
    Result: VectorRow,
    execute: ({ number, rids }) =>
      sql`SELECT r.value AS rid, v.vector FROM json_each(${rids}) r CROSS JOIN vectors v ON ${
        sql.literal(partsOf("r.value"))
      } WHERE v.embedder = ${number} AND length(v.vector) > 0`
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
  const numbers = new Map<string, number>()
  return {
    standing,
    /** What a space is called in the file, for good; null where nothing was ever kept of it. */
    number: (space: Space) =>
      Effect.suspend(() => {
        const known = numbers.get(space.id)
        if (known !== undefined) return Effect.succeed(known)
        return Effect.map(selectNumber(space.id), ([row]) => {
          if (row !== undefined) numbers.set(space.id, row.id)
          return row?.id ?? null
        })
      }),
    page,
    /** Whether anything stands behind a place. */
    isBehind: (number: number, after: number) => Effect.map(behind({ number, after }), ([row]) => row !== undefined),
    vectors: (number: number, rids: ReadonlyArray<number>) => vectors({ number, rids: JSON.stringify(rids) })
  }
}

/** What is to be embedded, by this node or by whoever wrote it. */
const makeLacking = (sql: SqlClient.SqlClient) => {
  const hasNone = (name: string) =>
    sql`NOT EXISTS (
        SELECT 1 FROM vectors v WHERE ${sql.literal(FIRST_PART)}
          AND v.embedder = (SELECT id FROM embedders WHERE name = ${name})
      )`
  const isOf = (origin: string | null) => origin === null ? sql`` : sql`AND m.origin = ${origin}`
  const lacking = SqlSchema.findAll({
    Request: RangeRequest,
    Result: decodeLacking,
    execute: ({ after, limit, name, origin }) =>
      sql`SELECT m.rid, m.title, m.content FROM memories m
        WHERE m.rid > ${after} ${isOf(origin)} AND ${hasNone(name)} ORDER BY m.rid LIMIT ${limit}`
  })
  const lackingIds = SqlSchema.findAll({
    Request: RangeRequest,
    Result: IdRow,
    execute: ({ after, limit, name, origin }) =>
      sql`SELECT m.rid, m.id FROM memories m
        WHERE m.rid > ${after} ${isOf(origin)} AND ${hasNone(name)} ORDER BY m.rid LIMIT ${limit}`
  })
  const stillLacking = SqlSchema.findAll({
    Request: Schema.Struct({ name: Schema.String, rids: Schema.String }),
    Result: decodeLacking,
    execute: ({ name, rids }) =>
      sql`SELECT m.rid, m.title, m.content FROM json_each(${rids}) r CROSS JOIN memories m ON m.rid = r.value
        WHERE ${hasNone(name)} ORDER BY m.rid`
  })
  return {
    rows: (space: Space, { origin, ...range }: Range) => lacking({ name: space.id, origin: origin ?? null, ...range }),
    ids: (space: Space, { origin, ...range }: Range) =>
      lackingIds({ name: space.id, origin: origin ?? null, ...range }),
    still: (space: Space, rids: ReadonlyArray<number>) => stillLacking({ name: space.id, rids: JSON.stringify(rids) })
  }
}

/** What other nodes are given, by the ids of memories. */
const makeGiving = (sql: SqlClient.SqlClient, reading: Pick<ReturnType<typeof makeReading>, "number">) => {
  const texts = SqlSchema.findAll({
    Request: Schema.Struct({ number: Schema.Int, ids: Schema.String }),
    Result: Schema.Struct({ ...decodeLacking.fields, id: Schema.String }),
    execute: ({ ids, number }) =>
      sql`SELECT m.rid, m.id, m.title, m.content FROM json_each(${ids}) a CROSS JOIN memories m ON m.id = a.value
        WHERE EXISTS (SELECT 1 FROM vectors v WHERE ${sql.literal(FIRST_PART)} AND v.embedder = ${number})
        ORDER BY a.key`
  })
  const parts = SqlSchema.findAll({
    Request: Schema.Struct({ number: Schema.Int, rids: Schema.String }),
    Result: VectorRow,
    execute: ({ number, rids }) =>
      sql`SELECT r.value AS rid, v.vector FROM json_each(${rids}) r CROSS JOIN vectors v ON ${
        sql.literal(partsOf("r.value"))
      } WHERE v.embedder = ${number} ORDER BY v.place`
  })
  return (space: Space, ids: ReadonlyArray<string>) =>
    Effect.gen(function*() {
      const number = yield* reading.number(space)
      if (number === null || ids.length === 0) return []
      const found = yield* texts({ number, ids: JSON.stringify(ids) })
      const byRow = new Map(found.map(({ rid }) => [rid, new Array<Kept>()]))
      for (const { rid, vector } of yield* parts({ number, rids: JSON.stringify(Array.from(byRow.keys())) })) {
        byRow.get(rid)?.push(vector)
      }
      return found.map(({ content, id, rid, title }) => ({ id, title, content, parts: byRow.get(rid) ?? [] }))
    })
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
    Schema.Struct({ place: Schema.Int }),
    "SELECT place FROM vectors WHERE place = ? AND embedder = ?"
  )
  const remove = run(writer, "DELETE FROM vectors WHERE place BETWEEN ? AND ?")
  const insert = run(writer, "INSERT INTO vectors (place, embedder, vector) VALUES (?, ?, ?)")
  return {
    keep: (space: Space, given: ReadonlyArray<KeptRow>) => {
      insertEmbedder(space.id, space.dimensions)
      const number = embedder(space.id)?.id
      return given.flatMap(({ parts, rid }) => {
        const row = namespaceOf(rid)
        // A row is never changed: what is kept of it is as good, and stands in the index.
        if (row === null || known(firstPlace(rid), number) !== null) return []
        remove(firstPlace(rid), lastPlace(rid))
        parts.forEach((vector, part) => insert(firstPlace(rid) + part, number, vector))
        return [{ rid, namespace: row.namespace, parts }]
      })
    },
    remove: (rids: ReadonlyArray<number>) => {
      for (const rid of rids) remove(firstPlace(rid), lastPlace(rid))
    }
  }
}
