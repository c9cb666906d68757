import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { MemoryStore } from "./MemoryStore.js"

/** How often a daemon looks by itself for what the others of its site have brought in. Whoever asks it something looks before that. */
const EVERY = Duration.millis(500)
/** After a failure. */
const AGAIN = Duration.seconds(1)

/** Whether those who fail are told of: once, until it succeeds again. */
const telling = () => {
  let hasFailed = false
  return {
    failed: (error: { readonly message: string }) =>
      Effect.suspend(() => {
        const isNew = !hasFailed
        hasFailed = true
        return isNew ? Effect.logError(`site: ${error.message}`) : Effect.void
      }),
    succeeded: Effect.suspend(() => {
      const isNew = hasFailed
      hasFailed = false
      return isNew ? Effect.logInfo("site: the store answers again") : Effect.void
    })
  }
}

/** Follows the log of the site, where there is one: once before anybody asks, and then for as long as it lives. */
export const layer: Layer.Layer<never, never, MemoryStore> = Layer.scopedDiscard(
  Effect.gen(function*() {
    const { others } = yield* MemoryStore
    if (Option.isNone(others)) return
    const { fresh, lately } = others.value
    const { failed, succeeded } = telling()
    const heard = (news: typeof fresh) =>
      Effect.retry(Effect.zipRight(Effect.tapError(news, failed), succeeded), Schedule.spaced(AGAIN))
    yield* Effect.ignore(heard(fresh))
    yield* Effect.forkScoped(Effect.repeat(heard(lately), Schedule.spaced(EVERY)))
  })
)
