import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as Schema from "effect/Schema"
import { PeerOutcome, REASONS } from "../../domain/PeerOutcome.js"

/**
 * An error as the contract shows it: what is on the wire, under the status, and with the tag that a typed client
 * catches it by. Who refuses a request answers a body of one of these types.
 */
const wire = <Tag extends string, Fields extends Schema.Struct.Fields>(options: {
  readonly tag: Tag
  readonly status: number
  readonly description: string
  readonly fields: Fields
}) =>
  Schema.Struct(options.fields).annotations({ identifier: options.tag, description: options.description }).pipe(
    Schema.attachPropertySignature("_tag", options.tag),
    (schema) =>
      schema.annotations(HttpApiSchema.annotations({ status: options.status, description: options.description }))
  )

const text = Schema.String
const field = Schema.optional(text.annotations({ description: "The field, parameter or header that is wrong" }))

/** Not a failure, but not what was asked for either: so a typed client can not take it for that. */
export const Queued = wire({
  tag: "Queued",
  status: 202,
  description: "The rules of the namespace ask for approval: the write waits as a pending action",
  fields: {
    status: Schema.Literal("pending"),
    pending_id: text,
    reason: text,
    action: Schema.Literal("store", "delete", "promote"),
    namespace: text,
    memory_id: Schema.optional(text.annotations({ description: "What would be deleted or promoted" })),
    quorum_acks: Schema.Int,
    acked_by: Schema.Array(text)
  }
})
export const BadRequest = wire({
  tag: "BadRequest",
  status: 400,
  description: "The request is not HTTP or JSON, or a value breaks a rule: the text names the field and the bound",
  fields: { error: text, field }
})
export const Unauthorized = wire({
  tag: "Unauthorized",
  status: 401,
  description: "The API key, or the signature of a decision, is missing or wrong, or the key has expired",
  fields: { error: text }
})
export const Forbidden = wire({
  tag: "Forbidden",
  status: 403,
  description: "The rules of the namespace do not let this caller do it, or a signature is forged; nothing was written",
  fields: {
    code: Schema.optional(
      Schema.Literal("ATTESTATION_FAILED").annotations({ description: "The memory is not signed by its agent" })
    ),
    error: text
  }
})
export const Missing = wire({
  tag: "Missing",
  status: 404,
  description: "No memory has this id or prefix",
  fields: { error: text }
})
export const NothingPending = wire({
  tag: "NothingPending",
  status: 404,
  description: "There is no such pending action, or it was decided otherwise or has expired",
  fields: { error: text }
})
export const LinkMissing = wire({
  tag: "LinkMissing",
  status: 404,
  description: "There is no such link; nothing was written",
  fields: { found: Schema.Literal(false), error: text }
})
export const Conflict = wire({
  tag: "Conflict",
  status: 409,
  description: "Another memory of this namespace has this title, or the memory is the standard of a namespace",
  fields: { code: Schema.Literal("CONFLICT"), error: text, existing_id: text }
})
export const PreconditionFailed = wire({
  tag: "PreconditionFailed",
  status: 412,
  description: "The memory is not at the expected version; nothing was written",
  fields: { error: text, current_version: text }
})
export const TooLarge = wire({
  tag: "TooLarge",
  status: 413,
  description: "The body is over 2 MiB",
  fields: { error: text }
})
export const WrongContentType = wire({
  tag: "WrongContentType",
  status: 415,
  description: "The content type is not application/json",
  fields: { error: text }
})
export const WrongShape = wire({
  tag: "WrongShape",
  status: 422,
  description: "The JSON has the wrong shape, or the Idempotency-Key stood for another request before",
  fields: { error: text, field }
})
export const InternalError = wire({
  tag: "InternalError",
  status: 500,
  description: "A bug or a broken machine; the log of the node has the cause",
  fields: { error: text }
})
export const QuorumMissed = wire({
  tag: "QuorumMissed",
  status: 503,
  description:
    "Durable on `got` nodes, fewer than `needed`. It is not undone and will replicate; a retry with the same " +
    "Idempotency-Key waits for the same write",
  fields: {
    error: Schema.Literal("quorum_not_met"),
    got: Schema.Int,
    needed: Schema.Int,
    reason: Schema.Literal(...REASONS).annotations({
      description:
        "`id_drift`: enough peers took it, under another id. `refused`, `overloaded`, `clock`: what most of " +
        "the peers said that answered without an ack. Else `timeout` when some acked, `unreachable` when none did"
    }),
    op_id: text,
    acked_by: Schema.Array(text),
    committed_locally: Schema.Literal(true),
    peers: Schema.Array(PeerOutcome).annotations({ description: "Each peer, what it did, and what it said" })
  }
})
export const EmbedderMissing = wire({
  tag: "EmbedderMissing",
  status: 503,
  description: "No embedder is loaded on this node, or it did not answer in time",
  fields: { error: text }
})
export const NotWritten = wire({
  tag: "NotWritten",
  status: 503,
  description:
    "Nothing was written; or the store of a site did not confirm in time, and the detail says that it may be held. It is " +
    "`quorum_not_met` where its synchronous standbys did not confirm: a retry with the same Idempotency-Key writes it once",
  fields: {
    error: Schema.Literal("local_write_failed", "overloaded", "clock_skew", "draining", "not_ready", "quorum_not_met"),
    got: Schema.optional(Schema.Literal(0)),
    needed: Schema.optional(
      Schema.Int.annotations({ description: "The store, and the standbys that have to hold it as well" })
    ),
    reason: Schema.optional(Schema.Literal("timeout")),
    acked_by: Schema.optional(Schema.Array(text)),
    committed_locally: Schema.optional(Schema.Literal(false)),
    detail: Schema.optional(text)
  }
})
