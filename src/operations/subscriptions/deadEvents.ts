import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { DEFAULT_DEAD_LETTERS } from "../../domain/limits.js"
import { type DeadEvent, Deliveries } from "../../store/Deliveries.js"
import { ChangeReader } from "../../store/read/ChangeReader.js"
import { SubscriptionReader } from "../../store/read/SubscriptionReader.js"
import { type LocalWriteFailed, NotFound, type Overloaded, type ReadFailed } from "../errors.js"
import { attempt } from "./serve.js"
import type { Webhooks } from "./Webhooks.js"

/** Events that receivers did not take from this node, the oldest first. */
export const deadEvents = (page: {
  readonly subscription_id?: string | undefined
  readonly limit?: number | undefined
  readonly offset?: number | undefined
}): Effect.Effect<ReadonlyArray<DeadEvent>, never, Deliveries> =>
  Effect.flatMap(
    Deliveries,
    ({ dead }) =>
      dead({
        subscriptionId: page.subscription_id,
        limit: page.limit ?? DEFAULT_DEAD_LETTERS,
        offset: page.offset ?? 0
      })
  )

/** What became of an event that was sent once more. `gone`: this node has it no more, and it is listed no more. */
type Replayed = "delivered" | "refused" | "gone"

type Failed = NotFound | LocalWriteFailed | Overloaded | ReadFailed

/** Sends one of them once more, now. */
export const replay = (
  id: string
): Effect.Effect<Replayed, Failed, Deliveries | ChangeReader | SubscriptionReader | Webhooks> =>
  Effect.flatMap(letterOf(id), sendAgain)

/** Sends those of a subscription once more, the oldest first, until one is not taken; answers how many were, and how many are left. */
export const replayAll = (subscriptionId: string) =>
  Effect.gen(function*() {
    const { dead } = yield* Deliveries
    yield* subscriptionOf(subscriptionId)
    const letters = yield* dead({ subscriptionId, limit: MAX_REPLAYED, offset: 0 })
    let delivered = 0
    for (const letter of letters) {
      const outcome = yield* sendAgain(letter)
      if (outcome === "refused") break
      if (outcome === "delivered") delivered++
    }
    return { delivered, left: (yield* dead({ subscriptionId, limit: MAX_LEFT, offset: 0 })).length }
  })

/** In one request, so that it ends. */
const MAX_REPLAYED = 100
const MAX_LEFT = 1_000

/** Gives one of them up. */
export const discard = (id: string): Effect.Effect<void, Failed, Deliveries> =>
  Effect.gen(function*() {
    const letter = yield* letterOf(id)
    yield* (yield* Deliveries).forget(letter.id)
  })

const letterOf = (id: string) =>
  Effect.gen(function*() {
    const { deadOf } = yield* Deliveries
    const letter = /^[0-9]{1,15}$/.test(id) ? yield* deadOf(Number(id)) : null
    return letter === null ? yield* new NotFound() : letter
  })

const subscriptionOf = (id: string) =>
  Effect.gen(function*() {
    const { all } = yield* SubscriptionReader
    const found = (yield* all).find(({ subscription }) => subscription.id === id)
    return found === undefined ? yield* new NotFound() : found.subscription
  })

const sendAgain = (letter: DeadEvent) =>
  Effect.gen(function*() {
    const { bury, forget } = yield* Deliveries
    const { again } = yield* ChangeReader
    const subscription = yield* subscriptionOf(letter.subscriptionId)
    const change = yield* again(letter)
    const outcome = change === null ? null : yield* Effect.either(attempt(change, subscription))
    if (outcome !== null && Either.isLeft(outcome)) {
      yield* bury({ ...letter, reason: outcome.left.reason, attempts: 1 })
      return "refused" as const
    }
    yield* forget(letter.id)
    return outcome === null ? "gone" as const : "delivered" as const
  })
