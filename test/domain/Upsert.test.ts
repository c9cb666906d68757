import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Stamp from "../../src/domain/Stamp.js"
import * as Tier from "../../src/domain/Tier.js"
import { freeTitle, mergeUpsert } from "../../src/domain/Upsert.js"
import { title } from "../../src/domain/validate.js"
import { memory } from "./arbitraries.js"

const stamp = Stamp.fromMillis(2000, 1)

describe("mergeUpsert", () => {
  it("takes over, keeps and joins as agreed, for any two memories", () => {
    FastCheck.assert(FastCheck.property(memory, memory, (old, incoming) => {
      const merged = mergeUpsert(old, incoming, stamp)
      const { content, tags, source } = merged
      assert.deepStrictEqual({ content, tags, source }, {
        content: incoming.content,
        tags: incoming.tags,
        source: incoming.source
      })
      const { access_count, created_at, id, last_accessed_at, namespace, title } = merged
      assert.deepStrictEqual({ access_count, created_at, id, last_accessed_at, namespace, title }, {
        access_count: old.access_count,
        created_at: old.created_at,
        id: old.id,
        last_accessed_at: old.last_accessed_at,
        namespace: old.namespace,
        title: old.title
      })
      assert.strictEqual(merged.priority, Math.max(old.priority, incoming.priority))
      assert.strictEqual(merged.confidence, Math.max(old.confidence, incoming.confidence))
      assert.strictEqual(merged.tier, Tier.max(old.tier, incoming.tier))
      assert.strictEqual(merged.updated_at, stamp)
      assert.strictEqual(
        merged.expires_at,
        merged.tier === "long" ? undefined : incoming.expires_at ?? old.expires_at
      )
      // Absent is absent: a key that is there and undefined would be another memory to everyone who compares.
      assert.notInclude(Object.values(merged), undefined)
    }))
  })

  it("knows the order of the tiers", () => {
    const tiers: ReadonlyArray<Tier.Tier> = ["short", "mid", "long"]
    for (const [i, a] of tiers.entries()) {
      for (const [j, b] of tiers.entries()) assert.strictEqual(Tier.max(a, b), tiers[Math.max(i, j)])
    }
  })

  it("keeps the owner, whoever writes", () => {
    FastCheck.assert(FastCheck.property(memory, memory, (old, incoming) => {
      const owned = { ...old, metadata: { ...old.metadata, agent_id: "ai:me" } }
      const theft = { ...incoming, metadata: { ...incoming.metadata, agent_id: "thief" } }
      assert.deepStrictEqual(mergeUpsert(owned, theft, stamp).metadata, { ...theft.metadata, agent_id: "ai:me" })
    }))
  })
})

describe("freeTitle", () => {
  const among = (...taken: ReadonlyArray<string>) => (title: string) => taken.includes(title)

  it("is the title itself when that is free", () => assert.strictEqual(freeTitle("a ", among("a")), "a "))

  it("counts from 2 to the first free one", () => {
    assert.strictEqual(freeTitle("a", among("a")), "a (2)")
    assert.strictEqual(freeTitle("a", among("a", "a (2)", "a (3)", "a (5)")), "a (4)")
    assert.strictEqual(freeTitle(" a\r", among(" a\r")), "a (2)")
  })

  it.each([["x", 508, 509], ["🦆", 508, 509]])("stays within 512 code points (%s)", (char, fits, tooLong) => {
    const free = (length: number) => freeTitle(char.repeat(length), among(char.repeat(length)))
    assert.strictEqual(free(fits), `${char.repeat(508)} (2)`)
    assert.strictEqual(free(tooLong), `${char.repeat(508)} (2)`)
    assert.strictEqual(free(512), `${char.repeat(508)} (2)`)
  })

  it("cuts more for a longer number", () => {
    const long = "x".repeat(512)
    let asked = 0
    const found = freeTitle(long, () => ++asked <= 9)
    assert.strictEqual(found, `${"x".repeat(507)} (10)`)
  })

  it("is a valid title for every valid title", () => {
    FastCheck.assert(FastCheck.property(memory, FastCheck.nat(30), (any, taken) => {
      let asked = 0
      assert.isTrue(Either.isRight(title(freeTitle(any.title, () => ++asked <= taken))))
    }))
  })
})
