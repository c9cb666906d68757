import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FiberRef from "effect/FiberRef"
import { whyNotUrl } from "../../access/webhooks.js"
import { NodeConfig } from "../../config/NodeConfig.js"
import { MAX_SUBSCRIPTIONS, MAX_SUBSCRIPTIONS_OF_AGENT } from "../../domain/limits.js"
import * as Domain from "../../domain/Subscription.js"
import * as validate from "../../domain/validate.js"
import type { Entry, Transaction } from "../../store/MemoryStore.js"
import { SubscriptionReader } from "../../store/read/SubscriptionReader.js"
import * as Scope from "../../store/Scope.js"
import { AuditLog } from "../../telemetry/AuditLog.js"
import { ChangeFeed } from "../changes/ChangeFeed.js"
import * as cursor from "../changes/cursor.js"
import { eventsOf } from "../changes/wanted.js"
import { Denied, NotReady, type ReadFailed } from "../errors.js"
import * as Write from "../writing/Write.js"

interface SubscribeRequest {
  readonly url?: string | undefined
  readonly secret?: string | undefined
  /** Names with commas between them; `*` is all. */
  readonly events?: string | undefined
  readonly namespace_filter?: string | undefined
  readonly agent_filter?: string | undefined
  readonly namespace?: string | undefined
  readonly agent_id?: string | undefined
}

interface Subscribed extends Write.Acknowledged {
  readonly subscription: Domain.Subscription
}

type Wrong = validate.Invalid | Denied | NotReady | ReadFailed

/** Sends whoever asks for it what is changed from now on, from whichever node. */
export const subscribe = (
  request: SubscribeRequest,
  caller = Write.anonymous
): Write.Verb<Subscribed, Wrong, AuditLog | ChangeFeed | NodeConfig | SubscriptionReader> =>
  Write.together({
    name: "subscribe",
    counts: "created",
    caller,
    // Nothing of a secret is in what a key stands for.
    request: [{ ...request, secret: request.secret !== undefined }],
    governed: "ungoverned",
    prepare: (self) =>
      Effect.gen(function*() {
        yield* unlessLimited
        const { agentId, id } = yield* Write.askingOf(self, request.agent_id)
        yield* unlessTooMany(agentId)
        yield* checkUrl(request.url)
        const { end } = yield* ChangeFeed
        return {
          id,
          agentId,
          since: yield* cursor.write(yield* end),
          events: yield* eventsOf("events", request.events ?? "*")
        }
      }),
    decide: (batch, { agentId, events, id, since }) => {
      const now = batch.now()
      const { agent_filter, namespace, namespace_filter, secret, url } = request
      const filter = namespace_filter ?? (url === undefined ? undefined : namespace)
      return Either.flatMap(unlessOld(now), () =>
        Either.map(
          Domain.validate(Either.getOrThrow(Domain.decode({
            id,
            url: url ?? null,
            secret: secret ?? null,
            events: Array.from(events ?? []),
            namespace_filter: filter ?? null,
            agent_filter: agent_filter ?? null,
            namespace: namespace ?? null,
            agent_id: agentId,
            created_by: agentId,
            created_at: now.stamp,
            since
          }))),
          (subscription) => {
            batch.write({ payload: { kind: "subscription", subscription }, baseHlc: null, covers: [] })
          }
        ))
    },
    settle: ({ written }) =>
      Effect.gen(function*() {
        const subscription = subscriptionOf(written)
        const { agent_id: agentId, id, url } = subscription
        const { record } = yield* AuditLog
        yield* record({ type: "subscription.created", agentId, payload: { id, host: hostOf(url) } })
        return { ...yield* Write.acknowledge(written), subscription }
      })
  })

/** It would hear of everything, and go on when the key is gone. */
export const unlessLimited = Effect.flatMap(FiberRef.get(Scope.current), (namespaces) =>
  namespaces === null
    ? Effect.void
    : new Denied({ detail: "a key that is kept to namespaces can not subscribe: it may follow /api/v1/changes" }))

const unlessTooMany = (agentId: string) =>
  Effect.gen(function*() {
    const { all } = yield* SubscriptionReader
    const known = yield* all
    const own = known.filter(({ subscription }) => subscription.agent_id === agentId)
    if (known.length < MAX_SUBSCRIPTIONS && own.length < MAX_SUBSCRIPTIONS_OF_AGENT) return
    return yield* new validate.Invalid({
      field: "agent_id",
      message:
        `there are ${MAX_SUBSCRIPTIONS_OF_AGENT} subscriptions of an agent at most, and ${MAX_SUBSCRIPTIONS} of all`
    })
  })

const checkUrl = (url: string | undefined) =>
  Effect.gen(function*() {
    if (url === undefined) return
    const { allowLoopbackWebhooks: loopback } = yield* NodeConfig
    const why = whyNotUrl(yield* Domain.urlOf(url), { loopback })
    if (why !== undefined) return yield* new validate.Invalid({ field: "url", message: `url is ${why}` })
  })

/** Operations of the first format have no word for it. */
const unlessOld = ({ format }: Transaction): Either.Either<void, NotReady> =>
  format === 1
    ? Either.left(
      new NotReady({ detail: "a member of the mesh is of a version that knows no subscriptions, or was not asked yet" })
    )
    : Either.void

const subscriptionOf = (written: ReadonlyArray<Entry>): Domain.Subscription => {
  const [made] = written.flatMap(({ payload }) => payload.kind === "subscription" ? [payload.subscription] : [])
  if (made === undefined) throw new Error("a subscription wrote nothing")
  return made
}

/** All that a log may have of an address, whose path may be a secret. */
const hostOf = (url: string | undefined) => url === undefined ? null : new URL(url).host
