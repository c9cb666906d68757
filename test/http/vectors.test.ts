import { afterAll, afterEach, assert, beforeAll, beforeEach, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as vectors from "../../src/federation/wire/vectors.js"
import * as Server from "../embedding/server.js"
import { until } from "../mesh/Cluster.js"
import * as Proxy from "../mesh/Proxy.js"
import * as Call from "./call.js"
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

describe("a node whose peer answers a question for vectors", () => {
  type Answer = Parameters<typeof Proxy.make>[1]
  let models: Server.Server
  let [author, reader]: ReadonlyArray<Node.Node> = []
  let proxy: Proxy.Proxy
  let questions = 0
  let how: ReturnType<Answer>
  const settings = () => ({
    ...{ embedder: "openai" as const, embedderUrl: Option.some(models.url), embedderModel: Option.some("small") }
  })
  beforeEach(async () => {
    models = await Server.make(Server.well)
    author = await Node.start(settings())
    questions = 0
    proxy = await Proxy.make(() => author?.url ?? "", (path) => {
      if (path !== PATH) return undefined
      questions += 1
      return how
    })
    reader = await Node.start({
      ...settings(),
      ...{ quorumPeers: [proxy.url], quorumWrites: Option.some(1), catchupInterval: Duration.millis(200) }
    })
  })
  afterEach(async () => {
    await reader?.stop()
    await proxy.close()
    await author?.stop()
    await models.stop()
  })

  const timesOf = (text: string) =>
    models.asked.flatMap(({ body }) => body.input).filter((each) => each === text).length
  const TEXT = "The lighthouse\nIt is seen from afar."
  const written = async () => {
    if (author === undefined || reader === undefined) throw new Error("no nodes")
    const there = { title: "The lighthouse", content: "It is seen from afar." }
    assert.strictEqual((await Call.to(author)("POST", "/memories", { body: there })).status, 201)
    const send = Call.to(reader)
    await until("it is there", async () => (await send("GET", "/search?q=lighthouse")).text.includes("from afar"))
    return send
  }
  const embedded = (send: Call.Send) =>
    until("it is embedded", async () => {
      const { memories, embedded } = Object((await send("GET", "/capabilities")).body["embeddings"])
      return memories === embedded
    })
  /** It is written to and asked as ever. */
  const goesOn = async (send: Call.Send, title: string) => {
    assert.strictEqual((await send("POST", "/memories", { body: { title, content: "c" } })).status, 201)
    let body: Record<string, unknown> = {}
    // A question whose vector takes too long is asked by its words alone, and so may one be on a busy machine.
    await until("it is asked by meaning", async () => {
      const told = await send("POST", "/recall", { body: { context: "lighthouse" } })
      assert.strictEqual(told.status, 200)
      body = told.body
      return body["mode"] === "hybrid"
    })
    // The stand-in for a model knows no meaning: what was just written may come first once it has its vector.
    assert.include(Call.rows({ body }, "memories").map((memory) => memory["title"]), "The lighthouse")
  }

  it("as it should has the text embedded once", async () => {
    how = undefined
    const send = await written()
    await embedded(send)
    await goesOn(send, "another")
    assert.deepStrictEqual([timesOf(TEXT), questions > 0], [1, true])
  })

  const wrong: ReadonlyArray<readonly [what: string, how: ReturnType<Answer>]> = [
    ["garbage", (response) => response.end("garbage")],
    ["nothing at all", (response) => response.end()],
    ["that there is no such route", 404],
    ["that it broke", 500],
    ["without an end", (response) => {
      const more = () => {
        while (!response.destroyed && response.write("QVEC".repeat(8192)));
      }
      response.on("drain", more)
      more()
    }]
  ]
  it.each(wrong)("%s embeds the text itself, asks no more, and goes on", async (_, answer) => {
    how = answer
    const send = await written()
    await embedded(send)
    await goesOn(send, "another")
    assert.deepStrictEqual([timesOf(TEXT), questions], [2, 1])
  })

  const silent: ReadonlyArray<readonly [what: string, how: ReturnType<Answer>]> = [
    ["never", () => {}],
    ["by closing the connection", (response) => response.destroy()],
    ["that it can not now", 503]
  ]
  it.each(silent)("%s goes on, and waits", async (what, answer) => {
    how = answer
    const send = await written()
    await until("it has asked", async () => questions > 0)
    await goesOn(send, "another")
    assert.strictEqual(timesOf(TEXT), 1)
    how = undefined
    if (what !== "never") await embedded(send)
    assert.strictEqual(timesOf(TEXT), 1)
  })
})
