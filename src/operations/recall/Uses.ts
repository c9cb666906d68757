import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { MemoryStore } from "../../store/MemoryStore.js"
import { counted } from "../memories/touch.js"
import type { WriteServices } from "../writing/Write.js"

/**
 * Which memories were of use, counted some time after the recall that gave them: nothing is committed in the way of a recall, and
 * many recalls are one commit. What waits when a node is killed is lost; what waits when it ends is not.
 */
export class Uses extends Context.Tag("quorate/operations/Uses")<Uses, {
  readonly note: (ids: ReadonlyArray<string>) => Effect.Effect<void>
  /** Counts what waits, now. */
  readonly flush: Effect.Effect<void>
}>() {}

const PAUSE = Duration.seconds(1)
/** Uses that wait at most; more are not worth counting. */
const MAX_WAITING = 4096

const make = Effect.gen(function*() {
  const services = yield* Effect.context<MemoryStore | WriteServices>()
  const waiting: Array<string> = []
  const something = yield* Effect.makeLatch(false)

  const flush = Effect.suspend(() => {
    const ids = waiting.splice(0)
    something.unsafeClose()
    return ids.length === 0 ? Effect.void : counted(ids).pipe(
      Effect.provide(services),
      Effect.catchAllCause((cause) => Effect.logWarning("counting recalled memories failed", cause))
    )
  })
  yield* Effect.addFinalizer(() => flush)
  yield* something.await.pipe(
    Effect.zipRight(Effect.sleep(PAUSE)),
    Effect.zipRight(flush),
    Effect.forever,
    Effect.forkScoped
  )

  return Uses.of({
    flush,
    note: (ids) =>
      Effect.sync(() => {
        waiting.push(...ids.slice(0, MAX_WAITING - waiting.length))
        if (waiting.length > 0) something.unsafeOpen()
      })
  })
})

export const layer: Layer.Layer<Uses, never, MemoryStore | WriteServices> = Layer.scoped(Uses, make)
