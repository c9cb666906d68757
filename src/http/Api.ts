import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { absentable } from "../domain/absentable.js"
import { CreateMemory } from "../domain/CreateMemory.js"
import { Memory } from "../domain/Memory.js"
import { UpdateMemory } from "../domain/UpdateMemory.js"
import { version } from "../domain/version.js"
import * as PeerApi from "../federation/PeerApi.js"
import { DEFAULT_LISTED, MAX_LISTED, MAX_OFFSET } from "../operations/listMemories.js"
import { DEFAULT_RECALLED, MAX_BUDGET_TOKENS, MAX_RECALLED } from "../operations/recall.js"
import * as documentation from "./documentation.js"
import * as Errors from "./errors.js"
import * as Query from "./query.js"

/*
 * The contract of a node as a value: the server, the typed client, `/openapi.json` and `/docs` come from it. It is a
 * superset of the original's, so that its SDKs and scripts work unchanged. Fields that are not named here are ignored.
 */

const described = (summary: string, description: string) => OpenApi.annotations({ summary, description })

const acknowledged = {
  quorum_acks: Schema.Int.annotations({ description: "Nodes that hold the write durably, this one included" }),
  acked_by: Schema.Array(Schema.String).annotations({ description: "The ids of those nodes" })
}

/** A stored memory as the answer to its creation. */
export const Created = Schema.Struct({
  ...Memory.fields,
  agent_id: Schema.NullOr(Schema.String),
  ...acknowledged
}).annotations({ identifier: "Created" })

/** A memory after a write. */
export const Updated = Schema.Struct({ ...Memory.fields, ...acknowledged }).annotations({ identifier: "Updated" })

export const Promoted = Schema.Struct({
  promoted: Schema.Literal(true),
  ...Memory.fields,
  ...acknowledged
}).annotations({ identifier: "Promoted" })

export const Deleted = Schema.Struct({
  deleted: Schema.Literal(true),
  id: Schema.String,
  ...acknowledged
}).annotations({ identifier: "Deleted" })

/** One memory, both flat (as the SDKs read it) and under `memory` (as the original wrote it). */
export const Found = Schema.Struct({
  ...Memory.fields,
  memory: Memory,
  links: Schema.Array(Schema.Unknown)
}).annotations({ identifier: "Found" })

export const Listed = Schema.Struct({
  memories: Schema.Array(Memory),
  count: Schema.Int
}).annotations({ identifier: "Listed" })

export const SearchResults = Schema.Struct({
  results: Schema.Array(Memory),
  memories: Schema.Array(Memory).annotations({ description: "The same as `results`" }),
  count: Schema.Int,
  query: Schema.String
}).annotations({ identifier: "SearchResults" })

export const Scored = Schema.Struct({
  ...Memory.fields,
  score: Schema.Number.annotations({ description: "Rounded to three decimals" })
}).annotations({ identifier: "Scored" })

export const Recalled = Schema.Struct({
  memories: Schema.Array(Scored),
  count: Schema.Int,
  tokens_used: Schema.Int,
  mode: Schema.Literal("keyword", "hybrid"),
  budget_tokens: Schema.optional(Schema.Int),
  meta: Schema.optional(Schema.Struct({
    budget_tokens_used: Schema.Int,
    budget_tokens_remaining: Schema.Int,
    memories_dropped: Schema.Int,
    budget_overflow: Schema.Boolean
  }))
}).annotations({ identifier: "Recalled" })

/** Null stands for absent, but for the context. */
export const Recall = Schema.Struct({
  context: Schema.String,
  namespace: absentable(Schema.String),
  limit: absentable(Schema.Int),
  tags: absentable(Schema.String),
  since: absentable(Schema.String),
  until: absentable(Schema.String),
  as_agent: absentable(Schema.String),
  budget_tokens: absentable(Schema.Int)
}).annotations({ identifier: "Recall", jsonSchema: documentation.recall })

export const Stats = Schema.Struct({
  total: Schema.Int,
  by_tier: Schema.Array(Schema.Struct({ tier: Schema.String, count: Schema.Int })),
  by_namespace: Schema.Array(Schema.Struct({ namespace: Schema.String, count: Schema.Int })),
  expiring_soon: Schema.Int.annotations({ description: "Within an hour" }),
  links_count: Schema.Int,
  db_size_bytes: Schema.Int,
  dim_violations: Schema.Int,
  index_evictions_total: Schema.Int
}).annotations({ identifier: "Stats" })

export const Namespaces = Schema.Struct({
  namespaces: Schema.Array(Schema.Struct({ namespace: Schema.String, count: Schema.Int }))
}).annotations({ identifier: "Namespaces" })

export const Health = Schema.Struct({
  status: Schema.Literal("ok", "error"),
  service: Schema.Literal("ai-memory"),
  version: Schema.String,
  embedder_ready: Schema.Boolean,
  federation_enabled: Schema.Boolean
}).annotations({ identifier: "Health" })

export const Live = Schema.Struct({ status: Schema.Literal("ok") }).annotations({ identifier: "Live" })

export const Ready = Schema.Struct({
  ready: Schema.Boolean,
  checks: Schema.Record({ key: Schema.String, value: Schema.Struct({ ok: Schema.Boolean, detail: Schema.String }) })
}).annotations({ identifier: "Ready" })

/** The platform does not escape parameters of a path in the client, and has unescaped them in the server. */
const id = HttpApiSchema.param(
  "id",
  Schema.transform(Schema.String, Schema.String, {
    strict: true,
    decode: (text) => text,
    encode: encodeURIComponent
  }).annotations({
    jsonSchema: { type: "string", minLength: 1, maxLength: 128, description: "The id of a memory, or a unique prefix" }
  })
)

const agentHeader = {
  "x-agent-id": Schema.optional(Schema.String.annotations({
    description: "Who writes, unless the body says: 1..128 of the characters A-Z a-z 0-9 _ : @ . / -"
  }))
}
const writeHeaders = Schema.Struct({
  ...agentHeader,
  "idempotency-key": Schema.optional(Schema.String.annotations({
    description: "1..255 printable ASCII characters. The same key with the same request is the same write"
  }))
})
const matchHeaders = Schema.Struct({
  ...writeHeaders.fields,
  "if-match": Schema.optional(Schema.String.annotations({
    description: "The entity tag (quoted updated_at) that the memory must have, or *"
  }))
})

const asAgent = Query.text("as_agent", "Only what an agent at this namespace may see")

const filters = {
  namespace: Query.text("namespace", "Exactly this namespace"),
  tier: Query.tier,
  limit: Query.count("limit", { least: 0, most: MAX_LISTED, usual: DEFAULT_LISTED }),
  min_priority: Query.integer("min_priority", { least: -2_147_483_648, most: 2_147_483_647 }),
  since: Query.stamp("since"),
  until: Query.stamp("until"),
  tags: Query.text("tags", "One tag that the memory has"),
  agent_id: Query.text("agent_id", "The agent that first wrote the memory")
}

const create = HttpApiEndpoint.post("create", "/api/v1/memories")
  .setHeaders(writeHeaders)
  .setPayload(CreateMemory.annotations({ identifier: "CreateMemory", jsonSchema: documentation.createMemory }))
  .addSuccess(Created, { status: 201 })
  .addError(Errors.BadRequest)
  .addError(Errors.Conflict)
  .addError(Errors.TooLarge)
  .addError(Errors.WrongContentType)
  .addError(Errors.WrongShape)
  .addError(Errors.QuorumMissed)
  .addError(Errors.NotWritten)
  .annotateContext(described(
    "Store a memory here and on as many nodes as the quorum asks for",
    "201 means: fsynced on the nodes of `acked_by`, W of them at least. A 503 `quorum_not_met` is not a failure to write: " +
      "the memory is durable here and will replicate. Send the request again with the same Idempotency-Key to wait for it."
  ))

export const ListQuery = Schema.Struct({
  ...filters,
  offset: Query.count("offset", { least: 0, most: MAX_OFFSET, usual: 0 })
})

const list = HttpApiEndpoint.get("list", "/api/v1/memories")
  .setUrlParams(ListQuery)
  .addSuccess(Listed)
  .addError(Errors.BadRequest)
  .annotateContext(described(
    "List memories",
    "By priority, then by the latest change, both descending. Expired memories are hidden. `since` and `until` look at " +
      "`created_at`."
  ))

const get = HttpApiEndpoint.get("get")`/api/v1/memories/${id}`
  .addSuccess(Found)
  .addError(Errors.BadRequest)
  .addError(Errors.Missing)
  .annotateContext(
    described("Read one memory", "By its id or a unique prefix of it. The answer's ETag is its version.")
  )

const update = HttpApiEndpoint.put("update")`/api/v1/memories/${id}`
  .setHeaders(matchHeaders)
  .setPayload(UpdateMemory.annotations({ identifier: "UpdateMemory", jsonSchema: documentation.updateMemory }))
  .addSuccess(Updated)
  .addError(Errors.BadRequest)
  .addError(Errors.Missing)
  .addError(Errors.Conflict)
  .addError(Errors.PreconditionFailed)
  .addError(Errors.TooLarge)
  .addError(Errors.WrongContentType)
  .addError(Errors.WrongShape)
  .addError(Errors.QuorumMissed)
  .addError(Errors.NotWritten)
  .annotateContext(described(
    "Change fields of a memory",
    "Absent fields and nulls stay as they are; a tier can only go up. With `expected_version` or If-Match the change is " +
      "made only if the memory still has that version."
  ))

const remove = HttpApiEndpoint.del("remove")`/api/v1/memories/${id}`
  .setHeaders(matchHeaders)
  .addSuccess(Deleted)
  .addError(Errors.BadRequest)
  .addError(Errors.Missing)
  .addError(Errors.PreconditionFailed)
  .addError(Errors.WrongShape)
  .addError(Errors.QuorumMissed)
  .addError(Errors.NotWritten)
  .annotateContext(described("Delete a memory on every node", "A change that this node has not seen yet survives it."))

const promote = HttpApiEndpoint.post("promote")`/api/v1/memories/${id}/promote`
  .setHeaders(writeHeaders)
  .addSuccess(Promoted)
  .addError(Errors.BadRequest)
  .addError(Errors.Missing)
  .addError(Errors.Conflict)
  .addError(Errors.PreconditionFailed)
  .addError(Errors.WrongShape)
  .addError(Errors.QuorumMissed)
  .addError(Errors.NotWritten)
  .annotateContext(described("Keep a memory for good", "Its tier becomes `long`, and it no longer expires."))

export const SearchQuery = Schema.Struct({
  q: Query.requiredText({ name: "q", called: "query" }, "The words to find, all of them"),
  ...filters,
  as_agent: asAgent
})

const search = HttpApiEndpoint.get("search", "/api/v1/search")
  .setUrlParams(SearchQuery)
  .addSuccess(SearchResults)
  .addError(Errors.BadRequest)
  .annotateContext(described("Find memories that have all the words", "Best matches first."))

export const RecallQuery = Schema.Struct({
  context: Query.requiredText({ name: "context", called: "context" }, "What the caller is about to do"),
  namespace: filters.namespace,
  limit: Query.count("limit", { least: 0, most: MAX_RECALLED, usual: DEFAULT_RECALLED }),
  tags: filters.tags,
  since: filters.since,
  until: filters.until,
  as_agent: asAgent,
  budget_tokens: Query.integer("budget_tokens", { least: 0, most: MAX_BUDGET_TOKENS })
})

const recallNote = "The memories that help most with a context: any of its words, weighed by rarity, priority, use, " +
  "confidence, tier and age. Being recalled counts as a use and keeps a memory alive for longer."

const recallQuery = HttpApiEndpoint.get("recallQuery", "/api/v1/recall")
  .setUrlParams(RecallQuery)
  .addSuccess(Recalled)
  .addError(Errors.BadRequest)
  .annotateContext(described("Recall memories", recallNote))

const recall = HttpApiEndpoint.post("recall", "/api/v1/recall")
  .setPayload(Recall)
  .addSuccess(Recalled)
  .addError(Errors.BadRequest)
  .addError(Errors.TooLarge)
  .addError(Errors.WrongContentType)
  .addError(Errors.WrongShape)
  .annotateContext(described(
    "Recall memories, with the context in the body",
    `${recallNote} Better than GET: the context stays out of URLs, and so out of logs.`
  ))

const stats = HttpApiEndpoint.get("stats", "/api/v1/stats")
  .addSuccess(Stats)
  .annotateContext(described("Count what this node holds", "Visible memories, by tier and by namespace."))

const namespaces = HttpApiEndpoint.get("namespaces", "/api/v1/namespaces")
  .addSuccess(Namespaces)
  .annotateContext(described("List the namespaces in use", "With the number of memories in each."))

const health = HttpApiEndpoint.get("health", "/api/v1/health")
  .addSuccess(Health)
  .addError(Health.annotations({ description: "The database can not be read" }), { status: 503 })
  .annotateContext(described("Whether the node works, as the original tells it", "Needs no API key."))

const live = HttpApiEndpoint.get("live", "/health/live")
  .addSuccess(Live)
  .annotateContext(described("Whether the process runs", "Does no I/O and needs no API key."))

const ready = HttpApiEndpoint.get("ready", "/health/ready")
  .addSuccess(Ready)
  .addError(Ready.annotations({ description: "Not ready: draining, or a check that decides is not ok" }), {
    status: 503
  })
  .annotateContext(described(
    "Whether the node can take a write now",
    "The database takes a write, the clock is sane and the node is not shutting down. Needs no API key."
  ))

const exposition = HttpApiSchema.Text({ contentType: "text/plain; version=0.0.4; charset=utf-8" })

const metrics = HttpApiEndpoint.get("metrics", "/metrics")
  .addSuccess(exposition)
  .annotateContext(described("Metrics in the Prometheus text format", "Also at /api/v1/metrics."))

const apiMetrics = HttpApiEndpoint.get("apiMetrics", "/api/v1/metrics")
  .addSuccess(exposition)
  .annotateContext(described("Metrics in the Prometheus text format", "The same as /metrics."))

const push = HttpApiEndpoint.post("push", PeerApi.PUSH_PATH)
  .setPayload(PeerApi.PushRequest)
  .addSuccess(PeerApi.PushResponse)
  .addError(Errors.BadRequest)
  .addError(Errors.TooLarge)
  .addError(Errors.WrongContentType)
  .addError(Errors.WrongShape)
  .addError(Errors.NotWritten)
  .annotateContext(described(
    "Take operations of another node",
    "What the answer calls applied is durable here. The same operation again changes nothing."
  ))

const hello = HttpApiEndpoint.get("hello", PeerApi.HELLO_PATH)
  .addSuccess(PeerApi.Hello)
  .annotateContext(described("Who this node is, and what it holds", "A node that answers 404 is one of the original."))

const since = HttpApiEndpoint.get("since", PeerApi.SINCE_PATH)
  .setUrlParams(Schema.Struct({
    since: Schema.optional(Schema.String.annotations({ description: "RFC 3339; absent or empty: from the start" })),
    limit: Schema.optional(Schema.String.annotations({ description: "Rows at most: 500 unless given, 10000 at most" })),
    peer: Schema.optional(Schema.String.annotations({ description: "The agent id of the caller" })),
    vv: Schema.optional(Schema.String.annotations({ description: "The version vector of the caller, as JSON" }))
  }))
  .addSuccess(Schema.Struct({ memories: Schema.Array(Schema.Unknown), count: Schema.Int, limit: Schema.Int }))
  .addError(Errors.BadRequest)
  .annotateContext(described(
    "What another node lacks",
    "With `vv` the operations that a node with this vector lacks; without it the original's page of rows changed since."
  ))

const memories = HttpApiGroup.make("memories")
  .add(create)
  .add(list)
  .add(get)
  .add(update)
  .add(remove)
  .add(promote)
  .add(search)
  .add(recallQuery)
  .add(recall)
  .add(stats)
  .add(namespaces)
  .annotateContext(OpenApi.annotations({ title: "Memories", description: "Store, change, find and delete memories" }))

const operations = HttpApiGroup.make("operations")
  .add(health)
  .add(live)
  .add(ready)
  .add(metrics)
  .add(apiMetrics)
  .annotateContext(OpenApi.annotations({ title: "Operations", description: "How the node is" }))

const sync = HttpApiGroup.make("sync")
  .add(push)
  .add(hello)
  .add(since)
  .annotateContext(OpenApi.annotations({ title: "Sync", description: "What nodes say to each other" }))

/** The contract. Its sync group is what nodes say to each other; all else is for clients. */
export class Api extends HttpApi.make("quorate")
  .add(memories)
  .add(operations)
  .add(sync)
  .addError(Errors.Unauthorized)
  .addError(Errors.InternalError)
  .annotateContext(OpenApi.annotations({
    title: "Quorate",
    version,
    description: "A federated memory for AI agents. Every write is held durably by a quorum of nodes before it is " +
      "acknowledged. Every error has a JSON body with `error`, and `field` where one field is wrong.",
    license: { name: "Apache-2.0" },
    transform: documentation.complete
  }))
{}

/** The OpenAPI 3.1 document. The platform makes it once for each contract, so whoever asks next gets the same. */
export const document = (): OpenApi.OpenAPISpec => OpenApi.fromApi(Api, { additionalPropertiesStrategy: "allow" })
