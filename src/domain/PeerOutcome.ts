import * as Schema from "effect/Schema"

export const REASONS = ["unreachable", "timeout", "id_drift", "refused", "overloaded", "clock", "withheld"] as const

/**
 * Why a quorum was missed. `id_drift`: enough would have acked, did their ids agree with ours. Else what most of the
 * peers said that answered without an ack. Where none of them said anything, `unreachable` when no peer acked, and
 * `timeout` when some did, but too few. `withheld`: the peers may not hold what is in this namespace.
 */
export type MissedReason = (typeof REASONS)[number]

/** What one peer did with one write by the time of its verdict. */
export const PeerOutcome = Schema.Struct({
  /** Its address, as this node has it. */
  peer: Schema.String,
  /** `pending`: it has not answered yet, or has it in its log and waits there for something else. */
  outcome: Schema.Literal("acked", "pending", ...REASONS),
  /** What it said; of an ack, the id under which it was given. */
  detail: Schema.String
})
export type PeerOutcome = typeof PeerOutcome.Type
