import { assert, describe, it } from "@effect/vitest"
import * as shown from "./shown.js"

const answered = {
  id: "584dd248-1710-476e-b93c-7ac189b0a709",
  at: "2026-11-26T16:05:33.084000000+00:00",
  list: [{ a: 1, b: 2 }, { a: 2 }]
}
const differences = (text: string) => shown.differences(shown.parse(text), answered)

describe("an answer that a document shows", () => {
  it("is the one that was given, but for ids and moments", () => {
    const text = `{"id": "00000000-0000-0000-0000-000000000000", "at": "2020-01-01T00:00:00.000000000+00:00",
      "list": [{ "a": 1, … }, …]}`
    assert.deepStrictEqual(differences(text), [])
  })

  it.each([
    `{"id": "an id", …}`,
    `{"at": 1, …}`,
    `{"list": [{ "a": 1, … }], …}`,
    `{"list": [{ "a": 1 }, …], …}`,
    `{"list": [{ "a": 1, "b": 2, … }, …], …}`,
    `{"list": [{ "a": 2, … }, …], …}`,
    `{"list": [{ "a": 1, "b": 2 }, { "a": 2 }, …], …}`,
    `{"other": 1, …}`,
    `{"list": [{ "a": 1, "b": 2 }, { "a": 2 }]}`,
    `{"list": { "a": 1 }, …}`,
    `["list", …]`
  ])("is not another one: %s", (text) => {
    assert.isNotEmpty(differences(text))
  })
})
