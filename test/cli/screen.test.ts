import { assert, describe, it } from "@effect/vitest"
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
