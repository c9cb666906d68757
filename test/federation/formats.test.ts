import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { carried } from "../../src/domain/Memory.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { Federation } from "../../src/federation/Federation.js"
import { push } from "../../src/federation/inbound/receive.js"
import { HELLO_PATH } from "../../src/federation/wire/PeerApi.js"
import { getMemory } from "../../src/operations/memories/getMemory.js"
import { update } from "../../src/operations/memories/update.js"
import type { Operation } from "../../src/replication/Operation.js"
import * as VersionVector from "../../src/replication/VersionVector.js"
import * as governed from "../../src/store/deciding/governed.js"
import { MemoryStore } from "../../src/store/MemoryStore.js"
import { until } from "../mesh/Cluster.js"
import { memory } from "../store/memories.js"
import { Network, type Node, startNode } from "./inProcess.js"

const [A, B] = ["http://a", "http://b"] as const
const more = { memory_kind: "fact", citations: [{ uri: "x", n: 1 }], source_uri: null, version: 7 }
const row = { ...memory("of-another", "of another", Stamp.fromMillis(1_777_000_000_000)), ...more }

describe("the format of operations", () => {
  const nodes: Array<Node> = []
  afterEach(() => Promise.all(nodes.splice(0).map((node) => node.dispose())))

  const start = async (network: Network) => {
    const a = startNode(network, A, [B], { w: 2, firstRoundAfter: "100 millis" })
    const b = startNode(network, B, [A], { w: 2, firstRoundAfter: "100 millis" })
    nodes.push(a, b)
    // Each has met the other.
    await until("met", async () => {
      const met = await Promise.all([a, b].map((node) => node.runPromise(Effect.map(Federation, ({ links }) => links))))
      return met.flat().every((link) => link.status().identity !== null)
    })
    return { a, b }
  }
  const heard = (node: Node) => node.runPromise(push({ sender_agent_id: "host:rust", memories: [row] }, {}))
  const found = (node: Node) => node.runPromise(Effect.option(getMemory(row.id)))
  const logOf = (node: Node): Promise<ReadonlyArray<Operation>> =>
    node.runPromise(Effect.gen(function*() {
      const store = yield* MemoryStore
      const ranges = VersionVector.missing(store.vector(), VersionVector.empty)
      return (yield* Effect.forEach(ranges, (range) => store.operations(range, 100))).flat()
    }))

  it("carries the fields of a row that it has no word for to every node, through an edit as well", async () => {
    const { a, b } = await start(new Network())
    await heard(a)
    await until("there", async () => Option.isSome(await found(b)))
    assert.deepStrictEqual(carried(Option.getOrThrow(await found(b))), more)
    await b.runPromise(update(row.id, { content: "edited" }))
    await until("edited", async () => Option.getOrThrow(await found(a)).content === "edited")
    assert.deepStrictEqual(carried(Option.getOrThrow(await found(a))), more)
    assert.isTrue((await logOf(a)).every(({ format }) => format === 2))
  })

  it("carries them in what an approval stores, too", async () => {
    const { a, b } = await start(new Network())
    const id = "6f0d6f84-0000-4000-8000-000000000001"
    const action = {
      ...{ id, action_type: "store", memory_id: null, namespace: row.namespace, payload: row },
      ...{ requested_by: "ann", requested_at: row.created_at, status: "pending", approvals: [] }
    }
    const lists = { pendings: [action], pending_decisions: [{ id, approved: true, decider: "bob" }] }
    await a.runPromise(push({ sender_agent_id: "host:rust", memories: [], ...lists }, {}))
    const stored = (node: Node) => node.runPromise(Effect.option(getMemory(governed.memoryIdOf(id))))
    await until("there", async () => Option.isSome(await stored(b)))
    for (const node of [a, b]) assert.deepStrictEqual(carried(Option.getOrThrow(await stored(node))), more)
  })

  it("is that of version 0.2.0 until every member has offered the newer one", async () => {
    const network = new Network()
    let isOld = true
    network.tamperAnswer = (answer, path) =>
      isOld && path.startsWith(HELLO_PATH) ? answer.replace(`"protocol":2`, `"protocol":1`) : answer
    const { a, b } = await start(network)
    await heard(a)
    await until("there", async () => Option.isSome(await found(b)))
    assert.notProperty(Option.getOrThrow(await found(b)), "memory_kind")
    assert.deepStrictEqual((await logOf(b)).map(({ format }) => format), [1])
    isOld = false
    await until("the newer format", async () => {
      await a.runPromise(Effect.option(update(row.id, { priority: 6 })))
      await a.runPromise(Effect.option(update(row.id, { priority: 7 })))
      return (await logOf(b)).some(({ format }) => format === 2)
    })
  })

  it("is the newer one also where a member is listed under two addresses", async () => {
    const network = new Network()
    const other = "http://b-again"
    const a = startNode(network, A, [B, other], { w: 2, firstRoundAfter: "100 millis" })
    const b = startNode(network, B, [A], { w: 2, firstRoundAfter: "100 millis" })
    network.nodes.set(other, b)
    nodes.push(a, b)
    await until("both addresses answered", async () => {
      const { links } = await a.runPromise(Federation)
      return links.every((link) => link.status().protocol !== null)
    })
    await heard(a)
    await until("there", async () => Option.isSome(await found(b)))
    assert.deepStrictEqual((await logOf(b)).map(({ format }) => format), [2])
  })
})
