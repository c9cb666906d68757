import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { sparingly } from "../../src/operations/recall/sparingly.js"

describe("what is counted sparingly", () => {
  it.effect("is counted once for all who ask, and again when that took a tenth of the time since", () =>
    Effect.gen(function*() {
      let counts = 0
      const count = yield* sparingly(Effect.delay(Effect.sync(() => ++counts), "1 second"))
      const asking = yield* Effect.fork(Effect.all([count, count, count], { concurrency: "unbounded" }))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(asking), [1, 1, 1])
      yield* TestClock.adjust("9999 millis")
      assert.strictEqual(yield* count, 1)
      yield* TestClock.adjust("1 millis")
      const again = yield* Effect.fork(count)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(again), 2)
    }))

  it.effect("stands for ten seconds, however long that took", () =>
    Effect.gen(function*() {
      let counts = 0
      const count = yield* sparingly(Effect.delay(Effect.sync(() => ++counts), "1 minute"))
      const asked = yield* Effect.fork(count)
      yield* TestClock.adjust("70 seconds")
      assert.strictEqual(yield* Fiber.join(asked), 1)
      const again = yield* Effect.fork(count)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Fiber.join(again), 2)
    }))

  it.effect("is counted each time where that takes next to no time", () =>
    Effect.gen(function*() {
      let counts = 0
      const count = yield* sparingly(Effect.delay(Effect.sync(() => ++counts), "100 millis"))
      const asking = yield* Effect.fork(Effect.all([count, count]))
      yield* TestClock.adjust("200 millis")
      assert.deepStrictEqual(yield* Fiber.join(asking), [1, 2])
    }))

  it.effect("is counted each time where that takes no time, and after a failure", () =>
    Effect.gen(function*() {
      let counts = 0
      const count = yield* sparingly(Effect.suspend(() => ++counts === 2 ? Effect.fail("no") : Effect.succeed(counts)))
      assert.strictEqual(yield* count, 1)
      assert.strictEqual(yield* Effect.flip(count), "no")
      assert.strictEqual(yield* count, 3)
    }))
})
