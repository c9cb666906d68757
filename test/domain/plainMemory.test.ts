import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { isPlain } from "../../src/domain/CreateMemory.js"
import { SignedMemory } from "../../src/domain/SignedMemory.js"

const decode = Schema.decodeUnknownEither(SignedMemory)
const least = { title: "a title", content: "some content" }
const whole = {
  ...least,
  tier: "mid",
  namespace: "a",
  tags: ["x"],
  priority: 5,
  confidence: 0.5,
  source: "api",
  expires_at: "2026-01-01T00:00:00Z",
  ttl_secs: 60,
  metadata: { a: 1 },
  agent_id: "me",
  scope: "team",
  on_conflict: "merge"
}

const known: ReadonlyArray<readonly [string, unknown]> = [
  ...Object.entries(whole),
  ["signature", "x"],
  ["created_at", "2026-01-01T00:00:00Z"],
  ["other", 1],
  ["__proto__", {}]
]
const odd = ["", "x", "mid", 0.5, -1, Number.MAX_VALUE, true, null, [], ["x"], [1], [null], {}, { title: null }]

/** Objects of two fields beside the least, in any order, each as it should be or not. */
const bodies = known.flatMap(([one, usual]) =>
  [usual, ...odd].flatMap((value) =>
    known.flatMap(([other, usual]) => {
      const fields = [[one, value], [other, usual], ...Object.entries(least)]
        .map((pair) => pair.map((part) => JSON.stringify(part)).join(":"))
      return [fields, [...fields.slice(2), ...fields.slice(0, 2)]].map((all) => `{${all.join()}}`)
    })
  )
)

describe("what is plainly a memory to store", () => {
  it("is what the schema makes of it, in the same order", () => {
    for (const text of bodies) {
      const body: unknown = JSON.parse(text)
      if (!isPlain(body)) continue
      const decoded = decode(body)
      assert.deepStrictEqual(decoded, Either.right(body), text)
      assert.strictEqual(JSON.stringify(Either.getOrThrow(decoded)), JSON.stringify(body))
    }
  })

  it("is nearly all that is sent", () => {
    for (const body of [least, whole, { ...least, tags: [], metadata: {} }]) assert.isTrue(isPlain(body))
  })
})
