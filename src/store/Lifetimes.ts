import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { NodeConfig } from "../config/NodeConfig.js"
import { type Lifetimes as Times, usual } from "../domain/Lifetimes.js"

/** How long memories live on this node: what is decided here. What other nodes decided comes with their writes. */
export class Lifetimes extends Context.Reference<Lifetimes>()("quorate/store/Lifetimes", {
  defaultValue: (): Times => usual
}) {}

export const layer: Layer.Layer<never, never, NodeConfig> = Layer.effect(
  Lifetimes,
  Effect.map(NodeConfig, ({ longTtl, midExtend, midTtl, shortExtend, shortTtl }): Times => ({
    created: { short: shortTtl, mid: midTtl, long: longTtl },
    recalled: { ...usual.recalled, short: shortExtend, mid: midExtend }
  }))
)
