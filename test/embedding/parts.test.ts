import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { MAX_PARTS, partsOf } from "../../src/embedding/parts.js"

/** 35 characters. */
const TOKENS = 10

describe("the parts of a text", () => {
  it("are one where it fits", () => {
    assert.deepStrictEqual(partsOf("Title", "Short.", TOKENS), ["Title\nShort."])
  })

  it("end where sentences end, or lines, or words, or else in the middle of one", () => {
    assert.deepStrictEqual(partsOf("T", "This is the first one. And here is the second.", TOKENS), [
      "T\nThis is the first one.",
      "And here is the second."
    ])
    assert.deepStrictEqual(
      partsOf("T", "some twenty letters here\nand more of them, too", TOKENS)[0],
      "T\nsome twenty letters here\n"
    )
    assert.deepStrictEqual(
      partsOf("T", "a very long line of words without any end", TOKENS)[0],
      "T\na very long line of words "
    )
    assert.strictEqual(partsOf("T", "x".repeat(60), TOKENS)[0]?.length, 35)
    assert.deepStrictEqual(
      partsOf("T", "这是第一句话它有很多很多的字符在里面。这是第二句话它也有很多很多的字符。", TOKENS),
      [
        "T\n这是第一句话它有很多很多的字符在里面。",
        "这是第二句话它也有很多很多的字符。"
      ]
    )
  })

  it("tear no character, lose nothing but blanks, and are not too many", () => {
    FastCheck.assert(FastCheck.property(FastCheck.fullUnicodeString({ maxLength: 300 }), (text) => {
      const parts = partsOf("T", text, TOKENS)
      assert.isAtMost(parts.length, MAX_PARTS)
      for (const part of parts) assert.notMatch(part, /^[\udc00-\udfff]|[\ud800-\udbff]$/)
      assert.strictEqual(parts.join("").replaceAll(/\s/g, ""), `T${text}`.replaceAll(/\s/g, ""))
    }))
    assert.lengthOf(partsOf("T", "x".repeat(100_000), TOKENS), MAX_PARTS)
  })
})
