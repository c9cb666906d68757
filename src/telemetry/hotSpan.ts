import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"

/**
 * A span on a path that runs thousands of times a second: without a tracer there is none, and next to no cost. Its name is
 * a constant; it captures no stack.
 */
export const hotSpan = (name: string) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiberRuntime((fiber) =>
    fiber.getFiberRef(FiberRef.currentTracerEnabled)
      ? Effect.withSpan(effect, name, { captureStackTrace: false })
      : effect
  )
