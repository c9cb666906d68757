import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import * as CreateMemory from "../../src/domain/CreateMemory.js"
import { AgentId, MemoryId } from "../../src/domain/ids.js"
import { usual } from "../../src/domain/Lifetimes.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { validateMemory } from "../../src/domain/validate.js"

const NOW = Date.UTC(2026, 4, 7, 8, 9, 10)
const stamp = Stamp.fromMillis(NOW, 3)
const identity = { id: MemoryId.make("0c7ad26a-2a4d-4b7a-8f0e-1a1a1a1a1a1a"), stamp, agentId: AgentId.make("ai:me") }
const least = { title: "a title", content: "some content" }

const validated = (body: object) =>
  Either.flatMap(CreateMemory.decode({ ...least, ...body }), (create) => CreateMemory.validate(create, NOW, usual))
const created = (body: object) => CreateMemory.build(Either.getOrThrow(validated(body)), identity)
const failure = (body: unknown) => {
  const { _tag, field, message } = Either.getOrThrow(
    Either.flip(Either.flatMap(CreateMemory.decode(body), (create) => CreateMemory.validate(create, NOW, usual)))
  )
  return { _tag, field, message }
}
const isInvalid = (body: object, field: string) => {
  const { _tag, field: named } = failure({ ...least, ...body })
  assert.deepStrictEqual({ _tag, field: named }, { _tag: "Invalid", field })
}
const secondsLater = (seconds: number) => Stamp.fromMillis(NOW + seconds * 1000)

describe("CreateMemory", () => {
  it("reads what is plain, and what is not, as its schema does", () => {
    const bySchema = Schema.decodeUnknownEither(CreateMemory.CreateMemory)
    const odd = FastCheck.constantFrom<Array<unknown>>(
      null,
      undefined,
      1.5,
      2 ** 60,
      Number.NaN,
      "",
      "x",
      true,
      [],
      [1],
      ["t"],
      {}
    )
    const mostly = (usual: FastCheck.Arbitrary<unknown>) =>
      FastCheck.oneof({ weight: 9, arbitrary: usual }, { weight: 1, arbitrary: odd })
    const texts = FastCheck.constantFrom("a", "long", "merge", "error", "2026-05-07T00:00:00Z")
    const row = FastCheck.record({
      title: mostly(texts),
      content: mostly(texts),
      tier: mostly(FastCheck.constantFrom("short", "mid", "long")),
      namespace: mostly(texts),
      tags: mostly(FastCheck.array(texts, { maxLength: 2 })),
      priority: mostly(FastCheck.integer()),
      confidence: mostly(FastCheck.double({ noNaN: true })),
      source: mostly(texts),
      expires_at: mostly(texts),
      ttl_secs: mostly(FastCheck.integer()),
      metadata: mostly(FastCheck.dictionary(texts, texts, { maxKeys: 2 })),
      agent_id: mostly(texts),
      scope: mostly(texts),
      on_conflict: mostly(FastCheck.constantFrom("error", "merge", "version")),
      other: odd
    }, { requiredKeys: [] })
    FastCheck.assert(
      FastCheck.property(FastCheck.oneof(row, odd), (input) => {
        assert.deepStrictEqual(Either.getRight(CreateMemory.decode(input)), Either.getRight(bySchema(input)))
      }),
      { numRuns: 2_000 }
    )
  })

  it("fills in the defaults", () => {
    assert.deepStrictEqual(created({}), {
      id: identity.id,
      tier: "mid",
      namespace: "global",
      ...least,
      tags: [],
      priority: 5,
      confidence: 1,
      source: "api",
      access_count: 0,
      created_at: stamp,
      updated_at: stamp,
      expires_at: secondsLater(604_800),
      metadata: { agent_id: "ai:me" }
    })
    assert.strictEqual(Either.getOrThrow(validated({})).onConflict, "error")
  })

  it("takes what is given", () => {
    const body = {
      title: " padded ",
      tier: "short",
      namespace: "A/b",
      tags: ["x", "y"],
      priority: 10,
      confidence: 0,
      source: "cli",
      metadata: { a: 1 }
    }
    const { title, tier, namespace, tags, priority, confidence, source, metadata } = created(body)
    assert.deepStrictEqual(
      { title, tier, namespace, tags, priority, confidence, source, metadata },
      { ...body, title: "padded", tier: "short", metadata: { a: 1, agent_id: "ai:me" } }
    )
    assert.strictEqual(Either.getOrThrow(validated({ on_conflict: "merge" })).onConflict, "merge")
  })

  it("writes owner and scope into the metadata, over what that said", () => {
    const metadata = { agent_id: "somebody", scope: "org", topic: "x" }
    assert.deepStrictEqual(created({ metadata, scope: "team", agent_id: "ai:me" }).metadata, {
      agent_id: "ai:me",
      scope: "team",
      topic: "x"
    })
    assert.deepStrictEqual(created({ scope: "private" }).metadata, { scope: "private", agent_id: "ai:me" })
    assert.strictEqual(created({ metadata }).metadata["scope"], "org")
  })

  it("expires by expires_at, else by ttl_secs, else by its tier", () => {
    const expires_at = "2026-05-07T08:09:11Z"
    assert.strictEqual(created({ expires_at, ttl_secs: 60, tier: "long" }).expires_at, Stamp.fromMillis(NOW + 1000))
    assert.strictEqual(created({ ttl_secs: 60, tier: "long" }).expires_at, secondsLater(60))
    assert.strictEqual(created({ tier: "short" }).expires_at, secondsLater(21_600))
    assert.strictEqual(created({ tier: "mid" }).expires_at, secondsLater(604_800))
    assert.notProperty(created({ tier: "long" }), "expires_at")
  })

  it("takes null for absent only where there is no default", () => {
    const nulls = { expires_at: null, ttl_secs: null, agent_id: null, scope: null, on_conflict: null }
    assert.deepStrictEqual(created(nulls), created({}))
    for (const field of ["tier", "namespace", "tags", "priority", "confidence", "source", "metadata"]) {
      const { _tag, field: named } = failure({ ...least, [field]: null })
      assert.deepStrictEqual({ _tag, field: named }, { _tag: "ShapeError", field })
    }
  })

  it.each<[unknown, string, string]>([
    [{ content: "c" }, "title", "title is required"],
    [{ title: "t" }, "content", "content is required"],
    [{ ...least, title: 1 }, "title", "title must be a string"],
    [{ ...least, tier: "forever" }, "tier", "tier must be one of short, mid, long"],
    [{ ...least, on_conflict: "panic" }, "on_conflict", "on_conflict must be one of error, merge, version"],
    [{ ...least, tags: ["a", 2] }, "tags[1]", "tags[1] must be a string"],
    [{ ...least, tags: "a,b" }, "tags", "tags must be an array"],
    [{ ...least, priority: 1.5 }, "priority", "priority must be an integer"],
    [{ ...least, confidence: "1" }, "confidence", "confidence must be a number"],
    [{ ...least, ttl_secs: 1.5 }, "ttl_secs", "ttl_secs must be an integer or null"],
    [{ ...least, agent_id: 7 }, "agent_id", "agent_id must be a string or null"],
    [[], "", "the value must be an object"],
    [null, "", "the value must be an object"]
  ])("has a shape (%j)", (body, field, message) => {
    assert.deepStrictEqual(failure(body), { _tag: "ShapeError", field, message })
  })

  it.each<[object, string]>([
    [{ title: " " }, "title"],
    [{ content: "a\u0007b" }, "content"],
    [{ namespace: "/" }, "namespace"],
    [{ tags: [""] }, "tags[0]"],
    [{ priority: 11 }, "priority"],
    [{ confidence: 1.1 }, "confidence"],
    [{ source: "nhi" }, "source"],
    [{ agent_id: "" }, "agent_id"],
    [{ scope: "world" }, "scope"],
    [{ ttl_secs: 0 }, "ttl_secs"],
    [{ ttl_secs: 31_536_001, expires_at: "2027-01-01T00:00:00Z" }, "ttl_secs"],
    [{ expires_at: "soon" }, "expires_at"],
    [{ expires_at: "2026-05-07T08:09:10Z" }, "expires_at"],
    [{ metadata: [] }, "metadata"],
    [{ metadata: "text" }, "metadata"],
    [{ metadata: { a: 1e300 } }, "metadata"]
  ])("keeps the rules (%j)", isInvalid)

  it("leaves room in the metadata for every owner it can get", () => {
    // {"k":"…","scope":"team","agent_id":"…128…"}
    const around = 8 + `,"scope":"team"`.length + `,"agent_id":""`.length + 128
    const body = (bytes: number) => ({ scope: "team", metadata: { k: "x".repeat(bytes - around) } })
    const largest = CreateMemory.build(Either.getOrThrow(validated(body(65_536))), {
      ...identity,
      agentId: AgentId.make("x".repeat(128))
    })
    assert.strictEqual(JSON.stringify(largest.metadata).length, 65_536)
    isInvalid(body(65_537), "metadata")
  })

  it("makes memories that every peer accepts", () => {
    const memory = created({ tier: "long", tags: ["a"], scope: "team", expires_at: "2027-01-01T00:00:00Z" })
    assert.deepStrictEqual(Either.getOrThrow(validateMemory(memory)), memory)
  })
})
