import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { eventLoopTurn } from "../log/eventLoopTurn.js"
import { FIRST_PART } from "../log/vectorPlaces.js"
import { readFailed } from "../read/MemoryReader.js"

/*
 * What goes through all rows, or all vectors. A million are looked at in a second or two, so it is done in parts: others have
 * their turn after each.
 */

/** How much of what a node holds has vectors of a model. */
export interface Coverage {
  readonly memories: number
  readonly embedded: number
}

/** Rows that are looked at in one go. */
const ROWS_A_TURN = 4000
/** Rows whose vectors are removed in one transaction, at most. */
const SWEPT_AT_ONCE = 500

const CountRow = Schema.Struct({ memories: Schema.Int, embedded: Schema.Int })
const decodeCount = Schema.decodeUnknown(Schema.Tuple(CountRow))
const decodeRids = Schema.decodeUnknown(Schema.Array(Schema.Struct({ rid: Schema.Int })))
const decodeGreatest = Schema.decodeUnknown(Schema.Tuple(Schema.Struct({ rid: Schema.Int })))

export const make = (sql: SqlClient.SqlClient) => {
  const greatest = sql`SELECT coalesce(max(rid), 0) AS rid FROM memories`.pipe(
    Effect.flatMap(decodeGreatest),
    Effect.map(([{ rid }]) => rid),
    readFailed
  )
  const greatestWithVectors = sql`SELECT coalesce(max(place), 0) >> 8 AS rid FROM vectors`.pipe(
    Effect.flatMap(decodeGreatest),
    Effect.map(([{ rid }]) => rid),
    readFailed
  )
  const partOf = (embedder: number | null, from: number) =>
    sql`SELECT count(*) AS memories, count(v.place) AS embedded
      FROM memories m NOT INDEXED LEFT JOIN vectors v ON ${sql.literal(FIRST_PART)} AND v.embedder = ${embedder}
      WHERE m.rid BETWEEN ${from} AND ${from + ROWS_A_TURN - 1}`.pipe(
      Effect.flatMap(decodeCount),
      Effect.map(([count]) => count),
      readFailed
    )
  const goneOf = (from: number) =>
    sql`SELECT v.place >> 8 AS rid FROM vectors v LEFT JOIN memories m ON m.rid = v.place >> 8
      WHERE v.place >= ${from} << 8 AND v.place < (${from} + ${ROWS_A_TURN}) << 8 AND v.place & 255 = 0 AND m.rid IS NULL
      LIMIT ${SWEPT_AT_ONCE}`.pipe(
      Effect.flatMap(decodeRids),
      Effect.map((rows) => rows.map(({ rid }) => rid)),
      readFailed
    )

  return {
    /** The greatest row there is; 0 where there is none. */
    greatest,
    /** By the number that the model has in the file; null where nothing was ever kept of it. */
    coverage: (embedder: number | null) =>
      Effect.gen(function*() {
        const last = yield* greatest
        let found: Coverage = { memories: 0, embedded: 0 }
        for (let from = 0; from <= last; from += ROWS_A_TURN) {
          const { embedded, memories } = yield* partOf(embedder, from)
          found = { memories: found.memories + memories, embedded: found.embedded + embedded }
          yield* eventLoopTurn
        }
        return found
      }),
    /** Has what is left of rows that have gone removed, some at once; answers of how many rows that was. */
    sweep: <E, R>(remove: (rids: ReadonlyArray<number>) => Effect.Effect<unknown, E, R>) =>
      Effect.gen(function*() {
        const last = yield* greatestWithVectors
        let removed = 0
        for (let from = 0; from <= last; from += ROWS_A_TURN) {
          for (let gone = yield* goneOf(from); gone.length > 0; gone = yield* goneOf(from)) {
            yield* remove(gone)
            removed += gone.length
          }
          yield* eventLoopTurn
        }
        return removed
      })
  }
}
