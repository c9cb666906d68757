import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Domain from "../../domain/Subscription.js"
import type { Invalid } from "../../domain/validate.js"
import { SubscriptionReader } from "../../store/read/SubscriptionReader.js"
import { AuditLog } from "../../telemetry/AuditLog.js"
import type { Denied, ReadFailed } from "../errors.js"
import * as Write from "../writing/Write.js"
import { unlessLimited } from "./subscribe.js"

/** Which ones: by its id, or all of an agent, in a namespace. */
type Which = { readonly id: string } | { readonly agentId: string; readonly namespace: string | undefined }

interface Unsubscribed extends Write.Acknowledged {
  /** The first of those that were there; none where none was. */
  readonly id: string | null
}

/** Ends subscriptions on every node. */
export const unsubscribe = (
  which: Which,
  caller = Write.anonymous
): Write.Verb<Unsubscribed, Invalid | Denied | ReadFailed, AuditLog | SubscriptionReader> =>
  Write.together({
    name: "unsubscribe",
    counts: "deleted",
    caller,
    request: [which],
    governed: "ungoverned",
    prepare: (self) =>
      Effect.gen(function*() {
        yield* unlessLimited
        const { agentId } = yield* Write.askingOf(self, undefined)
        const known = (yield* (yield* SubscriptionReader).all).map(({ subscription }) => subscription)
        const ids = known.filter((each) =>
          "id" in which
            ? each.id === which.id
            : each.agent_id === which.agentId &&
              (which.namespace === undefined || namespaceOf(each) === which.namespace)
        )
        return { agentId, ids: ids.map(({ id }) => id) }
      }),
    decide: (batch, { ids }) => {
      const now = batch.now()
      for (const id of ids) {
        const covers = now.versions("subscription", id).map(({ ref }) => ref)
        if (covers.length > 0) batch.write({ payload: { kind: "unsubscribe", entity: id }, baseHlc: null, covers })
      }
      return Either.void
    },
    settle: ({ written }, { agentId }) =>
      Effect.gen(function*() {
        const { record } = yield* AuditLog
        const ids = written.map(({ operation }) => operation.entity)
        for (const id of ids) yield* record({ type: "subscription.removed", agentId, payload: { id } })
        return { ...yield* Write.acknowledge(written), id: ids[0] ?? null }
      })
  })

const namespaceOf = ({ namespace, namespace_filter }: Domain.Subscription) => namespace ?? namespace_filter
