import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import { isDeepStrictEqual } from "node:util"
import { NodeId, OpId, Origin } from "../../src/domain/ids.js"
import * as Memory from "../../src/domain/Memory.js"
import { decoder } from "../../src/domain/ShapeError.js"
import * as Stamp from "../../src/domain/Stamp.js"
import * as PeerApi from "../../src/federation/wire/PeerApi.js"
import * as Plain from "../../src/federation/wire/plain.js"
import { hashed, type Operation } from "../../src/replication/Operation.js"
import * as arbitraries from "../domain/arbitraries.js"

/*
 * What is read without a schema is read as the schema reads it: right where that says right, with the same value, and left to
 * it otherwise.
 */

const bySchema = decoder(PeerApi.PushRequest)
const KNOWN = Object.keys(PeerApi.PushRequest.fields)

/** A value that stands where another one is expected. */
const STRANGE: ReadonlyArray<unknown> = [
  null,
  undefined,
  true,
  0,
  -1,
  1.5,
  2,
  3,
  2 ** 53,
  Number.NaN,
  "",
  "x",
  "A/1",
  "a/0",
  "a\n/1",
  "\u0000",
  "\ud800",
  "f".repeat(64),
  "F".repeat(64),
  `${"f".repeat(64)}\n`,
  "x".repeat(65),
  "x".repeat(10_000),
  "2026-05-01T10:00:00Z",
  "2026-05-01T10:00:00.000000000+00:00",
  "2026-02-30T10:00:00.000000000+00:00",
  [],
  {},
  [[]],
  [["id", "2026-05-01T10:00:00Z", "a/1"]],
  [["id", "2026-05-01T10:00:00.000000000+00:00", "a/1"]],
  [["id", "2026-05-01T10:00:00.000000000+00:00", "a/1", 1]],
  ["f".repeat(64), "0".repeat(64)],
  ["f".repeat(64), "0".repeat(64), 3],
  ["f".repeat(64), "0".repeat(64), -3],
  Array.from({ length: 1_001 }, () => "x")
]

/** One change somewhere in a value, which is drawn by the numbers. */
const changed = (value: unknown, [which, how, strange]: readonly [number, number, number]): unknown => {
  const places: Array<readonly [Record<string, unknown> | Array<unknown>, string]> = []
  const walk = (at: unknown): void => {
    if (typeof at !== "object" || at === null) return
    const holder = at as Record<string, unknown>
    for (const key of Object.keys(holder)) {
      places.push([holder, key])
      walk(holder[key])
    }
  }
  const copy: unknown = structuredClone(value)
  walk(copy)
  const [holder, key] = places[which % places.length] ?? []
  if (holder === undefined || key === undefined) return copy
  const there = holder as Record<string, unknown>
  const odd: unknown = structuredClone(STRANGE[strange % STRANGE.length])
  if (how % 4 === 0 && Array.isArray(holder)) holder.splice(Number(key), 1)
  else if (how % 4 === 0) delete there[key]
  else if (how % 4 === 1 && !Array.isArray(holder)) there[`${key}_more`] = odd
  else if (how % 4 === 2 && !Array.isArray(holder)) {
    there[["seal", "agent", "key", "format", "entity", "body"][strange % 6] ?? ""] = odd
  } else there[key] = odd
  return copy
}

const changes = FastCheck.array(FastCheck.tuple(FastCheck.nat(), FastCheck.nat(), FastCheck.nat()), { maxLength: 3 })

const operation = FastCheck.record({
  memory: arbitraries.memory,
  oseq: FastCheck.integer({ min: 1, max: 1_000_000 }),
  format: FastCheck.constantFrom<Operation["format"]>(1, 2),
  turn: FastCheck.constantFrom(0, 1),
  isKeyed: FastCheck.boolean(),
  isAgents: FastCheck.boolean(),
  covers: FastCheck.array(
    FastCheck.record({
      id: FastCheck.uuid(),
      hlc: arbitraries.millis.map((millis) => Stamp.fromMillis(millis)),
      origin: FastCheck.constant(Origin.make("other/2"))
    }),
    { maxLength: 3 }
  )
}).map(({ covers, format, isAgents, isKeyed, memory, oseq, turn }): Operation => {
  const hlc = Stamp.fromMillis(1_750_000_000_000 + oseq)
  return hashed({
    format,
    opId: OpId.make(`op-${oseq}`),
    origin: Origin.make("peer/1"),
    oseq,
    hlc,
    kind: "store",
    entity: memory.id,
    body: Memory.encodeJson({ ...memory, updated_at: hlc }),
    baseHlc: covers[0]?.hlc ?? null,
    covers,
    idempotency: isKeyed ? { keyHash: "a".repeat(64), requestHash: "b".repeat(64), turn } : null,
    ...(isAgents && format === 2 ? { agent: "host:a" } : {})
  })
})

const pushOf = (operations: ReadonlyArray<Operation>): unknown =>
  JSON.parse(
    `{"sender_agent_id":"${NodeId.make("peer")}","sender_wall_clock":"${Stamp.fromMillis(0)}",` +
      `${PeerApi.encodeCarrier(operations.map(PeerApi.write))},"dry_run":false}`
  )

/** As a node of ours answers a push. */
const answer = FastCheck.record({
  applied: FastCheck.nat(),
  archived: FastCheck.nat(),
  dry_run: FastCheck.boolean(),
  receiver_agent_id: FastCheck.constant("peer"),
  receiver_clock: FastCheck.constant({ entries: {} }),
  receiver_node_id: FastCheck.constant("peer"),
  durable: FastCheck.boolean(),
  wall_clock: arbitraries.millis.map((millis) => Stamp.fromMillis(millis)),
  vector: FastCheck.dictionary(
    FastCheck.constantFrom("peer/1", "peer/2", "other/1"),
    FastCheck.oneof(FastCheck.integer({ min: 1 }), FastCheck.constantFrom<unknown>(0, [3, [5, 7]], [0, [5, 7]]))
  ),
  results: FastCheck.array(
    FastCheck.record({
      op_id: FastCheck.uuid(),
      result: FastCheck.constantFrom(...PeerApi.PushResult.fields.result.literals),
      why: FastCheck.string()
    }, { requiredKeys: ["op_id", "result"] }),
    { maxLength: 3 }
  )
}, { noNullPrototype: true })

/** As much of an answer as anybody reads. */
const readOf = ({ results, ...answer }: PeerApi.PushAnswer, known: ReadonlyArray<string>): unknown => ({
  ...Object.fromEntries(Object.entries(answer).filter(([name]) => known.includes(name))),
  results: results?.map(({ op_id, result, why }) => ({ op_id, result, why }))
})

const pick = (value: object): unknown =>
  Object.fromEntries(Object.entries(value).filter(([name]) => KNOWN.includes(name)))

describe("what is read without a schema", () => {
  it("is everything that a node of ours sends", () => {
    FastCheck.assert(FastCheck.property(FastCheck.array(operation, { maxLength: 4 }), (operations) => {
      const push = pushOf(operations)
      assert.isTrue(Plain.isPush(push))
      assert.deepStrictEqual(pick(Object(push)), Either.getOrThrow(bySchema(push)))
    }))
  })

  it("is read as the schema reads it, whatever was changed in it", () => {
    let plain = 0
    let left = 0
    FastCheck.assert(
      FastCheck.property(FastCheck.array(operation, { minLength: 1, maxLength: 2 }), changes, (operations, todo) => {
        const push = todo.reduce(changed, pushOf(operations))
        const read = PeerApi.decodePush(push)
        const expected = bySchema(push)
        if (Plain.isPush(push)) plain++
        else left++
        assert.strictEqual(Either.isRight(read), Either.isRight(expected))
        if (Either.isRight(read) && Either.isRight(expected)) assert.deepStrictEqual(pick(read.right), expected.right)
        else assert.deepStrictEqual(read, expected)
      }),
      { numRuns: 1_000 }
    )
    // Both happen, or nothing is compared.
    assert.isAbove(plain, 100)
    assert.isAbove(left, 100)
  })

  it("is an answer to a push as the schema reads it, whatever was changed in it", () => {
    const whole = PeerApi.decodeText(PeerApi.PushAnswer)
    const known = Object.keys(PeerApi.PushAnswer.fields)
    let plain = 0
    let left = 0
    FastCheck.assert(
      FastCheck.property(answer, changes, (given, todo) => {
        const text = JSON.stringify(todo.reduce(changed, given))
        const read = PeerApi.decodeAnswer(text)
        const expected = whole(text)
        if (Plain.isAnswer(JSON.parse(text))) plain++
        else left++
        assert.strictEqual(Either.isRight(read), Either.isRight(expected))
        if (Either.isRight(read) && Either.isRight(expected)) {
          assert.deepStrictEqual(readOf(read.right, known), readOf(expected.right, known))
        } else assert.deepStrictEqual(read, expected)
      }),
      { numRuns: 2_000 }
    )
    assert.isAbove(plain, 200)
    assert.isAbove(left, 200)
    for (const text of ["", "{", "null", "[]", "1", "{}", `{"vector":{"__proto__":1}}`]) {
      assert.deepStrictEqual(PeerApi.decodeAnswer(text), whole(text))
    }
  })

  it("is a memory as its schema reads it, whatever was changed in it", () => {
    const whole = decoder(Memory.Memory)
    FastCheck.assert(
      FastCheck.property(arbitraries.memory, changes, (memory, todo) => {
        const row = todo.reduce(changed, memory)
        const read = Memory.decode(row)
        const expected = whole(row)
        assert.strictEqual(Either.isRight(read), Either.isRight(expected))
        if (Either.isRight(read) && Either.isRight(expected)) {
          assert.isTrue(isDeepStrictEqual({ ...read.right }, { ...expected.right }))
          assert.strictEqual(Memory.encodeJson(read.right), Memory.encodeJson(expected.right))
        }
      }),
      { numRuns: 1_000 }
    )
  })
})
