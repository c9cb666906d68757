import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { type DeadLetter, DeadLetters } from "../../store/DeadLetters.js"
import * as Breaker from "./Breaker.js"
import type { PeerLink, Redelivered } from "./PeerLink.js"

/** How often it is looked what is due. */
const EVERY = Duration.seconds(5)
/** Attempts at one peer in one pass at most; those that fail make room for the others by their pause. */
export const MAX_AT_ONCE = 64

export type Result = Redelivered

/**
 * Tries again what peers refused, for as long as the node lives. No peer waits for another, nor any row for one before
 * it.
 */
/** What of a link a replay needs. */
type Link = Pick<PeerLink, "peer" | "status" | "redeliver">

export const worker = (links: ReadonlyArray<Link>): Effect.Effect<never, never, DeadLetters> =>
  Random.nextRange(0.8, 1.2).pipe(
    Effect.flatMap((share) => Effect.sleep(Duration.times(EVERY, share))),
    Effect.zipRight(Effect.forEach(links, pass, { concurrency: "unbounded", discard: true })),
    Effect.forever,
    Effect.tapErrorCause((cause) => Effect.logError("federation: the replay of dead letters stopped", cause))
  )

const pass = (link: Link) =>
  Effect.gen(function*() {
    const letters = yield* DeadLetters
    const { breaker, identity } = link.status()
    if (identity === null || Breaker.isOpen(breaker) || letters.refused(identity.peerId).size === 0) return
    const due = yield* letters.due(identity.peerId, MAX_AT_ONCE)
    for (const letter of due) yield* deliver(link, letter)
  }).pipe(
    Effect.catchAllCause((cause) =>
      Effect.logWarning(`federation: replaying dead letters to ${link.peer.name} failed`, cause)
    )
  )

/** One attempt. The link settles what the peer takes, and counts what it refuses once more. */
export const deliver = (link: Link, letter: DeadLetter) =>
  Effect.gen(function*() {
    const result = yield* link.redeliver(letter.operation)
    if (result === "unreachable") yield* (yield* DeadLetters).postpone(letter.id)
    return result
  })
