import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { MemoryStore } from "./MemoryStore.js"

const RETRIED_AFTER = Duration.seconds(5)

/** Keeps the index near to what is committed, where nobody looks for words. */
export const layer: Layer.Layer<never, never, MemoryStore> = Layer.scopedDiscard(
  Effect.gen(function*() {
    const { words } = yield* MemoryStore
    yield* words.kept.pipe(
      Effect.catchAll((error) =>
        Effect.zipRight(
          Effect.logWarning("what came last could not be indexed by its words: trying again", error),
          Effect.sleep(RETRIED_AFTER)
        )
      ),
      Effect.forever,
      Effect.tapErrorCause((cause) => Effect.logError("indexing by words stopped", cause)),
      Effect.forkScoped
    )
  })
)
