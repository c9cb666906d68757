import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as validate from "../../domain/validate.js"
import type { ReadFailed } from "../../store/errors.js"
import { LinkReader } from "../../store/read/LinkReader.js"

/** The id that the memory at the beginning of a walk has now; one that is not here keeps its own, and leads nowhere. */
export const sourceOf = (id: string): Effect.Effect<string, validate.Invalid | ReadFailed, LinkReader> =>
  Effect.gen(function*() {
    const reader = yield* LinkReader
    yield* validate.named("source_id", validate.memoryId(id))
    return Option.getOrElse(yield* reader.resolve(id), () => id)
  })
