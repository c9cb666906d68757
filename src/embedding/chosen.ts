import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { NodeConfig } from "../config/NodeConfig.js"
import { checked, Embedder } from "./Embedder.js"
import * as StaticEmbedder from "./StaticEmbedder.js"

/** The embedder that the settings name. */
export const layer: Layer.Layer<Embedder, never, NodeConfig> = Layer.effect(
  Embedder,
  Effect.map(NodeConfig, ({ embedder }) => {
    switch (embedder) {
      case "static":
        return Option.some(checked(StaticEmbedder.model))
      case "none":
        return Option.none()
    }
  })
)
