import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { Origin } from "../../src/domain/ids.js"
import * as OperationSet from "../../src/replication/OperationSet.js"

const a = Origin.make("a/1")

const operation = FastCheck.record({
  origin: FastCheck.constantFrom(a, Origin.make("b/1"), Origin.make("b/2")),
  oseq: FastCheck.integer({ min: 1, max: 12 })
})
const operations = FastCheck.array(operation, { maxLength: 30 })

type Given = ReadonlyArray<{ readonly origin: Origin; readonly oseq: number }>

const textsOf = (given: Given) => new Set(given.map(({ origin, oseq }) => `${origin} ${oseq}`))

/** The members of a set, by its ranges. */
const members = (set: OperationSet.OperationSet) =>
  textsOf(
    OperationSet.ranges(set).flatMap(({ from, origin, to }) =>
      Array.from({ length: to - from + 1 }, (_, index) => ({ origin, oseq: from + index }))
    )
  )

describe("OperationSet", () => {
  it("is the set of what it was made of, in one form", () => {
    FastCheck.assert(FastCheck.property(operations, (given) => {
      const set = OperationSet.of(given)
      assert.deepStrictEqual([...members(set)].sort(), [...textsOf(given)].sort())
      assert.strictEqual(OperationSet.size(set), textsOf(given).size)
      assert.deepStrictEqual(OperationSet.of([...given].reverse()), set)
      assert.deepStrictEqual(OperationSet.fromRanges(OperationSet.ranges(set)), set)
    }))
  })

  it("union, difference and intersection are those of sets", () => {
    FastCheck.assert(FastCheck.property(operations, operations, (left, right) => {
      const [a, b] = [OperationSet.of(left), OperationSet.of(right)]
      const [x, y] = [textsOf(left), textsOf(right)]
      assert.deepStrictEqual(members(OperationSet.union(a, b)), new Set([...members(a), ...members(b)]))
      assert.deepStrictEqual([...members(OperationSet.difference(a, b))].sort(), [...x].filter((t) => !y.has(t)).sort())
      assert.deepStrictEqual(
        [...members(OperationSet.intersection(a, b))].sort(),
        [...x].filter((t) => y.has(t)).sort()
      )
    }))
  })

  it("takes a hundred thousand single operations in its stride", () => {
    const odd = Array.from({ length: 100_000 }, (_, index) => ({ origin: a, oseq: 2 * index + 1 }))
    const set = OperationSet.of(odd)
    assert.strictEqual(OperationSet.size(OperationSet.difference(set, OperationSet.of(odd.slice(0, 1)))), 99_999)
  })
})
