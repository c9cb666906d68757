import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { Federation } from "../../src/federation/Federation.js"
import type { QuorumNotMet } from "../../src/operations/errors.js"
import { remember } from "../../src/operations/memories/remember.js"
import { Metrics } from "../../src/telemetry/Metrics.js"
import { until } from "../mesh/Cluster.js"
import { answer, Network, type Node, ROUND, startNode, startNodes } from "./inProcess.js"

const [A, B, C] = ["http://a", "http://b", "http://c"] as const
const nobody = { agentId: Option.none(), idempotencyKey: Option.none() }

let titles = 0
/** One write: who holds it, or what is said of it, and how long it took. */
const write = async (node: Node) => {
  const begin = performance.now()
  const answer = await node.runPromise(Effect.either(remember({ title: `title ${titles++}`, content: "c" }, nobody)))
  const millis = performance.now() - begin
  return Either.match(answer, {
    onRight: ({ ackedBy }) => ({ ackedBy: [...ackedBy].sort(), missed: null, millis }),
    onLeft: (error) => {
      if (error._tag !== "QuorumNotMet") throw error
      const missed: QuorumNotMet = error
      return { ackedBy: [...missed.ackedBy].sort(), missed, millis }
    }
  })
}

const linksOf = (node: Node) => node.runPromise(Effect.map(Federation, ({ links }) => links))

const phasesOf = async (node: Node) =>
  Object.fromEntries((await linksOf(node)).map((link) => [link.peer.name, link.status().phase]))

const inTouch = (node: Node) =>
  until("all peers are in touch", async () => Object.values(await phasesOf(node)).every((of) => of === "connected"))

describe("a peer that is slow, and right", () => {
  const nodes: Array<Node> = []
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.dispose()))
  })

  it("is counted when it answers within the deadline, however many writes there are", async () => {
    const network = new Network()
    nodes.push(...startNodes(network, [A, B, C], { w: 2 }))
    const [a] = nodes
    assert.isDefined(a)
    await inTouch(a)
    network.delayMillis.set(B, 900)
    network.delayMillis.set(C, 900)
    for (let round = 0; round < 2; round++) {
      const { ackedBy, millis, missed } = await write(a)
      assert.isNull(missed, missed?.message)
      assert.isAtLeast(ackedBy.length, 2)
      assert.isAbove(millis, 890)
    }
    assert.deepStrictEqual(await phasesOf(a), { b: "connected", c: "connected" })
  }, 20_000)

  it("is tried a second time after a failure only, for what is left until the deadline", async () => {
    const network = new Network()
    nodes.push(...startNodes(network, [A, B], { w: 2 }))
    const [a] = nodes
    assert.isDefined(a)
    await inTouch(a)
    let refusals = 1
    network.refuse = ({ path, to }) => to === B && path.includes("push") && refusals-- > 0 ? 500 : undefined
    network.delayMillis.set(B, 1_200)
    const { missed } = await write(a)
    assert.isNull(missed, missed?.message)
    assert.strictEqual(network.requests.filter(({ path, to }) => to === B && path.includes("push")).length, 2)
  }, 20_000)
})

describe("a peer that comes back while a write waits for another one", () => {
  it("is counted when the backfill brings it the write", async () => {
    const network = new Network()
    const nodes = startNodes(network, [A, B, C], { w: 2, firstRoundAfter: "1 hour" })
    const [a] = nodes
    assert.isDefined(a)
    await inTouch(a)
    network.cut.add(B)
    await a.runPromise(Effect.flatMap(Federation, ({ links }) => Effect.forEach(links, (link) => link.refresh)))
    await until("it is away", async () => (await phasesOf(a))["b"] === "broken")
    network.frozen.add(C)
    const waiting = write(a)
    await until(
      "the other one is asked",
      async () => network.requests.some(({ path, to }) => to === C && path.includes("push"))
    )
    network.cut.delete(B)
    await a.runPromise(Effect.flatMap(Federation, ({ heard }) => heard({ id: "b", run: undefined })))
    const { ackedBy, millis, missed } = await waiting
    assert.isNull(missed, missed?.message)
    assert.deepStrictEqual(ackedBy, ["a", "b"])
    assert.isBelow(millis, 1_500)
    await Promise.all(nodes.map((node) => node.dispose()))
  }, 20_000)
})

describe("a retry of a push", () => {
  it("that an original node took for another memory is counted as that", async () => {
    const network = new Network()
    let pushes = 0
    network.strangers.set(B, (path, body) => {
      if (body === undefined) return { status: path.includes("since") ? 200 : 404, body: "{\"memories\":[]}" }
      return pushes++ === 0
        ? { status: 500, body: "" }
        : { status: 200, body: "{\"applied\":1,\"ids\":[\"another\"]}" }
    })
    const node = startNode(network, A, [B], { w: 2, firstRoundAfter: "1 hour" })
    const { missed } = await write(node)
    assert.strictEqual(missed?.reason, "id_drift")
    const text = await node.runPromise(Effect.flatMap(Metrics, ({ render }) => render))
    assert.match(text, /^federation_fanout_retry_total\{outcome="id_drift"\} 1$/m)
    await node.dispose()
  }, 20_000)
})

describe("a peer that is back, and has not said so", () => {
  const nodes: Array<Node> = []
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.dispose()))
  })

  /** A node whose peers were away for long enough that its breakers stay open for some time. */
  const lonely = async (network: Network, w: number) => {
    const a = startNode(network, A, [B, C], { w, firstRoundAfter: "1 hour" })
    nodes.push(a)
    await until(
      "both breakers have opened twice",
      async () => (await linksOf(a)).every((link) => link.status().breaker.failures >= 2),
      10_000
    )
    return a
  }
  /** Peers that do not list it: nothing tells it that they are there. */
  const start = (network: Network, url: string) => {
    nodes.push(startNode(network, url, [], { w: 1 }))
  }

  it("is found by the write that needs it", async () => {
    const network = new Network()
    const a = await lonely(network, 2)
    start(network, B)
    const { ackedBy, millis, missed } = await write(a)
    assert.isNull(missed, missed?.message)
    assert.deepStrictEqual(ackedBy, ["a", "b"])
    assert.isBelow(millis, 700)
  }, 20_000)

  it("is found also when the peer that seemed to be there is not", async () => {
    const network = new Network()
    const a = await lonely(network, 2)
    start(network, B)
    await write(a)
    start(network, C)
    network.cut.add(B)
    const { ackedBy, missed } = await write(a)
    assert.isNull(missed, missed?.message)
    assert.deepStrictEqual(ackedBy, ["a", "c"])
  }, 20_000)

  it("is not asked for by a write that has its quorum without it", async () => {
    const network = new Network()
    const a = await lonely(network, 2)
    start(network, B)
    await write(a)
    start(network, C)
    const before = network.requests.length
    for (let index = 0; index < 5; index++) await write(a)
    assert.deepStrictEqual(network.requests.slice(before).filter(({ to }) => to === C), [])
  }, 20_000)

  it("costs 20 ms when it refuses, and one write at a time its deadline when it hangs", async () => {
    const network = new Network()
    const a = await lonely(network, 2)
    await write(a)
    const refused = await write(a)
    assert.strictEqual(refused.missed?.reason, "unreachable")
    assert.isBelow(refused.millis, 250)
    start(network, B)
    start(network, C)
    network.frozen.add(B)
    network.frozen.add(C)
    const hanging = write(a)
    await new Promise((resolve) => setTimeout(resolve, 100))
    const others = await Promise.all([write(a), write(a)])
    for (const { millis } of others) assert.isBelow(millis, 500, "others are told at once")
    assert.approximately((await hanging).millis, 2_000, 150)
  }, 20_000)

  it("is tried at once when it speaks, whatever it calls itself", async () => {
    const network = new Network()
    network.strangers.set(C, () => ({ status: 404, body: "" }))
    network.cut.add(C)
    const a = await lonely(network, 2)
    network.cut.delete(C)
    network.nodes.delete(C)
    for (
      const speak of [
        { path: "/api/v1/sync/push", body: JSON.stringify({ sender_agent_id: "host:old", memories: [] }) },
        { path: "/api/v1/sync/since?since=&limit=10&peer=host%3Aold", body: undefined }
      ]
    ) {
      network.cut.add(C)
      await a.runPromise(Effect.flatMap(Federation, ({ links }) => Effect.forEach(links, (link) => link.refresh)))
      await until("it is away", async () => (await phasesOf(a))["c"] === "broken")
      network.cut.delete(C)
      const begin = performance.now()
      await a.runPromise(answer(speak.path, speak.body, {}))
      await until("it is in touch", async () => (await phasesOf(a))["c"] === "connected", 1_000)
      assert.isBelow(performance.now() - begin, 700)
    }
  }, 30_000)

  it("is tried less and less often when it speaks and can not be reached", async () => {
    const network = new Network()
    const a = await lonely(network, 2)
    const before = (await linksOf(a)).map((link) => link.status().breaker.failures)
    for (let index = 0; index < 40; index++) {
      await a.runPromise(Effect.flatMap(Federation, ({ heard }) => heard({ id: "host:old", run: undefined })))
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    const after = (await linksOf(a)).map((link) => link.status().breaker.failures)
    after.forEach((failures, index) => {
      assert.isAtMost(failures - (before[index] ?? 0), 6)
    })
  }, 30_000)
})

describe("a write that can not have its quorum", () => {
  /** Whatever the nodes do that needs no time. */
  const settled = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 20)))

  it.effect(
    "waits for no timer when the peers refuse the connection, and finds one that is back",
    () =>
      Effect.gen(function*() {
        const network = new Network()
        const clock = yield* Effect.clock
        const a = startNode(network, A, [B, C], { w: 2, firstRoundAfter: "1 hour", clock })
        yield* Effect.addFinalizer(() => Effect.promise(() => a.dispose()))
        const opened = Effect.promise(async () =>
          (await linksOf(a)).every((link) => link.status().breaker.failures >= 3)
        )
        yield* settled
        yield* Effect.repeat(Effect.zipRight(TestClock.adjust("1 second"), Effect.zipRight(settled, opened)), {
          until: (isOpen) => isOpen
        })
        for (let index = 0; index < 3; index++) {
          const { missed } = yield* Effect.promise(() => write(a))
          assert.strictEqual(missed?.reason, "unreachable")
        }
        const b = startNode(network, B, [], { w: 1 })
        yield* Effect.addFinalizer(() => Effect.promise(() => b.dispose()))
        const { ackedBy } = yield* Effect.promise(() => write(a))
        assert.deepStrictEqual(ackedBy, ["a", "b"])
      }).pipe(Effect.scoped),
    10_000
  )
})

describe("peers whose addresses change places", () => {
  const nodes: Array<Node> = []
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.dispose()))
  })

  it("are in touch again by themselves, and each is counted for itself", async () => {
    const network = new Network()
    nodes.push(...startNodes(network, [A, B, C], { w: 3, firstRoundAfter: ROUND }))
    const [a, b, c] = nodes
    assert.isDefined(a)
    assert.isDefined(b)
    assert.isDefined(c)
    await inTouch(a)
    network.nodes.set(B, c)
    network.nodes.set(C, b)
    await until(
      "each link has the other node",
      async () =>
        (await linksOf(a)).map((link) => `${link.peer.name} ${link.status().identity?.peerId} ${link.status().phase}`)
          .join() === "b c connected,c b connected",
      10_000
    )
    const { ackedBy, missed } = await write(a)
    assert.isNull(missed, missed?.message)
    assert.deepStrictEqual(ackedBy, ["a", "b", "c"])
  }, 20_000)
})
