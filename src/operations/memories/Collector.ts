import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import type { SweepReader } from "../../store/read/SweepReader.js"
import { Leader } from "../../store/site/Leader.js"
import type { WriteServices } from "../writing/Write.js"
import { collectQuietly } from "./collectExpired.js"

/** Between two collections, give or take a fifth: nodes that began together come apart, and the first one does it for all. */
export const INTERVAL = Duration.minutes(30)

/** Collects what has expired, now and again. */
export const layer = (
  options: { readonly interval: Duration.Duration } = { interval: INTERVAL }
): Layer.Layer<never, never, SweepReader | WriteServices> =>
  Layer.scopedDiscard(Effect.gen(function*() {
    const pause = Effect.flatMap(Random.nextRange(0.8, 1.2), (share) =>
      Effect.sleep(Duration.times(options.interval, share)))
    const { leads } = yield* Leader
    yield* Effect.forever(Effect.zipRight(
      pause,
      Effect.suspend(() =>
        leads() ? collection : Effect.void
      )
    )).pipe(
      Effect.tapErrorCause((cause) => Effect.logError("the collection of expired memories stopped", cause)),
      Effect.forkScoped
    )
  }))

const collection = collectQuietly.pipe(
  Effect.flatMap(({ count }) => count === 0 ? Effect.void : Effect.logInfo(`gc: collected ${count} expired memories`)),
  // It is kept and will replicate: nobody waits for its quorum.
  Effect.catchTag("QuorumNotMet", () => Effect.logInfo("gc: collected expired memories, not yet on enough nodes")),
  Effect.catchAllCause((cause) => Effect.logWarning("gc: collecting expired memories failed", cause))
)
