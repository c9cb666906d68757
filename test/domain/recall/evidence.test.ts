import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { coverageOf, isAsking, likeness, resemblances, weightOf } from "../../../src/domain/recall/evidence.js"

describe("what a word tells", () => {
  it("is the more the fewer memories have it, and most where none has", () => {
    assert.isAbove(weightOf(0, 100), weightOf(1, 100))
    assert.isAbove(weightOf(1, 100), weightOf(50, 100))
    assert.isAbove(weightOf(100, 100), 0)
    assert.isAbove(weightOf(200, 100), 0, "more have it than there were a minute ago")
  })

  it("is nothing of one by which one asks", () => {
    assert.deepStrictEqual(["many", "wann", "где", "什么", "deploy"].map(isAsking), [true, true, true, true, false])
  })
})

describe("the coverage of a question", () => {
  it("is the share of what it tells that was found", () => {
    assert.strictEqual(coverageOf([]), 0)
    assert.strictEqual(coverageOf([{ weight: 3, found: 1 }]), 1)
    assert.strictEqual(coverageOf([{ weight: 3, found: 1 }, { weight: 1, found: 0 }]), 0.75)
    assert.strictEqual(coverageOf([{ weight: 1, found: 0.5 }, { weight: 1, found: 0 }]), 0.25)
  })
})

const resemblance = (word: string, other: string) => resemblances([word], [other])[0] ?? Number.NaN

describe("a word that is like another", () => {
  it("is less than the word itself, and nothing from a certain angle on", () => {
    assert.deepStrictEqual([likeness(-1), likeness(0.4), likeness(0.7), likeness(1)], [0, 0, 0.9, 0.9])
    assert.isAbove(likeness(0.6), likeness(0.5))
  })

  it("may be nearly written like it", () => {
    for (
      const [word, other] of [["physioterapy", "physiotherapy"], ["receipe", "recipe"], [
        "anniversery",
        "anniversary"
      ]] as const
    ) {
      assert.isAbove(resemblance(word, other), 0.6, word)
    }
    for (
      const [word, other] of [["dentist", "doctor"], ["abc", "abd"], ["port9077", "port9078"], [
        "kafka",
        "kappa"
      ]] as const
    ) {
      assert.strictEqual(resemblance(word, other), 0, word)
    }
  })

  it("is found as well among many, for many words at once", () => {
    const words = ["physioterapy", "dentist", "receipe", "banana", "abc"]
    const others = ["doctor", "physiotherapy", "physio", "recipe", "bananas", "ananas", "abd"]
    assert.deepStrictEqual(
      resemblances(words, others),
      words.map((word) => Math.max(...others.map((other) => resemblance(word, other))))
    )
    assert.isBelow(resemblance("anananan", "ananxxxx"), 0.65, "a pair counts as often as both have it")
  })

  it("is looked for among many words at once: each of the others is looked at one time, however many look for it", () => {
    const many = (seed: number) =>
      Array.from({ length: 8000 }, (_, at) => Math.sin(seed + at).toString(36).replaceAll(/[^a-z]/g, ""))
    const [words, others] = [many(1).slice(0, 512), many(20_000)]
    let looked = 0
    const once = (function*() {
      for (const other of others) {
        looked += 1
        yield other
      }
    })()
    const found = resemblances(words, once)
    assert.strictEqual(looked, others.length)
    for (const at of [0, 300, 511]) {
      const word = words[at] ?? ""
      assert.strictEqual(found[at], Math.max(...others.map((other) => resemblance(word, other))), word)
    }
  })

  it("never is more than it, and resembles both ways alike", () => {
    FastCheck.assert(FastCheck.property(FastCheck.fullUnicodeString(), FastCheck.fullUnicodeString(), (word, other) => {
      const found = resemblance(word, other)
      assert.isTrue(found >= 0 && found <= 0.9)
      if (!/\p{N}/u.test(word + other)) assert.closeTo(resemblance(other, word), found, 1e-9)
    }))
  })
})
