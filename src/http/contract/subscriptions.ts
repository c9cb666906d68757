import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { EVENTS } from "../../domain/Change.js"
import * as limits from "../../domain/limits.js"
import * as Errors from "./errors.js"
import { described, EVENTS_TYPE } from "./parts.js"
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

export const subscriptions = HttpApiGroup.make("subscriptions")
  .add(changes)
  .annotateContext(OpenApi.annotations({ title: "Subscriptions", description: "Hearing of what is changed" }))
