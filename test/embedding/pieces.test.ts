import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as pieces from "../../src/embedding/pieces.js"

const vocabulary = ["[UNK]", "run", "##ning", "##s", "cafe", "!", "東", "京", ".", "a", "##b", "##ba"]
const cut = (text: string) => pieces.make(vocabulary)(text).map((number) => vocabulary[number])

describe("pieces", () => {
  it("are the longest that the vocabulary has", () => {
    assert.deepStrictEqual(cut("running runs"), ["run", "##ning", "run", "##s"])
    assert.deepStrictEqual(cut("aba"), ["a", "##ba"])
  })

  it("have no case and no marks", () => {
    assert.deepStrictEqual(cut("Café CAFÉ cafe\u0301"), ["cafe", "cafe", "cafe"])
  })

  it("end at punctuation, at blanks, and around Han characters", () => {
    assert.deepStrictEqual(cut("run!run."), ["run", "!", "run", "."])
    assert.deepStrictEqual(cut("東京run"), ["東", "京", "run"])
  })

  it("are one unknown for a word that cannot be cut, for one that is too long, and for a text without words", () => {
    assert.deepStrictEqual(cut("xyz run"), ["[UNK]", "run"])
    assert.deepStrictEqual(cut("run".repeat(40)), ["[UNK]"])
    assert.deepStrictEqual(cut(" \n"), ["[UNK]"])
  })

  it("are there for any text, and the same again", () => {
    const cutOnce = pieces.make(vocabulary)
    FastCheck.assert(FastCheck.property(FastCheck.fullUnicodeString(), (text) => {
      const found = cutOnce(text)
      assert.isAbove(found.length, 0)
      assert.deepStrictEqual(cutOnce(text), found)
    }))
  })
})
