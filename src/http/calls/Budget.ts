import * as Context from "effect/Context"
import * as Layer from "effect/Layer"

/** What every open answer together may hold that its client has not taken yet. */
const MAX_ANSWER_BYTES = 128 * 1024 * 1024
/** The same for what clients send. */
const MAX_BODIES_BYTES = 256 * 1024 * 1024

/** Something that ends with an event: a response that was sent, or whose client is gone. */
interface Ends {
  readonly once: (event: "close", listener: () => void) => unknown
}

/** So many bytes, shared by everything that is open: what does not fit is refused. */
interface Budget {
  /** Whether there are so many. */
  readonly fits: (bytes: number) => boolean
  /** Takes bytes until `until` closes; answers false, and takes none, when there are not so many. */
  readonly take: (bytes: number, until: Ends) => boolean
}

/**
 * Memory that clients can make this node hold. It is bounded for all of them together: a bound for each would be none for a
 * node that has thousands of them.
 */
export class Budgets extends Context.Tag("quorate/http/Budgets")<Budgets, {
  readonly answers: Budget
  readonly bodies: Budget
}>() {}

const make = (most: number): Budget => {
  let left = most
  return {
    fits: (bytes) => bytes <= left,
    take: (bytes, until) => {
      if (bytes > left) return false
      if (bytes === 0) return true
      left -= bytes
      until.once("close", () => {
        left += bytes
      })
      return true
    }
  }
}

export const layer: Layer.Layer<Budgets> = Layer.sync(
  Budgets,
  () => ({ answers: make(MAX_ANSWER_BYTES), bodies: make(MAX_BODIES_BYTES) })
)
