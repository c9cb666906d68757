import { assert, describe, it } from "@effect/vitest"
import { shortIds } from "../../src/cli/people/memories.js"
import { harmless, json, onOneLine } from "../../src/cli/people/screen.js"
import { table } from "../../src/cli/people/table.js"

const plain = (width: number) => ({ width, bold: (text: string) => text, dim: (text: string) => text })

describe("what a terminal is given", () => {
  it("has no orders in it, in texts and in JSON", () => {
    const evil = "a\u001b[2J\u009b31m\u0007\r\u202e\u2066\u007f\tb\nc"
    assert.strictEqual(harmless(evil), "a\\u{1b}[2J\\u{9b}31m\\u{7}\\u{d}\\u{202e}\\u{2066}\\u{7f}\tb\nc")
    assert.strictEqual(onOneLine("  a\n\tb\u001b "), "a b\\u{1b}")
    const text = json({ evil })
    assert.notMatch(text, /\p{Cc}|[\u202e\u2066]/u)
    assert.deepStrictEqual(JSON.parse(text), { evil })
  })

  it("is a table as wide as the screen, measured in its columns", () => {
    const columns = [{ title: "ID" }, { title: "TITLE", isCut: true }, { title: "N", isNumber: true }]
    const rows = [["1", "漢字漢字漢字漢字漢字漢字漢字漢字", "7"], ["22", "👨‍👩‍👧‍👦 and é", "123"]]
    assert.strictEqual(
      table(plain(24), columns, rows),
      "ID  TITLE              N\n1   漢字漢字漢字漢…    7\n22  👨‍👩‍👧‍👦 and é         123"
    )
    assert.strictEqual(table(plain(80), columns, []), "ID  TITLE  N")
  })
})

describe("the short form of ids", () => {
  const byTime = "0193a5c4-7e21-7a3f-9c52-5f1c7e0b2d94"

  it("is as long as it takes to tell a memory by", () => {
    const ids = [
      byTime,
      "5b1f0c9e-44d2-8c6a-b1d7-0e9a4c3f7d25",
      "5b1f0c9f-44d2-4c6a-b1d7-0e9a4c3f7d25",
      "note 12 of March",
      "a"
    ]
    assert.deepStrictEqual(ids.map(shortIds(ids)), ["0193a5c4-7e21-7a3f", "5b1f0c9e", "5b1f0c9f", "note 12 ", "a"])
  })

  it("is the whole id where two that stand together would look the same", () => {
    const ids = [
      byTime,
      "0193a5c4-7e21-7a3f-8000-5f1c7e0b2d94",
      "note 12 of March",
      "note 12 of May",
      "0193a5c4-7e21-7a40-9c52-5f1c7e0b2d94"
    ]
    assert.deepStrictEqual(ids.map(shortIds([...ids, byTime])), [...ids.slice(0, 4), "0193a5c4-7e21-7a40"])
    assert.deepStrictEqual([byTime].map(shortIds([byTime, byTime])), ["0193a5c4-7e21-7a3f"])
  })
})
