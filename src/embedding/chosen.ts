import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { type EmbedderKind, isLoopback, NodeConfig, type Settings } from "../config/NodeConfig.js"
import { checked, Embedder, EmbedderUnusable, type Model, watched } from "./Embedder.js"
import * as MinilmEmbedder from "./MinilmEmbedder.js"
import { ollama } from "./ollama.js"
import { openai } from "./openai.js"
import * as RemoteEmbedder from "./RemoteEmbedder.js"
import * as StaticEmbedder from "./StaticEmbedder.js"

/** The embedder that the settings name. */
export const layer: Layer.Layer<Embedder, EmbedderUnusable, NodeConfig> = Layer.scoped(
  Embedder,
  Effect.flatMap(
    NodeConfig,
    (settings) =>
      settings.embedder === "none" ?
        Effect.succeedNone :
        Effect.map(modelOf(settings.embedder, settings), (model) => Option.some(watched(model)))
  )
)

const modelOf = (
  kind: Exclude<EmbedderKind, "none">,
  settings: Settings
): Effect.Effect<Model, EmbedderUnusable, Scope.Scope> => {
  switch (kind) {
    case "static":
      return Effect.succeed(checked(StaticEmbedder.model))
    case "minilm":
      return Effect.map(MinilmEmbedder.make, checked)
    case "openai":
      return remote(openai, settings)
    case "ollama":
      return remote(ollama, settings)
  }
}

/** With connections of its own: those to peers show the certificate of this node. No trace goes with what it is asked. */
const remote = (protocol: RemoteEmbedder.Protocol, settings: Settings) =>
  Effect.gen(function*() {
    const url = Option.getOrUndefined(settings.embedderUrl) ?? protocol.usualUrl
    const model = Option.getOrUndefined(settings.embedderModel)
    if (url === undefined || model === undefined) {
      return yield* new EmbedderUnusable({ problem: `--embedder ${protocol.name} is to be told where and which model` })
    }
    const { hostname, protocol: scheme } = new URL(url)
    if (scheme === "http:" && !isLoopback(hostname)) {
      yield* Effect.logWarning(`memories and questions go to ${url} without TLS: use https outside a trusted network`)
    }
    const client = NodeHttpClient.makeUndici(yield* NodeHttpClient.makeDispatcher)
    return RemoteEmbedder.make(HttpClient.withTracerDisabledWhen(client, () => true), protocol, {
      url: url.replace(/\/+$/, ""),
      model,
      key: settings.embedderKey,
      dimensions: Option.getOrUndefined(settings.embedderDimensions)
    })
  })
