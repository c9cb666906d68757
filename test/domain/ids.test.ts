import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import * as AgentId from "../../src/domain/AgentId.js"
import * as ids from "../../src/domain/ids.js"
import * as Uuid from "../../src/domain/Uuid.js"
import * as validate from "../../src/domain/validate.js"

describe("AgentId.resolve", () => {
  const uuid = () => "0c7ad26a-2a4d-4b7a-8f0e-1a1a1a1a1a1a"
  const resolve = (body: string | undefined, header?: string) =>
    AgentId.resolve(body, Option.fromNullable(header), uuid)
  const agent = (id: string) => Either.right(ids.AgentId.make(id))

  it("asks the body, then the header, then chance", () => {
    assert.deepStrictEqual(resolve("ai:body", "ai:header"), agent("ai:body"))
    assert.deepStrictEqual(resolve(undefined, "ai:header"), agent("ai:header"))
    assert.deepStrictEqual(resolve(undefined), agent("anonymous:req-0c7ad26a"))
  })

  it.each<[string | undefined, string | undefined]>([["", "ai:header"], ["a b", "ai:header"], [undefined, ""], [
    undefined,
    "a b"
  ]])("refuses a malformed one and does not pass it over (%j, %j)", (body, header) => {
    assert.strictEqual(Either.getOrThrow(Either.flip(resolve(body, header))).field, "agent_id")
  })
})

describe("what comes from outside", () => {
  it("is the id of an agent when it is a text that keeps the rules", () => {
    for (const good of ["ai:me", "x", "x".repeat(128)]) {
      assert.isTrue(AgentId.is(good), good)
      assert.deepStrictEqual(validate.agentId(good), Either.right(ids.AgentId.make(good)))
    }
    for (const bad of ["a b", "", "x".repeat(129)]) {
      assert.isFalse(AgentId.is(bad), bad)
      assert.isTrue(Either.isLeft(validate.agentId(bad)), bad)
    }
    assert.isFalse(AgentId.is(7))
  })

  it("is the id of a memory when it keeps the rules", () => {
    for (const good of ["any text", "x", "x".repeat(128)]) {
      assert.deepStrictEqual(validate.memoryId(good), Either.right(ids.MemoryId.make(good)))
    }
    for (const bad of [" ", "", "x".repeat(129)]) assert.isTrue(Either.isLeft(validate.memoryId(bad)), bad)
  })
})

describe("Uuid.fromHash", () => {
  const hex = FastCheck.hexaString({ minLength: 32, maxLength: 64 })

  it("is well formed, of version 8, lower case, and the same for the same digest", () => {
    FastCheck.assert(FastCheck.property(hex, (digest) => {
      const uuid = Uuid.fromHash(digest)
      assert.match(uuid, /^[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/)
      assert.strictEqual(Uuid.fromHash(digest.toUpperCase()), uuid)
    }))
  })

  it("keeps every digit but version and variant", () => {
    assert.strictEqual(Uuid.fromHash("0123456789abcdef0123456789abcdef"), "01234567-89ab-8def-8123-456789abcdef")
    assert.strictEqual(Uuid.fromHash("f".repeat(64)), "ffffffff-ffff-8fff-bfff-ffffffffffff")
  })
})
