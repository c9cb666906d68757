import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { NodeConfig, type PermissionsMode } from "../../config/NodeConfig.js"

/** How the policies of namespaces were applied since the start of the node. */
export interface DecisionCounts {
  allowed: number
  denied: number
  queued: number
}

/**
 * What this node does with the policies of namespaces: `enforce` them, only log what they would have done (`advisory`), or
 * not look at them (`off`). A reference, so that policies hold where nobody thought of them.
 */
export class Permissions extends Context.Reference<Permissions>()("quorate/operations/Permissions", {
  defaultValue: () => make("enforce")
}) {}

const make = (mode: PermissionsMode): { readonly mode: PermissionsMode; readonly counts: DecisionCounts } => ({
  mode,
  counts: { allowed: 0, denied: 0, queued: 0 }
})

export const layer: Layer.Layer<Permissions, never, NodeConfig> = Layer.effect(
  Permissions,
  Effect.map(NodeConfig, ({ permissionsMode }) => make(permissionsMode))
)
