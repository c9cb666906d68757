import { SqlError } from "@effect/sql/SqlError"
import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import { NodeId } from "../../src/domain/ids.js"
import { Uuid } from "../../src/domain/Uuid.js"
import * as Federation from "../../src/federation/Federation.js"
import { readiness } from "../../src/operations/node/readiness.js"
import * as Embedding from "../../src/operations/recall/Embedding.js"
import * as Checker from "../../src/store/checking/Checker.js"
import { FileHealth } from "../../src/store/log/FileHealth.js"
import * as Sqlite from "../../src/store/log/Sqlite.js"
import * as MemoryStore from "../../src/store/MemoryStore.js"
import * as MemoryReader from "../../src/store/read/MemoryReader.js"
import * as Metrics from "../../src/telemetry/Metrics.js"
import { until } from "../operations/node.js"
import { memory } from "./memories.js"

const lines: Array<string> = []

const node = Layer.mergeAll(
  Federation.layerAlone,
  Embedding.none,
  MemoryReader.layer,
  Checker.layer({ rowsPerSecond: 0 })
).pipe(
  Layer.provideMerge(MemoryStore.layer({ nodeId: Option.some(NodeId.make("here")) })),
  Layer.provideMerge(Sqlite.layer({ file: ":memory:" })),
  Layer.provide(Layer.succeed(Uuid, { make: () => "0" })),
  Layer.provide(Metrics.layer),
  Layer.provide(Logger.replace(Logger.defaultLogger, Logger.make(({ message }) => lines.push(String(message)))))
)

const store = (title: string) =>
  Effect.flatMap(
    MemoryStore.MemoryStore,
    ({ commit }) =>
      Effect.either(commit((now) =>
        Either.right<MemoryStore.Decision>({
          payload: { kind: "store", memory: memory(title, title, now.stamp) },
          baseHlc: null,
          covers: []
        }), null))
  )

const database = Effect.map(readiness, ({ checks, ready }) => ({ ready, ...checks["database"] }))

describe("the file of a node", () => {
  it.live("that has no room makes it not ready, though a row of it can be written; it reads, and is ready with room", () =>
    Effect.gen(function*() {
      const { writer } = yield* Sqlite.Sqlite
      const reader = yield* MemoryReader.MemoryReader
      yield* store("a")
      const pages = Number(writer.pragma("page_count", { simple: true }))
      writer.pragma(`max_page_count = ${pages}`)
      let failed = yield* store("b")
      for (let at = 0; at < 200 && Either.isRight(failed); at++) failed = yield* store(`b${at}`)
      assert.include(String(failed), "LocalWriteFailed")
      assert.include(String(failed), "SQLITE_FULL")
      assert.deepInclude(yield* database, { ready: false, ok: false })
      assert.match(String((yield* database).detail), /SQLITE_FULL/)
      assert.isTrue(Option.isSome(yield* reader.byId("a")))
      writer.pragma(`max_page_count = ${pages + 1000}`)
      assert.deepInclude(yield* database, { ready: true, ok: true, detail: "writable" })
      assert.isTrue(Either.isRight(yield* store("c")))
      assert.strictEqual(writer.prepare("SELECT count(*) FROM room").pluck().get(), 0)
    }).pipe(Effect.provide(node)))

  it.live("that its disk can not read is told once, and other errors of SQLite are no damage", () =>
    Effect.gen(function*() {
      lines.length = 0
      const { failed, refusal } = yield* FileHealth
      const sqlite = (code: string) => new SqlError({ cause: new Database.SqliteError("m", code), message: "failed" })
      for (const code of ["SQLITE_BUSY", "SQLITE_FULL", "SQLITE_CONSTRAINT_UNIQUE", "SQLITE_ERROR"]) {
        failed(sqlite(code))
      }
      failed(new Error("no error of SQLite"))
      assert.isNull(refusal())
      failed(sqlite("SQLITE_IOERR_READ"))
      failed(sqlite("SQLITE_CORRUPT_VTAB"))
      assert.match(refusal() ?? "", /memory\.db is damaged \(SQLITE_IOERR_READ: m\)/)
      yield* until(Effect.sync(() => lines.length > 0))
      assert.lengthOf(lines, 1)
      assert.match(lines[0] ?? "", /memory\.db is damaged .*this node is not ready, and writes nothing/)
      assert.deepInclude(Either.getLeft(yield* store("a")), { _tag: "Some" })
      assert.include(String(yield* store("a")), "NotReady")
    }).pipe(Effect.provide(node)))
})
