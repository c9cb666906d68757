import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { randomUUID } from "node:crypto"
import { push } from "../../src/federation/inbound/receive.js"
import { getMemory } from "../../src/operations/memories/getMemory.js"
import { until } from "../mesh/Cluster.js"
import { answer, Network, type Node, ROUND, startNodes } from "./inProcess.js"

/** A row that its author signed goes on as it was signed, whoever passes it on. */

const A = "http://a"
const B = "http://b"

/** Each another spelling of its moment than the one that is stored here. */
const MOMENTS = ["2026-06-01T12:00:00+00:00", "2026-06-01T12:00:00.123Z", "2026-06-01T14:00:00.5+02:00"]

const decodePage = Schema.decodeUnknownSync(Schema.parseJson(Schema.Struct({
  memories: Schema.Array(Schema.Struct({
    created_at: Schema.String,
    metadata: Schema.Struct({ write_signature: Schema.String })
  }))
})))

describe("a row with the signature of its author", () => {
  let nodes: ReadonlyArray<Node> = []
  afterEach(() => Promise.all(nodes.map((node) => node.dispose())))

  for (const created_at of MOMENTS) {
    it(`comes by push, relay and pull as it was signed at ${created_at}`, async () => {
      const network = new Network()
      nodes = startNodes(network, [A, B], { w: 1, firstRoundAfter: ROUND })
      const [a, b] = nodes
      assert.isDefined(a)
      assert.isDefined(b)
      const id = randomUUID()
      const write_signature = Buffer.alloc(64, 7).toString("base64")
      const row = {
        ...{ id, tier: "long", namespace: "n", title: "signed", content: "c", tags: [], priority: 5, confidence: 1 },
        ...{ source: "api", access_count: 0, created_at, updated_at: "2026-06-01T12:00:01+00:00" },
        metadata: { agent_id: "ai:author", write_signature }
      }
      await a.runPromise(push({ sender_agent_id: "host:rust", memories: [row] }, {}))
      const found = (node: Node) => node.runPromise(Effect.either(getMemory(id)))
      await until("it is relayed", async () => (await found(b))._tag === "Right", 10_000)
      for (const node of nodes) {
        const { metadata } = await node.runPromise(getMemory(id))
        assert.deepStrictEqual(metadata, { agent_id: "ai:author", write_signature, write_created_at: created_at })
      }
      const page = async () =>
        decodePage((await b.runPromise(answer("/api/v1/sync/since?since=", undefined, {}))).body).memories
      await until("it is given to nodes of the original", async () => (await page()).length > 0, 10_000)
      assert.deepStrictEqual(await page(), [{ created_at, metadata: { write_signature } }])
    }, 30_000)
  }
})
