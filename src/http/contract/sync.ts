import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { DEFAULT_SINCE_ROWS, MAX_SINCE_ROWS } from "../../domain/limits.js"
import * as Errors from "./errors.js"
import * as Messages from "./messages.js"
import { bodyErrors, described } from "./parts.js"

export const push = HttpApiEndpoint.post("push", "/api/v1/sync/push")
  .setPayload(Messages.PushRequest)
  .addSuccess(Messages.PushResponse)
  .addError(Errors.NotWritten)
  .pipe(bodyErrors)
  .annotateContext(described(
    "Take operations of another node",
    "What the answer calls applied is durable here. The same operation again changes nothing."
  ))

export const hello = HttpApiEndpoint.get("hello", "/api/v1/sync/hello")
  .addSuccess(Messages.Hello)
  .annotateContext(described("Who this node is, and what it holds", "A node that answers 404 is one of the original."))

const Page = Schema.Struct({
  memories: Schema.Array(Schema.Unknown),
  count: Schema.Int,
  limit: Schema.Int,
  scope_status: Schema.optionalWith(Schema.Literal("no_allowlist_default_deny"), { exact: true }).annotations({
    description: "The caller stands in no row of the list of peers: there is nothing for it"
  })
})

export const since = HttpApiEndpoint.get("since", "/api/v1/sync/since")
  .setUrlParams(Schema.Struct({
    since: Schema.optional(Schema.String.annotations({ description: "RFC 3339; absent or empty: from the start" })),
    limit: Schema.optional(Schema.String.annotations({
      description: `Rows at most: ${DEFAULT_SINCE_ROWS} unless given, ${MAX_SINCE_ROWS} at most`
    })),
    peer: Schema.optional(Schema.String.annotations({ description: "The agent id of the caller" })),
    vv: Schema.optional(Schema.String.annotations({ description: "The version vector of the caller, as JSON" }))
  }))
  .addSuccess(Page)
  .addError(Errors.BadRequest)
  .annotateContext(described(
    "What another node lacks",
    "With `vv` the operations that a node with this vector lacks; without it the original's page of rows changed since."
  ))

export const sinceVector = HttpApiEndpoint.post("sinceVector", "/api/v1/sync/since")
  .setPayload(Messages.SinceRequest)
  .addSuccess(Page)
  .pipe(bodyErrors)
  .annotateContext(described(
    "What another node lacks whose vector is long",
    "As `GET` with `vv`, for a vector that has no room in a request line."
  ))

export const digests = HttpApiEndpoint.get("digests", "/api/v1/sync/digests")
  .addSuccess(Messages.Digests)
  .annotateContext(described(
    "What this node holds, as sums by bucket",
    "Nodes that hold the same operations must have the same sums. One that finds a difference asks for these, to see where."
  ))

export const vectors = HttpApiEndpoint.post("vectors", "/api/v1/sync/vectors")
  .setPayload(Messages.VectorsRequest)
  .addSuccess(HttpApiSchema.Uint8Array())
  .pipe(bodyErrors)
  .annotateContext(described(
    "The vectors that this node has of some memories",
    "In bytes, with the model that they are of, as nodes of one mesh give them to each other so that a text is embedded once. Of " +
      "what is not in the answer this node has no vectors."
  ))

export const revocations = HttpApiEndpoint.post("revocations", "/api/v1/sync/revocations")
  .setPayload(Messages.Revocations)
  .addSuccess(Messages.Revocations)
  .pipe(bodyErrors)
  .annotateContext(described(
    "Tell which keys are revoked, and hear it",
    "Takes what an issuer said that this node trusts, and answers all that it knows."
  ))

export const sync = HttpApiGroup.make("sync")
  .add(push)
  .add(hello)
  .add(since)
  .add(sinceVector)
  .add(digests)
  .add(vectors)
  .add(revocations)
  .annotateContext(OpenApi.annotations({ title: "Sync", description: "What nodes say to each other" }))
