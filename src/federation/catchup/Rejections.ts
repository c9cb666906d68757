import * as Effect from "effect/Effect"
import type { OpId, Origin } from "../../domain/ids.js"
import type { Metrics } from "../../telemetry/Metrics.js"

/** An operation of a peer that this node refuses. */
export interface Rejected {
  readonly opId: OpId
  readonly origin: Origin
  readonly oseq: number
  readonly why: string
}

/** Operations of which it is remembered that they were in the log; beyond that only the counter tells. */
const MAX_REMEMBERED = 4096

export interface Rejections {
  /** Counts each, and logs each once for as long as the node runs: they are pulled again in every round. */
  readonly report: (peer: string, rejected: ReadonlyArray<Rejected>) => Effect.Effect<void>
}

export const make = (metrics: Metrics["Type"]): Rejections => {
  const logged = new Set<string>()
  return {
    report: (peer, rejected) =>
      Effect.forEach(rejected, ({ opId, origin, oseq, why }) => {
        const [reason = why] = why.split(":", 1)
        metrics.rejected(reason)
        if (logged.has(opId) || logged.size >= MAX_REMEMBERED) return Effect.void
        logged.add(opId)
        return Effect.logWarning(`catchup: refused operation ${opId} from peer ${peer}: ${why}`).pipe(
          Effect.annotateLogs({ peer, op_id: opId, origin, oseq, reason })
        )
      }, { discard: true })
  }
}
