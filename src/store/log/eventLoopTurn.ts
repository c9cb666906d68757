import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"

/** How a turn is awaited. A simulation, which has no event loop, puts its own way here. */
export const currentTurn: FiberRef.FiberRef<Effect.Effect<void>> = FiberRef.unsafeMake<Effect.Effect<void>>(
  Effect.async((resume) => {
    const immediate = setImmediate(() => resume(Effect.void))
    return Effect.sync(() => clearImmediate(immediate))
  })
)

/**
 * Lets the event loop go round once, without a timer. A consumer that takes the first item at once would commit it alone:
 * the requests that came in with it have not been read yet.
 */
export const eventLoopTurn: Effect.Effect<void> = Effect.flatten(FiberRef.get(currentTurn))
