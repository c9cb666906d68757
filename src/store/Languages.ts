import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { NodeConfig } from "../config/NodeConfig.js"
import type { NamespaceLanguages } from "../domain/analysis/namespaceLanguages.js"

/** The languages of namespaces on this node: by which their memories are indexed, and asked for there. */
export class Languages extends Context.Reference<Languages>()("quorate/store/Languages", {
  defaultValue: (): NamespaceLanguages => new Map()
}) {}

export const layer: Layer.Layer<never, never, NodeConfig> = Layer.effect(
  Languages,
  Effect.map(NodeConfig, ({ namespaceLanguage }) => namespaceLanguage)
)
