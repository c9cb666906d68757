import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { NodeConfig } from "../../config/NodeConfig.js"

/** What becomes of memories that are forgotten or have expired: they are archived, or deleted. */
export class Retention extends Context.Reference<Retention>()("quorate/operations/Retention", {
  defaultValue: (): { readonly archives: boolean } => ({ archives: true })
}) {}

export const layer: Layer.Layer<never, never, NodeConfig> = Layer.effect(
  Retention,
  Effect.map(NodeConfig, ({ archiveOnGc }) => ({ archives: archiveOnGc }))
)
