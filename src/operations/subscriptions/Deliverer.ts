import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as Layer from "effect/Layer"
import { MAX_SUBSCRIPTIONS } from "../../domain/limits.js"
import type { Federation } from "../../federation/Federation.js"
import { Deliveries } from "../../store/Deliveries.js"
import { MemoryStore } from "../../store/MemoryStore.js"
import type { ChangeReader } from "../../store/read/ChangeReader.js"
import { type Subscribed, SubscriptionReader } from "../../store/read/SubscriptionReader.js"
import { Metrics } from "../../telemetry/Metrics.js"
import type { ChangeFeed } from "../changes/ChangeFeed.js"
import * as Duty from "./Duty.js"
import { serve } from "./serve.js"
import type { Webhooks } from "./Webhooks.js"

/** How often it is looked what there is to serve. */
const INTERVAL = Duration.millis(500)
/** After something went wrong with a subscription on this side. */
const PAUSE = Duration.seconds(5)

type Services =
  | ChangeFeed
  | ChangeReader
  | Deliveries
  | Federation
  | MemoryStore
  | Metrics
  | SubscriptionReader
  | Webhooks

/** Serves the subscriptions that it is for this node to serve: a fiber for each. */
export const layer: Layer.Layer<never, never, Services> = Layer.scopedDiscard(Effect.gen(function*() {
  const duty = yield* Duty.make
  const { all } = yield* SubscriptionReader
  const { countDead, tidy } = yield* Deliveries
  const { vector } = yield* MemoryStore
  const metrics = yield* Metrics
  const serving = yield* FiberMap.make<string>()
  let seen: unknown = null
  let known: ReadonlyArray<Subscribed> = []

  const look = Effect.gen(function*() {
    duty.look()
    const now = vector()
    if (now !== seen) {
      const found = yield* all
      if (seen === null || keysOf(found) !== keysOf(known)) yield* tidy
      known = found
      seen = now
    }
    metrics.subscriptions(known.length)
    metrics.deadEvents(yield* countDead)
    const mine = new Map(
      known.slice(0, MAX_SUBSCRIPTIONS).flatMap((each) =>
        each.subscription.url !== undefined && duty.isMine(each) ? [[keyOf(each), each] as const] : []
      )
    )
    for (const [key] of serving) if (!mine.has(key)) yield* FiberMap.remove(serving, key)
    for (const [key, each] of mine) {
      if (!(yield* FiberMap.has(serving, key))) yield* FiberMap.run(serving, key, served(each))
    }
  })

  yield* look.pipe(
    Effect.catchAllCause(unlessInterrupted("subscriptions can not be read; they are tried again")),
    Effect.zipRight(Effect.sleep(INTERVAL)),
    Effect.forever,
    Effect.forkScoped
  )
}))

const served = (each: Subscribed) =>
  Effect.scoped(serve(each)).pipe(
    Effect.catchAllCause(
      unlessInterrupted(`subscription ${each.subscription.id} can not be served; it is tried again`)
    ),
    Effect.zipRight(Effect.sleep(PAUSE)),
    Effect.forever
  )

const unlessInterrupted = (text: string) => <E>(cause: Cause.Cause<E>): Effect.Effect<void, E> =>
  Cause.isInterruptedOnly(cause) ? Effect.failCause(cause) : Effect.logWarning(text, cause)

/** By its version: one that was written anew is served anew. */
const keyOf = ({ version: { hlc, id, origin } }: Subscribed): string => `${id} ${hlc} ${origin}`

const keysOf = (all: ReadonlyArray<Subscribed>): string => all.map(keyOf).join("\n")
