import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { hash } from "node:crypto"
import * as AgentId from "../../domain/AgentId.js"
import * as ids from "../../domain/ids.js"
import * as Uuid from "../../domain/Uuid.js"
import type { Invalid } from "../../domain/validate.js"
import type { Idempotency } from "../../replication/Operation.js"
import type { Transaction } from "../../store/MemoryStore.js"
import type { Caller } from "./Written.js"

/**
 * The key and the request it stands for, as digests. A key is its agent's own, whom the caller said it is: two agents that
 * happen on one key are two. Who did not say has the scope that all such callers share. `request` is everything that makes two requests the same: the
 * operation, what it applies to, and its body.
 */
export const idempotencyOf = (caller: Caller, request: ReadonlyArray<unknown>): Idempotency | null =>
  Option.match(caller.idempotencyKey, {
    onNone: () => null,
    onSome: (key) => ({
      keyHash: hash(
        "sha256",
        Option.match(caller.agentId, { onNone: () => key, onSome: (id) => `${id}\n${key}` }),
        "hex"
      ),
      requestHash: hash("sha256", JSON.stringify(request), "hex")
    })
  })

/** A caller, and the key under which it asks. */
export interface Self {
  readonly caller: Caller
  readonly idempotency: Idempotency | null
}

/** Who asks, and an id for what is made of it. */
export interface Asking {
  /** Made from the idempotency key where there is one: a retry on another node can not make a second thing. */
  readonly id: ids.MemoryId
  /** It was minted at random, so that nothing can be known of it. */
  readonly isNewId: boolean
  readonly agentId: ids.AgentId
}

/** Who asks: the agent as the body says, or else as the header does. */
export const askingOf = (
  { caller, idempotency }: Self,
  agentId: string | undefined
): Effect.Effect<Asking, Invalid, Uuid.Uuid> =>
  Effect.flatMap(Uuid.Uuid, ({ make }) =>
    Either.map(AgentId.resolve(agentId, caller.agentId, make), (resolved) => ({
      id: ids.MemoryId.make(idempotency === null ? make() : Uuid.fromHash(idempotency.keyHash)),
      isNewId: idempotency === null,
      agentId: resolved
    })))

/**
 * The id of a memory that nodes make by themselves, the same on each of them: made on two at once it is one memory. Where
 * something has that id already, which is not what is looked for, a new one.
 */
export const commonId = (now: Transaction, of: string, mint: () => string): ids.MemoryId => {
  const id = ids.MemoryId.make(Uuid.fromHash(hash("sha256", of, "hex")))
  return now.byId(id) === null && now.archivedById(id) === null ? id : ids.MemoryId.make(mint())
}
