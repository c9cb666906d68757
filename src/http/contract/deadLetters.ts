import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as Schema from "effect/Schema"
import * as limits from "../../domain/limits.js"
import * as Errors from "./errors.js"
import { described, param } from "./parts.js"
import * as Query from "./query.js"

/* The part of the group `federation` that is about operations which a peer refuses. */

const summary = {
  id: Schema.Int,
  peer_id: Schema.String.annotations({
    description: "Who refuses it: the id of a node, or the address of one that does not say its id"
  }),
  op_id: Schema.String,
  kind: Schema.String,
  entity: Schema.String.annotations({ description: "What it is about, such as the id of a memory" }),
  origin: Schema.String.annotations({ description: "The node that first accepted it, and its incarnation" }),
  oseq: Schema.Int,
  reason: Schema.String.annotations({ description: "In the words of the peer, at the latest attempt" }),
  attempts: Schema.Int.annotations({ description: "How often it was sent in vain" }),
  failed_at: Schema.String.annotations({ description: "When it was refused first" }),
  next_attempt_at: Schema.String,
  discarded: Schema.Boolean.annotations({ description: "Given up: it is never sent to this peer again" })
}

const Summary = Schema.Struct(summary).annotations({ identifier: "DeadLetter" })

const DeadLetters = Schema.Struct({ dead_letters: Schema.Array(Summary), count: Schema.Int }).annotations({
  identifier: "DeadLetters"
})

const WholeDeadLetter = Schema.Struct({
  ...summary,
  operation: Schema.Struct({
    op_id: Schema.String,
    origin: Schema.String,
    oseq: Schema.Int,
    hlc: Schema.String,
    kind: Schema.String,
    entity: Schema.String,
    body: Schema.Unknown.annotations({ description: "What the operation stores; null where it only ends something" }),
    base_hlc: Schema.NullOr(Schema.String),
    covers: Schema.Array(Schema.Struct({ id: Schema.String, hlc: Schema.String, origin: Schema.String })),
    hash: Schema.String
  })
}).annotations({ identifier: "WholeDeadLetter" })

const Retried = Schema.Struct({
  retried: Schema.Literal(true),
  id: Schema.Int,
  result: Schema.Literal("delivered", "refused", "unreachable").annotations({
    description:
      "`delivered`: the peer holds it, and it is listed no more. `unreachable`: the peer said nothing about it"
  })
}).annotations({ identifier: "DeadLetterRetried" })

const Discarded = Schema.Struct({ discarded: Schema.Literal(true), id: Schema.Int }).annotations({
  identifier: "DeadLetterDiscarded"
})

const DeadLettersQuery = Schema.Struct({
  limit: Query.count("limit", { least: 0, most: limits.MAX_DEAD_LETTERS, usual: limits.DEFAULT_DEAD_LETTERS }),
  offset: Query.count("offset", { least: 0, most: limits.MAX_OFFSET, usual: 0 })
})

const id = param("id", "The id of a listed dead letter")

export const deadLetters = HttpApiEndpoint.get("deadLetters", "/api/v1/federation/dlq")
  .setUrlParams(DeadLettersQuery)
  .addSuccess(DeadLetters)
  .addError(Errors.BadRequest)
  .annotateContext(described(
    "List operations that a peer refuses",
    "They are durable here and go to all other peers. This node sends them to that peer again after growing pauses. A peer " +
      "that is only slow or away has none."
  ))

export const deadLetter = HttpApiEndpoint.get("deadLetter")`/api/v1/federation/dlq/${id}`
  .addSuccess(WholeDeadLetter)
  .addError(Errors.Missing)
  .annotateContext(described("Read an operation that a peer refuses", "With the whole operation."))

export const retryDeadLetter = HttpApiEndpoint.post("retryDeadLetter")`/api/v1/federation/dlq/${id}/retry`
  .addSuccess(Retried)
  .addError(Errors.Missing)
  .addError(Errors.NotWritten)
  .annotateContext(described(
    "Send a refused operation once more, now",
    "Also one that was discarded. When the peer refuses it again, the next attempt waits as usual."
  ))

export const discardDeadLetter = HttpApiEndpoint.del("discardDeadLetter")`/api/v1/federation/dlq/${id}`
  .addSuccess(Discarded)
  .addError(Errors.Missing)
  .addError(Errors.NotWritten)
  .annotateContext(described(
    "Give a refused operation up",
    "This node never sends it to that peer again. It stays listed, and stays what it is on all other nodes."
  ))
