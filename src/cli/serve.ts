import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import * as RuntimeFlags from "effect/RuntimeFlags"
import * as RuntimeFlagsPatch from "effect/RuntimeFlagsPatch"
import type { Effective } from "../config/ConfigSources.js"
import * as NodeConfig from "../config/NodeConfig.js"
import { version } from "../domain/version.js"
import * as MemoryNode from "../MemoryNode.js"
import * as Heap from "../telemetry/Heap.js"
import * as Logging from "../telemetry/Logging.js"
import * as Metrics from "../telemetry/Metrics.js"
import * as Otlp from "../telemetry/Otlp.js"
import * as ProcessMetrics from "../telemetry/ProcessMetrics.js"
import * as flags from "./flags.js"

/** `quorate serve`: one node, until it is told to end. */
export const make = <E, R>(inherited: Effect.Effect<flags.Flags, E, R>) =>
  Command.make("serve", flags.options(), (own) =>
    Effect.gen(function*() {
      const effective = yield* flags.effective(own, yield* inherited)
      yield* serving(effective).pipe(Effect.provide(logsAndProcess(effective.settings)), withoutFiberMetrics)
    })).pipe(Command.withDescription("Serve one node over HTTP, with its database in one file."))

const serving = ({ settings, warnings }: Effective) =>
  Effect.gen(function*() {
    const reloadBy = yield* hangups
    yield* Otlp.configured
    yield* Effect.forEach(warnings, (warning) => Effect.logWarning(warning), { discard: true })
    if (settings.db === ":memory:") {
      yield* Effect.logWarning("db :memory: keeps nothing: every memory of this node is gone when it ends")
    }
    return yield* MemoryNode.serve(
      (nodeId) => Otlp.layer({ serviceVersion: version, serviceInstanceId: nodeId }),
      ({ reload }) => reloadBy(reload)
    )
  }).pipe(Effect.scoped, Effect.provideService(NodeConfig.NodeConfig, settings))

/**
 * A hangup ends no daemon, from its first moment on: terminals that close send it, and supervisors that mean "read your files
 * again". Answers what tells it how.
 */
const hangups = Effect.gen(function*() {
  const fork = Runtime.runFork(yield* Effect.runtime())
  let reload: Effect.Effect<string, Error> = Effect.succeed("nothing: it has just begun")
  const onHangup = () =>
    fork(Effect.matchEffect(reload, {
      onSuccess: (what) => Effect.logInfo(`SIGHUP: read again: ${what}; other settings are those of the start`),
      onFailure: (error) => Effect.logError(`SIGHUP: nothing was changed: ${error.message}`)
    }))
  yield* Effect.acquireRelease(
    Effect.sync(() => process.on("SIGHUP", onHangup)),
    () => Effect.sync(() => process.off("SIGHUP", onHangup))
  )
  return (how: Effect.Effect<string, Error>) =>
    Effect.sync(() => {
      reload = how
    })
})

/**
 * Logs first: what the others say while they start and end is written too. A daemon is alone in its process, so its metrics are
 * the process's, which the OTLP exporter reads.
 */
const logsAndProcess = ({ logFormat, logLevel }: NodeConfig.Settings) =>
  Layer.merge(ProcessMetrics.layer, Heap.layer).pipe(
    Layer.provideMerge(Metrics.layerGlobal),
    Layer.provideMerge(Logging.layer({ level: logLevel, format: logFormat, colors: isColorful() }))
  )

/** Effect counts and times every fiber: a cost to each request, and nothing that an operator asks for. */
const withoutFiberMetrics = Effect.withRuntimeFlagsPatch(RuntimeFlagsPatch.disable(RuntimeFlags.RuntimeMetrics))

const isColorful = () => process.stderr.isTTY && (process.env["NO_COLOR"] ?? "") === ""
