import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { OpId, Origin } from "../../src/domain/ids.js"
import * as Backfill from "../../src/federation/link/Backfill.js"
import type { Operation } from "../../src/replication/Operation.js"
import * as OperationSet from "../../src/replication/OperationSet.js"
import * as MemoryStore from "../../src/store/MemoryStore.js"
import { operation, storeIn } from "../store/letters.js"

const origin = Origin.make("other/1")
const COUNT = 1_000

const written = Array.from({ length: COUNT }, (_, at): Operation => ({
  ...operation(at + 1),
  origin,
  opId: OpId.make(`op-${at + 1}`)
}))

/** A store that holds these, and no other one. */
const holding = Effect.map(MemoryStore.MemoryStore, (store): MemoryStore.MemoryStore["Type"] => ({
  ...store,
  vector: () => OperationSet.of(written),
  operations: ({ from, to }, limit) =>
    Effect.succeed(written.filter(({ oseq }) => oseq >= from && oseq <= to).slice(0, limit))
}))

/** One pass to a peer that takes as long as `push` does. */
const passing = (
  push: (batch: ReadonlyArray<{ readonly operation: Operation }>) => Effect.Effect<void, string>,
  { anyOrder = true, fresh = () => 0 }: { readonly anyOrder?: boolean; readonly fresh?: () => number } = {}
) =>
  Effect.flatMap(holding, (store) =>
    Backfill.pass(store, {
      prepare: (one) => ({ operation: one, bytes: 100 }),
      maxBytes: 1_000_000,
      settled: () => OperationSet.empty,
      underWay: () => new Set(),
      ask: null,
      isServed: () => false,
      most: () => 250,
      anyOrder,
      push,
      fresh
    })).pipe(Effect.provide(storeIn(":memory:")))

describe("what a peer lacks", () => {
  const counting = () => {
    const seen = { now: 0, most: 0, pushes: 0, operations: 0 }
    const push = (batch: ReadonlyArray<unknown>) =>
      Effect.suspend(() => {
        seen.now += 1
        seen.pushes += 1
        seen.operations += batch.length
        seen.most = Math.max(seen.most, seen.now)
        return Effect.ensuring(
          Effect.sleep("100 millis"),
          Effect.sync(() => {
            seen.now -= 1
          })
        )
      })
    return { seen, push }
  }
  const untilDone = (work: Effect.Effect<void, unknown>) =>
    Effect.gen(function*() {
      const [began, fiber] = [yield* Clock.currentTimeMillis, yield* Effect.fork(work)]
      while (fiber.unsafePoll() === null) {
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        yield* TestClock.adjust("5 millis")
      }
      yield* Fiber.join(fiber)
      return (yield* Clock.currentTimeMillis) - began
    })

  it.effect("is sent two pushes at once: one is read while the other is applied", () =>
    Effect.gen(function*() {
      const { push, seen } = counting()
      const took = yield* untilDone(passing(push))
      assert.deepStrictEqual(seen, { now: 0, most: 2, pushes: 4, operations: COUNT })
      assert.isBelow(took, 300)
    }))

  it.effect("is sent one after the other where their order matters", () =>
    Effect.gen(function*() {
      const { push, seen } = counting()
      yield* untilDone(passing(push, { anyOrder: false }))
      assert.deepStrictEqual(seen, { now: 0, most: 1, pushes: 4, operations: COUNT })
    }))

  it.effect("leaves a share of the time to fresh writes, however fast the peer is", () =>
    Effect.gen(function*() {
      let writes = 0
      const { push } = counting()
      const alone = yield* untilDone(passing(push, { anyOrder: false }))
      const beside = yield* untilDone(passing(push, { anyOrder: false, fresh: () => writes++ }))
      assert.isAtLeast(beside - alone, 4 * 20)
      assert.isAtMost(beside - alone, 4 * 50)
    }))

  it.effect("ends with the first push that fails, and with it the other", () =>
    Effect.gen(function*() {
      const ended = yield* Deferred.make<void>()
      let pushes = 0
      const error = yield* Effect.flip(passing(() =>
        pushes++ === 0
          ? Effect.zipRight(
            Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 50))),
            Effect.fail("gone")
          )
          : Effect.onInterrupt(Effect.never, () => Deferred.succeed(ended, undefined))
      ))
      assert.strictEqual(error, "gone")
      assert.strictEqual(pushes, 2)
      yield* Deferred.await(ended)
    }))
})
