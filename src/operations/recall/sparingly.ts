import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** What takes no longer is counted for each who asks. */
const CHEAP = Duration.millis(100)
/** What was counted stands for so many times as long as counting took, but not longer than that. */
const STANDS_FOR = 10
const AT_MOST = Duration.seconds(10)

/** A count that is made anew only when it no longer stands. All who ask while it is made have one answer. */
export const sparingly = <A, E, R>(count: Effect.Effect<A, E, R>): Effect.Effect<Effect.Effect<A, E, R>> =>
  Effect.map(Effect.makeSemaphore(1), (alone) => {
    let known: { readonly value: A; readonly until: number } | undefined
    return alone.withPermits(1)(Effect.gen(function*() {
      if (known !== undefined && (yield* Clock.currentTimeMillis) < known.until) return known.value
      const [took, value] = yield* Effect.timed(count)
      const stands = Duration.greaterThan(took, CHEAP)
        ? Duration.min(Duration.times(took, STANDS_FOR), AT_MOST)
        : Duration.zero
      known = { value, until: (yield* Clock.currentTimeMillis) + Duration.toMillis(stands) }
      return value
    }))
  })
