import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as Data from "effect/Data"
import * as Schema from "effect/Schema"
import type { Invalid } from "../domain/validate.js"
import type {
  AmbiguousPrefix,
  AwaitingApproval,
  ClockBehind,
  Denied,
  KeyReused,
  LinkNotFound,
  LocalWriteFailed,
  NoEmbedder,
  NotArchived,
  NotFound,
  NotPending,
  Overloaded,
  QuorumNotMet,
  ReadFailed,
  SlotTaken,
  SourceNotFound,
  VersionMismatch
} from "../operations/errors.js"
import * as Reply from "./server/Reply.js"

/** Everything that can be wrong with a request. Its answer is the same on every route. */
export type Refusal =
  | Refused
  | Invalid
  | Denied
  | AwaitingApproval
  | NotFound
  | NotArchived
  | SourceNotFound
  | NotPending
  | LinkNotFound
  | AmbiguousPrefix
  | SlotTaken
  | VersionMismatch
  | KeyReused
  | QuorumNotMet
  | LocalWriteFailed
  | Overloaded
  | ClockBehind
  | ReadFailed
  | NoEmbedder

/** A request that HTTP itself has to refuse, before any operation sees it. */
export class Refused extends Data.TaggedError("Refused")<{
  readonly status: number
  readonly message: string
  readonly field?: string
  readonly headers?: Readonly<Record<string, string>>
}> {}

/** The one place where an error becomes a status and a body. No body repeats a value of the request. */
export const reply = (error: Refusal): Reply.Reply => {
  switch (error._tag) {
    case "Refused":
      return Reply.json(error.status, described(error.message, error.field), error.headers)
    case "Invalid":
      return Reply.json(400, described(error.message, error.field))
    case "AmbiguousPrefix":
      return Reply.json(400, described(error.message, "id"))
    case "AwaitingApproval":
      return Reply.json(202, {
        status: "pending",
        pending_id: error.pendingId,
        reason: "governance requires approval",
        action: error.action,
        namespace: error.namespace,
        ...(error.memoryId === null ? {} : { memory_id: error.memoryId }),
        quorum_acks: error.acks,
        acked_by: error.ackedBy
      }, { "x-op-id": error.opId })
    case "Denied":
      return Reply.json(403, described(error.message))
    case "NotFound":
    case "NotArchived":
    case "SourceNotFound":
    case "NotPending":
      return Reply.json(404, described(error.message))
    case "LinkNotFound":
      return Reply.json(404, { found: false, ...described(error.message) })
    case "SlotTaken":
      return Reply.json(409, { code: "CONFLICT", error: error.message, existing_id: error.existingId })
    case "VersionMismatch":
      return Reply.json(412, { error: error.message, current_version: error.currentVersion })
    case "KeyReused":
      return Reply.json(422, described(error.message, "Idempotency-Key"))
    case "QuorumNotMet":
      return Reply.json(503, {
        error: "quorum_not_met",
        got: error.got,
        needed: error.needed,
        reason: error.reason,
        op_id: error.opId,
        acked_by: error.ackedBy,
        committed_locally: true
      }, { "retry-after": "2", "x-op-id": error.opId })
    case "LocalWriteFailed":
      return Reply.json(503, { error: "local_write_failed", got: 0 })
    case "Overloaded":
      return Reply.json(503, { error: "overloaded" }, { "retry-after": "1" })
    case "ClockBehind":
      return Reply.json(503, { error: "clock_behind", detail: error.message }, { "retry-after": "2" })
    case "NoEmbedder":
      return Reply.json(503, described(error.message))
    case "ReadFailed":
      return internal
  }
}

/** A bug or a broken machine. The cause goes to the log, not to the caller. */
export const internal: Reply.Reply = Reply.json(500, { error: "internal server error" })

export const malformed = (message: string): Refused => new Refused({ status: 400, message })

export const invalid = (field: string, message: string): Refused => new Refused({ status: 400, message, field })

export const wrongShape = (error: { readonly field: string; readonly message: string }): Refused =>
  new Refused({ status: 422, message: error.message, field: error.field })

export const unauthorized: Refused = new Refused({ status: 401, message: "missing or invalid API key" })

export const routeNotFound: Refused = new Refused({ status: 404, message: "no such route" })

export const methodNotAllowed = (allow: string): Refused =>
  new Refused({ status: 405, message: `this route only allows ${allow}`, headers: { allow } })

const described = (error: string, field?: string) => field === undefined ? { error } : { error, field }

/**
 * An error as the contract shows it: what is on the wire, under the status, and with the tag that a typed client
 * catches it by. Kept equal to `reply` by a test.
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
  description: "The API key, or the signature of a decision, is missing or wrong",
  fields: { error: text }
})
export const Forbidden = wire({
  tag: "Forbidden",
  status: 403,
  description: "The rules of the namespace do not let this caller do it; nothing was written",
  fields: { error: text }
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
  description: "Another memory of this namespace has this title",
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
    reason: Schema.Literal("unreachable", "timeout", "id_drift"),
    op_id: text,
    acked_by: Schema.Array(text),
    committed_locally: Schema.Literal(true)
  }
})
export const EmbedderMissing = wire({
  tag: "EmbedderMissing",
  status: 503,
  description: "No embedder is loaded on this node",
  fields: { error: text }
})
export const NotWritten = wire({
  tag: "NotWritten",
  status: 503,
  description: "Nothing was written on any node",
  fields: {
    error: Schema.Literal("local_write_failed", "overloaded", "clock_behind"),
    got: Schema.optional(Schema.Literal(0)),
    detail: Schema.optional(text)
  }
})
