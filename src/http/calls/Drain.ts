import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"

/**
 * What shutdown waits for: writes in flight. They have an owner that lives longer than their request, because a client
 * that hangs up must not stop a write whose commit may be under way.
 */
export class Drain extends Context.Tag("quorate/http/Drain")<Drain, {
  /** From now on this node is not ready. */
  readonly begin: Effect.Effect<void>
  readonly isDraining: () => boolean
  /** Done when `begin` was called: for answers that have no end of their own. */
  readonly begun: Effect.Effect<void>
  /** Runs the effect to its end, even when the fiber that waits for it is interrupted. */
  readonly keep: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Counts a running write among those that shutdown waits for. */
  readonly add: (fiber: Fiber.RuntimeFiber<unknown, unknown>) => void
  /** Done when no write is in flight. */
  readonly idle: Effect.Effect<void>
}>() {}

/** Writes still running when the scope ends are interrupted. */
export const layer: Layer.Layer<Drain> = Layer.scoped(
  Drain,
  Effect.gen(function*() {
    const writes = yield* FiberSet.make<unknown, unknown>()
    const begun = yield* Effect.makeLatch(false)
    let draining = false
    return Drain.of({
      begin: Effect.zipRight(
        Effect.sync(() => {
          draining = true
        }),
        begun.open
      ),
      begun: begun.await,
      isDraining: () => draining,
      keep: (effect) => Effect.flatMap(FiberSet.run(writes, effect), Fiber.join),
      add: (fiber) => FiberSet.unsafeAdd(writes, fiber),
      idle: FiberSet.awaitEmpty(writes)
    })
  })
)
