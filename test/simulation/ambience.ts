import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as HashSet from "effect/HashSet"
import * as Logger from "effect/Logger"
import type * as LogLevel from "effect/LogLevel"
import type * as Random from "effect/Random"
import * as Runtime from "effect/Runtime"
import * as RuntimeFlags from "effect/RuntimeFlags"
import { currentTurn } from "../../src/store/log/eventLoopTurn.js"
import type { Prng } from "./prng.js"
import * as SimTracer from "./SimTracer.js"

/** Told each line that is logged. */
export type Log = (level: LogLevel.LogLevel, message: string) => void

/** Effect's own metrics read the ambient clock. */
export const runtime: Runtime.Runtime<never> = Runtime.disableRuntimeFlag(
  Runtime.defaultRuntime,
  RuntimeFlags.RuntimeMetrics
)

/** Puts the simulation in the place of everything that an effect takes from around it. */
export const around = (options: {
  readonly clock: Clock.Clock
  readonly random: Random.Random
  /** Null turns tracing off. */
  readonly tracing: Prng | null
  readonly log: Log
  readonly logLevel: LogLevel.LogLevel
}) => {
  const logger = Logger.make(({ cause, logLevel, message }) => {
    options.log(logLevel, `${String(message)}${cause._tag === "Empty" ? "" : ` ${String(cause)}`}`)
  })
  return <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
    const traced = options.tracing === null
      ? Effect.withTracerEnabled(effect, false)
      : Effect.withTracer(effect, SimTracer.make(options.tracing))
    return traced.pipe(
      // Whatever can run runs before time goes on: that is one turn of an event loop.
      Effect.locally(currentTurn, options.clock.sleep(TURN)),
      Effect.locally(FiberRef.currentLoggers, HashSet.make(logger)),
      Logger.withMinimumLogLevel(options.logLevel),
      Effect.withRandom(options.random),
      Effect.withClock(options.clock)
    )
  }
}

const TURN = Duration.micros(50n)
