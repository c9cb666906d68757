import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { NodeConfig } from "../../config/NodeConfig.js"
import { usual, type Weights } from "../../domain/recall/rank.js"

/** How much each part of a score counts in the recalls of this node. */
export class RecallWeights extends Context.Reference<RecallWeights>()("quorate/operations/RecallWeights", {
  defaultValue: (): Weights => usual
}) {}

export const layer: Layer.Layer<never, never, NodeConfig> = Layer.effect(
  RecallWeights,
  Effect.map(NodeConfig, ({ recallWeights }) => recallWeights)
)
