import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as v8 from "node:v8"
import * as Heap from "../../src/telemetry/Heap.js"

const MEGABYTE = 1024 * 1024

/** A process of which a test says what it does and what it has. */
const scripted = () => {
  const told = { use: 0, megabytes: 80, collected: 0 }
  const look = Heap.giving({
    loopUse: () => told.use,
    heapBytes: () => told.megabytes * MEGABYTE,
    collect: Effect.sync(() => {
      told.collected += 1
      told.megabytes = Math.min(told.megabytes, 40)
    })
  })
  const looks = (count: number) => Effect.repeatN(look, count - 1)
  return { told, looks }
}

it.effect("a process that has become quiet gives its garbage back once, and again when there is more", () =>
  Effect.gen(function*() {
    const { looks, told } = scripted()
    yield* looks(2)
    assert.strictEqual(told.collected, 0)
    yield* looks(1)
    assert.strictEqual(told.collected, 1)
    yield* looks(10)
    assert.strictEqual(told.collected, 1)
    told.megabytes = 60
    yield* looks(1)
    assert.strictEqual(told.collected, 2)
  }))

it.effect("a process that is at work collects as V8 sees fit, and so does one with a large heap", () =>
  Effect.gen(function*() {
    const { looks, told } = scripted()
    told.use = 0.5
    yield* looks(10)
    told.use = 0
    yield* looks(2)
    assert.strictEqual(told.collected, 0)
    told.megabytes = 1000
    yield* looks(10)
    assert.strictEqual(told.collected, 0)
  }))

it.live("the garbage of this process goes at once, and what the young generation grew to with it", () =>
  Effect.gen(function*() {
    let garbage: Array<string> | undefined = Array.from({ length: 300_000 }, (_, index) => `garbage ${index}`)
    assert.lengthOf(garbage, 300_000)
    const youngBytes = () =>
      v8.getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")?.space_size ?? Number.NaN
    const before = { used: v8.getHeapStatistics().used_heap_size, young: youngBytes() }
    garbage = undefined
    yield* Heap.collect
    assert.isAbove(before.used - v8.getHeapStatistics().used_heap_size, 10_000_000)
    assert.isBelow(youngBytes(), before.young)
  }))
