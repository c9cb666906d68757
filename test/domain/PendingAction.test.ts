import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as PendingAction from "../../src/domain/PendingAction.js"
import * as Stamp from "../../src/domain/Stamp.js"
import type { Invalid } from "../../src/domain/validate.js"
import { decision, pendingAction, vote } from "./arbitraries.js"

const stamp = Stamp.fromMillis(1_700_000_000_000)
const written = "2023-11-14T22:13:20Z"

const readAction = (input: unknown) => Either.flatMap(PendingAction.decode(input), PendingAction.validate)
const readVote = (input: unknown) => Either.flatMap(PendingAction.decodeVote(input), PendingAction.validateVote)
const readDecision = (input: unknown) =>
  Either.flatMap(PendingAction.decodeDecision(input), PendingAction.validateDecision)

/** What survives the JSON text of it, which is read by the rules. */
const roundTrip = <A>(
  arbitrary: FastCheck.Arbitrary<A>,
  encode: (value: A) => string,
  read: (input: unknown) => Either.Either<A, unknown>
) => {
  FastCheck.assert(
    FastCheck.property(arbitrary, (original) => {
      const text = encode(original)
      const back = Either.getOrThrow(read(JSON.parse(text)))
      assert.deepStrictEqual(back, original)
      assert.strictEqual(encode(back), text)
    }),
    { numRuns: 300 }
  )
}

const fieldOf = (read: Either.Either<unknown, { readonly field: string }>) =>
  Either.match(read, { onLeft: ({ field }) => field, onRight: () => null })

const given = {
  id: "action",
  action_type: "store" as const,
  memory_id: null,
  namespace: "n",
  payload: { id: "x" },
  requested_by: "me",
  requested_at: stamp
}
const field = (changes: Record<string, unknown>) => fieldOf(readAction({ ...given, ...changes }))

const nested = (depth: number): unknown => JSON.parse(`${"[".repeat(depth)}1${"]".repeat(depth)}`)

describe("PendingAction", () => {
  it("goes through JSON unchanged, whatever it asks for", () => {
    roundTrip(pendingAction, PendingAction.encodeJson, readAction)
  })

  it("is written as it was queued: what became of it is told by other operations", () => {
    const after = {
      ...given,
      status: "approved",
      decided_by: "you",
      decided_at: stamp,
      approvals: [{ agent_id: "you", approved_at: stamp }],
      approver: { agent: "you", since: 1 },
      remember: "forever"
    }
    const shuffled = Object.fromEntries(Object.entries(after).reverse())
    const action = Either.getOrThrow(readAction(shuffled))
    assert.strictEqual(PendingAction.encodeJson(action), JSON.stringify({ ...given, approver: { agent: "you" } }))
    assert.deepStrictEqual(
      [action.status, action.decided_by, action.decided_at, action.approvals],
      ["approved", "you", stamp, [{ agent_id: "you", approved_at: stamp }]]
    )
  })

  it("takes what the original leaves out or writes as null", () => {
    const { memory_id: _, ...without } = given
    const read = Either.getOrThrow(readAction({ ...without, decided_by: null, approvals: null, approver: null }))
    assert.deepStrictEqual(read, { ...given, status: "pending", approvals: [] })
  })

  it("has ids, a namespace and a requester that keep the rules", () => {
    for (const key of ["id", "memory_id"]) {
      assert.isNull(field({ [key]: "x".repeat(128) }))
      for (const wrong of ["", "\t", "x".repeat(129), "a\u0000", "\ud800"]) {
        assert.strictEqual(field({ [key]: wrong }), "id", JSON.stringify(wrong))
      }
    }
    assert.isNull(field({ namespace: "x".repeat(512) }))
    for (const wrong of ["", "x".repeat(513), "a//b", "\udc00"]) {
      assert.strictEqual(field({ namespace: wrong }), "namespace")
    }
    for (const [key, told] of [["requested_by", "agent_id"], ["decided_by", "decided_by"]] as const) {
      assert.isNull(field({ [key]: "x".repeat(128) }))
      for (const wrong of ["", "x".repeat(129), "a b", "\ud800"]) {
        assert.strictEqual(field({ [key]: wrong }), told)
      }
    }
  })

  it("asks for one of three things, at a moment", () => {
    for (const action_type of ["store", "delete", "promote"]) assert.isNull(field({ action_type }))
    for (const action_type of ["", "Store", "archive"]) assert.strictEqual(field({ action_type }), "action_type")
    assert.strictEqual(Either.getOrThrow(readAction({ ...given, requested_at: written })).requested_at, stamp)
    assert.strictEqual(field({ requested_at: "now" }), "requested_at")
  })

  it("may be approved by a human, an agent, or 1 to 1000 agents", () => {
    for (const approver of ["human", { agent: "me" }, { consensus: 1 }, { consensus: 1000 }]) {
      assert.isNull(field({ approver }))
    }
    const wrong = ["agent", {}, { agent: 1 }, { consensus: 0 }, { consensus: 1001 }, { consensus: 1.5 }, [], 1]
    for (const approver of wrong) assert.match(field({ approver }) ?? "", /^approver/, JSON.stringify(approver))
    assert.strictEqual(field({ approver: { agent: "" } }), "agent_id")
    assert.strictEqual(field({ approver: { agent: "\ud800" } }), "agent_id")
  })

  it("has a payload of at most 256 KiB as JSON", () => {
    const sized = (bytes: number) => ({ payload: "x".repeat(bytes - 2) })
    assert.isNull(field(sized(262_144)))
    assert.strictEqual(field(sized(262_145)), "payload")
    assert.isNull(field({ payload: "é".repeat(131_071) }))
    assert.strictEqual(field({ payload: "é".repeat(131_072) }), "payload")
    for (const payload of [null, 0, "", [], {}]) assert.isNull(field({ payload }))
  })

  it("has room for the longest memory", () => {
    const longest = {
      id: "x".repeat(128),
      tier: "mid",
      namespace: `${" ".repeat(7_680)}${"x".repeat(512)}`,
      title: `${"\n".repeat(7_680)}${"\"".repeat(512)}`,
      content: "\"".repeat(65_536),
      tags: Array.from({ length: 50 }, () => "\"".repeat(128)),
      priority: 10,
      confidence: 0.123456789012345,
      source: "consolidation",
      access_count: 1_000_000,
      created_at: stamp,
      updated_at: stamp,
      expires_at: stamp,
      metadata: { agent_id: "x".repeat(128), text: "x".repeat(65_500) }
    }
    assert.isNull(field({ payload: longest }))
  })

  it("has a payload that every node passes on unchanged", () => {
    // A memory whose metadata is as deep as it may be.
    assert.isNull(field({ payload: { metadata: { x: nested(31) } } }))
    assert.strictEqual(field({ payload: { metadata: { x: nested(32) } } }), "payload")
    assert.strictEqual(field({ payload: nested(100_000) }), "payload")
    for (const payload of ["\ud800", { x: "a\udfff" }, { "\ud800": 1 }, [["\udc00"]]]) {
      assert.strictEqual(field({ payload }), "payload", JSON.stringify(payload))
    }
    for (const payload of [2 ** 53, [-(2 ** 53)], { x: 1e300 }]) assert.strictEqual(field({ payload }), "payload")
    for (const payload of [2 ** 53 - 1, [0.1], { x: 1e-300 }, "🦆"]) assert.isNull(field({ payload }))
    const text = `{"b":1,"__proto__":{"x":1},"constructor":null}`
    const action = Either.getOrThrow(readAction({ ...given, payload: JSON.parse(text) }))
    assert.include(PendingAction.encodeJson(action), `"payload":${text}`)
  })

  it("expires after 24 hours", () => {
    const day = 86_400_000
    const at = Stamp.toMillis(stamp)
    assert.isFalse(PendingAction.isExpired({ requested_at: stamp }, at))
    assert.isFalse(PendingAction.isExpired({ requested_at: stamp }, at + day - 1))
    assert.isTrue(PendingAction.isExpired({ requested_at: stamp }, at + day))
  })
})

describe("Vote", () => {
  const one = { id: "action", agent_id: "me", approved_at: stamp }

  it("goes through JSON unchanged", () => {
    roundTrip(vote, PendingAction.encodeVoteJson, readVote)
    assert.strictEqual(
      PendingAction.encodeVoteJson(Either.getOrThrow(readVote({ weight: 2, ...one, approved_at: written }))),
      JSON.stringify(one)
    )
  })

  it("names an action, an agent and a moment", () => {
    const wrong = (changes: Record<string, unknown>) => fieldOf(readVote({ ...one, ...changes }))
    assert.isNull(wrong({ id: "x".repeat(128), agent_id: "x".repeat(128) }))
    for (const id of ["", "x".repeat(129), "\ud800"]) assert.strictEqual(wrong({ id }), "id")
    for (const agent_id of ["", "x".repeat(129), "a b", "\ud800"]) assert.strictEqual(wrong({ agent_id }), "agent_id")
    for (const approved_at of ["", "now"]) assert.strictEqual(wrong({ approved_at }), "approved_at")
    for (const key of Object.keys(one)) assert.strictEqual(wrong({ [key]: null }), key)
  })
})

describe("Decision", () => {
  const one = { id: "action", approved: true, decider: "me", decided_at: stamp }
  const memory = {
    id: "made",
    tier: "mid",
    namespace: "n",
    title: "title",
    content: "content",
    tags: [],
    priority: 5,
    confidence: 1,
    source: "api",
    access_count: 0,
    created_at: stamp,
    updated_at: stamp,
    metadata: {}
  }
  const wrong = (changes: Record<string, unknown>) => fieldOf(readDecision({ ...one, ...changes }))

  it("goes through JSON unchanged, with the memory that it stores", () => {
    roundTrip(decision, PendingAction.encodeDecisionJson, readDecision)
    const full = { ...one, memory }
    const shuffled = Object.fromEntries(Object.entries({ ...full, remember: "once" }).reverse())
    assert.strictEqual(
      PendingAction.encodeDecisionJson(Either.getOrThrow(readDecision(shuffled))),
      JSON.stringify(full)
    )
    const plain = Either.getOrThrow(readDecision({ ...one, memory: null }))
    assert.strictEqual(PendingAction.encodeDecisionJson(plain), JSON.stringify(one))
  })

  it("names an action, a decider and a moment", () => {
    assert.isNull(wrong({ id: "x".repeat(128), decider: "x".repeat(128), decided_at: written }))
    for (const id of ["", "x".repeat(129), "\ud800"]) assert.strictEqual(wrong({ id }), "id")
    for (const decider of ["", "x".repeat(129), "a b", "\ud800"]) assert.strictEqual(wrong({ decider }), "agent_id")
    for (const decided_at of ["", "now"]) assert.strictEqual(wrong({ decided_at }), "decided_at")
    assert.strictEqual(wrong({ approved: "yes" }), "approved")
    // That of an original node has no moment: it gets one where it is taken.
    const { decided_at: _, ...original } = one
    const read: Either.Either<PendingAction.Decision, unknown> = PendingAction.decodeDecision(original)
    assert.strictEqual(Either.getOrThrow(read).decided_at, "")
  })

  it("brings a memory only with an approval, and one that keeps the rules", () => {
    assert.isNull(wrong({ memory }))
    assert.strictEqual(wrong({ approved: false, memory }), "memory")
    assert.strictEqual(wrong({ memory: { ...memory, title: "" } }), "title")
    assert.strictEqual(wrong({ memory: { ...memory, content: "\ud800" } }), "content")
    assert.strictEqual(wrong({ memory: { ...memory, tags: null } }), "memory.tags")
    const read: Either.Either<PendingAction.Decision, Invalid | unknown> = readDecision({
      ...one,
      memory: { ...memory, updated_at: written }
    })
    assert.strictEqual(Either.getOrThrow(read).memory?.updated_at, stamp)
  })
})
