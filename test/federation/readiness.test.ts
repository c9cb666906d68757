import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { remember } from "../../src/operations/memories/remember.js"
import { readiness } from "../../src/operations/node/readiness.js"
import * as Embedding from "../../src/operations/recall/Embedding.js"
import * as VersionVector from "../../src/replication/VersionVector.js"
import { Checker } from "../../src/store/checking/Checker.js"
import { MemoryStore } from "../../src/store/MemoryStore.js"
import { until } from "../mesh/Cluster.js"
import { Network, type Node, startNode } from "./inProcess.js"

const [A, B, C] = ["http://a", "http://b", "http://c"] as const
const nobody = { agentId: Option.none(), idempotencyKey: Option.none() }

const unchecked = { faults: () => [], rounds: () => 0 }
const stateOf = (node: Node) =>
  node.runPromise(Effect.provide(Effect.provideService(readiness, Checker, unchecked), Embedding.none))
const vectorOf = (node: Node) => node.runPromise(Effect.map(MemoryStore, (store) => store.vector()))

describe("a node that was started", () => {
  const nodes: Array<Node> = []
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.dispose()))
  })

  it("is ready once it holds what its peers held, and says until then why it is not", async () => {
    const network = new Network()
    // B does not list it: nobody sends it anything, it has to ask.
    const b = startNode(network, B, [], { w: 1 })
    nodes.push(b)
    for (let index = 0; index < 300; index++) {
      await b.runPromise(remember({ title: `title ${index}`, content: "c" }, nobody))
    }
    network.delayMillis.set(B, 300)
    const a = startNode(network, A, [B], { w: 1 })
    nodes.push(a)
    const before = await stateOf(a)
    assert.isFalse(before.ready)
    assert.deepInclude(before.checks["catchup"], { ok: false })
    await until("it is ready", async () => (await stateOf(a)).ready, 9_000)
    assert.isTrue(VersionVector.dominates(await vectorOf(a), await vectorOf(b)), "it holds all of it")
  }, 30_000)

  it("is ready at once when no peer can be reached", async () => {
    const a = startNode(new Network(), A, [B, C], { w: 1 })
    nodes.push(a)
    await until("it is ready", async () => (await stateOf(a)).ready, 3_000)
  }, 30_000)

  it("tells peers that take nothing of it from those that are not there, and does not name them", async () => {
    const network = new Network()
    network.strangers.set(B, () => ({ status: 401, body: "{\"error\":\"x_memory_sig_missing\"}" }))
    const a = startNode(network, A, [B, C], { w: 1 })
    nodes.push(a)
    await until(
      "it says so",
      async () =>
        (await stateOf(a)).checks["peers"]?.detail === "0 of 2 answer, 1 take nothing of this node: the log says why",
      5_000
    )
  }, 30_000)

  it("is ready after some time when its peers hang", async () => {
    const network = new Network()
    const b = startNode(network, B, [], { w: 1 })
    nodes.push(b)
    await b.runPromise(remember({ title: "title", content: "c" }, nobody))
    network.hangs = ({ path }) => path.includes("/since")
    const a = startNode(network, A, [B], { w: 1 })
    nodes.push(a)
    assert.isFalse((await stateOf(a)).ready)
    await until("it is ready", async () => (await stateOf(a)).ready, 15_000)
  }, 30_000)
})
