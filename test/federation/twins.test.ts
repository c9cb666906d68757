import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stamp from "../../src/domain/Stamp.js"
import { Federation } from "../../src/federation/Federation.js"
import { push } from "../../src/federation/inbound/receive.js"
import { getMemory } from "../../src/operations/memories/getMemory.js"
import { listConflicts } from "../../src/operations/memories/listConflicts.js"
import { remember } from "../../src/operations/memories/remember.js"
import { remove } from "../../src/operations/memories/remove.js"
import { update } from "../../src/operations/memories/update.js"
import * as VersionVector from "../../src/replication/VersionVector.js"
import { MemoryStore } from "../../src/store/MemoryStore.js"
import { until } from "../mesh/Cluster.js"
import { memory } from "../store/memories.js"
import { Network, type Node, startNodes } from "./inProcess.js"

const [A, B, C] = ["http://a", "http://b", "http://c"] as const
const under = (key: string) => ({ agentId: Option.none(), idempotencyKey: Option.some(key) })

describe("what one request or one row made on several nodes", () => {
  let nodes: ReadonlyArray<Node> = []
  let network = new Network()
  afterEach(() => Promise.all(nodes.map((node) => node.dispose())))

  const at = (index: number): Node => {
    const node = nodes[index]
    assert.isDefined(node)
    return node
  }
  /** Every node has met every other. */
  const start = async () => {
    network = new Network()
    nodes = startNodes(network, [A, B, C], { w: 2, firstRoundAfter: "100 millis" })
    await until("met", async () => {
      const links = await Promise.all(
        nodes.map((node) => node.runPromise(Effect.map(Federation, ({ links }) => links)))
      )
      return links.flat().every((link) => link.status().identity !== null)
    })
  }
  /** Nobody hears the first node, nor does it hear anybody. */
  const cutOff = () => {
    network.cut.add(A)
    network.refuse = ({ body }) => body.startsWith(`{"sender_agent_id":"a"`) ? 503 : undefined
  }
  const quiet = async () => {
    network.cut.clear()
    network.refuse = () => undefined
    await until("equal vectors", async () => {
      const [first, ...rest] = await Promise.all(
        nodes.map((node) => node.runPromise(Effect.map(MemoryStore, (store) => store.vector())))
      )
      return first !== undefined && rest.every((other) => VersionVector.equals(first, other))
    })
  }
  const isGone = (id: string) => Promise.all(nodes.map((node) => node.runPromise(Effect.isFailure(getMemory(id)))))
  const conflicts = () =>
    Promise.all(nodes.map((node) => node.runPromise(Effect.map(listConflicts({}), (found) => found.length))))
  it("is gone everywhere when it is deleted on one, though the first try comes late", async () => {
    await start()
    const request = { title: "tried twice", content: "c", ttl_secs: 3600 }
    cutOff()
    assert.isTrue(Either.isLeft(await at(0).runPromise(Effect.either(remember(request, under("k"))))))
    const { memory: { id } } = await at(1).runPromise(remember(request, under("k")))
    await at(1).runPromise(remove(id))
    await quiet()
    assert.deepStrictEqual(await isGone(id), [true, true, true])
    assert.deepStrictEqual(await conflicts(), [0, 0, 0])
  })

  it("is gone as well when the other try is made after the deletion, by a node that has not heard of it", async () => {
    await start()
    const request = { title: "tried late", content: "c", ttl_secs: 3600 }
    cutOff()
    const { memory: { id } } = await at(1).runPromise(remember(request, under("k")))
    await at(1).runPromise(remove(id))
    assert.isTrue(Either.isLeft(await at(0).runPromise(Effect.either(remember(request, under("k"))))))
    await quiet()
    assert.deepStrictEqual(await isGone(id), [true, true, true])
  })

  it("is no conflict with itself, though its expiry was worked out twice", async () => {
    await start()
    const request = { title: "expires", content: "c", ttl_secs: 3600 }
    cutOff()
    await at(0).runPromise(Effect.either(remember(request, under("k"))))
    await at(1).runPromise(remember(request, under("k")))
    await quiet()
    assert.deepStrictEqual(await conflicts(), [0, 0, 0])
  })

  it("is no conflict of a change with itself, and one edit ends both", async () => {
    await start()
    const { memory: { id } } = await at(0).runPromise(remember({ title: "changed twice", content: "c" }, under("made")))
    await quiet()
    const change = update(id, { content: "changed" }, { caller: under("k") })
    cutOff()
    assert.isTrue(Either.isLeft(await at(0).runPromise(Effect.either(change))))
    await at(1).runPromise(change)
    await quiet()
    assert.deepStrictEqual(await conflicts(), [0, 0, 0])
    await at(2).runPromise(update(id, { content: "newer" }))
    await quiet()
    for (const node of nodes) assert.strictEqual((await node.runPromise(getMemory(id))).content, "newer")
    await at(2).runPromise(remove(id))
    await quiet()
    assert.deepStrictEqual(await isGone(id), [true, true, true])
  })

  it("is one row of an original node, and stays archived when that node says it again", async () => {
    await start()
    const row = memory("of-an-original", "a row", Stamp.fromMillis(1_777_000_000_000))
    const hear = (index: number) => at(index).runPromise(push({ sender_agent_id: "host:rust", memories: [row] }, {}))
    cutOff()
    await Promise.all([hear(0), hear(1)])
    await at(0).runPromise(push({ sender_agent_id: "host:rust", memories: [], archives: [row.id] }, {}))
    await quiet()
    await hear(1)
    await hear(2)
    await quiet()
    assert.deepStrictEqual(await isGone(row.id), [true, true, true])
    assert.deepStrictEqual(await conflicts(), [0, 0, 0])
  })
})
