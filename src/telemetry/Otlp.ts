import * as OtlpLogger from "@effect/opentelemetry/OtlpLogger"
import * as OtlpMetrics from "@effect/opentelemetry/OtlpMetrics"
import * as OtlpSerialization from "@effect/opentelemetry/OtlpSerialization"
import * as OtlpTracer from "@effect/opentelemetry/OtlpTracer"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import { cleanTraces } from "./cleanTraces.js"
import * as Sampler from "./Sampler.js"

/**
 * Traces, metrics and logs over OTLP, set up by the standard `OTEL_*` variables alone. Off, at no cost to a request, unless
 * `OTEL_EXPORTER_OTLP_ENDPOINT` names a collector.
 */
export const layer = (options: {
  /** The node id. */
  readonly serviceInstanceId?: string
  readonly serviceVersion: string
}): Layer.Layer<never, ConfigError.ConfigError> =>
  Layer.unwrapEffect(Effect.map(
    configured,
    Option.match({
      onNone: () => Layer.setTracerEnabled(false),
      onSome: ({ endpoint, settings }) => exporters(endpoint, settings, options)
    })
  ))

const exporters = (
  endpoint: string,
  settings: Settings,
  options: { readonly serviceInstanceId?: string; readonly serviceVersion: string }
) => {
  const { "service.name": attributeName, ...attributes } = settings.attributes
  const common = (path: string) => ({
    url: `${endpoint.replace(/\/+$/, "")}${path}`,
    headers: settings.headers,
    resource: {
      serviceName: Option.getOrUndefined(settings.serviceName) ?? attributeName ?? "quorate",
      serviceVersion: options.serviceVersion,
      attributes: {
        ...attributes,
        ...(options.serviceInstanceId === undefined ? {} : { "service.instance.id": options.serviceInstanceId })
      }
    }
  })
  const tracer = alone(OtlpTracer.make(common("/v1/traces"))).pipe(
    Effect.map((tracer) => Layer.setTracer(Sampler.sampled(tracer, settings.sampler))),
    Layer.unwrapScoped
  )
  return Layer.mergeAll(
    settings.traces === "none" ? Layer.setTracerEnabled(false) : tracer,
    settings.metrics === "none" ? Layer.empty : Layer.scopedDiscard(alone(OtlpMetrics.make(common("/v1/metrics")))),
    settings.logs === "none" ? Layer.empty : Logger.addScoped(alone(OtlpLogger.make(common("/v1/logs"))))
  ).pipe(
    Layer.provide(Layer.provide(
      clean,
      settings.protocol === "http/json" ? OtlpSerialization.layerJson : OtlpSerialization.layerProtobuf
    )),
    Layer.provide(NodeHttpClient.layerUndici)
  )
}

const clean = Layer.effect(
  OtlpSerialization.OtlpSerialization,
  Effect.map(OtlpSerialization.OtlpSerialization, (serialization) => ({
    ...serialization,
    traces: (data: unknown) => serialization.traces(cleanTraces(data))
  }))
)

/** The library reads some of the variables, too, and would let the attribute `service.name` pass beside the name. */
const alone = Effect.withConfigProvider(ConfigProvider.fromMap(new Map()))

const fail = (name: string, expected: string, text: string) =>
  Either.left(ConfigError.InvalidData([], `${name}: expected ${expected}, got ${JSON.stringify(text)}`))

/** An empty variable counts as unset, as the standard says. */
const variable = (name: string): Config.Config<Option.Option<string>> =>
  Config.string(name).pipe(
    Config.map((text) => text.trim() === "" ? Option.none() : Option.some(text.trim())),
    Config.withDefault(Option.none())
  )

const oneOf = <const Values extends ReadonlyArray<string>>(
  name: string,
  values: Values,
  fallback: Values[number]
): Config.Config<Values[number]> =>
  Config.mapOrFail(variable(name), (given) => {
    if (Option.isNone(given)) return Either.right(fallback)
    const found = values.find((value) => value === given.value)
    return found === undefined ? fail(name, `one of ${values.join(", ")}`, given.value) : Either.right(found)
  })

/** `key=value` pairs separated by commas; keys and values are percent-encoded. */
const pairs = (name: string): Config.Config<Record<string, string>> =>
  Config.mapOrFail(variable(name), (given) => {
    const entries = Option.getOrElse(given, () => "").split(",").filter((pair) => pair.trim() !== "").map(pairOf)
    // The value may hold a token, so it is not repeated.
    return entries.every((entry) => entry !== undefined)
      ? Either.right(Object.fromEntries(entries))
      : Either.left(ConfigError.InvalidData([], `${name}: expected key=value pairs separated by commas`))
  })

const pairOf = (pair: string): readonly [string, string] | undefined => {
  const at = pair.indexOf("=")
  if (at <= 0) return undefined
  try {
    return [decodeURIComponent(pair.slice(0, at).trim()), decodeURIComponent(pair.slice(at + 1).trim())]
  } catch {
    return undefined
  }
}

const endpoint = Config.mapOrFail(
  variable("OTEL_EXPORTER_OTLP_ENDPOINT"),
  (given) =>
    Option.isNone(given) || /^https?:$/.test(protocolOf(given.value))
      ? Either.right(given)
      : fail("OTEL_EXPORTER_OTLP_ENDPOINT", "an http or https URL", given.value)
)

const protocolOf = (text: string) => URL.canParse(text) ? new URL(text).protocol : ""

const sampler = Config.all([
  oneOf("OTEL_TRACES_SAMPLER", Sampler.names, "parentbased_always_on"),
  variable("OTEL_TRACES_SAMPLER_ARG")
]).pipe(Config.mapOrFail(([name, argument]) => {
  const ratio = Option.match(argument, { onNone: () => 1, onSome: Number })
  return ratio >= 0 && ratio <= 1
    ? Either.right(Sampler.make(name, ratio))
    : fail("OTEL_TRACES_SAMPLER_ARG", "a number 0..1", Option.getOrElse(argument, () => ""))
}))

const exporter = (signal: string) => oneOf(`OTEL_${signal}_EXPORTER`, ["otlp", "none"], "otlp")

const settings = Config.all({
  protocol: oneOf("OTEL_EXPORTER_OTLP_PROTOCOL", ["http/protobuf", "http/json"], "http/protobuf"),
  headers: pairs("OTEL_EXPORTER_OTLP_HEADERS"),
  serviceName: variable("OTEL_SERVICE_NAME"),
  attributes: pairs("OTEL_RESOURCE_ATTRIBUTES"),
  sampler,
  traces: exporter("TRACES"),
  metrics: exporter("METRICS"),
  logs: exporter("LOGS")
})

type Settings = Config.Config.Success<typeof settings>

/** Where to send; none means off, and then the other variables are not even read. */
const target = Config.all([endpoint, variable("OTEL_SDK_DISABLED")]).pipe(
  Config.map(([endpoint, disabled]) =>
    Option.exists(disabled, (text) => text.toLowerCase() === "true") ? Option.none() : endpoint
  )
)

/** What the variables say, where they are as they must be: that can be known before anything is opened. */
export const configured = Effect.flatMap(
  target,
  Option.match({
    onNone: () => Effect.succeedNone,
    onSome: (endpoint) => Effect.map(settings, (settings) => Option.some({ endpoint, settings }))
  })
)
