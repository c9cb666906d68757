import type { PeerId } from "../../domain/ids.js"
import type { MissedReason, PeerOutcome } from "../../domain/PeerOutcome.js"
import type { PeerFailed } from "./Peer.js"
import type * as PeerApi from "./PeerApi.js"

/**
 * What one peer did with one operation. Whoever must know whether that is an ack, a dead letter, or worth another attempt
 * reads it from here: there is no other judgement of an answer.
 *
 * | | an ack | sent again by the backfill | a dead letter |
 * | --- | --- | --- | --- |
 * | `held` | yes | no | no |
 * | `settled` | no | no | no |
 * | `refused` | no | no, by the replay alone | yes |
 * | `failed` | no | yes | no |
 */
export type Outcome = Held | Settled | Refused | Failed

/** The peer holds it durably, and says so under this id. */
export interface Held {
  readonly _tag: "held"
  readonly by: PeerId
}

/**
 * The peer need not hear of it again, and yet does not hold it as applied. `parked`: it is in its log, and waits for
 * something else. `not_carried`: an original node has no word for it, or something later says it better. `withheld`: it may not
 * see it, and holds its name alone at most.
 */
export interface Settled {
  readonly _tag: "settled"
  readonly reason: "parked" | "not_carried" | "withheld"
  readonly detail: string
}

/**
 * The peer answered, and does not take it. `id_drift`: an original node took it for another memory. `clock`: it is
 * stamped too far ahead, by the peer's clock. `overloaded`: not this one now; it may say when.
 */
export interface Refused {
  readonly _tag: "refused"
  readonly reason: "refused" | "id_drift" | "clock" | "overloaded"
  readonly detail: string
  /** Not before then, in milliseconds since 1970. */
  readonly laterMillis?: number | undefined
}

/** Nothing is known of it: it may have arrived, and its answer been lost. */
export interface Failed {
  readonly _tag: "failed"
  readonly error: PeerFailed
}

export const held = (by: PeerId): Outcome => ({ _tag: "held", by })

export const settled = (reason: Settled["reason"], detail: string): Outcome => ({ _tag: "settled", reason, detail })

/** It is not for this peer. */
export const withheld = settled("withheld", "this peer may not see it: it is no ack")

export const refused = (detail: string, reason: Refused["reason"] = "refused"): Outcome => ({
  _tag: "refused",
  reason,
  detail
})

/** The peer takes others, and this one at another time. */
export const later = ({ detail, laterMillis }: PeerFailed): Outcome => ({
  _tag: "refused",
  reason: "overloaded",
  detail,
  laterMillis
})

export const failed = (error: PeerFailed): Outcome => ({ _tag: "failed", error })

/** Of a peer's own words as many as make a reason: they are kept with the dead letter, and stand in the log. */
export const MAX_DETAIL_CHARS = 300

/** What a node of ours says of an operation in its answer to a push. */
export const ofResult = ({ result, why }: PeerApi.PushResult, by: PeerId): Outcome => {
  switch (result) {
    case "applied":
    case "duplicate":
    case "superseded":
    case "shadowed":
      return held(by)
    case "withheld":
      return withheld
    case "parked":
      return settled("parked", (why ?? "parked").slice(0, MAX_DETAIL_CHARS))
    case "rejected":
      // It stands under another name by now: nobody needs it under this one.
      if (why?.startsWith("withdrawn:") === true) return settled("not_carried", why.slice(0, MAX_DETAIL_CHARS))
      return refused(
        (why ?? "rejected").slice(0, MAX_DETAIL_CHARS),
        why?.startsWith("clock_future") === true ? "clock" : "refused"
      )
  }
}

export const isHeld = (outcome: Outcome): outcome is Held => outcome._tag === "held"

/** The peer was not asked at all: it is known not to answer. */
export const isUnavailable = (outcome: Outcome): boolean =>
  outcome._tag === "failed" && outcome.error.reason === "unavailable"

/** Its link says so itself, once for all writes that it is true of: the peer does not answer, or takes nothing now. */
export const isSaid = (outcome: Outcome): boolean => outcome._tag === "failed" && SAID.has(outcome.error.reason)

const SAID: ReadonlySet<PeerFailed["reason"]> = new Set(["unavailable", "overloaded", "queue_full"])

/** Why there is no ack, in words for a log. */
export const messageOf = (outcome: Exclude<Outcome, Held>): string =>
  outcome._tag === "failed" ? outcome.error.message : `${outcome.reason}: ${outcome.detail}`

/** What a peer did with an operation, in one word for the caller. */
export const wordOf = (outcome: Outcome): PeerOutcome["outcome"] => {
  switch (outcome._tag) {
    case "held":
      return "acked"
    case "settled":
      return SETTLED[outcome.reason]
    case "refused":
      return outcome.reason
    case "failed":
      return wordOfFailure(outcome.error)
  }
}

const SETTLED = { parked: "pending", not_carried: "refused", withheld: "withheld" } as const

/** A peer that was not asked now is what it was when it was asked last; but it took no time. */
const wordOfFailure = ({ known, reason }: PeerFailed): MissedReason => {
  switch (reason) {
    case "unavailable": {
      const word = known === undefined ? "unreachable" : wordOfFailure(known)
      return word === "timeout" ? "unreachable" : word
    }
    case "timeout":
      return "timeout"
    case "refused":
    case "status":
    case "forbidden":
      return "refused"
    case "overloaded":
    case "queue_full":
      return "overloaded"
    case "network":
    case "malformed":
    case "identity":
      return "unreachable"
  }
}

/** The same in the peer's own words, where it said any; of an ack, under which id it was given. */
export const detailOf = (outcome: Outcome): string => outcome._tag === "held" ? outcome.by : messageOf(outcome)
