import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Sqlite from "../../src/store/log/Sqlite.js"

/** The image of a migrated, empty database, made once: a copy of it in memory costs next to nothing. */
const image = Effect.runSync(Effect.cached(
  Effect.map(Sqlite.Sqlite, ({ writer }) => withoutWal(writer.serialize())).pipe(
    Effect.provide(Sqlite.layer({ file: ":memory:" })),
    Effect.orDie
  )
))

/** A migrated, empty database in memory. */
export const scratchDatabase: Effect.Effect<Database.Database> = Effect.map(image, (bytes) => new Database(bytes))

/** Bytes 18 and 19 of the header say WAL, which a database in memory cannot have. */
function withoutWal(bytes: Buffer): Buffer {
  return bytes.fill(1, 18, 20)
}
