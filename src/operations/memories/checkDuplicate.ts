import * as Effect from "effect/Effect"
import { DEFAULT_DUPLICATE_THRESHOLD } from "../../domain/limits.js"
import { tidy, tidyTitle } from "../../domain/text.js"
import type { Invalid } from "../../domain/validate.js"
import * as validate from "../../domain/validate.js"
import { NoEmbedder } from "../errors.js"

interface CheckDuplicate {
  readonly title: string
  readonly content: string
  /** A blank one is as good as none. */
  readonly namespace?: string | undefined
  /** How alike two memories must be, 0 to 1; less than 0.5 is taken as 0.5. */
  readonly threshold?: number | undefined
}

/** Whether a memory says what another one says already. That takes a model, and this node has none. */
export const checkDuplicate = (request: CheckDuplicate): Effect.Effect<never, Invalid | NoEmbedder> =>
  Effect.gen(function*() {
    yield* validate.title(tidyTitle(request.title))
    yield* validate.content(tidy(request.content))
    if (request.namespace !== undefined && validate.trim(request.namespace) !== "") {
      yield* validate.namespace(request.namespace)
    }
    yield* validate.named("threshold", validate.confidence(request.threshold ?? DEFAULT_DUPLICATE_THRESHOLD))
    return yield* new NoEmbedder()
  })
