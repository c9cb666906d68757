import { assert, describe, it } from "@effect/vitest"
import { coverageOf, likeness, strengthOf } from "../../../src/domain/recall/evidence.js"

describe("the coverage of a question", () => {
  it("is the share of its words that were found, rare ones counting more and unknown ones fully", () => {
    assert.strictEqual(coverageOf([], 100), 0)
    assert.strictEqual(coverageOf([{ documents: 3, found: 1 }], 100), 1)
    const common = { documents: 50, found: 1 }
    const rare = { documents: 1, found: 0 }
    const unknown = { documents: 0, found: 0 }
    assert.isBelow(coverageOf([common, rare], 100), 0.5)
    assert.isBelow(coverageOf([common, unknown], 100), coverageOf([common, rare], 100))
    assert.isAbove(coverageOf([{ ...common, found: 0 }, { ...rare, found: 1 }], 100), 0.5)
  })
})

describe("the strength of an answer", () => {
  const fit = { coverage: 0.5, cosine: 0.5, gap: 0.2, time: null }

  it("grows with each thing that speaks for it, from 0 to 1", () => {
    const strength = strengthOf(fit)
    for (const more of [{ coverage: 0.6 }, { cosine: 0.6 }, { gap: 0.3 }, { time: 1 }]) {
      assert.isAbove(strengthOf({ ...fit, ...more }), strength)
    }
    assert.isBelow(strengthOf({ coverage: 0, cosine: -1, gap: 0, time: null }), 0.01)
    assert.isAbove(strengthOf({ coverage: 1, cosine: 1, gap: 0.5, time: 1 }), 0.99)
  })

  it("is told by words alone where there are no vectors", () => {
    const words = { ...fit, cosine: null, gap: 0 }
    assert.isAbove(strengthOf({ ...words, coverage: 1 }), strengthOf({ ...words, coverage: 0 }))
  })
})

describe("likeness", () => {
  it("is 0 for what has nothing to do with each other, and 1 for the same", () => {
    assert.deepStrictEqual([likeness(-1), likeness(0.1), likeness(0.9), likeness(1)], [0, 0, 1, 1])
    assert.isAbove(likeness(0.5), likeness(0.4))
  })
})
