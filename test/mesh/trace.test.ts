import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Cluster from "./Cluster.js"
import { exporter, pathOf, startNode } from "./traced.js"

describe("the trace of one quorum write", () => {
  it("is one trace over both nodes, from the client's request to the peer's commit", async () => {
    const [one, two] = await Cluster.freePorts(2)
    assert.isDefined(one)
    assert.isDefined(two)
    const nodes = [startNode("node-one", one, two), startNode("node-two", two, one)]
    try {
      await Promise.all(nodes.map((node) => node.runPromise(Effect.void)))
      const url = `http://127.0.0.1:${one}`
      const write = (title: string, headers: Record<string, string> = {}) =>
        Cluster.call(url, "POST", "/api/v1/memories", { body: { title, content: "c" }, headers })
      let attempts = 0
      // A write that missed its quorum is kept, and holds its title.
      await Cluster.until("the nodes have met", async () => (await write(`hello ${attempts++}`)).status === 201)

      exporter.reset()
      const traceId = "0af7651916cd43dd8448eb211c80319c"
      const answer = await write("traced", { traceparent: `00-${traceId}-b7ad6b7169203331-01` })
      assert.strictEqual(answer.status, 201)
      const inTrace = () => exporter.getFinishedSpans().filter((span) => span.spanContext().traceId === traceId)
      const expected = [
        ["http.server POST"],
        ["Alike.to", "http.server POST"],
        ["remember", "http.server POST"],
        ["MemoryStore.commit", "remember", "http.server POST"],
        ["federation.quorumFanout", "remember", "http.server POST"],
        ["federation.send", "federation.quorumFanout", "remember", "http.server POST"],
        ["http.client POST", "federation.send", "federation.quorumFanout", "remember", "http.server POST"],
        ["http.server POST", "http.client POST", "federation.send"],
        ["federation.receive", "http.server POST", "http.client POST"],
        ["MemoryStore.commit", "federation.receive", "http.server POST", "http.client POST"]
      ]
      await Cluster.until("all spans have ended", async () => inTrace().length >= expected.length)
      const paths = inTrace().map((span) => pathOf(span, inTrace()).join(" < "))
      for (const path of expected) {
        assert.isTrue(
          paths.some((found) => found.startsWith(path.join(" < "))),
          `${path.join(" < ")} in\n${paths.join("\n")}`
        )
      }
      assert.strictEqual(inTrace().length, expected.length, paths.join("\n"))
    } finally {
      await Promise.all(nodes.map((node) => node.dispose()))
    }
  }, 30_000)
})

describe("nodes that only ask each other what they hold", () => {
  it("make no spans", async () => {
    const [one, two] = await Cluster.freePorts(2)
    assert.isDefined(one)
    assert.isDefined(two)
    const every = Duration.millis(100)
    const nodes = [startNode("node-one", one, two, every), startNode("node-two", two, one, every)]
    try {
      await Promise.all(nodes.map((node) => node.runPromise(Effect.void)))
      const asked = async () => {
        const { body } = await Cluster.call(`http://127.0.0.1:${two}`, "GET", "/metrics")
        const counts = Array.from(
          String(body["text"]).matchAll(/^http_requests_total\{route="\/api\/v1\/sync\/[^"]*",status="200"\} (\d+)$/gm),
          ([, count]) => Number(count)
        )
        return counts.reduce((sum, count) => sum + count, 0)
      }
      await Cluster.until("the nodes have met", async () => (await asked()) > 2)
      exporter.reset()
      const before = await asked()
      await Cluster.until("they have asked each other again", async () => (await asked()) > before + 5)
      assert.deepStrictEqual(exporter.getFinishedSpans().map(({ name }) => name), [])
    } finally {
      await Promise.all(nodes.map((node) => node.dispose()))
    }
  }, 30_000)
})
