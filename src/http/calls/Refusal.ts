import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as Data from "effect/Data"
import type * as Schema from "effect/Schema"
import type { Invalid } from "../../domain/validate.js"
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
} from "../../operations/errors.js"
import * as Wire from "../contract/errors.js"
import * as Reply from "./Reply.js"

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
  readonly status: 400 | 401 | 404 | 405 | 413 | 415 | 417 | 422
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
      return badRequest(described(error.message, error.field))
    case "AmbiguousPrefix":
      return badRequest(described(error.message, "id"))
    case "AwaitingApproval":
      return queued({
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
      return forbidden({ error: error.message })
    case "NotFound":
    case "NotArchived":
    case "SourceNotFound":
      return missing({ error: error.message })
    case "NotPending":
      return nothingPending({ error: error.message })
    case "LinkNotFound":
      return linkMissing({ found: false, error: error.message })
    case "SlotTaken":
      return conflict({ code: "CONFLICT", error: error.message, existing_id: error.existingId })
    case "VersionMismatch":
      return preconditionFailed({ error: error.message, current_version: error.currentVersion })
    case "KeyReused":
      return wrongShaped(described(error.message, "Idempotency-Key"))
    case "QuorumNotMet":
      return quorumMissed({
        error: "quorum_not_met",
        got: error.got,
        needed: error.needed,
        reason: error.reason,
        op_id: error.opId,
        acked_by: error.ackedBy,
        committed_locally: true
      }, { "retry-after": "2", "x-op-id": error.opId })
    case "LocalWriteFailed":
      return notWritten({ error: "local_write_failed", got: 0 })
    case "Overloaded":
      return notWritten({ error: "overloaded" }, { "retry-after": "1" })
    case "ClockBehind":
      return notWritten({ error: "clock_behind", detail: error.message }, { "retry-after": "2" })
    case "NoEmbedder":
      return embedderMissing({ error: error.message })
    case "ReadFailed":
      return internal
  }
}

/** Answers one error of the contract: under its status, with a body that is as it says. */
const answering = <A, I>(schema: Schema.Schema<A, I>) => {
  const status = HttpApiSchema.getStatusError(schema)
  return (body: I, headers?: Readonly<Record<string, string>>) => Reply.json(status, body, headers)
}

const badRequest = answering(Wire.BadRequest)
const queued = answering(Wire.Queued)
const forbidden = answering(Wire.Forbidden)
const missing = answering(Wire.Missing)
const nothingPending = answering(Wire.NothingPending)
const linkMissing = answering(Wire.LinkMissing)
const conflict = answering(Wire.Conflict)
const preconditionFailed = answering(Wire.PreconditionFailed)
const wrongShaped = answering(Wire.WrongShape)
const quorumMissed = answering(Wire.QuorumMissed)
const notWritten = answering(Wire.NotWritten)
const embedderMissing = answering(Wire.EmbedderMissing)

/** A bug or a broken machine. The cause goes to the log, not to the caller. */
export const internal: Reply.Reply = answering(Wire.InternalError)({ error: "internal server error" })

export const malformed = (message: string): Refused => new Refused({ status: 400, message })

export const invalid = (field: string, message: string): Refused => new Refused({ status: 400, message, field })

export const wrongShape = (error: { readonly field: string; readonly message: string }): Refused =>
  new Refused({ status: 422, message: error.message, field: error.field })

export const unauthorized: Refused = new Refused({ status: 401, message: "missing or invalid API key" })

export const routeNotFound: Refused = new Refused({ status: 404, message: "no such route" })

export const methodNotAllowed = (allow: string): Refused =>
  new Refused({ status: 405, message: `this route only allows ${allow}`, headers: { allow } })

/** What every error says that HTTP itself refuses a request with. */
type Described =
  & typeof Wire.BadRequest.Encoded
  & typeof Wire.Unauthorized.Encoded
  & typeof Wire.TooLarge.Encoded
  & typeof Wire.WrongContentType.Encoded
  & typeof Wire.WrongShape.Encoded

const described = (error: string, field?: string): Described => field === undefined ? { error } : { error, field }
