import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as NamespaceMeta from "../../src/domain/NamespaceMeta.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { namespaceMeta } from "./arbitraries.js"

const stamp = Stamp.fromMillis(1_700_000_000_000)

const given = { namespace: "a/b", standard_id: "s", parent_namespace: "a", updated_at: stamp }

const read = (input: unknown) => Either.flatMap(NamespaceMeta.decode(input), NamespaceMeta.validate)

const field = (changes: Record<string, unknown>) =>
  Either.match(read({ ...given, ...changes }), { onLeft: (error) => error.field, onRight: () => null })

describe("NamespaceMeta", () => {
  it("goes through JSON unchanged, whatever it says", () => {
    FastCheck.assert(
      FastCheck.property(namespaceMeta, (original) => {
        const text = NamespaceMeta.encodeJson(original)
        const back = Either.getOrThrow(read(JSON.parse(text)))
        assert.deepStrictEqual(back, original)
        assert.strictEqual(NamespaceMeta.encodeJson(back), text)
      }),
      { numRuns: 500 }
    )
  })

  it("is written in one order of keys, with a null for no parent", () => {
    const shuffled = Object.fromEntries(Object.entries({ ...given, governance: {} }).reverse())
    assert.strictEqual(NamespaceMeta.encodeJson(Either.getOrThrow(read(shuffled))), JSON.stringify(given))
    const root = { ...given, parent_namespace: null }
    assert.strictEqual(NamespaceMeta.encodeJson(Either.getOrThrow(read(root))), JSON.stringify(root))
  })

  it("may miss its parent and its stamp, as the original's does, and nothing else", () => {
    const { namespace, standard_id } = given
    assert.deepStrictEqual(Either.getOrThrow(read({ namespace, standard_id })), {
      namespace,
      standard_id,
      parent_namespace: null,
      updated_at: ""
    })
    assert.strictEqual(field({ namespace: undefined }), "namespace")
    assert.strictEqual(field({ namespace: null }), "namespace")
    assert.strictEqual(field({ standard_id: undefined }), "standard_id")
    assert.strictEqual(field({ parent_namespace: 1 }), "parent_namespace")
    assert.strictEqual(field({ updated_at: null }), "updated_at")
  })

  it("brings its stamp into the canonical form, and refuses what is none", () => {
    const read_ = Either.getOrThrow(read({ ...given, updated_at: "2023-11-14T22:13:20Z" }))
    assert.strictEqual(read_.updated_at, stamp)
    for (const updated_at of [" ", "yesterday", "\ud800", "x".repeat(1_000_000)]) {
      assert.strictEqual(field({ updated_at }), "updated_at")
    }
  })

  it("is of a namespace without white space around it, or of all", () => {
    for (const key of ["namespace", "parent_namespace"]) {
      for (const right of ["*", "x".repeat(512), "🦆".repeat(512), "1/2/3/4/5/6/7/8", "Ü", "_messages/x"]) {
        assert.isNull(field({ [key]: right }), right)
      }
      const wrong = [
        "",
        " ",
        " a",
        "a\n",
        "a\u0085",
        "x".repeat(513),
        "🦆".repeat(513),
        "1/2/3/4/5/6/7/8/9",
        "a//b",
        "/a",
        "a/",
        "a/../b",
        "a b",
        "a\\b",
        "\u0000",
        "\ud800",
        "a\udc00"
      ]
      for (const value of wrong) assert.strictEqual(field({ [key]: value }), "namespace", JSON.stringify(value))
    }
    assert.isTrue(Either.isRight(NamespaceMeta.namespace("a")))
    assert.isTrue(Either.isLeft(NamespaceMeta.namespace("a ")))
  })

  it("points at a memory by an id", () => {
    assert.isNull(field({ standard_id: "x".repeat(128) }))
    for (const wrong of ["", " ", "x".repeat(129), "a\u0007", "\udfff"]) {
      assert.strictEqual(field({ standard_id: wrong }), "id")
    }
  })
})
