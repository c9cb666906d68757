import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { Metrics } from "./Metrics.js"

/** Long enough to hold a slow moment until a scrape sees it, short enough to say when it was. */
const WINDOW = Duration.seconds(10)
const RESOLUTION_MILLIS = 10

/** Samples the event loop's delay and the memory of the process. One per process: in a daemon, not in an embedded node. */
export const layer: Layer.Layer<never, never, Metrics> = Layer.scopedDiscard(
  Effect.gen(function*() {
    const metrics = yield* Metrics
    const delay = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MILLIS })
        histogram.enable()
        return histogram
      }),
      (histogram) => Effect.sync(() => histogram.disable())
    )
    const sample = Effect.sync(() => {
      // The monitor measures its own period along with the delay.
      const nanos = delay.count === 0 ? 0 : Math.max(0, delay.percentile(99) - RESOLUTION_MILLIS * 1e6)
      delay.reset()
      metrics.processSample({ eventLoopDelaySeconds: nanos / 1e9, residentMemoryBytes: process.memoryUsage.rss() })
    })
    yield* Effect.forkScoped(Effect.repeat(sample, Schedule.spaced(WINDOW)))
  })
)
