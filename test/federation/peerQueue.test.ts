import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as PeerQueue from "../../src/federation/link/PeerQueue.js"

interface Item {
  readonly name: string
  readonly bytes: number
}

const item = (name: string, bytes = 1): Item => ({ name, bytes })
/** As many as have ten bytes together. */
const fitting = (sizes: ReadonlyArray<number>, most: number) => {
  let bytes = 0
  return sizes.slice(0, most).filter((size) => (bytes += size) <= 10).length
}
const make = PeerQueue.make<Item, string>(fitting)
const namesOf = (items: ReadonlyArray<Item>) => items.map(({ name }) => name).join("")

describe("the queue to a peer", () => {
  it.effect("hands out what waits, request by request, in the order it came and as much as fits", () =>
    Effect.gen(function*() {
      const queue = yield* make
      queue.offer([item("a", 6), item("b", 4)], () => {})
      queue.offer([item("c", 1), item("d", 1)], () => {})
      yield* queue.work
      assert.strictEqual(namesOf(queue.take(10).items), "ab")
      assert.strictEqual(namesOf(queue.take(1).items), "c")
      assert.strictEqual(namesOf(queue.take(10).items), "d")
      assert.strictEqual(namesOf(queue.take(10).items), "")
      assert.strictEqual(queue.taken(), 4)
    }))

  it.effect("hands out first what is to go ahead, in its own order", () =>
    Effect.gen(function*() {
      const queue = yield* make
      const told: Array<ReadonlyArray<string>> = []
      queue.offer([item("a"), item("b")], (results) => told.push(results))
      queue.offer([item("c"), item("d")], (results) => told.push(results), true)
      queue.offer([item("e"), item("f")], (results) => told.push(results), true)
      const [first, second] = [queue.take(3), queue.take(2)]
      assert.deepStrictEqual([first, second].map(({ items }) => namesOf(items)), ["cde", "fa"])
      queue.offer([item("g")], () => {}, true)
      queue.fail("failed")
      queue.offer([item("h")], () => {})
      queue.offer([item("i")], () => {}, true)
      assert.strictEqual(namesOf(queue.take(2).items), "ih")
      first.settle((index) => `${index}`)
      second.settle((index) => `later ${index}`)
      assert.deepStrictEqual(told, [["0", "1"], ["2", "later 0"], ["later 1", "failed"]])
    }))

  it.effect("tells a send the result of each of its items, once all of them have one", () =>
    Effect.gen(function*() {
      const queue = yield* make
      const told: Array<ReadonlyArray<string>> = []
      queue.offer([item("a"), item("b"), item("c")], (results) => told.push(results))
      const first = queue.take(2)
      const second = queue.take(2)
      second.settle(() => "late")
      assert.deepStrictEqual(told, [])
      first.settle((index) => `${index}`)
      assert.deepStrictEqual(told, [["0", "1", "late"]])
      first.settle(() => "again")
      assert.lengthOf(told, 1)
    }))

  it.effect("takes all of a send or nothing, and never more than its bounds", () =>
    Effect.gen(function*() {
      const queue = yield* make
      const many = (count: number, bytes = 1) => Array.from({ length: count }, () => item("x", bytes))
      assert.isTrue(queue.offer(many(4096), () => {}))
      assert.isFalse(queue.offer(many(1), () => {}))
      queue.take(1)
      assert.isTrue(queue.offer(many(1), () => {}))
      const large = yield* make
      assert.isTrue(large.offer(many(2, 16 * 1024 * 1024), () => {}))
      assert.isFalse(large.offer(many(1), () => {}))
    }))

  it.effect("fails what waits and not what is under way, unless that is lost, too", () =>
    Effect.gen(function*() {
      const queue = yield* make
      const told: Array<ReadonlyArray<string>> = []
      queue.offer([item("a")], (results) => told.push(results))
      queue.offer([item("b")], (results) => told.push(results))
      const underWay = queue.take(1)
      assert.strictEqual(namesOf(queue.items()), "ab")
      queue.fail("failed")
      assert.deepStrictEqual(told, [["failed"]])
      assert.strictEqual(namesOf(queue.items()), "a")
      underWay.settle(() => "refused")
      assert.deepStrictEqual(told, [["failed"], ["refused"]])
      assert.strictEqual(namesOf(queue.items()), "a", "until what came of it is noted")
      underWay.done()
      assert.deepStrictEqual(queue.items(), [])
      queue.offer([item("c")], (results) => told.push(results))
      const lost = queue.take(1)
      queue.abandon("lost")
      assert.deepStrictEqual(told, [["failed"], ["refused"], ["lost"]])
      assert.deepStrictEqual(queue.items(), [])
      lost.settle(() => "held")
      assert.lengthOf(told, 3)
      assert.strictEqual(queue.size(), 0)
    }))
})
