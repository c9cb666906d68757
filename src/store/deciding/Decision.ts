import type * as Stamp from "../../domain/Stamp.js"
import type { Idempotency, Operation, VersionRef } from "../../replication/Operation.js"
import type { Payload } from "../../replication/Payload.js"
import type { Transaction } from "./Transaction.js"

/** What a local write comes to. `covers` are the versions it ends, `baseHlc` the version it replaces. */
export interface Decision {
  readonly payload: Payload
  readonly baseHlc: Stamp.Stamp | null
  readonly covers: ReadonlyArray<VersionRef>
  /** The id was minted at random for this very decision, so that nothing can be known of it. */
  readonly isNewId?: boolean
  /** What was heard from elsewhere and makes this version, where other nodes may make one of the same: they are twins. */
  readonly madeOf?: Idempotency
  /** The stamp of a version that was made elsewhere; otherwise the transaction's. */
  readonly hlc?: Stamp.Stamp
}

/** An operation with its payload, decoded and checked. */
export interface Entry {
  readonly operation: Operation
  readonly payload: Payload
}

/** Several writes in one transaction. */
export interface Batch {
  /** The state as of now, with all that this batch has written. */
  readonly now: () => Transaction
  readonly write: (decision: Decision) => Entry
  /** From now on an id that came from elsewhere stands for another one on this node. */
  readonly alias: (id: string, target: string, stamp: Stamp.Stamp) => void
}
