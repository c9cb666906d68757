import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { MemoryId } from "../../../src/domain/ids.js"
import { type Candidate, rank, type Weights } from "../../../src/domain/recall/rank.js"

const weights: Weights = { semantic: 0.6, time: 0.75, context: 0.7 }

const candidate = (rid: number, known: Partial<Candidate> = {}): Candidate => ({
  rid,
  id: MemoryId.make(`m${String(rid).padStart(4, "0")}`),
  tier: "mid",
  priority: 5,
  confidence: 1,
  accessCount: 0,
  ageDays: 0,
  levelsUp: 0,
  keyword: 0,
  cosine: null,
  time: null,
  ...known
})

const order = (candidates: ReadonlyArray<Candidate>, beside: Parameters<typeof rank>[1] = []) =>
  rank(candidates, beside, weights).map(({ candidate }) => candidate.rid)

const scoreOf = (known: Partial<Candidate>, beside: Partial<Candidate> = {}) =>
  rank([candidate(1, { keyword: 1, ...known }), candidate(2, { keyword: 1, ...beside })], [], weights)
    .find(({ candidate }) => candidate.rid === 1)?.score ?? 0

describe("the rank of what was found", () => {
  it("is by words where there is nothing else", () => {
    assert.deepStrictEqual(order([candidate(1, { keyword: 2 }), candidate(2, { keyword: 5 }), candidate(3)]), [2, 1, 3])
  })

  it("is by meaning where words say nothing, and more the more the nearest stands out", () => {
    const far = Array.from({ length: 20 }, (_, at) => candidate(10 + at, { cosine: 0.1 }))
    assert.strictEqual(order([candidate(1, { cosine: 0.7 }), ...far])[0], 1)
    const words = candidate(2, { keyword: 3, cosine: 0.1 })
    assert.strictEqual(order([candidate(1, { cosine: 0.9 }), words, ...far])[0], 1, "it stands out")
    const near = far.map((other) => ({ ...other, cosine: 0.85 }))
    assert.strictEqual(order([candidate(1, { cosine: 0.9 }), words, ...near])[0], 2, "so do all others")
  })

  it("is by meaning however few there are", () => {
    for (const cosines of [[0.5], [0.5, 0.5], [0.5, 0.48]]) {
      const ranked = rank(cosines.map((cosine, at) => candidate(at, { cosine })), [], weights)
      assert.isTrue(ranked.every(({ score }) => score > 0.1), cosines.join())
    }
    const [against] = rank([candidate(1, { cosine: -0.2 })], [], weights)
    assert.strictEqual(against?.score, 0)
  })

  it("is by words alone for one that has no vector yet: what was just stored is found by its very words", () => {
    const far = Array.from({ length: 20 }, (_, at) => candidate(10 + at, { cosine: 0.1 }))
    const [first] = order([candidate(1, { keyword: 5 }), candidate(2, { cosine: 0.9 }), ...far])
    assert.strictEqual(first, 1)
    assert.strictEqual(order([candidate(1, { keyword: 1 }), candidate(2, { keyword: 2, cosine: 0.9 }), ...far])[0], 2)
  })

  it("lifts what was written at the time that was named", () => {
    const named = [candidate(1, { keyword: 4, time: 0 }), candidate(2, { keyword: 3, time: 1 })]
    assert.deepStrictEqual(order(named), [2, 1])
  })

  it("lifts what stands beside something that fits, the nearer the more", () => {
    const all = [candidate(1, { keyword: 5 }), candidate(2), candidate(3), candidate(4)]
    const near = { neighbour: 1, steps: 1, inSession: true, isLater: false }
    assert.deepStrictEqual(order(all, [{ ...near, rid: 3 }, { ...near, rid: 2, steps: 3 }]), [1, 3, 2, 4])
    assert.deepStrictEqual(
      order(all, [{ ...near, rid: 3 }, { ...near, rid: 2, isLater: true }]),
      [1, 3, 2, 4],
      "what it answers"
    )
    assert.deepStrictEqual(
      order(all, [{ ...near, rid: 3 }, { ...near, rid: 2, inSession: false }]),
      [1, 3, 2, 4],
      "a session"
    )
  })

  it("does not lift what stands beside something for the time of that", () => {
    const all = [candidate(1, { keyword: 1, time: 0 }), candidate(2, { time: 1 }), candidate(3, { time: 0 })]
    const near = { steps: 1, inSession: true, isLater: false }
    const score = (beside: Parameters<typeof rank>[1]) =>
      rank(all, beside, weights).find(({ candidate }) => candidate.rid === 3)?.score
    assert.strictEqual(score([{ ...near, rid: 3, neighbour: 2 }]), score([]))
  })

  it("moves a score by at most a tenth for priority, confidence, tier and age together, by 3 % for use", () => {
    const whole = scoreOf({})
    FastCheck.assert(FastCheck.property(
      FastCheck.record({
        priority: FastCheck.integer({ min: 1, max: 10 }),
        confidence: FastCheck.double({ min: 0, max: 1, noNaN: true }),
        tier: FastCheck.constantFrom("short" as const, "mid" as const, "long" as const),
        ageDays: FastCheck.double({ min: -1, max: 10_000, noNaN: true })
      }),
      FastCheck.record({ accessCount: FastCheck.integer({ min: 0, max: 1_000_000 }) }),
      (worth, use) => {
        const best = rank([candidate(1, { keyword: 1, priority: 10, tier: "long" })], [], weights)[0]?.score ?? 0
        assert.isAtLeast(scoreOf(worth) / best, 0.9)
        assert.isAtMost(scoreOf(worth) / best, 1.000_001)
        assert.isAtMost(scoreOf(use) / whole, 1.03 + 1e-9)
        assert.isAtLeast(scoreOf(use), whole)
      }
    ))
  })

  it("divides by 1 + 0.3 for each level of namespaces between", () => {
    assert.closeTo(scoreOf({ levelsUp: 2 }), scoreOf({}) / 1.6, 1e-9)
  })

  it("is the same in whatever order they come", () => {
    FastCheck.assert(FastCheck.property(
      FastCheck.array(
        FastCheck.record({ keyword: FastCheck.constantFrom(0, 1, 2), cosine: FastCheck.constantFrom(null, 0.1, 0.5) }),
        { minLength: 1, maxLength: 20 }
      ),
      (each) => {
        const all = each.map((known, at) => candidate(at, known))
        assert.deepStrictEqual(order(Array.from(all).reverse()), order(all))
      }
    ))
  })

  it("has parts that say what a score is made of", () => {
    const [first] = rank(
      [candidate(1, { keyword: 2, cosine: 0.5, time: 1, levelsUp: 1 }), candidate(2, { cosine: 0.1 })],
      [],
      weights
    )
    assert.deepInclude(first?.parts, { keyword: 1, semantic: 1, time: 1, context: 0 })
    assert.closeTo(first?.parts.distance ?? 0, 1 / 1.3, 1e-9)
  })
})
