import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import * as AgentId from "../../src/domain/AgentId.js"
import * as MemoryId from "../../src/domain/MemoryId.js"
import * as Uuid from "../../src/domain/Uuid.js"

describe("AgentId.resolve", () => {
  const uuid = () => "0c7ad26a-2a4d-4b7a-8f0e-1a1a1a1a1a1a"
  const resolve = (body: string | undefined, header?: string) =>
    AgentId.resolve(body, Option.fromNullable(header), uuid)

  it("asks the body, then the header, then chance", () => {
    assert.deepStrictEqual(resolve("ai:body", "ai:header"), Either.right("ai:body"))
    assert.deepStrictEqual(resolve(undefined, "ai:header"), Either.right("ai:header"))
    assert.deepStrictEqual(resolve(undefined), Either.right("anonymous:req-0c7ad26a"))
  })

  it.each<[string | undefined, string | undefined]>([["", "ai:header"], ["a b", "ai:header"], [undefined, ""], [
    undefined,
    "a b"
  ]])("refuses a malformed one and does not pass it over (%j, %j)", (body, header) => {
    assert.strictEqual(Either.getOrThrow(Either.flip(resolve(body, header))).field, "agent_id")
  })
})

describe("brands", () => {
  it("tell what is an id", () => {
    assert.isTrue(AgentId.is("ai:me"))
    assert.isFalse(AgentId.is("a b"))
    assert.isFalse(AgentId.is(7))
    assert.isTrue(MemoryId.is("any text"))
    assert.isFalse(MemoryId.is(" "))
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
