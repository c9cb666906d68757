import * as Effect from "effect/Effect"
import * as Metrics from "../../telemetry/globalMetrics.js"

/** Failures that say what became of a write; the others were mistakes of the caller. */
const results: Record<string, Metrics.WriteResult> = {
  SlotTaken: "conflict",
  VersionMismatch: "conflict",
  KeyReused: "conflict",
  QuorumNotMet: "quorum_not_met",
  LocalWriteFailed: "local_write_failed",
  ClockBehind: "local_write_failed",
  Overloaded: "overloaded"
}

/** Counts what a client's write came to. */
export const counted =
  (done: Metrics.WriteResult) =>
  <A, E extends { readonly _tag: string }, R>(write: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.tapBoth(write, {
      onSuccess: () => Effect.sync(() => Metrics.write(done)),
      onFailure: ({ _tag }) =>
        Effect.sync(() => {
          const result = results[_tag]
          if (result !== undefined) Metrics.write(result)
        })
    })
