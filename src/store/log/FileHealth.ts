import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Statement from "@effect/sql/Statement"
import Database from "better-sqlite3"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { Metrics } from "../../telemetry/Metrics.js"
import { Sqlite } from "./Sqlite.js"

/**
 * What is known of the file of the database in this run: whether something in it can not be read, whether it is still the one
 * that stands under its name, and whether it has room. What is found is logged, and shown in the metrics.
 */
export class FileHealth extends Context.Tag("quorate/store/FileHealth")<FileHealth, {
  /**
   * Why nothing may be written to it, with its name; null while nothing speaks against it. Damage stays until the next start:
   * whether it is mended only a look at the whole file can tell.
   */
  readonly refusal: () => string | null
  /** Judges a failure of the database, whoever met it. */
  readonly failed: (cause: unknown) => void
  /** Something was written that took room. */
  readonly wrote: () => void
  /** The latest write found no room. */
  readonly isFull: () => boolean
}>() {}

const make = Effect.gen(function*() {
  const { file, lost = () => null } = yield* Sqlite
  const metrics = yield* Metrics
  const say = yield* FiberSet.makeRuntime<never>()
  let damage: string | null = null
  let gone: string | null = null
  let isFull = false

  const found = (why: string) => {
    metrics.fileUnusable(true)
    say(Effect.logError(`${why}; this node is not ready, and writes nothing`))
  }

  return FileHealth.of({
    isFull: () => isFull,
    wrote: () => {
      isFull = false
    },
    failed: (cause) => {
      const error = sqliteErrorOf(cause)
      if (error === null) return
      isFull = isFull || error.code.startsWith("SQLITE_FULL")
      if (damage !== null || !DAMAGE.test(error.code)) return
      damage = `${file} is damaged (${error.code}: ${error.message}); put back a backup, or begin with a new file`
      found(damage)
    },
    refusal: () => {
      const before = gone
      gone = lost()
      if (gone !== null && before === null) found(gone)
      if (gone === null && before !== null && damage === null) metrics.fileUnusable(false)
      return damage ?? gone
    }
  })
})

export const layer: Layer.Layer<FileHealth, never, Sqlite | Metrics> = Layer.scoped(FileHealth, make)

/** Errors that say: what is in the file, or its disk, is broken. */
const DAMAGE = /^SQLITE_(?:CORRUPT|NOTADB|IOERR)/

/** The error of SQLite that a failure of the reader is about, or of the writer. */
const sqliteErrorOf = (cause: unknown): InstanceType<typeof Database.SqliteError> | null =>
  cause instanceof Database.SqliteError
    ? cause
    : cause instanceof Error && cause.cause instanceof Database.SqliteError
    ? cause.cause
    : null

/** The reader that there is, with a look at each of its failures. */
export const layerReader: Layer.Layer<SqlClient.SqlClient, never, SqlClient.SqlClient | FileHealth> = Layer.effect(
  SqlClient.SqlClient,
  Effect.gen(function*() {
    const { failed } = yield* FileHealth
    const { reserve } = yield* SqlClient.SqlClient
    return yield* SqlClient.make({
      acquirer: Effect.map(reserve, (connection) => watched(connection, failed)),
      compiler: Statement.makeCompilerSqlite(),
      spanAttributes: [["db.system.name", "sqlite"]]
    })
  })
).pipe(Layer.provide(Reactivity.layer))

const watched = (connection: Connection, failed: (cause: unknown) => void): Connection => {
  const look = (error: SqlError) => Effect.sync(() => failed(error))
  return {
    execute: (...statement) => Effect.tapError(connection.execute(...statement), look),
    executeRaw: (...statement) => Effect.tapError(connection.executeRaw(...statement), look),
    executeValues: (...statement) => Effect.tapError(connection.executeValues(...statement), look),
    executeUnprepared: (...statement) => Effect.tapError(connection.executeUnprepared(...statement), look),
    executeStream: (...statement) => Stream.tapError(connection.executeStream(...statement), look)
  }
}
