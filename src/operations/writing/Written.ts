import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Memory } from "../../domain/Memory.js"
import type { Uuid } from "../../domain/Uuid.js"
import type { Acknowledged, Federation } from "../../federation/Federation.js"
import type { Kind } from "../../replication/kinds.js"
import type { MemoryStore } from "../../store/MemoryStore.js"
import type { Metrics } from "../../telemetry/Metrics.js"
import type {
  AwaitingApproval,
  ClockSkewed,
  Denied,
  KeyReused,
  LocalWriteFailed,
  NotReady,
  Overloaded,
  QuorumNotMet
} from "../errors.js"

/** What is known of the caller of an operation, beside the request itself. */
export interface Caller {
  /** The `X-Agent-Id` header. */
  readonly agentId: Option.Option<string>
  /** The `Idempotency-Key` header: the same key with the same request is the same write. */
  readonly idempotencyKey: Option.Option<string>
}

/** Does not say who it is, and can not ask again. */
export const anonymous: Caller = { agentId: Option.none(), idempotencyKey: Option.none() }

export type { Acknowledged }

/** A write that met its quorum. */
export interface Written extends Acknowledged {
  readonly memory: Memory
}

/** A delete that met its quorum. */
export interface Removed extends Acknowledged {
  readonly id: string
}

/** How many operations a write of any size came to. */
export interface Counted extends Acknowledged {
  readonly count: number
  /** How many of each kind. */
  readonly kinds: ReadonlyMap<Kind, number>
}

/** The ways in which any write can fail to be written. */
export type CommitError = KeyReused | LocalWriteFailed | NotReady | Overloaded | ClockSkewed

/** The ways in which any write can fail to be acknowledged. */
export type WriteError = CommitError | QuorumNotMet

/** What the rules of a namespace may answer to a write that they have a say in. */
export type Ruled = Denied | AwaitingApproval

/** What every write needs of its node. */
export type WriteServices = MemoryStore | Federation | Metrics | Uuid

/** What a client can do that writes: what it can fail with and needs beside what every write does. */
export type Verb<A, E = never, R = never> = Effect.Effect<A, E | WriteError, R | WriteServices>
