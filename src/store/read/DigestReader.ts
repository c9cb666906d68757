import * as SqlClient from "@effect/sql/SqlClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as VersionVector from "../../replication/VersionVector.js"
import type { ReadFailed } from "../errors.js"
import { readFailed } from "./MemoryReader.js"

/** What a node holds, and the sums over it, of one and the same moment. */
export interface Digests {
  readonly vector: VersionVector.VersionVector
  /** One for each bucket, in their order. */
  readonly buckets: ReadonlyArray<number>
}

/** Reads the digests by bucket. */
export class DigestReader extends Context.Tag("quorate/store/DigestReader")<DigestReader, {
  readonly digests: Effect.Effect<Digests, ReadFailed>
}>() {}

const Row = Schema.Struct({
  vector: Schema.parseJson(VersionVector.Stored),
  buckets: Schema.parseJson(Schema.Array(Schema.Int))
})
const decode = Schema.decodeUnknown(Schema.Tuple(Row))

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  // One statement sees one state of the database: nothing is committed between the two.
  const select = sql`SELECT
    (SELECT json_group_object(origin, json(entry)) FROM version_vector) AS vector,
    (SELECT json_group_array(sum ORDER BY bucket) FROM digests) AS buckets`
  return DigestReader.of({ digests: select.pipe(Effect.flatMap(decode), Effect.map(([row]) => row), readFailed) })
})

export const layer: Layer.Layer<DigestReader, never, SqlClient.SqlClient> = Layer.effect(DigestReader, make)
