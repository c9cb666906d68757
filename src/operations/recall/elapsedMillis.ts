import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Milliseconds of a time that goes on evenly, whatever becomes of the wall clock. */
export const elapsedMillis: Effect.Effect<number> = Effect.map(
  Clock.currentTimeNanos,
  (nanos) => Number(nanos / 1_000_000n)
)
