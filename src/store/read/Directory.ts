import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Entity from "../../domain/Entity.js"
import type { Memory } from "../../domain/Memory.js"
import type { ReadFailed } from "../errors.js"
import { fromRow, readFailed, Row } from "./MemoryReader.js"
import { ftsQuery } from "./Search.js"

/** Looks entities up by any of their names. */
export class Directory extends Context.Tag("quorate/store/Directory")<Directory, {
  /** By exactly this name; in exactly this namespace, if one is given. One with it as canonical name goes first, then the latest. */
  readonly find: (
    name: string,
    namespace: string | undefined
  ) => Effect.Effect<Option.Option<Memory>, ReadFailed>
}>() {}

/** Entities that are looked at one by one, at most. */
const MAX_LOOKED_AT = 10_000

const EVERY = `tags : "${Entity.TAG}"`

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient

  const select = SqlSchema.findOne({
    Request: Schema.Struct({ match: Schema.String, name: Schema.String, namespace: Schema.NullOr(Schema.String) }),
    Result: Row,
    execute: ({ match, name, namespace }) =>
      sql`SELECT m.* FROM (SELECT rowid AS rid FROM memories_fts WHERE memories_fts MATCH ${match} LIMIT ${MAX_LOOKED_AT}) f
        CROSS JOIN memories m ON m.rid = f.rid
        WHERE m.visible = 1 AND json_extract(m.metadata, '$.kind') = ${Entity.KIND}
          AND (m.title = ${name} OR EXISTS (SELECT 1 FROM json_each(m.metadata, '$.aliases') a WHERE a.value = ${name}))
          AND ${namespace === null ? sql`1` : sql`m.namespace = ${namespace}`}
        ORDER BY m.title = ${name} DESC, m.updated_at DESC, m.id LIMIT 1`
  })

  return Directory.of({
    find: (name, namespace) => {
      const request = { name, namespace: namespace ?? null }
      // Its names are in its text, unless somebody changed that; and some names have no word in them.
      return select({ ...request, match: `(${EVERY}) AND (${ftsQuery(name, "AND")})` }).pipe(
        Effect.flatMap((found) => Option.isSome(found) ? Effect.succeed(found) : select({ ...request, match: EVERY })),
        Effect.map(Option.map(fromRow)),
        readFailed
      )
    }
  })
})

export const layer: Layer.Layer<Directory, never, SqlClient.SqlClient> = Layer.effect(Directory, make)
