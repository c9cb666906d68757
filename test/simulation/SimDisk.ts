import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import { SqlError } from "@effect/sql/SqlError"
import * as Statement from "@effect/sql/Statement"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { checkMarks } from "../../src/store/log/checkMarks.js"
import * as Sqlite from "../../src/store/log/Sqlite.js"
import type { Tide } from "../../src/store/log/TideMark.js"
import { scratchDatabase } from "../store/scratch.js"
import type { Process } from "./Process.js"

/** The image of a new database, made once: every node of every simulation begins with a copy of it. */
export const makeImage = (): Promise<Buffer> =>
  Effect.runPromise(Effect.map(scratchDatabase, (db) => {
    // It was started, to be made; the nodes that begin with it were not.
    db.exec("DELETE FROM last_start")
    return db.serialize()
  }))

/**
 * What becomes of a statement. `full`: it failed and the transaction is undone. `lost` and `kept`: the disk reported an
 * error, and the commit is or is not in the file. `crash before` and `crash after`: the process ends around it.
 */
export type Fate = "done" | "full" | "lost" | "kept" | "crash before" | "crash after"

/** The folder of a database, without its log of what is not checkpointed: that is in the image. */
export interface Copy {
  readonly image: Buffer
  /** What the lock file says; undefined where there is none. */
  readonly mark: string | undefined
  /** What the file says that tells how far the database was written; null where there is none. */
  readonly tide: MarkedTide | null
}

/** How far a database was written, and which file that was. */
interface MarkedTide extends Tide {
  readonly file: SimDisk
}

/** The machine that a disk is in. */
export interface Machine {
  readonly insert: () => Fate
  readonly commit: () => Fate
  /** Without a sync per commit: whether what was committed so far reaches the disk now. */
  readonly checkpoint: () => boolean
  readonly crash: () => void
  /** A name that no other start had. */
  readonly newMark: () => string
  readonly unixSeconds: () => number
  /** What chance says, in [0, 2^20). */
  readonly random: () => number
}

/** The disk of one node: it outlives the processes that use it. */
export class SimDisk {
  private handle: Database.Database
  /** What a power loss leaves, when commits are not synced one by one. */
  private synced: Buffer | null = null
  /** Statements by their text, the same ones for every process: preparing them is most of the cost of a start. */
  private statements = new Map<string, Array<Database.Statement>>()
  /** What the lock file beside the database says: it is not in the backups of the database. */
  private mark: string | undefined
  /** What the file beside the database says of how far it was written; that is not in the backups, either. */
  private tide: MarkedTide | null = null
  private readonly machine: Machine

  constructor(image: Buffer, machine: Machine) {
    this.machine = machine
    this.handle = this.opened(image)
  }

  /** What the layers of a node get in place of a file. */
  layer(process: Process): Layer.Layer<Sqlite.Sqlite | SqlClient.SqlClient, Sqlite.DatabaseRefused> {
    const file = `${process.name}.db`
    const writer = this.writerOf(process)
    const sqlite = Layer.effect(
      Sqlite.Sqlite,
      Effect.gen(this, function*() {
        yield* Sqlite.makeDurable(writer, file)
        // From here on it is this setting that decides what a power loss costs.
        const isSynced = this.handle.pragma("synchronous", { simple: true }) === 2
        const mark = { before: this.mark, now: this.machine.newMark() }
        this.mark = mark.now
        const found = this.tide === null ? null : { ...this.tide, isSameFile: this.tide.file === this }
        const isRenewed = yield* checkMarks(writer, mark, found)
        this.synced = isSynced ? null : this.handle.serialize()
        const noteTide = (tide: Tide) => {
          if (process.alive) this.tide = { ...tide, file: this }
        }
        return { writer, file, noteTide, isRenewed }
      })
    )
    return Layer.merge(sqlite, Layer.effect(SqlClient.SqlClient, readerOf(this.preparing())))
  }

  /** What would be there after a power loss at this moment. */
  withDurable<A>(read: (db: Database.Database) => A): A {
    if (this.synced === null) return read(this.handle)
    const survivor = new Database(this.synced)
    const result = read(survivor)
    survivor.close()
    return result
  }

  read<A>(read: (db: Database.Database) => A): A {
    return read(this.handle)
  }

  /** The process that used it is no more: what it had not committed is undone. */
  settle(): void {
    if (this.handle.inTransaction) this.handle.exec("ROLLBACK")
  }

  losePower(): void {
    this.settle()
    if (this.synced !== null) this.restore(this.synced)
  }

  /** A copy of the database as it is at this moment, and what the files beside it say. */
  copy(): Copy {
    return { image: this.handle.serialize(), mark: this.mark, tide: this.tide }
  }

  /** The database is another from now on; the files beside it stay. */
  restore(image: Buffer): void {
    this.handle.close()
    this.handle = this.opened(image)
    this.statements = new Map()
  }

  /** The whole folder is another from now on. */
  replace({ image, mark, tide }: Copy): void {
    this.restore(image)
    this.mark = mark
    this.tide = tide
  }

  /** Whether the database was started since this copy was made of it. */
  wasStartedSince({ mark }: Copy): boolean {
    return mark !== this.mark
  }

  close(): void {
    this.handle.close()
  }

  private opened(image: Buffer): Database.Database {
    const handle = new Database(image)
    // SQLite would ask the machine it really runs on.
    handle.function("unixepoch", () => Math.floor(this.machine.unixSeconds()))
    handle.function("random", () => this.machine.random())
    return handle
  }

  /** Prepares for one process; the nth statement of one text is the nth of the last process. */
  private preparing(): (sql: string) => Database.Statement {
    const { handle, statements } = this
    const taken = new Map<string, number>()
    return (sql) => {
      const known = statements.get(sql) ?? []
      const index = taken.get(sql) ?? 0
      const statement = known[index] ?? handle.prepare(sql)
      known[index] = statement
      statements.set(sql, known)
      taken.set(sql, index + 1)
      return statement
    }
  }

  private writerOf(process: Process): Database.Database {
    const { handle, machine } = this
    const prepare = this.preparing()
    const commit = (run: () => Database.RunResult) => {
      const fate = machine.commit()
      if (fate === "full" || fate === "lost" || fate === "crash before") handle.exec("ROLLBACK")
      if (fate === "full") throw failure("SQLITE_FULL", "database or disk is full")
      const result = fate === "lost" || fate === "crash before" ? null : run()
      if (result !== null && this.synced !== null && machine.checkpoint()) this.synced = handle.serialize()
      if (fate === "crash before" || fate === "crash after") machine.crash()
      if (result === null || fate !== "done") throw failure("SQLITE_IOERR_FSYNC", "disk I/O error")
      return result
    }
    const insert = (run: (...params: ReadonlyArray<unknown>) => Database.RunResult, params: ReadonlyArray<unknown>) => {
      const fate = machine.insert()
      if (fate === "done") return run(...params)
      handle.exec("ROLLBACK")
      throw failure("SQLITE_FULL", "database or disk is full")
    }
    const intercepted = (statement: Database.Statement): Database.Statement => {
      if (/^COMMIT/i.test(statement.source)) return replaceRun(statement, (run) => commit(run))
      if (/^INSERT INTO oplog/i.test(statement.source)) return replaceRun(statement, insert)
      return statement
    }
    return new Proxy(handle, {
      get: (target, key) => {
        if (key === "inTransaction") return process.alive && target.inTransaction
        if (key === "prepare") return (sql: string) => intercepted(prepare(sql))
        if (key === "pragma") {
          // A database in memory has no WAL; what the setting is for is this class.
          return (text: string, options?: Database.PragmaOptions) =>
            text === "journal_mode" ? "wal" : target.pragma(text, options)
        }
        return bound(target, key)
      }
    })
  }
}

const failure = (code: string, message: string) => new Database.SqliteError(message, code)

const bound = <Target extends object>(target: Target, key: string | symbol): unknown => {
  const value: unknown = Reflect.get(target, key)
  return typeof value === "function" ? value.bind(target) : value
}

const replaceRun = (
  statement: Database.Statement,
  run: (
    real: (...params: ReadonlyArray<unknown>) => Database.RunResult,
    params: ReadonlyArray<unknown>
  ) => Database.RunResult
): Database.Statement =>
  new Proxy(statement, {
    get: (target, key) =>
      key === "run"
        ? (...params: ReadonlyArray<unknown>) => run((...given) => target.run(...given), params)
        : bound(target, key)
  })

/** The read-only client of a node: the same handle, which a synchronous process cannot find inside a transaction. */
const readerOf = (prepare: (sql: string) => Database.Statement): Effect.Effect<SqlClient.SqlClient> => {
  const prepared = new Map<string, Database.Statement>()
  const run = (sql: string, params: ReadonlyArray<unknown>) =>
    Effect.try({
      try: () => {
        const statement = prepared.get(sql) ?? prepare(sql)
        prepared.set(sql, statement)
        return statement.all(...params)
      },
      catch: (cause) => new SqlError({ cause, message: "Failed to execute statement" })
    })
  const values = new Map<string, Database.Statement>()
  const runValues = (sql: string, params: ReadonlyArray<unknown>) =>
    Effect.try({
      try: () => {
        const statement = values.get(sql) ?? prepare(sql).raw(true)
        values.set(sql, statement)
        return statement.all(...params).filter(Array.isArray)
      },
      catch: (cause) => new SqlError({ cause, message: "Failed to execute statement" })
    })
  const unsupported = Effect.dieMessage("the simulated client reads rows only")
  const connection: Connection = {
    execute: (sql, params, transform) =>
      Effect.map(run(sql, params), (rows) => transform === undefined ? rows : transform(rows.filter(isRow))),
    executeUnprepared: (sql, params) => run(sql, params),
    executeRaw: () => unsupported,
    executeValues: runValues,
    executeStream: () => Stream.die("the simulated client reads rows only")
  }
  return SqlClient.make({
    acquirer: Effect.succeed(connection),
    compiler: Statement.makeCompilerSqlite(),
    spanAttributes: []
  }).pipe(Effect.provide(Reactivity.layer))
}

const isRow = (row: unknown): row is object => typeof row === "object" && row !== null
