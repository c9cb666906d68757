import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import * as Governance from "../../src/domain/Governance.js"

const decode = Schema.decodeUnknownSync(Governance.Given)
const policyOf = (given: object) => Governance.validate(decode(given))
/** The policy, or the field that is wrong. */
const read = (given: object): Governance.Policy | string =>
  Either.match(policyOf(given), {
    onLeft: ({ field }) => field,
    onRight: (policy): Governance.Policy | string => policy
  })

describe("a policy", () => {
  it("gets the usual values where it says nothing, or null", () => {
    const usual: Governance.Policy = {
      write: "any",
      promote: "any",
      delete: "owner",
      approver: "human",
      inherit: true
    }
    assert.deepStrictEqual(read({ write: "any" }), usual)
    assert.deepStrictEqual(read({ write: "any", promote: null, delete: null, approver: null, inherit: null }), usual)
  })

  it("names one kind of approver, within its bounds", () => {
    for (const approver of ["human", { agent: "a/b:c" }, { consensus: 1 }, { consensus: 1000 }]) {
      assert.deepStrictEqual(Object(read({ write: "approve", approver })).approver, approver)
    }
    assert.strictEqual(read({ write: "any", approver: {} }), "approver")
    assert.strictEqual(read({ write: "any", approver: { agent: "a", consensus: 1 } }), "approver")
    assert.strictEqual(read({ write: "any", approver: { agent: "a b" } }), "approver.agent")
    assert.strictEqual(read({ write: "any", approver: { agent: "" } }), "approver.agent")
    for (const consensus of [0, -1, 1001]) {
      assert.strictEqual(read({ write: "any", approver: { consensus } }), "approver.consensus")
    }
  })

  it("is read from metadata only where it keeps the rules", () => {
    assert.isNull(Governance.ofMetadata({}))
    assert.isNull(Governance.ofMetadata({ governance: "approve" }))
    assert.isNull(Governance.ofMetadata({ governance: { write: "everybody" } }))
    assert.isNull(Governance.ofMetadata({ governance: { write: "any", approver: { consensus: 0 } } }))
    assert.strictEqual(Governance.ofMetadata({ governance: { write: "owner" } })?.write, "owner")
  })

  it("asks for an action what its field says", () => {
    const policy = Either.getOrThrow(policyOf({ write: "owner", promote: "approve", delete: "registered" }))
    assert.strictEqual(Governance.levelOf(policy, "store"), "owner")
    assert.strictEqual(Governance.levelOf(policy, "promote"), "approve")
    assert.strictEqual(Governance.levelOf(policy, "delete"), "registered")
  })
})

describe("a level", () => {
  const ask = (level: Governance.Level, isOwner: boolean, isRegistered: boolean) =>
    Governance.rule(level, { isOwner, isRegistered: () => isRegistered })

  it("lets through whom it names", () => {
    for (const [isOwner, isRegistered] of [[false, false], [false, true], [true, false], [true, true]] as const) {
      assert.strictEqual(ask("any", isOwner, isRegistered), "allowed")
      assert.strictEqual(ask("approve", isOwner, isRegistered), "queued")
      assert.strictEqual(ask("owner", isOwner, isRegistered) === "allowed", isOwner)
      assert.strictEqual(ask("registered", isOwner, isRegistered) === "allowed", isRegistered)
    }
  })

  it("does not ask who is registered where that does not matter", () => {
    const isRegistered = () => assert.fail("asked")
    for (const level of ["any", "owner", "approve"] as const) Governance.rule(level, { isOwner: true, isRegistered })
  })
})

describe("resolve", () => {
  const standard = (write: string, more: object = {}) => ({ governance: { write, ...more } })

  it("takes the nearest policy", () => {
    assert.isNull(Governance.resolve([]))
    assert.strictEqual(Governance.resolve([{}, standard("owner"), standard("any")])?.write, "owner")
    assert.strictEqual(Governance.resolve([standard("any", { inherit: false }), standard("owner")])?.write, "any")
  })

  it("goes no further than a standard that inherits nothing", () => {
    assert.isNull(Governance.resolve([{}, { governance: { inherit: false } }, standard("owner")]))
    assert.strictEqual(Governance.resolve([{ governance: { inherit: true } }, standard("owner")])?.write, "owner")
  })
})

describe("chainOf", () => {
  const chain = (namespace: string, parents: Record<string, string> = {}) =>
    Governance.chainOf(namespace, (name) => parents[name] ?? null)

  it("begins with what applies everywhere and ends with the namespace", () => {
    assert.deepStrictEqual(chain("*"), ["*"])
    assert.deepStrictEqual(chain("a"), ["*", "a"])
    assert.deepStrictEqual(chain("a/b/c"), ["*", "a", "a/b", "a/b/c"])
  })

  it("puts the explicit parents of the first level before it, the farthest first", () => {
    assert.deepStrictEqual(chain("a/b", { a: "p", p: "q/r", "q/r": "s" }), ["*", "s", "q/r", "p", "a", "a/b"])
    assert.deepStrictEqual(chain("a/b", { "a/b": "p" }), ["*", "a", "a/b"])
  })

  it("follows no circle, and no more parents than its bound", () => {
    assert.deepStrictEqual(chain("a", { a: "a" }), ["*", "a"])
    assert.deepStrictEqual(chain("a", { a: "b", b: "c", c: "b" }), ["*", "c", "b", "a"])
    assert.deepStrictEqual(chain("a/b", { a: "a/b" }), ["*", "a", "a/b"])
    assert.deepStrictEqual(chain("a", { a: "*" }), ["*", "a"])
    const row = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`n${index}`, `n${index + 1}`]))
    assert.deepStrictEqual(chain("n0", row), ["*", "n8", "n7", "n6", "n5", "n4", "n3", "n2", "n1", "n0"])
  })

  it("has no namespace twice, whatever the parents", () => {
    const name = FastCheck.constantFrom("*", "a", "b", "c", "a/b", "a/b/c", "b/c", "d", "e")
    FastCheck.assert(
      FastCheck.property(name, FastCheck.dictionary(name, name), (namespace, parents) => {
        const found = chain(namespace, parents)
        assert.strictEqual(new Set(found).size, found.length)
        assert.strictEqual(found[0], "*")
        assert.strictEqual(found.at(-1), namespace)
        const explicit = found.slice(1, -namespace.split("/").length)
        assert.isAtMost(explicit.length, Governance.MAX_PARENTS)
        // Each is the parent of the one after it.
        const line = [...explicit, namespace.split("/")[0] ?? ""]
        for (const [index, parent] of explicit.entries()) assert.strictEqual(parents[line[index + 1] ?? ""], parent)
      }),
      { numRuns: 2000 }
    )
  })
})
