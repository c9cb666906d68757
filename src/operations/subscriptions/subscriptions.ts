import * as Effect from "effect/Effect"
import type { Subscription } from "../../domain/Subscription.js"
import { type Subscribed, SubscriptionReader } from "../../store/read/SubscriptionReader.js"
import type { ReadFailed } from "../errors.js"

interface Listed {
  readonly subscription: Subscription
  /** Events that its receiver has taken, and those that became dead letters: as nodes last said. */
  readonly dispatched: number
  readonly failed: number
}

/** The subscriptions of an agent, or all of them, the oldest first. */
export const subscriptions = (
  agentId: string | undefined
): Effect.Effect<ReadonlyArray<Listed>, ReadFailed, SubscriptionReader> =>
  Effect.map(
    Effect.flatMap(SubscriptionReader, ({ all }) => all),
    (all) => all.filter(({ subscription }) => agentId === undefined || subscription.agent_id === agentId).map(listed)
  )

const listed = ({ deliveries, subscription }: Subscribed): Listed => ({
  subscription,
  dispatched: Math.max(0, ...deliveries.map(({ delivery }) => delivery.dispatched)),
  failed: Math.max(0, ...deliveries.map(({ delivery }) => delivery.failed))
})
