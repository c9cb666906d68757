import * as SqlClient from "@effect/sql/SqlClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { type LocalWriteFailed, type Overloaded, ReadFailed } from "./errors.js"
import { Sqlite } from "./log/Sqlite.js"
import { run } from "./log/statements.js"
import { MemoryStore } from "./MemoryStore.js"

/** What issuers said of keys of nodes, in their words. */
interface Said {
  readonly revocations: ReadonlyArray<string>
  readonly credentials: ReadonlyArray<string>
}

/** Keeps it over a restart. */
export class TrustStore extends Context.Tag("quorate/store/TrustStore")<TrustStore, {
  readonly all: Effect.Effect<Said, ReadFailed>
  readonly add: (said: Said) => Effect.Effect<void, LocalWriteFailed | Overloaded>
}>() {}

const decodeRows = Schema.decodeUnknown(Schema.Array(Schema.Struct({ text: Schema.String })))

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const { writer } = yield* Sqlite
  const { local } = yield* MemoryStore
  const revoke = run(writer, "INSERT OR IGNORE INTO revocations (text) VALUES (?)")
  const vouch = run(writer, "INSERT OR IGNORE INTO vouchers (text) VALUES (?)")
  return TrustStore.of({
    all: Effect.all([sql`SELECT text FROM revocations`, sql`SELECT text FROM vouchers`]).pipe(
      Effect.flatMap((tables) => Effect.forEach(tables, (rows) => decodeRows(rows))),
      Effect.map(([revocations = [], credentials = []]) => ({
        revocations: revocations.map(({ text }) => text),
        credentials: credentials.map(({ text }) => text)
      })),
      Effect.mapError((cause) => new ReadFailed({ cause }))
    ),
    add: ({ credentials, revocations }) =>
      local(() => {
        for (const text of revocations) revoke(text)
        for (const text of credentials) vouch(text)
      })
  })
})

export const layer: Layer.Layer<TrustStore, never, Sqlite | SqlClient.SqlClient | MemoryStore> = Layer.effect(
  TrustStore,
  make
)
