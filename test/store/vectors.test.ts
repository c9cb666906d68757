import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { cosinesOf, keptOf, signsOf, vectorOf } from "../../src/store/vectors/codes.js"
import * as SignIndex from "../../src/store/vectors/SignIndex.js"

const seed = Math.floor(Math.random() * 2 ** 31)
console.log(`vectors.test.ts: seed ${seed}`)

const WIDE = 64

/** Numbers that look like chance, the same for the same seed. */
const randomly = (start: number) => {
  let state = start >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32 - 0.5
  }
}

const vectorOfChance = (next: () => number) => Float32Array.from({ length: WIDE }, next)

const unit = (vector: Float32Array) => {
  const length = Math.hypot(...vector)
  return vector.map((value) => value / length)
}

const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0)

describe("a kept vector", () => {
  it("takes a byte for each number and four more, and is the vector but for a hundredth", () => {
    const next = randomly(seed)
    for (let round = 0; round < 200; round += 1) {
      const vector = vectorOfChance(next).map((value) => value * 1000)
      const kept = keptOf(vector)
      assert.strictEqual(kept.length, WIDE + 4)
      assert.closeTo(dot(vectorOf(kept), unit(vector)), 1, 0.01)
      const question = unit(vectorOfChance(next))
      assert.closeTo(cosinesOf(question, kept)[0] ?? NaN, dot(question, unit(vector)), 0.01)
    }
  })

  it("has a bit for each positive number", () => {
    const vector = Float32Array.from({ length: WIDE }, (_, at) => at % 3 === 0 ? 1 : -1)
    const signs = signsOf(keptOf(vector))
    assert.strictEqual(signs.length, WIDE / 8)
    vector.forEach((value, at) => {
      assert.strictEqual((((signs[at >> 3] ?? 0) >> (at & 7)) & 1) === 1, value > 0)
    })
  })

  it("has them for any number of numbers, and for none that is nothing", () => {
    FastCheck.assert(
      FastCheck.property(
        FastCheck.array(FastCheck.integer({ min: -3, max: 3 }), { minLength: 1, maxLength: 40 }).filter((values) =>
          values.some((value) => value !== 0)
        ),
        (values) => {
          const signs = signsOf(keptOf(Float32Array.from(values)))
          const bits = values.map((_, at) => (((signs[at >> 3] ?? 0) >> (at & 7)) & 1) === 1)
          assert.deepStrictEqual(bits, values.map((value) => value > 0))
        }
      ),
      { seed }
    )
  })

  it("may have any number of numbers", () => {
    FastCheck.assert(
      FastCheck.property(
        FastCheck.array(FastCheck.float({ noNaN: true, min: 1, max: 9 }), { minLength: 1, maxLength: 40 }),
        (values) => {
          const kept = keptOf(Float32Array.from(values))
          assert.closeTo(cosinesOf(unit(Float32Array.from(values)), kept)[0] ?? NaN, 1, 0.02)
          assert.strictEqual(signsOf(kept).length, Math.ceil(values.length / 8))
        }
      ),
      { seed }
    )
  })
})

describe("the index of signs", () => {
  /** As with models, texts differ most in the first numbers. */
  const vectorOfText = (next: () => number) => vectorOfChance(next).map((value, at) => value / Math.sqrt(1 + at / 8))
  const filled = (count: number) => {
    const next = randomly(seed)
    const index = SignIndex.make(WIDE)
    const vectors = Array.from({ length: count }, () => vectorOfText(next))
    vectors.forEach((vector, at) => index.add(at + 1, at % 2 === 0 ? "even" : "odd", signsOf(keptOf(vector))))
    return { index, next, vectors, question: unit(vectorOfText(next)) }
  }
  const rids = (found: ReadonlyArray<{ readonly rid: number }>) => found.map(({ rid }) => rid)

  it("finds nine tenths of what is nearest among the first few", () => {
    const { index, next, vectors } = filled(5000)
    const shares = Array.from({ length: 100 }, () => {
      const question = unit(vectorOfText(next))
      const exact = vectors.map((vector, at) => ({ rid: at + 1, cosine: dot(unit(vector), question) }))
        .sort((a, b) => b.cosine - a.cosine)
      const found = new Set(rids(index.nearest(question, 200, {})))
      assert.strictEqual(found.size, 200)
      return exact.slice(0, 10).filter(({ rid }) => found.has(rid)).length / 10
    })
    assert.isAtLeast(shares.reduce((sum, share) => sum + share, 0) / shares.length, 0.9)
  })

  it("finds the only one there is, and all that are equally near", () => {
    const { index, question } = filled(1)
    assert.deepStrictEqual(rids(index.nearest(question, 10, {})), [1])
    const same = signsOf(keptOf(vectorOfText(randomly(seed))))
    const equal = SignIndex.make(WIDE)
    for (const rid of [1, 2, 3]) equal.add(rid, "one", same)
    assert.deepStrictEqual(rids(equal.nearest(question, 10, {})), [1, 2, 3])
  })

  it("finds only what is allowed", () => {
    const { index, question } = filled(500)
    assert.isTrue(rids(index.nearest(question, 50, { namespaces: new Set(["even"]) })).every((rid) => rid % 2 === 1))
    assert.deepStrictEqual(index.nearest(question, 50, { namespaces: new Set(["nobody's"]) }), [])
    assert.sameMembers(rids(index.nearest(question, 50, { rids: new Set([7, 9, 1000]) })), [7, 9])
  })

  it("gives each row once, however many parts of it are near", () => {
    const next = randomly(seed)
    const index = SignIndex.make(WIDE)
    const question = unit(vectorOfChance(next))
    for (let part = 0; part < 300; part += 1) index.add(1, "a", signsOf(keptOf(question)))
    index.add(2, "a", signsOf(keptOf(vectorOfChance(next))))
    assert.deepStrictEqual(rids(index.nearest(question, 10, {})), [1, 2])
    assert.deepStrictEqual([index.rows(), index.parts()], [2, 301])
  })

  it("finds what stands alone, or is all the same", () => {
    const index = SignIndex.make(WIDE)
    const question = unit(vectorOfChance(randomly(seed)))
    assert.deepStrictEqual(index.nearest(question, 10, {}), [])
    for (const rid of [1, 2, 3]) index.add(rid, rid === 1 ? "a" : "b", signsOf(keptOf(question)))
    assert.deepStrictEqual(rids(index.nearest(question, 10, { namespaces: new Set(["a"]) })), [1])
    assert.deepStrictEqual(rids(index.nearest(question, 10, {})), [1, 2, 3])
  })

  it("forgets rows, and goes on with the others as they were", () => {
    const { index, question } = filled(3000)
    const before = rids(index.nearest(question, 3000, {}))
    const gone = new Set(before.slice(0, 1000))
    index.remove(gone)
    assert.deepStrictEqual(rids(index.nearest(question, 3000, {})), before.slice(1000))
    assert.strictEqual(index.rows(), 2000)
  })
})
