import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Process } from "./Process.js"
import type { Timeline } from "./Timeline.js"

/** When every simulation begins, in milliseconds since 1970. */
export const EPOCH_MILLIS = Date.UTC(2030, 0, 1)

/** The clock of one process: its monotonic time is the simulation's, its wall clock is off by what the machine's is. */
export const make = (timeline: Timeline, process: Process, offsetMillis: () => number): Clock.Clock => {
  const millis = () => Math.floor(EPOCH_MILLIS + timeline.now + offsetMillis())
  const nanos = () => BigInt(EPOCH_MILLIS) * 1_000_000n + BigInt(Math.round(timeline.now * 1e6))
  return {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: millis,
    unsafeCurrentTimeNanos: nanos,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanos: Effect.sync(nanos),
    sleep: (duration) =>
      Effect.async((resume) => {
        if (!Duration.isFinite(duration)) return
        process.sleeping++
        const timer = timeline.after(Duration.toMillis(duration), () => {
          process.sleeping--
          timer.cancelled = true
          resume(Effect.void)
        })
        return Effect.sync(() => {
          if (!timer.cancelled) process.sleeping--
          timer.cancelled = true
        })
      })
  }
}
