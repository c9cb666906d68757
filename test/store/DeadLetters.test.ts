import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Origin } from "../../src/domain/ids.js"
import { NodeId } from "../../src/domain/ids.js"
import * as Stamp from "../../src/domain/Stamp.js"
import * as OperationSet from "../../src/replication/OperationSet.js"
import * as DeadLetters from "../../src/store/DeadLetters.js"
import { operation, refusals, storeIn } from "./letters.js"

const [b, c] = [NodeId.make("b"), NodeId.make("c")]

const ME = Origin.make("me/1")

const dueTo = (peer: NodeId, limit = 100) =>
  Effect.flatMap(DeadLetters.DeadLetters, (letters) => letters.due(peer, limit)).pipe(
    Effect.map((found) => found.map(({ oseq }) => oseq))
  )

describe("DeadLetters", () => {
  it("waits 30 s · 2ⁿ between attempts, at most an hour, and never less than four fifths of it", () => {
    const chance = FastCheck.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    FastCheck.assert(FastCheck.property(FastCheck.integer({ min: 1, max: 10_000 }), chance, (attempts, drawn) => {
      const whole = Math.min(3_600_000, 30_000 * 2 ** (attempts - 1))
      const wait = DeadLetters.retryMillis(attempts, drawn)
      assert.isTrue(wait <= whole && wait > whole * 0.79, `${attempts}: ${wait}`)
    }))
    assert.strictEqual(DeadLetters.retryMillis(1, 0), 30_000)
  })

  it.effect("keeps the whole operation by peer, once, with the latest reason and the first time", () =>
    Effect.gen(function*() {
      const letters = yield* DeadLetters.DeadLetters
      assert.lengthOf(yield* letters.add(b, refusals(1, 2)), 2)
      assert.lengthOf(yield* letters.add(c, refusals(1)), 1)
      yield* TestClock.adjust("1 minute")
      const fresh = yield* letters.add(b, [{ operation: operation(1), reason: "another" }, ...refusals(3)])
      assert.deepStrictEqual(fresh.map(({ operation: { oseq } }) => oseq), [3])
      const listed = yield* letters.list({ limit: 10, offset: 0 })
      assert.deepStrictEqual(
        listed.map(({ attempts, oseq, peerId, reason }) => [peerId, oseq, attempts, reason]),
        [
          [b, 1, 2, "another"],
          [b, 2, 1, "because of 2"],
          [c, 1, 1, "because of 1"],
          [b, 3, 1, "because of 3"]
        ]
      )
      const [first] = listed
      assert.isDefined(first)
      assert.strictEqual(first.failedAt, Stamp.fromMillis(0))
      assert.isTrue(Stamp.toMillis(first.nextAttemptAt) >= 60_000 + 48_000, first.nextAttemptAt)
      const whole = Option.getOrThrow(yield* letters.get(first.id))
      assert.deepStrictEqual(whole.operation, operation(1))
      assert.deepStrictEqual((yield* letters.list({ limit: 2, offset: 1 })).map(({ oseq }) => oseq), [2, 1])
      assert.strictEqual(letters.depth(), 4)
      assert.deepStrictEqual(OperationSet.ranges(letters.refused(b)), [{ origin: ME, from: 1, to: 3 }])
    }).pipe(Effect.provide(storeIn(":memory:"))))

  it.effect("a row that fails makes room for those behind it", () =>
    Effect.gen(function*() {
      const letters = yield* DeadLetters.DeadLetters
      yield* letters.add(b, refusals(1, 2, 3, 4))
      assert.deepStrictEqual(yield* dueTo(b), [])
      yield* TestClock.adjust("31 seconds")
      assert.deepStrictEqual(yield* dueTo(b, 2), [1, 2])
      assert.deepStrictEqual(yield* dueTo(c), [])
      yield* letters.add(b, refusals(1))
      const [, second] = yield* letters.list({ limit: 10, offset: 0 })
      yield* letters.postpone(second?.id ?? 0)
      assert.deepStrictEqual(yield* dueTo(b, 2), [3, 4])
    }).pipe(Effect.provide(storeIn(":memory:"))))

  it.effect("what a peer holds goes, and nothing else of it or of other peers", () =>
    Effect.gen(function*() {
      const letters = yield* DeadLetters.DeadLetters
      yield* letters.add(b, refusals(1, 2, 3, 5))
      yield* letters.add(c, refusals(2))
      const [first] = yield* letters.list({ limit: 1, offset: 0 })
      yield* letters.discard(first?.id ?? 0)
      assert.strictEqual(letters.depth(), 4)
      yield* letters.settle(b, OperationSet.fromRanges([{ origin: ME, from: 1, to: 2 }]))
      yield* letters.settle(b, OperationSet.of([operation(4), operation(3, "other/1")]))
      const left = yield* letters.list({ limit: 10, offset: 0 })
      assert.deepStrictEqual(left.map(({ oseq, peerId }) => [peerId, oseq]), [[b, 3], [b, 5], [c, 2]])
      assert.strictEqual(letters.depth(), 3)
      yield* letters.forget(b)
      assert.strictEqual(letters.refused(b).size, 0)
      assert.strictEqual(letters.depth(), 1)
    }).pipe(Effect.provide(storeIn(":memory:"))))

  it.effect("what a peer knows another operation by the name of stays, until it holds this very one", () =>
    Effect.gen(function*() {
      const letters = yield* DeadLetters.DeadLetters
      const [first] = refusals(1)
      assert.isDefined(first)
      yield* letters.add(b, [
        { ...first, reason: "origin_reused: another operation is known as me/1 1" },
        ...refusals(2)
      ])
      yield* letters.settleByName(b, OperationSet.fromRanges([{ origin: ME, from: 1, to: 2 }]))
      const left = yield* letters.list({ limit: 10, offset: 0 })
      assert.deepStrictEqual(left.map(({ oseq }) => oseq), [1])
      assert.strictEqual(letters.depth(), 1)
      assert.strictEqual(letters.refused(b).size, 1)
      yield* letters.settle(b, OperationSet.of([operation(1)]))
      assert.strictEqual(letters.depth(), 0)
    }).pipe(Effect.provide(storeIn(":memory:"))))

  it.effect("what a peer says when it can take it is when it is due, within a day", () =>
    Effect.gen(function*() {
      const letters = yield* DeadLetters.DeadLetters
      const hours = (count: number) => count * 3_600_000
      const [one, two] = refusals(1, 2)
      assert.isDefined(one)
      assert.isDefined(two)
      yield* letters.add(b, [{ ...one, notBeforeMillis: hours(6) }, { ...two, notBeforeMillis: hours(999) }])
      const times = (yield* letters.list({ limit: 10, offset: 0 })).map(({ nextAttemptAt }) => nextAttemptAt)
      assert.deepStrictEqual(times, [Stamp.fromMillis(hours(6)), Stamp.fromMillis(hours(25))])
    }).pipe(Effect.provide(storeIn(":memory:"))))

  it.effect("what is discarded is neither due nor counted, but still refused, until it is revived", () =>
    Effect.gen(function*() {
      const letters = yield* DeadLetters.DeadLetters
      yield* letters.add(b, refusals(1, 2))
      const [first] = yield* letters.list({ limit: 1, offset: 0 })
      const id = first?.id ?? 0
      assert.isTrue(yield* letters.discard(id))
      assert.isTrue(yield* letters.discard(id))
      assert.isFalse(yield* letters.discard(99))
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* dueTo(b), [2])
      assert.strictEqual(letters.depth(), 1)
      assert.strictEqual(OperationSet.size(letters.refused(b)), 2)
      yield* letters.add(b, refusals(1))
      assert.strictEqual(letters.depth(), 1)
      assert.isTrue(yield* letters.revive(id))
      assert.isFalse(yield* letters.revive(99))
      assert.strictEqual(letters.depth(), 2)
      assert.deepStrictEqual((yield* dueTo(b)).sort(), [1, 2])
    }).pipe(Effect.provide(storeIn(":memory:"))))

  it.effect("is there after a restart as it was", () =>
    Effect.gen(function*() {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "quorate-letters-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
      )
      const file = join(folder, "node.db")
      const look = Effect.gen(function*() {
        const letters = yield* DeadLetters.DeadLetters
        const listed = yield* letters.list({ limit: 10, offset: 0 })
        return { listed, depth: letters.depth(), refused: OperationSet.ranges(letters.refused(b)) }
      })
      const before = yield* Effect.gen(function*() {
        const letters = yield* DeadLetters.DeadLetters
        yield* letters.add(b, refusals(1, 2, 7))
        yield* letters.discard(1)
        return yield* look
      }).pipe(Effect.provide(storeIn(file)))
      assert.deepStrictEqual(yield* look.pipe(Effect.provide(storeIn(file))), before)
      assert.strictEqual(before.depth, 2)
    }).pipe(Effect.scoped))
})
