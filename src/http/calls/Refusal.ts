import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as Data from "effect/Data"
import * as Match from "effect/Match"
import type * as Schema from "effect/Schema"
import type { Scope } from "../../access/ApiKey.js"
import type { Invalid } from "../../domain/validate.js"
import type {
  AgentNotFound,
  AmbiguousPrefix,
  AttestationFailed,
  AwaitingApproval,
  ClockSkewed,
  Denied,
  KeyReused,
  LinkNotFound,
  LocalWriteFailed,
  NoEmbedder,
  NotArchived,
  NotFound,
  NotPending,
  NotReady,
  Overloaded,
  QuorumNotMet,
  ReadFailed,
  SlotTaken,
  SourceNotFound,
  StandardInUse,
  VersionMismatch
} from "../../operations/errors.js"
import * as Wire from "../contract/errors.js"
import * as Reply from "./Reply.js"

/** A request that HTTP itself has to refuse, before any operation sees it. */
export class Refused extends Data.TaggedError("Refused")<{
  readonly status: 400 | 401 | 403 | 404 | 405 | 413 | 415 | 417 | 421 | 422 | 429 | 501
  readonly message: string
  readonly field?: string
  /** Beside the error, which is a word then. */
  readonly note?: string
  readonly headers?: Readonly<Record<string, string>>
}> {}

/** An answer with the body of an error of the contract. Which one, only its type says. */
interface ErrorReply<out Tag extends string> extends Reply.Reply {
  readonly error?: Tag
}

/** Answers one error of the contract: under its status, with a body that is as it says. */
const answering = <A extends { readonly _tag: string }, I>(schema: Schema.Schema<A, I>) => {
  const status = HttpApiSchema.getStatusError(schema)
  return (body: I, headers?: Readonly<Record<string, string>>): ErrorReply<A["_tag"]> =>
    Reply.json(status, body, headers)
}

const queued = answering(Wire.Queued)
const badRequest = answering(Wire.BadRequest)
const forbidden = answering(Wire.Forbidden)
const missing = answering(Wire.Missing)
const nothingPending = answering(Wire.NothingPending)
const linkMissing = answering(Wire.LinkMissing)
const conflict = answering(Wire.Conflict)
const preconditionFailed = answering(Wire.PreconditionFailed)
const misshapen = answering(Wire.WrongShape)
const quorumMissed = answering(Wire.QuorumMissed)
const notWritten = answering(Wire.NotWritten)
const embedderMissing = answering(Wire.EmbedderMissing)

/** A bug or a broken machine. The cause goes to the log, not to the caller. */
export const internal = answering(Wire.InternalError)({ error: "internal server error" })

/** Too much waits already. Nothing was done, and soon it can be. */
export const overloaded = notWritten({ error: "overloaded" }, { "retry-after": "1" })

/** The file of the database is not as it must be, and somebody has to look at it. */
const notReady = (detail: string) => notWritten({ error: "not_ready", detail }, { "retry-after": "2" })

/** Fewer than `needed` are known to hold it. */
const unheld = (detail: string, needed: number) =>
  notWritten({
    error: "quorum_not_met",
    got: 0,
    needed,
    reason: "timeout",
    acked_by: [],
    committed_locally: false,
    detail
  }, { "retry-after": "2" })

/** Who has written something is not answered by less than that. */
export const unheard = notReady("the store of this site can not be asked for what its other daemons have written")

/** The one place where an error becomes a status and a body. No body repeats a value of the request. */
const answers = {
  Refused: ({ field, headers, message, note, status }: Refused): ErrorReply<"Refused"> =>
    Reply.json(status, note === undefined ? described(message, field) : { error: message, note }, headers),
  Invalid: ({ field, message }: Invalid) => badRequest(described(message, field)),
  AmbiguousPrefix: ({ message }: AmbiguousPrefix) => badRequest(described(message, "id")),
  AwaitingApproval: (error: AwaitingApproval) =>
    queued({
      status: "pending",
      pending_id: error.pendingId,
      reason: "governance requires approval",
      action: error.action,
      namespace: error.namespace,
      ...(error.memoryId === null ? {} : { memory_id: error.memoryId }),
      quorum_acks: error.acks,
      acked_by: error.ackedBy
    }, { "x-op-id": error.opId }),
  Denied: ({ message }: Denied) => forbidden({ error: message }),
  AttestationFailed: ({ message }: AttestationFailed) => forbidden({ code: "ATTESTATION_FAILED", error: message }),
  AgentNotFound: ({ message }: AgentNotFound) => missing({ error: message }),
  // Of a pending action the same is said, and the contract has another error for it.
  NotFound: ({ message }: NotFound): ErrorReply<"Missing" | "NothingPending"> => missing({ error: message }),
  NotArchived: ({ message }: NotArchived) => missing({ error: message }),
  SourceNotFound: ({ message }: SourceNotFound) => missing({ error: message }),
  NotPending: ({ message }: NotPending) => nothingPending({ error: message }),
  LinkNotFound: ({ message }: LinkNotFound) => linkMissing({ found: false, error: message }),
  SlotTaken: ({ existingId, message }: SlotTaken) =>
    conflict({ code: "CONFLICT", error: message, existing_id: existingId }),
  StandardInUse: ({ id, message }: StandardInUse) => conflict({ code: "CONFLICT", error: message, existing_id: id }),
  VersionMismatch: ({ currentVersion, message }: VersionMismatch) =>
    preconditionFailed({ error: message, current_version: currentVersion }),
  KeyReused: ({ message }: KeyReused) => misshapen(described(message, "Idempotency-Key")),
  QuorumNotMet: (error: QuorumNotMet) =>
    quorumMissed({
      error: "quorum_not_met",
      got: error.got,
      needed: error.needed,
      reason: error.reason,
      op_id: error.opId,
      acked_by: error.ackedBy,
      committed_locally: true,
      peers: error.peers
    }, { "retry-after": "2", "x-op-id": error.opId }),
  LocalWriteFailed: ({ outside, void: why }: LocalWriteFailed): ErrorReply<"NotWritten"> => {
    if (why !== undefined) return Reply.json(403, { error: `nothing was written, it would have no effect: ${why}` })
    return outside === undefined ? notWritten({ error: "local_write_failed", got: 0 }) : Reply.json(403, {
      error: outside === ""
        ? "this API key does not write there: it is for some namespaces alone"
        : `this API key does not write in ${outside}: it is for some namespaces alone`
    })
  },
  Overloaded: (_: Overloaded) => overloaded,
  NotReady: ({ detail, standbys }: NotReady): ErrorReply<"NotWritten"> =>
    standbys === undefined ? notReady(detail) : unheld(detail, standbys + 1),
  ClockSkewed: ({ message }: ClockSkewed) =>
    notWritten({ error: "clock_skew", detail: message }, { "retry-after": "30" }),
  NoEmbedder: ({ message }: NoEmbedder) => embedderMissing({ error: message }),
  ReadFailed: ({ unusable }: ReadFailed) => unusable === null ? internal : notReady(unusable)
}
type Answers = typeof answers

/** Everything that can be wrong with a request. Its answer is the same on every route. */
export type Refusal = Parameters<Answers[keyof Answers]>[0]

export const reply: (error: Refusal) => Reply.Reply = Match.typeTags<Refusal>()(answers)

/** What an endpoint may end in whose contract declares these errors: every other one it has to handle. */
export type RefusalOf<Declared extends string> = {
  readonly [Tag in keyof Answers]: Extract<Told<Tag>, Declared | Anywhere> extends never ? never
    : Parameters<Answers[Tag]>[0]
}[keyof Answers]

type Told<Tag extends keyof Answers> = NonNullable<ReturnType<Answers[Tag]>["error"]>

/** The contract has this error on every route; what HTTP itself refuses, it refuses on every route. */
type Anywhere = "InternalError" | "Refused"

export const malformed = (message: string): Refused => new Refused({ status: 400, message })

export const invalid = (field: string, message: string): Refused => new Refused({ status: 400, message, field })

export const wrongShape = (error: { readonly field: string; readonly message: string }): Refused =>
  new Refused({ status: 422, message: error.message, field: error.field })

/** A write that comes when the node is about to end. */
export const draining: Reply.Reply = notWritten(
  { error: "draining", detail: "this node is being stopped: nothing was written; ask another one" },
  { "retry-after": "2" }
)

export const unauthorized: Refused = new Refused({
  status: 401,
  message: "missing or invalid API key",
  headers: { "www-authenticate": "Bearer" }
})

/** A good key that is not for this. */
export const lacking = (scope: Scope): Refused =>
  new Refused({ status: 403, message: `this API key does not open this: it would need the scope ${scope}` })

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
