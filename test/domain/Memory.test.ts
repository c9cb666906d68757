import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import { MemoryId } from "../../src/domain/ids.js"
import * as Memory from "../../src/domain/Memory.js"
import { validateMemory } from "../../src/domain/validate.js"
import { memory } from "./arbitraries.js"

const row = {
  id: MemoryId.make("0c7ad26a-2a4d-4b7a-8f0e-1a1a1a1a1a1a"),
  tier: "mid",
  namespace: "global",
  title: "a title",
  content: "some content",
  tags: ["a"],
  priority: 5,
  confidence: 1,
  source: "api",
  access_count: 0,
  created_at: "2026-05-07T08:09:10.123Z",
  updated_at: "2026-05-07T08:09:10.123Z"
}

const failure = (input: unknown, at?: string) => {
  const { field, message } = Either.getOrThrow(Either.flip(Memory.decode(input, at)))
  return { field, message }
}

const without = (field: string) => Object.fromEntries(Object.entries(row).filter(([key]) => key !== field))

describe("Memory", () => {
  it("goes through JSON unchanged, whatever it says", () => {
    FastCheck.assert(
      FastCheck.property(memory, (original) => {
        const text = Memory.encodeJson(original)
        const back = Either.getOrThrow(Either.flatMap(Memory.decode(JSON.parse(text)), validateMemory))
        assert.deepStrictEqual(back, original)
        assert.strictEqual(Memory.encodeJson(back), text)
      }),
      { numRuns: 500 }
    )
  })

  it("is written in one order of keys, absent ones left out", () => {
    const shuffled = Object.fromEntries(Object.entries({ ...row, metadata: { z: 1, a: [null] } }).reverse())
    const text = Memory.encodeJson(Either.getOrThrow(Memory.decode(shuffled)))
    assert.deepStrictEqual(Object.keys(JSON.parse(text)), [...Object.keys(row), "metadata"])
    assert.isTrue(text.endsWith(`"metadata":{"z":1,"a":[null]}}`))
  })

  it("puts the optional stamps before the metadata", () => {
    const full = { ...row, last_accessed_at: row.created_at, expires_at: row.created_at, metadata: {} }
    assert.strictEqual(Memory.encodeJson(Either.getOrThrow(Memory.decode(full))), JSON.stringify(full))
  })

  it("keeps stamps as they were given", () => {
    assert.strictEqual(Either.getOrThrow(Memory.decode(row)).created_at, row.created_at)
  })

  it("takes null for absent where absence is allowed", () => {
    const nulls = { ...row, last_accessed_at: null, expires_at: null, metadata: null }
    assert.deepStrictEqual(Either.getOrThrow(Memory.decode(nulls)), { ...row, tier: "mid", metadata: {} })
    assert.deepStrictEqual(Either.getOrThrow(Memory.decode(row)), { ...row, tier: "mid", metadata: {} })
  })

  it("keeps the fields that it does not know, by the order of their names, and writes them again as they were", () => {
    const given = { citations: [{ z: 1, a: null }], ...row, attest_level: "unsigned", 7: "" }
    const decoded = Either.getOrThrow(Memory.decode(JSON.parse(JSON.stringify(given))))
    const text = Memory.encodeJson(decoded)
    assert.isTrue(
      text.endsWith(
        `"metadata":{},"7":"","attest_level":"unsigned","citations":[{"z":1,"a":null}]}`
      ),
      text
    )
    assert.strictEqual(Memory.encodeJson(Either.getOrThrow(Memory.decode(JSON.parse(text)))), text)
    assert.deepStrictEqual(Memory.withoutCarried(decoded), Either.getOrThrow(Memory.decode(row)))
  })

  it("takes nothing from a field that would be its prototype", () => {
    const text = JSON.stringify(row).replace("{", `{"__proto__":{"expires_at":"${row.created_at}"},`)
    const decoded = Either.getOrThrow(Memory.decode(JSON.parse(text)))
    assert.deepStrictEqual([decoded.expires_at, Object.getPrototypeOf(decoded)], [undefined, Object.prototype])
    assert.deepStrictEqual(Memory.carried(decoded), {})
  })

  it("passes metadata on untouched, keys that mean something to JavaScript too", () => {
    const text = `{"b":1,"__proto__":{"x":1},"constructor":null,"a":[{"toString":2}]}`
    const decoded = Either.getOrThrow(Memory.decode({ ...row, metadata: JSON.parse(text) }))
    assert.isTrue(Memory.encodeJson(decoded).endsWith(`"metadata":${text}}`))
  })

  it.each(Object.keys(row))("misses %s, and does not take null for it", (field) => {
    assert.deepStrictEqual(failure(without(field)), { field, message: `${field} is required` })
    assert.strictEqual(failure({ ...row, [field]: null }).field, field)
  })

  it.each([
    ["id", 1, "id must be a string"],
    ["tier", "huge", "tier must be one of short, mid, long"],
    ["tags", "a", "tags must be an array"],
    ["priority", 1.5, "priority must be an integer"],
    ["priority", "5", "priority must be a number"],
    ["confidence", "1", "confidence must be a number"],
    ["access_count", 0.5, "access_count must be an integer"],
    ["created_at", 1, "created_at must be a string"],
    ["expires_at", 1, "expires_at must be a string or null"],
    ["metadata", [], "metadata must be an object or null"],
    ["metadata", "text", "metadata must be an object or null"]
  ])("refuses a wrong %s (%j) by its name", (field, value, message) => {
    assert.deepStrictEqual(failure({ ...row, [field]: value }), { field, message })
  })

  it("names the place within a request and never the value", () => {
    const { field, message } = failure({ ...row, tags: ["a", { secret: "hunter2" }] }, "memories[3]")
    assert.strictEqual(field, "memories[3].tags[1]")
    assert.strictEqual(message, "memories[3].tags[1] must be a string")
    assert.strictEqual(failure([], "memories[0]").field, "memories[0]")
    assert.deepStrictEqual(failure("text"), { field: "", message: "the value must be an object" })
    assert.strictEqual(failure(null).field, "")
  })
})
