import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"

/** Work that goes on at once at most; more than that is not worth doing. */
const MAX_RUNNING = 64

/** Runs what can be done after the answer. It ends with the node; its failures are logged. */
export class Background extends Context.Tag("quorate/operations/Background")<Background, {
  /** Starts the work and does not wait for it. When too much is going on already, it is left out. */
  readonly run: <E, R>(what: string, work: Effect.Effect<void, E, R>) => Effect.Effect<void, never, R>
}>() {}

export const layer: Layer.Layer<Background> = Layer.scoped(
  Background,
  Effect.map(FiberSet.make<void>(), (running) =>
    Background.of({
      run: (what, work) =>
        Effect.flatMap(FiberSet.size(running), (size) =>
          size >= MAX_RUNNING ? Effect.void : Effect.asVoid(FiberSet.run(
            running,
            Effect.catchAllCause(work, (cause) => Effect.logWarning(`${what} failed`, cause))
          )))
    }))
)
