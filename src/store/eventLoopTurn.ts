import * as Effect from "effect/Effect"

/**
 * Lets the event loop go round once, without a timer. A consumer that takes the first item at once would commit it alone:
 * the requests that came in with it have not been read yet.
 */
export const eventLoopTurn: Effect.Effect<void> = Effect.async((resume) => {
  const immediate = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(immediate))
})
