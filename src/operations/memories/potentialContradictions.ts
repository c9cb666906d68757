import * as Effect from "effect/Effect"
import type { Memory } from "../../domain/Memory.js"
import { Alike } from "../../store/read/Alike.js"

/**
 * For each memory that was stored the ids of those that it may contradict. A hint: the write is done, and does not fail for want
 * of it.
 */
export const potentialContradictions = (
  memories: ReadonlyArray<Memory>
): Effect.Effect<ReadonlyArray<ReadonlyArray<string>>, never, Alike> =>
  Effect.flatMap(Alike, (alike) =>
    Effect.catchAll(
      alike.to(memories),
      (failed) => Effect.as(Effect.logWarning("could not look for contradictions", failed), [])
    ))
