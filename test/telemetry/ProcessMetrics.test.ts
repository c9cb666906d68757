import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as MetricState from "effect/MetricState"
import * as TestClock from "effect/TestClock"
import { setTimeout as sleep } from "node:timers/promises"
import * as Metrics from "../../src/telemetry/Metrics.js"
import * as ProcessMetrics from "../../src/telemetry/ProcessMetrics.js"

const gauge = (name: string) =>
  Effect.map(Metrics.Metrics, ({ snapshot }) => {
    const found = snapshot().find(({ metricKey }) => metricKey.name === name)?.metricState
    return MetricState.isGaugeState(found) && typeof found.value === "number" ? found.value : Number.NaN
  })

it.scoped("a blocked event loop shows in the next sample, and is forgotten in the one after it", () =>
  Effect.gen(function*() {
    yield* Layer.build(ProcessMetrics.layer)
    yield* TestClock.adjust("0 seconds")
    assert.isAbove(yield* gauge("process_resident_memory_bytes"), 10_000_000)
    yield* Effect.promise(() => sleep(30))
    const until = Date.now() + 300
    while (Date.now() < until);
    yield* Effect.promise(() => sleep(30))
    yield* TestClock.adjust("10 seconds")
    const blocked = yield* gauge("nodejs_eventloop_delay_seconds")
    assert.isAbove(blocked, 0.2)
    yield* TestClock.adjust("10 seconds")
    assert.isBelow(yield* gauge("nodejs_eventloop_delay_seconds"), blocked)
  }).pipe(Effect.provide(Metrics.layer)))
