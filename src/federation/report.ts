import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Operation } from "../replication/Operation.js"
import type { Metrics } from "../telemetry/Metrics.js"
import {
  type Answered,
  type Decided,
  isHeld,
  isMissing,
  type Missed,
  type QuorumNotMet,
  type Verdict
} from "./verdict.js"

/** Counts what writes came to, and says what an operator should know of it. */
export interface Report {
  /** A word of each peer that has failed for certain; one that is still being tried is not missing. */
  readonly decided: (decided: Decided) => Effect.Effect<void>
  /** Operations that went together: a peer that holds none of them is worth one line for all. */
  readonly bulkDecided: (all: ReadonlyArray<Decided>) => Effect.Effect<void>
  /**
   * What came of a send after its writes were decided. A failure loses nothing: the log has them, and backfill sends
   * them.
   */
  readonly late: (peer: Answered["peer"], missed: ReadonlyArray<Missed>) => Effect.Effect<void>
}

export const make = (metrics: Metrics["Type"]): Report => {
  const count = (verdict: Verdict): void => {
    metrics.quorum(Either.isRight(verdict) ? "ok" : "fail")
    if (Either.isLeft(verdict)) metrics.quorumFailed(verdict.left.reason)
  }
  const dropped = (reason: Missed["reason"]): void => {
    metrics.dropped(reason)
    metrics.partialQuorum()
  }
  return {
    decided: ({ answers, operation, verdict }) => {
      count(verdict)
      if (Either.isLeft(verdict)) return missed(operation, verdict.left)
      if (answers.every(isHeld)) return Effect.void
      metrics.partialQuorum()
      return partial(operation, answers.filter(isMissing).map(({ peer }) => peer.url))
    },
    bulkDecided: (all) => {
      for (const { verdict } of all) count(verdict)
      return Effect.zipRight(allMissed(all), nothingHeld(all))
    },
    late: (peer, missed) =>
      Effect.suspend(() => {
        for (const { reason } of missed) dropped(reason)
        const [first, ...others] = missed
        return first === undefined || first.why === null
          ? Effect.void
          : Effect.logWarning(
            `federation: post-quorum peer ${peer.name} did not ack for ${first.operation.entity}${
              others.length === 0 ? "" : ` and ${others.length} more`
            }: ${first.why}`
          )
      })
  }
}

const partial = (operation: Operation, missing: ReadonlyArray<string>) =>
  missing.length === 0 ? Effect.void : Effect.logWarning(
    `federation: quorum met but ${missing.length} peer(s) did not ack: ${JSON.stringify(missing)}`,
    { memory_id: operation.entity, op_id: operation.opId, n_missing: missing.length }
  )

/** A 503 is found again by its operation. */
const missed = ({ entity, kind, opId }: Operation, verdict: QuorumNotMet) =>
  Effect.logWarning(`federation: ${saidOf(verdict)}`).pipe(
    Effect.annotateLogs({
      ...{ op_id: opId, memory_id: entity, kind },
      ...{ got: verdict.got, needed: verdict.needed, reason: verdict.reason }
    })
  )

/** Those of one push were missed for the same reasons: one line has the names of all. */
const allMissed = (all: ReadonlyArray<Decided>) => {
  const found = all.flatMap(({ operation, verdict }) =>
    Either.isLeft(verdict) ? [{ operation, missed: verdict.left }] : []
  )
  const [first, ...others] = found
  if (first === undefined || others.length === 0) {
    return first === undefined ? Effect.void : missed(first.operation, first.missed)
  }
  return Effect.logWarning(`federation: ${found.length} operations: ${saidOf(first.missed)}`).pipe(
    Effect.annotateLogs({ op_ids: found.map(({ operation }) => operation.opId), reason: first.missed.reason })
  )
}

const saidOf = ({ message, peers }: QuorumNotMet): string =>
  `${message}: ${peers.map(({ detail, outcome, peer }) => `${peer} ${outcome} (${detail})`).join(", ")}`

const nothingHeld = (all: ReadonlyArray<Decided>) => {
  const missing = new Set(all[0]?.answers.filter(isMissing).map(({ peer }) => peer.url))
  for (const { answers } of all) for (const answer of answers) if (isHeld(answer)) missing.delete(answer.peer.url)
  return missing.size === 0 ? Effect.void : Effect.logWarning(
    `federation: ${missing.size} peer(s) did not ack ${all.length} operations: ${JSON.stringify([...missing])}`
  )
}
