import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { absentable } from "../../domain/absentable.js"
import { EVENTS } from "../../domain/Change.js"
import * as limits from "../../domain/limits.js"
import * as Errors from "./errors.js"
import { acknowledged, bodyErrors, described, EVENTS_TYPE, opId, param, writeErrors, writeHeaders } from "./parts.js"
import * as Query from "./query.js"

const text = (description: string) => Schema.optional(Schema.String.annotations({ description }))
const flag = (description: string) => Schema.optional(Schema.Boolean.annotations({ description }))

const Change = Schema.Struct({
  id: Schema.String.annotations({
    description:
      "The same on every node, however often it is told, and for what one request brought about on several nodes"
  }),
  event: Schema.Literal(...EVENTS),
  memory_id: Schema.NullOr(Schema.String).annotations({
    description: "Of a link its source; null for an action whose memory is not there yet"
  }),
  namespace: Schema.String,
  agent_id: Schema.NullOr(Schema.String).annotations({ description: "Who asked for it, where that is known" }),
  at: Schema.String.annotations({ description: "The stamp of the write" }),
  origin: Schema.String.annotations({ description: "The node that first accepted it, and its incarnation" }),
  seq: Schema.Int.annotations({
    description: "Where it stands among the writes of that origin, which are told in this order"
  }),
  tier: text("Of the memory"),
  created: flag("Whether the memory was not there before"),
  archived: flag("It went to the archive, and is not gone"),
  restored: flag("It came back from there"),
  sources: Schema.optional(
    Schema.Array(Schema.String).annotations({ description: "The memories in whose place a consolidated one is" })
  ),
  source_id: text("Of a link"),
  target_id: text("Of a link"),
  relation: text("Of a link"),
  valid_until: text("Of a link that holds no longer"),
  pending_id: text("Of what waits for approval, and of a memory that was stored by one"),
  action_type: text("store, delete or promote"),
  requested_by: text("Who asked for the action"),
  requested_at: text("And when")
}).annotations({ identifier: "Change" })

const Changes = Schema.Struct({
  events: Schema.Array(Change),
  count: Schema.Int,
  cursor: Schema.String.annotations({ description: "The `since` of the next request, on any node of the mesh" }),
  more: Schema.Boolean.annotations({ description: "There is more here already: ask again at once" })
}).annotations({ identifier: "Changes" })

const ChangesQuery = Schema.Struct({
  since: Query.text(
    "since",
    "The cursor of an answer; `start` for everything that the log has; from now on, unless given"
  ),
  namespace: Query.text(
    "namespace",
    "Of this namespace alone; `a/**` is a and what is below it, `a/*` one level below"
  ),
  agent: Query.text("agent", "What this agent asked for"),
  event: Query.text("event", `Some of ${EVENTS.join(", ")}, with commas between them; or *`),
  limit: Query.count("limit", { least: 1, most: limits.MAX_CHANGES, usual: limits.DEFAULT_CHANGES }),
  wait: Query.count("wait", { least: 0, most: limits.MAX_CHANGES_WAIT_SECONDS, usual: 0 })
})

export const changes = HttpApiEndpoint.get("changes", "/api/v1/changes")
  .setUrlParams(ChangesQuery)
  .setHeaders(Schema.Struct({
    "last-event-id": Schema.optional(Schema.String.annotations({
      description: "Instead of `since`: what a listener of server-sent events sends when it comes back"
    }))
  }))
  .addSuccess(Changes)
  .addError(Errors.BadRequest)
  .addError(Errors.NotWritten)
  .annotateContext(described(
    "Follow what is changed",
    "Whichever node it was changed on, in the order of each origin, at least once: what comes twice has the same `id`. No " +
      "text of a memory is told. `wait` is how many seconds to wait for the first event. With " +
      "`Accept: text/event-stream` it goes on: server-sent events with these names, whose `id` is a cursor. The cursor is " +
      "good on every node of the mesh. What has no effect, as what is quarantined, is not told.",
    {},
    { type: EVENTS_TYPE, of: "200" }
  ))

const words = (bounds: object, description: string) => ({ type: ["string", "null"], description, ...bounds })
const Names = Schema.Union(Schema.String, Schema.Array(Schema.String))
const nameOfEvent = { enum: [...EVENTS, "*"] }

const Subscribe = Schema.Struct({
  url: absentable(Schema.String),
  callback_url: absentable(Schema.String),
  events: absentable(Names),
  secret: absentable(Schema.String),
  namespace_filter: absentable(Schema.String),
  agent_filter: absentable(Schema.String),
  namespace: absentable(Schema.String),
  agent_id: absentable(Schema.String),
  filter: absentable(Schema.Struct({ namespace: absentable(Schema.String), agent_id: absentable(Schema.String) }))
}).annotations({
  identifier: "Subscribe",
  jsonSchema: {
    type: "object",
    properties: {
      url: words(
        { maxLength: limits.MAX_WEBHOOK_URL_CHARS },
        "Where to send: https, and no address of the node's own network"
      ),
      callback_url: words({ maxLength: limits.MAX_WEBHOOK_URL_CHARS }, "The same"),
      events: {
        anyOf: [{ type: "string" }, { type: "array", items: nameOfEvent }, { type: "null" }],
        description:
          "What to hear of: names with commas between them, or a list of them; all, unless given. The answer has the same form"
      },
      secret: words(
        { minLength: 1 },
        `By which deliveries are signed: ${limits.MAX_WEBHOOK_SECRET_BYTES} bytes at most. Nobody is shown it`
      ),
      namespace_filter: words({}, "Of this namespace alone; `a/**` is a and what is below it"),
      agent_filter: words({}, "What this agent asked for"),
      namespace: words({}, "The same as `namespace_filter` where there is a URL; kept beside it"),
      agent_id: words({}, "Whose subscription it is, unless the header says"),
      filter: {
        type: ["object", "null"],
        properties: { namespace: words({}, "As `namespace_filter`"), agent_id: words({}, "As `agent_filter`") },
        description: "Or both filters here"
      }
    }
  }
})

const subscription = {
  id: Schema.String,
  url: Schema.String.annotations({
    description: "Without one when it was made: a name on this machine, where nothing is sent"
  }),
  events: Names.annotations({
    description: "Names with commas between them, `*` for all; a list where that was asked for"
  }),
  namespace_filter: Schema.NullOr(Schema.String),
  agent_filter: Schema.NullOr(Schema.String),
  namespace: Schema.optional(Schema.String),
  agent_id: Schema.String,
  created_by: Schema.String
}

const SubscriptionMade = Schema.Struct({ ...subscription, ...acknowledged }).annotations({
  identifier: "SubscriptionMade"
})

const Subscriptions = Schema.Struct({
  count: Schema.Int,
  subscriptions: Schema.Array(
    Schema.Struct({
      ...subscription,
      namespace: Schema.NullOr(Schema.String),
      created_at: Schema.String,
      signed: Schema.Boolean.annotations({ description: "It has a secret" }),
      dispatch_count: Schema.Int.annotations({ description: "Events that were taken, as nodes last said" }),
      failure_count: Schema.Int.annotations({ description: "Events that became dead letters, likewise" })
    }).annotations({ identifier: "Subscription" })
  )
}).annotations({ identifier: "Subscriptions" })

const Unsubscribed = Schema.Struct({
  id: Schema.String.annotations({ description: "Empty where there was none" }),
  removed: Schema.Boolean,
  deleted: Schema.Boolean,
  ...acknowledged
}).annotations({ identifier: "Unsubscribed" })

export const subscribe = HttpApiEndpoint.post("subscribe", "/api/v1/subscriptions")
  .setHeaders(writeHeaders)
  .setPayload(Subscribe)
  .addSuccess(SubscriptionMade, { status: 201 })
  .pipe(bodyErrors, writeErrors)
  .annotateContext(described(
    "Have changes sent to a URL",
    "From now on, whichever node they come from, by one node of the mesh at a time. 503 `not_ready`: a member of the mesh knows no " +
      "subscriptions.",
    opId
  ))

export const list = HttpApiEndpoint.get("list", "/api/v1/subscriptions")
  .setUrlParams(Schema.Struct({ agent_id: Query.text("agent_id", "Of this agent alone") }))
  .addSuccess(Subscriptions)
  .addError(Errors.BadRequest)
  .annotateContext(described("List subscriptions", "The oldest first. No secret is shown."))

const UnsubscribeQuery = Schema.Struct({
  id: Query.text("id", "Of a subscription"),
  agent_id: Query.text("agent_id", "Or all of this agent"),
  namespace: Query.text("namespace", "Of those the ones for this namespace")
})

const unsubscribeNote = "200 also where there was none."

export const unsubscribe = HttpApiEndpoint.del("unsubscribe", "/api/v1/subscriptions")
  .setUrlParams(UnsubscribeQuery)
  .setHeaders(writeHeaders)
  .addSuccess(Unsubscribed)
  .pipe(writeErrors)
  .annotateContext(described("End subscriptions", unsubscribeNote, opId))

export const unsubscribeAt = HttpApiEndpoint.del("unsubscribeAt")`/api/v1/subscriptions/${
  param("id", "Of a subscription")
}`
  .setHeaders(writeHeaders)
  .addSuccess(Unsubscribed)
  .pipe(writeErrors)
  .annotateContext(described("End a subscription", unsubscribeNote, opId))

const DeadEvent = Schema.Struct({
  id: Schema.Int,
  subscription_id: Schema.String,
  event_id: Schema.String.annotations({ description: "The `id` of the event" }),
  event: Schema.Literal(...EVENTS),
  origin: Schema.String,
  seq: Schema.Int,
  reason: Schema.String.annotations({ description: "Why it was not taken, at the latest attempt" }),
  attempts: Schema.Int.annotations({ description: "How often it was sent in vain" }),
  failed_at: Schema.String
}).annotations({ identifier: "DeadEvent" })

const DeadEvents = Schema.Struct({ dead_letters: Schema.Array(DeadEvent), count: Schema.Int }).annotations({
  identifier: "DeadEvents"
})

const DeadEventsQuery = Schema.Struct({
  subscription_id: Query.text("subscription_id", "Of this subscription alone"),
  limit: Query.count("limit", { least: 0, most: limits.MAX_DEAD_LETTERS, usual: limits.DEFAULT_DEAD_LETTERS }),
  offset: Query.count("offset", { least: 0, most: limits.MAX_OFFSET, usual: 0 })
})

export const deadEvents = HttpApiEndpoint.get("deadEvents", "/api/v1/subscriptions/dlq")
  .setUrlParams(DeadEventsQuery)
  .addSuccess(DeadEvents)
  .addError(Errors.BadRequest)
  .annotateContext(described(
    "List events that a receiver did not take",
    "From this node, the oldest first: each node has those that it sent itself. They are not sent again by themselves."
  ))

const letter = param("id", "The id of a listed dead letter")

export const replayDeadEvent = HttpApiEndpoint.post("replayDeadEvent")`/api/v1/subscriptions/dlq/${letter}/replay`
  .addSuccess(
    Schema.Struct({
      id: Schema.Int,
      result: Schema.Literal("delivered", "refused", "gone").annotations({
        description:
          "`delivered` and `gone`: it is listed no more, since it was taken, or what it was about is here no more"
      })
    }).annotations({ identifier: "DeadEventReplayed" })
  )
  .addError(Errors.Missing)
  .addError(Errors.NotWritten)
  .annotateContext(
    described("Send an event once more, now", "With the same `id` and `correlation_id`, and a new timestamp.")
  )

export const discardDeadEvent = HttpApiEndpoint.del("discardDeadEvent")`/api/v1/subscriptions/dlq/${letter}`
  .addSuccess(
    Schema.Struct({ discarded: Schema.Literal(true), id: Schema.Int }).annotations({ identifier: "DeadEventDiscarded" })
  )
  .addError(Errors.Missing)
  .addError(Errors.NotWritten)
  .annotateContext(described("Give an event up", "It is listed no more."))

export const replay = HttpApiEndpoint.post("replay")`/api/v1/subscriptions/${param("id", "Of a subscription")}/replay`
  .addSuccess(
    Schema.Struct({
      id: Schema.String,
      delivered: Schema.Int,
      left: Schema.Int.annotations({ description: "Dead letters of it that this node still has" })
    }).annotations({ identifier: "Replayed" })
  )
  .addError(Errors.Missing)
  .addError(Errors.NotWritten)
  .annotateContext(described(
    "Send the dead letters of a subscription once more",
    "Those of this node, the oldest first, a hundred at most, until one is not taken."
  ))

export const subscriptions = HttpApiGroup.make("subscriptions")
  .add(changes)
  .add(subscribe)
  .add(list)
  .add(unsubscribe)
  .add(unsubscribeAt)
  .add(deadEvents)
  .add(replayDeadEvent)
  .add(discardDeadEvent)
  .add(replay)
  .annotateContext(OpenApi.annotations({ title: "Subscriptions", description: "Hearing of what is changed" }))
