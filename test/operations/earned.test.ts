import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import * as Earned from "../../src/domain/Earned.js"
import { MemoryId } from "../../src/domain/ids.js"
import type { Memory } from "../../src/domain/Memory.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { canonicalStamp } from "../../src/domain/validate.js"
import { listArchive } from "../../src/operations/archive/listArchive.js"
import { collectExpired } from "../../src/operations/memories/collectExpired.js"
import { getMemory } from "../../src/operations/memories/getMemory.js"
import { remember } from "../../src/operations/memories/remember.js"
import { update } from "../../src/operations/memories/update.js"
import { recall } from "../../src/operations/recall/recall.js"
import { Uses } from "../../src/operations/recall/Uses.js"
import { type Entry, MemoryStore } from "../../src/store/MemoryStore.js"
import { storedElsewhere, writtenElsewhere } from "../store/elsewhere.js"
import { memory } from "../store/memories.js"
import * as Node from "./node.js"

const start = Date.UTC(2026, 0, 15, 12)

const onNode = <A, E, R>(test: Effect.Effect<A, E, R>) =>
  Effect.zipRight(TestClock.setTime(start), Effect.provide(test, Node.layer()))

const store = Effect.map(
  remember({ title: "a plan", content: "as it was", tier: "mid", ttl_secs: 3600 }, Node.anonymous),
  ({ memory }) => memory
)

/** Another node wrote it, having seen nothing else of the memory than its first version. */
const editedElsewhere = (first: Memory, fields: Partial<Memory>, atMillis: number) =>
  Effect.gen(function*() {
    const node = yield* MemoryStore
    const { expires_at: _, ...kept } = first
    const edited: Memory = { ...kept, ...fields, id: MemoryId.make(first.id), updated_at: Stamp.fromMillis(atMillis) }
    const seen = { id: first.id, hlc: canonicalStamp(first.updated_at), origin: node.origin() }
    const [receipt] = yield* node.receive([storedElsewhere(edited, { covers: [seen] })])
    return receipt?.result
  })

const recalled = (times: number) =>
  Effect.gen(function*() {
    const { access_count: before } = yield* only
    for (let count = 0; count < times; count++) {
      yield* recall({ context: "plan" })
      yield* (yield* Uses).flush
      yield* Node.until(Effect.map(only, ({ access_count }) => access_count > before + count))
    }
  })

const only = Effect.suspend(() => getMemory(id))
let id = ""

describe("what a memory earns", () => {
  it.effect("does not undo an edit that another node had made before it was heard of", () =>
    onNode(Effect.gen(function*() {
      const first = yield* store
      id = first.id
      yield* TestClock.adjust("10 seconds")
      yield* recalled(5)
      yield* Node.until(Effect.map(only, ({ tier }) => tier === "long"))
      // Stamped between the memory and what it earned.
      yield* editedElsewhere(first, { content: "edited elsewhere" }, start + 5_000)
      assert.strictEqual((yield* only).content, "edited elsewhere")
    })))

  it.effect("stands with the version it was earned for, and a promotion stops its expiry", () =>
    onNode(Effect.gen(function*() {
      id = (yield* store).id
      const { updated_at } = yield* only
      yield* recalled(10)
      yield* Node.until(Effect.map(only, ({ priority }) => priority === 6))
      const memory = yield* only
      assert.deepStrictEqual([memory.tier, memory.expires_at, memory.updated_at], ["long", undefined, updated_at])
      yield* update(id, { content: "edited" })
      assert.deepStrictEqual([(yield* only).tier, (yield* only).priority], ["long", 6], "an edit takes it over")
    })))

  it.effect("is an end by time as well: it does not undo a promotion that was made elsewhere before", () =>
    onNode(Effect.gen(function*() {
      const first = yield* store
      id = first.id
      yield* TestClock.adjust("2 hours")
      assert.strictEqual((yield* collectExpired(Node.anonymous)).count, 1)
      assert.deepStrictEqual((yield* listArchive({})).map(({ reason }) => reason), ["ttl_expired"])
      yield* editedElsewhere(first, { tier: "long" }, start + 3_599_000)
      assert.deepStrictEqual(yield* listArchive({}), [])
      assert.strictEqual((yield* only).tier, "long")
    })))

  it.effect("is what is left of all that its version earned, whichever version an earning that ended some of it was for", () => {
    const at = (seconds: number) => Stamp.fromMillis(start + seconds * 1000)
    const refOf = ({ operation: { entity: id, hlc, origin } }: Entry) => ({ id, hlc, origin })
    const older = storedElsewhere(memory("m", "t", at(1)))
    const newer = storedElsewhere(memory("m", "t", at(2)), { oseq: 2, covers: [refOf(older)] })
    const earning = (version: Entry, priority: number, oseq: number, covers: ReadonlyArray<Entry>) => {
      const { hlc, origin } = version.operation
      const earned = { ...Earned.nothing({ memory_id: "m", hlc, origin }), priority }
      return writtenElsewhere({ kind: "earn", earned }, at(oseq), { node: "third", oseq, covers: covers.map(refOf) })
    }
    const ended = earning(newer, 9, 3, [])
    const ending = earning(older, 7, 4, [ended])
    const comesTo = (entries: ReadonlyArray<Entry>) =>
      onNode(Effect.gen(function*() {
        const node = yield* MemoryStore
        for (const entry of entries) yield* node.receive([entry])
        return [(yield* getMemory("m")).priority, node.digest()]
      }))
    return Effect.gen(function*() {
      const inOrder = yield* comesTo([older, newer, ended, ending])
      assert.strictEqual(inOrder[0], 5)
      assert.deepStrictEqual(yield* comesTo([older, newer, ending, ended]), inOrder)
      assert.deepStrictEqual(yield* comesTo([ended, ending, newer, older]), inOrder)
    })
  })
})
