import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import { MemoryId } from "../../src/domain/ids.js"
import type { Memory } from "../../src/domain/Memory.js"
import * as Stamp from "../../src/domain/Stamp.js"
import * as UpdateMemory from "../../src/domain/UpdateMemory.js"

const before = Stamp.fromMillis(1000)
const stamp = Stamp.fromMillis(2000, 1)
const expiry = Stamp.fromMillis(9000)

const memory: Memory = {
  id: MemoryId.make("0c7ad26a-2a4d-4b7a-8f0e-1a1a1a1a1a1a"),
  tier: "mid",
  namespace: "global",
  title: "a title",
  content: "some content",
  tags: ["a"],
  priority: 5,
  confidence: 0.5,
  source: "api",
  access_count: 4,
  created_at: before,
  updated_at: before,
  last_accessed_at: before,
  expires_at: expiry,
  metadata: { agent_id: "ai:me", topic: "old" }
}

const validated = (body: object) => Either.flatMap(UpdateMemory.decode(body), UpdateMemory.validate)
const updated = (body: object, old: Memory = memory) =>
  UpdateMemory.apply(old, Either.getOrThrow(validated(body)), stamp)

describe("UpdateMemory", () => {
  it("changes only what is given, and the time of the change", () => {
    assert.deepStrictEqual(updated({}), { ...memory, updated_at: stamp })
    const change = { title: "t", content: "c", namespace: "n", tags: [], priority: 1, confidence: 0 }
    assert.deepStrictEqual(updated(change), { ...memory, ...change, updated_at: stamp })
  })

  it("takes null for absent, so that nothing can be cleared", () => {
    const fields = ["title", "content", "tier", "namespace", "tags", "priority", "confidence", "expires_at", "metadata"]
    const nulls = Object.fromEntries([...fields, "expected_version"].map((field) => [field, null]))
    assert.deepStrictEqual(updated(nulls), { ...memory, updated_at: stamp })
    assert.deepStrictEqual(Either.getOrThrow(UpdateMemory.decode(nulls)), {})
  })

  it("moves the tier up and never down", () => {
    assert.strictEqual(updated({ tier: "short" }).tier, "mid")
    assert.strictEqual(updated({ tier: "short" }).expires_at, expiry)
    assert.strictEqual(updated({ tier: "mid" }, { ...memory, tier: "short" }).tier, "mid")
    assert.strictEqual(updated({ tier: "mid" }, { ...memory, tier: "long" }).tier, "long")
  })

  it("ends the expiry of what becomes long, unless it says when", () => {
    assert.strictEqual(updated({ tier: "long" }).tier, "long")
    assert.notProperty(updated({ tier: "long" }), "expires_at")
    assert.strictEqual(
      updated({ tier: "long", expires_at: "2026-01-01T00:00:00Z" }).expires_at,
      Stamp.fromMillis(
        Date.UTC(2026, 0, 1)
      )
    )
  })

  it("sets an expiry in canonical form, a past one too", () => {
    assert.strictEqual(
      updated({ expires_at: "1999-12-31T23:59:59Z" }).expires_at,
      "1999-12-31T23:59:59.000000000+00:00"
    )
  })

  it("replaces the metadata but not the owner in it", () => {
    assert.deepStrictEqual(updated({ metadata: { a: 1, agent_id: "thief" } }).metadata, { a: 1, agent_id: "ai:me" })
    assert.deepStrictEqual(updated({ metadata: {} }).metadata, { agent_id: "ai:me" })
    assert.deepStrictEqual(updated({ metadata: { a: 1 } }, { ...memory, metadata: {} }).metadata, { a: 1 })
    assert.deepStrictEqual(updated({ metadata: {} }, { ...memory, metadata: { agent_id: 7 } }).metadata, {})
  })

  it.each<[unknown, string]>([
    [{ title: 1 }, "title"],
    [{ tier: "none" }, "tier"],
    [{ tags: [1] }, "tags[0]"],
    [{ tags: "a" }, "tags"],
    [{ priority: 0.5 }, "priority"],
    [{ expected_version: 1 }, "expected_version"],
    [[], ""]
  ])("has a shape (%j)", (body, field) => {
    assert.strictEqual(Either.getOrThrow(Either.flip(UpdateMemory.decode(body))).field, field)
  })

  it.each<[object, string]>([
    [{ title: " " }, "title"],
    [{ content: "" }, "content"],
    [{ namespace: "a b" }, "namespace"],
    [{ tags: [""] }, "tags[0]"],
    [{ priority: 0 }, "priority"],
    [{ confidence: -1 }, "confidence"],
    [{ expires_at: "" }, "expires_at"],
    [{ metadata: [] }, "metadata"],
    [{ metadata: { k: "x".repeat(65_536) } }, "metadata"]
  ])("keeps the rules (%j)", (body, field) => {
    const { _tag, field: named } = Either.getOrThrow(Either.flip(validated(body)))
    assert.deepStrictEqual({ _tag, field: named }, { _tag: "Invalid", field })
  })
})
