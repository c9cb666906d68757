import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as vectors from "../../src/federation/wire/vectors.js"
import * as Server from "../embedding/server.js"
import { until } from "../mesh/Cluster.js"
import * as Node from "./node.js"

const PATH = "/api/v1/sync/vectors"
const KEY = "a-key-of-the-mesh"
const MODEL = `openai:small@${Server.DIMENSIONS}`

let server: Server.Server
let node: Node.Node
let id = ""

const ask = (body: unknown, headers: Record<string, string> = {}) =>
  fetch(`${node.url}${PATH}`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": KEY, ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body)
  })
const asked = <A extends object>(changes?: A) => ({
  ...{ embedder: MODEL, dimensions: Server.DIMENSIONS, ids: [id] },
  ...changes
})
const answerTo = async (body: { readonly ids: ReadonlyArray<string> }) => {
  const response = await ask(body)
  assert.strictEqual(response.status, 200)
  assert.strictEqual(response.headers.get("content-type"), "application/octet-stream")
  return Either.getOrThrow(vectors.read(new Uint8Array(await response.arrayBuffer()), body.ids))
}

beforeAll(async () => {
  server = await Server.make(Server.well)
  node = await Node.start({
    ...{ embedder: "openai", embedderUrl: Option.some(server.url), embedderModel: Option.some("small") },
    apiKey: Option.some(Redacted.make(KEY))
  })
  const created = await fetch(`${node.url}/api/v1/memories`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": KEY },
    body: JSON.stringify({ title: "The harbour", content: "The ships are painted in spring." })
  })
  id = String(Object(await created.json()).id)
  await until("it is embedded", async () => (await answerTo(asked())).memories.length > 0)
})
afterAll(async () => {
  await node.stop()
  await server.stop()
})

describe("a node that is asked for vectors", () => {
  it("gives what it has, of which text, and nothing of what it has not", async () => {
    const { memories, ...rest } = await answerTo(asked({ ids: ["unknown", id] }))
    assert.deepStrictEqual(rest, { embedder: MODEL, dimensions: Server.DIMENSIONS, looked: 2 })
    const digest = vectors.digestOf({ title: "The harbour", content: "The ships are painted in spring." })
    assert.deepStrictEqual(memories.map(({ parts, ...one }) => [one, parts.length]), [[{ id, digest }, 1]])
  })

  it("says which model its own is when it is asked for another", async () => {
    for (const changes of [{ embedder: "openai:large@8" }, { dimensions: 9 }]) {
      const { memories, ...rest } = await answerTo(asked(changes))
      assert.deepStrictEqual(rest, { embedder: MODEL, dimensions: Server.DIMENSIONS, looked: 0 })
      assert.lengthOf(memories, 0)
    }
  })

  it("says in its greeting that it has some", async () => {
    const hello = await fetch(`${node.url}/api/v1/sync/hello`, { headers: { "x-api-key": KEY } })
    assert.include(Object(await hello.json()).capabilities, "vectors")
  })

  const wrong: ReadonlyArray<readonly [what: string, body: () => unknown, status: number, words: RegExp]> = [
    ["too many ids", () => asked({ ids: Array.from({ length: 257 }, (_, at) => `m${at}`) }), 422, /ids/],
    ["ids that are none", () => asked({ ids: [1] }), 422, /ids/],
    ["ids in no list", () => asked({ ids: "m" }), 422, /ids/],
    ["an id of no letters", () => asked({ ids: [""] }), 422, /ids/],
    ["an id that is too long", () => asked({ ids: ["m".repeat(1025)] }), 422, /ids/],
    ["no ids", () => asked({ ids: undefined }), 422, /ids/],
    ["no model", () => asked({ embedder: "" }), 422, /embedder/],
    ["a model of a name without end", () => asked({ embedder: "m".repeat(513) }), 422, /embedder/],
    ["no dimensions", () => asked({ dimensions: 0 }), 422, /dimensions/],
    ["more dimensions than there are", () => asked({ dimensions: 8193 }), 422, /dimensions/],
    ["dimensions that are none", () => asked({ dimensions: 1.5 }), 422, /dimensions/],
    ["no object", () => [], 422, /object/],
    ["no JSON", () => "{", 400, /JSON/],
    ["too much", () => JSON.stringify({ ids: "m".repeat(3 * 1024 * 1024) }), 413, /./]
  ]
  it.each(wrong)("refuses %s, and says what is wrong", async (_, body, status, words) => {
    const response = await ask(body())
    const text = await response.text()
    assert.strictEqual(response.status, status, text)
    assert.match(text, words)
  })

  it("refuses who has another key, or none, and what is not JSON by its own word", async () => {
    assert.strictEqual((await ask(asked(), { "x-api-key": "another" })).status, 401)
    assert.strictEqual((await ask(asked(), { "x-api-key": "" })).status, 401)
    assert.strictEqual((await ask(asked(), { "content-type": "text/plain" })).status, 415)
    const read = await fetch(`${node.url}${PATH}`, { headers: { "x-api-key": KEY } })
    assert.strictEqual(read.status, 405)
  })
})
