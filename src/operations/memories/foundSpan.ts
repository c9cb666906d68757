import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import { hotSpan } from "../../telemetry/hotSpan.js"

/** The span of what finds memories: how many, and in which namespace, where one was named. What was looked for is not in it. */
export const foundSpan =
  <A>(name: string, namespace: string | undefined, countOf: (found: A) => number) =>
  <E, R>(found: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.withFiberRuntime<A, E, R>((fiber) =>
      fiber.getFiberRef(FiberRef.currentTracerEnabled)
        ? Effect.tap(found, (value) =>
          Effect.annotateCurrentSpan({
            "gen_ai.operation.name": "search_memory",
            "gen_ai.memory.record.count": countOf(value),
            ...(namespace === undefined ? {} : { "gen_ai.memory.store.id": namespace })
          }))
        : found
    ).pipe(hotSpan(name))
