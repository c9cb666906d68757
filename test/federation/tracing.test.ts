import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Tracer from "effect/Tracer"
import { bulkCatchupPush } from "../../src/federation/broadcasts.js"
import { Federation } from "../../src/federation/Federation.js"
import { remember } from "../../src/operations/memories/remember.js"
import * as VersionVector from "../../src/replication/VersionVector.js"
import { MemoryStore } from "../../src/store/MemoryStore.js"
import { Metrics } from "../../src/telemetry/Metrics.js"
import { until } from "../mesh/Cluster.js"
import { Network, type Node, startNodes } from "./inProcess.js"
import { Recorder, type Seen } from "./recorder.js"

const [A, B, C] = ["http://a", "http://b", "http://c"] as const
const PUSH = "/api/v1/sync/push"
const nobody = { agentId: Option.none(), idempotencyKey: Option.none() }

describe("a traced write", () => {
  let nodes: ReadonlyArray<Node> = []
  let network = new Network()
  afterEach(async () => {
    await Promise.all(nodes.map((node) => node.dispose()))
    nodes = []
  })
  const at = (index: number) => {
    const node = nodes[index]
    assert.isDefined(node)
    return node
  }

  /** Nodes that are in touch, with nothing under way. */
  const start = async (urls: ReadonlyArray<string>, tracer?: (url: string) => Tracer.Tracer) => {
    network = new Network()
    nodes = startNodes(network, urls, {
      w: urls.length,
      firstRoundAfter: "10 minutes",
      ...(tracer === undefined ? {} : { tracer })
    })
    await Promise.all(nodes.map((node) => node.runPromise(Effect.void)))
    await until("all in touch", async () => (await phases()).every((phase) => phase === "connected"))
    network.requests.length = 0
  }
  const phases = async () =>
    (await Promise.all(
      nodes.map((node) =>
        node.runPromise(Effect.map(Federation, ({ links }) => links.map((link) => link.status().phase)))
      )
    )).flat()

  const write = (title: string, under?: Tracer.AnySpan) => {
    const written = Effect.either(remember({ title, content: "c" }, nobody))
    return at(0).runPromise(under === undefined ? written : Effect.withParentSpan(written, under))
  }
  const allWritten = (written: ReadonlyArray<Either.Either<unknown, unknown>>) =>
    assert.isTrue(written.every(Either.isRight), JSON.stringify(written.find(Either.isLeft)))

  const pushes = () => network.requests.filter(({ path }) => path === PUSH)
  const traceparents = (body: string): ReadonlyArray<string | undefined> => {
    const { ops }: { ops: ReadonlyArray<{ traceparent?: string }> } = JSON.parse(body)
    return ops.map(({ traceparent }) => traceparent)
  }
  const traceparentOf = ({ spanId, traceId }: Seen) => `00-${traceId}-${spanId}-01`

  /** The spans of this name, each with the way up to the root of its trace. */
  const pathsOf = (recorder: Recorder, traceId: string) => {
    const all = recorder.of(traceId)
    const pathOf = (span: Seen): string => {
      const parentId = Option.getOrUndefined(span.parent)?.spanId
      const parent = all.find(({ spanId }) => spanId === parentId)
      return parent === undefined ? `${span.node}:${span.name}` : `${span.node}:${span.name} < ${pathOf(parent)}`
    }
    return all.map(pathOf).filter((path) => path.includes("federation.")).sort()
  }

  it("is one trace over all nodes, also when it shares a push with writes of other traces", async () => {
    const recorder = new Recorder()
    await start([A, B], recorder.tracerOf)
    const callers = [recorder.caller(), recorder.caller()]
    allWritten(await Promise.all(callers.map((caller, index) => write(`t${index}`, caller))))
    const [push, ...more] = pushes()
    assert.isDefined(push)
    assert.deepStrictEqual(more, [], "both went in one push")
    for (const { traceId } of callers) {
      assert.deepStrictEqual(pathsOf(recorder, traceId), [
        "a:federation.quorumFanout < a:remember",
        "a:federation.send < a:federation.quorumFanout < a:remember",
        "b:federation.receive < a:federation.send < a:federation.quorumFanout < a:remember"
      ])
    }
    const sends = recorder.spans.filter(({ name }) => name === "federation.send")
    assert.sameMembers([...traceparents(push.body)], sends.map(traceparentOf))
    for (const send of sends) {
      assert.strictEqual(send.attributes.get("peer.id"), "b")
      const ids = send.attributes.get("quorate.op_ids")
      assert.lengthOf(Array.isArray(ids) ? ids : [], 1)
      assert.strictEqual(send.exit?._tag, "Success")
    }
    const receives = recorder.spans.filter(({ name }) => name === "federation.receive")
    assert.deepStrictEqual(receives.map(({ exit }) => exit?._tag), ["Success", "Success"])
    // They were received together: what is shared belongs to neither.
    const commits = recorder.spans.filter(({ name, node }) => name === "MemoryStore.commit" && node === "b")
    assert.lengthOf(commits, 1)
    assert.isFalse(callers.some(({ traceId }) => traceId === commits[0]?.traceId))
  })

  it("has a span for each peer, and text that differs by that alone", async () => {
    const recorder = new Recorder()
    await start([A, B, C], recorder.tracerOf)
    const caller = recorder.caller()
    allWritten([await write("t", caller)])
    const [one, other, ...more] = pushes()
    assert.isDefined(one)
    assert.isDefined(other)
    assert.deepStrictEqual(more, [])
    const stripped = [one, other].map(({ body }) =>
      body.replace(/"sender_wall_clock":"[^"]*"/, "").replace(/-[0-9a-f]{16}-01"/, "")
    )
    assert.strictEqual(stripped[0], stripped[1])
    assert.notStrictEqual(traceparents(one.body)[0], traceparents(other.body)[0])
    const sends = recorder.of(caller.traceId).filter(({ name }) => name === "federation.send")
    assert.sameMembers(sends.map(({ attributes }) => attributes.get("peer.id")), ["b", "c"])
    for (const { body, to } of [one, other]) {
      const send = sends.find(({ attributes }) => `http://${attributes.get("peer.id")}` === to)
      assert.isDefined(send)
      assert.deepStrictEqual(traceparents(body), [traceparentOf(send)])
    }
  })

  it("of many operations is one trace, with one span of each kind and peer", async () => {
    const recorder = new Recorder()
    await start([A, B], recorder.tracerOf)
    const caller = recorder.caller()
    const written = await at(0).runPromise(
      Effect.flatMap(MemoryStore, (store) =>
        store.commitAll((batch) => {
          const { stamp } = batch.now()
          const none = { baseHlc: null, covers: [] }
          for (let index = 0; index < 20; index++) {
            batch.write({ payload: { kind: "namespace_meta_clear", entity: `n${index}` }, ...none })
          }
          return Either.right(stamp)
        }, null)).pipe(
          Effect.flatMap(({ written }) => bulkCatchupPush(written.map(({ operation }) => operation))),
          Effect.withParentSpan(caller)
        )
    )
    allWritten(written)
    assert.deepStrictEqual(
      pathsOf(recorder, caller.traceId),
      [
        "a:federation.quorumFanout",
        "a:federation.send < a:federation.quorumFanout",
        "b:federation.receive < a:federation.send < a:federation.quorumFanout",
        "b:MemoryStore.commit < b:federation.receive < a:federation.send < a:federation.quorumFanout"
      ].sort()
    )
    const [push] = pushes()
    assert.lengthOf(new Set(traceparents(push?.body ?? "")), 1)
  })

  it("carries no trace when its trace is not kept", async () => {
    const recorder = new Recorder()
    recorder.sampled = false
    await start([A, B], recorder.tracerOf)
    const kept = recorder.caller()
    allWritten(await Promise.all([write("not kept"), write("kept", kept)]))
    const [push, ...more] = pushes()
    assert.deepStrictEqual(more, [])
    const carried = traceparents(push?.body ?? "")
    assert.sameMembers(carried.map((traceparent) => traceparent?.slice(3, 35)), [undefined, kept.traceId])
    assert.lengthOf(recorder.spans.filter(({ name }) => name === "federation.send"), 1)
  })

  it("names the caller's own span to the peers where nothing is recorded", async () => {
    const recorder = new Recorder()
    await start([A, B, C])
    const caller = recorder.caller()
    allWritten(await Promise.all([write("named", caller), write("not named")]))
    assert.lengthOf(pushes(), 2)
    for (const { body } of pushes()) {
      assert.sameMembers([...traceparents(body)], [`00-${caller.traceId}-${caller.spanId}-01`, undefined])
    }
  })

  it("is linked to the push that brings it later, and goes on from there", async () => {
    const recorder = new Recorder()
    await start([A, B], recorder.tracerOf)
    network.cut.add(B)
    const callers = [recorder.caller(), recorder.caller()]
    const written = await Promise.all(callers.map((caller, index) => write(`late ${index}`, caller)))
    assert.isTrue(written.every(Either.isLeft), "the peer is away")
    recorder.spans.length = 0
    network.requests.length = 0
    network.cut.delete(B)
    const vectors = () =>
      Promise.all(nodes.map((node) => node.runPromise(Effect.map(MemoryStore, (store) => store.vector()))))
    await until("the peer has them", async () => {
      const [a, b] = await vectors()
      return JSON.stringify(VersionVector.toJson(a ?? new Map())) ===
        JSON.stringify(VersionVector.toJson(b ?? new Map()))
    })
    const [push] = pushes()
    const catchups = recorder.spans.filter(({ name }) => name === "federation.catchup")
    assert.lengthOf(catchups, 1)
    const [catchup] = catchups
    assert.isDefined(catchup)
    assert.isFalse(callers.some(({ traceId }) => traceId === catchup.traceId), "it belongs to none of them")
    assert.sameMembers(catchup.links.map(({ span }) => span.traceId), callers.map(({ traceId }) => traceId))
    assert.strictEqual(catchup.attributes.get("peer.id"), "b")
    const { ops }: { ops: ReadonlyArray<{ op_id: string }> } = JSON.parse(push?.body ?? "")
    assert.deepStrictEqual(catchup.attributes.get("quorate.op_ids"), ops.map(({ op_id }) => op_id))
    const received = recorder.spans.filter(({ name, node }) => name === "federation.receive" && node === "b")
    assert.sameMembers(received.map(({ traceId }) => traceId), callers.map(({ traceId }) => traceId))
  })

  it("is linked to the push of another node that brings it, too", async () => {
    const recorder = new Recorder()
    await start([A, B, C], recorder.tracerOf)
    network.cut.add(B)
    const caller = recorder.caller()
    assert.isTrue(Either.isLeft(await write("passed on", caller)), "one peer is away")
    // Its author is out of everyone's reach.
    network.cut.add(A)
    network.refuse = ({ body }) => body.includes(`"sender_agent_id":"a"`) ? 503 : undefined
    network.cut.delete(B)
    await at(2).runPromise(
      Effect.flatMap(Federation, ({ links }) => Effect.forEach(links, (link) => link.refresh, { discard: true }))
    )
    const relayed = () => recorder.spans.filter(({ name, node }) => name === "federation.catchup" && node === "c")
    await until("the third node has sent it", async () => relayed().some(({ exit }) => exit?._tag === "Success"))
    const [catchup] = relayed()
    assert.strictEqual(catchup?.attributes.get("peer.id"), "b")
    assert.deepStrictEqual(catchup?.links.map(({ span }) => span.traceId), [caller.traceId])
  })

  it("takes the same way as without a tracer: as many pushes, and as many commits on either side", async () => {
    const counts: Array<unknown> = []
    for (const tracer of [undefined, new Recorder().tracerOf]) {
      await start([A, B, C], tracer)
      const before = await Promise.all(nodes.map(commitsOf))
      for (let round = 0; round < 5; round++) {
        allWritten(await Promise.all(Array.from({ length: 32 }, (_, index) => write(`${round} ${index}`))))
      }
      const after = await Promise.all(nodes.map(commitsOf))
      counts.push({ pushes: pushes().length, commits: after.map((count, index) => count - (before[index] ?? 0)) })
      const vectors = await Promise.all(
        nodes.map((node) => node.runPromise(Effect.map(MemoryStore, (store) => store.vector())))
      )
      for (const vector of vectors) assert.deepStrictEqual(Object.values(VersionVector.toJson(vector)), [160])
      await Promise.all(nodes.map((node) => node.dispose()))
    }
    const [without, traced] = counts
    assert.deepStrictEqual(traced, without)
    assert.deepStrictEqual(without, { pushes: 10, commits: [5, 5, 5] })
  })

  const commitsOf = async (node: Node): Promise<number> => {
    const text = await node.runPromise(Effect.flatMap(Metrics, ({ render }) => render))
    return Number(/^sqlite_commit_rows_count (\d+)$/m.exec(text)?.[1])
  }
})
