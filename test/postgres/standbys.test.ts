import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { make, read } from "../../src/store/postgres/Standbys.js"

describe("the setting of the standbys", () => {
  const cases: ReadonlyArray<[string, number, string | null]> = [
    ["", 0, null],
    ["  ", 0, null],
    ["ANY 1 (s1, s2)", 1, "ANY 1 of 2"],
    ["any 2 ( s1,s2 , s3 )", 2, "ANY 2 of 3"],
    ["FIRST 2 (s1, s2, s3)", 2, "FIRST 2 of 3"],
    ["2 (s1, s2)", 2, "FIRST 2 of 2"],
    ["s1", 1, "FIRST 1 of 1"],
    ["s1, s2", 1, "FIRST 1 of 2"],
    ["*", 1, "FIRST 1 of *"],
    ["ANY 1 (*)", 1, "ANY 1 of *"],
    ["ANY 1 (\"a, b\", \"c \"\"(d)\"\"\")", 1, "ANY 1 of 2"]
  ]
  for (const [names, count, shown] of cases) {
    it(`reads ${JSON.stringify(names)}`, () => assert.deepStrictEqual(read(names), { count, shown }))
  }
})

describe("what has to hold a write", () => {
  it.effect("is asked for as it was last enough, and shown as it is", () =>
    Effect.gen(function*() {
      let changes = 0
      const standbys = make(1, Effect.sync(() => changes++))
      const see = (names: string) => Effect.map(Effect.either(standbys.said(names)), ({ _tag }) => _tag)
      const all = () => [standbys.names(), standbys.shown().synchronous, changes]
      assert.strictEqual(yield* see("ANY 1 (a, b)"), "Right")
      assert.deepStrictEqual(all(), ["ANY 1 (a, b)", "ANY 1 of 2", 0])
      for (let i = 0; i < 2; i++) {
        assert.strictEqual(yield* see(""), "Left")
        assert.deepStrictEqual(all(), ["ANY 1 (a, b)", null, 1])
      }
      assert.strictEqual(yield* see("ANY 1 (a, b)"), "Right")
      assert.deepStrictEqual(all(), ["ANY 1 (a, b)", "ANY 1 of 2", 2])
      assert.strictEqual(yield* see("FIRST 2 (a, b, c)"), "Right")
      assert.deepStrictEqual(all(), ["FIRST 2 (a, b, c)", "FIRST 2 of 3", 3])
    }))
})
