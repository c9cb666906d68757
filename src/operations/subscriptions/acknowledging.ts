import * as Either from "effect/Either"
import { decodeDelivery, type Delivery } from "../../domain/Subscription.js"
import type { Decision, Transaction } from "../../store/MemoryStore.js"

/** Nothing is to be written: there is no such subscription any more, or a member of the mesh knows none. */
type Needless = { readonly _tag: "Needless" }

/** How far a subscription was served, in the place of all that was said of that before. */
export const acknowledging = (now: Transaction, delivery: Delivery): Either.Either<Decision, Needless> => {
  const { id } = delivery
  if (now.format === 1 || now.current("subscription", id) === null) return Either.left({ _tag: "Needless" })
  const before = now.versions("delivery", id)
  const said = before.map(({ body }) => Either.getOrThrow(decodeDelivery(JSON.parse(body))))
  return Either.right({
    payload: {
      kind: "delivery",
      delivery: {
        ...delivery,
        dispatched: Math.max(delivery.dispatched, ...said.map(({ dispatched }) => dispatched)),
        failed: Math.max(delivery.failed, ...said.map(({ failed }) => failed))
      }
    },
    baseHlc: null,
    covers: before.map(({ ref }) => ref)
  })
}
