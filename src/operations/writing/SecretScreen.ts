import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { NodeConfig, type SecretScreenMode } from "../../config/NodeConfig.js"

/** What is done with texts of clients that look like credentials. Nothing that nodes bring is looked at. */
export class SecretScreen extends Context.Reference<SecretScreen>()("quorate/operations/SecretScreen", {
  defaultValue: (): { readonly mode: SecretScreenMode } => ({ mode: "warn" })
}) {}

export const layer: Layer.Layer<SecretScreen, never, NodeConfig> = Layer.effect(
  SecretScreen,
  Effect.map(NodeConfig, ({ secretScreen }) => ({ mode: secretScreen }))
)
