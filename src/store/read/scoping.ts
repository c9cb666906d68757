import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import { SqlError } from "@effect/sql/SqlError"
import * as Statement from "@effect/sql/Statement"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { Namespaces } from "../../domain/namespaces.js"
import { liveIdSql } from "../deciding/liveId.js"
import { Sqlite } from "../log/Sqlite.js"
import * as Scope from "../Scope.js"
import { conditionOf } from "./namespaceSql.js"

/*
 * Reading within some namespaces. Who is limited to them reads on a connection of its own, on which every table that holds
 * something of a namespace is a view of what is in those: so no reader can forget to ask, and a page is full as long as there are
 * rows that may be seen.
 */

/** The tables, as who is limited to these namespaces sees them. */
const viewsOf = (namespaces: Namespaces): string => {
  const within = (column: string) => conditionOf(namespaces, column)
  const standsFor = (end: string) =>
    `EXISTS (SELECT 1 FROM memories e WHERE e.id = ${liveIdSql(`json_extract(o.body, '$.${end}_id')`)})`
  return [
    `memories AS SELECT * FROM main.memories WHERE ${within("namespace")}`,
    // A version that lost may have another namespace than the one that won.
    `conflicts AS SELECT c.* FROM main.conflicts c
      CROSS JOIN main.oplog g ON g.origin = c.origin AND g.oseq = c.oseq
      WHERE EXISTS (SELECT 1 FROM memories m WHERE m.id = c.memory_id) AND
        ${within("coalesce(json_extract(g.body, '$.namespace'), json_extract(g.body, '$.memory.namespace'))")}`,
    `objects AS SELECT * FROM main.objects o WHERE CASE o.type
      WHEN 'link' THEN ${standsFor("source")} AND ${standsFor("target")}
      WHEN 'pending' THEN ${within("json_extract(o.body, '$.namespace')")}
      WHEN 'namespace_meta' THEN ${within("o.key")}
      WHEN 'earned' THEN EXISTS (SELECT 1 FROM memories m WHERE m.id = o.key)
      ELSE EXISTS (
        SELECT 1 FROM main.objects p WHERE p.type = 'pending' AND p.key = o.key
          AND ${within("json_extract(p.body, '$.namespace')")}
      ) END`,
    // They name what was refused, of whatever namespace.
    "dead_letter AS SELECT * FROM main.dead_letter WHERE 0"
  ].map((view) => `CREATE TEMP VIEW ${view};`).join("\n")
}

const VIEWS = ["objects", "conflicts", "memories", "dead_letter"]
const DROP = VIEWS.map((view) => `DROP VIEW IF EXISTS temp.${view};`).join("\n")

/** What is executed on it is over when it answers: so its views are those of one caller at a time. */
const connectionOf = (db: Database.Database): (namespaces: Namespaces) => Connection => {
  let shown = ""
  const show = (namespaces: Namespaces) => {
    const wanted = JSON.stringify(namespaces)
    if (wanted === shown) return
    shown = ""
    db.exec(`${DROP}\n${viewsOf(namespaces)}`)
    shown = wanted
  }
  return (namespaces) => {
    const attempt = <A>(read: () => ReadonlyArray<A>): Effect.Effect<ReadonlyArray<A>, SqlError> =>
      Effect.try({
        try: () => {
          show(namespaces)
          return read()
        },
        catch: (cause) => new SqlError({ cause, message: "Failed to execute statement" })
      })
    const all = (sql: string, params: ReadonlyArray<unknown> = []) =>
      attempt(() => db.prepare<Array<unknown>, object>(sql).all(...params))
    const execute: Connection["execute"] = (sql, params, transform) =>
      transform === undefined ? all(sql, params) : Effect.map(all(sql, params), transform)
    return {
      execute,
      executeUnprepared: execute,
      executeRaw: all,
      executeValues: (sql, params) =>
        attempt(() => db.prepare<Array<unknown>, ReadonlyArray<unknown>>(sql).raw().all(...params)),
      executeStream: () => Stream.dieMessage("rows are read a page at a time")
    }
  }
}

/** The reader that there is, or for who is limited that of the same file with less in it. */
export const layer: Layer.Layer<SqlClient.SqlClient, never, SqlClient.SqlClient | Sqlite> = Layer.scoped(
  SqlClient.SqlClient,
  Effect.gen(function*() {
    const { file } = yield* Sqlite
    const { reserve } = yield* SqlClient.SqlClient
    let opened: ReturnType<typeof connectionOf> | null = null
    let db: Database.Database | null = null
    yield* Effect.addFinalizer(() => Effect.sync(() => db?.close()))
    const limited = (namespaces: Namespaces) =>
      Effect.try({
        try: () => {
          if (opened === null) {
            db = new Database(file, { readonly: true, fileMustExist: true })
            opened = connectionOf(db)
          }
          return opened(namespaces)
        },
        catch: (cause) => new SqlError({ cause, message: "Failed to open the database" })
      })
    return yield* SqlClient.make({
      acquirer: Effect.scoped(
        Effect.flatMap(FiberRef.get(Scope.current), (namespaces) => namespaces === null ? reserve : limited(namespaces))
      ),
      compiler: Statement.makeCompilerSqlite(),
      spanAttributes: [["db.system.name", "sqlite"]]
    })
  })
).pipe(Layer.provide(Reactivity.layer))
