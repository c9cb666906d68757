import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as FiberRef from "effect/FiberRef"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import * as http from "node:http"
import * as Otlp from "../../src/telemetry/Otlp.js"
import * as Sampler from "../../src/telemetry/Sampler.js"

interface Received {
  readonly path: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

/** A collector that keeps what it is sent. */
const collector = Effect.acquireRelease(
  Effect.async<{ readonly url: string; readonly received: Array<Received>; readonly server: http.Server }>((resume) => {
    const received: Array<Received> = []
    const server = http.createServer((request, response) => {
      let body = ""
      request.setEncoding("utf8").on("data", (text: string) => {
        body += text
      })
      request.on("end", () => {
        received.push({ path: request.url ?? "", headers: request.headers, body })
        response.end("{}")
      })
    })
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      resume(Effect.succeed({ url: `http://127.0.0.1:${port}/`, received, server }))
    })
  }),
  ({ server }) => Effect.sync(() => server.close())
)

const withVariables = <A, E, R>(variables: Record<string, string>, effect: Effect.Effect<A, E, R>) =>
  Effect.withConfigProvider(effect, ConfigProvider.fromMap(new Map(Object.entries(variables))))

/** Runs in the telemetry that the variables ask for, and ends it, so that everything has been sent. */
const telling = <A, E>(variables: Record<string, string>, effect: Effect.Effect<A, E>) =>
  withVariables(
    variables,
    effect.pipe(
      Effect.provide(Otlp.layer({ serviceInstanceId: "node-1", serviceVersion: "1.2.3" })),
      Effect.provide(Logger.remove(Logger.defaultLogger))
    )
  )

const isTraced = FiberRef.get(FiberRef.currentTracerEnabled)
const work = Effect.withSpan(Effect.logInfo("worked"), "work")

describe("Otlp.layer", () => {
  it.effect("is off, tracing with it, unless an endpoint is set", () =>
    Effect.gen(function*() {
      assert.isFalse(yield* telling({}, isTraced))
      assert.isFalse(yield* telling({ OTEL_EXPORTER_OTLP_ENDPOINT: " " }, isTraced))
      const disabled = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1", OTEL_SDK_DISABLED: "TRUE" }
      assert.isFalse(yield* telling(disabled, isTraced))
    }))

  it.effect("reads nothing else while it is off", () =>
    Effect.gen(function*() {
      assert.isFalse(yield* telling({ OTEL_TRACES_SAMPLER: "xray", OTEL_EXPORTER_OTLP_HEADERS: "%" }, isTraced))
    }))

  it.live("sends traces, logs and metrics as the variables say", () =>
    Effect.scoped(Effect.gen(function*() {
      const { received, url } = yield* collector
      yield* telling({
        OTEL_EXPORTER_OTLP_ENDPOINT: url,
        OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
        OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20a%3Db, x-tenant=t1",
        OTEL_RESOURCE_ATTRIBUTES: "deployment.environment=test,service.name=hidden"
      }, work)
      assert.deepStrictEqual(received.map((each) => each.path).sort(), ["/v1/logs", "/v1/metrics", "/v1/traces"])
      const traces = received.find((each) => each.path === "/v1/traces")
      assert.strictEqual(traces?.headers["authorization"], "Bearer a=b")
      assert.strictEqual(traces?.headers["x-tenant"], "t1")
      const [resourceSpans] = JSON.parse(traces?.body ?? "").resourceSpans
      const keys = resourceSpans.resource.attributes.map(({ key }: { key: string }) => key)
      assert.strictEqual(new Set(keys).size, keys.length)
      const attributes = Object.fromEntries(
        resourceSpans.resource.attributes.map((each: { key: string; value: { stringValue: string } }) => [
          each.key,
          each.value.stringValue
        ])
      )
      assert.strictEqual(attributes["service.name"], "hidden")
      assert.strictEqual(attributes["service.instance.id"], "node-1")
      assert.strictEqual(attributes["service.version"], "1.2.3")
      assert.strictEqual(attributes["deployment.environment"], "test")
      assert.deepStrictEqual(resourceSpans.scopeSpans[0].spans.map((span: { name: string }) => span.name), ["work"])
    })))

  it.live("names the service quorate, unless OTEL_SERVICE_NAME says otherwise; signals can be left out", () =>
    Effect.scoped(Effect.gen(function*() {
      const { received, url } = yield* collector
      const variables = {
        OTEL_EXPORTER_OTLP_ENDPOINT: url,
        OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
        OTEL_METRICS_EXPORTER: "none",
        OTEL_LOGS_EXPORTER: "none"
      }
      yield* telling(variables, work)
      yield* telling({ ...variables, OTEL_SERVICE_NAME: "mine", OTEL_RESOURCE_ATTRIBUTES: "service.name=hidden" }, work)
      assert.deepStrictEqual(received.map((each) => each.path), ["/v1/traces", "/v1/traces"])
      const serviceNames = received.map(({ body }) =>
        JSON.parse(body).resourceSpans[0].resource.attributes
          .find(({ key }: { key: string }) => key === "service.name").value.stringValue
      )
      assert.deepStrictEqual(serviceNames, ["quorate", "mine"])
    })))

  it.live("sends protobuf by default, and nothing of a trace that is not sampled", () =>
    Effect.scoped(Effect.gen(function*() {
      const { received, url } = yield* collector
      const variables = { OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_METRICS_EXPORTER: "none", OTEL_LOGS_EXPORTER: "none" }
      yield* telling({ ...variables, OTEL_TRACES_SAMPLER: "always_off" }, work)
      assert.deepStrictEqual(received, [])
      yield* telling(variables, work)
      assert.strictEqual(received[0]?.headers["content-type"], "application/x-protobuf")
    })))

  const malformed: ReadonlyArray<readonly [variable: string, value: string]> = [
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318"],
    ["OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"],
    ["OTEL_EXPORTER_OTLP_HEADERS", "token"],
    ["OTEL_RESOURCE_ATTRIBUTES", "a=%zz"],
    ["OTEL_TRACES_SAMPLER", "jaeger_remote"],
    ["OTEL_TRACES_SAMPLER_ARG", "2"],
    ["OTEL_LOGS_EXPORTER", "console"]
  ]
  for (const [variable, value] of malformed) {
    it.effect(`${variable}=${value} is refused by name`, () =>
      Effect.gen(function*() {
        const variables = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1", [variable]: value }
        const result = yield* Effect.either(telling(variables, Effect.void))
        assert.isTrue(Either.isLeft(result))
        if (Either.isLeft(result)) assert.include(String(result.left), variable)
      }))
  }
})

describe("Sampler", () => {
  const traceId = FastCheck.stringMatching(/^[0-9a-f]{32}$/)
  const parent = (sampled: boolean) =>
    Option.some(Tracer.externalSpan({ traceId: "a".repeat(32), spanId: "b".repeat(16), sampled }))

  it("on and off", () => {
    assert.isTrue(Sampler.make("always_on", 1)("0", parent(false)))
    assert.isFalse(Sampler.make("always_off", 1)("0", parent(true)))
  })

  it("a parent decides, where the sampler says so", () => {
    for (const name of Sampler.names.filter((each) => each.startsWith("parentbased_"))) {
      assert.isTrue(Sampler.make(name, 0)("f".repeat(32), parent(true)))
      assert.isFalse(Sampler.make(name, 1)("0".repeat(32), parent(false)))
    }
    assert.isTrue(Sampler.make("parentbased_always_on", 0)("0", Option.none()))
    assert.isFalse(Sampler.make("parentbased_always_off", 1)("0", Option.none()))
  })

  it("by trace id: all at 1, none at 0, and whoever is in at a ratio is in at every greater one", () => {
    const takes = (ratio: number, id: string) => Sampler.make("parentbased_traceidratio", ratio)(id, Option.none())
    const ratio = FastCheck.double({ min: 0, max: 1, noNaN: true })
    FastCheck.assert(FastCheck.property(traceId, ratio, ratio, (id, a, b) => {
      assert.isTrue(takes(1, id))
      assert.isFalse(takes(0, id))
      if (takes(Math.min(a, b), id)) assert.isTrue(takes(Math.max(a, b), id))
    }))
  })

  it("by trace id: about as many as the ratio says", () => {
    const sampler = Sampler.make("traceidratio", 0.25)
    const ids = FastCheck.sample(traceId, { numRuns: 4000, seed: 7 })
    const share = ids.filter((id) => sampler(id, Option.none())).length / ids.length
    assert.isAbove(share, 0.2)
    assert.isBelow(share, 0.3)
  })

  it.effect("a span that is not sampled keeps its ids, for its children and for peers", () =>
    Effect.gen(function*() {
      const native = yield* Effect.tracer
      const layer = Layer.setTracer(Sampler.sampled(native, () => false))
      const [outer, inner] = yield* Effect.currentSpan.pipe(
        Effect.flatMap((outer) =>
          Effect.map(Effect.withSpan(Effect.currentSpan, "inner"), (inner) => [outer, inner] as const)
        ),
        Effect.withSpan("outer"),
        Effect.provide(layer)
      )
      assert.isFalse(outer.sampled)
      assert.strictEqual(inner.traceId, outer.traceId)
      assert.strictEqual(Option.getOrUndefined(inner.parent)?.spanId, outer.spanId)
      assert.strictEqual(outer.status._tag, "Ended")
    }))
})
