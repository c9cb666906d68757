import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import type { PeerId } from "../domain/ids.js"
import type { MissedReason } from "../domain/PeerOutcome.js"
import type { QuorumPolicy } from "./QuorumPolicy.js"

/**
 * One write's way to its quorum: who holds it, and who took it for another. A value, made at the begin of the write, to
 * which everything that becomes known of it is added; `verdict` says what it comes to. Every record is a new one.
 *
 * It knows no network and no clock: whoever sends the write records what it hears, and asks for the verdict at an
 * instant. The federation of a node decides every write by it.
 */
export interface AckTracker {
  readonly policy: QuorumPolicy
  /** The last instant at which an ack is in time. */
  readonly deadlineMillis: number
  readonly localCommitted: boolean
  /**
   * Distinct peers by who they say they are, in the order of their first ack; without this node. A node of ours has its
   * node id, another one its address.
   */
  readonly acked: ReadonlyArray<PeerId>
  /** Distinct peers that acked the write under another id. They count for nothing. */
  readonly drifted: ReadonlyArray<PeerId>
  /** Distinct peers that answered and did not take it, with what they said. */
  readonly refused: ReadonlyMap<PeerId, Refusal>
}

/**
 * What a peer says that answers and does not take a write: it will not, it can not now, a clock is wrong, or it may not have what is
 * in this namespace.
 */
export type Refusal = (typeof refusals)[number]
const refusals = ["refused", "overloaded", "clock", "withheld"] as const

export const isRefusal = (word: string): word is Refusal => refusals.some((refusal) => refusal === word)

/** A write that its own node has durably: from then on there is a verdict on it. */
export interface Committed extends AckTracker {
  readonly localCommitted: true
}

export type { MissedReason }

/** `in_flight`: nothing is missed yet, peers that can still decide it have time left. */
export type Reason = MissedReason | "in_flight"

/** Fewer than `needed` nodes are known to hold the write. The local commit stands, and will replicate. */
export class QuorumNotMet extends Data.TaggedError("QuorumNotMet")<{
  /** Nodes known to hold it, this one included. */
  readonly got: number
  readonly needed: number
  readonly reason: Reason
}> {
  override get message() {
    return `quorum not met (got ${this.got}, need ${this.needed}, reason ${this.reason})`
  }
}

/** Asked for a verdict before this node had the write: there is nothing that a quorum could hold. */
export class LocalNotCommitted extends Data.TaggedError("LocalNotCommitted") {
  override get message() {
    return "local write failed: no local commit was recorded before the verdict"
  }
}

export const make = (policy: QuorumPolicy, nowMillis: number): AckTracker => ({
  policy,
  deadlineMillis: nowMillis + Duration.toMillis(policy.ackTimeout),
  localCommitted: false,
  acked: [],
  drifted: [],
  refused: new Map()
})

/** This node has the write durably. */
export const recordLocal = (tracker: AckTracker): Committed => ({ ...tracker, localCommitted: true })

/** A peer has the write durably. The same peer again changes nothing: it is a node that counts, not an answer. */
export const recordAck = <Tracker extends AckTracker>(tracker: Tracker, peerId: PeerId): Tracker =>
  tracker.acked.includes(peerId) ? tracker : { ...tracker, acked: [...tracker.acked, peerId] }

/** A peer took the write for another one. */
export const recordIdDrift = <Tracker extends AckTracker>(tracker: Tracker, peerId: PeerId): Tracker =>
  tracker.drifted.includes(peerId) ? tracker : { ...tracker, drifted: [...tracker.drifted, peerId] }

/** A peer answered and did not take it. */
export const recordRefusal = <Tracker extends AckTracker>(
  tracker: Tracker,
  peerId: PeerId,
  said: Refusal
): Tracker => ({
  ...tracker,
  refused: new Map(tracker.refused).set(peerId, said)
})

/** The local commit and W − 1 distinct peers, at an instant not after the deadline. */
export const isQuorumMet = (tracker: AckTracker, nowMillis: number): boolean =>
  tracker.localCommitted && nowMillis <= tracker.deadlineMillis && got(tracker) >= tracker.policy.w

/** When a verdict is asked for, and how many peers have neither acked nor failed by then and are still waited for. */
export interface Instant {
  readonly nowMillis: number
  readonly pending: number
}

/**
 * How many nodes hold the write, if they are enough. Every recorded ack counts: who records one after the deadline has
 * decided to count it. A verdict of `in_flight` is none yet: peers that can still decide it have time left.
 */
export function verdict(tracker: Committed, at: Instant): Either.Either<number, QuorumNotMet>
export function verdict(tracker: AckTracker, at: Instant): Either.Either<number, QuorumNotMet | LocalNotCommitted>
export function verdict(tracker: AckTracker, at: Instant): Either.Either<number, QuorumNotMet | LocalNotCommitted> {
  if (!tracker.localCommitted) return Either.left(new LocalNotCommitted())
  const needed = tracker.policy.w
  const has = got(tracker)
  if (has >= needed) return Either.right(has)
  const undecided = at.nowMillis <= tracker.deadlineMillis && has + at.pending >= needed
  return Either.left(new QuorumNotMet({ got: has, needed, reason: undecided ? "in_flight" : missedReason(tracker) }))
}

/** Why the quorum is missed, given that it is and that nothing more is waited for. */
export const missedReason = (tracker: AckTracker): MissedReason => {
  const disagreeing = tracker.drifted.filter((peerId) => !tracker.acked.includes(peerId)).length
  if (got(tracker) + disagreeing >= tracker.policy.w) return "id_drift"
  return mostSaid([...tracker.refused.values()]) ?? (tracker.acked.length === 0 ? "unreachable" : "timeout")
}

/** Of two that were said as often, the one that comes first above: it does not depend on who was faster. */
const mostSaid = (said: ReadonlyArray<Refusal>): Refusal | undefined => {
  if (said.length === 0) return undefined
  const count = (refusal: Refusal) => said.filter((one) => one === refusal).length
  const most = Math.max(...refusals.map(count))
  return refusals.find((refusal) => count(refusal) === most)
}

/** The peers that have it, without this node, in the order of their acks. */
export const ackedBy = (tracker: AckTracker): ReadonlyArray<PeerId> => tracker.acked

export const idDriftCount = (tracker: AckTracker): number => tracker.drifted.length

/** The local commit is counted by every caller once it is recorded; before, there is no verdict to count for. */
const got = (tracker: AckTracker): number => tracker.acked.length + 1
