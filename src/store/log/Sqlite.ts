import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Migrator from "@effect/sql/Migrator"
import * as SqlClient from "@effect/sql/SqlClient"
import Database from "better-sqlite3"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { checkMarks, type StartMark } from "./checkMarks.js"
import { identityOf } from "./identityOf.js"
import { APPLICATION_ID, migrations } from "./migrations.js"
import * as TideMark from "./TideMark.js"

/** The file cannot be this node's database; `why` says what to do. */
export class DatabaseRefused extends Data.TaggedError("DatabaseRefused")<{
  readonly file: string
  readonly why: string
}> {
  override get message() {
    return `database ${this.file}: ${this.why}`
  }
}

/**
 * The one connection that writes, used by the committer and nobody else. Whatever reads does so through the read-only
 * `SqlClient` that the same layer provides, so a slow query never stands between a write and its commit.
 */
export class Sqlite extends Context.Tag("quorate/store/Sqlite")<Sqlite, {
  readonly writer: Database.Database
  readonly file: string
  /** Told how far this node has written of its own, after each commit; by it a start knows a backup. Without it none does. */
  readonly noteTide?: (tide: TideMark.Tide) => void
  /** The database got a new incarnation when it was opened: nobody can have written under that before. */
  readonly isRenewed?: boolean
  /** What became of the file since it was opened; null while it stands in its place. Without it nobody looks. */
  readonly lost?: () => string | null
}>() {}

/** The writer and the reader of one file. */
export const layer = (options: {
  readonly file: string
}): Layer.Layer<Sqlite | SqlClient.SqlClient, DatabaseRefused> =>
  Layer.provideMerge(Layer.fresh(layerReader), layerWriter(options))

/** Opens, locks, migrates and checks the database in `file`; `:memory:` is a private file that goes with the scope. */
export const layerWriter = (options: { readonly file: string }): Layer.Layer<Sqlite, DatabaseRefused> =>
  Layer.scoped(
    Sqlite,
    Effect.gen(function*() {
      const file = options.file === ":memory:" ? yield* privateFile : path.resolve(options.file)
      yield* claim(file)
      yield* claim(lockOf(file))
      const mark = yield* lock(file)
      yield* inspect(file)
      yield* migrate(file)
      const writer = yield* openWriter(file)
      const tide = yield* TideMark.open(file)
      const isRenewed = yield* checkMarks(writer, mark, tide.found)
      const lost = options.file === ":memory:" ? () => null : lookout(file)
      return { writer, file, noteTide: tide.write, isRenewed, lost }
    }).pipe(
      Effect.catchSomeDefect((defect) =>
        defect instanceof Database.SqliteError
          ? Option.some(refuse(path.resolve(options.file), wordsOf(defect)))
          : Option.none()
      )
    )
  ).pipe(Layer.provide(Reactivity.layer))

/**
 * A connection of its own that can not write, for what is read by one statement at once. It is opened in a scope; what else is read
 * goes through `layerReader`.
 */
export const openReader = (file: string): Effect.Effect<Database.Database, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const db = new Database(file, { readonly: true, fileMustExist: true })
      db.pragma(`cache_size = -${READER_CACHE_KIBIBYTES}`)
      return db
    }),
    (opened) => Effect.sync(() => opened.close())
  )

/** Reads the file of the writer, on a connection of its own that can not write. */
export const layerReader: Layer.Layer<SqlClient.SqlClient, never, Sqlite> = Layer.scoped(
  SqlClient.SqlClient,
  Effect.flatMap(Sqlite, ({ file }) => SqliteClient.make({ filename: file, readonly: true, disableWAL: true }))
).pipe(Layer.provide(Reactivity.layer))

/** A reader that was given from outside must read what the writer writes: the mark of this start says so. */
export const checkReader: Effect.Effect<void, DatabaseRefused, Sqlite | SqlClient.SqlClient> = Effect.gen(function*() {
  const { file, writer } = yield* Sqlite
  const sql = yield* SqlClient.SqlClient
  const [read] = yield* Effect.mapError(
    sql`SELECT mark FROM last_start`.values,
    (error) => refuse(file, `the SqlClient that was provided can not read it (${reason(error.cause)})`)
  )
  if (read?.[0] !== writer.prepare("SELECT mark FROM last_start").pluck().get()) {
    return yield* refuse(file, "the SqlClient that was provided reads another database")
  }
})

/** Two connections cannot share SQLite's own `:memory:`; a file in a temporary folder behaves the same for both. */
const privateFile = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "quorate-"))),
  (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
).pipe(Effect.map((folder) => path.join(folder, "memory.db")))

/**
 * Compares what stands under the names of an open database with what was opened. A file that was removed, or that another one
 * took the place of, is still written to without an error, and gone with this process.
 */
const lookout = (file: string): () => string | null => {
  const opened = [file, `${file}-wal`].map((name) => ({ name, identity: identityOf(name) }))
  return () => {
    for (const { identity, name } of opened) {
      const now = identityOf(name)
      if (now !== identity) {
        return now === null
          ? `${name} was removed while this node ran; put the file back`
          : `another file stands in the place of ${name} since this node began; start it anew`
      }
    }
    return null
  }
}

const refuse = (file: string, why: string) => new DatabaseRefused({ file, why })

const reason = (cause: unknown) => cause instanceof Error ? cause.message : String(cause)

/** What is to be done about an error of SQLite or of the file system. */
export const wordsOf = (cause: unknown): string => {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : ""
  const known = Object.entries(WORDS).find(([prefix]) => code.startsWith(prefix))?.[1]
  return known === undefined ? reason(cause) : `${known} (${reason(cause)})`
}

const WORDS = {
  SQLITE_BUSY: "another program holds it locked; end that one, or wait for it",
  SQLITE_LOCKED: "another program holds it locked; end that one, or wait for it",
  SQLITE_READONLY: "it can not be written; give this user the right to, and see that its disk is not read-only",
  SQLITE_CANTOPEN: "it can not be opened; see that this user may read and write it and its folder",
  SQLITE_FULL: "its disk is full; make room",
  SQLITE_IOERR: "its disk fails",
  SQLITE_CORRUPT: "it is damaged; put back a backup",
  SQLITE_NOTADB: "it is no SQLite database",
  EACCES: "this user may not read and write it, or its folder; change that with chown or chmod",
  EPERM: "this user may not read and write it, or its folder; change that with chown or chmod",
  EROFS: "its disk is read-only",
  ENOSPC: "its disk is full; make room",
  EISDIR: "it is a folder; give a file with --db"
} as const

/** Makes the file where there is none, for this user alone: what SQLite puts beside it has the same rights. */
const claim = (file: string) =>
  Effect.try({
    try: () => fs.closeSync(fs.openSync(file, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600)),
    catch: (cause) =>
      refuse(
        file,
        fs.existsSync(path.dirname(file))
          ? wordsOf(cause)
          : `its folder ${path.dirname(file)} does not exist; make it, or give another file with --db`
      )
  })

const opened = (file: string, options?: Database.Options) =>
  Effect.acquireRelease(
    Effect.try({ try: () => new Database(file, options), catch: (cause) => refuse(file, wordsOf(cause)) }),
    (db) => Effect.sync(() => db.close())
  )

/**
 * Holds an exclusive SQLite lock on a file beside the database for as long as the scope lives. The kernel drops it when the
 * process dies, however it dies, so nothing stale is left behind. Each start leaves a mark in it.
 */
const lock = (file: string): Effect.Effect<StartMark, DatabaseRefused, Scope.Scope> =>
  Effect.gen(function*() {
    const guard = yield* opened(lockOf(file), { timeout: 0 })
    return yield* Effect.try({
      try: () => {
        guard.exec("BEGIN EXCLUSIVE")
        guard.exec("CREATE TABLE IF NOT EXISTS starts (only_row INTEGER PRIMARY KEY, mark TEXT NOT NULL) STRICT")
        const before = guard.prepare("SELECT mark FROM starts").pluck().get()
        guard.exec("INSERT OR REPLACE INTO starts (only_row, mark) VALUES (1, hex(randomblob(16)))")
        const now = guard.prepare("SELECT mark FROM starts").pluck().get()
        guard.exec("COMMIT")
        guard.exec("BEGIN EXCLUSIVE")
        return { before, now }
      },
      catch: (cause) =>
        isLocked(cause)
          ? refuse(file, "another daemon is using it; stop that one, or give this one its own file with --db")
          : refuse(lockOf(file), whyNoLock(cause))
    })
  })

/** The file beside a database that says whose it is. */
export const lockOf = (file: string): string => `${file}-lock`

export const whyNoLock = (cause: unknown): string =>
  `this file beside the database holds the lock on it: ${wordsOf(cause)}`

/** Another program, or another connection of this one, holds it. */
export const isLocked = (cause: unknown) =>
  cause instanceof Database.SqliteError && /^SQLITE_(?:BUSY|LOCKED)/.test(cause.code)

const Inspection = Schema.Struct({
  application_id: Schema.Int,
  tables: Schema.Int,
  newest: Schema.NullOr(Schema.Int)
})

/** The newest migration that this version knows. */
export const highestMigration = Math.max(...Object.keys(migrations).map((name) => Number.parseInt(name, 10)))

/** Refuses a file that is no database, is another program's, or was made by a newer version of this one. */
const inspect = (file: string): Effect.Effect<void, DatabaseRefused> =>
  Effect.gen(function*() {
    const db = yield* opened(file, { timeout: 0 })
    const found = yield* Effect.try({
      try: () => schemaOf(db),
      catch: (cause) =>
        refuse(
          file,
          isLocked(cause)
            ? wordsOf(cause)
            : `it cannot be read as a SQLite database (${reason(cause)}); give another with --db`
        )
    })
    const why = whyUnusable(found)
    if (why !== null) return yield* refuse(file, why)
  }).pipe(Effect.scoped)

/** Whose database it is, and of which version its tables are. Throws where it is none. */
export const schemaOf = (db: Database.Database): typeof Inspection.Type => {
  const tables = db.prepare("SELECT count(*) FROM sqlite_schema WHERE type = 'table'").pluck().get()
  const migrated = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'effect_sql_migrations'").get()
  return Schema.decodeUnknownSync(Inspection)({
    application_id: db.pragma("application_id", { simple: true }),
    tables,
    newest: migrated === undefined
      ? null
      : db.prepare("SELECT max(migration_id) FROM effect_sql_migrations").pluck().get()
  })
}

/** Why no node can use it; null when one can. */
export const whyUnusable = (found: typeof Inspection.Type): string | null =>
  found.tables > 0 && found.application_id !== APPLICATION_ID
    ? "it is a SQLite database, but not one of Quorate's; give another file with --db"
    : found.newest !== null && found.newest > highestMigration
    ? `it was made by a newer version (schema ${found.newest}, this version knows ${highestMigration}); upgrade this node`
    : null

const migrate = (file: string) =>
  Effect.gen(function*() {
    const client = yield* SqliteClient.make({ filename: file })
    yield* Migrator.make({})({ loader: Migrator.fromRecord(migrations) }).pipe(
      Effect.provideService(SqlClient.SqlClient, client)
    )
  }).pipe(
    Effect.scoped,
    Effect.mapError((error) => refuse(file, `its tables could not be brought up to date: ${error.message}`))
  )

/** Pages in the WAL before it is copied back: hot pages are then copied once for many commits. 4096 are 16 MiB. */
const CHECKPOINT_PAGES = 4096

/** How long a write waits for another program that holds the file locked. */
const BUSY_MILLIS = 50

const openWriter = (file: string) =>
  Effect.gen(function*() {
    const writer = yield* opened(file)
    yield* Effect.addFinalizer(() =>
      Effect.try(() => writer.pragma("wal_checkpoint(TRUNCATE)")).pipe(
        Effect.catchAll((error) => Effect.logWarning("the last checkpoint failed; the next start repeats it", error))
      )
    )
    yield* makeDurable(writer, file)
    // From now on everything waits while this one does: whoever holds the file locked makes a write fail instead.
    writer.pragma(`busy_timeout = ${BUSY_MILLIS}`)
    return writer
  })

/** What is not kept here is read from the cache of the system, in some microseconds. */
const WRITER_CACHE_KIBIBYTES = 24 * 1024
const READER_CACHE_KIBIBYTES = 4 * 1024

/** `synchronous` must be set after `journal_mode`, and is read back: this driver falls back to NORMAL by itself. */
export const makeDurable = (writer: Database.Database, file: string): Effect.Effect<void, DatabaseRefused> =>
  Effect.gen(function*() {
    writer.pragma("journal_mode = WAL")
    writer.pragma("synchronous = FULL")
    writer.pragma("foreign_keys = ON")
    writer.pragma(`cache_size = -${WRITER_CACHE_KIBIBYTES}`)
    writer.pragma("temp_store = MEMORY")
    writer.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`)
    const expected = { journal_mode: "wal", synchronous: 2, foreign_keys: 1 }
    for (const [pragma, value] of Object.entries(expected)) {
      const actual = writer.pragma(pragma, { simple: true })
      if (actual !== value) {
        return yield* refuse(
          file,
          `PRAGMA ${pragma} is ${String(actual)} and not ${value}: writes would not be durable`
        )
      }
    }
  })
