import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Change from "../../domain/Change.js"
import { DEFAULT_CHANGES } from "../../domain/limits.js"
import { ChangeFeed, pages } from "../../operations/changes/ChangeFeed.js"
import * as cursor from "../../operations/changes/cursor.js"
import { wantedOf } from "../../operations/changes/wanted.js"
import { answer } from "../calls/answer.js"
import * as Call from "../calls/Call.js"
import { Drain } from "../calls/Drain.js"
import * as Streamed from "../calls/streamed.js"
import { Api } from "../contract/Api.js"
import { EVENTS_TYPE } from "../contract/parts.js"
import * as contract from "../contract/subscriptions.js"

export const layer = HttpApiBuilder.group(
  Api,
  "subscriptions",
  (handlers) => handlers.handleRaw(...Call.read(contract.changes, changes))
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
    if (!isStream) {
      const { changes: events, more, next } = yield* feed.wait(since, { wanted, limit }, Duration.seconds(wait))
      return answer(contract.changes, {
        events: events.map(Change.shown),
        count: events.length,
        cursor: yield* cursor.write(next),
        more
      })
    }
    const drain = yield* Drain
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
