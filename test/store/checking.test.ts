import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Authors from "../../src/access/Authors.js"
import * as Checker from "../../src/store/checking/Checker.js"
import * as rows from "../../src/store/checking/rows.js"
import * as sums from "../../src/store/checking/sums.js"
import { inTurn, toItsEnd } from "../../src/store/checking/Walk.js"
import * as Digest from "../../src/store/log/Digest.js"
import * as FileHealth from "../../src/store/log/FileHealth.js"
import * as OpLog from "../../src/store/log/OpLog.js"
import * as Sqlite from "../../src/store/log/Sqlite.js"
import type { Entry } from "../../src/store/MemoryStore.js"
import * as StateOf from "../../src/store/state/State.js"
import * as Metrics from "../../src/telemetry/Metrics.js"
import { exchange, request, start } from "../http/node.js"
import { until } from "../operations/node.js"
import { historyOf, steps } from "./histories.js"
import { scratchDatabase } from "./scratch.js"

/* What is kept is compared with the log: what is as it was written never differs, what was changed by hand does. */

const HISTORIES = 300
const MAX_OPERATIONS = 8
const seed = Math.floor(Math.random() * 2 ** 30)

/** A node that takes operations, and ends each transaction. */
const nodeOf = (db: Database.Database) => {
  const log = OpLog.make(db, {
    mint: () => "here",
    configuredId: Option.none(),
    isRenewed: false,
    clock: Clock.make(),
    authors: Authors.none
  })
  const digest = Digest.make(db)
  const state = StateOf.make(db, digest)
  return (entry: Entry) => {
    if (!log.holds(entry.operation.origin, entry.operation.oseq)) {
      state.apply(entry.operation, entry.payload)
      log.append(entry.operation)
    }
    state.finish()
    digest.finish()
    log.finish()
  }
}

const faultsOf = (db: Database.Database) =>
  toItsEnd(inTurn([rows.walk(db), sums.walk(db)])).faults.map(({ key, table, what }) => `${table} ${key}: ${what}`)

const seen = { rows: 0, histories: 0 }

describe("what a node keeps", () => {
  it.effect(
    `is found to be as the log says, whatever was written in whatever order (seed ${seed})`,
    () =>
      Effect.gen(function*() {
        const histories = FastCheck.sample(
          FastCheck.tuple(steps(MAX_OPERATIONS), FastCheck.infiniteStream(FastCheck.nat())),
          { numRuns: HISTORIES, seed }
        )
        for (const [given, chance] of histories) {
          const db = yield* scratchDatabase
          const take = nodeOf(db)
          const order = historyOf(given).map((entry) => ({ entry, at: chance.next().value }))
            .toSorted((a, b) => a.at - b.at)
          for (const { entry } of order) {
            take(entry)
            assert.deepStrictEqual(faultsOf(db), [])
          }
          seen.histories += 1
          seen.rows += toItsEnd(rows.walk(db)).rows
          db.close()
        }
        assert.strictEqual(seen.histories, HISTORIES)
        assert.isAbove(seen.rows, HISTORIES * 5)
      }),
    60_000
  )

  for (const name of ["node-a.db", "node-b.db"]) {
    it.scoped(`is as the log says in what version 0.2.0 left behind: ${name}`, () =>
      Effect.gen(function*() {
        const db = yield* copyOf(name)
        assert.isAbove(toItsEnd(rows.walk(db)).rows, 20)
        assert.deepStrictEqual(faultsOf(db), [])
      }))
  }

  it.scoped("is found out wherever a hand, or the disk, has changed it", () =>
    Effect.gen(function*() {
      const db = yield* copyOf("node-a.db")
      const columns = db.prepare<[], string>("SELECT name FROM pragma_table_info('memories')").pluck().all()
      for (const column of columns.filter((name) => !LOCAL.has(name))) {
        changing(db, `UPDATE memories SET ${column} = ${forged(column)} WHERE id = ${FIRST}`, /^memories .*/)
      }
      for (const column of ["entity", "body", "hlc", "hash", "covers", "op_id", "key_hash", "format", "kind"]) {
        const forgery = column === "format" ? "3 - format" : column === "kind" ? "'delete'" : "'[]'"
        const where = `lsn = (SELECT min(lsn) FROM oplog WHERE ${
          column === "covers" ? "covers <> '[]'" : "key_hash IS NOT NULL"
        })`
        changing(db, `UPDATE oplog SET ${column} = ${forgery} WHERE ${where}`, /^oplog \S+\/\d+ \d+: /)
      }
      changing(
        db,
        "UPDATE objects SET body = replace(body, 'related', 'unrelated') WHERE type = 'link'",
        /^objects link /
      )
      changing(db, "UPDATE conflicts SET hash = replace(hash, 'a', 'b')", /^conflicts .*hash/)
      changing(db, "UPDATE digest_sums SET sum = sum + 1 WHERE bucket = 7", /^digests 7: /)
      changing(db, "DELETE FROM digest_sums WHERE bucket = 7", /^digests 7: /)
      for (const table of ["memories", "objects", "conflicts"]) changing(db, `DELETE FROM ${table}`, /^digests \d+: /)
      changing(db, `DELETE FROM memories WHERE id = ${FIRST}`, /^digests \d+: /)
      changing(db, "UPDATE memories SET visible = 0 WHERE visible = 1", /^digests \d+: /)
      changing(db, "DELETE FROM oplog WHERE lsn = 1", /^version_vector \S+: it says that \d+ operations are held/)
      changing(db, "DELETE FROM marks WHERE origin <> ''", /^version_vector \S+: it says that 0 operations are held/)
      assert.deepStrictEqual(faultsOf(db), [])
    }))

  it.scopedLive("is gone through again and again; what is found shows until it is mended, and is told once", () =>
    Effect.gen(function*() {
      const file = yield* migrated("node-a.db")
      const lines: Array<string> = []
      yield* Effect.gen(function*() {
        const checker = yield* Checker.Checker
        const { writer } = yield* Sqlite.Sqlite
        const { render } = yield* Metrics.Metrics
        const rounds = (more: number) => {
          const enough = checker.rounds() + more
          return until(Effect.sync(() => checker.rounds() >= enough))
        }
        const gauge = Effect.map(render, (text) => /^store_check_faults\{table="memories"\} (\d+)$/m.exec(text)?.[1])
        yield* rounds(2)
        assert.deepStrictEqual(checker.faults(), [])
        assert.strictEqual(yield* gauge, "0")
        const [id = "", content = ""] =
          writer.prepare<[], string>(`SELECT id, content FROM memories WHERE id = ${FIRST}`)
            .raw().get() ?? []
        const write = writer.prepare("UPDATE memories SET content = ? WHERE id = ?")
        write.run("forged", id)
        yield* rounds(3)
        assert.deepStrictEqual(checker.faults(), [{ table: "memories", key: id, what: "not as the log says: content" }])
        assert.strictEqual(yield* gauge, "1")
        write.run(content, id)
        yield* rounds(2)
        assert.deepStrictEqual(checker.faults(), [])
        assert.strictEqual(yield* gauge, "0")
        assert.match(yield* render, /^store_check_rounds_total [1-9]/m)
        assert.match(yield* render, /^store_checked_rows_total [1-9]\d/m)
        const told = lines.filter((line) => line.startsWith("check:"))
        assert.lengthOf(told, 1)
        assert.match(told[0] ?? "", /^check: memories \S+: not as the log says: content; .*changed by hand/)
        assert.notInclude(lines.join(), "forged")
      }).pipe(Effect.provide(
        Checker.layer({ rowsPerSecond: 10_000, pause: Duration.millis(1) }).pipe(
          Layer.provideMerge(FileHealth.layer),
          Layer.provideMerge(Sqlite.layerWriter({ file })),
          Layer.provideMerge(Metrics.layer),
          Layer.provide(Logger.replace(Logger.defaultLogger, Logger.make(({ message }) => lines.push(String(message)))))
        )
      ))
    }))

  it.scopedLive("is not gone through where the pace is 0", () =>
    Effect.gen(function*() {
      const file = yield* migrated("node-a.db")
      yield* Effect.gen(function*() {
        const checker = yield* Checker.Checker
        yield* Effect.sleep(Duration.millis(100))
        assert.strictEqual(checker.rounds(), 0)
        assert.match(yield* (yield* Metrics.Metrics).render, /^store_checked_rows_total 0$/m)
      }).pipe(Effect.provide(
        Checker.layer({ rowsPerSecond: 0, pause: Duration.millis(1) }).pipe(
          Layer.provideMerge(FileHealth.layer),
          Layer.provideMerge(Sqlite.layerWriter({ file })),
          Layer.provideMerge(Metrics.layer),
          Layer.provide(Logger.remove(Logger.defaultLogger))
        )
      ))
    }))

  it("is told of in the readiness of a node, which it does not decide", async () => {
    const file = await Effect.runPromise(Effect.scoped(Effect.map(migrated("node-a.db"), (from) => {
      const to = path.join(fs.mkdtempSync(path.join(os.tmpdir(), "quorate-checked-")), "node.db")
      fs.copyFileSync(from, to)
      return to
    })))
    new Database(file).exec(`UPDATE memories SET content = 'forged' WHERE id = ${FIRST}`).close()
    const node = await start({ db: file, checkRowsPerSecond: 10_000 })
    try {
      for (let at = 0; at < 100; at++) {
        const answer = await exchange(node.port, request({ path: "/health/ready" }))
        assert.strictEqual(answer.status, 200)
        if (/"contents":\{"ok":false,"detail":"1 not as the log says; memories [^"]*: content"/.test(answer.text)) {
          return
        }
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      assert.fail("it was not found")
    } finally {
      await node.stop()
      fs.rmSync(path.dirname(file), { recursive: true, force: true })
    }
  })
})

/** Of what this node alone knows nothing is in the log. */
const LOCAL = new Set(["rid", "access_count", "last_accessed_at", "extended_until"])

const FIRST = "(SELECT min(id) FROM memories WHERE visible = 1)"

/** A value that the column may hold, and this one does not. */
const forged = (column: string): string => {
  switch (column) {
    case "tier":
      return "CASE tier WHEN 'long' THEN 'mid' ELSE 'long' END"
    case "tags":
      return "'[\"forged\"]'"
    case "metadata":
    case "carried":
      return "'{\"forged\":true}'"
    case "priority":
      return "11 - priority"
    case "confidence":
      return "0.123"
    case "oseq":
      return "oseq + 1"
    case "visible":
      return "2"
    case "origin":
      return "'forged/1'"
    case "source":
      return "'hook'"
    case "created_at":
    case "updated_at":
    case "expires_at":
    case "archived_at":
      return "'2031-01-01T00:00:00.000000000+00:00'"
    default:
      return "'forged'"
  }
}

/** Changes a database, sees that this is found, and undoes it. */
const changing = (db: Database.Database, sql: string, found: RegExp) => {
  db.exec("BEGIN")
  const { changes } = db.prepare(sql).run()
  assert.isAbove(changes, 0, sql)
  const faults = faultsOf(db)
  assert.isTrue(faults.some((fault) => found.test(fault)), `${sql}: ${faults.join("\n")}`)
  const said = faults.map((fault) => fault.slice(fault.indexOf(": ")))
  assert.notInclude(said.join(), "forged", "no fault repeats what is in the row")
  db.exec("ROLLBACK")
}

/** A database of version 0.2.0 with the tables of this one, in a folder that goes with the scope. */
const migrated = (name: string) =>
  Effect.gen(function*() {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "quorate-checking-"))),
      (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
    )
    const file = path.join(folder, "node.db")
    fs.copyFileSync(`test/fixtures/0.2.0/${name}`, file)
    yield* Effect.scoped(Layer.build(Sqlite.layerWriter({ file }))).pipe(
      Effect.provide(Logger.remove(Logger.defaultLogger))
    )
    return file
  })

const copyOf = (name: string) =>
  Effect.flatMap(migrated(name), (file) =>
    Effect.acquireRelease(
      Effect.sync(() => new Database(file)),
      (db) => Effect.sync(() => db.close())
    ))
