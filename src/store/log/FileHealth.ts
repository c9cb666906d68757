import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import { SqlError } from "@effect/sql/SqlError"
import * as Statement from "@effect/sql/Statement"
import Database from "better-sqlite3"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { Metrics } from "../../telemetry/Metrics.js"
import { FileUnusable } from "../errors.js"
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
  /** Judges a failure of the database, whoever met it. Answers it as what it is, where it is one of the file. */
  readonly failed: (cause: unknown) => FileUnusable | null
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
      if (error === null) return null
      isFull = isFull || error.code.startsWith("SQLITE_FULL")
      if (!DAMAGE.test(error.code)) return null
      const why = `${file} is damaged (${error.code}: ${error.message}); put back a backup, or begin with a new file`
      if (damage === null) {
        damage = why
        found(why)
      }
      return new FileUnusable({ why, cause: error })
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

const watched = (connection: Connection, failed: FileHealth["Type"]["failed"]): Connection => {
  const look = (error: SqlError) => {
    const unusable = failed(error)
    return unusable === null ? error : new SqlError({ cause: unusable, message: error.message })
  }
  return {
    execute: (...statement) => Effect.mapError(connection.execute(...statement), look),
    executeRaw: (...statement) => Effect.mapError(connection.executeRaw(...statement), look),
    executeValues: (...statement) => Effect.mapError(connection.executeValues(...statement), look),
    executeUnprepared: (...statement) => Effect.mapError(connection.executeUnprepared(...statement), look),
    executeStream: (...statement) => Stream.mapError(connection.executeStream(...statement), look)
  }
}
