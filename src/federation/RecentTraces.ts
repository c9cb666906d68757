import type * as Tracer from "effect/Tracer"
import type { OpId } from "../domain/ids.js"

/** Operations whose trace is kept in mind: what is sent later than that from the log is in no trace. */
const MAX_KEPT = 4096

/**
 * The span that each of the latest operations belongs to, of this node and of others, so that what is sent of them later is
 * linked to it.
 */
export interface RecentTraces {
  readonly note: (opId: OpId, span: Tracer.AnySpan) => void
  readonly of: (opId: OpId) => Tracer.AnySpan | undefined
}

export const make = (most = MAX_KEPT): RecentTraces => {
  const kept = new Map<OpId, Tracer.AnySpan>()
  return {
    note: (opId, span) => {
      kept.set(opId, span)
      const [oldest] = kept.keys()
      if (kept.size > most && oldest !== undefined) kept.delete(oldest)
    },
    of: (opId) => kept.get(opId)
  }
}
