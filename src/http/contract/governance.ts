import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { absentable } from "../../domain/absentable.js"
import * as Governance from "../../domain/Governance.js"
import * as limits from "../../domain/limits.js"
import * as PendingAction from "../../domain/PendingAction.js"
import { fields } from "./bodies.js"
import * as Errors from "./errors.js"
import {
  acknowledged,
  agentHeader,
  bodyErrors,
  described,
  opId,
  param,
  truncated,
  writeErrors,
  writeHeaders
} from "./parts.js"
import * as Query from "./query.js"

const level = (description: string, usual?: Governance.Level) => ({
  enum: usual === undefined ? Governance.Level.literals : [...Governance.Level.literals, null],
  description,
  ...(usual === undefined ? {} : { default: usual })
})

const policy = {
  type: ["object", "null"],
  required: ["write"],
  properties: {
    write: level("Who may store"),
    promote: level("Who may keep a memory for good", "any"),
    delete: level("Who may delete", "owner"),
    approver: {
      description: "Who decides: anybody, one agent, or so many registered agents together",
      default: "human",
      anyOf: [
        { enum: ["human", null] },
        {
          type: "object",
          required: ["agent"],
          properties: { agent: { type: "string", minLength: 1, maxLength: limits.MAX_ID_BYTES } }
        },
        {
          type: "object",
          required: ["consensus"],
          properties: { consensus: { type: "integer", minimum: 1, maximum: limits.MAX_APPROVALS } }
        }
      ]
    },
    inherit: { type: ["boolean", "null"], default: true }
  },
  description: "Written into the metadata of the standard's memory"
}

const wishes = {
  id: { type: ["string", "null"], description: "The memory that is the standard; otherwise one is made" },
  parent: {
    ...fields.namespace,
    type: ["string", "null"],
    description: "The namespace whose standards apply before this one. Unless given it stays, or is guessed by the name"
  },
  governance: policy
}

const wished = {
  id: absentable(Schema.String),
  parent: absentable(Schema.String),
  governance: absentable(Governance.Given)
}

const named = { ...fields.namespace, description: `${fields.namespace.description}; * stands for all of them` }

/** What is wished stands in the body, or under `standard` in it. */
export const SetStandardAt = Schema.Struct({
  ...wished,
  standard: absentable(Schema.Struct({ namespace: absentable(Schema.String), ...wished }))
}).annotations({
  identifier: "SetStandardAt",
  jsonSchema: {
    type: "object",
    properties: {
      ...wishes,
      standard: {
        type: ["object", "null"],
        properties: { namespace: named, ...wishes },
        description: "Or all of it here; the namespace is that of the path"
      }
    }
  }
})

export const SetStandard = Schema.Struct({ namespace: absentable(Schema.String), ...SetStandardAt.fields }).annotations(
  {
    identifier: "SetStandard",
    jsonSchema: {
      type: "object",
      properties: {
        namespace: named,
        ...wishes,
        standard: {
          type: ["object", "null"],
          properties: { namespace: named, ...wishes },
          description: "Or all of it here, the namespace, too"
        }
      }
    }
  }
)

const Policy = Schema.Struct({
  write: Governance.Level,
  promote: Governance.Level,
  delete: Governance.Level,
  approver: PendingAction.Approver,
  inherit: Schema.Boolean
}).annotations({ identifier: "GovernancePolicy" })

const StandardSet = Schema.Struct({
  set: Schema.Literal(true),
  namespace: Schema.String,
  standard_id: Schema.String,
  parent: Schema.optional(Schema.String),
  governance: Schema.optional(Policy.annotations({ description: "As it was given, with its defaults" })),
  ...acknowledged
}).annotations({ identifier: "StandardSet" })

const StandardCleared = Schema.Struct({
  cleared: Schema.Boolean,
  namespace: Schema.String,
  ...acknowledged
}).annotations({ identifier: "StandardCleared" })

const Standard = Schema.Struct({
  namespace: Schema.String,
  standard_id: Schema.String,
  title: Schema.String,
  content: Schema.String,
  priority: Schema.Int,
  governance: Policy.annotations({ description: "As it stands in the memory, or what holds without one" })
}).annotations({ identifier: "Standard" })

const NoStandard = Schema.Struct({
  namespace: Schema.String,
  standard_id: Schema.Null,
  warning: Schema.optional(Schema.String.annotations({ description: "One was set, but its memory is not there" }))
}).annotations({ identifier: "NoStandard" })

const StandardChain = Schema.Struct({
  namespace: Schema.String,
  chain: Schema.Array(Schema.String).annotations({ description: "The farthest namespace first" }),
  standards: Schema.Array(Standard),
  count: Schema.Int
}).annotations({ identifier: "StandardChain" })

const Namespaces = Schema.Struct({
  namespaces: Schema.Array(Schema.Struct({ namespace: Schema.String, count: Schema.Int }))
}).annotations({ identifier: "Namespaces" })

const namespaceInPath = param(
  "namespace",
  "The namespace, with its slashes escaped as %2F; * stands for all of them",
  limits.MAX_NAMESPACE_CHARS
)

const inherit = Query.flag("inherit", "Also those of the namespaces above it, which apply to it")

const NamespacesQuery = Schema.Struct({
  namespace: Query.text("namespace", "Tell the standard of this namespace instead"),
  inherit
})

export const namespaces = HttpApiEndpoint.get("namespaces", "/api/v1/namespaces")
  .setUrlParams(NamespacesQuery)
  .addSuccess(Schema.Union(Namespaces, Standard, NoStandard, StandardChain))
  .addError(Errors.BadRequest)
  .annotateContext(described(
    "List the namespaces in use, or tell the standard of one",
    "With the number of memories in each. With `namespace` the answer is that of `/namespaces/{namespace}/standard`."
  ))

const InheritQuery = Schema.Struct({ inherit })

export const getStandard = HttpApiEndpoint.get("getStandard")`/api/v1/namespaces/${namespaceInPath}/standard`
  .setUrlParams(InheritQuery)
  .addSuccess(Schema.Union(Standard, NoStandard, StandardChain))
  .addError(Errors.BadRequest)
  .annotateContext(described(
    "Tell the standard of a namespace",
    "With `inherit=true` all standards that apply to it: that of all namespaces (*), those of the explicit parents of its " +
      "first level, and those of its levels."
  ))

const setNote =
  "Its memory and the entry that points at it are written in one transaction. The policy that applies to a namespace is " +
  "the first one found on the way up from it."

export const setStandard = HttpApiEndpoint.post("setStandard", "/api/v1/namespaces")
  .setHeaders(writeHeaders)
  .setPayload(SetStandard)
  .addSuccess(StandardSet, { status: 201 })
  .addError(Errors.Missing)
  .pipe(bodyErrors, writeErrors)
  .annotateContext(described("Give a namespace a standard", setNote, opId))

export const setStandardAt = HttpApiEndpoint.post("setStandardAt")`/api/v1/namespaces/${namespaceInPath}/standard`
  .setHeaders(writeHeaders)
  .setPayload(SetStandardAt)
  .addSuccess(StandardSet, { status: 201 })
  .addError(Errors.Missing)
  .pipe(bodyErrors, writeErrors)
  .annotateContext(described("Give the namespace of the path a standard", setNote, opId))

const clearNote = "The memory that was the standard stays."

const ClearQuery = Schema.Struct({
  namespace: Query.requiredText({ name: "namespace", called: "namespace" }, "Whose standard is taken away")
})

export const clearStandard = HttpApiEndpoint.del("clearStandard", "/api/v1/namespaces")
  .setUrlParams(ClearQuery)
  .setHeaders(writeHeaders)
  .addSuccess(StandardCleared)
  .pipe(writeErrors)
  .annotateContext(described("Take the standard of a namespace away", clearNote, opId))

export const clearStandardAt = HttpApiEndpoint.del("clearStandardAt")`/api/v1/namespaces/${namespaceInPath}/standard`
  .setHeaders(writeHeaders)
  .addSuccess(StandardCleared)
  .pipe(writeErrors)
  .annotateContext(described("Take the standard of the namespace of the path away", clearNote, opId))

const Action = PendingAction.PendingAction.annotations({ identifier: "PendingAction" })

const PendingList = Schema.Struct({
  count: Schema.Int,
  pending: Schema.Array(Action),
  truncated
}).annotations({ identifier: "PendingList" })

const PendingQuery = Schema.Struct({
  status: Query.text("status", "pending, approved, rejected or expired"),
  limit: Query.count("limit", { least: 0, most: limits.MAX_PENDING, usual: limits.DEFAULT_PENDING }),
  offset: Query.count("offset", { least: 0, most: limits.MAX_OFFSET, usual: 0 })
})

export const pending = HttpApiEndpoint.get("pending", "/api/v1/pending")
  .setUrlParams(PendingQuery)
  .addSuccess(PendingList)
  .addError(Errors.BadRequest)
  .annotateContext(described(
    "List actions that wait for approval, or did",
    "The newest first. What nobody decided within 24 hours has expired."
  ))

const approved = {
  approved: Schema.Literal(true),
  id: Schema.String,
  decided_by: Schema.String,
  executed: Schema.Boolean.annotations({ description: "false: there was nothing left to delete or promote" }),
  memory_id: Schema.NullOr(Schema.String).annotations({ description: "What was stored, deleted or promoted" }),
  ...acknowledged
}

const Approved = Schema.Struct(approved).annotations({ identifier: "Approved" })

const Voted = Schema.Struct({
  approved: Schema.Literal(false),
  status: Schema.Literal("pending"),
  id: Schema.String,
  votes: Schema.Int,
  quorum: Schema.Int,
  reason: Schema.String,
  ...acknowledged
}).annotations({ identifier: "Voted" })

const rejected = {
  rejected: Schema.Literal(true),
  id: Schema.String,
  decided_by: Schema.String,
  ...acknowledged
}

const Rejected = Schema.Struct(rejected).annotations({ identifier: "Rejected" })

const pendingId = param("id", "The id of a pending action")

const againNote =
  "The same caller's next try is answered the same, once the quorum holds what the first one wrote; so a " +
  "503 can be answered by sending the request again, also without an Idempotency-Key."

export const approve = HttpApiEndpoint.post("approve")`/api/v1/pending/${pendingId}/approve`
  .setHeaders(writeHeaders)
  .addSuccess(Approved)
  .addSuccess(Voted, { status: 202 })
  .addError(Errors.NothingPending)
  .pipe(writeErrors)
  .annotateContext(described(
    "Approve a pending action, or vote for it",
    "What was approved is done in the same transaction, and comes to the same memory on every node. 202: the vote counts, " +
      `and more are needed. 403: the caller may not, or it was decided otherwise, or it has expired. ${againNote}`,
    opId
  ))

export const reject = HttpApiEndpoint.post("reject")`/api/v1/pending/${pendingId}/reject`
  .setHeaders(writeHeaders)
  .addSuccess(Rejected)
  .addError(Errors.NothingPending)
  .pipe(writeErrors)
  .annotateContext(described("Reject a pending action", `Anybody may. ${againNote}`, opId))

const Decide = Schema.Struct({
  decision: Schema.Literal("approve", "deny").annotations({ description: "approve or deny" }),
  remember: absentable(
    Schema.Literal("once", "session", "forever").annotations({ description: "once, session or forever" })
  )
}).annotations({
  identifier: "Decide",
  jsonSchema: {
    type: "object",
    required: ["decision"],
    properties: {
      decision: { enum: ["approve", "deny"] },
      remember: {
        enum: ["once", "session", "forever", null],
        description: "Taken, and of no effect: every action is decided for itself"
      }
    }
  }
})

const decidedOnce = {
  remember: Schema.Literal("once").annotations({ description: "For how long the decision holds" })
}

export const decide = HttpApiEndpoint.post("decide")`/api/v1/approvals/${pendingId}`
  .setHeaders(Schema.Struct({
    ...writeHeaders.fields,
    "x-ai-memory-timestamp": Schema.optional(Schema.String.annotations({
      description: `Seconds since 1970, at most ${limits.MAX_SIGNATURE_AGE_SECONDS} before now and ` +
        `${limits.MAX_SIGNATURE_AHEAD_SECONDS} after`
    })),
    "x-ai-memory-signature": Schema.optional(Schema.String.annotations({
      description:
        "`sha256=` and the HMAC-SHA256, in hex, of `<timestamp>.<body>`, with the SHA-256 of the secret as key"
    }))
  }))
  .setPayload(Decide)
  .addSuccess(
    Schema.Union(
      Schema.Struct({ ...approved, ...decidedOnce }).annotations({ identifier: "DecidedApproved" }),
      Schema.Struct({ ...rejected, ...decidedOnce }).annotations({ identifier: "DecidedRejected" })
    )
  )
  .addSuccess(Voted, { status: 202 })
  .addError(Errors.NothingPending)
  .pipe(bodyErrors, writeErrors)
  .annotateContext(described(
    "Decide about a pending action by a signed request",
    "The same as approve and reject, for whoever has the secret of --approvals-secret-file. 401: there is no such secret, " +
      "or the signature is not its.",
    opId
  ))

const StreamQuery = Schema.Struct({
  agent_id: Query.text("agent_id", "Who listens, where no header can be sent")
})

export const stream = HttpApiEndpoint.get("stream", "/api/v1/approvals/stream")
  .setUrlParams(StreamQuery)
  .setHeaders(Schema.Struct(agentHeader))
  .addSuccess(HttpApiSchema.Text({ contentType: "text/event-stream" }))
  .addError(Errors.BadRequest)
  .addError(Errors.NotWritten)
  .annotateContext(described(
    "Listen for what is asked for and what is decided",
    "Server-sent events from now on: `approval_requested` (`pending_id`, `action_type`, `namespace`, `requested_by`, " +
      "`requested_at`), `approval_decided` (`pending_id`, `decision`: approve or deny, `decided_by`, `remember`, " +
      "`namespace`, `requested_by`), `lagged` (how many were dropped because the listener was too slow). Agents hear of " +
      "what they asked for and of what they may decide, whichever node it happened on; those with an id `host:…` of " +
      "everything, and who names no agent of nothing."
  ))

export const governance = HttpApiGroup.make("governance")
  .add(namespaces)
  .add(getStandard)
  .add(setStandard)
  .add(setStandardAt)
  .add(clearStandard)
  .add(clearStandardAt)
  .add(pending)
  .add(approve)
  .add(reject)
  .add(stream)
  .add(decide)
  .annotateContext(
    OpenApi.annotations({ title: "Governance", description: "What namespaces ask of their memories, and who decides" })
  )
