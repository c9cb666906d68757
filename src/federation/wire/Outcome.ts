import type { PeerId } from "../../domain/ids.js"
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
 * something else. `not_carried`: an original node has no word for it, or something later says it better.
 */
export interface Settled {
  readonly _tag: "settled"
  readonly reason: "parked" | "not_carried"
  readonly detail: string
}

/** The peer answered, and does not take it. `id_drift`: an original node took it for another memory. */
export interface Refused {
  readonly _tag: "refused"
  readonly reason: "refused" | "id_drift"
  readonly detail: string
}

/** Nothing is known of it: it may have arrived, and its answer been lost. */
export interface Failed {
  readonly _tag: "failed"
  readonly error: PeerFailed
}

export const held = (by: PeerId): Outcome => ({ _tag: "held", by })

export const settled = (reason: Settled["reason"], detail: string): Outcome => ({ _tag: "settled", reason, detail })

export const refused = (detail: string, reason: Refused["reason"] = "refused"): Outcome => ({
  _tag: "refused",
  reason,
  detail
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
    case "parked":
      return settled("parked", (why ?? "parked").slice(0, MAX_DETAIL_CHARS))
    case "rejected":
      return refused((why ?? "rejected").slice(0, MAX_DETAIL_CHARS))
  }
}

export const isHeld = (outcome: Outcome): outcome is Held => outcome._tag === "held"

/** The peer was not asked at all: it is known not to answer. */
export const isUnavailable = (outcome: Outcome): boolean =>
  outcome._tag === "failed" && outcome.error.reason === "unavailable"

/** Why there is no ack, in words for a log. */
export const messageOf = (outcome: Exclude<Outcome, Held>): string =>
  outcome._tag === "failed" ? outcome.error.message : `${outcome.reason}: ${outcome.detail}`
