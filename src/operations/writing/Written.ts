import type * as Option from "effect/Option"
import type { Memory } from "../../domain/Memory.js"
import type { Acknowledged } from "../../federation/Federation.js"
import type { ClockBehind, KeyReused, LocalWriteFailed, Overloaded, QuorumNotMet } from "../errors.js"

/** What is known of the caller of an operation, beside the request itself. */
export interface Caller {
  /** The `X-Agent-Id` header. */
  readonly agentId: Option.Option<string>
  /** The `Idempotency-Key` header: the same key with the same request is the same write. */
  readonly idempotencyKey: Option.Option<string>
}

export type { Acknowledged }

/** A write that met its quorum. */
export interface Written extends Acknowledged {
  readonly memory: Memory
}

/** A delete that met its quorum. */
export interface Removed extends Acknowledged {
  readonly id: string
}

/** The ways in which any write can fail to be acknowledged. */
export type WriteError = KeyReused | QuorumNotMet | LocalWriteFailed | Overloaded | ClockBehind
