import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Memory } from "../../domain/Memory.js"
import { namesSql } from "../deciding/liveId.js"
import type { ReadFailed } from "../errors.js"
import type { ObjectType } from "../state/Slice.js"
import { fromRow, readFailed, Row } from "./MemoryReader.js"

/** A memory as it is here now, whatever became of it. */
interface MemoryState {
  readonly memory: Memory
  readonly place: "visible" | "shadow" | "archived"
}

/** What became of a single thing: for those who need its state and not its history. */
export class EntityReader extends Context.Tag("quorate/store/EntityReader")<EntityReader, {
  /** None when it was deleted, or never was here. Its expiry is the one that replicates. */
  readonly memory: (id: string) => Effect.Effect<Option.Option<MemoryState>, ReadFailed>
  /** The other ids under which the memory is or was known, the latest first. */
  readonly otherIds: (id: string) => Effect.Effect<ReadonlyArray<string>, ReadFailed>
  /** The bodies of the live versions of an object, in their order. */
  readonly objects: (type: ObjectType, key: string) => Effect.Effect<ReadonlyArray<unknown>, ReadFailed>
}>() {}

/** Ids of one memory at most. */
const MAX_OTHER_IDS = 100

const places = { 0: "shadow", 1: "visible", 2: "archived" } as const
const PlacedRow = Schema.Struct({ ...Row.fields, visible: Schema.Literal(0, 1, 2) })

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient

  const selectMemory = SqlSchema.findOne({
    Request: Schema.String,
    Result: PlacedRow,
    execute: (id) => sql`SELECT * FROM memories WHERE id = ${id}`
  })
  const selectOtherIds = SqlSchema.findAll({
    Request: Schema.String,
    Result: Schema.Struct({ id: Schema.String }),
    execute: (id) =>
      sql`WITH RECURSIVE root (id) AS (SELECT ${id}), ${sql.literal(namesSql)}
        SELECT n.id FROM names n CROSS JOIN aliases a ON a.id = n.id
        WHERE n.id <> n.root ORDER BY a.hlc DESC LIMIT ${MAX_OTHER_IDS}`
  })
  const selectObjects = SqlSchema.findAll({
    Request: Schema.Struct({ type: Schema.String, key: Schema.String }),
    Result: Schema.Struct({ body: Schema.parseJson() }),
    execute: ({ key, type }) =>
      sql`SELECT body FROM objects WHERE type = ${type} AND key = ${key} ORDER BY hlc, origin, hash`
  })

  return EntityReader.of({
    memory: (id) =>
      selectMemory(id).pipe(
        Effect.map(Option.map((row) => ({
          memory: fromRow({ ...row, extended_until: null }),
          place: places[row.visible]
        }))),
        readFailed
      ),
    otherIds: (id) => selectOtherIds(id).pipe(Effect.map((rows) => rows.map((row) => row.id)), readFailed),
    objects: (type, key) =>
      selectObjects({ type, key }).pipe(Effect.map((rows) => rows.map(({ body }) => body)), readFailed)
  })
})

export const layer: Layer.Layer<EntityReader, never, SqlClient.SqlClient> = Layer.effect(EntityReader, make)
