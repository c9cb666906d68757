import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { MemoryId, NodeId, Origin } from "../../src/domain/ids.js"
import type { Memory } from "../../src/domain/Memory.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { Uuid } from "../../src/domain/Uuid.js"
import { storeIfNewer } from "../../src/store/deciding/storeIfNewer.js"
import * as Sqlite from "../../src/store/log/Sqlite.js"
import type { Batch } from "../../src/store/MemoryStore.js"
import * as MemoryStore from "../../src/store/MemoryStore.js"
import * as Metrics from "../../src/telemetry/Metrics.js"
import { storedElsewhere, writtenElsewhere } from "./elsewhere.js"
import { memoryOf } from "./library.js"

let minted = 0

const layer = Layer.provideMerge(
  MemoryStore.layer({ nodeId: Option.some(NodeId.make("me")) }),
  Layer.mergeAll(
    Metrics.layer,
    Sqlite.layer({ file: ":memory:" }),
    Layer.succeed(Uuid, { make: () => `uuid-${++minted}` })
  )
)

/** Any moment; the clock of the tests stands at 0. */
const at = (millis: number, counter = 0) => Stamp.fromMillis(millis, counter)

const row = (id: string, stamp: Stamp.Stamp, given: Partial<Memory> = {}): Memory =>
  memoryOf({ id, title: "slot", content: `content of ${id}`, created_at: stamp, updated_at: stamp, ...given })

const within = <A>(job: (batch: Batch) => A) =>
  Effect.flatMap(
    MemoryStore.MemoryStore,
    (store) =>
      Effect.map(store.commitAll((batch) => Either.right(job(batch)), null), ({ answer }) => Option.getOrThrow(answer))
  )

const take = (memory: Memory) => within((batch) => storeIfNewer(batch, memory))

const holder = within((batch) => {
  const held = batch.now().holder("global", "slot")
  return held === null ? null : {
    id: held.memory.id,
    content: held.memory.content,
    updated_at: held.memory.updated_at,
    hlc: held.version.hlc
  }
})

const written = Effect.map(Sqlite.Sqlite, ({ writer }) => writer.prepare("SELECT count(*) FROM oplog").pluck().get())

describe("storeIfNewer", () => {
  it.effect("takes what is newer, with its own stamp, and keeps what is as new", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* take(row("a", at(1))), "written")
      assert.strictEqual(yield* take(row("a", at(1))), "older")
      assert.strictEqual(yield* take(row("a", at(0))), "older")
      assert.strictEqual(yield* take(row("a", at(2, 7), { content: "newer" })), "written")
      const content = "newer"
      assert.deepStrictEqual(yield* holder, { id: MemoryId.make("a"), content, updated_at: at(2, 7), hlc: at(2, 7) })
      assert.strictEqual(yield* written, 2)
    }).pipe(Effect.provide(layer)))

  it.effect("takes no row back that is set aside here, and notes what is new of who is", () =>
    Effect.gen(function*() {
      const { receive } = yield* MemoryStore.MemoryStore
      yield* take(row("a", at(1)))
      yield* receive([
        storedElsewhere(row("a", at(2), { content: "lies" }), {
          node: "mallory",
          covers: [{ id: "a", hlc: at(1), origin: Origin.make("me/1") }]
        }),
        storedElsewhere(row("b", at(3), { title: "more" }), { node: "mallory", oseq: 2 })
      ])
      const by = (whose: object) => ({ id: "q", reason: "test", by: "root", at: at(4), ...whose })
      yield* receive([
        writtenElsewhere({ kind: "quarantine", quarantine: by({ peer: "mallory" }) }, at(4)),
        writtenElsewhere({ kind: "quarantine", quarantine: { ...by({ agent: "poisoned" }), id: "q-2" } }, at(5), {
          oseq: 2
        })
      ])
      const before = yield* written
      assert.strictEqual(yield* take(row("a", at(2), { content: "lies" })), "older")
      assert.strictEqual(yield* take(row("b", at(3), { title: "more" })), "ended")
      assert.strictEqual(yield* written, before)
      assert.strictEqual((yield* holder)?.content, "content of a")
      // It is there, and passed on, and has no effect.
      const news = row("c", at(6), { title: "news", metadata: { agent_id: "poisoned" } })
      assert.strictEqual(yield* take(news), "written")
      assert.strictEqual(yield* take(news), "ended")
      assert.isTrue(yield* within((batch) => batch.now().byId("c") === null))
      assert.strictEqual(yield* written, Number(before) + 1)
    }).pipe(Effect.provide(layer)))

  it.effect("takes no row from the future", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* take(row("a", at(60_001))), "future")
      assert.strictEqual(yield* take(row("a", at(60_000))), "written")
    }).pipe(Effect.provide(layer)))

  it.effect("lets a row that merged into another come again, as often as its node sends it", () =>
    Effect.gen(function*() {
      yield* take(row("a", at(1)))
      assert.strictEqual(yield* take(row("b", at(2))), "written")
      const merged = { id: MemoryId.make("a"), content: "content of b", updated_at: at(2), hlc: at(2) }
      assert.deepStrictEqual(yield* holder, merged)
      for (const _ of [1, 2, 3]) {
        assert.strictEqual(yield* take(row("b", at(2))), "older")
        assert.deepStrictEqual(yield* holder, merged)
      }
      assert.strictEqual(yield* written, 2)
    }).pipe(Effect.provide(layer)))

  it.effect("lets the greater id decide between rows of one stamp, and loses neither memory", () =>
    Effect.gen(function*() {
      yield* take(row("b", at(1)))
      assert.strictEqual(yield* take(row("a", at(1))), "older")
      assert.strictEqual(yield* take(row("c", at(1))), "written")
      const won = { id: MemoryId.make("b"), content: "content of c", updated_at: at(1, 1), hlc: at(1, 1) }
      assert.deepStrictEqual(yield* holder, won)
      // What won comes back from there under the other id.
      assert.strictEqual(yield* take(row("c", at(1, 1))), "older")
      assert.strictEqual(yield* take(row("c", at(1))), "older")
      assert.deepStrictEqual(yield* holder, won)
    }).pipe(Effect.provide(layer)))

  it.effect("brings nothing back that was deleted here, under whatever id it comes", () =>
    Effect.gen(function*() {
      yield* take(row("a", at(1)))
      yield* take(row("b", at(2)))
      yield* within((batch) => {
        const held = batch.now().holder("global", "slot")
        if (held === null) return assert.fail("nothing to delete")
        batch.write({
          payload: { kind: "delete", entity: held.memory.id },
          baseHlc: null,
          covers: batch.now().endable(held)
        })
      })
      assert.isNull(yield* holder)
      assert.strictEqual(yield* take(row("a", at(1))), "ended")
      assert.strictEqual(yield* take(row("b", at(2))), "ended")
      assert.isNull(yield* holder)
      assert.strictEqual(yield* take(row("b", at(3))), "written")
    }).pipe(Effect.provide(layer)))

  it.effect("knows a memory by its id first: under another title it moves, with what is newer of it", () =>
    Effect.gen(function*() {
      const titles = within((batch) => {
        const now = batch.now()
        return ["slot", "moved"].map((title) => now.holder("global", title)?.memory.content ?? null)
      })
      yield* take(row("a", at(1)))
      yield* take(row("b", at(2)))
      assert.strictEqual(yield* take(row("b", at(3), { title: "moved", content: "moved b" })), "written")
      assert.deepStrictEqual(yield* titles, [null, "moved b"])
      // What it says of its old title is older than the move, and nothing for whoever stands there now.
      yield* take(row("x", at(1)))
      assert.strictEqual(yield* take(row("a", at(2, 5))), "older")
      assert.deepStrictEqual(yield* titles, ["content of x", "moved b"])
      // A title that is taken: both claim it, and neither ends the other, which it never saw.
      assert.strictEqual(yield* take(row("a", at(4), { content: "back again" })), "written")
      assert.deepStrictEqual(yield* titles, ["back again", null])
      const shadow = yield* within((batch) => batch.now().byId("x"))
      assert.deepStrictEqual([shadow?.memory.content, shadow?.visible], ["content of x", false])
    }).pipe(Effect.provide(layer)))
})
