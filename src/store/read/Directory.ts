import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Entity from "../../domain/Entity.js"
import type { Memory } from "../../domain/Memory.js"
import type { ReadFailed } from "../errors.js"
import type { MemoryStore } from "../MemoryStore.js"
import { allOf, type Asking, makeAsking, type Match } from "./asking.js"
import { fromRow, readFailed, Row } from "./MemoryReader.js"

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

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const asking = yield* makeAsking(sql)

  const lookedAt = ({ match, unread }: typeof Wanted.Type) => {
    const now = sql`SELECT rowid AS rid FROM memory_words WHERE memory_words MATCH ${match} LIMIT ${MAX_LOOKED_AT}`
    return unread === 0 ? now : sql`SELECT rid FROM (${now}) UNION SELECT rowid FROM memories_fts
      WHERE memories_fts MATCH ${BEFORE} AND rowid <= ${unread}`
  }
  const select = SqlSchema.findOne({
    Request: Wanted,
    Result: Row,
    execute: (wanted) =>
      sql`SELECT m.* FROM (${lookedAt(wanted)}) f
        CROSS JOIN memories m ON m.rid = f.rid
        WHERE m.visible = 1 AND json_extract(m.metadata, '$.kind') = ${Entity.KIND}
          AND (m.title = ${wanted.name}
            OR EXISTS (SELECT 1 FROM json_each(m.metadata, '$.aliases') a WHERE a.value = ${wanted.name}))
          AND ${wanted.namespace === null ? sql`1` : sql`m.namespace = ${wanted.namespace}`}
        ORDER BY m.title = ${wanted.name} DESC, m.updated_at DESC, m.id LIMIT 1`
  })

  return Directory.of({
    find: (name, namespace) =>
      Effect.gen(function*() {
        const nowMillis = yield* Clock.currentTimeMillis
        const every = everyOf(yield* asking({ text: Entity.TAG, nowMillis }))
        const { index: { unread }, wholes } = yield* asking({ text: name, nowMillis })
        const request = { name, namespace: namespace ?? null, unread }
        // Its names are in its text, unless somebody changed that; and some names have no word in them.
        const found = yield* select({ ...request, match: allOf([every, ...wholes]) })
        return Option.map(Option.isSome(found) ? found : yield* select({ ...request, match: every }), fromRow)
      }).pipe(readFailed)
  })
})

const Wanted = Schema.Struct({
  match: Schema.String,
  name: Schema.String,
  namespace: Schema.NullOr(Schema.String),
  unread: Schema.Int
})

/** Whatever has the tag of entities. */
const everyOf = ({ wholes }: Asking): Match => `{tags} : ${allOf(wholes)}`
/** The same in the index of before. */
const BEFORE = `tags : "${Entity.TAG}"`

export const layer: Layer.Layer<Directory, never, SqlClient.SqlClient | MemoryStore> = Layer.effect(Directory, make)
