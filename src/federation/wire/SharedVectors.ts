import * as Context from "effect/Context"
import * as Option from "effect/Option"
import type { Space } from "../../store/vectors/VectorStore.js"

/** What vectors this node has for other nodes of ours. */
interface Sharing {
  /**
   * The model that they are of; none where there is none, or to make a vector costs less than to send it. Its dimensions are 0 until
   * they are known.
   */
  readonly space: () => Option.Option<Space>
}

/** None where nobody says otherwise. */
export class SharedVectors extends Context.Reference<SharedVectors>()("quorate/federation/SharedVectors", {
  defaultValue: (): Sharing => ({ space: () => Option.none() })
}) {}
