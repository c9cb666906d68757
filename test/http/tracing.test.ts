import { assert, describe, it } from "@effect/vitest"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Tracer from "effect/Tracer"
import { createServer } from "node:http"
import * as NodeConfig from "../../src/config/NodeConfig.js"
import { HttpListener } from "../../src/http/server/Server.js"
import * as MemoryNode from "../../src/MemoryNode.js"
import { cleanTraces } from "../../src/telemetry/cleanTraces.js"
import * as TraceContext from "../../src/telemetry/traceContext.js"
import { until } from "../mesh/Cluster.js"
import * as Node from "./node.js"

const KEY = "k3y-of-the-test"

/** A span that remembers all it was told. */
interface Seen {
  readonly name: string
  readonly kind: Tracer.SpanKind
  readonly traceId: string
  readonly parent: string | undefined
  readonly attributes: Map<string, unknown>
  failed?: boolean
}

const recorder = () => {
  const spans: Array<Seen> = []
  let next = 0
  const tracer = Tracer.make({
    span: (name, parent, context, links, startTime, kind) => {
      const attributes = new Map<string, unknown>()
      const id = Option.map(parent, ({ traceId }) => traceId)
      const traceId = Option.getOrElse(id, () => `trace-${++next}`)
      const seen: Seen = {
        name,
        kind,
        traceId,
        parent: Option.getOrUndefined(Option.map(parent, ({ spanId }) => spanId)),
        attributes
      }
      spans.push(seen)
      return {
        _tag: "Span",
        name,
        parent,
        context,
        links,
        kind,
        attributes,
        traceId,
        spanId: `span-${++next}`,
        sampled: true,
        status: { _tag: "Started", startTime },
        end: (_, exit) => {
          seen.failed = exit._tag === "Failure"
        },
        attribute: (key, value) => {
          attributes.set(key, value)
        },
        event: () => {},
        addLinks: () => {}
      }
    },
    context: (f) => f()
  })
  return { spans, layer: Layer.setTracer(tracer) }
}

const withNode = async (
  tracing: Layer.Layer<never>,
  body: (port: number) => Promise<void>,
  settings: Partial<NodeConfig.Settings> = {}
) => {
  const runtime = ManagedRuntime.make(
    MemoryNode.layerDaemon.pipe(
      Layer.provide(
        NodeConfig.layerWith({ port: 0, db: ":memory:", apiKey: Option.some(Redacted.make(KEY)), ...settings })
      ),
      Layer.provide(Logger.remove(Logger.defaultLogger)),
      Layer.provide(tracing)
    )
  )
  try {
    await body((await runtime.runPromise(HttpListener)).port)
  } finally {
    await runtime.dispose()
  }
}

describe("server spans", () => {
  it("continue the caller's trace and keep its words and keys to themselves", async () => {
    const { layer, spans } = recorder()
    await withNode(layer, async (port) => {
      const send = (options: Parameters<typeof Node.request>[0]) => Node.exchange(port, Node.request(options))
      const traceId = "0af7651916cd43dd8448eb211c80319c"
      const headers = { "x-api-key": KEY, traceparent: `00-${traceId}-b7ad6b7169203331-01`, "user-agent": "test" }
      const body = JSON.stringify({ title: "confidential", content: "confidential" })
      spans.length = 0

      await send({ method: "POST", path: "/api/v1/memories", headers, body })
      const server = spans.find(({ kind }) => kind === "server")
      assert.strictEqual(server?.name, "http.server POST")
      assert.strictEqual(server?.traceId, traceId)
      assert.strictEqual(server?.parent, "b7ad6b7169203331")
      assert.deepInclude(Object.fromEntries(server?.attributes ?? []), {
        "http.request.method": "POST",
        "http.route": "/api/v1/memories",
        "http.response.status_code": 201,
        "url.path": "/api/v1/memories",
        "url.scheme": "http",
        "user_agent.original": "test"
      })
      const remember = spans.find(({ name }) => name === "remember")
      assert.strictEqual(remember?.traceId, traceId)
      const { "gen_ai.memory.record.id": id, "quorate.op_id": opId, ...written } = Object.fromEntries(
        remember?.attributes ?? []
      )
      assert.isString(id)
      assert.isString(opId)
      assert.deepStrictEqual(written, {
        "quorate.kind": "store",
        "gen_ai.operation.name": "create_memory",
        "gen_ai.memory.record.count": 1,
        "gen_ai.memory.store.id": "global",
        "quorate.quorum.got": 1,
        "quorate.quorum.verdict": "met"
      })

      await send({ path: `/api/v1/search?q=confidential&api_key=${KEY}` })
      await send({ path: `/api/v1/search?q=confidential&api%5Fkey=${KEY}`, headers })
      await send({ path: "/api/v1/recall?context=confidential", headers })
      await send({ method: "POST", path: "/api/v1/memories", headers, body })
      const routes = spans.filter(({ kind }) => kind === "server").map(({ attributes }) => [
        attributes.get("http.route"),
        attributes.get("http.response.status_code")
      ])
      assert.deepStrictEqual(routes, [
        ["/api/v1/memories", 201],
        ["/api/v1/search", 200],
        ["/api/v1/search", 200],
        ["/api/v1/recall", 200],
        ["/api/v1/memories", 409]
      ])
      const all = JSON.stringify(spans.map(({ attributes, name }) => [name, ...attributes]))
      assert.notInclude(all, "confidential")
      assert.notInclude(all, KEY)
    })
  })

  it("of every write say what was written, and how its quorum went", async () => {
    const { layer, spans } = recorder()
    await withNode(layer, async (port) => {
      const ask = async (method: string, path: string, body?: unknown) => {
        spans.length = 0
        const options = { method, path: `/api/v1${path}`, headers: { "x-api-key": KEY, "x-agent-id": "alice" } }
        const answer = await Node.exchange(
          port,
          Node.request(body === undefined ? options : { ...options, body: JSON.stringify(body) })
        )
        assert.isBelow(answer.status, 300, answer.text)
        return { body: Object(answer.json), opId: answer.headers["x-op-id"] }
      }
      const toldBy = (name: string) => Object.fromEntries(spans.find((span) => span.name === name)?.attributes ?? [])
      const met = { "quorate.quorum.got": 1, "quorate.quorum.verdict": "met" }

      const row = (title: string) => ({ title, content: title, namespace: "spans" })
      const { body: { ids } } = await ask("POST", "/memories/bulk", [row("a"), row("b"), row("c")])
      const { "quorate.op_ids": opIds, ...bulk } = toldBy("bulk")
      assert.lengthOf(Array.isArray(opIds) ? opIds : [], 3)
      assert.deepStrictEqual(bulk, {
        ...met,
        "quorate.operations": 3,
        "quorate.kind": "store",
        "quorate.memory_ids": ids,
        "gen_ai.operation.name": "create_memory",
        "gen_ai.memory.record.count": 3,
        "gen_ai.memory.store.id": "spans"
      })

      const [a, b, c] = ids
      const one = (opId: unknown, kind: string) => ({ ...met, "quorate.op_id": opId, "quorate.kind": kind })
      const counted = (opId: unknown, kind: string) => ({ ...one(opId, kind), "quorate.operations": 1 })
      const linked = await ask("POST", "/links", { source_id: a, target_id: b })
      assert.deepInclude(toldBy("link"), counted(linked.opId, "link"))
      assert.notProperty(toldBy("link"), "gen_ai.operation.name", "a link is no memory")
      const updated = await ask("PUT", `/memories/${a}`, { content: "changed" })
      assert.deepStrictEqual(toldBy("update"), {
        ...counted(updated.opId, "store"),
        "gen_ai.operation.name": "update_memory",
        "gen_ai.memory.record.id": a,
        "gen_ai.memory.record.count": 1,
        "gen_ai.memory.store.id": "spans"
      })
      const promoted = await ask("POST", `/memories/${a}/promote`)
      assert.deepInclude(toldBy("promote"), { ...one(promoted.opId, "store"), "gen_ai.memory.record.id": a })
      await ask("POST", "/archive", { ids: [a, b] })
      assert.deepInclude(toldBy("archive"), {
        ...met,
        "quorate.kind": "archive",
        "quorate.memory_ids": [a, b],
        "gen_ai.memory.record.count": 2
      })
      const restored = await ask("POST", `/archive/${a}/restore`)
      assert.deepInclude(toldBy("restore"), { ...one(restored.opId, "restore"), "gen_ai.memory.record.id": a })
      const removed = await ask("DELETE", `/memories/${a}`)
      assert.deepInclude(toldBy("remove"), {
        ...one(removed.opId, "delete"),
        "gen_ai.operation.name": "delete_memory",
        "gen_ai.memory.record.id": a
      })
      await ask("POST", "/forget", { namespace: "spans" })
      assert.deepInclude(toldBy("forget"), { ...met, "quorate.operations": 1, "gen_ai.memory.record.id": c })
      await ask("POST", "/agents", { agent_id: "alice", agent_type: "human" })
      await ask("POST", "/namespaces", {
        namespace: "asks",
        governance: { write: "approve", approver: { consensus: 1 } }
      })
      assert.deepInclude(toldBy("setStandard"), { ...met, "quorate.kind": "store,namespace_meta" })
      const { body: { pending_id } } = await ask("POST", "/memories", { ...row("queued"), namespace: "asks" })
      assert.deepInclude(toldBy("remember"), { ...met, "quorate.kind": "pending" })
      await ask("POST", `/pending/${pending_id}/approve`)
      const decided = spans.find(({ attributes }) => String(attributes.get("quorate.kind")).includes("decision"))
      assert.deepInclude(Object.fromEntries(decided?.attributes ?? []), met)
      const all = JSON.stringify(spans.map(({ attributes, name }) => [name, ...attributes]))
      assert.notInclude(all, "changed")
    })
  })

  it("have what a streamed answer reads beneath them", async () => {
    const { layer, spans } = recorder()
    await withNode(layer, async (port) => {
      const traceId = "0af7651916cd43dd8448eb211c80319c"
      const headers = { "x-api-key": KEY, traceparent: `00-${traceId}-b7ad6b7169203331-01`, connection: "close" }
      spans.length = 0
      const answer = await fetch(`http://127.0.0.1:${port}/api/v1/export`, { headers })
      assert.isArray(Object(await answer.json()).memories)
      assert.isNotEmpty(spans.filter(({ name }) => name === "sql.execute"))
      assert.deepStrictEqual(spans.filter((span) => span.traceId !== traceId), [])
    })
  })

  it("of what finds memories say how many they found, and where", async () => {
    const { layer, spans } = recorder()
    await withNode(layer, async (port) => {
      const headers = { "x-api-key": KEY }
      const body = JSON.stringify({ title: "needle", content: "c", namespace: "found" })
      await Node.exchange(port, Node.request({ method: "POST", path: "/api/v1/memories", headers, body }))
      spans.length = 0
      for (const path of ["search?q=needle", "recall?context=needle", "memories?"]) {
        await Node.exchange(port, Node.request({ path: `/api/v1/${path}&namespace=found`, headers }))
      }
      for (const name of ["searchMemories", "recall", "listMemories"]) {
        const found = spans.find((span) => span.name === name)
        assert.deepStrictEqual(Object.fromEntries(found?.attributes ?? []), {
          "gen_ai.operation.name": "search_memory",
          "gen_ai.memory.record.count": 1,
          "gen_ai.memory.store.id": "found"
        }, name)
      }
    })
  })

  it("are not made for health checks, metrics and what peers ask each other", async () => {
    const { layer, spans } = recorder()
    await withNode(layer, async (port) => {
      spans.length = 0
      const sync = ["hello", "since?limit=5", "since?vv=%7B%7D", "digests"].map((name) => `/api/v1/sync/${name}`)
      for (const path of ["/health/live", "/health/ready", "/api/v1/health", "/metrics", "/api/v1/metrics", ...sync]) {
        await Node.exchange(port, Node.request({ path, headers: { "x-api-key": KEY } }))
      }
      const vector = { method: "POST", path: "/api/v1/sync/since", body: JSON.stringify({ vv: {} }) }
      await Node.exchange(port, Node.request({ ...vector, headers: { "x-api-key": KEY } }))
      assert.deepStrictEqual(spans, [])
    })
  })

  it("are not made at all where tracing is off", async () => {
    const { layer, spans } = recorder()
    await withNode(Layer.provideMerge(Layer.setTracerEnabled(false), layer), async (port) => {
      const body = JSON.stringify({ title: "untraced", content: "c" })
      const headers = { "x-api-key": KEY }
      const created = await Node.exchange(
        port,
        Node.request({ method: "POST", path: "/api/v1/memories", headers, body })
      )
      assert.strictEqual(created.status, 201)
      await Node.exchange(port, Node.request({ path: "/api/v1/stats", headers }))
      assert.deepStrictEqual(spans, [])
    })
  })
})

describe("a node that records nothing", () => {
  it("passes the trace of a caller on to its peers, and starts none itself", async () => {
    const pushes: Array<string | undefined> = []
    const peer = createServer((request, response) => {
      if (request.method === "POST") pushes.push(String(request.headers["traceparent"]))
      request.resume()
      const isPush = request.url?.startsWith("/api/v1/sync/push") === true
      response.writeHead(isPush ? 200 : 404, { "content-type": "application/json" })
      response.end(isPush ? JSON.stringify({ applied: 1, skipped: 0 }) : "{}")
    })
    await new Promise<void>((resolve) => peer.listen(0, "127.0.0.1", resolve))
    const address = peer.address()
    assert(typeof address === "object" && address !== null)
    const settings = { quorumPeers: [`http://127.0.0.1:${address.port}`], quorumWrites: Option.some(2) }
    try {
      await withNode(Layer.setTracerEnabled(false), async (port) => {
        const traceparent = `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`
        const write = (path: string, title: string, headers: Record<string, string>) => {
          const body = JSON.stringify({ title, content: "c" })
          return Node.exchange(
            port,
            Node.request({ method: "POST", path, body, headers: { "x-api-key": KEY, ...headers } })
          )
        }
        let attempts = 0
        await until("the peer is in touch", async () => (await write(PATH, `met ${attempts++}`, {})).status === 201)
        pushes.length = 0
        assert.strictEqual((await write(PATH, "traced", { traceparent })).status, 201)
        assert.strictEqual((await write("/api/v1/%6demories", "routed", { traceparent })).status, 201)
        assert.strictEqual((await write(PATH, "untraced", {})).status, 201)
        assert.strictEqual((await write(PATH, "malformed", { traceparent: "00-0-0-0" })).status, 201)
        assert.deepStrictEqual(pushes, [traceparent, traceparent, "undefined", "undefined"])
      }, settings)
    } finally {
      peer.closeAllConnections()
      await new Promise((resolve) => peer.close(resolve))
    }
  })
})

const PATH = "/api/v1/memories"

describe("a trace that a caller names", () => {
  const traceId = "0af7651916cd43dd8448eb211c80319c"
  const spanId = "b7ad6b7169203331"
  const named = (headers: Record<string, string>) =>
    Option.getOrNull(Option.map(TraceContext.fromHeaders(headers), (span) => [span.traceId, span.spanId, span.sampled]))

  it("is gone on with in every version of the header that may come", () => {
    assert.deepStrictEqual(named({ traceparent: `00-${traceId}-${spanId}-01` }), [traceId, spanId, true])
    assert.deepStrictEqual(named({ traceparent: `00-${traceId}-${spanId}-00` }), [traceId, spanId, false])
    assert.deepStrictEqual(named({ traceparent: `01-${traceId}-${spanId}-03` }), [traceId, spanId, true])
    assert.deepStrictEqual(named({ traceparent: `cc-${traceId}-${spanId}-01-what-comes` }), [traceId, spanId, true])
    assert.deepStrictEqual(named({ b3: `${traceId}-${spanId}-1` }), [traceId, spanId, true])
  })

  it("is none where its ids are malformed or zero", () => {
    const none = [
      `00-${"0".repeat(32)}-${spanId}-01`,
      `00-${traceId}-${"0".repeat(16)}-01`,
      `00-${traceId.toUpperCase()}-${spanId}-01`,
      `00-${traceId.slice(1)}-${spanId}-01`,
      `00-${traceId}-${spanId}-01-more`,
      `ff-${traceId}-${spanId}-01`,
      `0-${traceId}-${spanId}-01`,
      "garbage",
      ""
    ]
    for (const traceparent of none) assert.isNull(named({ traceparent }), traceparent)
    assert.isNull(named({ b3: `zzz-${spanId}-1` }))
    assert.isNull(named({ b3: `${"0".repeat(32)}-${spanId}-1` }))
  })
})

describe("failures in traces", () => {
  it("show as such where the answer is a 503, and not where the caller was wrong", async () => {
    const { layer, spans } = recorder()
    await withNode(layer, async (port) => {
      const headers = { "x-api-key": KEY }
      const post = (path: string, body: unknown) =>
        Node.exchange(port, Node.request({ method: "POST", path, headers, body: JSON.stringify(body) }))
      spans.length = 0
      assert.strictEqual((await post("/api/v1/check_duplicate", { title: "t", content: "c" })).status, 503)
      assert.strictEqual((await post("/api/v1/check_duplicate", { title: "", content: "c" })).status, 400)
      const servers = spans.filter(({ kind }) => kind === "server")
      assert.deepStrictEqual(servers.map(({ failed }) => failed), [true, false])
      assert.strictEqual(servers[0]?.attributes.get("error.type"), "503")
    }, { embedder: "none" })
  })

  it("are not called interrupted by the exporter, and say nothing of this machine's paths", () => {
    const attribute = (key: string) => ({ key, value: { stringValue: "/somewhere/dist/main.js" } })
    const span = (attributes: ReadonlyArray<object>, events: ReadonlyArray<object>) => ({
      resourceSpans: [{ scopeSpans: [{ spans: [{ name: "s", status: { code: 2 }, attributes, events }] }] }]
    })
    assert.deepStrictEqual(
      cleanTraces(span(
        [attribute("span.label"), attribute("status.interrupted"), attribute("http.route")],
        [{ name: "exception", attributes: [attribute("exception.stacktrace"), attribute("exception.message")] }]
      )),
      span([attribute("http.route")], [{ name: "exception", attributes: [attribute("exception.message")] }])
    )
  })
})
