import type * as Clock from "effect/Clock"
import * as Hlc from "../domain/Hlc.js"
import type { OpId } from "../domain/ids.js"
import type { Entry } from "./deciding/Decision.js"
import type { Isolate } from "./log/Committer.js"
import { MAX_DRIFT_MILLIS, type OpLog } from "./log/OpLog.js"
import type { Outcome } from "./state/Slice.js"
import type { State } from "./state/State.js"

/** What became of a received operation; all but `parked` and `rejected` mean that this node holds it durably. */
export interface Receipt {
  readonly opId: OpId
  readonly result: Outcome | "duplicate" | "parked" | "rejected"
  readonly why?: string
}

/** Applies and logs operations of others, inside the committer's transaction. */
export const make = ({ clock, log, state }: {
  readonly log: OpLog
  readonly state: State
  readonly clock: Clock.Clock
}) =>
(incoming: ReadonlyArray<Entry>, isolate: Isolate): ReadonlyArray<Receipt> => {
  const latestMillis = clock.unsafeCurrentTimeMillis() + MAX_DRIFT_MILLIS
  return incoming.map((entry) => receiveOne({ log, state, isolate, latestMillis }, entry))
}

/** Known already, refused with the reason, or applied and logged. */
const receiveOne = (
  { isolate, latestMillis, log, state }: {
    readonly log: OpLog
    readonly state: State
    readonly isolate: Isolate
    readonly latestMillis: number
  },
  { operation, payload }: Entry
): Receipt => {
  const { hash, hlc, opId, origin, oseq } = operation
  if (log.holds(origin, oseq)) {
    return log.hashAt(origin, oseq) === hash
      ? { opId, result: "duplicate" }
      : { opId, result: "rejected", why: `origin_reused: another operation is known as ${origin} ${oseq}` }
  }
  if (origin === log.origin()) {
    return { opId, result: "rejected", why: `origin_reused: ${origin} is this node, and it did not write ${oseq}` }
  }
  if (Hlc.fromStamp(hlc).millis > latestMillis) {
    return { opId, result: "rejected", why: `clock_future: stamped more than ${MAX_DRIFT_MILLIS / 1000} s ahead` }
  }
  return isolate<Receipt>(
    () => {
      const result = state.apply(operation, payload)
      log.append(operation)
      return { opId, result }
    },
    (cause) => ({ opId, result: "rejected", why: `not_applicable: ${String(cause)}` })
  )
}
