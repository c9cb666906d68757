import * as Either from "effect/Either"
import * as standards from "../../store/deciding/standards.js"
import type { Held } from "../../store/deciding/Transaction.js"
import type { Decision, Transaction } from "../../store/MemoryStore.js"
import { StandardInUse } from "../errors.js"

/** The memory, when it may go: the rules of a namespace do not go with a memory that somebody takes away. */
export const unlessStandard = (now: Transaction, held: Held): Either.Either<Held, StandardInUse> => {
  const { memory: { id } } = held
  const namespace = standards.ofMemory(now, id)
  return namespace === null ? Either.right(held) : Either.left(new StandardInUse({ id, namespace }))
}

/** A memory that is put away. Its version ends; what else claimed its slot comes forward. */
export const archival = (now: Transaction, held: Held, reason: string): Decision => ({
  payload: {
    kind: "archive",
    memory: { ...held.memory, updated_at: now.stamp },
    archivedAt: now.stamp,
    reason
  },
  baseHlc: held.version.hlc,
  covers: now.replaceable(held)
})
