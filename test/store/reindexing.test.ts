import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { randomUUID } from "node:crypto"
import { copyFileSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as database from "../../src/cli/checks/database.js"
import { NodeId } from "../../src/domain/ids.js"
import { Uuid } from "../../src/domain/Uuid.js"
import * as Sqlite from "../../src/store/log/Sqlite.js"
import * as MemoryStore from "../../src/store/MemoryStore.js"
import * as Search from "../../src/store/read/Search.js"
import * as SweepReader from "../../src/store/read/SweepReader.js"
import * as Reindexer from "../../src/store/Reindexer.js"
import * as words from "../../src/store/state/words.js"
import * as Metrics from "../../src/telemetry/Metrics.js"
import * as index from "./index.js"
import { memoryOf, now } from "./library.js"

/** Copies of one memory of 0.2.0 that are put beside those it holds: more than are brought over in one transaction. */
const COPIES = 1000

/** A database that 0.2.0 wrote, with many rows. */
const before = Effect.acquireRelease(
  Effect.sync(() => {
    const folder = mkdtempSync(join(tmpdir(), "quorate-reindexing-"))
    const file = join(folder, "quorate.db")
    copyFileSync("test/fixtures/0.2.0/node-a.db", file)
    const db = new Database(file)
    db.pragma("journal_mode = WAL")
    const columns = db.prepare(
      "SELECT name FROM pragma_table_info('memories') WHERE name NOT IN ('rid', 'id', 'title')"
    )
      .pluck().all().join(", ")
    db.exec(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${COPIES})
      INSERT INTO memories (id, title, ${columns})
      SELECT 'copy-' || i, 'the copy ' || i, ${columns} FROM n, (SELECT * FROM memories WHERE visible = 1 LIMIT 1);
      INSERT INTO memories_fts (memories_fts) VALUES ('rebuild')`)
    db.close()
    return { folder, file }
  }),
  ({ folder }) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
).pipe(Effect.map(({ file }) => file))

const node = (file: string) =>
  Layer.mergeAll(Search.layer, SweepReader.layer).pipe(
    Layer.provideMerge(MemoryStore.layer({ nodeId: Option.some(NodeId.make("node-a")) })),
    Layer.provideMerge(Layer.mergeAll(
      Sqlite.layer({ file }),
      Metrics.layer,
      Layer.sync(Uuid, () => ({ make: () => "0190b8c0-0000-7000-8000-000000000000" }))
    ))
  )

/** What is found of the oldest rows and of the newest, in each way in which words are looked for. */
const found = Effect.gen(function*() {
  const search = yield* Search.Search
  const sweep = yield* SweepReader.SweepReader
  const ids = (hits: ReadonlyArray<Search.Hit>) => hits.map(({ memory }) => memory.id).toSorted()
  const swept = yield* Stream.runCollect(sweep.matching({ pattern: "boats 1000", upTo: Number.MAX_SAFE_INTEGER }))
  return {
    old: ids((yield* search.search({ now, text: "boats", limit: 1000 })).rows),
    copies: ids((yield* search.search({ now, text: "copy", limit: 1000 })).rows).length,
    one: ids((yield* search.search({ now, text: "copy 777", limit: 1 })).rows),
    inNamespace: ids(
      (yield* search.search({ now, text: "note clouds", limit: 50, namespace: "home" })).rows
        .filter(({ matched }) => matched === "all")
    ),
    recalled: (yield* search.candidates({ now, text: "boats", limit: 50 })).rows.map(({ id }) => id).toSorted(),
    swept: Array.from(Chunk.toReadonlyArray(swept), ({ id }) => id).toSorted()
  }
})

/** What the doctor finds. */
const examine = (file: string) => {
  const db = new Database(file, { readonly: true })
  try {
    return database.examine(db, { file, tide: null, lastStart: null, nowMillis: 0 })
  } finally {
    db.close()
  }
}

const isThere = (table: string) =>
  Effect.map(
    Sqlite.Sqlite,
    ({ writer }) => writer.prepare("SELECT count(*) FROM sqlite_schema WHERE name = ?").pluck().get(table) === 1
  )

describe("a database of 0.2.0", () => {
  it.scoped("is searched at once, in the middle, after a crash, and when all of it is brought over", () =>
    Effect.gen(function*() {
      const file = yield* before
      const atFirst = yield* Effect.provide(found, node(file))
      assert.isAbove(atFirst.old.length, 0)
      assert.isAbove(atFirst.inNamespace.length, 0)
      assert.strictEqual(atFirst.copies, COPIES)
      assert.deepStrictEqual(atFirst.one, ["copy-777"])
      assert.deepStrictEqual(atFirst.recalled, atFirst.old)
      const told = () =>
        new Map(examine(file).map(({ detail, name, status }) => [name, `${status}: ${detail}`])).get("words")
      assert.match(told() ?? "", /^warning: 1\d{3} rows are not in the index of words yet/)
      assert.sameMembers(atFirst.swept, [...atFirst.old.filter((id) => !id.startsWith("copy")), "copy-1000"])

      // Two steps, then an end in the middle: the next start goes on from there.
      const twoSteps = Effect.gen(function*() {
        const { reindex } = yield* MemoryStore.MemoryStore
        const first = yield* reindex
        assert.deepStrictEqual(yield* found, atFirst)
        const second = yield* reindex
        assert.isBelow(second.left, first.left)
        assert.isAbove(second.left, 0)
        assert.isFalse(second.isDone)
        assert.deepStrictEqual(yield* found, atFirst)
        return second
      })
      const { left } = yield* Effect.provide(twoSteps, node(file))
      yield* Effect.gen(function*() {
        const { reindex } = yield* MemoryStore.MemoryStore
        const next = yield* reindex
        assert.isBelow(next.left, left)
        assert.deepStrictEqual(yield* found, atFirst)
        yield* Effect.repeat(reindex, { until: ({ left }) => left === 0 })
        assert.deepStrictEqual(yield* found, atFirst)
        yield* Effect.repeat(reindex, { until: ({ isDone }) => isDone })
        assert.isFalse(yield* isThere("memories_fts"))
        index.check((yield* Sqlite.Sqlite).writer)
      }).pipe(Effect.provide(node(file)))
      assert.deepStrictEqual(yield* Effect.provide(found, node(file)), atFirst)
      assert.strictEqual(told(), "ok: all rows are in the index of words")
    }))

  it.scoped("finds nothing of a row that went, whichever index it was in", () =>
    Effect.gen(function*() {
      const file = yield* before
      yield* Effect.gen(function*() {
        const { writer } = yield* Sqlite.Sqlite
        yield* (yield* MemoryStore.MemoryStore).reindex
        const held = words.make(writer)
        const remove = (id: string) => {
          held.remove(Number(writer.prepare("SELECT rid FROM memories WHERE id = ?").pluck().get(id)))
          writer.prepare("DELETE FROM memories WHERE id = ?").run(id)
        }
        remove("copy-1")
        remove("copy-1000")
        const { copies } = yield* found
        assert.strictEqual(copies, COPIES - 2)
        const { unread } = held.state()
        const count = (sql: string) => writer.prepare(sql).pluck().get(unread)
        assert.strictEqual(
          count("SELECT count(*) FROM memories_fts WHERE memories_fts MATCH 'copy' AND rowid <= ?"),
          count("SELECT count(*) FROM memories WHERE title LIKE '%copy%' AND rid <= ?")
        )
        assert.strictEqual(
          count("SELECT count(*) FROM memory_words WHERE memory_words MATCH 'copi' AND rowid > ?"),
          count("SELECT count(*) FROM memories WHERE title LIKE '%copy%' AND rid > ?")
        )
      }).pipe(Effect.provide(node(file)))
    }))

  it.scoped("has what is written in place of its last row, which went in the run before", () =>
    Effect.gen(function*() {
      const file = yield* before
      yield* Effect.gen(function*() {
        const { writer } = yield* Sqlite.Sqlite
        words.make(writer).remove(Number(writer.prepare("SELECT max(rid) FROM memories").pluck().get()))
        writer.prepare("DELETE FROM memories WHERE rid = (SELECT max(rid) FROM memories)").run()
      }).pipe(Effect.provide(node(file)))
      yield* Effect.gen(function*() {
        const { commit } = yield* MemoryStore.MemoryStore
        yield* commit((at) =>
          Either.right<MemoryStore.Decision>({
            payload: {
              kind: "store",
              memory: { ...memoryOf({ id: randomUUID(), title: "a zebra" }), updated_at: at.stamp }
            },
            isNewId: true,
            baseHlc: null,
            covers: []
          }), null)
        const { rows } = yield* (yield* Search.Search).search({ now, text: "zebra", limit: 10 })
        assert.deepStrictEqual(rows.map(({ memory }) => memory.title), ["a zebra"])
      }).pipe(Effect.provide(node(file)))
    }))

  it.scoped("is brought over in the background, with how much is left, and the index of before goes", () =>
    Effect.gen(function*() {
      const file = yield* before
      yield* Effect.gen(function*() {
        const metrics = yield* Metrics.Metrics
        const left = Effect.map(metrics.render, (text) => /^store_reindexing_rows (\d+)/m.exec(text)?.[1])
        yield* Effect.repeat(TestClock.adjust("1 second"), { until: () => Effect.map(left, (left) => left === "0") })
        assert.isTrue(yield* isThere("memories_fts"))
        yield* TestClock.adjust("1 minute")
        yield* Effect.repeat(TestClock.adjust("1 second"), {
          until: () => Effect.map(isThere("memories_fts"), (isThere) => !isThere)
        })
        index.check((yield* Sqlite.Sqlite).writer)
      }).pipe(Effect.provide(Layer.provideMerge(Reindexer.layer, node(file))))
    }))
})

describe("a new database", () => {
  it.effect("has no index of before, and nothing to bring over", () =>
    Effect.gen(function*() {
      assert.isFalse(yield* isThere("memories_fts"))
      const { reindex } = yield* MemoryStore.MemoryStore
      assert.deepStrictEqual(yield* reindex, { left: 0, total: 0, isDone: true })
    }).pipe(Effect.provide(node(":memory:"))))
})
