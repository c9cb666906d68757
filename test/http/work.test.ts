import { afterAll, assert, beforeAll, describe, it, vi } from "@effect/vitest"
import * as Either from "effect/Either"
import * as limits from "../../src/domain/limits.js"
import * as validate from "../../src/domain/validate.js"
import * as Body from "../../src/http/calls/body.js"
import * as Node from "./node.js"

/*
 * One thread serves everybody. What a request makes it do is measured by what is looked at, not by a clock.
 */

/** An array of so many items that counts how many are looked at. */
const counting = (length: number) => {
  let looks = 0
  const items = new Proxy(Array.from({ length }, () => "x"), {
    get: (target, property, receiver): unknown => {
      if (typeof property === "string" && /^\d+$/.test(property)) looks++
      return Reflect.get(target, property, receiver)
    }
  })
  return { items, looks: () => looks }
}

describe("the work that one request makes", () => {
  let node: Node.Node
  beforeAll(async () => {
    node = await Node.start()
  })
  afterAll(() => node.stop())

  const post = (path: string, body: string, type = "application/json") =>
    Node.exchange(node.port, Node.request({ method: "POST", path, body, headers: { "content-type": type } }))

  it("ends with the count of a list that is too long, whatever is in it", () => {
    for (const wrap of [(list: unknown) => list, (ids: unknown) => ({ ids }), (tags: unknown) => [{ tags }]]) {
      const { items, looks } = counting(600_000)
      assert.isTrue(Either.isLeft(Body.checkCounts(wrap(items))))
      assert.strictEqual(looks(), 0)
    }
    assert.isTrue(Either.isRight(Body.checkCounts({ metadata: { list: counting(2_000).items } })))
  })

  it("ends with the count of fields and of what is in metadata", () => {
    const fields = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at}`, 1]))
    const refused = (value: unknown) => Either.getOrThrow(Either.flip(Body.checkCounts(value))).message
    assert.strictEqual(refused(fields(1_001)), "fields must be at most 1000")
    assert.strictEqual(
      refused({ memories: [{ title: "a" }, fields(1_001)] }),
      "memories[1].fields must be at most 1000"
    )
    for (const wrap of [(metadata: unknown) => ({ metadata }), (metadata: unknown) => [{ metadata }]]) {
      const { items, looks } = counting(600_000)
      assert.match(refused(wrap({ list: items })), /metadata must be at most 65536 bytes/)
      assert.match(refused(wrap({ deep: [items] })), /metadata must be at most 65536 bytes/)
      assert.strictEqual(looks(), 0)
      assert.isTrue(Either.isRight(Body.checkCounts(wrap({ ...fields(10_000), list: ["x", [[{}]], null] }))))
    }
  })

  it("ends before a JSON is read whose objects are too large, or too deep", () => {
    const parse = vi.spyOn(JSON, "parse")
    const parsed = (text: string) => Body.parse({ "content-type": "application/json" }, Buffer.from(text))
    const wide = (count: number) => `{${Array.from({ length: count }, (_, at) => `"k${at}":{}`).join(",")}}`
    const complaints = [wide(11_001), `{"metadata":${wide(190_000)}}`, "[".repeat(129)].map((text) =>
      Either.getOrThrow(Either.flip(parsed(text))).message
    )
    assert.deepStrictEqual(complaints, [
      "an object of the JSON may have 11000 fields at most",
      "an object of the JSON may have 11000 fields at most",
      "the JSON may be nested 128 levels deep at most"
    ])
    assert.strictEqual(parse.mock.calls.length, 0)
    for (
      const text of [wide(11_000), `[${wide(9_000)},${wide(9_000)}]`, JSON.stringify({ text: ":{".repeat(20_000) })]
    ) {
      assert.isTrue(Either.isRight(parsed(text)))
    }
    assert.strictEqual(parse.mock.calls.length, 3)
    parse.mockRestore()
  })

  it("is refused in a word: lists, tags and lines that are too many", async () => {
    const ids = JSON.stringify({ ids: Array.from({ length: 300_000 }, () => "x") })
    const archived = await post("/api/v1/archive", ids)
    assert.strictEqual(archived.status, 400)
    assert.deepInclude(Object(archived.json), { field: "ids", error: "ids must be at most 1000" })
    const pushed = await post(
      "/api/v1/sync/push",
      `{"sender_agent_id":"p","memories":[],"deletions":${ids.slice(7, -1)}}`
    )
    assert.strictEqual(pushed.status, 400)
    assert.deepInclude(Object(pushed.json), { field: "deletions" })
    const imported = await post("/api/v1/import", "1\n".repeat(1_000_000), "application/x-ndjson")
    assert.strictEqual(imported.status, 400)
    assert.deepInclude(Object(imported.json), { field: "lines", error: "lines must be at most 2000" })
  })

  it("is told of the first mistakes, and of how many more there are", async () => {
    const { json, status } = await post("/api/v1/import", "\n1\n".repeat(1_500), "application/x-ndjson")
    assert.strictEqual(status, 200)
    const { errors } = Object(json)
    assert.lengthOf(errors, limits.MAX_ERRORS + 1)
    assert.match(errors[0], /^line 2: /)
    assert.strictEqual(errors.at(-1), "1400 more are wrong")
  })

  it("does not go through metadata that is too large anyway", () => {
    let looks = 0
    const inner = Array.from({ length: 190_000 }, (_, at) => at)
    const large = {
      list: new Proxy(inner, {
        get: (target, property, receiver): unknown => {
          if (property === Symbol.iterator) looks++
          return Reflect.get(target, property, receiver)
        }
      })
    }
    const refused = validate.metadata(large)
    assert.isTrue(Either.isLeft(refused))
    assert.strictEqual(looks, 0)
    const wide = Object.fromEntries(Array.from({ length: 32_000 }, (_, at) => [`k${at}`, at]))
    assert.match(String(Either.getOrThrow(Either.flip(validate.metadata(wide))).message), /65536 bytes/)
    assert.isTrue(Either.isRight(validate.metadata({ deep: [[{ a: 1 }]] })))
  })
})
