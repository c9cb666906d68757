import * as Effect from "effect/Effect"
import { MAX_POTENTIAL } from "../../domain/limits.js"
import type { Memory } from "../../domain/Memory.js"
import { Search } from "../../store/read/Search.js"

/** Ids of memories that may contradict one that was stored. A hint: the write is done, and does not fail for want of it. */
export const potentialContradictions = (memory: Memory): Effect.Effect<ReadonlyArray<string>, never, Search> =>
  Effect.flatMap(
    Search,
    (search) =>
      Effect.catchAll(
        search.alike(memory, MAX_POTENTIAL),
        (failed) => Effect.as(Effect.logWarning("could not look for contradictions", failed), [])
      )
  )
