import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { randomUUID } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Memory } from "../../src/domain/Memory.js"
import * as Sqlite from "../../src/store/log/Sqlite.js"
import * as MemoryStore from "../../src/store/MemoryStore.js"
import * as Alike from "../../src/store/read/Alike.js"
import * as Metrics from "../../src/telemetry/Metrics.js"
import { uuid } from "../operations/node.js"
import { after, insert, memoryOf } from "./library.js"

const layerOf = (file: string) =>
  Alike.layer.pipe(
    Layer.provideMerge(MemoryStore.layer({ nodeId: Option.none() })),
    Layer.provideMerge(Sqlite.layer({ file })),
    Layer.provide(Layer.merge(uuid, Metrics.layer)),
    Layer.orDie
  )

const layer = layerOf(":memory:")

const alike = (memory: Memory) => Effect.flatMap(Alike.Alike, ({ to }) => Effect.map(to([memory]), ([found]) => found))

const rows = [
  { id: "first", title: "Deploy window", created_at: after(-60) },
  { id: "second", title: "the window, again", created_at: after(-50) },
  { id: "content", title: "other", content: "a window", created_at: after(-40) },
  { id: "elsewhere", title: "window", namespace: "b", created_at: after(-40) },
  { id: "hidden", title: "window", visible: false, created_at: after(-40) },
  { id: "later", title: "window of later", created_at: after(60) }
]

describe("memories alike", () => {
  it.effect("are those that were there before, the newest first", () =>
    Effect.gen(function*() {
      yield* insert(rows)
      const which = memoryOf({ id: "new", title: "Which WINDOW?" })
      assert.deepStrictEqual(yield* alike(which), ["second", "first"])
      assert.deepStrictEqual(yield* alike(memoryOf({ id: "new", title: "windows" })), ["second", "first"])
      assert.deepStrictEqual(yield* alike(memoryOf({ id: "first", title: "deploy" })), [])
      assert.deepStrictEqual(yield* alike(memoryOf({ id: "new", title: "( * AND" })), [])
    }).pipe(Effect.provide(layer)))

  it.effect("are not found by stop words, but by a title that has nothing else", () =>
    Effect.gen(function*() {
      yield* insert([{ id: "one", title: "the plan", created_at: after(-60) }])
      assert.deepStrictEqual(yield* alike(memoryOf({ id: "new", title: "the harvest" })), [])
      assert.deepStrictEqual(yield* alike(memoryOf({ id: "new", title: "the" })), ["one"])
    }).pipe(Effect.provide(layer)))

  it.effect("are not found by words that stand in many titles, but by a title that has nothing else", () =>
    Effect.gen(function*() {
      yield* insert([{ id: "one", title: "note harvest", created_at: after(-60) }])
      const { to } = yield* Alike.Alike
      const many = Array.from({ length: 200 }, (_, at) => memoryOf({ id: `many-${at}`, title: `note ${at}` }))
      assert.deepStrictEqual((yield* to(many)).map(({ length }) => length).indexOf(0), 64)
      assert.deepStrictEqual(yield* alike(memoryOf({ id: "new", title: "note orchard" })), [])
      assert.deepStrictEqual(yield* alike(memoryOf({ id: "new", title: "note harvest" })), ["one"])
      assert.deepStrictEqual(yield* alike(memoryOf({ id: "new", title: "note" })), ["one"])
    }).pipe(Effect.provide(layer)))

  it.effect("are none that a transaction has not committed", () =>
    Effect.gen(function*() {
      yield* insert(rows.slice(0, 1))
      const { writer } = yield* Sqlite.Sqlite
      const which = memoryOf({ id: "new", title: "window" })
      writer.exec("BEGIN IMMEDIATE; UPDATE memories SET namespace = 'b'")
      const found = yield* Effect.fork(alike(which))
      yield* Effect.yieldNow()
      writer.exec("ROLLBACK")
      assert.deepStrictEqual(yield* found, ["first"])
    }).pipe(Effect.provide(layer)))

  it.effect("are those of late that still stand", () =>
    Effect.gen(function*() {
      const [one, two, last] = yield* Effect.all([store("deploy it"), store("deploy this"), store("deploy that")])
      assert.deepStrictEqual(yield* alike(last), [two.id, one.id])
      const { writer } = yield* Sqlite.Sqlite
      writer.prepare("UPDATE memories SET visible = 0 WHERE id = ?").run(two.id)
      assert.deepStrictEqual(yield* alike(last), [one.id])
    }).pipe(Effect.provide(layer)))

  it.scoped("are older ones where none of late is", () =>
    Effect.gen(function*() {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "quorate-alike-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
      )
      const file = join(folder, "memory.db")
      const old = yield* store("deploy it").pipe(Effect.provide(layerOf(file)))
      const found = Effect.flatMap(store("deploy that"), alike)
      assert.deepStrictEqual(yield* found.pipe(Effect.provide(layerOf(file))), [old.id])
    }))
})

/** Written as a client's write is: it is in memory that it was. */
const store = (title: string) =>
  Effect.gen(function*() {
    const { commit } = yield* MemoryStore.MemoryStore
    const { payload } = yield* commit((now) =>
      Either.right<MemoryStore.Decision>({
        payload: { kind: "store", memory: { ...memoryOf({ id: randomUUID(), title }), updated_at: now.stamp } },
        isNewId: true,
        baseHlc: null,
        covers: []
      }), null)
    return payload.kind === "store" ? payload.memory : assert.fail("nothing was stored")
  })
