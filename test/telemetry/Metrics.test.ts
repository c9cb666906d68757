import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as MetricRegistry from "effect/MetricRegistry"
import * as Metrics from "../../src/telemetry/Metrics.js"
import * as Prometheus from "../../src/telemetry/Prometheus.js"

const registryOf = (registry = MetricRegistry.make()) => {
  const metrics = Metrics.make(registry)
  const text = () => Effect.runSync(metrics.render)
  return { metrics, text, value: (series: string) => valueIn(text(), series) }
}

const valueIn = (text: string, series: string) => {
  const line = text.split("\n").find((each) => each.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.slice(series.length + 1))
}

describe("the metrics of a node", () => {
  it("are all there from the start, with their descriptions; counters that nothing moved are zero", () => {
    const { text, value } = registryOf()
    const expected: ReadonlyArray<readonly [name: string, type: string]> = [
      ["replication_quorum_ack_total", "counter"],
      ["replication_quorum_failures_total", "counter"],
      ["federation_fanout_retry_total", "counter"],
      ["federation_fanout_dropped_total", "counter"],
      ["federation_partial_quorum_total", "counter"],
      ["federation_push_seconds", "histogram"],
      ["federation_push_operations", "histogram"],
      ["sqlite_commit_seconds", "histogram"],
      ["sqlite_commit_rows", "histogram"],
      ["sqlite_commit_queue_depth", "gauge"],
      ["sqlite_commit_queue_seconds", "histogram"],
      ["memory_writes_total", "counter"],
      ["memory_recalls_total", "counter"],
      ["nodejs_eventloop_delay_seconds", "gauge"],
      ["process_resident_memory_bytes", "gauge"]
    ]
    for (const [name, type] of expected) {
      assert.include(text(), `# TYPE ${name} ${type}\n`)
      assert.match(text(), new RegExp(`^# HELP ${name} .`, "m"))
    }
    for (const reason of ["id_drift", "peer_fail", "join_error", "shutdown"]) {
      assert.strictEqual(value(`federation_fanout_dropped_total{reason="${reason}"}`), 0)
    }
    for (const outcome of ["ok", "fail", "id_drift"]) {
      assert.strictEqual(value(`federation_fanout_retry_total{outcome="${outcome}"}`), 0)
    }
    for (const reason of ["unreachable", "timeout", "id_drift"]) {
      assert.strictEqual(value(`replication_quorum_failures_total{reason="${reason}"}`), 0)
    }
  })

  it("count what they are told", () => {
    const { metrics, value } = registryOf()
    metrics.quorum("ok")
    metrics.quorum("ok")
    metrics.quorumFailed("timeout")
    metrics.dropped("shutdown")
    metrics.retried("fail")
    metrics.partialQuorum()
    metrics.write("created")
    metrics.recall("keyword")
    metrics.commit({ operations: 12, queueSeconds: 0.002, commitSeconds: 0.004, queueDepth: 3 })
    metrics.push(30, 0.02)
    metrics.httpRequest("/api/v1/memories/:id", 404, 0.0004)
    metrics.processSample({ eventLoopDelaySeconds: 0.25, residentMemoryBytes: 1024 })
    assert.strictEqual(value("replication_quorum_ack_total{result=\"ok\"}"), 2)
    assert.strictEqual(value("replication_quorum_ack_total{result=\"fail\"}"), 0)
    assert.strictEqual(value("replication_quorum_failures_total{reason=\"timeout\"}"), 1)
    assert.strictEqual(value("federation_fanout_dropped_total{reason=\"shutdown\"}"), 1)
    assert.strictEqual(value("federation_fanout_retry_total{outcome=\"fail\"}"), 1)
    assert.strictEqual(value("federation_partial_quorum_total"), 1)
    assert.strictEqual(value("memory_writes_total{result=\"created\"}"), 1)
    assert.strictEqual(value("memory_recalls_total{mode=\"keyword\"}"), 1)
    assert.strictEqual(value("sqlite_commit_rows_bucket{le=\"8\"}"), 0)
    assert.strictEqual(value("sqlite_commit_rows_bucket{le=\"16\"}"), 1)
    assert.strictEqual(value("sqlite_commit_queue_depth"), 3)
    assert.strictEqual(value("sqlite_commit_seconds_sum"), 0.004)
    assert.strictEqual(value("sqlite_commit_queue_seconds_sum"), 0.002)
    assert.strictEqual(value("federation_push_operations_sum"), 30)
    assert.strictEqual(value("federation_push_seconds_sum"), 0.02)
    assert.strictEqual(value("http_requests_total{route=\"/api/v1/memories/:id\",status=\"404\"}"), 1)
    assert.strictEqual(value("http_request_seconds_count{route=\"/api/v1/memories/:id\"}"), 1)
    assert.strictEqual(value("nodejs_eventloop_delay_seconds"), 0.25)
    assert.strictEqual(value("process_resident_memory_bytes"), 1024)
  })

  it("show each peer from the start, and bound the number of label values", () => {
    const { metrics, text, value } = registryOf()
    metrics.registerPeers(["b:9077"])
    assert.strictEqual(value("federation_breaker_open{peer=\"b:9077\"}"), 0)
    assert.strictEqual(value("replication_clock_skew_seconds{peer=\"b:9077\"}"), 0)
    metrics.breaker("b:9077", true)
    metrics.peerQueue("b:9077", 7)
    metrics.lag("b:9077", 9)
    metrics.clockSkew("b:9077", -0.5)
    assert.strictEqual(value("federation_breaker_open{peer=\"b:9077\"}"), 1)
    assert.strictEqual(value("federation_peer_queue_depth{peer=\"b:9077\"}"), 7)
    assert.strictEqual(value("replication_lag_operations{peer=\"b:9077\"}"), 9)
    assert.strictEqual(value("replication_clock_skew_seconds{peer=\"b:9077\"}"), -0.5)
    for (let index = 0; index < 400; index++) metrics.httpRequest(`/unknown/${index}`, 404, 0)
    const routes = text().match(/^http_requests_total\{/gm) ?? []
    assert.isAtMost(routes.length, 257)
    assert.isAtLeast(value("http_requests_total{route=\"other\",status=\"404\"}") ?? 0, 100)
  })

  it("are counted apart in two registries, and together in one", () => {
    const registry = MetricRegistry.make()
    const [a, b, c] = [registryOf(), registryOf(registry), registryOf(registry)]
    const written = "memory_writes_total{result=\"created\"}"
    a.metrics.write("created")
    assert.deepStrictEqual([a, b, c].map(({ value }) => value(written)), [1, 0, 0])
    b.metrics.write("created")
    c.metrics.write("created")
    assert.deepStrictEqual([a, b, c].map(({ value }) => value(written)), [1, 2, 2])
    b.metrics.push(3, 1)
    c.metrics.push(4, 1)
    assert.deepStrictEqual([a, b, c].map(({ value }) => value("federation_push_operations_sum")), [0, 7, 7])
  })

  it.effect("are made anew by each build of the layer", () =>
    Effect.gen(function*() {
      const build = Effect.scoped(Effect.flatMap(Layer.build(Metrics.layer), Effect.succeed))
      const [first, second] = yield* Effect.all([
        Effect.provide(Metrics.Metrics, yield* build),
        Effect.provide(Metrics.Metrics, yield* build)
      ])
      first.quorum("ok")
      assert.strictEqual(valueIn(yield* first.render, "replication_quorum_ack_total{result=\"ok\"}"), 1)
      assert.strictEqual(valueIn(yield* second.render, "replication_quorum_ack_total{result=\"ok\"}"), 0)
    }))

  it.effect("of the process are those that Effect's exporters read", () =>
    Effect.gen(function*() {
      const metrics = yield* Metrics.Metrics
      metrics.dropped("join_error")
      const text = Prometheus.encode(Metric.unsafeSnapshot())
      assert.strictEqual(valueIn(text, "federation_fanout_dropped_total{reason=\"join_error\"}"), 1)
      assert.strictEqual(valueIn(text, "federation_fanout_dropped_total{reason=\"shutdown\"}"), 0)
      assert.strictEqual(yield* metrics.render, text)
    }).pipe(Effect.provide(Metrics.layerGlobal)))
})
