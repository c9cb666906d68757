import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Consolidation from "../../src/domain/Consolidation.js"
import { AgentId, MemoryId } from "../../src/domain/ids.js"
import { usual } from "../../src/domain/Lifetimes.js"
import type { Memory } from "../../src/domain/Memory.js"
import * as Stamp from "../../src/domain/Stamp.js"
import * as validate from "../../src/domain/validate.js"
import { memory } from "./arbitraries.js"

const stamp = Stamp.fromMillis(Date.UTC(2026, 0, 15, 12))
const identity = { id: MemoryId.make("new"), stamp, agentId: AgentId.make("carl"), lifetimes: usual }
const draft: Consolidation.Validated = {
  ids: ["a", "b"],
  title: "t",
  summary: "s",
  namespace: "n",
  tier: "long"
}

const source = (fields: Partial<Memory>): Memory => ({
  id: MemoryId.make("a"),
  tier: "mid",
  namespace: "global",
  title: "t",
  content: "c",
  tags: [],
  priority: 1,
  confidence: 0.5,
  source: "api",
  access_count: 0,
  created_at: stamp,
  updated_at: stamp,
  metadata: {},
  ...fields
})

const merged = (...sources: ReadonlyArray<Partial<Memory>>) =>
  Either.getOrThrow(Consolidation.merge(draft, sources.map(source), identity))

describe("merge", () => {
  it("has a priority of 5 at least, and the greatest beyond", () => {
    assert.strictEqual(merged({ priority: 1 }, { priority: 4 }).priority, 5)
    assert.strictEqual(merged({ priority: 9 }, { priority: 4 }).priority, 9)
  })

  it("adds up the uses, up to a million", () => {
    assert.strictEqual(merged({ access_count: 3 }, { access_count: 4 }).access_count, 7)
    assert.strictEqual(merged({ access_count: 999_999 }, { access_count: 4 }).access_count, 1_000_000)
  })

  it("keeps each tag once, and the first fifty", () => {
    const many = (from: number) => Array.from({ length: 40 }, (_, at) => `t${from + at}`)
    assert.deepStrictEqual(merged({ tags: ["a", "b"] }, { tags: ["b", "c"] }).tags, ["a", "b", "c"])
    assert.deepStrictEqual(merged({ tags: many(0) }, { tags: many(20) }).tags, [...many(0), ...many(40).slice(0, 10)])
  })

  it("joins metadata, a later source over an earlier one, and names sources and owners", () => {
    const { metadata } = merged(
      { id: MemoryId.make("a"), metadata: { x: 1, y: 1, agent_id: "ann", derived_from: ["old"] } },
      { id: MemoryId.make("b"), metadata: { y: 2, agent_id: "bob" } },
      { id: MemoryId.make("c"), metadata: { agent_id: "ann" } },
      { id: MemoryId.make("d"), metadata: { agent_id: 7 } }
    )
    assert.deepStrictEqual(metadata, {
      x: 1,
      y: 2,
      agent_id: "carl",
      derived_from: ["a", "b", "c", "d"],
      consolidated_from_agents: ["ann", "bob"]
    })
  })

  it("keeps a scope that all of them have, and else shows it to nobody", () => {
    assert.strictEqual(merged({ metadata: { scope: "org" } }, { metadata: { scope: "org" } }).metadata["scope"], "org")
    assert.notProperty(merged({ metadata: { scope: "org" } }, { metadata: {} }).metadata, "scope")
    assert.notProperty(merged({ metadata: {} }, { metadata: { scope: "collective" } }).metadata, "scope")
  })

  it("takes a key of metadata for a key, whatever it is called", () => {
    const odd: unknown = JSON.parse("{\"__proto__\": {\"x\": 1}}")
    const { metadata } = merged({ metadata: Object(odd) }, {})
    assert.isTrue(Object.hasOwn(metadata, "__proto__"))
    assert.isUndefined(metadata["x"])
  })

  it("expires with its tier", () => {
    const expiry = (tier: Consolidation.Validated["tier"]) =>
      Either.getOrThrow(Consolidation.merge({ ...draft, tier }, [source({})], identity)).expires_at
    assert.strictEqual(expiry("short"), Stamp.fromMillis(Stamp.toMillis(stamp) + 6 * 3_600_000))
    assert.strictEqual(expiry("mid"), Stamp.fromMillis(Stamp.toMillis(stamp) + 7 * 86_400_000))
    assert.isUndefined(expiry("long"))
  })

  it("fails when the metadata becomes too large", () => {
    const large = (key: string) => ({ metadata: { [key]: "x".repeat(40_000) } })
    const result = Consolidation.merge(draft, [source(large("a")), source(large("b"))], identity)
    assert.isTrue(Either.isLeft(result) && result.left.field === "metadata")
  })

  it("comes to a memory that every node accepts, or says why not", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.array(memory, { minLength: 2, maxLength: 6 }), (sources) => {
        const result = Consolidation.merge(draft, sources, identity)
        assert.isTrue(Either.isLeft(result) || Either.isRight(validate.validateMemory(result.right)))
      }),
      { numRuns: 200 }
    )
  })
})
