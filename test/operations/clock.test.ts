import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import * as Stamp from "../../src/domain/Stamp.js"
import { forget } from "../../src/operations/memories/forget.js"
import { getMemory } from "../../src/operations/memories/getMemory.js"
import { listMemories } from "../../src/operations/memories/listMemories.js"
import { remember } from "../../src/operations/memories/remember.js"
import { remove } from "../../src/operations/memories/remove.js"
import { update } from "../../src/operations/memories/update.js"
import { MemoryStore } from "../../src/store/MemoryStore.js"
import { storedElsewhere } from "../store/elsewhere.js"
import { memory } from "../store/memories.js"
import * as Node from "./node.js"

const noon = Date.UTC(2026, 0, 15, 12)
const HOUR = 3_600_000

/** A node whose clock stands at noon, and is the test's. */
const onNode = <A, E, R>(test: Effect.Effect<A, E, R>) =>
  Effect.zipRight(TestClock.setTime(noon), Effect.provide(test, Node.layer()))

const put = (title: string, content = "c") =>
  Effect.map(remember({ title, content, tier: "long" }, Node.anonymous), ({ memory }) => memory)

const edit = (id: string, content: string) =>
  Effect.map(update(id, { content }, { caller: Node.anonymous }), ({ memory }) => memory)

/** A memory as a node wrote it whose clock is so far ahead. */
const fromAhead = (id: string, seconds: number) =>
  Effect.gen(function*() {
    const hlc = Stamp.fromMillis((yield* Effect.clock).unsafeCurrentTimeMillis() + seconds * 1000)
    const theirs = { ...memory(id, id, hlc), namespace: "global" }
    const [receipt] = yield* (yield* MemoryStore).receive([storedElsewhere(theirs, { oseq: seconds })])
    return { result: receipt?.result, hlc }
  })

describe("a clock that was wrong once", () => {
  it.effect("stops nothing after it was set right: everything that is written has a stamp of now, and counts", () =>
    onNode(Effect.gen(function*() {
      yield* TestClock.setTime(noon + 2 * HOUR)
      const ahead = yield* put("ahead")
      const gone = yield* put("gone")
      yield* TestClock.setTime(noon)
      const next = yield* put("next")
      assert.strictEqual(next.updated_at, Stamp.fromMillis(noon))
      const second = yield* put("second")
      assert.isTrue(second.updated_at > next.updated_at)
      const edited = yield* edit(ahead.id, "edited")
      assert.isTrue(edited.updated_at < ahead.updated_at)
      assert.strictEqual((yield* getMemory(ahead.id)).content, "edited")
      yield* remove(gone.id, { caller: Node.anonymous })
      const titles = (yield* listMemories({})).map(({ title }) => title).sort()
      assert.deepStrictEqual(titles, ["ahead", "next", "second"])
    })))

  it.effect("does not make a deletion one of its future, which no other node would take", () =>
    onNode(Effect.gen(function*() {
      yield* TestClock.setTime(noon + 2 * HOUR)
      const { id } = yield* put("ahead")
      yield* TestClock.setTime(noon)
      yield* remove(id, { caller: Node.anonymous })
      const store = yield* MemoryStore
      const [, deletion] = yield* store.operations({ origin: store.origin(), from: 1, to: 9 }, 9)
      assert.deepInclude(deletion, { kind: "delete", hlc: Stamp.fromMillis(noon) })
    })))
})

describe("a clock of another node that leads", () => {
  it.effect("is followed for 30 s, taken for 60 s, and refused beyond", () =>
    onNode(Effect.gen(function*() {
      const near = yield* fromAhead("near", 30)
      const after = yield* put("after")
      assert.isTrue(after.updated_at > near.hlc)
      yield* TestClock.setTime(noon + HOUR)
      assert.strictEqual((yield* fromAhead("far", 59)).result, "applied")
      assert.strictEqual((yield* put("now")).updated_at, Stamp.fromMillis(noon + HOUR))
      assert.strictEqual((yield* fromAhead("beyond", 61)).result, "rejected")
    })))

  it.effect("is followed by who edits what it wrote", () =>
    onNode(Effect.gen(function*() {
      yield* fromAhead("far", 59)
      assert.strictEqual((yield* edit("far", "edited")).updated_at, Stamp.fromMillis(noon))
      assert.strictEqual((yield* getMemory("far")).content, "edited")
      yield* TestClock.setTime(noon + 59_000)
      const { hlc } = yield* fromAhead("theirs", 29)
      yield* TestClock.setTime(noon + 58_000)
      const edited = yield* edit("theirs", "ours")
      assert.isTrue(edited.updated_at > hlc)
      const stored = yield* remember({ title: "theirs", content: "merged", on_conflict: "merge" }, Node.anonymous)
      assert.isTrue(stored.memory.updated_at > edited.updated_at)
      assert.strictEqual((yield* getMemory("theirs")).content, "merged")
    })))

  it.effect("hides nothing from who forgets, and what is written after that stays", () =>
    onNode(Effect.gen(function*() {
      yield* fromAhead("theirs", 59)
      yield* put("ours")
      assert.strictEqual((yield* forget({ namespace: "global" }, Node.anonymous)).count, 2)
      assert.deepStrictEqual(yield* listMemories({}), [])
    })))
})
