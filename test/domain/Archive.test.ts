import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Archive from "../../src/domain/Archive.js"
import { MemoryId } from "../../src/domain/ids.js"
import { usual } from "../../src/domain/Lifetimes.js"
import type { Memory } from "../../src/domain/Memory.js"
import * as Stamp from "../../src/domain/Stamp.js"

const nowMillis = Date.UTC(2026, 0, 15, 12)
const now = Stamp.fromMillis(nowMillis)
const at = (millis: number) => Stamp.fromMillis(nowMillis + millis)

const memory = (fields: Partial<Memory>): Memory => ({
  id: MemoryId.make("a"),
  tier: "mid",
  namespace: "global",
  title: "t",
  content: "c",
  tags: ["x"],
  priority: 1,
  confidence: 0.5,
  source: "api",
  access_count: 3,
  created_at: at(-1000),
  updated_at: at(-1000),
  metadata: { a: 1 },
  ...fields
})

describe("restored", () => {
  it("leaves everything as it was but the version", () => {
    assert.deepStrictEqual(Archive.restored(memory({}), now, usual), memory({ updated_at: now }))
    const expiring = memory({ expires_at: at(1) })
    assert.deepStrictEqual(Archive.restored(expiring, now, usual), { ...expiring, updated_at: now })
  })

  it("gives what has expired the time of its tier", () => {
    const expiry = (tier: Memory["tier"], expires_at: Stamp.Stamp) =>
      Archive.restored(memory({ tier, expires_at }), now, usual).expires_at
    assert.strictEqual(expiry("short", now), at(6 * 3_600_000))
    assert.strictEqual(expiry("mid", at(-1)), at(7 * 86_400_000))
    assert.isFalse("expires_at" in Archive.restored(memory({ tier: "long", expires_at: at(-1) }), now, usual))
  })
})

describe("reason", () => {
  it("is a short line of text", () => {
    for (const good of ["archive", "a b", "x".repeat(512), "é".repeat(256), " padded "]) {
      assert.deepStrictEqual(Archive.reason(good), Either.right(good))
    }
    for (const bad of ["", " ", "x".repeat(513), "é".repeat(257), "a\u0000", "a\r"]) {
      const result = Archive.reason(bad)
      assert.isTrue(Either.isLeft(result) && result.left.field === "reason" && result.left.message.startsWith("reason"))
    }
  })
})
