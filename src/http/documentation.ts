import * as Predicate from "effect/Predicate"
import * as Record from "effect/Record"
import * as bounds from "../domain/Memory.js"
import { DEFAULT_RECALLED, MAX_BUDGET_TOKENS, MAX_CONTEXT_BYTES, MAX_RECALLED } from "../operations/recall.js"
import { OPEN_PATHS } from "./Auth.js"

/*
 * What the contract's schemas can not tell the OpenAPI document. Requests are decoded by shape first and checked against
 * their bounds later, so the bounds are written down here, from the same constants.
 */

const title = {
  type: "string",
  minLength: 1,
  maxLength: bounds.MAX_TITLE_CHARS,
  description: "Not blank; no control characters but newline and tab"
}
const content = {
  type: "string",
  minLength: 1,
  description: `Not blank, ${bounds.MAX_CONTENT_BYTES} bytes at most; no control characters but newline and tab`
}
const shared = {
  title,
  content,
  tier: { enum: ["short", "mid", "long"], description: "Lives for 6 hours, 7 days, or for good" },
  namespace: {
    type: "string",
    minLength: 1,
    maxLength: bounds.MAX_NAMESPACE_CHARS,
    description:
      `At most ${bounds.MAX_NAMESPACE_LEVELS} levels between slashes; no spaces, backslashes, empty or dotted levels`
  },
  tags: {
    type: "array",
    maxItems: bounds.MAX_TAGS,
    items: { type: "string", minLength: 1, description: `${bounds.MAX_TAG_BYTES} bytes at most` }
  },
  priority: { type: "integer", minimum: bounds.MIN_PRIORITY, maximum: bounds.MAX_PRIORITY },
  confidence: { type: "number", minimum: 0, maximum: 1 },
  expires_at: { type: ["string", "null"], format: "date-time", description: "In the future on creation" },
  metadata: {
    type: "object",
    description:
      `${bounds.MAX_METADATA_BYTES} bytes of JSON and ${bounds.MAX_METADATA_DEPTH} levels at most; \`agent_id\` in ` +
      "it is set once and never changes"
  }
}

/** The body of a creation. */
export const createMemory = {
  type: "object",
  required: ["title", "content"],
  properties: {
    ...shared,
    tier: { ...shared.tier, default: "mid" },
    namespace: { ...shared.namespace, default: "global" },
    tags: { ...shared.tags, default: [] },
    priority: { ...shared.priority, default: 5 },
    confidence: { ...shared.confidence, default: 1 },
    source: { enum: bounds.SOURCES, default: "api" },
    ttl_secs: {
      type: ["integer", "null"],
      minimum: 1,
      maximum: bounds.MAX_TTL_SECONDS,
      description: "Instead of the tier's time to live; `expires_at` wins over it"
    },
    agent_id: { type: ["string", "null"], minLength: 1, maxLength: 128, pattern: "^[A-Za-z0-9_:@./-]*$" },
    scope: { enum: [...bounds.SCOPES, null], description: "How far the memory is meant to be seen" },
    on_conflict: {
      enum: ["error", "merge", "version", null],
      default: "error",
      description: "When the namespace has the title: refuse with 409, merge into that memory, or take a free title"
    }
  }
}

/** The body of a change. */
export const updateMemory = {
  type: "object",
  properties: {
    ...shared,
    expected_version: { type: ["string", "null"], description: "The `updated_at` that the memory must have, else 412" }
  }
}

const text = (description: string) => ({ type: ["string", "null"], description })

/** The body of a recall. */
export const recall = {
  type: "object",
  required: ["context"],
  properties: {
    context: {
      type: "string",
      minLength: 1,
      description: `What the caller is about to do: not blank, ${MAX_CONTEXT_BYTES} bytes at most`
    },
    namespace: text("Exactly this namespace"),
    limit: {
      type: ["integer", "null"],
      minimum: 0,
      default: DEFAULT_RECALLED,
      description: `More than ${MAX_RECALLED} is taken as ${MAX_RECALLED}`
    },
    tags: text("One tag that the memory has"),
    since: { ...text("Created then or later"), format: "date-time" },
    until: { ...text("Created then or earlier"), format: "date-time" },
    as_agent: text("Only what an agent at this namespace may see"),
    budget_tokens: {
      type: ["integer", "null"],
      minimum: 0,
      maximum: MAX_BUDGET_TOKENS,
      description: "How many tokens the contents may have together; the best memory is given even if it has more"
    }
  }
}

type Json = { readonly [key: string]: unknown }

/**
 * Adds the key, which is checked before any route is looked for, and the headers of answers; takes out the platform's own
 * error, which never leaves a node.
 */
export const complete = (document: Json): Json => ({
  ...document,
  paths: Record.map(
    object(document["paths"]),
    (methods, path) =>
      Record.map(object(methods), (operation, method) => completed(object(operation), { path, method }))
  ),
  components: {
    schemas: Record.filter(object(object(document["components"])["schemas"]), (_, name) => !INTERNAL.has(name)),
    securitySchemes: {
      header: { type: "apiKey", in: "header", name: "X-API-Key" },
      query: { type: "apiKey", in: "query", name: "api_key" }
    }
  },
  security: []
})

const INTERNAL: ReadonlySet<string> = new Set(["HttpApiDecodeError", "Issue", "PropertyKey"])

const completed = (operation: Json, at: { readonly path: string; readonly method: string }): Json => {
  const open = OPEN_PATHS.has(at.path)
  const responses = Record.filter(
    object(operation["responses"]),
    (response, status) => !(status === "400" && !isOurs(response)) && !(status === "401" && open)
  )
  return {
    ...operation,
    // A key is asked for only where one is configured.
    security: open ? [] : [{}, { header: [] }, { query: [] }],
    responses: Record.map(responses, (response, status) => ({
      ...(status === "400" ? badRequest : object(response)),
      ...headersOf(status, at)
    }))
  }
}

const BAD_REQUEST = "#/components/schemas/BadRequest"

const isOurs = (response: unknown) => JSON.stringify(response).includes(BAD_REQUEST)

const badRequest = {
  description: "A value breaks a rule, or the request is no JSON: the text names the field and the bound",
  content: { "application/json": { schema: { $ref: BAD_REQUEST } } }
}

const header = (description: string) => ({ description, schema: { type: "string" } })
const opId = { "X-Op-Id": header("The id of the write's operation, in the logs and traces of all nodes") }
const etag = { ETag: header("The version of the memory: its `updated_at`, quoted") }
const retryAfter = { "Retry-After": header("Seconds; not sent when trying again can not help") }

const headersOf = (status: string, { method, path }: { readonly path: string; readonly method: string }): Json => {
  if (status === "503") return OPEN_PATHS.has(path) ? {} : { headers: retryAfter }
  if (!path.startsWith("/api/v1/memories") || !status.startsWith("2")) return {}
  if (status === "201") return { headers: { ...opId, ...etag, Location: header("The path of the memory") } }
  if (method === "get") return path.endsWith("}") ? { headers: etag } : {}
  return { headers: method === "delete" ? opId : { ...opId, ...etag } }
}

const object = (value: unknown): Json => Predicate.isRecord(value) ? value : {}
