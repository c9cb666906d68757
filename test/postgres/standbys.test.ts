import { assert, describe, it } from "@effect/vitest"
import { read } from "../../src/store/postgres/Standbys.js"

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
