import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Link from "../../src/domain/Link.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { link } from "./arbitraries.js"

const stamp = Stamp.fromMillis(1_700_000_000_000)

const given = { source_id: "a", target_id: "b", relation: "related_to", created_at: stamp }

const read = (input: unknown) => Either.flatMap(Link.decode(input), Link.validate)

/** The field and the message of what is wrong, or null. */
const complaint = (changes: Record<string, unknown>) =>
  Either.match(read({ ...given, ...changes }), {
    onLeft: ({ field, message }) => ({ field, message }),
    onRight: () => null
  })

const field = (changes: Record<string, unknown>) => complaint(changes)?.field ?? null

const bytes = (count: number, byte = 7) => Array.from({ length: count }, () => byte)

describe("Link", () => {
  it("goes through JSON unchanged, whatever it says", () => {
    FastCheck.assert(
      FastCheck.property(link, (original) => {
        const text = Link.encodeJson(original)
        const back = Either.getOrThrow(read(JSON.parse(text)))
        assert.deepStrictEqual(back, original)
        assert.strictEqual(Link.encodeJson(back), text)
      }),
      { numRuns: 500 }
    )
  })

  it("is written in one order of keys, absent ones left out", () => {
    const full = { ...given, signature: bytes(64), observed_by: "me", valid_from: stamp, valid_until: stamp }
    const shuffled = Object.fromEntries(Object.entries({ ...full, attest_level: "unsigned" }).reverse())
    assert.strictEqual(Link.encodeJson(Either.getOrThrow(Link.decode(shuffled))), JSON.stringify(full))
    assert.strictEqual(Link.encodeJson(Either.getOrThrow(Link.decode(given))), JSON.stringify(given))
  })

  it("takes null for absent where absence is allowed, and ignores what it does not know", () => {
    const nulls = { signature: null, observed_by: null, valid_from: null, valid_until: null, weight: 3 }
    assert.deepStrictEqual(Either.getOrThrow(read({ ...given, ...nulls })), given)
    for (const key of Object.keys(given)) {
      assert.deepStrictEqual(complaint({ [key]: null }), { field: key, message: `${key} must be a string` })
    }
  })

  it("brings every stamp into its canonical form, and refuses what is none", () => {
    const written = "2023-11-14T23:13:20+01:00"
    const stamps = { created_at: written, valid_from: written, valid_until: written }
    const canonical = { created_at: stamp, valid_from: stamp, valid_until: stamp }
    assert.deepStrictEqual(Either.getOrThrow(read({ ...given, ...stamps })), { ...given, ...canonical })
    for (const key of Object.keys(stamps)) {
      assert.strictEqual(field({ [key]: "yesterday" }), key)
      assert.strictEqual(field({ [key]: "" }), key)
    }
  })

  it("has two ends, each an id, and not the same", () => {
    for (const end of ["source_id", "target_id"]) {
      assert.isNull(complaint({ [end]: "x".repeat(128) }))
      assert.isNull(complaint({ [end]: "é".repeat(64) }))
      for (const wrong of ["", " \u0085", "x".repeat(129), "é".repeat(65), "a\u0000b", "a\rb", "\ud800", "x\udfffx"]) {
        assert.strictEqual(field({ [end]: wrong }), end, JSON.stringify(wrong))
      }
      assert.match(complaint({ [end]: "" })?.message ?? "", new RegExp(`^${end} must`))
    }
    assert.strictEqual(field({ target_id: "a" }), "target_id")
  })

  it("says one of the relations that every node knows", () => {
    for (const relation of ["related_to", "supersedes", "contradicts", "derived_from"]) {
      assert.isNull(complaint({ relation }))
    }
    for (const relation of ["", "Related_to", "related_to ", "likes", "\ud800"]) {
      assert.strictEqual(field({ relation }), "relation")
    }
  })

  it("has a signature of 64 bytes, or none", () => {
    assert.isNull(complaint({ signature: bytes(64, 0) }))
    assert.isNull(complaint({ signature: bytes(64, 255) }))
    for (const count of [0, 63, 65]) assert.strictEqual(field({ signature: bytes(count) }), "signature")
    for (const byte of [-1, 256, 0.5, "7", null]) {
      assert.strictEqual(field({ signature: [...bytes(63), byte] }), "signature[63]")
    }
    assert.strictEqual(field({ signature: "text" }), "signature")
  })

  it("was observed by an agent, if by anyone", () => {
    assert.isNull(complaint({ observed_by: "A".repeat(128) }))
    for (const wrong of ["", "A".repeat(129), "a b", "é", "\ud800"]) {
      assert.strictEqual(field({ observed_by: wrong }), "observed_by")
    }
  })
})
