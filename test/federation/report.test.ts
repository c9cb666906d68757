import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Logger from "effect/Logger"
import * as MetricRegistry from "effect/MetricRegistry"
import * as Option from "effect/Option"
import { NodeId, PeerUrl } from "../../src/domain/ids.js"
import { broadcast, bulkCatchupPush } from "../../src/federation/broadcasts.js"
import { Federation } from "../../src/federation/Federation.js"
import * as Report from "../../src/federation/report.js"
import { type Answered, type Decided, missedOf, QuorumNotMet } from "../../src/federation/verdict.js"
import * as Outcome from "../../src/federation/wire/Outcome.js"
import { PeerFailed } from "../../src/federation/wire/Peer.js"
import { remember } from "../../src/operations/memories/remember.js"
import * as Metrics from "../../src/telemetry/Metrics.js"
import { until } from "../mesh/Cluster.js"
import { operation } from "../store/letters.js"
import { Network, type Node, ROUND, startNodes } from "./inProcess.js"

const linesIn = (lines: Array<string>) =>
  Logger.make<unknown, void>(({ logLevel, message }) => {
    const [text] = Array.isArray(message) ? message : [message]
    lines.push(`${logLevel.label} ${String(text)}`)
  })

/** What is said and counted of a write. */
const reporting = () => {
  const metrics = Metrics.make(MetricRegistry.make())
  const lines: Array<string> = []
  return {
    report: Report.make(metrics),
    lines,
    run: (effect: Effect.Effect<void>) =>
      Effect.runSync(Effect.provide(effect, Logger.replace(Logger.defaultLogger, linesIn(lines)))),
    /** The series that are not zero, and have this in their name. */
    counted: (name: string) =>
      Effect.runSync(metrics.render).split("\n").filter((line) => line.startsWith(name) && !line.endsWith(" 0"))
  }
}

const peer = (name: string) => ({ name, url: PeerUrl.make(`http://${name}`) })
const b: Answered = { peer: peer("b"), outcome: Outcome.held(NodeId.make("b")) }
const refusing: Answered = { peer: peer("c"), outcome: Outcome.refused("no") }
const first = operation(1)

const met = (...answers: ReadonlyArray<Answered>): Decided => ({
  operation: first,
  verdict: Either.right({ opId: first.opId, acks: 2, ackedBy: [NodeId.make("me"), NodeId.make("b")] }),
  isOpen: false,
  answers,
  pending: 0
})

const missedBecause = (reason: QuorumNotMet["reason"]): Decided => ({
  operation: first,
  verdict: Either.left(new QuorumNotMet({ opId: first.opId, got: 1, needed: 2, reason, ackedBy: [], peers: [] })),
  isOpen: false,
  answers: [refusing],
  pending: 0
})

describe("of a write with a quorum", () => {
  it("is counted that it has one, and said which peers did not ack", () => {
    const { counted, lines, report, run } = reporting()
    run(report.decided(met(b, refusing)))
    assert.deepStrictEqual(lines, ["WARN federation: quorum met but 1 peer(s) did not ack: [\"http://c\"]"])
    assert.deepStrictEqual(counted("replication_quorum"), ["replication_quorum_ack_total{result=\"ok\"} 1"])
    assert.deepStrictEqual(counted("federation_partial_quorum_total"), ["federation_partial_quorum_total 1"])
  })

  it("nothing is said of a peer whose link says it once for all", () => {
    const { counted, lines, report, run } = reporting()
    const failed = new PeerFailed({ peer: "c", reason: "overloaded", detail: "http 503" })
    run(report.decided(met(b, { peer: peer("c"), outcome: Outcome.failed(failed) })))
    assert.deepStrictEqual(lines, [])
    assert.deepStrictEqual(counted("federation_partial_quorum_total"), ["federation_partial_quorum_total 1"])
  })

  it("nothing is said when every peer acked", () => {
    const { counted, lines, report, run } = reporting()
    run(report.decided(met(b)))
    assert.deepStrictEqual(lines, [])
    assert.deepStrictEqual(counted("federation_partial_quorum_total"), [])
  })
})

describe("of a write without a quorum", () => {
  it("is counted why, and said under the name of its operation", () => {
    const { counted, lines, report, run } = reporting()
    run(report.decided(missedBecause("id_drift")))
    assert.lengthOf(lines, 1)
    assert.include(lines[0], "federation: quorum not met (got 1, needed 2, reason id_drift)")
    assert.deepStrictEqual(counted("replication_quorum"), [
      "replication_quorum_ack_total{result=\"fail\"} 1",
      "replication_quorum_failures_total{reason=\"id_drift\"} 1"
    ])
  })
})

describe("of bulk", () => {
  it("is said once which peer holds nothing of it, and every operation is counted", () => {
    const { counted, lines, report, run } = reporting()
    run(report.bulkDecided([met(b, refusing), met(b, refusing)]))
    assert.deepStrictEqual(lines, ["WARN federation: 1 peer(s) did not ack 2 operations: [\"http://c\"]"])
    assert.deepStrictEqual(counted("replication_quorum"), ["replication_quorum_ack_total{result=\"ok\"} 2"])
  })
})

describe("of what comes after the answer", () => {
  it("is counted and said what a peer did not ack", () => {
    const { counted, lines, report, run } = reporting()
    run(report.late(peer("c"), missedOf([first], Exit.fail([Outcome.refused("no")]))))
    assert.deepStrictEqual(lines, ["WARN federation: post-quorum peer c did not ack for memory 1: refused: no"])
    assert.deepStrictEqual(counted("federation_fanout_dropped"), [
      "federation_fanout_dropped_total{reason=\"peer_fail\"} 1"
    ])
    assert.deepStrictEqual(counted("federation_partial_quorum_total"), ["federation_partial_quorum_total 1"])
  })

  it("is told apart by its reason: another id, a send that broke, a node that ends", () => {
    const { counted, report, run } = reporting()
    run(report.late(peer("c"), missedOf([first], Exit.fail([Outcome.refused("took it for another", "id_drift")]))))
    run(report.late(peer("c"), missedOf([first], Exit.die(new Error("broken")))))
    run(report.late(peer("c"), missedOf([first], Exit.failCause(Cause.interrupt(FiberId.none)))))
    assert.deepStrictEqual(counted("federation_fanout_dropped").sort(), [
      "federation_fanout_dropped_total{reason=\"id_drift\"} 1",
      "federation_fanout_dropped_total{reason=\"join_error\"} 1",
      "federation_fanout_dropped_total{reason=\"shutdown\"} 1"
    ])
  })
})

describe("in a mesh", () => {
  const nodes: Array<Node> = []
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.dispose()))
  })
  const [A, B] = ["http://a", "http://b"] as const

  const mesh = async (network: Network, clockOffsetMillis = (_url: string) => 0) => {
    const lines: Array<string> = []
    nodes.push(...startNodes(network, [A, B], { w: 2, logger: linesIn(lines), clockOffsetMillis }))
    const [a] = nodes
    assert.isDefined(a)
    const { links } = await a.runPromise(Federation)
    await until(
      "the peer is in touch",
      () => Promise.resolve(links.every((link) => link.status().phase === "connected"))
    )
    return { a, lines, text: () => a.runPromise(Effect.flatMap(Metrics.Metrics, ({ render }) => render)) }
  }

  it("every broadcast has its line, one write or bulk", async () => {
    const { a, lines } = await mesh(new Network())
    await a.runPromise(Effect.ignore(broadcast(operation(1, "a/1"))))
    await a.runPromise(bulkCatchupPush([operation(2, "a/1"), operation(3, "a/1")]))
    assert.include(lines, "INFO federation::broadcast: delete memory 1 -> 1 peer(s) (quorum W=2)")
    assert.include(lines, "INFO federation::broadcast: bulk of 2 -> 1 peer(s) (quorum W=2)")
  })

  it("the retry of a push is counted by how it ended", async () => {
    const network = new Network()
    const { a, text } = await mesh(network)
    let refusals = 1
    network.refuse = ({ path, to }) => to === B && path.includes("push") && refusals-- > 0 ? 500 : undefined
    await a.runPromise(Effect.ignore(broadcast(operation(1, "a/1"))))
    assert.include(await text(), "federation_fanout_retry_total{outcome=\"ok\"} 1")
    refusals = 9
    await a.runPromise(Effect.ignore(broadcast(operation(2, "a/1"))))
    assert.include(await text(), "federation_fanout_retry_total{outcome=\"fail\"} 1")
  })

  it("a clock that is off is said and shown", async () => {
    const { lines, text } = await mesh(new Network(), (url) => url === B ? 45_000 : 0)
    assert.isTrue(
      lines.some((line) => /^WARN federation: the clock of peer b is 4[45] s off$/.test(line)),
      lines.join("\n")
    )
    assert.match(await text(), /^replication_clock_skew_seconds\{peer="b"\} 4[45]/m)
  })

  it("a single push has the name of its operation, and bulk says that it is bulk", async () => {
    const network = new Network()
    const { a } = await mesh(network)
    const sent = operation(1, "a/1")
    await a.runPromise(Effect.ignore(broadcast(sent)))
    await a.runPromise(bulkCatchupPush([operation(2, "a/1"), operation(3, "a/1")]))
    const headers = network.requests.filter(({ path, to }) => to === B && path.includes("push")).map((each) =>
      each.headers
    )
    assert.isTrue(headers.some((each) => each["idempotency-key"] === sent.opId))
    assert.isTrue(headers.some((each) => each["x-catchup"] === "bulk"))
  })

  it("a peer that goes is said and shown, and that it is back", async () => {
    const network = new Network()
    const { a, lines, text } = await mesh(network)
    network.cut.add(B)
    await a.runPromise(Effect.ignore(broadcast(operation(1, "a/1"))))
    await until(
      "it is said",
      () => Promise.resolve(lines.some((line) => line.startsWith("WARN federation: peer b failed: ")))
    )
    assert.include(await text(), "federation_breaker_open{peer=\"b\"} 1")
    network.cut.delete(B)
    await until("it is back", () => Promise.resolve(lines.includes("INFO federation: peer b is back")), 10_000)
    assert.include(await text(), "federation_breaker_open{peer=\"b\"} 0")
  }, 20_000)

  it("catch-up says what it applied", async () => {
    const network = new Network()
    const lines: Array<string> = []
    network.refuse = ({ path, to }) => to === B && path.includes("push") ? 500 : undefined
    nodes.push(...startNodes(network, [A, B], { w: 1, logger: linesIn(lines), firstRoundAfter: ROUND }))
    const [a] = nodes
    assert.isDefined(a)
    const nobody = { agentId: Option.none(), idempotencyKey: Option.none() }
    await a.runPromise(remember({ title: "t", content: "c" }, nobody))
    await until(
      "it is said",
      () => Promise.resolve(lines.includes("INFO catchup: applied 1 operations from peer a")),
      10_000
    )
  }, 20_000)
})
