import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import Database from "better-sqlite3"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as path from "node:path"
import * as keyDirectory from "../access/keyDirectory.js"
import type { ConfigInvalid } from "../config/ConfigSources.js"
import * as NodeConfig from "../config/NodeConfig.js"
import { highestMigration, schemaOf, whyUnusable, wordsOf } from "../store/log/Sqlite.js"
import * as statements from "../store/log/statements.js"
import * as flags from "./flags.js"

/** The database of a node, which may run meanwhile, can not be used by a command. */
export class DatabaseUnusable
  extends Data.TaggedError("DatabaseUnusable")<{ readonly file: string; readonly why: string }>
{
  override get message() {
    return `database ${this.file}: ${this.why}`
  }
}

/** How long a command waits for the node that writes. */
const BUSY_MILLIS = 5_000

/** Opens the database of the settings until the scope ends. */
export const open = (
  options: { readonly readonly: boolean },
  ...groups: ReadonlyArray<flags.Flags>
): Effect.Effect<
  Database.Database,
  DatabaseUnusable | ConfigInvalid,
  Scope.Scope | FileSystem.FileSystem | Path.Path
> =>
  Effect.gen(function*() {
    const file = path.resolve(Option.getOrElse(yield* flags.textOf("db", ...groups), () => NodeConfig.defaults.db))
    return yield* opened(file, options)
  })

const opened = (
  file: string,
  options: { readonly readonly: boolean }
): Effect.Effect<Database.Database, DatabaseUnusable, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try(() => new Database(file, { ...options, fileMustExist: true, timeout: BUSY_MILLIS })),
    (db) => Effect.sync(() => db.close())
  ).pipe(
    Effect.mapError(({ error }) => wordsOf(error)),
    Effect.filterOrElse((db) => whyOther(db) === null, (db) => Effect.fail(whyOther(db) ?? "")),
    Effect.mapError((why) => new DatabaseUnusable({ file, why }))
  )

const whyOther = (db: Database.Database): string | null => {
  const schema = Either.try(() => schemaOf(db))
  if (Either.isLeft(schema)) return wordsOf(schema.left)
  return whyUnusable(schema.right) ??
    (schema.right.newest === highestMigration ? null : "it is of an earlier version: start its node once")
}

/** Does something to a database, whose errors are told as what is to be done. */
export const attempt = <A>(db: Database.Database, what: () => A): Effect.Effect<A, DatabaseUnusable> =>
  Effect.try({ try: what, catch: (cause) => new DatabaseUnusable({ file: db.name, why: wordsOf(cause) }) })

/** The id of the node that it is of; none before its first start. */
export const nodeIdOf = (db: Database.Database): string | null =>
  statements.one(db, Schema.Struct({ node_id: Schema.String }), "SELECT node_id FROM node_identity")()?.node_id ?? null

/** The key of the node, where the settings name a folder that has it. */
export const keyOf = (db: Database.Database, ...groups: ReadonlyArray<flags.Flags>) =>
  Effect.gen(function*() {
    const folder = yield* flags.textOf("key-dir", ...groups)
    const nodeId = nodeIdOf(db)
    return Option.isNone(folder) || nodeId === null ? Option.none() : yield* keyDirectory.load(folder.value, nodeId)
  })
