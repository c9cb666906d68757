import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { Memory } from "../../src/domain/Memory.js"
import * as Sqlite from "../../src/store/log/Sqlite.js"
import * as MemoryStore from "../../src/store/MemoryStore.js"
import * as Alike from "../../src/store/read/Alike.js"
import * as Metrics from "../../src/telemetry/Metrics.js"
import { uuid } from "../operations/node.js"
import { after, insert, memoryOf } from "./library.js"

const layer = Alike.layer.pipe(
  Layer.provideMerge(MemoryStore.layer({ nodeId: Option.none() })),
  Layer.provideMerge(Sqlite.layer({ file: ":memory:" })),
  Layer.provide(Layer.merge(uuid, Metrics.layer)),
  Layer.orDie
)

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
})
