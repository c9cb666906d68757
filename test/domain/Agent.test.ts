import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Agent from "../../src/domain/Agent.js"
import { MemoryId } from "../../src/domain/ids.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { validateMemory } from "../../src/domain/validate.js"

const early = Stamp.fromMillis(1_700_000_000_000)
const late = Stamp.fromMillis(1_800_000_000_000)
const memoryId = MemoryId.make("i")

const fieldOf = (given: Partial<Agent.Registration>) =>
  Either.match(Agent.validate({ agent_id: "a", agent_type: "human", ...given }), {
    onLeft: ({ field }) => field,
    onRight: () => null
  })

describe("a registration", () => {
  it("names a type that is known, or a model", () => {
    for (
      const agent_type of [
        ...["ai:claude-opus-4.6", "ai:claude-opus-4.7", "ai:codex-5.4", "ai:grok-4.2", "human", "system"],
        ...["ai:x", `ai:${"x".repeat(61)}`, "ai:a_B.c-1"]
      ]
    ) {
      assert.isNull(fieldOf({ agent_type }), agent_type)
    }
    for (const agent_type of ["", "robot", "ai:", "ai:a b", "Human", `ai:${"x".repeat(62)}`, "ai:a/b", "human\n"]) {
      assert.strictEqual(fieldOf({ agent_type }), "agent_type", agent_type)
    }
  })

  it("has an agent id, and capabilities in bounds", () => {
    assert.strictEqual(fieldOf({ agent_id: "a b" }), "agent_id")
    assert.strictEqual(fieldOf({ agent_id: "x".repeat(129) }), "agent_id")
    assert.isNull(fieldOf({ capabilities: [] }))
    assert.strictEqual(fieldOf({ capabilities: [""] }), "capabilities")
    assert.strictEqual(fieldOf({ capabilities: ["x".repeat(129)] }), "capabilities")
    assert.strictEqual(fieldOf({ capabilities: Array.from({ length: 51 }, () => "x") }), "capabilities")
  })
})

describe("the memory of an agent", () => {
  const agent = { agent_id: "alice", agent_type: "human", capabilities: ["read"] }

  it("is one that every node takes, and tells the agent again", () => {
    const text = FastCheck.string({ minLength: 1, maxLength: 40 })
    FastCheck.assert(
      FastCheck.property(
        FastCheck.stringMatching(/^[\w:@./-]{1,128}$/),
        FastCheck.array(text, { maxLength: 50 }),
        (id, capabilities) => {
          const valid = Agent.validate({ agent_id: id, agent_type: "ai:m", capabilities })
          FastCheck.pre(Either.isRight(valid))
          if (Either.isLeft(valid)) return
          const memory = Agent.memoryOf(valid.right, { id: memoryId, stamp: early, known: null })
          assert.isTrue(Either.isRight(validateMemory(memory)))
          assert.deepStrictEqual(Agent.ofMemory(memory), { ...valid.right, registered_at: early, last_seen_at: early })
          assert.deepStrictEqual(JSON.parse(memory.content), memory.metadata)
        }
      ),
      { numRuns: 200 }
    )
  })

  it("keeps since when the agent is registered, and what the slot had", () => {
    const first = Agent.memoryOf(agent, { id: memoryId, stamp: early, known: null })
    const known = { ...first, access_count: 3, priority: 8 }
    const again = Agent.memoryOf({ ...agent, agent_type: "system" }, { id: memoryId, stamp: late, known })
    assert.deepStrictEqual(Agent.ofMemory(again), {
      agent_id: "alice",
      agent_type: "system",
      capabilities: ["read"],
      registered_at: early,
      last_seen_at: late
    })
    assert.deepInclude(again, { created_at: early, updated_at: late, access_count: 3, priority: 8 })
  })

  it("is no agent's without its facts", () => {
    const memory = Agent.memoryOf(agent, { id: memoryId, stamp: early, known: null })
    assert.isNull(Agent.ofMemory({ ...memory, metadata: { agent_id: "alice" } }))
    const bare = { ...memory, metadata: { agent_id: "alice", agent_type: "human" } }
    assert.deepStrictEqual(Agent.ofMemory(bare), {
      agent_id: "alice",
      agent_type: "human",
      capabilities: [],
      registered_at: early,
      last_seen_at: early
    })
  })
})
