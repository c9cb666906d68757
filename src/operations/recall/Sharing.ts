import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Embedder } from "../../embedding/Embedder.js"
import { travels } from "../../embedding/shippedName.js"
import { SharedVectors } from "../../federation/wire/SharedVectors.js"

/** Other nodes of ours are given the vectors of this node's model, where they travel. */
export const layer: Layer.Layer<SharedVectors, never, Embedder> = Layer.effect(
  SharedVectors,
  Effect.map(Embedder, (embedder) => {
    const shared = Option.filter(embedder, travels)
    // The id of the model may be another one by each look.
    return SharedVectors.of({ space: () => Option.map(shared, ({ dimensions, id }) => ({ id, dimensions })) })
  })
)
