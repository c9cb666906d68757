import { assert, describe, it } from "@effect/vitest"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Tracer from "effect/Tracer"
import * as NodeConfig from "../../src/config/NodeConfig.js"
import { HttpListener } from "../../src/http/server/Server.js"
import * as MemoryNode from "../../src/MemoryNode.js"
import * as Node from "./node.js"

const KEY = "k3y-of-the-test"

/** A span that remembers all it was told. */
interface Seen {
  readonly name: string
  readonly kind: Tracer.SpanKind
  readonly traceId: string
  readonly parent: string | undefined
  readonly attributes: Map<string, unknown>
}

const recorder = () => {
  const spans: Array<Seen> = []
  let next = 0
  const tracer = Tracer.make({
    span: (name, parent, context, links, startTime, kind) => {
      const attributes = new Map<string, unknown>()
      const id = Option.map(parent, ({ traceId }) => traceId)
      const traceId = Option.getOrElse(id, () => `trace-${++next}`)
      spans.push({
        name,
        kind,
        traceId,
        parent: Option.getOrUndefined(Option.map(parent, ({ spanId }) => spanId)),
        attributes
      })
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
        end: () => {},
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

const withNode = async (tracing: Layer.Layer<never>, body: (port: number) => Promise<void>) => {
  const runtime = ManagedRuntime.make(
    MemoryNode.layerDaemon.pipe(
      Layer.provide(NodeConfig.layerWith({ port: 0, db: ":memory:", apiKey: Option.some(Redacted.make(KEY)) })),
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

  it("are not made for health checks and metrics", async () => {
    const { layer, spans } = recorder()
    await withNode(layer, async (port) => {
      spans.length = 0
      for (const path of ["/health/live", "/health/ready", "/api/v1/health", "/metrics", "/api/v1/metrics"]) {
        await Node.exchange(port, Node.request({ path, headers: { "x-api-key": KEY } }))
      }
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
