import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Change from "../../domain/Change.js"
import { DEFAULT_CHANGES } from "../../domain/limits.js"
import type { Subscription } from "../../domain/Subscription.js"
import { Invalid } from "../../domain/validate.js"
import { ChangeFeed, pages } from "../../operations/changes/ChangeFeed.js"
import * as cursor from "../../operations/changes/cursor.js"
import { wantedOf } from "../../operations/changes/wanted.js"
import { deadEvents, discard, replay as sendAgain, replayAll } from "../../operations/subscriptions/deadEvents.js"
import { subscribe as make } from "../../operations/subscriptions/subscribe.js"
import { subscriptions as listed } from "../../operations/subscriptions/subscriptions.js"
import { unsubscribe as end } from "../../operations/subscriptions/unsubscribe.js"
import { answer } from "../calls/answer.js"
import * as Call from "../calls/Call.js"
import * as Caller from "../calls/Caller.js"
import * as Claims from "../calls/claims.js"
import { Drain } from "../calls/Drain.js"
import * as Streamed from "../calls/streamed.js"
import { Api } from "../contract/Api.js"
import { EVENTS_TYPE } from "../contract/parts.js"
import * as contract from "../contract/subscriptions.js"

export const layer = HttpApiBuilder.group(
  Api,
  "subscriptions",
  (handlers) =>
    handlers
      .handleRaw(...Call.read(contract.changes, changes))
      .handleRaw(...Call.write(contract.subscribe, subscribe))
      .handleRaw(...Call.read(contract.list, list))
      .handleRaw(...Call.write(contract.unsubscribe, unsubscribe))
      .handleRaw(...Call.write(contract.unsubscribeAt, unsubscribeAt))
      .handleRaw(...Call.read(contract.deadEvents, dead))
      .handleRaw(...Call.write(contract.replayDeadEvent, replayOne))
      .handleRaw(...Call.write(contract.discardDeadEvent, discardOne))
      .handleRaw(...Call.write(contract.replay, replay))
)

/** Proxies close what is silent for longer. */
const KEEP_ALIVE = Duration.seconds(15)
/** After so long a listener has to come back, with where it was. */
const LONGEST = Duration.hours(1)
/** Of the events that are sent in one piece. */
const MAX_TOGETHER = 50

/** A page, or events without an end of their own: they end with their client, after an hour, or when the node drains. */
const changes = ({ headers, incoming, urlParams }: Call.Call<typeof contract.changes>) =>
  Effect.gen(function*() {
    const { limit = DEFAULT_CHANGES, since: given, wait = 0, ...filters } = urlParams
    const feed = yield* ChangeFeed
    const isStream = incoming.headers.accept?.includes(EVENTS_TYPE) === true
    const from = isStream && headers["last-event-id"] !== undefined ? headers["last-event-id"] : given
    const since = from === undefined ? yield* feed.end : from === "start" ? feed.start : yield* cursor.read(from)
    const wanted = yield* wantedOf(filters)
    if (isStream || wait > 0) yield* feed.follow
    const drain = yield* Drain
    if (!isStream) {
      const asked = { wanted, limit }
      const { changes: events, more, next } = yield* feed.wait(since, asked, Duration.seconds(wait)).pipe(
        Effect.raceFirst(Effect.zipRight(drain.begun, feed.after(since, asked)))
      )
      return answer(contract.changes, {
        events: events.map(Change.shown),
        count: events.length,
        cursor: yield* cursor.write(next),
        more
      })
    }
    yield* cursor.write(since)
    // One after the other, so that no more is read than is sent.
    const told = pages(feed, since, { wanted, limit: Math.min(limit, MAX_TOGETHER) }, KEEP_ALIVE).pipe(
      Stream.rechunk(1),
      Stream.mapEffect(({ changes: events, next }) => Effect.map(cursor.write(next), (at) => textOf(events, at)))
    )
    return Streamed.events(
      contract.changes,
      Stream.make(": following\n\n").pipe(
        Stream.concat(told),
        Stream.interruptAfter(LONGEST),
        Stream.interruptWhen(drain.begun)
      )
    )
  })

/** The last event of a page has the cursor; without any the cursor goes alone, which listeners keep and tell nobody of. */
const textOf = (events: ReadonlyArray<Change.Change>, at: string): string =>
  `${
    events.map((change, index) =>
      `event: ${change.event}\n${index === events.length - 1 ? `id: ${at}\n` : ""}data: ${
        JSON.stringify(Change.shown(change))
      }\n\n`
    ).join("")
  }${events.length === 0 ? `: keep-alive\nid: ${at}\n\n` : ""}`

const requestOf = Call.bodyOf(contract.subscribe)

const subscribe = ({ headers, incoming }: Call.Call<typeof contract.subscribe>) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(headers)
    const { callback_url, events, filter, url = callback_url, ...given } = yield* requestOf(incoming)
    const done = yield* make({
      ...given,
      url,
      events: typeof events === "object" ? events.join(",") : events,
      namespace_filter: given.namespace_filter ?? filter?.namespace,
      agent_filter: given.agent_filter ?? filter?.agent_id
    }, caller)
    const shown = shownSubscription(done.subscription, typeof events === "object")
    return answer(contract.subscribe, { ...shown, ...Call.acksOf(done) }, { "x-op-id": done.opId })
  })

/** Lists of names for who gave one, and for the original's SDK for Python; others read a text. */
const shownSubscription = (subscription: Subscription, asList: boolean) => {
  const { agent_filter, agent_id, created_by, events, id, namespace, namespace_filter } = subscription
  const names: ReadonlyArray<string> = events.length === 0 ? ["*"] : events
  return {
    id,
    url: subscription.url ?? nowhere(subscription),
    events: asList ? names : names.join(","),
    namespace_filter: namespace_filter ?? null,
    agent_filter: agent_filter ?? null,
    ...(namespace === undefined ? {} : { namespace }),
    agent_id,
    created_by
  }
}

/** Who gave no URL says to be there, and is sent nothing: the original answers such a text. */
const nowhere = ({ agent_id, namespace = "global" }: Subscription) =>
  `http://localhost/_subscriptions/${encodeURIComponent(agent_id)}/${encodeURIComponent(namespace)}`

const list = ({ incoming, urlParams }: Call.Call<typeof contract.list>) =>
  Effect.gen(function*() {
    yield* Claims.ofParameter(incoming.headers, "agent_id", urlParams.agent_id)
    const all = yield* listed(urlParams.agent_id)
    return answer(contract.list, {
      count: all.length,
      subscriptions: all.map(({ dispatched, failed, subscription }) => ({
        ...shownSubscription(subscription, Call.isPython(incoming)),
        namespace: subscription.namespace ?? null,
        created_at: subscription.created_at,
        signed: subscription.secret !== undefined,
        dispatch_count: dispatched,
        failure_count: failed
      }))
    })
  })

const unnamed = new Invalid({ field: "id", message: "id is required, or agent_id" })

const unsubscribe = ({ headers, incoming, urlParams }: Call.Call<typeof contract.unsubscribe>) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(headers)
    const { agent_id: agentId, id, namespace } = urlParams
    yield* Claims.ofParameter(incoming.headers, "agent_id", agentId)
    if (id === undefined && agentId === undefined) return yield* unnamed
    const done = yield* end(id === undefined ? { agentId: agentId ?? "", namespace } : { id }, caller)
    return answer(contract.unsubscribe, ended(done), { "x-op-id": done.opId })
  })

const unsubscribeAt = ({ headers, path: { id } }: Call.Call<typeof contract.unsubscribeAt>) =>
  Effect.gen(function*() {
    const done = yield* end({ id }, yield* Caller.fromHeaders(headers))
    return answer(contract.unsubscribeAt, ended(done), { "x-op-id": done.opId })
  })

const ended = (done: Effect.Effect.Success<ReturnType<typeof end>>) => ({
  id: done.id ?? "",
  removed: done.id !== null,
  deleted: done.id !== null,
  ...Call.acksOf(done)
})

const dead = ({ urlParams }: Call.Call<typeof contract.deadEvents>) =>
  Effect.map(deadEvents(urlParams), (found) =>
    answer(contract.deadEvents, {
      dead_letters: found.map(({ changeId, failedAt, subscriptionId, ...letter }) => ({
        id: letter.id,
        subscription_id: subscriptionId,
        event_id: changeId,
        event: letter.event,
        origin: letter.origin,
        seq: letter.seq,
        reason: letter.reason,
        attempts: letter.attempts,
        failed_at: failedAt
      })),
      count: found.length
    }))

const replayOne = ({ path: { id } }: Call.Call<typeof contract.replayDeadEvent>) =>
  Effect.map(sendAgain(id), (result) => answer(contract.replayDeadEvent, { id: Number(id), result }))

const discardOne = ({ path: { id } }: Call.Call<typeof contract.discardDeadEvent>) =>
  Effect.as(discard(id), answer(contract.discardDeadEvent, { discarded: true, id: Number(id) }))

const replay = ({ path: { id } }: Call.Call<typeof contract.replay>) =>
  Effect.map(replayAll(id), (done) => answer(contract.replay, { id, ...done }))
