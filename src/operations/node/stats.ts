import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stamp from "../../domain/Stamp.js"
import { MemoryReader, type Stats } from "../../store/read/MemoryReader.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { ReadFailed } from "../errors.js"

/** What this node holds: visible memories that have not expired, by tier and by namespace. */
export const stats: Effect.Effect<Stats, ReadFailed, MemoryReader> = Effect.gen(function*() {
  const reader = yield* MemoryReader
  return yield* reader.stats(Stamp.fromMillis(yield* Clock.currentTimeMillis))
}).pipe(hotSpan("stats"))
