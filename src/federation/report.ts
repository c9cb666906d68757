import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { Operation } from "../replication/Operation.js"
import * as Metrics from "../telemetry/Metrics.js"
import type { Answered, Decided, Verdict } from "./verdict.js"
import { Outcome, type Peer } from "./wire/PeerClient.js"

/** Counts a verdict, and says a word of each peer that has failed for certain; one that is still being tried is not missing. */
export const decided = ({ answers, operation, verdict }: Decided): Effect.Effect<void> => {
  count(verdict)
  if (Either.isLeft(verdict) || answers.every(isHeld)) return Effect.void
  Metrics.partialQuorum()
  const missing = answers.filter(isMissing).map(({ peer }) => peer.url)
  return missing.length === 0 ? Effect.void : Effect.logWarning(
    `federation: quorum met but ${missing.length} peer(s) did not ack: ${JSON.stringify(missing)}`,
    { memory_id: operation.entity, op_id: operation.opId, n_missing: missing.length }
  )
}

/** Counts each verdict on operations that went together; a peer that holds none of them is worth one line for all. */
export const bulkDecided = (all: ReadonlyArray<Decided>): Effect.Effect<void> => {
  for (const { verdict } of all) count(verdict)
  const missing = new Set(all[0]?.answers.filter(isMissing).map(({ peer }) => peer.url))
  for (const { answers } of all) for (const answer of answers) if (isHeld(answer)) missing.delete(answer.peer.url)
  return missing.size === 0 ? Effect.void : Effect.logWarning(
    `federation: ${missing.size} peer(s) did not ack ${all.length} operations: ${JSON.stringify([...missing])}`
  )
}

const count = (verdict: Verdict): void => {
  Metrics.quorum(Either.isRight(verdict) ? "ok" : "fail")
  if (Either.isLeft(verdict)) Metrics.quorumFailed(verdict.left.reason)
}

const isHeld = ({ outcome }: Answered): boolean => outcome !== null && Outcome.isHeld(outcome)

/** A peer whose breaker is open was logged when it opened: not again for each write. */
const isMissing = ({ outcome }: Answered): boolean =>
  outcome === null || !(Outcome.isHeld(outcome) || Outcome.isUnavailable(outcome))

/** What came of a send after its writes were decided. A failure loses nothing: the log has them, and backfill sends them. */
export const late = (
  peer: Peer,
  operations: ReadonlyArray<Operation>,
  exit: Exit.Exit<ReadonlyArray<Outcome.Outcome>, ReadonlyArray<Outcome.Outcome>>
): Effect.Effect<void> =>
  Effect.suspend(() => {
    const known = Exit.match(exit, {
      onSuccess: Option.some,
      onFailure: Cause.failureOption
    })
    const cause = Exit.isFailure(exit) ? exit.cause : Cause.empty
    if (Option.isNone(known)) {
      const interrupted = Cause.isInterruptedOnly(cause)
      for (const _ of operations) dropped(interrupted ? "shutdown" : "join_error")
      return interrupted ? Effect.void : notAcked(peer, operations, Cause.pretty(cause))
    }
    const missed: Array<Operation> = []
    let first: Exclude<Outcome.Outcome, Outcome.Held> | null = null
    for (const [index, operation] of operations.entries()) {
      const outcome = known.value[index]
      if (outcome === undefined || outcome._tag === "held") continue
      first ??= outcome
      missed.push(operation)
      dropped(outcome._tag === "refused" && outcome.reason === "id_drift" ? "id_drift" : "peer_fail")
    }
    return first === null || Outcome.isUnavailable(first)
      ? Effect.void
      : notAcked(peer, missed, Outcome.messageOf(first))
  })

const dropped = (reason: Parameters<typeof Metrics.dropped>[0]): void => {
  Metrics.dropped(reason)
  Metrics.partialQuorum()
}

/** One line for all of them: they went in one request. */
const notAcked = (peer: Peer, [first, ...others]: ReadonlyArray<Operation>, why: string) =>
  first === undefined ? Effect.void : Effect.logWarning(
    `federation: post-quorum peer ${peer.name} did not ack for ${first.entity}${
      others.length === 0 ? "" : ` and ${others.length} more`
    }: ${why}`
  )
