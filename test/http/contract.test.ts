import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as OpenApi from "@effect/platform/OpenApi"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { readFileSync, writeFileSync } from "node:fs"
import { NodeId, OpId } from "../../src/domain/ids.js"
import { Invalid } from "../../src/domain/validate.js"
import * as Refusal from "../../src/http/calls/Refusal.js"
import * as Client from "../../src/http/Client.js"
import { Api, document, documentOf } from "../../src/http/contract/Api.js"
import { keyless } from "../../src/http/contract/documentation.js"
import * as Errors from "../../src/http/contract/errors.js"
import * as operations from "../../src/operations/errors.js"
import * as Node from "./node.js"

const KEPT = new URL("openapi.json", import.meta.url)

describe("the OpenAPI document", () => {
  it("is the one kept beside this test", () => {
    const generated = `${JSON.stringify(document(), null, 2)}\n`
    if (process.env["UPDATE_OPENAPI"] !== undefined) writeFileSync(KEPT, generated)
    assert.strictEqual(generated, readFileSync(KEPT, "utf8"), "run this test with UPDATE_OPENAPI=1 to keep the new one")
  })

  it("refers to nothing that it does not have", () => {
    const text = JSON.stringify(document())
    const names = Array.from(text.matchAll(/"#\/components\/schemas\/([^"]+)"/g), ([, name]) => name ?? "")
    assert.includeMembers(Object.keys(document().components.schemas), names)
    assert.notInclude(text, "HttpApiDecodeError")
    assert.notInclude(text, "\"$id\"", "an id that several schemas have is one that a reader refuses")
  })

  it("gives every operation a summary, a description and its errors", () => {
    for (const [path, methods] of Object.entries(document().paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        const name = `${method} ${path}`
        assert.isNotEmpty(operation.summary, name)
        assert.isNotEmpty(operation.description, name)
        assert.property(operation.responses, "500", name)
      }
    }
  })
})

/** Each error with what it must look like to a client, and the schema by which the contract says so. */
const answered: ReadonlyArray<readonly [Refusal.Refusal, status: number, body: object, Schema.Schema.AnyNoContext]> = [
  [new Invalid({ field: "a", message: "a is" }), 400, { error: "a is", field: "a" }, Errors.BadRequest],
  [Refusal.unauthorized, 401, { error: "missing or invalid API key" }, Errors.Unauthorized],
  [new operations.Denied({ detail: "store denied" }), 403, { error: "store denied" }, Errors.Forbidden],
  [
    new operations.AwaitingApproval({
      pendingId: "p",
      action: "delete",
      namespace: "n",
      memoryId: "m",
      opId: OpId.make("o"),
      acks: 2,
      ackedBy: [NodeId.make("a"), NodeId.make("b")]
    }),
    202,
    {
      status: "pending",
      pending_id: "p",
      reason: "governance requires approval",
      action: "delete",
      namespace: "n",
      memory_id: "m",
      quorum_acks: 2,
      acked_by: ["a", "b"]
    },
    Errors.Queued
  ],
  [new operations.NotFound(), 404, { error: "not found" }, Errors.Missing],
  [
    new operations.NotPending(),
    404,
    { error: "pending action not found or already decided" },
    Errors.NothingPending
  ],
  [new operations.NotArchived(), 404, { error: "not found in archive" }, Errors.Missing],
  [new operations.LinkNotFound(), 404, { found: false, error: "not found" }, Errors.LinkMissing],
  [new operations.NoEmbedder(), 503, { error: new operations.NoEmbedder().message }, Errors.EmbedderMissing],
  [new operations.SourceNotFound({ field: "ids[2]" }), 404, { error: "ids[2] not found" }, Errors.Missing],
  [
    new operations.SlotTaken({ namespace: "n", existingId: "i" }),
    409,
    { code: "CONFLICT", error: "a memory with this title already exists in namespace n", existing_id: "i" },
    Errors.Conflict
  ],
  [
    new operations.VersionMismatch({ currentVersion: "v" }),
    412,
    { error: "the memory changed meanwhile: its version is now v", current_version: "v" },
    Errors.PreconditionFailed
  ],
  [Refusal.wrongShape({ field: "a", message: "a must" }), 422, { error: "a must", field: "a" }, Errors.WrongShape],
  [
    new operations.KeyReused(),
    422,
    { error: new operations.KeyReused().message, field: "Idempotency-Key" },
    Errors.WrongShape
  ],
  [
    new operations.QuorumNotMet({
      opId: OpId.make("o"),
      got: 1,
      needed: 2,
      reason: "overloaded",
      ackedBy: [NodeId.make("n")],
      peers: [{ peer: "http://b:1", outcome: "overloaded", detail: "http 429" }]
    }),
    503,
    {
      error: "quorum_not_met",
      got: 1,
      needed: 2,
      reason: "overloaded",
      op_id: "o",
      acked_by: ["n"],
      committed_locally: true,
      peers: [{ peer: "http://b:1", outcome: "overloaded", detail: "http 429" }]
    },
    Errors.QuorumMissed
  ],
  [new operations.LocalWriteFailed({ detail: "d" }), 503, { error: "local_write_failed", got: 0 }, Errors.NotWritten],
  [new operations.NotReady({ detail: "d" }), 503, { error: "not_ready", detail: "d" }, Errors.NotWritten],
  [new operations.Overloaded({ queued: 1 }), 503, { error: "overloaded" }, Errors.NotWritten],
  [new operations.ReadFailed({ cause: "c" }), 500, { error: "internal server error" }, Errors.InternalError]
]

describe("errors", () => {
  it.each(answered)("%s is answered as the contract says", (error, status, body, schema) => {
    const reply = Refusal.reply(error)
    assert.strictEqual(reply.status, status)
    assert.deepStrictEqual(JSON.parse(String(reply.body)), body)
    const decoded: unknown = Schema.decodeUnknownSync(schema)(JSON.parse(String(reply.body)))
    assert.deepStrictEqual(Schema.encodeUnknownSync(schema)(decoded), body)
  })

  it("say when to try again", () => {
    const retryAfter = answered.map(([error]) => Refusal.reply(error).headers["retry-after"])
    assert.deepStrictEqual(retryAfter.filter((seconds) => seconds !== undefined), ["2", "2", "1"])
  })
})

describe("a node", () => {
  let node: Node.Node
  beforeAll(async () => {
    node = await Node.start()
  })
  afterAll(() => node.stop())

  const send = (options: Parameters<typeof Node.request>[0]) => Node.exchange(node.port, Node.request(options))
  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    send({ method: "POST", path, body: JSON.stringify(body), headers })

  /** An escape in the path is something that only the router of the contract undoes. */
  const LEAN = "/api/v1/memories"
  const ROUTED = "/api/v1/%6demories"

  /** What may differ between two answers to one request. */
  const comparable = (
    { headers: { date: _, "x-op-id": op, etag, location, ...headers }, json, status }: Node.Answer
  ) => ({
    status,
    headers,
    written: [op, etag, location].map((header) => header !== undefined),
    body: Object(JSON.parse(
      JSON.stringify(json)
        .replaceAll(/\d{4}-\d\d-\d\dT[^"]+/g, "<stamp>")
        .replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "<uuid>")
    ))
  })

  it("answers the same on the lean path and through the router", async () => {
    const memory = { title: "twice", content: "c", on_conflict: "version", agent_id: "a" }
    await post(LEAN, memory)
    const requests: ReadonlyArray<readonly [unknown, Record<string, string>]> = [
      [{ title: "same", content: "c", agent_id: "a", namespace: "n/1", tags: ["x"], on_conflict: "merge" }, {}],
      [{ title: "same", content: "c", agent_id: "a", namespace: "n/1" }, {}],
      [{ title: "", content: "c" }, {}],
      [{ title: 1 }, {}],
      [[], {}],
      [memory, { "content-type": "text/plain" }],
      [memory, { "idempotency-key": "caf\u00e9" }],
      [memory, { "x-agent-id": "a b" }]
    ]
    for (const [body, headers] of requests) {
      const lean = await post(LEAN, body, headers)
      const routed = await post(ROUTED, body, headers)
      assert.deepStrictEqual(comparable(lean), comparable(routed), JSON.stringify(body))
    }
    const raw = (path: string, body: string) => send({ method: "POST", path, body })
    for (const body of ["", "{", "[".repeat(200)]) {
      assert.deepStrictEqual(comparable(await raw(LEAN, body)), comparable(await raw(ROUTED, body)))
    }
    const pushed = { sender_agent_id: "a", memories: [] }
    for (const body of [pushed, {}, { ...pushed, deletions: ["nothing"] }]) {
      const [lean, routed] = [await post("/api/v1/sync/push", body), await post("/api/v1/sync/%70ush", body)]
      assert.deepStrictEqual(comparable(lean), comparable(routed))
    }
    const id = String(Reflect.get(Object((await post(LEAN, { title: "read twice", content: "c" })).json), "id"))
    for (const path of [id, id.slice(0, 20), "nothing", "x".repeat(200)]) {
      const [lean, routed] = [await send({ path: `${LEAN}/${path}` }), await send({ path: `${ROUTED}/${path}` })]
      assert.deepStrictEqual(comparable(lean), comparable(routed), path)
    }
  })

  it("tells a creation's operation, place and version", async () => {
    const created = await post(LEAN, { title: "headers", content: "c" })
    const body = Object(created.json)
    assert.strictEqual(created.status, 201)
    assert.match(created.headers["x-op-id"] ?? "", /^[0-9a-f-]{36}$/)
    assert.strictEqual(created.headers["location"], `/api/v1/memories/${body.id}`)
    assert.strictEqual(created.headers["etag"], `"${body.updated_at}"`)
    assert.strictEqual(body.quorum_acks, 1)
    assert.lengthOf(body.acked_by, 1)
    const found = await send({ path: created.headers["location"] ?? "" })
    assert.strictEqual(found.headers["etag"], created.headers["etag"])
    const { links, memory, ...flat } = Object(found.json)
    assert.deepStrictEqual(links, [])
    assert.deepStrictEqual(flat, memory)
  })

  it("names memories that a new one may contradict", async () => {
    const one = await post(LEAN, { namespace: "alike", title: "Deploy window", content: "Tuesdays" })
    assert.notProperty(one.json, "potential_contradictions")
    const two = await post(LEAN, { namespace: "alike", title: "window for deploys", content: "Mondays" })
    assert.deepStrictEqual(Object(two.json).potential_contradictions, [Object(one.json).id])
    assert.notProperty(
      (await post(LEAN, { namespace: "alike2", title: "window", content: "c" })).json,
      "potential_contradictions"
    )
  })

  it("answers a repeated key with the same memory, and refuses it for another", async () => {
    const key = { "idempotency-key": "key 1" }
    const first = await post(LEAN, { title: "once", content: "c" }, key)
    const again = await post(LEAN, { title: "once", content: "c" }, key)
    assert.strictEqual(again.status, 201)
    assert.deepStrictEqual(again.json, first.json)
    assert.strictEqual(again.headers["x-op-id"], first.headers["x-op-id"])
    assert.strictEqual((await post(LEAN, { title: "other", content: "c" }, key)).status, 422)
  })

  it("changes only the expected version, however it is given", async () => {
    const created = await post(LEAN, { title: "versions", content: "c" })
    const path = created.headers["location"] ?? ""
    const etag = created.headers["etag"] ?? ""
    const put = (body: unknown, headers: Record<string, string> = {}) =>
      send({ method: "PUT", path, body: JSON.stringify(body), headers })
    const changed = await put({ content: "d" }, { "if-match": `W/${etag}` })
    assert.strictEqual(changed.status, 200, changed.text)
    assert.strictEqual(Object(changed.json).content, "d")
    const late = await put({ content: "e" }, { "if-match": etag })
    assert.strictEqual(late.status, 412)
    assert.strictEqual(`"${Object(late.json).current_version}"`, changed.headers["etag"])
    assert.strictEqual((await put({ content: "e", expected_version: etag.slice(1, -1) })).status, 412)
    assert.strictEqual((await send({ method: "DELETE", path, headers: { "if-match": etag } })).status, 412)
    assert.strictEqual((await put({ content: "e" }, { "if-match": "*" })).status, 200)
    const bare = (text: string) => ({ "if-match": text })
    assert.strictEqual((await put({ content: "f" }, bare("2026-01-01T00:00:00Z"))).status, 412)
    const { json } = await send({ path })
    assert.strictEqual((await put({ content: "f" }, bare(String(Object(json).updated_at)))).status, 200)
    const gone = await send({ method: "DELETE", path })
    assert.strictEqual(Object(gone.json).deleted, true)
    assert.isDefined(gone.headers["x-op-id"])
  })

  it("takes what the original takes: limits beyond the bound, times with an unescaped plus, unknown parameters", async () => {
    for (
      const query of ["limit=100000", "since=2020-01-01T00:00:00+00:00", "until=2020-01-01T00:00:00%2B00:00", "x=y"]
    ) {
      const listed = await send({ path: `${LEAN}?${query}` })
      assert.strictEqual(listed.status, 200, query)
      assert.isArray(Object(listed.json).memories)
    }
    assert.strictEqual(Object((await send({ path: `${LEAN}?limit=0` })).json).count, 0)
    assert.strictEqual((await send({ path: "/api/v1/recall?context=a&limit=1000" })).status, 200)
    for (const since of ["2020-01-01T00:00:00+00:00", "2020-01-01T00:00:00%2B00:00"]) {
      assert.strictEqual((await send({ path: `/api/v1/sync/since?since=${since}` })).status, 200, since)
    }
    const absolute = await send({ path: `${node.url}/health/live` })
    assert.deepStrictEqual(absolute.json, { status: "ok" })
    const suffixed = await post(LEAN, { title: "suffix", content: "c" }, {
      "content-type": "Application/LD+JSON; charset=utf-8"
    })
    assert.strictEqual(suffixed.status, 201)
    const arrow = Node.request({
      method: "POST",
      path: "/api/v1/sync/push",
      body: JSON.stringify({ sender_agent_id: "host:a", memories: [] }),
      headers: { "idempotency-key": "a\u2192b", "x-catchup": "bulk" }
    })
    assert.strictEqual((await Node.exchange(node.port, arrow)).status, 200)
  })

  it("answers HEAD and OPTIONS of every route", async () => {
    const head = await Node.exchange(node.port, Node.request({ method: "HEAD", path: "/health/live" }), "").catch(() =>
      null
    )
    assert.isNull(head, "an answer to HEAD has a length and no body")
    const response = await fetch(`${node.url}/api/v1/stats`, { method: "HEAD" })
    assert.strictEqual(response.status, 200)
    const options = await fetch(`${node.url}/api/v1/memories`, { method: "OPTIONS" })
    assert.strictEqual(options.status, 204)
    assert.strictEqual(options.headers.get("allow"), "POST, GET, HEAD, OPTIONS")
    assert.strictEqual((await fetch(`${node.url}/nope`, { method: "OPTIONS" })).status, 404)
  })

  it("shows its contract without help from elsewhere", async () => {
    assert.deepStrictEqual(
      await (await fetch(`${node.url}/openapi.json`)).json(),
      JSON.parse(JSON.stringify(documentOf(Api.annotate(OpenApi.Transform, keyless))))
    )
    const page = await (await fetch(`${node.url}/docs`)).text()
    assert.include(page, "swagger-ui")
    assert.notMatch(page.slice(0, 100_000), /<(?:script|link|img|iframe)[^>]+(?:src|href)=/)
  })

  it("tells its health as the original does", async () => {
    assert.deepStrictEqual(Object((await send({ path: "/api/v1/health" })).json), {
      status: "ok",
      service: "ai-memory",
      version: "0.2.0",
      embedder_ready: true,
      federation_enabled: false
    })
    assert.deepStrictEqual((await send({ path: "/health/live" })).json, { status: "ok" })
    assert.strictEqual(Object((await send({ path: "/health/ready" })).json).ready, true)
  })

  it("counts requests by route, never by path", async () => {
    const path = "/api/v1/memories/0123456789-not-an-id"
    await send({ path })
    await send({ path: "/no/such/route/0123456789" })
    for (const where of ["/metrics", "/api/v1/metrics"]) {
      const metrics = await send({ path: where })
      assert.strictEqual(metrics.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
      assert.match(metrics.text, /http_requests_total\{route="\/api\/v1\/memories\/:id",status="404"\} \d+/)
      assert.match(metrics.text, /http_requests_total\{route="unknown",status="404"\} \d+/)
      assert.match(metrics.text, /http_request_seconds_count\{route="\/api\/v1\/memories"\} \d+/)
      assert.notInclude(metrics.text, "0123456789")
    }
  })

  it.live("is driven by the typed client, errors included", () =>
    Effect.gen(function*() {
      const { agents, governance, memories, operations, sync } = yield* Client.make({ baseUrl: node.url })
      const created = yield* memories.create({
        payload: { title: "by client", content: "typed all the way", namespace: "client", tags: ["t"] },
        headers: { "idempotency-key": "client-1" }
      })
      assert.strictEqual(created.quorum_acks, 1)
      const path = { id: created.id }
      assert.strictEqual((yield* memories.get({ path })).memory.title, "by client")
      const listed = yield* memories.list({ urlParams: { namespace: "client", tags: "t" } })
      assert.deepStrictEqual(listed.memories.map(({ id }) => id), [created.id])
      const found = yield* memories.search({ urlParams: { q: "typed way" } })
      assert.deepStrictEqual((found.results ?? []).map(({ id }) => id), [created.id])
      const recalled = yield* memories.recall({ payload: { context: "what is typed", budget_tokens: 100 } })
      assert.strictEqual(recalled.memories[0]?.id, created.id)
      assert.strictEqual(recalled.meta?.memories_dropped, 0)
      const recalledToo = yield* memories.recallQuery({ urlParams: { context: "typed", limit: 1 } })
      assert.strictEqual(recalledToo.mode, "hybrid")
      const updated = yield* memories.update({ path, payload: { priority: 9 }, headers: {} })
      assert.strictEqual(updated.priority, 9)
      const promoted = yield* memories.promote({ path, headers: {} })
      assert.strictEqual(promoted.tier, "long")
      assert.isAtLeast((yield* memories.stats()).total, 1)
      const spaces = yield* governance.namespaces({ urlParams: {} })
      assert.isTrue("namespaces" in spaces && spaces.namespaces.some(({ namespace }) => namespace === "client"))
      assert.strictEqual((yield* operations.health()).service, "ai-memory")
      assert.isTrue((yield* operations.ready()).ready)
      assert.include(yield* operations.metrics(), "http_requests_total")
      assert.strictEqual((yield* sync.hello()).protocol, 2)
      assert.isAtLeast((yield* sync.since({ urlParams: {} })).count, 1)

      const space = { path: { namespace: "typed/client" } }
      const set = yield* governance.setStandardAt({
        ...space,
        payload: { governance: { write: "approve" } },
        headers: {}
      })
      assert.strictEqual(set.governance?.approver, "human")
      const queued = yield* Effect.flip(memories.create({
        payload: { title: "queued", content: "c", namespace: "typed/client" },
        headers: {}
      }))
      assert(queued._tag === "Queued", queued._tag)
      const approved = yield* governance.approve({ path: { id: queued.pending_id }, headers: {} })
      assert.isTrue(approved.approved)
      const standard = yield* governance.getStandard({ ...space, urlParams: { inherit: true } })
      assert.isTrue("chain" in standard && standard.chain.includes("typed/client"))
      assert.isTrue((yield* governance.clearStandardAt({ ...space, headers: {} })).cleared)
      const listedAgents = yield* agents.list({ urlParams: {} })
      assert.strictEqual(listedAgents.count, listedAgents.agents.length)
      assert.strictEqual((yield* agents.capabilities({ headers: {} })).tier, "semantic")

      const conflict = yield* Effect.flip(memories.create({
        payload: { title: "by client", content: "again", namespace: "client" },
        headers: {}
      }))
      assert.strictEqual(conflict._tag, "Conflict")
      const stale = yield* Effect.flip(memories.update({
        path,
        payload: { priority: 1, expected_version: "2020-01-01T00:00:00Z" },
        headers: {}
      }))
      assert.strictEqual(stale._tag, "PreconditionFailed")
      const invalid = yield* Effect.flip(memories.create({ payload: { title: " ", content: "c" }, headers: {} }))
      assert.strictEqual(invalid._tag, "BadRequest")
      assert.isTrue((yield* memories.remove({ path, headers: {} })).deleted)
      assert.strictEqual((yield* Effect.flip(memories.get({ path })))._tag, "Missing")
      assert.strictEqual((yield* Effect.flip(memories.get({ path: { id: "a/b c" } })))._tag, "Missing")
    }).pipe(Effect.provide(NodeHttpClient.layerUndici)))
})
