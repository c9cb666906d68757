import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { makeEach, runsOf } from "../../../src/domain/analysis/runs.js"

describe("the runs of a text", () => {
  const counting = () => {
    let made = 0
    const each = makeEach((written) => {
      made += 1
      return { written }
    })
    return { made: () => made, written: (text: string) => each(text).map(({ written }) => written) }
  }

  it("are what stands between blanks, kept or not", () => {
    const { written } = counting()
    const part = FastCheck.oneof(
      FastCheck.string({ maxLength: 4 }),
      FastCheck.fullUnicodeString({ maxLength: 40 }),
      FastCheck.constantFrom(..." \t\n\u0085\u00a0\u1680\u2003\u2028\u202f\u3000\ufeff\u200b\u001c")
    )
    FastCheck.assert(FastCheck.property(FastCheck.array(part), (parts) => {
      const text = parts.join("")
      assert.deepStrictEqual(written(text), runsOf(text))
    }))
  })

  it("are made of once, however many others come between", () => {
    const { made, written } = counting()
    const few = Array.from({ length: 1000 }, (_, at) => `word${at}`)
    for (let round = 0; round < 3; round += 1) assert.deepStrictEqual(written(few.join(" ")), few)
    assert.isBelow(made(), 1010)
    const many = Array.from({ length: 100_000 }, (_, at) => at.toString(36))
    for (let round = 0; round < 2; round += 1) assert.deepStrictEqual(written(many.join("\n")), many)
  })

  it("are made anew when they are long", () => {
    const { made, written } = counting()
    const long = "x".repeat(33)
    assert.deepStrictEqual(written(`${long} ${long}`), [long, long])
    assert.strictEqual(made(), 2)
  })
})
