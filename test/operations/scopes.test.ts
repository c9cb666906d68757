import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import { hash } from "node:crypto"
import { idempotencyOf } from "../../src/operations/writing/caller.js"

const keyHash = (agentId: string | null, key = "k") =>
  idempotencyOf({ agentId: Option.fromNullable(agentId), idempotencyKey: Option.some(key) }, ["remember"])?.keyHash

describe("an idempotency key", () => {
  it("is that of the agent who sent it, and shared by those who do not say who they are", () => {
    assert.strictEqual(keyHash("ann"), keyHash("ann"))
    assert.notStrictEqual(keyHash("ann"), keyHash("bob"))
    assert.notStrictEqual(keyHash("ann"), keyHash(null))
  })

  it("stands, without an agent, for the same as in every version before", () => {
    assert.strictEqual(keyHash(null), hash("sha256", "k", "hex"))
  })

  it("is not made another's by how it is spelt", () => {
    assert.notStrictEqual(keyHash("a", "b k"), keyHash("a b", "k"))
    assert.notStrictEqual(keyHash("a", "k"), keyHash(null, "a k"))
  })
})
