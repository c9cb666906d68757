import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { NotWritten } from "../../store/errors.js"
import { MemoryStore } from "../../store/MemoryStore.js"

/** Waits until what the other daemons of the site have answered is held here, too; none for a node by itself. */
export const freshness: Effect.Effect<Option.Option<Effect.Effect<void, NotWritten>>, never, MemoryStore> = Effect.map(
  MemoryStore,
  ({ fresh }) => fresh
)
