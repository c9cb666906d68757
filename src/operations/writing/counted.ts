import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { Metrics, type WriteResult } from "../../telemetry/Metrics.js"

/** Failures that say what became of a write; the others were mistakes of the caller. */
const results: Record<string, WriteResult> = {
  SlotTaken: "conflict",
  VersionMismatch: "conflict",
  KeyReused: "conflict",
  QuorumNotMet: "quorum_not_met",
  LocalWriteFailed: "local_write_failed",
  ClockSkewed: "local_write_failed",
  NotReady: "local_write_failed",
  Overloaded: "overloaded"
}

/** What a write counts as once it is done. */
export type Counts = WriteResult | "nothing"

/** Counts what a client's write came to. */
export const counted = (counts: Counts) => <A, E, R>(write: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Metrics> =>
  counts === "nothing" ? write : Effect.flatMap(Metrics, (metrics) =>
    Effect.tapBoth(write, {
      onSuccess: () => Effect.sync(() => count(metrics, counts)),
      onFailure: (error) => Effect.sync(() => count(metrics, counts, error))
    }))

/** Counts a write that is over, by its failure where it has one. */
export const count = (metrics: Metrics["Type"], counts: Counts, error?: unknown): void => {
  const result = error === undefined
    ? counts
    : Predicate.hasProperty(error, "_tag")
    ? results[String(error._tag)]
    : undefined
  if (result !== undefined && result !== "nothing" && counts !== "nothing") metrics.write(result)
}
