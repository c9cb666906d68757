import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Sqlite from "../../src/store/log/Sqlite.js"
import * as MemoryStore from "../../src/store/MemoryStore.js"
import * as Search from "../../src/store/read/Search.js"
import * as SweepReader from "../../src/store/read/SweepReader.js"
import * as WordKeeper from "../../src/store/WordKeeper.js"
import * as Metrics from "../../src/telemetry/Metrics.js"
import { uuid } from "../operations/node.js"
import * as index from "./index.js"
import { memoryOf, now } from "./library.js"

/*
 * The index of words stands behind what was committed. Nobody may see that, whatever comes in between.
 */

const storeIn = (file: string) =>
  Layer.mergeAll(Search.layer, SweepReader.layer).pipe(
    Layer.provideMerge(MemoryStore.layer({ nodeId: Option.none() })),
    Layer.provideMerge(Sqlite.layer({ file })),
    Layer.provide(Layer.merge(uuid, Metrics.layer)),
    Layer.orDie
  )

const file = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "quorate-words-behind-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
).pipe(Effect.map((folder) => join(folder, "memory.db")))

const decided = (title: string, at: MemoryStore.Transaction, given: { readonly content?: string } = {}) => ({
  payload: {
    kind: "store" as const,
    memory: { ...memoryOf({ id: randomUUID(), title, ...given }), updated_at: at.stamp }
  },
  isNewId: true,
  baseHlc: null,
  covers: []
})

const stored = (title: string, given: { readonly content?: string } = {}) =>
  Effect.flatMap(
    MemoryStore.MemoryStore,
    ({ commit }) => commit((at) => Either.right<MemoryStore.Decision>(decided(title, at, given)), null)
  )

const found = (text: string) =>
  Effect.flatMap(
    Search.Search,
    ({ search }) =>
      Effect.map(search({ now, text, limit: 100 }), ({ rows }) => rows.map(({ memory }) => memory.title).sort())
  )

const writer = Effect.map(Sqlite.Sqlite, ({ writer }) => writer)
const indexed = Effect.map(
  writer,
  (db) => Number(db.prepare("SELECT count(*) FROM memory_words_docsize").pluck().get())
)
const until = <E, R>(probe: Effect.Effect<boolean, E, R>) =>
  Effect.repeat(Effect.zipLeft(probe, Effect.sleep("5 millis")), { until: (isSo) => isSo }).pipe(
    Effect.timeout("10 seconds")
  )

describe("the index of words", () => {
  it.live("is no part of a write, and has what is looked for", () =>
    Effect.gen(function*() {
      yield* stored("the first plan")
      yield* stored("the second plan")
      assert.strictEqual(yield* indexed, 0)
      assert.deepStrictEqual(yield* found("plan"), ["the first plan", "the second plan"])
      assert.strictEqual(yield* indexed, 2)
      yield* stored("a third plan")
      assert.strictEqual(yield* indexed, 2)
      assert.deepStrictEqual(yield* found("third"), ["a third plan"])
      index.check(yield* writer)
    }).pipe(Effect.provide(storeIn(":memory:"))))

  it.live("is written with the commit that makes it many rows, or much text", () =>
    Effect.gen(function*() {
      for (let at = 0; at < 63; at++) yield* stored(`plan ${at}`)
      assert.strictEqual(yield* indexed, 0)
      yield* stored("plan 63")
      assert.strictEqual(yield* indexed, 64)
      yield* stored("small")
      yield* stored("large", { content: "word ".repeat(13_200) })
      assert.strictEqual(yield* indexed, 66)
    }).pipe(Effect.provide(storeIn(":memory:"))))

  it.live("has nothing of what was edited or deleted while it waited", () =>
    Effect.gen(function*() {
      const { commit } = yield* MemoryStore.MemoryStore
      const versionOf = (
        { operation, payload }: {
          readonly operation: MemoryStore.Entry["operation"]
          readonly payload: MemoryStore.Entry["payload"]
        }
      ) =>
        payload.kind === "store"
          ? { memory: payload.memory, ref: { id: payload.memory.id, hlc: operation.hlc, origin: operation.origin } }
          : assert.fail("nothing was stored")
      const edited = versionOf(yield* stored("a boat"))
      const deleted = versionOf(yield* stored("a cloud"))
      yield* commit((at) =>
        Either.right<MemoryStore.Decision>({
          payload: { kind: "store", memory: { ...edited.memory, title: "a ship", updated_at: at.stamp } },
          baseHlc: null,
          covers: [edited.ref]
        }), null)
      yield* commit(() =>
        Either.right<MemoryStore.Decision>({
          payload: { kind: "delete", entity: deleted.memory.id },
          baseHlc: null,
          covers: [deleted.ref]
        }), null)
      assert.deepStrictEqual([yield* found("boat"), yield* found("cloud"), yield* found("ship")], [[], [], ["a ship"]])
      index.check(yield* writer)
    }).pipe(Effect.provide(storeIn(":memory:"))))

  it.live("has nothing of what was undone, and all that came after it", () =>
    Effect.gen(function*() {
      const { commitAll } = yield* MemoryStore.MemoryStore
      yield* stored("kept")
      const failed = yield* Effect.exit(commitAll((batch) => {
        const at = batch.now()
        for (let row = 0; row < 100; row++) batch.write(decided(`undone ${row}`, at))
        throw new Error("a bug")
      }, null))
      assert.isTrue(failed._tag === "Failure")
      yield* stored("after it")
      assert.deepStrictEqual([yield* found("undone"), yield* found("kept"), yield* found("after")], [[], ["kept"], [
        "after it"
      ]])
      index.check(yield* writer)
    }).pipe(Effect.provide(storeIn(":memory:"))))

  it.live("keeps nothing of what was undone", () =>
    Effect.gen(function*() {
      const { commitAll, words } = yield* MemoryStore.MemoryStore
      yield* stored("kept")
      let undone = ""
      yield* Effect.exit(commitAll((batch) => {
        undone = batch.write(decided("undone", batch.now())).operation.entity
        throw new Error("a bug")
      }, null))
      assert.isUndefined(words.titles.of(undone))
      assert.lengthOf(words.titles.having("global", "kept"), 1)
    }).pipe(Effect.provide(storeIn(":memory:"))))

  it.live("has what was indexed by a transaction that failed: it waits again for one that is committed", () =>
    Effect.gen(function*() {
      for (let at = 0; at < 63; at++) yield* stored(`plan ${at}`)
      const db = yield* writer
      db.exec(`CREATE TRIGGER failing BEFORE UPDATE ON marks BEGIN SELECT RAISE(ABORT, 'not now'); END;
        CREATE TRIGGER failing_too BEFORE INSERT ON marks BEGIN SELECT RAISE(ABORT, 'not now'); END`)
      assert.isTrue((yield* Effect.exit(stored("the last plan")))._tag === "Failure")
      db.exec("DROP TRIGGER failing; DROP TRIGGER failing_too")
      assert.lengthOf(yield* found("plan"), 63)
      index.check(db)
    }).pipe(Effect.provide(storeIn(":memory:"))))

  it.scopedLive("has what waited when the node ended, whatever comes first in the next run", () =>
    Effect.gen(function*() {
      const path = yield* file
      yield* Effect.provide(Effect.zipRight(stored("an old plan"), stored("another plan")), storeIn(path))
      yield* Effect.provide(stored("a new plan"), storeIn(path))
      yield* Effect.gen(function*() {
        assert.strictEqual(yield* indexed, 2, "the run before has indexed what was there before it")
        assert.deepStrictEqual(yield* found("plan"), ["a new plan", "an old plan", "another plan"])
        index.check(yield* writer)
      }).pipe(Effect.provide(storeIn(path)))
    }))

  it.scopedLive("follows where nobody asks, also what was left by the run before", () =>
    Effect.gen(function*() {
      const path = yield* file
      yield* Effect.provide(stored("an old plan"), storeIn(path))
      yield* Effect.gen(function*() {
        yield* until(Effect.map(indexed, (rows) => rows === 1))
        yield* stored("a new plan")
        yield* until(Effect.map(indexed, (rows) => rows === 2))
      }).pipe(Effect.provide(Layer.provideMerge(WordKeeper.layer, storeIn(path))))
    }))

  it.live("is asked beside a job of many parts, which nobody waits for", () =>
    Effect.gen(function*() {
      const { commitSteps } = yield* MemoryStore.MemoryStore
      yield* stored("the first plan")
      let isUnderWay = false
      let isOver = false
      const job = yield* Effect.fork(commitSteps(function*(batch) {
        batch.write(decided("a plan of the job", batch.now()))
        isUnderWay = true
        while (!isOver) yield 0
        return Either.right("done")
      }, null))
      yield* until(Effect.sync(() => isUnderWay))
      const asked = yield* Effect.timed(found("plan"))
      assert.deepStrictEqual(asked[1], ["the first plan"])
      assert.isBelow(Duration.toMillis(asked[0]), 1_500, "the wait of a reader was not at its end")
      isOver = true
      yield* Fiber.join(job)
      assert.deepStrictEqual(yield* found("plan"), ["a plan of the job", "the first plan"])
    }).pipe(Effect.provide(storeIn(":memory:"))))

  it.live("answers without what came last where nothing can be written", () =>
    Effect.gen(function*() {
      yield* stored("the first plan")
      assert.deepStrictEqual(yield* found("plan"), ["the first plan"])
      yield* stored("a plan that waits")
      const db = yield* writer
      // Another program holds the file.
      const other = new Database(db.name)
      other.exec("BEGIN IMMEDIATE")
      assert.deepStrictEqual(yield* found("plan"), ["the first plan"])
      other.close()
      assert.deepStrictEqual(yield* found("plan"), ["a plan that waits", "the first plan"])
    }).pipe(Effect.provide(storeIn(":memory:"))))

  it.scopedLive("passes over nothing that is to be forgotten, also where it can not catch up", () =>
    Effect.gen(function*() {
      const path = yield* file
      yield* Effect.gen(function*() {
        const { matching } = yield* SweepReader.SweepReader
        const swept = (pattern: string) =>
          Effect.map(
            Stream.runCollect(matching({ pattern, upTo: Number.MAX_SAFE_INTEGER })),
            Chunk.size
          )
        yield* stored("a first secret")
        assert.strictEqual(yield* swept("secret"), 1)
        yield* stored("a secret that waits")
        yield* stored("a plan that waits")
        const other = yield* Effect.acquireRelease(
          Effect.sync(() => new Database(path)),
          (db) => Effect.sync(() => db.close())
        )
        other.exec("BEGIN IMMEDIATE")
        assert.strictEqual(yield* swept("secret"), 2)
        assert.strictEqual(yield* indexed, 1)
      }).pipe(Effect.provide(storeIn(path)))
    }))
})
