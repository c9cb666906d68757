import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Cluster from "../mesh/Cluster.js"
import { exporter, pathOf, startNode } from "../mesh/traced.js"
import { call, ERAS, overHttp } from "./clients.js"

const ENDED = ["tools/call memory_store", "federation.receive", "http.client POST", "federation.send"]

describe("the trace of an agent's call", () => {
  it("goes on from what its client names: call, quorum write and the peer's commit are one", async () => {
    const [one, two] = await Cluster.freePorts(2)
    assert.isDefined(one)
    assert.isDefined(two)
    const nodes = [startNode("node-one", one, two), startNode("node-two", two, one)]
    try {
      await Promise.all(nodes.map((node) => node.runPromise(Effect.void)))
      const url = `http://127.0.0.1:${one}`
      let attempts = 0
      await Cluster.until("the nodes have met", async () => {
        const body = { title: `hello ${attempts++}`, content: "c" }
        return (await Cluster.call(url, "POST", "/api/v1/memories", { body })).status === 201
      })
      for (const [at, era] of ERAS.entries()) {
        const client = await overHttp(url, { era })
        exporter.reset()
        const traceId = `0af7651916cd43dd8448eb211c80319${at}`
        const traceparent = `00-${traceId}-b7ad6b7169203331-01`
        const { isError, text } = await call(client, "memory_store", {
          title: `secret title ${at}`,
          content: "secret text"
        }, { traceparent })
        assert.isFalse(isError, text)
        const inTrace = () => exporter.getFinishedSpans().filter((span) => span.spanContext().traceId === traceId)
        await Cluster.until(
          "all spans have ended",
          async () => ENDED.every((name) => inTrace().some((span) => span.name === name))
        )
        const paths = inTrace().map((span) => pathOf(span, inTrace()).join(" < "))
        assert.include(paths, "tools/call memory_store")
        assert.include(paths, "remember < tools/call memory_store")
        assert.include(
          paths,
          "MemoryStore.commit < federation.receive < http.server POST < http.client POST < federation.send < " +
            "federation.quorumFanout < remember < tools/call memory_store"
        )
        const [root] = inTrace().filter(({ name }) => name === "tools/call memory_store")
        assert.strictEqual(root?.parentSpanContext?.spanId, "b7ad6b7169203331")
        assert.deepInclude(root?.attributes, { "mcp.method.name": "tools/call", "gen_ai.tool.name": "memory_store" })
        assert.notInclude(
          JSON.stringify(exporter.getFinishedSpans().map(({ attributes, name }) => [name, attributes])),
          "secret"
        )
        await client.close()
      }
    } finally {
      await Promise.all(nodes.map((node) => node.dispose()))
    }
  })
})
