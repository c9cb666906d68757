import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as HashMap from "effect/HashMap"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { Federation } from "../../src/federation/Federation.js"
import * as Outage from "../../src/federation/link/Outage.js"
import { PeerFailed } from "../../src/federation/wire/Peer.js"
import type { QuorumNotMet } from "../../src/operations/errors.js"
import { remember } from "../../src/operations/memories/remember.js"
import { nodeOf } from "../../src/store/log/OpLog.js"
import { Metrics } from "../../src/telemetry/Metrics.js"
import { until } from "../mesh/Cluster.js"
import { operation } from "../store/letters.js"
import { Network, type Node, ROUND, startNode, startNodes } from "./inProcess.js"

const URLS = ["http://a", "http://b", "http://c", "http://d", "http://e", "http://f", "http://g"] as const
const [A, B, C, D, E, F, G] = URLS
const nobody = { agentId: Option.none(), idempotencyKey: Option.none() }
const PUSH = "/api/v1/sync/push"

let titles = 0
const write = (node: Node) =>
  node.runPromise(Effect.either(remember({ title: `title ${titles++}`, content: "c" }, nobody)))

/** A write that misses its quorum, as its caller is told. */
const missedBy = async (node: Node): Promise<QuorumNotMet> => {
  const answer = await write(node)
  if (Either.isRight(answer) || answer.left._tag !== "QuorumNotMet") {
    throw new Error("the write did not miss its quorum")
  }
  return answer.left
}

const phasesOf = (node: Node) =>
  node.runPromise(Effect.map(Federation, ({ links }) => links.map((link) => link.status().phase)))

const inTouch = (node: Node) =>
  until("all peers are in touch", async () => (await phasesOf(node)).every((of) => of === "connected"))

/** A log line, and what is annotated to it. */
interface Line {
  readonly text: string
  readonly facts: Record<string, unknown>
}

const linesIn = (lines: Array<Line>) =>
  Logger.make(({ annotations, message }) => {
    lines.push({ text: String(message), facts: Object.fromEntries(HashMap.toEntries(annotations)) })
  })

const sample = async (node: Node, name: string) => {
  const text = await node.runPromise(Effect.flatMap(Metrics, ({ render }) => render))
  return Number(new RegExp(`^${name}\\S* (.+)$`, "m").exec(text)?.[1])
}

/** What a node of ours answers that finds every operation stamped too far ahead. */
const stampedAhead = (by: string, body: string) => {
  const { ops }: { ops: ReadonlyArray<{ op_id: string }> } = JSON.parse(body)
  const results = ops.map(({ op_id }) => ({
    op_id,
    result: "rejected",
    why: "clock_future: stamped more than 60 s ahead"
  }))
  return { status: 200, body: JSON.stringify({ receiver_node_id: by, durable: true, results }) }
}

describe("what the caller of a write is told that missed its quorum", () => {
  const nodes: Array<Node> = []
  const lines: Array<Line> = []
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.dispose()))
    lines.length = 0
  })

  const start = async (network: Network, urls: ReadonlyArray<string>, w: number) => {
    nodes.push(...startNodes(network, urls, { w, firstRoundAfter: "1 hour", logger: linesIn(lines) }))
    const [a] = nodes
    assert.isDefined(a)
    await inTouch(a)
    return a
  }

  it("is what each peer did, in its own words, and so is the log", async () => {
    const network = new Network()
    const a = await start(network, URLS, 3)
    network.cut.add(C)
    network.frozen.add(F)
    network.refuse = ({ body, path, to }) => {
      if (path !== PUSH) return undefined
      if (to === D) return { status: 401, body: "{\"error\":\"peer_not_enrolled\"}" }
      if (to === E) return { status: 503, body: "{\"error\":\"overloaded\"}" }
      return to === G ? stampedAhead("g", body) : undefined
    }
    const missed = await missedBy(a)
    const byPeer = new Map(missed.peers.map(({ detail, outcome, peer }) => [peer, `${outcome}: ${detail}`]))
    assert.strictEqual(byPeer.get(B), "acked: b")
    assert.match(byPeer.get(C) ?? "", /^unreachable: network: .*connection refused/)
    assert.match(byPeer.get(D) ?? "", /^refused: .*http 401: .*peer_not_enrolled/)
    assert.match(byPeer.get(E) ?? "", /^overloaded: .*http 503: .*overloaded/)
    assert.match(byPeer.get(F) ?? "", /^(pending|timeout): /)
    assert.match(byPeer.get(G) ?? "", /^clock: .*stamped more than 60 s ahead/)
    assert.strictEqual(byPeer.size, 6)
    const own = lines.filter(({ facts }) => facts["op_id"] === missed.opId && facts["needed"] === 3)
    assert.strictEqual(own.length, 1, "one line, which has the operation")
    for (const [peer, said] of byPeer) {
      const [outcome = ""] = said.split(":", 1)
      assert.include(own[0]?.text, `${peer} ${outcome} (`)
    }
  }, 20_000)

  it("is that all are overloaded when they are, and their links stay whole", async () => {
    const network = new Network()
    const a = await start(network, [A, B, C], 2)
    network.refuse = ({ path }) => path === PUSH ? { status: 503, body: "{\"error\":\"overloaded\"}" } : undefined
    assert.strictEqual((await missedBy(a)).reason, "overloaded")
    assert.strictEqual((await missedBy(a)).reason, "overloaded")
    assert.deepStrictEqual(await phasesOf(a), ["connected", "connected"])
    network.refuse = () => undefined
    assert.isTrue(Either.isRight(await write(a)))
    const lacking = () => sample(a, "replication_lag_operations\\{peer=\"b\"\\}")
    await until("what was not taken is sent again", async () => await lacking() === 0, 10_000)
  }, 20_000)

  it("is that most refused it, also once they are not tried any more", async () => {
    const network = new Network()
    const a = await start(network, [A, B, C], 2)
    const unenrolled = { status: 401, body: "{\"error\":\"peer_not_enrolled\"}" }
    network.refuse = ({ path }) => path === PUSH || path.includes("hello") ? unenrolled : undefined
    for (let index = 0; index < 3; index++) {
      const { peers, reason } = await missedBy(a)
      assert.strictEqual(reason, "refused")
      for (const { detail } of peers) assert.include(detail, "peer_not_enrolled")
    }
  }, 20_000)

  it("names the API key where that is what is wrong", async () => {
    const network = new Network()
    const keyless = { status: 401, body: "{\"error\":\"missing or invalid API key\"}" }
    network.refuse = () => keyless
    nodes.push(...startNodes(network, [A, B], { w: 2, logger: linesIn(lines) }))
    for (const node of nodes) await phasesOf(node)
    await until(
      "it is in the log",
      () =>
        Promise.resolve(
          lines.some(({ text }) => /peer b failed: .*http 401: .*missing or invalid API key.*same API key/.test(text))
        ),
      5_000
    )
  }, 20_000)

  it("counts what a dead peer lacks", async () => {
    const network = new Network()
    const a = await start(network, [A, B, C], 1)
    network.cut.add(B)
    for (let index = 0; index < 5; index++) await write(a)
    const lag = () => sample(a, "replication_lag_operations\\{peer=\"b\"\\}")
    await until("five operations are lacking", async () => await lag() === 5, 10_000)
    assert.strictEqual(await sample(a, "replication_lag_operations\\{peer=\"c\"\\}"), 0)
  }, 20_000)

  it("counts nothing of what a healthy peer had from others, whether this node writes or not", async () => {
    for (const silent of [false, true]) {
      const a = await start(new Network(), [A, B, C], 3)
      const [, , c] = nodes
      assert.isDefined(c)
      await inTouch(c)
      for (let index = 0; index < 5; index++) assert.isTrue(Either.isRight(await write(c)))
      if (!silent) assert.isTrue(Either.isRight(await write(a)))
      const links = await a.runPromise(Effect.map(Federation, ({ links }) => links))
      const held = () => links.map((link) => Array.from(link.status().vector.keys(), nodeOf).sort().join(" "))
      const all = silent ? "c" : "a c"
      if (!silent) assert.deepStrictEqual(held(), [all, all], "at once, with the answers to its own write")
      await until("the peers are known to hold it", () => Promise.resolve(held().every((one) => one === all)), 11_000)
      for (const peer of ["b", "c"]) {
        const lag = () => sample(a, `replication_lag_operations\\{peer="${peer}"\\}`)
        await until("nothing is lacking", async () => await lag() === 0, 11_000)
      }
      await Promise.all(nodes.splice(0).map((node) => node.dispose()))
    }
  }, 40_000)
})

describe("a node that hears two under one id", () => {
  it("tells both of them", async () => {
    const network = new Network()
    const lines = new Map<string, Array<Line>>()
    const nodes: Array<Node> = []
    for (const [url, others] of [[A, [B]], ["http://a:2", [B]], [B, []]] as const) {
      const own: Array<Line> = []
      lines.set(url, own)
      nodes.push(startNode(network, url, others, { w: 1, firstRoundAfter: ROUND, logger: linesIn(own) }))
    }
    for (const node of nodes) await phasesOf(node)
    const loud = (url: string) =>
      lines.get(url)?.some(({ text }) => text.includes("two nodes run under the id a")) === true
    await until("all three say so", () => Promise.resolve([A, "http://a:2", B].every(loud)), 5_000)
    await Promise.all(nodes.map((node) => node.dispose()))
  }, 20_000)
})

describe("what the log says of a peer", () => {
  const nodes: Array<Node> = []
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.dispose()))
  })

  const failed = (detail: string) => new PeerFailed({ peer: "b", reason: "network", detail })

  it.effect("that does not answer: the first failure, each new reason, and now and then that it still does not", () =>
    Effect.gen(function*() {
      const lines: Array<Line> = []
      const said = () => lines.splice(0).map(({ text }) => text.replace("federation: peer b failed: network: ", ""))
      yield* Effect.gen(function*() {
        const outage = Outage.make({ name: "b", url: B }, yield* Effect.clock)
        const fail = (detail: string, times: number) => Effect.repeatN(outage.failed(failed(detail), 1), times - 1)
        yield* fail("refused", 100)
        assert.deepStrictEqual(said(), ["refused"])
        yield* fail("http 401", 3)
        yield* fail("refused", 3)
        assert.deepStrictEqual(said(), ["http 401"], "a reason that was said is not said again")
        yield* TestClock.adjust("301 seconds")
        yield* fail("refused", 50)
        assert.deepStrictEqual(said(), ["refused"])
        yield* Effect.forEach(Array.from({ length: 100 }, (_, index) => `word ${index}`), (word) => fail(word, 1))
        assert.isAtMost(said().length, 8)
        yield* outage.over
        yield* fail("refused", 2)
        assert.deepStrictEqual(said(), ["refused"], "another outage")
      }).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, linesIn(lines))))
    }))

  it.effect("that is in touch and takes nothing: it is back once it has taken everything for 5 s", () =>
    Effect.gen(function*() {
      const outage = Outage.make({ name: "b", url: B }, yield* Effect.clock)
      outage.took()
      assert.isFalse(outage.isCalm(), "there is none")
      yield* outage.failed(failed("http 503"), 0)
      yield* TestClock.adjust("6 seconds")
      assert.isFalse(outage.isCalm(), "nothing was taken")
      outage.took()
      assert.isTrue(outage.isCalm())
      yield* outage.failed(failed("http 503"), 0)
      outage.took()
      assert.isFalse(outage.isCalm(), "now and then")
      yield* TestClock.adjust("6 seconds")
      assert.isTrue(outage.isCalm())
      yield* outage.over
      assert.isFalse(outage.isCalm())
    }).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, Logger.none))))

  it("that is in touch and takes nothing: once, once for a new reason, and once when it is back", async () => {
    const lines: Array<Line> = []
    const network = new Network()
    nodes.push(...startNodes(network, [A, B, C], { w: 2, firstRoundAfter: "1 hour", logger: linesIn(lines) }))
    const [a] = nodes
    assert.isDefined(a)
    await inTouch(a)
    const said = () => lines.map(({ text }) => text).filter((text) => /peer b|did not ack/.test(text))
    const refusing = (error: string) => {
      network.refuse = ({ path, to }) =>
        path === PUSH && to === B ? { status: 503, body: JSON.stringify({ error }) } : undefined
    }
    refusing("not_ready")
    for (let index = 0; index < 10; index++) {
      assert.isTrue(Either.isRight(await write(a)))
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    const first = "federation: peer b failed: overloaded: http 503: {\"error\":\"not_ready\"}"
    await until("all are decided", () => Promise.resolve(said().length > 0), 2_000)
    await a.runPromise(Effect.flatMap(Federation, ({ links }) => Effect.forEach(links, (link) => link.refresh)))
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    assert.deepStrictEqual(said(), [first], "also while it is greeted")
    refusing("full")
    await until("the new reason is said", () => Promise.resolve(said().length > 1), 3_000)
    network.refuse = () => undefined
    await until("it is back", () => Promise.resolve(said().length > 2), 12_000)
    assert.deepStrictEqual(said(), [first, first.replace("not_ready", "full"), "federation: peer b is back"])
    assert.deepStrictEqual(await phasesOf(a), ["connected", "connected"])
  }, 30_000)

  it("that too much waits for: not with each write that has no room", async () => {
    const lines: Array<Line> = []
    const network = new Network()
    nodes.push(...startNodes(network, [A, B], { w: 1, firstRoundAfter: "1 hour", logger: linesIn(lines) }))
    const [a] = nodes
    assert.isDefined(a)
    await inTouch(a)
    network.frozen.add(B)
    const operations = Array.from({ length: 4_400 }, (_, index) => operation(index + 1, "a/1"))
    await a.runPromise(
      Effect.flatMap(
        Federation,
        ({ replicate }) =>
          Effect.forEach(operations, (one) => Effect.ignore(replicate(one)), { concurrency: "unbounded" })
      )
    )
    const said = lines.map(({ text }) => text).filter((text) => /queue_full|did not ack/.test(text))
    assert.deepStrictEqual(said, ["federation: peer b failed: queue_full: 4096 operations are waiting for the peer"])
  }, 20_000)

  it("whose clock is off: once, and once when it is right again", async () => {
    const lines: Array<Line> = []
    let offset = 0
    const network = new Network()
    nodes.push(...startNodes(network, [A, B], {
      w: 1,
      firstRoundAfter: ROUND,
      logger: linesIn(lines),
      clockOffsetMillis: (url) => url === B ? offset : 0
    }))
    const [a] = nodes
    assert.isDefined(a)
    await inTouch(a)
    const said = () => lines.filter(({ text }) => text.includes("the clock of peer b")).map(({ text }) => text)
    offset = 45_000
    await until("it is said", () => Promise.resolve(said().length > 0))
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    assert.deepStrictEqual(said(), ["federation: the clock of peer b is 45 s off"])
    offset = 0
    await until("it is right", () => Promise.resolve(said().length > 1))
    assert.strictEqual(said()[1], "federation: the clock of peer b is right again")
  }, 20_000)

  it("that is a copy of this node: loud, on both sides, and seldom", async () => {
    const network = new Network()
    const lines = new Map<string, Array<Line>>()
    for (const [url, other, at] of [[A, "http://copy", A], ["http://a", A, "http://copy"]] as const) {
      const own: Array<Line> = []
      lines.set(at, own)
      const node = startNode(network, url, [other], { w: 1, firstRoundAfter: ROUND, logger: linesIn(own) })
      nodes.push(node)
      network.nodes.set(at, node)
    }
    for (const node of nodes) await phasesOf(node)
    await new Promise((resolve) => setTimeout(resolve, 6_000))
    for (const [at, own] of lines) {
      const loud = own.filter(({ text }) => text.includes("two nodes"))
      assert.isAtLeast(loud.length, 1, `${at} says it`)
      assert.isAtMost(own.length, 12, own.map(({ text }) => text).join("\n"))
    }
    assert.isAtMost(network.requests.length, 24)
  }, 20_000)
})
