import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { ParseError } from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { partsOf } from "../log/vectorPlaces.js"
import { cosinesOf } from "./codes.js"

const decode = Schema.decodeUnknown(Schema.Tuple(Schema.Struct({
  rids: Schema.parseJson(Schema.Array(Schema.Int)),
  vectors: Schema.NullOr(Schema.Uint8ArrayFromSelf)
})))

/**
 * The greatest cosine of each of these rows to a question, of those that have vectors. All vectors come as one run of bytes: for
 * each an object of its own would cost more than the search for it.
 */
export const makeCosines = (sql: SqlClient.SqlClient) =>
(
  embedder: number,
  question: Float32Array,
  rids: ReadonlyArray<number>
): Effect.Effect<ReadonlyMap<number, number>, SqlError | ParseError> =>
  sql`SELECT json_group_array(r.value) AS rids, CAST(group_concat(v.vector, '') AS BLOB) AS vectors
      FROM json_each(${JSON.stringify(rids)}) r CROSS JOIN vectors v ON ${sql.literal(partsOf("r.value"))}
      WHERE v.embedder = ${embedder} AND length(v.vector) > 0`.pipe(
    Effect.flatMap(decode),
    Effect.map(([found]) => {
      const best = new Map<number, number>()
      if (found.vectors === null) return best
      const cosines = cosinesOf(question, found.vectors)
      found.rids.forEach((rid, at) => {
        const cosine = cosines[at] ?? -1
        if (cosine > (best.get(rid) ?? -Infinity)) best.set(rid, cosine)
      })
      return best
    })
  )
