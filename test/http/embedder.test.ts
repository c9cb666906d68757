import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Settings } from "../../src/config/NodeConfig.js"
import * as Server from "../embedding/server.js"
import { until } from "../mesh/Cluster.js"
import * as Call from "./call.js"
import * as Node from "./node.js"

/** Much less than an embedder has for its answer, and more than a write takes on a machine that has much else to do. */
const MOST_MILLIS = 10_000

const settings = (server: Server.Server, model = "small"): Partial<Settings> => ({
  embedder: "openai",
  embedderUrl: Option.some(server.url),
  embedderModel: Option.some(model)
})

const embeddings = async (send: Call.Send) => {
  const { body } = await send("GET", "/capabilities")
  return {
    features: Object(body["features"]),
    models: Object(body["models"]),
    progress: Object(body["embeddings"])
  }
}

const allEmbedded = (send: Call.Send) =>
  until("everything is embedded", async () => {
    const { features, progress } = await embeddings(send)
    return progress.memories === progress.embedded && features.recall_mode_active === "hybrid"
  })

const recalled = async (send: Call.Send, context: string) => {
  const { body, status } = await send("POST", "/recall", { body: { context } })
  assert.strictEqual(status, 200)
  return {
    mode: body["mode"],
    degraded: body["degraded"],
    titles: Call.rows({ body }, "memories").map(({ title }) => title)
  }
}

const sent = (status: number, body: unknown, headers: Record<string, string> = {}): Server.Answer => (_, response) =>
  Server.send(response, status, body, headers)

const vectorsOf = (vector: (text: string) => unknown): Server.Answer => ({ body }, response) =>
  Server.send(response, 200, { data: body.input.map((text, index) => ({ index, embedding: vector(text) })) })

const withoutEnd: Server.Answer = (_, response) => {
  response.writeHead(200)
  const more = () => {
    while (!response.destroyed && response.write("0,".repeat(8192)));
  }
  response.on("drain", more)
  more()
}

describe("a node whose embedder", () => {
  let server: Server.Server
  let node: Node.Node
  let send: Call.Send
  let count = 0
  beforeAll(async () => {
    server = await Server.make(Server.well)
    node = await Node.start(settings(server))
    send = Call.to(node)
    await write("harbour")
    await allEmbedded(send)
  })
  afterAll(async () => {
    await node.stop()
    await server.stop()
  })

  const write = async (word: string) => {
    const title = `${word} ${count += 1}`
    const begin = performance.now()
    const { status } = await send("POST", "/memories", { body: { title, content: `The ${word} is painted.` } })
    assert.strictEqual(status, 201)
    assert.isBelow(performance.now() - begin, MOST_MILLIS)
    return title
  }

  const failing: ReadonlyArray<readonly [what: string, how: Server.Answer]> = [
    ["never answers", () => {}],
    ["answers garbage", sent(200, "<html>")],
    ["answers vectors of another length", vectorsOf(() => [1, 2, 3])],
    ["answers NaN", sent(200, "{\"data\":[{\"index\":0,\"embedding\":[NaN,1,1,1,1,1,1,1]}]}")],
    ["answers null for numbers", vectorsOf((text) => Server.vectorOf(text).map(() => null))],
    ["answers 401", sent(401, { error: { message: "no such key" } })],
    ["answers 429 and when to come back", sent(429, { error: "too many" }, { "retry-after": "1" })],
    ["answers 500", sent(500, "it broke")],
    ["answers without an end", withoutEnd]
  ]
  for (const [what, how] of failing) {
    it(`${what} takes writes, recalls by words and says so, and embeds everything afterwards`, async () => {
      server.answer(how)
      const word = `lighthouse${count}`
      const title = await write(word)
      const { degraded, mode, titles } = await recalled(send, word)
      assert.deepStrictEqual({ degraded, mode }, { degraded: ["embeddings"], mode: "keyword" })
      assert.strictEqual(titles[0], title)
      if (what !== "never answers") {
        await until(
          "the failure is told",
          async () => (await embeddings(send)).features.recall_mode_active === "degraded"
        )
        const { progress } = await embeddings(send)
        assert.match(String(progress.failure), /^embedder (unavailable|refused|malformed): /)
        const ready = await fetch(`${node.url}/health/ready`)
        assert.strictEqual(ready.status, 200)
        assert.include(await ready.text(), "the embedder does not answer")
      }
      server.answer(Server.well)
      // What hangs is cut after half a minute; this test does not wait for that.
      if (what === "never answers") await server.stop().then(server.start)
      await allEmbedded(send)
      const after = await recalled(send, word)
      assert.deepStrictEqual(after.degraded ?? [], [])
      assert.strictEqual(after.mode, "hybrid")
      assert.strictEqual(after.titles[0], title)
    })
  }

  it("is asked once for a text, whatever else of a memory changes, which is found by its meaning all the while", async () => {
    const texts: Array<string> = []
    server.answer((asked, response) => {
      texts.push(...asked.body.input.filter((text) => text.includes("quay")))
      vectorsOf((text) => Array.from({ length: 8 }, (_, at) => at === (/quay|wharf/.test(text) ? 0 : 1) ? 1 : 0.01))(
        asked,
        response
      )
    })
    const written = await send("POST", "/memories", {
      body: { title: "quay", content: "The quay is red.", namespace: "port" }
    })
    await allEmbedded(send)
    // Has the signs read, so that what comes afterwards has to be found behind them.
    const semantic = async (namespace: string) => {
      const { body } = await send("POST", "/recall", { body: { context: "wharf", namespace, explain: true } })
      return Object(Object(Call.rows({ body }, "memories")[0])["explain"]).semantic
    }
    const before = await semantic("port")
    assert.isAbove(before, 0)
    const id = String(written.body["id"])
    const asked = texts.length
    for (const change of [{ priority: 9 }, { tags: ["a"] }, { metadata: { a: 1 } }, { tier: "long" }]) {
      assert.strictEqual((await send("PUT", `/memories/${id}`, { body: change })).status, 200)
      assert.strictEqual(await semantic("port"), before, JSON.stringify(change))
    }
    assert.strictEqual((await send("PUT", `/memories/${id}`, { body: { namespace: "harbour" } })).status, 200)
    assert.isAbove(await semantic("harbour"), 0)
    assert.isUndefined(await semantic("port"))
    await allEmbedded(send)
    assert.lengthOf(texts, asked)
    assert.strictEqual((await send("PUT", `/memories/${id}`, { body: { content: "The quay is blue." } })).status, 200)
    await allEmbedded(send)
    assert.lengthOf(texts, asked + 1)
    server.answer(Server.well)
  })

  it("never answers keeps nobody waiting who looks for duplicates", async () => {
    server.answer(() => {})
    const begin = performance.now()
    const { status } = await send("POST", "/check_duplicate", { body: { title: "t", content: "c" } })
    assert.strictEqual(status, 503)
    assert.isBelow(performance.now() - begin, MOST_MILLIS)
    server.answer(Server.well)
    assert.strictEqual((await send("POST", "/check_duplicate", { body: { title: "t", content: "c" } })).status, 200)
  })

  it("is asked about what is stored word for word says that it is the same, and no more than that", async () => {
    for (const content of ["one", "two or three", "four, five and six", "seven"]) {
      const memory = { title: `the same ${content}`, content }
      await send("POST", "/memories", { body: memory })
      await allEmbedded(send)
      const { body } = await send("POST", "/check_duplicate", { body: memory })
      assert.strictEqual(body["is_duplicate"], true)
      assert.isAtMost(Number(Object(body["nearest"]).similarity), 1)
    }
  })

  it("is slow has its vectors, and questions do not wait for it", async () => {
    server.answer((asked, response) => setTimeout(() => Server.well(asked, response), 400))
    await write("slow")
    assert.deepStrictEqual((await recalled(send, "slow")).degraded, ["embeddings"])
    await until("it is embedded", async () => {
      const { progress } = await embeddings(send)
      return progress.memories === progress.embedded
    })
    assert.deepStrictEqual((await recalled(send, "slow")).degraded, ["embeddings"])
    const { features, progress } = await embeddings(send)
    assert.strictEqual(features.recall_mode_active, "degraded", "so it is for questions, whatever else it answers")
    assert.include(String(progress.failure), "no answer within 150ms")
    server.answer(Server.well)
    assert.strictEqual((await recalled(send, "slow")).mode, "hybrid")
    assert.strictEqual((await embeddings(send)).features.recall_mode_active, "hybrid")
  })

  it("is gone and comes back is found again", async () => {
    await server.stop()
    assert.deepStrictEqual((await recalled(send, "slow")).degraded, ["embeddings"])
    assert.strictEqual((await embeddings(send)).features.recall_mode_active, "degraded", "a question was not answered")
    await write("gone")
    assert.deepStrictEqual((await recalled(send, "gone")).degraded, ["embeddings"])
    await server.start()
    await allEmbedded(send)
    assert.strictEqual((await recalled(send, "gone")).mode, "hybrid")
  })
})

describe("a model that the operator changes", () => {
  const folder = mkdtempSync(join(tmpdir(), "quorate-embedder-"))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it("has everything embedded anew in the background, and recalls go on meanwhile", async () => {
    const server = await Server.make(Server.well)
    const db = join(folder, "quorate.db")
    const first = await Node.start({ ...settings(server), db })
    const before = Call.to(first)
    for (let at = 0; at < 40; at += 1) {
      await before("POST", "/memories", { body: { title: `note ${at}`, content: `Of ship number ${at}.` } })
    }
    await allEmbedded(before)
    assert.deepInclude((await embeddings(before)).models, { embedding: "openai:small@8", embedding_dim: 8 })
    await first.stop()

    const held: Array<() => void> = []
    const another: Server.Answer = ({ body }, response) =>
      Server.send(response, 200, {
        data: body.input.map((text, index) => ({ index, embedding: Server.vectorOf(text, 16) }))
      })
    server.answer((asked, response) => {
      if (asked.body.input.length === 1) another(asked, response)
      else held.push(() => another(asked, response))
    })
    const second = await Node.start({ ...settings(server, "large"), db })
    const after = Call.to(second)
    try {
      await until("the first are asked for", async () => held.length > 0)
      const { models, progress } = await embeddings(after)
      assert.deepInclude(models, { embedding: "openai:large@16", embedding_dim: 16 })
      assert.deepInclude(progress, { embedded: 0 })
      const meanwhile = await recalled(after, "ship number 7")
      assert.deepStrictEqual([meanwhile.mode, meanwhile.titles[0]], ["hybrid", "note 7"])
      server.answer(another)
      for (const release of held) release()
      await allEmbedded(after)
      assert.strictEqual((await recalled(after, "ship number 7")).titles[0], "note 7")
    } finally {
      await second.stop()
      await server.stop()
    }
  })
})
