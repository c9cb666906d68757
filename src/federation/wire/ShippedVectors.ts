import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { Memory } from "../../domain/Memory.js"
import type { ShippedEmbedding } from "./embeddings.js"

/** How vectors go with rows from and to nodes of the original. */
interface Shipping {
  /**
   * Looks at what came with rows that were applied, later: nobody waits for it. What fits the model of this node is kept, the
   * last one of an id; of the others the text is embedded here, as all texts are.
   */
  readonly receive: (rows: ReadonlyArray<Memory>, items: ReadonlyArray<ShippedEmbedding>) => Effect.Effect<void>
  /**
   * The vector to go with a memory: one that is kept, or, of what was just written, one that is made within some milliseconds.
   * None where there is none at hand, or none that an original could take.
   */
  readonly of: (memory: Memory, isNew: boolean) => Effect.Effect<Option.Option<ShippedEmbedding>>
}

/** None are sent and none are taken where nobody says otherwise. */
export class ShippedVectors extends Context.Reference<ShippedVectors>()("quorate/federation/ShippedVectors", {
  defaultValue: (): Shipping => ({ receive: () => Effect.void, of: () => Effect.succeedNone })
}) {}
