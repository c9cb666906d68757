import { assert, describe, it } from "@effect/vitest"
import * as Arr from "effect/Array"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import { type ApiKey, SCOPES } from "../../src/access/ApiKey.js"
import * as keyDocument from "../../src/access/keyDocument.js"
import { AgentId } from "../../src/domain/ids.js"
import * as Stamp from "../../src/domain/Stamp.js"

const hash = `sha256:${"0123456789abcdef".repeat(4)}`
const other = `sha256:${"fedcba9876543210".repeat(4)}`
const key = { name: "laptop", hash, scopes: ["read"] }

const problemOf = (value: unknown) =>
  Either.match(keyDocument.parse(typeof value === "string" ? value : JSON.stringify(value)), {
    onLeft: (problem) => problem,
    onRight: () => "taken"
  })

const arbitrary: FastCheck.Arbitrary<ApiKey> = FastCheck.record({
  name: FastCheck.stringMatching(/^[A-Za-z0-9_.-]{1,64}$/),
  namespaces: FastCheck.constant(Option.none()),
  digest: FastCheck.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes)),
  scopes: FastCheck.subarray([...SCOPES], { minLength: 1 }).map((scopes) => new Set(scopes)),
  agentId: FastCheck.option(FastCheck.stringMatching(/^[a-z0-9:@./-]{1,40}$/)).map((id) =>
    Option.map(Option.fromNullable(id), (text) => AgentId.make(text))
  ),
  expiresAt: FastCheck.option(FastCheck.integer({ min: 0, max: 4_000_000_000_000 })).map((millis) =>
    Option.map(Option.fromNullable(millis), (at) => Stamp.fromMillis(at))
  )
})

describe("the namespaces of a key", () => {
  const of = (namespaces: unknown, scopes: ReadonlyArray<string> = ["read", "write"]) =>
    problemOf({ keys: [{ name: "laptop", hash, scopes, namespaces }] })

  it("go into the document and come back", () => {
    const text = JSON.stringify({ keys: [{ ...key, namespaces: ["team/*", "notes/**", "todo"] }] })
    const [read] = Either.getOrThrow(keyDocument.parse(text))
    assert.deepStrictEqual(read?.namespaces, Option.some(["team/*", "notes/**", "todo"]))
    const again = keyDocument.parse(keyDocument.print(read === undefined ? [] : [read]))
    assert.deepStrictEqual(Either.getOrThrow(again)[0], read)
  })

  it.each<[unknown, ReadonlyArray<string>?]>([
    [[]],
    [["a b"]],
    [["*"]],
    [["**"]],
    [["*/bob"]],
    [["_messages/bob"]],
    [["_messages/**"]],
    [["team/*"], ["read", "admin"]],
    [["team/*"], ["peer"]],
    ["team/*"]
  ])("are refused: %j %j", (namespaces, scopes) => {
    assert.notStrictEqual(of(namespaces, scopes), "taken")
  })
})

describe("a document of keys", () => {
  it.each([
    ["it is no JSON", "{"],
    ["it is no JSON", ""],
    ["the value must be an object", []],
    ["keys is required", {}],
    ["keys must be an array", { keys: {} }],
    ["keys[0].name is required", { keys: [{ hash, scopes: ["read"] }] }],
    ["keys[0].name must be 1..64 of the characters A-Z a-z 0-9 _ . -", { keys: [{ ...key, name: "a b" }] }],
    ["keys[0].name must be 1..64 of the characters A-Z a-z 0-9 _ . -", { keys: [{ ...key, name: "" }] }],
    ["keys[0].name must be 1..64 of the characters A-Z a-z 0-9 _ . -", { keys: [{ ...key, name: "n".repeat(65) }] }],
    ["keys[0].hash must be sha256: and 64 hex digits in lower case", { keys: [{ ...key, hash: "a-key-itself" }] }],
    ["keys[0].hash must be sha256: and 64 hex digits in lower case", { keys: [{ ...key, hash: hash.slice(0, -1) }] }],
    ["keys[0].scopes must be one to 4 of read, write, admin, peer", { keys: [{ ...key, scopes: [] }] }],
    ["keys[0].agent_id must be the id of an agent", { keys: [{ ...key, agent_id: "a b" }] }],
    ["keys[0].expires_at must be an RFC 3339 timestamp", { keys: [{ ...key, expires_at: "tomorrow" }] }],
    ["the key laptop stands in it twice", { keys: [key, { ...key, hash: other }] }],
    ["the key other stands in it twice", { keys: [key, { ...key, name: "other" }] }],
    ["keys must be at most 256 keys", { keys: Array.from({ length: 257 }, () => key) }],
    ["it is longer than 262144 characters", " ".repeat(262_145)]
  ])("is refused: %s", (problem, value) => {
    assert.strictEqual(problemOf(value), problem)
  })

  it("names the scopes that there are", () => {
    assert.match(
      problemOf({ keys: [{ ...key, scopes: ["root"] }] }),
      /^keys\[0\]\.scopes\[0\] must be "read" or "write"/
    )
  })

  it("is read as it was written", () => {
    const printed = keyDocument.print(
      Option.getOrThrow(Either.getRight(keyDocument.parse(JSON.stringify({ keys: [key] }))))
    )
    assert.deepStrictEqual(JSON.parse(printed), { keys: [key] })
    FastCheck.assert(FastCheck.property(FastCheck.array(arbitrary, { maxLength: 5 }), (keys) => {
      const distinct = Arr.dedupeWith(keys, (a, b) => a.name === b.name || a.digest.equals(b.digest))
      assert.deepStrictEqual(keyDocument.parse(keyDocument.print(distinct)), Either.right(distinct))
    }))
  })
})
