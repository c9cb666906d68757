import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { LocalWriteFailed } from "../../src/store/errors.js"
import * as Committer from "../../src/store/log/Committer.js"
import * as Metrics from "../../src/telemetry/Metrics.js"

const FULL = new Database.SqliteError("database or disk is full", "SQLITE_FULL")

/** A database whose disk is full when it commits. */
const withoutRoom = (db: Database.Database): Database.Database =>
  new Proxy(db, {
    get: (target, name) => {
      if (name === "prepare") {
        return (sql: string) => {
          const statement = target.prepare(sql)
          if (sql !== "COMMIT") return statement
          return Object.assign(Object.create(statement), {
            run: () => {
              throw FULL
            }
          })
        }
      }
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === "function" ? value.bind(target) : value
    }
  })

const failing = (share: () => Effect.Effect<void, LocalWriteFailed> | null) =>
  Effect.gen(function*() {
    const db = new Database(":memory:")
    db.exec("CREATE TABLE rows (value INTEGER)")
    const ledger = {
      save: () => null,
      restore: () => {},
      rest: () => {},
      finish: () => 1,
      share,
      isBehind: () => false,
      catchUp: () => {},
      committed: () => {}
    }
    const file = { refusal: () => null, failed: () => {}, wrote: () => {} }
    const { submit } = yield* Committer.make(withoutRoom(db), ledger, file)
    const insert = db.prepare("INSERT INTO rows (value) VALUES (1)")
    const error = yield* Effect.flip(submit(() => Either.right(insert.run())))
    return { error, rows: db.prepare("SELECT count(*) FROM rows").pluck().get() }
  }).pipe(Effect.scoped, Effect.provide(Metrics.layer))

describe("a commit that finds no room", () => {
  it.effect("says that nothing was written, where that is so", () =>
    Effect.gen(function*() {
      const { error, rows } = yield* failing(() => null)
      assert.deepStrictEqual([error._tag, rows], ["LocalWriteFailed", 0])
      assert.notInclude(error.message, "may be held")
    }))

  it.effect("says that it may be held, where the store of a site has it by then", () =>
    Effect.gen(function*() {
      const { error, rows } = yield* failing(() => Effect.void)
      assert.deepStrictEqual([error._tag, rows], ["LocalWriteFailed", 0])
      assert.include(error.message, "may be held there or not")
    }))

  it.effect("is not come to, where the store does not take it", () =>
    Effect.gen(function*() {
      const refused = new LocalWriteFailed({ detail: "not taken", site: "unavailable" })
      const { error, rows } = yield* failing(() => Effect.fail(refused))
      assert.deepStrictEqual([error, rows], [refused, 0])
    }))
})
