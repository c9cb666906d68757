import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricLabel from "effect/MetricLabel"
import * as Prometheus from "../../src/telemetry/Prometheus.js"

let names = 0
/** The registry belongs to the process: each test has names of its own. */
const freshName = () => `test_${++names}`

const encoded = (name: string) =>
  Prometheus.encode(Metric.unsafeSnapshot().filter(({ metricKey }) => metricKey.name.startsWith(name)))

describe("Prometheus.encode", () => {
  it("counters and gauges, one HELP and TYPE for all series of a name", () => {
    const name = freshName()
    const counter = Metric.counter(`${name}_total`, { description: "Things, by kind", incremental: true })
    counter.unsafeUpdate(2, [MetricLabel.make("kind", "a")])
    counter.unsafeUpdate(0, [MetricLabel.make("kind", "b")])
    Metric.gauge(`${name}_degrees`, { description: "Heat" }).unsafeUpdate(-1.5, [])
    assert.strictEqual(
      encoded(name),
      `# HELP ${name}_degrees Heat
# TYPE ${name}_degrees gauge
${name}_degrees -1.5
# HELP ${name}_total Things, by kind
# TYPE ${name}_total counter
${name}_total{kind="a"} 2
${name}_total{kind="b"} 0
`
    )
  })

  it("histograms with cumulative buckets; a value on a boundary is in its bucket", () => {
    const name = freshName()
    const histogram = Metric.histogram(name, MetricBoundaries.fromIterable([0.1, 1, 10]), "Time")
    for (const value of [0.05, 0.1, 1, 1.5, 10, 11, 1000]) {
      histogram.unsafeUpdate(value, [MetricLabel.make("route", "/x")])
    }
    assert.strictEqual(
      encoded(name),
      `# HELP ${name} Time
# TYPE ${name} histogram
${name}_bucket{route="/x",le="0.1"} 2
${name}_bucket{route="/x",le="1"} 3
${name}_bucket{route="/x",le="10"} 5
${name}_bucket{route="/x",le="+Inf"} 7
${name}_sum{route="/x"} 1023.65
${name}_count{route="/x"} 7
`
    )
  })

  it("a histogram that saw nothing has all its buckets, at zero", () => {
    const name = freshName()
    Metric.histogram(name, MetricBoundaries.fromIterable([1, 2])).register()
    assert.strictEqual(
      encoded(name),
      `# TYPE ${name} histogram
${name}_bucket{le="1"} 0
${name}_bucket{le="2"} 0
${name}_bucket{le="+Inf"} 0
${name}_sum 0
${name}_count 0
`
    )
  })

  it("buckets agree with a plain count, for any values", () => {
    const boundaries = [0.25, 0.5, 1, 2, 4]
    FastCheck.assert(
      FastCheck.property(
        FastCheck.array(FastCheck.oneof(
          FastCheck.double({ min: 0, max: 8, noNaN: true }),
          FastCheck.constantFrom(...boundaries)
        )),
        (values) => {
          const name = freshName()
          const histogram = Metric.histogram(name, MetricBoundaries.fromIterable(boundaries)).register()
          for (const value of values) histogram.unsafeUpdate(value, [])
          const counts = Array.from(
            encoded(`${name}`).matchAll(/_bucket\{le="[^"]*"\} (\d+)/g),
            ([, count]) => Number(count)
          )
          const expected = [...boundaries, Infinity].map((bound) => values.filter((value) => value <= bound).length)
          assert.deepStrictEqual(counts, expected)
        }
      ),
      { numRuns: 50 }
    )
  })

  it("escapes what a label or a description may hold", () => {
    const name = freshName()
    Metric.gauge(name, { description: "a\\b\nc \"d\"" }).unsafeUpdate(1, [MetricLabel.make("peer.id", "\\ \" \n é")])
    assert.strictEqual(
      encoded(name),
      `# HELP ${name} a\\\\b\\nc "d"
# TYPE ${name} gauge
${name}{peer_id="\\\\ \\" \\n é"} 1
`
    )
  })

  it("names and numbers as the format wants them", () => {
    const name = freshName()
    Metric.gauge(`${name}.a-b`).unsafeUpdate(Number.POSITIVE_INFINITY, [])
    Metric.gauge(`${name}.c`).unsafeUpdate(Number.NaN, [])
    Metric.counter(`${name}.d`, { bigint: true }).unsafeUpdate(9007199254740993n, [])
    assert.deepStrictEqual(encoded(name).split("\n").filter((line) => line !== "" && !line.startsWith("#")), [
      `${name}_a_b +Inf`,
      `${name}_c NaN`,
      `${name}_d 9007199254740993`
    ])
  })

  it("frequencies become a counter by key", () => {
    const name = freshName()
    const frequency = Metric.frequency(name, { preregisteredWords: ["x", "y"] })
    frequency.unsafeUpdate("y", [])
    assert.strictEqual(encoded(name), `# TYPE ${name} counter\n${name}{key="x"} 0\n${name}{key="y"} 1\n`)
  })

  it("two kinds under one name: only the first has a place", () => {
    const name = freshName()
    Metric.counter(name).unsafeUpdate(1, [])
    Metric.gauge(name).unsafeUpdate(5, [])
    assert.strictEqual(encoded(name).split("\n").filter((line) => line.startsWith("# TYPE")).length, 1)
  })
})
