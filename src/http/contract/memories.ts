import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { absentable } from "../../domain/absentable.js"
import * as limits from "../../domain/limits.js"
import { Memory } from "../../domain/Memory.js"
import { SignedMemory } from "../../domain/SignedMemory.js"
import { UpdateMemory } from "../../domain/UpdateMemory.js"
import * as bodies from "./bodies.js"
import { header } from "./documentation.js"
import * as Errors from "./errors.js"
import { Link } from "./graph.js"
import {
  acknowledged,
  bodyErrors,
  described,
  etag,
  id,
  matchHeaders,
  notice,
  opId,
  truncated,
  writeErrors,
  writeHeaders
} from "./parts.js"
import * as Query from "./query.js"

/** A stored memory as the answer to its creation. */
const Created = Schema.Struct({
  ...Memory.fields,
  agent_id: Schema.NullOr(Schema.String),
  potential_contradictions: Schema.optional(
    Schema.Array(Schema.String).annotations({
      description:
        `Ids of memories of the namespace with a word of the title in theirs, ${limits.MAX_POTENTIAL} at most`
    })
  ),
  notice,
  ...acknowledged
}).annotations({ identifier: "Created" })

/** A memory after a write. */
const Updated = Schema.Struct({ ...Memory.fields, ...acknowledged }).annotations({ identifier: "Updated" })

const Promoted = Schema.Struct({
  promoted: Schema.Literal(true),
  ...Memory.fields,
  ...acknowledged
}).annotations({ identifier: "Promoted" })

const Deleted = Schema.Struct({
  deleted: Schema.Literal(true),
  id: Schema.String,
  ...acknowledged
}).annotations({ identifier: "Deleted" })

/** One memory, both flat (as the SDKs read it) and under `memory` (as the original wrote it). */
const Found = Schema.Struct({
  ...Memory.fields,
  memory: Memory,
  links: Schema.Array(Link)
}).annotations({ identifier: "Found" })

const Listed = Schema.Struct({
  memories: Schema.Array(Memory),
  count: Schema.Int,
  truncated
}).annotations({ identifier: "Listed" })

const Matched = Schema.Struct({
  ...Memory.fields,
  matched: Schema.Literal("all", "some").annotations({
    description: "Whether it has all that was asked for, or some of it; those with all come first"
  })
}).annotations({ identifier: "Matched" })

const SearchResults = Schema.Struct({
  results: Schema.optional(Schema.Array(Matched)),
  memories: Schema.optional(
    Schema.Array(Matched).annotations({
      description: "In the place of `results` when the User-Agent begins with ai-memory-python"
    })
  ),
  count: Schema.Int,
  query: Schema.String,
  truncated
}).annotations({ identifier: "SearchResults" })

const Explained = Schema.Struct({
  keyword: Schema.Number.annotations({ description: "By its words, 0 to 1 among all that were looked at" }),
  semantic: Schema.Number.annotations({ description: "By its meaning, the same" }),
  time: Schema.Number.annotations({ description: "Whether a time fits that the question names, the same" }),
  context: Schema.Number.annotations({ description: "By what was written beside it, the same" }),
  worth: Schema.Number.annotations({ description: "A factor near 1: priority, confidence, tier and age" }),
  use: Schema.Number.annotations({ description: "A factor near 1: how often it was of use" }),
  distance: Schema.Number.annotations({
    description: "A factor below 1 for each namespace level above the one asked for"
  })
}).annotations({ identifier: "Explained" })

const score = Schema.Number.annotations({ description: "Rounded to three decimals" })
const explain = Schema.optional(Explained.annotations({ description: "When `explain` was asked for" }))

const Scored = Schema.Struct({ ...Memory.fields, score, explain }).annotations({ identifier: "Scored" })

const Compact = Schema.Struct({
  id: Schema.String,
  title: Schema.String,
  snippet: Schema.String.annotations({ description: "The first sentence of the content" }),
  score,
  explain
}).annotations({ identifier: "Compact" })

const Evidence = Schema.Struct({
  strength: Schema.Number.annotations({ description: "0 to 1: whether the best memory answers at all" }),
  top_score: Schema.Number,
  gap_to_second: Schema.Number,
  coverage: Schema.Number.annotations({
    description: "The share of the words asked that it has; rare words count more, unknown ones fully"
  })
}).annotations({ identifier: "Evidence" })

const Recalled = Schema.Struct({
  memories: Schema.Array(Schema.Union(Scored, Compact)),
  count: Schema.Int,
  tokens_used: Schema.Int.annotations({ description: "Of the contents" }),
  tokens_counted_by: Schema.Literal("cl100k_base", "estimate").annotations({
    description: "Without `budget_tokens`, and where no tokenizer is installed, they are estimated"
  }),
  mode: Schema.Literal("keyword", "hybrid"),
  degraded: Schema.optional(
    Schema.Array(Schema.Literal("embeddings")).annotations({ description: "What could not be had for this answer" })
  ),
  evidence: Evidence,
  budget_tokens: Schema.optional(Schema.Int),
  meta: Schema.optional(Schema.Struct({
    budget_tokens_used: Schema.Int,
    budget_tokens_remaining: Schema.Int,
    memories_dropped: Schema.Int,
    budget_overflow: Schema.Boolean
  }))
}).annotations({ identifier: "Recalled" })

/** Null stands for absent, but for the context. */
const Recall = Schema.Struct({
  context: Schema.String,
  namespace: absentable(Schema.String),
  limit: absentable(Schema.Int),
  tags: absentable(Schema.String),
  since: absentable(Schema.String),
  until: absentable(Schema.String),
  as_agent: absentable(Schema.String),
  abstain_below: absentable(Schema.Number),
  explain: absentable(Schema.Boolean),
  compact: absentable(Schema.Boolean),
  budget_tokens: absentable(Schema.Int)
}).annotations({ identifier: "Recall", jsonSchema: bodies.recall })

const Stats = Schema.Struct({
  total: Schema.Int,
  by_tier: Schema.Array(Schema.Struct({ tier: Schema.String, count: Schema.Int })),
  by_namespace: Schema.Array(Schema.Struct({ namespace: Schema.String, count: Schema.Int })),
  expiring_soon: Schema.Int.annotations({ description: "Within an hour" }),
  links_count: Schema.Int,
  db_size_bytes: Schema.Int,
  dim_violations: Schema.Int,
  index_evictions_total: Schema.Int
}).annotations({ identifier: "Stats" })

const asAgent = Query.text("as_agent", "Only what an agent at this namespace may see")

const filters = {
  namespace: Query.text("namespace", "Exactly this namespace"),
  tier: Query.tier,
  limit: Query.count("limit", { least: 0, most: limits.MAX_LISTED, usual: limits.DEFAULT_LISTED }),
  min_priority: Query.integer("min_priority", { least: -2_147_483_648, most: 2_147_483_647 }),
  since: Query.stamp("since"),
  until: Query.stamp("until"),
  tags: Query.text("tags", "One tag that the memory has"),
  agent_id: Query.text("agent_id", "The agent that first wrote the memory")
}

export const create = HttpApiEndpoint.post("create", "/api/v1/memories")
  .setHeaders(writeHeaders)
  .setPayload(SignedMemory.annotations({ identifier: "CreateMemory", jsonSchema: bodies.signedMemory }))
  .addSuccess(Created, { status: 201 })
  .addError(Errors.Queued)
  .addError(Errors.Conflict)
  .pipe(bodyErrors, writeErrors)
  .annotateContext(described(
    "Store a memory here and on as many nodes as the quorum asks for",
    "201 means: fsynced on the nodes of `acked_by`, W of them at least. A 503 `quorum_not_met` is not a failure to write: " +
      "the memory is durable here and will replicate. Send the request again with the same Idempotency-Key to wait for it. " +
      "With a `signature` that is not the agent's: 403 `ATTESTATION_FAILED`.",
    { ...opId, ...etag, Location: header("The path of the memory") }
  ))

const ListQuery = Schema.Struct({
  ...filters,
  offset: Query.count("offset", { least: 0, most: limits.MAX_OFFSET, usual: 0 })
})

export const list = HttpApiEndpoint.get("list", "/api/v1/memories")
  .setUrlParams(ListQuery)
  .addSuccess(Listed)
  .addError(Errors.BadRequest)
  .annotateContext(described(
    "List memories",
    "By priority, then by the latest change, both descending. Expired memories are hidden. `since` and `until` look at " +
      "`created_at`."
  ))

export const get = HttpApiEndpoint.get("get")`/api/v1/memories/${id}`
  .addSuccess(Found)
  .addError(Errors.BadRequest)
  .addError(Errors.Missing)
  .annotateContext(
    described("Read one memory", "By its id or a unique prefix of it. The answer's ETag is its version.", etag)
  )

export const update = HttpApiEndpoint.put("update")`/api/v1/memories/${id}`
  .setHeaders(matchHeaders)
  .setPayload(UpdateMemory.annotations({ identifier: "UpdateMemory", jsonSchema: bodies.updateMemory }))
  .addSuccess(Updated)
  .addError(Errors.Missing)
  .addError(Errors.Conflict)
  .addError(Errors.PreconditionFailed)
  .pipe(bodyErrors, writeErrors)
  .annotateContext(described(
    "Change fields of a memory",
    "Absent fields and nulls stay as they are; a tier can only go up. With `expected_version` or If-Match the change is " +
      "made only if the memory still has that version.",
    { ...opId, ...etag }
  ))

export const remove = HttpApiEndpoint.del("remove")`/api/v1/memories/${id}`
  .setHeaders(matchHeaders)
  .addSuccess(Deleted)
  .addError(Errors.Queued)
  .addError(Errors.Missing)
  .addError(Errors.Conflict)
  .addError(Errors.PreconditionFailed)
  .pipe(writeErrors)
  .annotateContext(
    described(
      "Delete a memory on every node",
      "A change that this node has not seen yet survives it. The standard of a namespace is refused: clear it first.",
      opId
    )
  )

export const promote = HttpApiEndpoint.post("promote")`/api/v1/memories/${id}/promote`
  .setHeaders(writeHeaders)
  .addSuccess(Promoted)
  .addError(Errors.Queued)
  .addError(Errors.Missing)
  .addError(Errors.Conflict)
  .addError(Errors.PreconditionFailed)
  .pipe(writeErrors)
  .annotateContext(
    described("Keep a memory for good", "Its tier becomes `long`, and it no longer expires.", { ...opId, ...etag })
  )

const SearchQuery = Schema.Struct({
  q: Query.requiredText({ name: "q", called: "query" }, "The words to find: what has all of them comes first"),
  ...filters,
  limit: Query.count("limit", { least: 0, most: limits.MAX_FOUND, usual: limits.DEFAULT_FOUND }),
  as_agent: asAgent
})

export const search = HttpApiEndpoint.get("search", "/api/v1/search")
  .setUrlParams(SearchQuery)
  .addSuccess(SearchResults)
  .addError(Errors.BadRequest)
  .annotateContext(described(
    "Find memories by their words",
    "Those that have all of them first, the best matches before the others. Where they are fewer than the limit, those " +
      "that have most of them follow, the rarer words before the others; `matched` tells which."
  ))

const RecallQuery = Schema.Struct({
  context: Query.requiredText({ name: "context", called: "context" }, "What the caller is about to do"),
  namespace: Query.text(
    "namespace",
    "This namespace and, where it has several levels, those above it, which count for less"
  ),
  limit: Query.count("limit", { least: 0, most: limits.MAX_RECALLED, usual: limits.DEFAULT_RECALLED }),
  tags: filters.tags,
  since: filters.since,
  until: filters.until,
  as_agent: asAgent,
  abstain_below: Query.share("abstain_below", "Nothing is answered when the evidence is weaker than this"),
  explain: Query.flag("explain", "Each memory says what its score is made of"),
  compact: Query.flag("compact", "Each memory is given by id, title, first sentence and score alone"),
  budget_tokens: Query.integer("budget_tokens", { least: 0, most: limits.MAX_BUDGET_TOKENS })
})

const recallNote =
  "The memories that help most with a context: by its words, by its meaning, and by what was written " +
  "beside them. `evidence` tells how well the best one fits. Being among the best counts as a use and keeps a memory alive " +
  "for longer."

export const recallQuery = HttpApiEndpoint.get("recallQuery", "/api/v1/recall")
  .setUrlParams(RecallQuery)
  .addSuccess(Recalled)
  .addError(Errors.BadRequest)
  .annotateContext(described("Recall memories", recallNote))

export const recall = HttpApiEndpoint.post("recall", "/api/v1/recall")
  .setPayload(Recall)
  .addSuccess(Recalled)
  .pipe(bodyErrors)
  .annotateContext(described(
    "Recall memories, with the context in the body",
    `${recallNote} Better than GET: the context stays out of URLs, and so out of logs.`
  ))

export const stats = HttpApiEndpoint.get("stats", "/api/v1/stats")
  .addSuccess(Stats)
  .annotateContext(described("Count what this node holds", "Visible memories, by tier and by namespace."))

export const memories = HttpApiGroup.make("memories")
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
  .annotateContext(OpenApi.annotations({ title: "Memories", description: "Store, change, find and delete memories" }))
