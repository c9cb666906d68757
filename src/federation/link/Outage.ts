import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { PeerFailed } from "../wire/PeerClient.js"

/** That a peer still does not answer is said once in this time. */
const REMIND_AFTER = Duration.minutes(5)
/** New reasons of one outage that are said at once; those of a peer that has ever new words wait for the reminder. */
const MAX_REASONS = 8

/** A peer that is in touch, and takes nothing, is back once it has taken everything for so long: it may take now and then. */
const CALM_AFTER = Duration.seconds(5)

/** What is said in the log of a peer that does not answer, or takes nothing: not more than somebody reads. */
interface Outage {
  /** At once when it begins and when it has another reason than any before; else now and then. */
  readonly failed: (cause: PeerFailed, failures: number) => Effect.Effect<void>
  /** It took what it was sent. */
  readonly took: () => void
  /** It has not failed for some time, and was sent something. */
  readonly isCalm: () => boolean
  /** It answers. */
  readonly over: Effect.Effect<void>
}

export const make = (peer: { readonly name: string; readonly url: string }, clock: Clock.Clock): Outage => {
  const reasons = new Set<string>()
  let attempts = 0
  let saidNanos = 0n
  let failedNanos = 0n
  let hasTaken = false

  return {
    failed: (cause, failures) =>
      Effect.suspend(() => {
        attempts++
        const now = clock.unsafeCurrentTimeNanos()
        failedNanos = now
        hasTaken = false
        const isNew = reasons.size < MAX_REASONS && !reasons.has(cause.message)
        if (!isNew && now - saidNanos < Duration.unsafeToNanos(REMIND_AFTER)) return Effect.void
        if (isNew) reasons.add(cause.message)
        saidNanos = now
        return Effect.logWarning(`federation: peer ${peer.name} failed: ${cause.message}`).pipe(
          Effect.annotateLogs({ peer: peer.name, url: peer.url, failures, attempts })
        )
      }),
    took: () => {
      hasTaken = true
    },
    isCalm: () =>
      attempts > 0 && hasTaken && clock.unsafeCurrentTimeNanos() - failedNanos >= Duration.unsafeToNanos(CALM_AFTER),
    over: Effect.sync(() => {
      reasons.clear()
      attempts = 0
    })
  }
}
