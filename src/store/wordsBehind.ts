import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { LocalWriteFailed, Overloaded } from "./errors.js"
import type { RecentTitles } from "./state/RecentTitles.js"

/**
 * The index of words as others see it: it stands behind what was committed (ADR 0042), so that no answer waits for it. Whoever looks
 * for words waits until it has caught up.
 */
export interface Words {
  /**
   * Waits until what is committed by now can be found by its words. Where nothing can be written, or it takes too long, it goes on
   * without: what may be missing is what came last.
   */
  readonly settled: Effect.Effect<void>
  /** Waits until rows wait to be indexed, and indexes them unless others do within a while. */
  readonly kept: Effect.Effect<void, LocalWriteFailed | Overloaded>
  /** What was written of late, by the words of its titles. Some of it may be undone, or gone by now. */
  readonly titles: RecentTitles
}

/** How far the index is, as of the last commit. */
interface Standing {
  readonly isBehind: boolean
  /** Rows up to here are in it; null while nobody knows. */
  readonly upTo: number | null
}

/** A reader waits no longer. */
const MAX_WAIT = Duration.seconds(2)
/** Rows wait for so long to be indexed together with others. */
const TOGETHER = Duration.millis(500)

export const make = ({ behind, catchUp, standing, titles }: {
  /** Open while rows wait. */
  readonly behind: Effect.Latch
  readonly catchUp: Effect.Effect<void, LocalWriteFailed | Overloaded>
  readonly standing: () => Standing
  readonly titles: RecentTitles
}): Words => ({
  titles,
  settled: Effect.suspend(() =>
    standing().isBehind
      ? catchUp.pipe(
        Effect.timeout(MAX_WAIT),
        Effect.catchAllCause((cause) => Effect.logDebug("what came last may not be found by its words", cause))
      )
      : Effect.void
  ),
  kept: Effect.gen(function*() {
    yield* behind.await
    const { upTo } = standing()
    yield* Effect.sleep(TOGETHER)
    const now = standing()
    // Where many come, they are indexed with what is written anyway.
    if (now.isBehind && now.upTo === upTo) yield* catchUp
  })
})
