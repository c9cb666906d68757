import * as Cause from "effect/Cause"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Durability } from "../domain/Durability.js"
import { type NodeId, OpId, PeerId } from "../domain/ids.js"
import { PeerOutcome, REASONS } from "../domain/PeerOutcome.js"
import * as AckTracker from "../replication/AckTracker.js"
import type { Operation } from "../replication/Operation.js"
import type { QuorumPolicy } from "../replication/QuorumPolicy.js"
import type { Tally } from "./quorumFanout.js"
import { Outcome, type Peer } from "./wire/PeerClient.js"

/**
 * The write is durable on this node and `got - 1` peers, fewer than asked for. It is NOT undone: it will replicate.
 * A retry with the same idempotency key waits for the same write.
 */
export class QuorumNotMet extends Schema.TaggedError<QuorumNotMet>()("QuorumNotMet", {
  opId: OpId,
  got: Schema.Int,
  needed: Schema.Int,
  reason: Schema.Literal(...REASONS),
  ackedBy: Schema.Array(PeerId),
  /** Every peer, and what it did. */
  peers: Schema.Array(PeerOutcome)
}) {
  override get message() {
    return `quorum not met (got ${this.got}, needed ${this.needed}, reason ${this.reason})`
  }
}

/** How far a write got when its caller was answered. */
export interface Acknowledged {
  readonly opId: OpId
  /** Nodes known to hold the write durably, this one included. */
  readonly acks: number
  /** Who they are: the ids of nodes, and the addresses of original ones. */
  readonly ackedBy: ReadonlyArray<PeerId>
  /** What the store of a site that has no peers holds it by. */
  readonly durability?: Durability | undefined
}

/** What the quorum of one operation came to. */
export type Verdict = Either.Either<Acknowledged, QuorumNotMet>

/** What a peer did with one operation; null when its send ended in a way that tells nothing. */
export interface Answered {
  readonly peer: Peer
  readonly outcome: Outcome.Outcome | null
}

/** What one fan-out came to for one of its operations. */
export interface Decided {
  readonly operation: Operation
  readonly verdict: Verdict
  /** It is the verdict of this moment: peers that have not answered can still change it. */
  readonly isOpen: boolean
  /** Of the peers that were heard by then. */
  readonly answers: ReadonlyArray<Answered>
  /** How many were not. */
  readonly pending: number
}

/**
 * What every peer did with all operations of a fan-out: a send that no peer holds anything of has failed with its
 * outcomes.
 */
export type GroupTally = Tally<
  { readonly peer: Peer },
  ReadonlyArray<Outcome.Outcome>,
  ReadonlyArray<Outcome.Outcome>
>

/** Who judges, by which policy, and when. */
interface Judge {
  readonly nodeId: NodeId
  readonly policy: QuorumPolicy
  /** When the write began: its deadline counts from there. */
  readonly beginMillis: number
  readonly nowMillis: number
  /** Nothing more is waited for. */
  readonly isLast: boolean
  /** The ack of a peer that is known to hold the operation, however its own send ended. */
  readonly held: (index: number, peer: Peer) => Outcome.Outcome | undefined
}

/** How a send ended whose writes were decided already. */
export type LateExit = Exit.Exit<ReadonlyArray<Outcome.Outcome>, ReadonlyArray<Outcome.Outcome>>

/** What the peer did with each operation, unless it broke. */
export const outcomesOf = (exit: LateExit): ReadonlyArray<Outcome.Outcome> | undefined =>
  Option.getOrUndefined(Exit.match(exit, { onSuccess: Option.some, onFailure: Cause.failureOption }))

/** An operation that a straggler did not ack after all. */
export interface Missed {
  readonly operation: Operation
  readonly reason: "shutdown" | "join_error" | "id_drift" | "peer_fail"
  /** Null where there is nothing to say: the node ends, or the peer was said to be away already. */
  readonly why: string | null
}

/**
 * The verdict on each operation of a fan-out, by what each peer did with that very operation: what it did with the
 * others does not count. Nearly always every peer that answered holds all of them, and then one look decides for all.
 */
export const decideAll = (
  judge: Judge,
  operations: ReadonlyArray<Operation>,
  tally: GroupTally
): ReadonlyArray<Decided> => {
  // A fan-out without its quorum waits for nobody: its time is up, or those that are left are too few.
  const isOver = judge.isLast || tally.acks.length < tally.needed
  const of = (index: number) => {
    const pending = tally.pending.filter(({ peer }) => judge.held(index, peer) === undefined)
    const answers = answersTo(index, tally, judge.held)
    const facts = decide(judge, answers, isOver ? 0 : pending.length)
    const peers = facts.missed === null
      ? []
      : [...answers.map(toldOf), ...pending.map(({ peer }) => silent(peer))]
    return (operation: Operation): Decided => ({
      operation,
      answers,
      pending: pending.length,
      ...named(operation, facts, peers)
    })
  }
  const isUnanimous = tally.failures.length === 0 && tally.acks.every(({ ack }) => ack.every(Outcome.isHeld)) &&
    tally.pending.every(({ peer }) => operations.every((_, index) => judge.held(index, peer) === undefined))
  return isUnanimous ? operations.map(of(0)) : operations.map((operation, index) => of(index)(operation))
}

const answersTo = (
  index: number,
  { acks, failures, pending }: GroupTally,
  held: Judge["held"]
): ReadonlyArray<Answered> => [
  ...acks.map(({ ack, target: { peer } }) => ({ peer, outcome: held(index, peer) ?? ack[index] ?? null })),
  ...failures.map(({ cause, target: { peer } }) => ({
    peer,
    outcome: held(index, peer) ?? Option.getOrUndefined(Cause.failureOption(cause))?.[index] ?? null
  })),
  ...pending.flatMap(({ peer }) => {
    const outcome = held(index, peer)
    return outcome === undefined ? [] : [{ peer, outcome }]
  })
]

const toldOf = ({ outcome, peer }: Answered): PeerOutcome =>
  outcome === null
    ? { peer: peer.url, outcome: "unreachable", detail: "the request ended without an answer" }
    : { peer: peer.url, outcome: Outcome.wordOf(outcome), detail: Outcome.detailOf(outcome) }

const silent = (peer: Peer): PeerOutcome => ({ peer: peer.url, outcome: "pending", detail: "no answer yet" })

/** What a verdict says, whatever the operation is called. */
interface Facts {
  readonly ackedBy: ReadonlyArray<PeerId>
  /** Null when it is met. */
  readonly missed: AckTracker.QuorumNotMet | null
  readonly reason: AckTracker.MissedReason
}

const decide = (
  { beginMillis, nodeId, nowMillis, policy }: Judge,
  answers: ReadonlyArray<Answered>,
  pending: number
): Facts => {
  let tracker = AckTracker.recordLocal(AckTracker.make(policy, beginMillis))
  for (const { outcome, peer } of answers) {
    if (outcome?._tag === "held") tracker = AckTracker.recordAck(tracker, outcome.by)
    else if (isDrift(outcome)) tracker = AckTracker.recordIdDrift(tracker, peer.url)
    else if (outcome !== null) {
      const said = Outcome.wordOf(outcome)
      if (AckTracker.isRefusal(said)) tracker = AckTracker.recordRefusal(tracker, peer.url, said)
    }
  }
  const verdict = AckTracker.verdict(tracker, { nowMillis, pending })
  return {
    ackedBy: [nodeId, ...AckTracker.ackedBy(tracker)],
    missed: Either.isLeft(verdict) ? verdict.left : null,
    reason: AckTracker.missedReason(tracker)
  }
}

const named = (
  { opId }: Operation,
  { ackedBy, missed, reason }: Facts,
  peers: ReadonlyArray<PeerOutcome>
): Pick<Decided, "verdict" | "isOpen"> =>
  missed === null
    ? { verdict: Either.right({ opId, acks: ackedBy.length, ackedBy }), isOpen: false }
    : {
      verdict: Either.left(new QuorumNotMet({ opId, got: missed.got, needed: missed.needed, reason, ackedBy, peers })),
      isOpen: missed.reason === "in_flight"
    }

const isDrift = (outcome: Outcome.Outcome | null): boolean =>
  outcome?._tag === "refused" && outcome.reason === "id_drift"

/** Whether it was missed for want of peers that were not even asked, because they did not answer before. */
export const isBlocked = ({ answers, isOpen, pending, verdict }: Decided): boolean => {
  if (Either.isRight(verdict) || isOpen) return false
  const unasked = answers.filter(({ outcome }) => outcome !== null && Outcome.isUnavailable(outcome)).length
  return unasked > 0 && verdict.left.got + pending + unasked >= verdict.left.needed
}

/** Whether that is an ack. */
export const isHeld = ({ outcome }: Answered): boolean => outcome !== null && Outcome.isHeld(outcome)

/** Whether the peer has failed for certain, and that is news: what is true of all that it is sent is logged by its link. */
export const isMissing = ({ outcome }: Answered): boolean =>
  outcome === null || !(Outcome.isHeld(outcome) || Outcome.isSaid(outcome))

/** What a straggler did not ack of all that it was sent. */
export const missedOf = (operations: ReadonlyArray<Operation>, exit: LateExit): ReadonlyArray<Missed> => {
  const outcomes = outcomesOf(exit)
  return operations.flatMap((operation, index): ReadonlyArray<Missed> => {
    if (outcomes === undefined) return [{ operation, ...unfinished(exit) }]
    const outcome = outcomes[index]
    if (outcome === undefined || outcome._tag === "held") return []
    const isDrift = outcome._tag === "refused" && outcome.reason === "id_drift"
    return [{
      operation,
      reason: isDrift ? "id_drift" : "peer_fail",
      why: Outcome.isSaid(outcome) ? null : Outcome.messageOf(outcome)
    }]
  })
}

/** A send that ended without a word of the peer: its owner ended, or it broke. */
const unfinished = (exit: Exit.Exit<unknown, unknown>): Pick<Missed, "reason" | "why"> => {
  const cause = Exit.isFailure(exit) ? exit.cause : Cause.empty
  return Cause.isInterruptedOnly(cause)
    ? { reason: "shutdown", why: null }
    : { reason: "join_error", why: Cause.pretty(cause) }
}
