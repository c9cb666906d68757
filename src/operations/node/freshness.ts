import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { NotWritten } from "../../store/errors.js"
import { MemoryStore } from "../../store/MemoryStore.js"

/** Each waits until what the other daemons of the site have answered is held here, too. */
interface Freshness {
  /** All of it. */
  readonly fresh: Effect.Effect<void, NotWritten>
  /** As much of it as is enough for who only reads. */
  readonly lately: Effect.Effect<void, NotWritten>
}

/** None for a node by itself. */
export const freshness: Effect.Effect<Option.Option<Freshness>, never, MemoryStore> = Effect.map(
  MemoryStore,
  ({ fresh, lately }) => Option.all({ fresh, lately })
)
