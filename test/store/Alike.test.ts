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
import type { Stamp } from "../../src/domain/Stamp.js"
import type { Payload } from "../../src/replication/Payload.js"
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

const newFile = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "quorate-alike-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
).pipe(Effect.map((folder) => join(folder, "memory.db")))

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

  it.scoped("are those that a transaction under way takes away, until it is committed", () =>
    Effect.flatMap(newFile, (file) =>
      Effect.gen(function*() {
        const one = yield* store("deploy it")
        const last = yield* store("deploy that")
        const { writer } = yield* Sqlite.Sqlite
        const { words: { titles } } = yield* MemoryStore.MemoryStore
        writer.exec("BEGIN IMMEDIATE")
        writer.prepare("DELETE FROM memories WHERE id = ?").run(one.id)
        titles.changed(one.id)
        assert.deepStrictEqual(yield* alike(last), [one.id])
        writer.exec("COMMIT")
        assert.deepStrictEqual(yield* alike(last), [])
      }).pipe(Effect.provide(layerOf(file)))))

  it.effect("are those of late that still stand", () =>
    Effect.gen(function*() {
      const [one, two, last] = yield* Effect.all([store("deploy it"), store("deploy this"), store("deploy that")])
      assert.deepStrictEqual(yield* alike(last), [two.id, one.id])
      yield* write(() => ({ kind: "delete", entity: two.id }), two)
      assert.deepStrictEqual(yield* alike(last), [one.id])
    }).pipe(Effect.provide(layer)))

  it.effect("are no more those that are archived, nor what the same id stands for elsewhere", () =>
    Effect.gen(function*() {
      const [one, two, last] = yield* Effect.all([store("deploy it"), store("deploy this"), store("deploy that")])
      assert.deepStrictEqual(yield* alike(last), [two.id, one.id])
      yield* write(
        (stamp) => ({ kind: "archive", memory: { ...two, updated_at: stamp }, archivedAt: stamp, reason: "archive" }),
        two
      )
      assert.deepStrictEqual(yield* alike(last), [one.id])
      yield* write((stamp) => ({ kind: "store", memory: { ...one, namespace: "b", updated_at: stamp } }), one)
      assert.deepStrictEqual(yield* alike(last), [])
      const there = memoryOf({ id: "new", title: "deploy", namespace: "b" })
      assert.deepStrictEqual(yield* alike({ ...there, created_at: last.created_at }), [one.id])
    }).pipe(Effect.provide(layer)))

  it.scoped("are older ones where none of late is", () =>
    Effect.gen(function*() {
      const file = yield* newFile
      const old = yield* store("deploy it").pipe(Effect.provide(layerOf(file)))
      const found = Effect.flatMap(store("deploy that"), alike)
      assert.deepStrictEqual(yield* found.pipe(Effect.provide(layerOf(file))), [old.id])
    }))
})

/** Writes what ends a memory, or goes on from it. */
const write = (payloadOf: (stamp: Stamp) => Payload, { namespace, title }: Memory) =>
  Effect.flatMap(MemoryStore.MemoryStore, ({ commit }) =>
    commit(
      (now) => Either.right({ payload: payloadOf(now.stamp), baseHlc: null, covers: now.claims(namespace, title) }),
      null
    ))

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
