import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stamp from "../../domain/Stamp.js"
import { MemoryReader, type NamespaceCount } from "../../store/read/MemoryReader.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { ReadFailed } from "../errors.js"

/** The namespaces in use, with the number of memories in each that have not expired, largest first. */
export const namespaces: Effect.Effect<ReadonlyArray<NamespaceCount>, ReadFailed, MemoryReader> = Effect.gen(
  function*() {
    const reader = yield* MemoryReader
    return yield* reader.namespaces(Stamp.fromMillis(yield* Clock.currentTimeMillis))
  }
).pipe(hotSpan("namespaces"))
