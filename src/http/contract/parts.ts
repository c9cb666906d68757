import type * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import type { HttpMethod } from "@effect/platform/HttpMethod"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { Durability } from "../../domain/Durability.js"
import { MAX_ID_BYTES, MAX_IDEMPOTENCY_KEY_CHARS, MAX_PAGE_BYTES } from "../../domain/limits.js"
import * as documentation from "./documentation.js"
import * as Errors from "./errors.js"

/* What the groups of the contract have in common. */

/**
 * What an endpoint does, the headers that its answer has when it did it, and a content type that it has beside JSON, in one
 * direction.
 */
export const described = (
  summary: string,
  description: string,
  headers: documentation.Json = {},
  also?: documentation.Also
) =>
  OpenApi.annotations({
    summary,
    description,
    transform: (operation) => documentation.also(also)(documentation.answersWith(headers)(operation))
  })

/** Lines of JSON. */
export const NDJSON_TYPE = "application/x-ndjson"
/** Server-sent events. */
export const EVENTS_TYPE = "text/event-stream"

export const opId = {
  "X-Op-Id": documentation.header("The id of the write's operation, in the logs and traces of all nodes")
}
export const etag = { ETag: documentation.header("The version of the memory: its `updated_at`, quoted") }

/** Of the answer to a write: how many nodes hold it, and which. */
export const acknowledged = {
  quorum_acks: Schema.Int.annotations({ description: "Nodes that hold the write durably, this one included" }),
  acked_by: Schema.Array(Schema.String).annotations({ description: "The ids of those nodes" }),
  durability: Schema.optional(Durability)
}

/** Of an answer to a request that may not have meant all that it brought about. */
export const notice = Schema.optional(Schema.String.annotations({
  description: "Only when nothing was said of how long to keep it, and the default tier forgets it some day: when"
}))

/** Of a page that is cut where it becomes large. */
export const truncated = Schema.optional(
  Schema.Literal(true).annotations({
    description: `There is more in the page than its ${MAX_PAGE_BYTES} bytes hold; the next begins after what is here`
  })
)

/**
 * A parameter of a path. The platform does not escape it in the client, and has unescaped it in the server; how long it may
 * be is for the handler to check.
 */
export const param = <Name extends string>(name: Name, description: string, maxLength = MAX_ID_BYTES) =>
  HttpApiSchema.param(
    name,
    Schema.transform(Schema.String, Schema.String, {
      strict: true,
      decode: (text) => text,
      encode: encodeURIComponent
    }).annotations({ jsonSchema: { type: "string", minLength: 1, maxLength, description } })
  )

export const id = param("id", "The id of a memory, or a unique prefix")

export const agentHeader = {
  "x-agent-id": Schema.optional(Schema.String.annotations({
    description: `Who writes, unless the body says: 1..${MAX_ID_BYTES} of the characters A-Z a-z 0-9 _ : @ . / -`
  }))
}
export const writeHeaders = Schema.Struct({
  ...agentHeader,
  "idempotency-key": Schema.optional(Schema.String.annotations({
    description:
      `1..${MAX_IDEMPOTENCY_KEY_CHARS} printable ASCII characters. The same key with the same request is the same write`
  }))
})
export const matchHeaders = Schema.Struct({
  ...writeHeaders.fields,
  "if-match": Schema.optional(Schema.String.annotations({
    description: "The entity tag (quoted updated_at) that the memory must have, or *"
  }))
})

/** What can be wrong with a JSON body. */
export const bodyErrors = <
  Name extends string,
  Method extends HttpMethod,
  Path,
  UrlParams,
  Payload,
  Headers,
  Success,
  Error,
  R,
  RE
>(
  endpoint: HttpApiEndpoint.HttpApiEndpoint<Name, Method, Path, UrlParams, Payload, Headers, Success, Error, R, RE>
) =>
  endpoint
    .addError(Errors.BadRequest)
    .addError(Errors.TooLarge)
    .addError(Errors.WrongContentType)
    .addError(Errors.WrongShape)

/** What every write can end in, with a body or without one: what its headers and the quorum bring with them. */
export const writeErrors = <
  Name extends string,
  Method extends HttpMethod,
  Path,
  UrlParams,
  Payload,
  Headers,
  Success,
  Error,
  R,
  RE
>(
  endpoint: HttpApiEndpoint.HttpApiEndpoint<Name, Method, Path, UrlParams, Payload, Headers, Success, Error, R, RE>
) =>
  endpoint
    .addError(Errors.BadRequest)
    .addError(Errors.Forbidden)
    .addError(Errors.WrongShape)
    .addError(Errors.QuorumMissed)
    .addError(Errors.NotWritten)
