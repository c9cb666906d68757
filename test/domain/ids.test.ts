import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { randomUUID } from "node:crypto"
import * as AgentId from "../../src/domain/AgentId.js"
import * as ids from "../../src/domain/ids.js"
import * as Uuid from "../../src/domain/Uuid.js"
import * as validate from "../../src/domain/validate.js"

describe("AgentId.resolve", () => {
  const uuid = () => "0190b8c0-2a4d-7b7a-8f0e-1a1a0c7ad26a"
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

describe("Uuid.ordered", () => {
  const V7 = /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/
  const millisOf = (id: string) => Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)
  const countOf = (id: string) => Number.parseInt(id.slice(15, 18), 16)
  const most = { hex: "ffffffff-ffff-4fff-bfff-ffffffffffff", count: 0x7ff }

  /** A clock that is set by hand. */
  const minting = (random: () => string = randomUUID) => {
    let now = 0
    const make = Uuid.ordered({ nowMillis: () => now, random })
    return (at: number) => {
      now = at
      return make()
    }
  }

  it("is of version 7, with the time, and the chance that it was given", () => {
    const mint = minting(() => "0123f567-89ab-4def-8123-456789abcdef")
    assert.strictEqual(mint(0x0190_b8c0_2a4d), "0190b8c0-2a4d-7012-8123-456789abcdef")
    assert.strictEqual(mint(0x0190_b8c0_2a4d), "0190b8c0-2a4d-7013-8123-456789abcdef")
    assert.strictEqual(mint(0x0190_b8c0_2a4e), "0190b8c0-2a4e-7012-8123-456789abcdef")
    assert.strictEqual(mint(0x0190_b8c0_2a4f + 0.9), "0190b8c0-2a4f-7012-8123-456789abcdef")
  })

  it("ascends whatever the clock does, and is ahead of it by no more than it has to be", () => {
    const leap = FastCheck.oneof(
      FastCheck.constantFrom(0, 0, 0, 1, -1, -86_400_000),
      FastCheck.integer({ min: -10_000, max: 10_000 }),
      FastCheck.constantFrom(2 ** 48, -(2 ** 49))
    )
    FastCheck.assert(FastCheck.property(FastCheck.array(leap, { minLength: 1, maxLength: 300 }), (leaps) => {
      const mint = minting()
      let now = 1_795_000_000_000
      let latest = 0
      let before = ""
      for (const by of leaps) {
        now += by
        const id = mint(now)
        assert.match(id, V7)
        assert.isTrue(id > before, `${id} after ${before}`)
        // Fewer than fit into a millisecond: so none is borrowed.
        latest = Math.max(latest, Math.min(now, 2 ** 48 - 1))
        assert.strictEqual(millisOf(id), latest)
        before = id
      }
    }))
  })

  it("goes on in the next millisecond when the counter is used up", () => {
    const mint = minting(() => most.hex)
    const made = Array.from({ length: 10_000 }, () => mint(7))
    assert.strictEqual(countOf(made[0] ?? ""), most.count)
    assert.deepStrictEqual(made.toSorted(), made)
    assert.strictEqual(new Set(made).size, made.length)
    // 2,049 ids in each: the first one, and those that are counted up.
    assert.deepStrictEqual([0, 2048, 2049, 4097, 4098].map((at) => millisOf(made[at] ?? "")), [7, 7, 8, 8, 9])
    assert.strictEqual(millisOf(mint(8)), millisOf(made.at(-1) ?? ""))
    assert.strictEqual(millisOf(mint(20)), 20)
  })

  it("is one of a kind up to its chance on one node", () => {
    const mint = minting()
    const begun = Array.from({ length: 20_000 }, (_, at) => mint(Math.floor(at / 50) % 100).slice(0, 18))
    assert.strictEqual(new Set(begun).size, begun.length)
  })

  it.effect("takes the time from the clock", () =>
    Effect.gen(function*() {
      const { make } = yield* Uuid.Uuid
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(millisOf(make()), 5000)
      assert.match(make(), V7)
    }).pipe(Effect.provide(Uuid.layer(randomUUID))))
})
