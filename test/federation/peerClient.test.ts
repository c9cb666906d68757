import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import type * as Tracer from "effect/Tracer"
import type { AuditEvent } from "../../src/domain/AuditEvent.js"
import { NodeId, Origin, PeerUrl } from "../../src/domain/ids.js"
import * as PeerClient from "../../src/federation/wire/PeerClient.js"
import { type PeerAnswer, PeerTransport } from "../../src/federation/wire/PeerTransport.js"
import { tell } from "../../src/federation/wire/tell.js"
import * as VersionVector from "../../src/replication/VersionVector.js"
import { OutboundRules } from "../../src/store/OutboundRules.js"
import { EntityReader } from "../../src/store/read/EntityReader.js"
import { AuditLog } from "../../src/telemetry/AuditLog.js"
import { operation } from "../store/letters.js"
import { Recorder } from "./recorder.js"

type Request = Parameters<PeerTransport["Type"]["request"]>[0]

const peer = { name: "b", url: PeerUrl.make("http://b") }
const nodeId = NodeId.make("b")
const me = Origin.make("me/1")
const ours = (hello: PeerClient.Hello): PeerClient.Identity => ({ kind: "quorate", peerId: nodeId, hello })
const original: PeerClient.Identity = { kind: "original", peerId: peer.url }

const HELLO = {
  protocol: 1,
  node_id: nodeId,
  incarnation: 1,
  version: "0.0.0",
  capabilities: [],
  limits: { operations: 1000, bytes: 1_000_000 },
  vector: {},
  wall_clock: "2026-01-01T00:00:00.000000000+00:00"
}

/** A client, whose requests are answered like that, and the requests that it made. */
const clientTo = (
  answer: (request: Request) => PeerAnswer | Effect.Effect<PeerAnswer, PeerClient.PeerFailed>,
  sign: PeerClient.Sender["sign"] = () => ({}),
  judge: OutboundRules["Type"]["judge"] = () => ({ decision: "allow" })
) =>
  Effect.gen(function*() {
    const events: Array<AuditEvent> = []
    const note = (event: AuditEvent) => void events.push(event)
    const requests: Array<Request> = []
    const transport = PeerTransport.of({
      request: (request) =>
        Effect.suspend(() => {
          requests.push(request)
          const answered = answer(request)
          return Effect.isEffect(answered) ? answered : Effect.succeed(answered)
        })
    })
    // Whatever an original node is told here is a deletion: nothing is known of the memory any more.
    const reader = EntityReader.of({
      memory: () => Effect.succeed(Option.none()),
      otherIds: () => Effect.succeed([]),
      objects: () => Effect.succeed([])
    })
    const client = yield* PeerClient.make({
      peer,
      sender: { nodeId: NodeId.make("a"), headers: { "x-peer-id": "a" }, sign, shown: () => ({}) },
      timeout: Duration.seconds(1)
    }).pipe(Effect.provide(Layer.mergeAll(
      Layer.succeed(PeerTransport, transport),
      Layer.succeed(EntityReader, reader),
      Layer.succeed(OutboundRules, { judge }),
      Layer.succeed(AuditLog, {
        note,
        record: (event) => Effect.sync(() => note(event)),
        tell: (events) => Effect.sync(() => events.forEach(note)),
        flush: Effect.void
      })
    )))
    return { client, requests, events }
  })

const json = (body: unknown, status = 200): PeerAnswer => ({ status, body: JSON.stringify(body) })

/** Why a question failed. */
const failureOf = <A>(question: Effect.Effect<A, PeerClient.PeerFailed>) =>
  Effect.map(Effect.either(question), (result) => Either.isLeft(result) ? result.left.message : "answered")

const push = (identity: PeerClient.Identity, ...oseqs: ReadonlyArray<number>): PeerClient.Push => ({
  identity,
  batch: oseqs.map((oseq) => PeerClient.outgoing(operation(oseq))),
  bulk: false,
  timeout: Duration.seconds(1)
})

/** What a node of ours answers that took everything. */
const took = (request: Request, changes: Record<string, unknown> = {}) => {
  const { ops }: { ops: ReadonlyArray<{ op_id: string }> } = JSON.parse(request.body ?? "")
  const results = ops.map(({ op_id }) => ({ op_id, result: "applied" }))
  return json({ receiver_node_id: "b", durable: true, vector: { "me/1": ops.length }, results, ...changes })
}

describe("what a rule forbids", () => {
  const refuse: OutboundRules["Type"]["judge"] = (host) => ({ decision: "refuse", reason: `not ${host}`, ruleId: "R1" })

  it.effect("is not sent, whatever it is, and is told in the words of the original", () =>
    Effect.gen(function*() {
      const { client, events, requests } = yield* clientTo(() => json(HELLO), () => ({}), refuse)
      const found = yield* Effect.all([
        failureOf(client.hello),
        failureOf(client.digests),
        failureOf(client.since(VersionVector.empty)),
        failureOf(client.rows({ since: "", limit: 1 })),
        failureOf(client.vectors({ embedder: "m", dimensions: 1, ids: [] })),
        failureOf(client.push(push(original, 1)))
      ])
      for (const message of found) assert.strictEqual(message, "governance refused outbound to b: not b")
      assert.lengthOf(requests, 0)
      assert.lengthOf(events, found.length)
      assert.deepStrictEqual(events[0], {
        type: "governance.refusal",
        agentId: "daemon:wire_action",
        payload: {
          action: { host: "b", kind: "network_request", scheme: "http" },
          agent_id: "daemon:wire_action",
          decision: { decision: "refuse", reason: "not b", rule_id: "R1" },
          timestamp: "1970-01-01T00:00:00.000000000+00:00"
        }
      })
    }))

  it.effect("is asked for again before each attempt", () =>
    Effect.gen(function*() {
      let asked = 0
      const judge: OutboundRules["Type"]["judge"] = (host) => ++asked > 1 ? refuse(host) : { decision: "allow" }
      const refused = json({ error: "x_memory_sig_no_enrolled_key" }, 401)
      const { client, requests } = yield* clientTo(() => refused, () => ({ "x-memory-sig": "ed25519=" }), judge)
      assert.match(yield* failureOf(client.hello), /governance refused outbound to b/)
      assert.lengthOf(requests, 1)
    }))
})

describe("what a peer is asked", () => {
  it.effect("who it is: one of ours by its id, or an original node by its address", () =>
    Effect.gen(function*() {
      const { client } = yield* clientTo(() => json(HELLO))
      assert.deepInclude(yield* client.hello, { kind: "quorate", peerId: nodeId })
      const old = yield* clientTo(() => ({ status: 404, body: "no such route" }))
      assert.deepStrictEqual(yield* old.client.hello, original)
    }))

  it.effect("fails by its status or its shape, in words that name the question where that is not plain", () =>
    Effect.gen(function*() {
      for (
        const [answer, hello, other] of [
          [json({}, 500), "status: hello answered http 500", "status: http 500"],
          [{ status: 200, body: "<html>" }, /^malformed: hello: /, /^malformed: (?!hello)/]
        ] as const
      ) {
        const { client } = yield* clientTo(() => answer)
        const found = [
          yield* failureOf(client.hello),
          yield* failureOf(client.digests),
          yield* failureOf(client.since(VersionVector.empty)),
          yield* failureOf(client.rows({ since: "", limit: 1 }))
        ]
        found.forEach((message, index) => {
          const expected = index === 0 ? hello : other
          if (typeof expected === "string") assert.strictEqual(message, expected)
          else assert.match(message, expected)
        })
      }
    }))

  it.effect("is given up when the transport neither ends nor lets itself be interrupted", () =>
    Effect.gen(function*() {
      const { client } = yield* clientTo(() => Effect.uninterruptible(Effect.never))
      const all = Effect.all([
        failureOf(client.hello),
        failureOf(client.digests),
        failureOf(client.since(VersionVector.empty)),
        failureOf(client.rows({ since: "", limit: 1 })),
        failureOf(client.restate("memory")),
        failureOf(client.push(push(original, 1)))
      ], { concurrency: "unbounded" })
      const fiber = yield* Effect.fork(all)
      yield* TestClock.adjust("31 seconds")
      const exit = fiber.unsafePoll()
      assert.isNotNull(exit)
      for (const message of yield* exit) assert.match(message, /^timeout: /)
    }))

  it.effect("for a page: one operation that is not to be understood does not spoil it", () =>
    Effect.gen(function*() {
      const whole = { sender_agent_id: "b", memories: [], ops: [], vv: {}, more: false }
      const { client, requests } = yield* clientTo(() => json(whole))
      const page = yield* client.since(VersionVector.fromEntries([[me, { upto: 3, beyond: [] }]]))
      assert.deepInclude(page.request, { sender_agent_id: "b", ops: [] })
      assert.isFalse(page.more)
      assert.strictEqual(requests[0]?.path, `/api/v1/sync/since?vv=${encodeURIComponent("{\"me/1\":3}")}`)
      const spoilt = yield* clientTo(() => json({ ...whole, ops: [{ op_id: 7 }], more: true }))
      assert.deepInclude(yield* spoilt.client.since(VersionVector.empty), { request: null, more: true })
    }))

  it.effect("for a page, with a vector that is too long for a request line: without its last ranges", () =>
    Effect.gen(function*() {
      const beyond = Array.from({ length: 1000 }, (_, index) => [10 * index + 10, 10 * index + 11] as const)
      const { client, requests } = yield* clientTo(() => json({ memories: [], vv: {}, more: false }))
      yield* Effect.ignore(client.since(VersionVector.fromEntries([[me, { upto: 3, beyond }]])))
      assert.isBelow(decodeURIComponent(requests[0]?.path ?? "").length, 8_100)
    }))
})

describe("a node that signs", () => {
  const refusal = (error: string) => json({ error, note: "some" }, 401)
  /** A peer whose operator enrols the key of this node, or takes it away, between two questions. */
  const asking = (key: { isThere: boolean; isRequired: boolean }) =>
    clientTo(({ headers }) => {
      const isSigned = headers["x-memory-sig"] !== undefined
      if (isSigned) return key.isThere ? json(HELLO) : refusal("x_memory_sig_no_enrolled_key")
      if (key.isThere) return refusal("x_memory_sig_missing")
      return key.isRequired ? refusal("peer_not_enrolled") : json(HELLO)
    }, () => ({ "x-memory-sig": "ed25519=" }))

  it.effect("does not to a peer that has no key of it, and does from the moment on that it has", () =>
    Effect.gen(function*() {
      const key = { isThere: false, isRequired: false }
      const { client, requests } = yield* asking(key)
      const signedOf = () => requests.splice(0).map(({ headers }) => headers["x-memory-sig"] !== undefined)
      assert.strictEqual(yield* failureOf(client.hello), "answered")
      assert.deepStrictEqual(signedOf(), [true, false])
      assert.strictEqual(yield* failureOf(client.hello), "answered")
      assert.deepStrictEqual(signedOf(), [false], "it knows now what that peer takes")
      key.isThere = true
      assert.strictEqual(yield* failureOf(client.hello), "answered")
      assert.deepStrictEqual(signedOf(), [false, true])
      assert.strictEqual(yield* failureOf(client.hello), "answered")
      assert.deepStrictEqual(signedOf(), [true])
    }))

  it.effect("is told what is wrong with its signature by a peer that takes nothing else, and signs on", () =>
    Effect.gen(function*() {
      const key = { isThere: false, isRequired: true }
      const { client, requests } = yield* asking(key)
      assert.include(yield* failureOf(client.hello), "x_memory_sig_no_enrolled_key")
      key.isThere = true
      requests.length = 0
      assert.strictEqual(yield* failureOf(client.hello), "answered")
      assert.strictEqual(requests.length, 1)
    }))
})

describe("a vector that is long", () => {
  const long = VersionVector.fromEntries(
    Array.from({ length: 200 }, (_, at) => [Origin.make(`${"x".repeat(200)}${at}/1`), { upto: 1, beyond: [] }] as const)
  )
  const page = { sender_agent_id: "b", memories: [], ops: [], vv: {}, more: false }

  it.effect("is sent in a body, whole, and a short one in the line", () =>
    Effect.gen(function*() {
      const { client, requests } = yield* clientTo(() => json(page))
      yield* client.since(long)
      yield* client.since(VersionVector.add(VersionVector.empty, me, 1))
      const [first, second] = requests
      assert.deepStrictEqual([first?.method, first?.path], ["POST", "/api/v1/sync/since"])
      assert.lengthOf(Object.keys(JSON.parse(first?.body ?? "").vv), 200)
      assert.deepStrictEqual([second?.method, second?.body], ["GET", undefined])
    }))

  it.effect("is sent in the line to a node that takes it in no other way", () =>
    Effect.gen(function*() {
      const { client, requests } = yield* clientTo(({ method }) => method === "POST" ? json({}, 405) : json(page))
      assert.isFalse((yield* client.since(long)).more)
      assert.deepStrictEqual(requests.map(({ method }) => method), ["POST", "GET"])
    }))
})

describe("what a peer is sent", () => {
  const hello = { ...HELLO, wall_clock: operation(1).hlc, vector: VersionVector.empty }

  it.effect("comes to an outcome for each operation, by its own result", () =>
    Effect.gen(function*() {
      const { client, requests } = yield* clientTo(() =>
        json({
          receiver_node_id: "b",
          durable: true,
          vector: { "me/1": 2 },
          results: [
            { op_id: "me-1-1", result: "applied" },
            { op_id: "me-1-3", result: "rejected", why: "invalid: title" }
          ]
        })
      )
      const { outcomes, vector } = yield* client.push(push(ours(hello), 1, 2, 3))
      assert.deepStrictEqual(outcomes.map(({ _tag }) => _tag), ["held", "failed", "refused"])
      assert.deepStrictEqual(vector, VersionVector.fromEntries([[me, { upto: 2, beyond: [] }]]))
      assert.lengthOf(requests, 1)
    }))

  it.effect("is no ack when it is answered by somebody else, or not durable", () =>
    Effect.gen(function*() {
      const someone = yield* clientTo((request) => took(request, { receiver_node_id: "c" }))
      assert.strictEqual(
        yield* failureOf(someone.client.push(push(ours(hello), 1))),
        "identity: answered as c, not as b"
      )
      const volatile = yield* clientTo((request) => took(request, { durable: false }))
      const { outcomes } = yield* volatile.client.push(push(ours(hello), 1))
      assert.deepStrictEqual(outcomes.map(({ _tag }) => _tag), ["failed"])
    }))

  it.effect("is refused whole by some statuses, with the peer's words, and fails by others", () =>
    Effect.gen(function*() {
      for (
        const [status, reason] of [[413, "refused"], [422, "refused"], [503, "overloaded"], [429, "overloaded"], [
          500,
          "status"
        ]] as const
      ) {
        const { client } = yield* clientTo(() => ({ status, body: "w".repeat(1000) }))
        const message = yield* failureOf(client.push(push(ours(hello), 1)))
        assert.strictEqual(message, `${reason}: http ${status}: ${"w".repeat(300)}`)
      }
      const silent = yield* clientTo(() => ({ status: 400, body: "" }))
      assert.strictEqual(yield* failureOf(silent.client.push(push(ours(hello), 1))), "refused: http 400")
    }))

  it.effect("goes under its own name when it is one operation, and as bulk when it is bulk", () =>
    Effect.gen(function*() {
      const { client, requests } = yield* clientTo(took)
      yield* client.push(push(ours(hello), 1))
      yield* client.push({ ...push(ours(hello), 1, 2), bulk: true })
      const [one, many] = requests.map(({ headers }) => headers)
      assert.deepStrictEqual(one, { "x-peer-id": "a", "idempotency-key": "me-1-1" })
      assert.deepStrictEqual(many, { "x-peer-id": "a", "x-catchup": "bulk" })
    }))

  it.effect("is a part of its trace, and linked to each trace when several share it", () =>
    Effect.gen(function*() {
      const recorder = new Recorder()
      const { client } = yield* clientTo((request) => Effect.withSpan(Effect.sync(() => took(request)), "http.client"))
      const [first, second] = [recorder.caller(), recorder.caller()]
      const sibling = { ...first, spanId: "0123456789abcdef" }
      const sent = (...spans: ReadonlyArray<Tracer.AnySpan>) =>
        Effect.gen(function*() {
          const { batch, ...how } = push(ours(hello), 1, 2, 3)
          const outgoing = batch.map((item, index): PeerClient.Outgoing => {
            const span = spans[index]
            return span === undefined ? item : { ...item, span }
          })
          yield* client.push({ ...how, batch: outgoing })
          const span = recorder.spans.at(-1)
          const parent = Option.getOrUndefined(Option.map(span?.parent ?? Option.none(), ({ spanId }) => spanId))
          return { parent, links: span?.links.map((link) => link.span.spanId).sort() }
        })
      yield* Effect.gen(function*() {
        assert.deepStrictEqual(yield* sent(), { parent: undefined, links: [] })
        assert.deepStrictEqual(yield* sent(first), { parent: first.spanId, links: [] })
        assert.deepStrictEqual(yield* sent(first, first), { parent: first.spanId, links: [] })
        assert.deepStrictEqual(yield* sent(first, sibling), { parent: first.spanId, links: [sibling.spanId] })
        assert.deepStrictEqual(yield* sent(first, second), { parent: undefined, links: [first.spanId, second.spanId] })
      }).pipe(Effect.withTracer(recorder.tracerOf("http://a")))
    }))

  it.effect("goes to an original node one by one, and what it says by its counters is the outcome", () =>
    Effect.gen(function*() {
      const counters = [{ deleted: 1 }, { deleted: 0 }, { deleted: 1, ids: ["another"] }]
      const { client, requests } = yield* clientTo(() => json(counters.shift()))
      const { outcomes, vector } = yield* client.push(push(original, 1, 2, 3))
      assert.deepStrictEqual(outcomes.map(({ _tag }) => _tag), ["held", "refused", "refused"])
      assert.deepStrictEqual(outcomes[0], { _tag: "held", by: peer.url })
      assert.deepInclude(outcomes[2], { reason: "id_drift" })
      assert.isUndefined(vector)
      assert.lengthOf(requests, 3)
      for (const { body, headers } of requests) {
        assert.isUndefined(headers["x-catchup"])
        assert.notInclude(body, "\"ops\"")
      }
    }))

  it.effect("is no ack of an original node that skipped something, had no quota for it, or does not count it", () =>
    Effect.gen(function*() {
      const counters = [
        { deleted: 1, skipped: 1 },
        { deleted: 1, quota_refused: 1 },
        {},
        { noop: 1, skipped: 0, quota_refused: 0 }
      ]
      const { client } = yield* clientTo(() => json(counters.shift()))
      const { outcomes } = yield* client.push(push(original, 1, 2, 3, 4))
      assert.deepStrictEqual(outcomes.map(PeerClient.Outcome.wordOf), ["refused", "overloaded", "refused", "acked"])
    }))

  it.effect("is later when an original node has no quota for its author, and the others go on", () =>
    Effect.gen(function*() {
      const answers: Array<PeerAnswer> = [
        { status: 429, body: "QUOTA_EXCEEDED", headers: { "x-quota-reset-at": "1970-01-01T08:00:00Z" } },
        { status: 429, body: "QUOTA_EXCEEDED", headers: { "retry-after": "90" } },
        { status: 429, body: "" },
        json({ deleted: 1 })
      ]
      const { client } = yield* clientTo(() => answers.shift() ?? json({}))
      const { outcomes } = yield* client.push(push(original, 1, 2, 3, 4))
      assert.deepStrictEqual(outcomes.map(({ _tag }) => _tag), ["refused", "refused", "refused", "held"])
      assert.deepStrictEqual(
        outcomes.map((outcome) => outcome._tag === "refused" ? outcome.laterMillis : 0),
        [8 * 3_600_000, 90_000, 60_000, 0]
      )
      assert.deepInclude(outcomes[0], { reason: "overloaded", detail: "http 429: QUOTA_EXCEEDED" })
    }))

  it.effect("is one push of bulk to an original node, and an ack of all when it took all", () =>
    Effect.gen(function*() {
      const { client, requests } = yield* clientTo(() => json({ deleted: 2, noop: 1 }))
      const { outcomes } = yield* client.push({ ...push(original, 1, 2, 3), bulk: true })
      assert.deepStrictEqual(outcomes.map(({ _tag }) => _tag), ["held", "held", "held"])
      assert.lengthOf(requests, 1)
      assert.strictEqual(requests[0]?.headers["x-catchup"], "bulk")
      assert.deepInclude(JSON.parse(requests[0]?.body ?? ""), { deletions: ["memory 1", "memory 2", "memory 3"] })
    }))

  it.effect("is judged by itself when an original node did not take all of a bulk", () =>
    Effect.gen(function*() {
      const answers = [{ deleted: 2, skipped: 1 }, { noop: 1 }, { skipped: 1 }, { noop: 1 }]
      const { client, requests } = yield* clientTo(() => json(answers.shift()))
      const { outcomes } = yield* client.push({ ...push(original, 1, 2, 3), bulk: true })
      assert.deepStrictEqual(outcomes.map(({ _tag }) => _tag), ["held", "refused", "held"])
      assert.deepStrictEqual(requests.map(({ headers }) => headers["x-catchup"]), ["bulk", ...Array(3).fill(undefined)])
    }))

  it.effect("is an ack of a decision that an original node does not take only when it has decided so", () =>
    Effect.gen(function*() {
      const decision = { id: "p", approved: true, decider: "ann", decided_at: HELLO.wall_clock }
      const reader = EntityReader.of({
        memory: () => Effect.succeed(Option.none()),
        otherIds: () => Effect.succeed([]),
        objects: (type) => Effect.succeed(type === "decision" ? [decision] : [])
      })
      const tellIt = (answer: Record<string, number>, approved: ReadonlyArray<string>) =>
        tell({
          peer,
          post: () => Effect.succeed(answer),
          actions: (status) =>
            Effect.succeed(
              (status === "approved" ? approved : []).map((id) => ({ id, status: "approved", approvals: [] }))
            ),
          isFirst: false
        }, { kind: "decision", entity: "p", baseHlc: null, covers: [] }).pipe(
          Effect.provideService(EntityReader, reader),
          Effect.map(PeerClient.Outcome.wordOf)
        )
      assert.strictEqual(yield* tellIt({ pending_decisions_applied: 1 }, []), "acked")
      for (const answer of [{ noop: 1 }, { skipped: 1 }]) {
        assert.strictEqual(yield* tellIt(answer, ["p"]), "acked")
        assert.strictEqual(yield* tellIt(answer, ["another"]), "refused")
      }
    }))

  it.effect("gives up its turn at an original node when its lane is given up, whatever hangs", () =>
    Effect.gen(function*() {
      let hangs = true
      const { client, requests } = yield* clientTo(() =>
        hangs ? Effect.uninterruptible(Effect.never) : json({ deleted: 1 })
      )
      const lane = yield* Effect.fork(client.push({ ...push(original, 1), within: () => (request) => request }))
      yield* TestClock.adjust("1 millis")
      assert.lengthOf(requests, 1)
      hangs = false
      lane.unsafeInterruptAsFork(lane.id())
      const restated = yield* Effect.fork(client.restate("memory 7"))
      yield* TestClock.adjust("100 millis")
      assert.deepInclude(yield* Fiber.join(restated), { _tag: "held" })
    }))

  it.effect("never overtakes what goes to an original node already", () =>
    Effect.gen(function*() {
      const { client, requests } = yield* clientTo(() =>
        Effect.delay(Effect.succeed(json({ deleted: 1 })), "500 millis")
      )
      yield* Effect.forkScoped(client.push(push(original, 1)))
      yield* Effect.forkScoped(client.restate("memory 7"))
      yield* TestClock.adjust("400 millis")
      assert.lengthOf(requests, 1)
      yield* TestClock.adjust("200 millis")
      assert.lengthOf(requests, 2)
    }).pipe(Effect.scoped))
})
