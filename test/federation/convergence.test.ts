import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { NodeId } from "../../src/domain/ids.js"
import { Federation } from "../../src/federation/Federation.js"
import { remember } from "../../src/operations/memories/remember.js"
import { remove } from "../../src/operations/memories/remove.js"
import * as VersionVector from "../../src/replication/VersionVector.js"
import { MemoryStore } from "../../src/store/MemoryStore.js"
import { until } from "../mesh/Cluster.js"
import { Network, type Node, startNode, startNodes } from "./inProcess.js"

const [A, B, C] = ["http://a", "http://b", "http://c"] as const
const nobody = { agentId: Option.none(), idempotencyKey: Option.none() }

const write = (node: Node, title: string) =>
  node.runPromise(remember({ title, content: `content of ${title}` }, nobody).pipe(Effect.either))

/** How a write missed its quorum. */
const factsOf = (result: Awaited<ReturnType<typeof write>>) =>
  result._tag === "Left" && result.left._tag === "QuorumNotMet"
    ? { got: result.left.got, needed: result.left.needed, reason: result.left.reason }
    : result

const written = async (node: Node, title: string) => {
  const result = await write(node, title)
  if (result._tag === "Left") throw result.left
  return result.right
}

const vectorOf = (node: Node) => node.runPromise(Effect.map(MemoryStore, (store) => store.vector()))

const equalVectors = async (nodes: ReadonlyArray<Node>) => {
  const [first, ...rest] = await Promise.all(nodes.map(vectorOf))
  return first !== undefined && rest.every((other) => VersionVector.equals(first, other))
}

describe("nodes on one network", () => {
  let nodes: ReadonlyArray<Node> = []
  afterEach(() => Promise.all(nodes.map((node) => node.dispose())))
  const at = (index: number) => {
    const node = nodes[index]
    assert.isDefined(node)
    return node
  }
  /** All are there before the first write waits for them: what it takes to start them is no part of its deadline. */
  const start = async (network: Network, options: Parameters<typeof startNodes>[2]) => {
    nodes = startNodes(network, [A, B, C], options)
    await Promise.all(nodes.map(vectorOf))
  }

  it("acknowledge by distinct node ids, and carry every write to all", async () => {
    const network = new Network()
    await start(network, { w: 2 })
    const { ackedBy, acks } = await written(at(0), "first")
    assert.isAtLeast(acks, 2)
    assert.strictEqual(new Set(ackedBy).size, ackedBy.length)
    assert.include(ackedBy, NodeId.make("a"))
    await until("equal vectors", () => equalVectors(nodes))
  })

  it("group what waits: 64 clients share commits and pushes", async () => {
    const network = new Network()
    await start(network, { w: 2 })
    await written(at(0), "warm-up")
    await until("quiet", () => equalVectors(nodes))
    network.requests.length = 0
    const rounds = 10
    for (let round = 0; round < rounds; round++) {
      await Promise.all(Array.from({ length: 64 }, (_, client) => written(at(0), `${round} ${client}`)))
    }
    await until("equal vectors", () => equalVectors(nodes))
    const pushes = network.requests.filter(({ path }) => path === "/api/v1/sync/push")
    const operations = pushes.map(({ body }) => (JSON.parse(body) as { ops: ReadonlyArray<unknown> }).ops.length)
    const carried = operations.reduce((sum, count) => sum + count, 0)
    assert.isAtLeast(carried, rounds * 64 * 2)
    assert.isAtLeast(carried / pushes.length, 12, `operations per push: ${operations.join(" ")}`)
  })

  it("tell the truth when no peer answers, and replicate later what they kept", async () => {
    const network = new Network()
    await start(network, { w: 2, ackTimeout: "600 millis" })
    await written(at(0), "together")
    network.cut.add(B).add(C)
    const missed = await write(at(0), "alone")
    assert.deepStrictEqual(factsOf(missed), { got: 1, needed: 2, reason: "unreachable" })
    network.cut.clear()
    await until("all three hold it", () => equalVectors(nodes), 10_000)
  })

  it("pass on what its author can no longer send", async () => {
    const network = new Network()
    await start(network, { w: 2 })
    await until("the nodes have met", async () => (await write(at(0), "hello"))._tag === "Right")
    network.cut.add(C)
    const { memory } = await written(at(0), "relayed")
    await until("B holds it", async () => VersionVector.dominates(await vectorOf(at(1)), await vectorOf(at(0))))
    network.cut.add(A)
    await at(0).dispose()
    network.cut.delete(C)
    await until("C has it from B", () => equalVectors([at(1), at(2)]), 15_000)
    const held = await at(2).runPromise(
      remove(memory.id, { caller: nobody, ifMatch: Option.none() }).pipe(Effect.either)
    )
    assert.strictEqual(held._tag, "Right")
  }, 30_000)

  it("do not wait for a peer that hangs, and let it catch up", async () => {
    const network = new Network()
    await start(network, { w: 2, ackTimeout: "800 millis" })
    await written(at(0), "before")
    network.frozen.add(C)
    for (let index = 0; index < 20; index++) await written(at(0), `while frozen ${index}`)
    network.frozen.clear()
    await until("equal vectors", () => equalVectors(nodes), 15_000)
  }, 30_000)

  it("judge each write of a group by itself: one that peers refuse fails alone, and within the deadline", async () => {
    const network = new Network()
    await start(network, { w: 2, ackTimeout: "1 second" })
    await written(at(0), "before")
    network.tamper = (body) => body.replaceAll("content of poison", "content of another")
    const begin = performance.now()
    const titles = Array.from({ length: 20 }, (_, index) => index === 7 ? "poison" : `good ${index}`)
    const results = await Promise.all(titles.map((title) => write(at(0), title)))
    assert.isBelow(performance.now() - begin, 1_100)
    assert.deepStrictEqual(results.flatMap((result, index) => result._tag === "Left" ? [index] : []), [7])
    const [poisoned] = results.filter(({ _tag }) => _tag === "Left")
    assert.isDefined(poisoned)
    assert.deepStrictEqual(factsOf(poisoned), { got: 1, needed: 2, reason: "refused" })
  })

  it("finish what is under way before they end", async () => {
    const network = new Network()
    await start(network, { w: 2 })
    await written(at(0), "before")
    await until("quiet", () => equalVectors(nodes))
    network.delayMillis.set(C, 300)
    await Promise.all(Array.from({ length: 20 }, (_, index) => written(at(0), `late ${index}`)))
    const vector = await vectorOf(at(0))
    await at(0).dispose()
    assert.isTrue(VersionVector.dominates(await vectorOf(at(2)), vector), "the slow peer got it before the end")
  })

  it("never count one node twice", async () => {
    const network = new Network()
    const one = startNode(network, A, [B, "http://b2"], { w: 3, ackTimeout: "400 millis" })
    const two = startNode(network, B, [A], { w: 1 })
    network.nodes.set("http://b2", two)
    nodes = [one, two]
    const missed = await write(one, "two addresses, one node")
    const facts = factsOf(missed)
    assert.isTrue("got" in facts && facts.got < facts.needed, JSON.stringify(facts))
    const links = await one.runPromise(
      Effect.map(Federation, ({ links }) => links.map((link) => link.status().identity))
    )
    assert.strictEqual(links.filter((identity) => identity !== null).length, 1)
  })
})
