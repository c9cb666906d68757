import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import { Federation } from "../../src/federation/Federation.js"
import * as Breaker from "../../src/federation/link/Breaker.js"
import { remember } from "../../src/operations/memories/remember.js"
import * as OperationSet from "../../src/replication/OperationSet.js"
import * as VersionVector from "../../src/replication/VersionVector.js"
import { MemoryStore } from "../../src/store/MemoryStore.js"
import { until } from "../mesh/Cluster.js"
import { Network, type Node, ROUND, startNode } from "./inProcess.js"

const [A, B, C] = ["http://a", "http://b", "http://c"] as const
const nobody = { agentId: Option.none(), idempotencyKey: Option.none() }
const PUSH = "/api/v1/sync/push"
const SINCE = "/api/v1/sync/since"

const write = (node: Node, title: string) =>
  node.runPromise(remember({ title, content: `content of ${title}` }, nobody).pipe(Effect.either))

const vectorOf = (node: Node) => node.runPromise(Effect.map(MemoryStore, (store) => store.vector()))
const equalVectors = async (one: Node, other: Node) => VersionVector.equals(await vectorOf(one), await vectorOf(other))
const lacking = async (other: Node, one: Node) =>
  VersionVector.missing(await vectorOf(one), await vectorOf(other)).map(({ from, to }) => [from, to])

describe("catching up", () => {
  let nodes: Array<Node> = []
  afterEach(async () => {
    await Promise.all(nodes.map((node) => node.dispose()))
    nodes = []
  })

  const start = (
    network: Network,
    url: string,
    others: ReadonlyArray<string>,
    { logged = [], w = 1 }: { readonly logged?: Array<string>; readonly w?: number } = {}
  ) => {
    const logger = Logger.make(({ logLevel, message }) => {
      logged.push(`${logLevel.label} ${String(message)}`)
    })
    const node = startNode(network, url, others, { w, logger, firstRoundAfter: ROUND })
    nodes.push(node)
    return node
  }

  it("goes on behind an operation that this node refuses, and takes it once it can", async () => {
    const network = new Network()
    const logged: Array<string> = []
    // Nothing is pushed: what the second node gets, it asked for.
    network.refuse = ({ path }) => path === PUSH ? 503 : undefined
    network.tamperAnswer = (answer, path) =>
      path.startsWith(SINCE)
        ? answer.replaceAll("content of poison", "content of another").replaceAll("[\"crooked\"]", "7")
        : answer
    const one = start(network, A, [B])
    await Promise.all(Array.from({ length: 4 }, (_, index) => write(one, `before ${index}`)))
    await write(one, "poison")
    await one.runPromise(remember({ title: "crooked", content: "crooked", tags: ["crooked"] }, nobody))
    for (let batch = 0; batch < 10; batch++) {
      await Promise.all(Array.from({ length: 40 }, (_, index) => write(one, `after ${batch} ${index}`)))
    }
    // Not before all is written: it is one round that brings it.
    const other = start(network, B, [A], { logged })
    await until("all but two", async () => {
      const left = await lacking(other, one)
      return JSON.stringify(left) === "[[5,6]]"
    }, 15_000)
    const asked = () => network.requests.filter(({ path, to }) => to === A && path.startsWith(SINCE)).length
    const before = asked()
    await until("two more rounds", async () => asked() >= before + 2, 10_000)
    const refusedOnce = logged.filter((line) => line.includes("catchup: refused operation"))
    assert.strictEqual(refusedOnce.length, 2, refusedOnce.join("\n"))
    assert.isTrue(refusedOnce.some((line) => line.includes("malformed: the hash")))
    const applied = logged.filter((line) => line.includes("catchup: applied"))
    assert.strictEqual(applied.length, 1, "a round that brings nothing says nothing")
    assert.isTrue(applied[0]?.includes("applied 404 operations"), applied[0])

    network.tamperAnswer = (answer) => answer
    await until("both, once they are right", () => equalVectors(one, other), 10_000)
  }, 60_000)

  it("asks for the next page while it applies this one", async () => {
    const network = new Network()
    const one = start(network, A, [B])
    for (let batch = 0; batch < 10; batch++) {
      await Promise.all(Array.from({ length: 40 }, (_, index) => write(one, `row ${batch} ${index}`)))
    }
    const asked: Array<number> = []
    let held = (): VersionVector.VersionVector => VersionVector.empty
    network.refuse = ({ path, to }) => {
      if (path === PUSH) return 503
      const vv = new URL(path, A).searchParams.get("vv")
      if (to === A && path.startsWith(SINCE) && vv !== null) {
        const upto = (vector: object) => Object.values(vector).reduce((sum: number, each) => sum + Number(each), 0)
        asked.push(upto(JSON.parse(vv)) - upto(VersionVector.toWire(held())))
      }
      return undefined
    }
    const other = start(network, B, [A])
    const store = await other.runPromise(MemoryStore)
    held = store.vector
    await until("caught up", () => equalVectors(one, other), 15_000)
    // What is on its way counts as held: that much more than is.
    assert.deepStrictEqual(asked.slice(0, 4), [0, 128, 128, 128])
  }, 60_000)

  it("is sent by its author, and not by everyone who has it", async () => {
    const network = new Network()
    const one = start(network, A, [B, C])
    const two = start(network, B, [A, C])
    const three = start(network, C, [A, B])
    await write(one, "together")
    await until("in touch", async () => (await equalVectors(one, two)) && (await equalVectors(one, three)))
    network.cut.add(C)
    network.refuse = ({ path }) => path.startsWith(SINCE) ? 503 : undefined
    for (let batch = 0; batch < 10; batch++) {
      await Promise.all(Array.from({ length: 50 }, (_, index) => write(one, `missed ${batch} ${index}`)))
    }
    await until("the others hold it", () => equalVectors(one, two))
    // What waits in the lane of live writes until then goes out by itself.
    await until("the third is given up", async () => {
      const links = await one.runPromise(Effect.map(Federation, (federation) => federation.links))
      return links.some(({ peer, status }) => peer.url === C && Breaker.isOpen(status().breaker))
    })
    network.requests.length = 0
    network.cut.delete(C)
    await until("caught up", () => equalVectors(one, three), 40_000)
    const carried = network.requests.flatMap(({ body, path, to }) =>
      to === C && path === PUSH ? JSON.parse(body).ops.map((op: { op_id: string }) => op.op_id) : []
    )
    assert.strictEqual(new Set(carried).size, 500)
    assert.isAtMost(carried.length, 700, "hardly anything is sent twice")
    const largest = Math.max(
      ...network.requests.map(({ body, path }) => path === PUSH ? JSON.parse(body).ops.length : 0)
    )
    assert.isAbove(largest, 128, "in larger pushes than live writes")
  }, 60_000)

  it("sends many operations in pushes of their own, beside live writes, each with its verdict", async () => {
    const network = new Network()
    const one = start(network, A, [B], { w: 2 })
    const other = start(network, B, [A])
    await write(one, "together")
    await until("in touch", () => equalVectors(one, other))
    network.cut.add(B)
    await Promise.all(Array.from({ length: 300 }, (_, index) => write(one, index === 5 ? "poison" : `row ${index}`)))
    const operations = await one.runPromise(
      Effect.flatMap(MemoryStore, (store) => store.operations({ origin: store.origin(), from: 2, to: 301 }, 1000))
    )
    network.cut.delete(B)
    network.refuse = ({ body }) => body.includes("content of poison") ? 413 : undefined
    // Not by another way either.
    network.tamperAnswer = (answer) => answer.replaceAll("content of poison", "content of another")
    await until("back", async () => {
      const [link] = await one.runPromise(Effect.map(Federation, ({ links }) => links))
      return link?.status().breaker.failures === 0
    }, 40_000)
    network.requests.length = 0
    const [verdicts] = await Promise.all([
      one.runPromise(Effect.flatMap(Federation, ({ replicateAll }) => replicateAll(operations))),
      write(one, "live")
    ])
    assert.strictEqual(verdicts.length, 300)
    assert.deepStrictEqual(
      verdicts.flatMap((verdict, index) => verdict._tag === "Right" && verdict.right.acks === 2 ? [] : [index]),
      [operations.findIndex(({ body }) => body?.includes("content of poison"))]
    )
    verdicts.forEach((verdict, index) => {
      if (verdict._tag === "Right") assert.strictEqual(verdict.right.opId, operations[index]?.opId)
    })
    const pushes = network.requests.filter(({ path }) => path === PUSH)
    assert.isTrue(pushes.some(({ headers }) => headers["x-catchup"] === "bulk"))
    const live = pushes.filter(({ body }) => body.includes("content of live"))
    assert.isTrue(live.some(({ headers }) => headers["x-catchup"] === undefined), "not behind the others")
    for (const { body, headers } of live) {
      if (headers["x-catchup"] === undefined) assert.strictEqual(JSON.parse(body).ops.length, 1, "nor among them")
    }
    const left = OperationSet.sizeOf(VersionVector.missing(await vectorOf(one), await vectorOf(other)))
    assert.strictEqual(left, 1)
  }, 60_000)
})
