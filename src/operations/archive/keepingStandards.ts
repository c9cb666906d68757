import * as Effect from "effect/Effect"
import * as standards from "../../store/deciding/standards.js"
import type { Transaction } from "../../store/MemoryStore.js"

/** Memories that a sweep came upon and left where they are, by id, each with the namespace whose standard it is. */
export type Kept = Map<string, string>

/**
 * A sweep over many memories does not stop at the standard of a namespace: it leaves it where it is, since the rules of the
 * namespace would be gone with it, and the log says so.
 */
export const keepingStandards = <A, E, R>(
  what: string,
  sweep: (kept: Kept) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const kept: Kept = new Map()
    const tell = Effect.suspend(() =>
      kept.size === 0 ? Effect.void : Effect.logWarning(
        `${what}: ${kept.size} memories are standards of namespaces and stay: ${
          Array.from(kept.values()).slice(0, MAX_TOLD).join(", ")
        }`
      )
    )
    return Effect.ensuring(sweep(kept), tell)
  })

/** Namespaces that one line of the log names at most. */
const MAX_TOLD = 10

/** Whether a memory is a standard, and so is kept. */
export const keeps = (now: Transaction, id: string, kept: Kept): boolean => {
  const namespace = standards.ofMemory(now, id)
  if (namespace !== null) kept.set(id, namespace)
  return namespace !== null
}
