import * as Effect from "effect/Effect"
import type { Memory } from "../../domain/Memory.js"
import { MemoryReader } from "../../store/read/MemoryReader.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import { AmbiguousPrefix, NotFound, type ReadFailed } from "../errors.js"

/**
 * One memory by its id or a unique prefix of it. An id that another memory took over gives that one. What has expired is
 * still given for as long as it is there; what hides behind another memory in its slot only by its whole id.
 */
export const getMemory = (
  idOrPrefix: string
): Effect.Effect<Memory, NotFound | AmbiguousPrefix | ReadFailed, MemoryReader> =>
  Effect.gen(function*() {
    const reader = yield* MemoryReader
    const found = yield* reader.find(idOrPrefix)
    if (found.length > 1) return yield* new AmbiguousPrefix({ ids: found.map(({ id }) => id) })
    return found[0] ?? (yield* new NotFound())
  }).pipe(hotSpan("getMemory"))
