import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import { MemoryStore, type Others } from "../../store/MemoryStore.js"

/** Waits for what the other daemons of the site have answered; none for a node by itself. */
export const freshness: Effect.Effect<Option.Option<Others>, never, MemoryStore> = Effect.map(
  MemoryStore,
  ({ others }) => others
)
