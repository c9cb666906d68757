import * as Predicate from "effect/Predicate"
import * as Record from "effect/Record"
import { type Need, needOf } from "./access.js"
import * as Examples from "./examples.js"

/* What the contract's schemas can not tell the OpenAPI document. */

/** Asked by load balancers and supervisors, which have no key. */
export const OPEN_PATHS: ReadonlySet<string> = new Set(["/api/v1/health", "/health/live", "/health/ready"])

export type Json = { readonly [key: string]: unknown }

/** A header of an answer. */
export const header = (description: string): Json => ({ description, schema: { type: "string" } })

/** Adds headers to the successful answers of an operation. */
export const answersWith = (headers: Json) => (operation: Json): Json => ({
  ...operation,
  responses: Record.map(
    object(operation["responses"]),
    (response, status) =>
      status.startsWith("2") && !Record.isEmptyReadonlyRecord(headers)
        ? { ...object(response), headers: status === "202" ? Record.filter(headers, ofOperation) : headers }
        : response
  )
})

/** What was only queued has an operation, but no memory that headers could tell of. */
const ofOperation = (_: unknown, name: string) => name === "X-Op-Id"

/** A content type beside JSON: of the body, or of the answer. */
export interface Also {
  readonly type: string
  readonly of: "requestBody" | "200"
}

/** Adds the content type, as a text without a schema. */
export const also = (content: Also | undefined) => (operation: Json): Json => {
  if (content === undefined) return operation
  const { of, type } = content
  const added = (part: unknown): Json => ({
    ...object(part),
    content: { ...object(object(part)["content"]), [type]: { schema: { type: "string" } } }
  })
  if (of === "requestBody") return { ...operation, requestBody: added(operation["requestBody"]) }
  const responses = object(operation["responses"])
  return { ...operation, responses: { ...responses, [of]: added(responses[of]) } }
}

/**
 * Adds the key, which is checked before any route is looked for, when to try again, and an example of every body; takes out
 * the platform's own error, which never leaves a node.
 */
export const complete = (document: Json): Json => completeAll(nameless(document))

const completeAll = (document: Json): Json => ({
  ...document,
  info: { ...object(document["info"]), license: { name: "Apache License 2.0", identifier: "Apache-2.0" } },
  // The node that gives the document.
  servers: [{ url: "/" }],
  paths: Record.map(
    object(document["paths"]),
    (methods) => Record.map(object(methods), (operation) => completed(object(operation)))
  ),
  components: {
    responses: Object.fromEntries(REFUSALS.map(({ description, name }) => [name, refusal(description)])),
    schemas: warned(
      Record.filter(object(object(document["components"])["schemas"]), (_, name) => !INTERNAL.has(name)),
      answersOf(document)
    ),
    securitySchemes: {
      header: { type: "apiKey", in: "header", name: "X-API-Key" },
      bearer: { type: "http", scheme: "bearer" },
      query: { type: "apiKey", in: "query", name: "api_key" }
    }
  },
  tags: array(document["tags"]).filter((tag) => isUsed(tag, document)),
  security: []
})

/** The same of a node that has no key, and asks for none. */
export const keyless = (contract: Json): Json => {
  const document = complete(contract)
  const { securitySchemes: _, ...components } = object(document["components"])
  return {
    ...document,
    components,
    paths: Record.map(
      object(document["paths"]),
      (methods) => Record.map(object(methods), (operation) => ({ ...object(operation), security: [] }))
    )
  }
}

/** What HTTP itself, or the door of a node, refuses a request with on every route, before anything of it is looked at. */
const REFUSALS = [
  { status: "400", name: "NotHttp", description: "The request is not well-formed HTTP" },
  {
    status: "403",
    name: "NotAllowed",
    description:
      "The API key does not open this, or speaks for another agent, or a page of another site would change " +
      "something; nothing was written"
  },
  { status: "408", name: "TooSlow", description: "The request took too long to arrive" },
  { status: "417", name: "ExpectationUnknown", description: "The only expectation known is 100-continue" },
  { status: "421", name: "OtherHost", description: "The Host header names another node" },
  { status: "429", name: "TooMany", description: "Too many requests of one caller; nothing was done" },
  { status: "431", name: "HeadersTooLarge", description: "The headers are too large" },
  { status: "501", name: "UnknownCoding", description: "The only transfer encoding known is chunked" },
  {
    status: "503",
    name: "Busy",
    description: "Too much waits already, or the file of the database can not be read: nothing was done"
  }
] as const

const refusal = (description: string) => ({
  description,
  content: {
    "application/json": {
      schema: { type: "object", required: ["error"], properties: { error: { type: "string" } } }
    }
  }
})

/** Those that an operation does not answer with for a reason of its own. */
const refusals = (answered: Json, need: Need): Json =>
  Object.fromEntries(
    REFUSALS.filter(({ status }) => !(status in answered) && !isSpared(status, need)).map((
      { name, status }
    ) => [status, { $ref: `#/components/responses/${name}` }])
  )

/** Whom nobody asks for a key nobody refuses for one; peers may speak as often as they have to. */
const isSpared = (status: string, need: Need): boolean =>
  need === "open" ? status === "403" || status === "429" : need === "peer" && status === "429"

/** Adds what every answer may have to the schemas of those that are objects. */
const warned = (schemas: Json, answers: ReadonlySet<string>): Json =>
  Record.map(schemas, (schema, name) =>
    answers.has(name) && object(schema)["type"] === "object"
      ? { ...object(schema), properties: { ...object(object(schema)["properties"]), warnings } }
      : schema)

const warnings = {
  type: "array",
  items: { type: "string" },
  description: "Only when there are any: what the request had that is not known here, and was ignored"
}

/** The names of the schemas that successes have, one of several included. */
const answersOf = (document: Json): ReadonlySet<string> =>
  new Set(
    Object.values(object(document["paths"])).flatMap((methods) => Object.values(object(methods))).flatMap((operation) =>
      Object.entries(object(object(operation)["responses"])).flatMap(([status, response]) => {
        const { schema } = object(object(object(response)["content"])["application/json"])
        return status.startsWith("2") ? [schema, ...array(object(schema)["anyOf"])].flatMap(nameOf) : []
      })
    )
  )

const nameOf = (schema: unknown): ReadonlyArray<string> => {
  const { $ref } = object(schema)
  return Predicate.isString($ref) ? [$ref.slice("#/components/schemas/".length)] : []
}

/** A group that has no endpoint yet is not shown. */
const isUsed = (tag: unknown, document: Json): boolean =>
  Object.values(object(document["paths"])).flatMap((methods) => Object.values(object(methods))).some((operation) =>
    array(object(operation)["tags"]).includes(object(tag)["name"])
  )

const INTERNAL: ReadonlySet<string> = new Set(["HttpApiDecodeError", "Issue", "PropertyKey"])

const completed = (operation: Json): Json => {
  const [group = "", name = ""] = String(operation["operationId"]).split(".")
  const need = needOf(group, name)
  const open = need === "open"
  // The scope that the key must have.
  const scopes = [need === "metrics" ? "read" : need]
  const responses = Record.filter(
    object(operation["responses"]),
    (response, status) => !(status === "400" && !isOurs(response)) && !(status === "401" && open)
  )
  return {
    ...exampled(operation),
    security: open ? [] : [{ header: scopes }, { bearer: scopes }, { query: scopes }],
    responses: {
      ...Record.map(responses, (response, status) => ({
        ...(status === "400" ? badRequest : object(response)),
        ...(status === "503" && !open ? { headers: retryAfter } : {})
      })),
      ...refusals(responses, need)
    }
  }
}

const exampled = (operation: Json): Json => {
  const body = object(operation["requestBody"])
  const content = object(body["content"])
  const example = Examples.bodies[String(operation["operationId"])]
  return example === undefined ? operation : {
    ...operation,
    requestBody: { ...body, content: { ...content, [JSON_TYPE]: { ...object(content[JSON_TYPE]), example } } }
  }
}

const JSON_TYPE = "application/json"
const BAD_REQUEST = "#/components/schemas/BadRequest"

const isOurs = (response: unknown) => JSON.stringify(response).includes(BAD_REQUEST)

const badRequest = {
  description: "A value breaks a rule, or the request is no JSON: the text names the field and the bound",
  content: { "application/json": { schema: { $ref: BAD_REQUEST } } }
}

const retryAfter = { "Retry-After": header("Seconds; not sent when trying again can not help") }

/** Without the ids of schemas that take anything: all of them have the same, and a reader may have it once only. */
const nameless = (document: Json): Json => object(withoutIds(document))

const withoutIds = (value: unknown): unknown =>
  Array.isArray(value) ?
    value.map(withoutIds) :
    !Predicate.isRecord(value)
    ? value
    : Record.map(Record.filter(value, (_, name) => !(name === "$id" && isAnything(value))), withoutIds)

const isAnything = ({ $id }: Json) => Predicate.isString($id) && $id.startsWith("/schemas/")

const object = (value: unknown): Json => Predicate.isRecord(value) ? value : {}

const array = (value: unknown): ReadonlyArray<unknown> => Array.isArray(value) ? value : []
