import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { absentable } from "../../domain/absentable.js"
import { reasons } from "../../domain/Archive.js"
import { CreateMemory } from "../../domain/CreateMemory.js"
import * as limits from "../../domain/limits.js"
import { Memory } from "../../domain/Memory.js"
import * as bodies from "./bodies.js"
import * as Errors from "./errors.js"
import {
  acknowledged,
  bodyErrors,
  described,
  etag,
  notice,
  opId,
  param,
  truncated,
  writeErrors,
  writeHeaders
} from "./parts.js"
import * as Query from "./query.js"

/* Bodies. */

const rows = {
  type: "array",
  maxItems: limits.MAX_BULK,
  items: {
    ...bodies.createMemory,
    properties: {
      ...bodies.createMemory.properties,
      on_conflict: { ...bodies.createMemory.properties.on_conflict, default: "merge" }
    }
  }
}

/** What a row has to look like is asked of each row alone. */
const Bulk = Schema.Union(
  Schema.Array(CreateMemory),
  Schema.Struct({ memories: Schema.Array(CreateMemory) })
).annotations({
  identifier: "Bulk",
  description: "an array, or an object with an array memories",
  jsonSchema: { anyOf: [rows, { type: "object", required: ["memories"], properties: { memories: rows } }] }
})

const BulkWritten = Schema.Struct({
  created: Schema.Int.annotations({ description: "Memories that are there and were not before" }),
  count: Schema.Int.annotations({ description: "How many ids there are" }),
  ids: Schema.Array(Schema.String).annotations({
    description: "The ids of the memories that the rows came to, in the order of the rows"
  }),
  updated: Schema.Int.annotations({ description: "Rows that changed a memory that was there before" }),
  unchanged: Schema.Int.annotations({ description: "Rows that say what a memory said before" }),
  duplicates: Schema.Array(Schema.Struct({ index: Schema.Int, id: Schema.String })).annotations({
    description: "Rows that say what an earlier row says, and the memory of that"
  }),
  renamed: Schema.Array(Schema.Struct({ index: Schema.Int, id: Schema.String, title: Schema.String })).annotations({
    description: "Rows that were stored under the next free title"
  }),
  errors: Schema.Array(Schema.Union(
    Schema.String,
    Schema.Struct({ index: Schema.Int, error: Schema.String })
  )).annotations({ description: "Objects when the User-Agent begins with ai-memory-python, else strings" }),
  notice
}).annotations({ identifier: "BulkWritten" })

/** An archived memory as the original lists it. */
const ArchivedMemory = Schema.Struct({
  ...Memory.fields,
  tags: Schema.String.annotations({ description: "The tags as a JSON text" }),
  last_accessed_at: Schema.NullOr(Schema.String),
  expires_at: Schema.NullOr(Schema.String),
  archived_at: Schema.String,
  archive_reason: Schema.String
}).annotations({ identifier: "ArchivedMemory" })

const ArchivedList = Schema.Struct({
  archived: Schema.Array(ArchivedMemory),
  count: Schema.Int,
  truncated
}).annotations({ identifier: "ArchivedList" })

/** Null stands for absent. */
const Archive = Schema.Struct({
  ids: Schema.Array(Schema.String),
  reason: absentable(Schema.String)
}).annotations({
  identifier: "Archive",
  jsonSchema: {
    type: "object",
    required: ["ids"],
    properties: {
      ids: {
        type: "array",
        maxItems: limits.MAX_ARCHIVED,
        items: { type: "string", minLength: 1, description: `A whole id, ${limits.MAX_ID_BYTES} bytes at most` }
      },
      reason: {
        type: ["string", "null"],
        minLength: 1,
        default: reasons.archived,
        description: `Not blank, ${limits.MAX_ARCHIVE_REASON_BYTES} bytes at most`
      }
    }
  }
})

const Archived = Schema.Struct({
  archived: Schema.Array(Schema.String),
  missing: Schema.Array(Schema.String).annotations({
    description: "Ids of no live memory; what was archived before is among them"
  }),
  count: Schema.Int.annotations({ description: "Of those that were archived now" }),
  reason: Schema.String,
  ...acknowledged
}).annotations({ identifier: "Archived" })

const Purged = Schema.Struct({ purged: Schema.Int, ...acknowledged }).annotations({ identifier: "Purged" })

const Restored = Schema.Struct({
  restored: Schema.Literal(true),
  id: Schema.String,
  ...acknowledged
}).annotations({ identifier: "Restored" })

const ArchiveStats = Schema.Struct({
  archived_total: Schema.Int,
  by_namespace: Schema.Array(Schema.Struct({ namespace: Schema.String, count: Schema.Int }))
}).annotations({ identifier: "ArchiveStats" })

/** Null stands for absent. */
const Forget = Schema.Struct({
  namespace: absentable(Schema.String),
  pattern: absentable(Schema.String),
  tier: absentable(Memory.fields.tier)
}).annotations({
  identifier: "Forget",
  jsonSchema: {
    type: "object",
    minProperties: 1,
    properties: {
      namespace: { type: ["string", "null"], description: "Exactly this namespace" },
      pattern: {
        type: ["string", "null"],
        minLength: 1,
        description: `Any of these words, as in a recall; ${limits.MAX_PATTERN_BYTES} bytes at most`
      },
      tier: { enum: ["short", "mid", "long", null] }
    }
  }
})

const Forgotten = Schema.Struct({
  deleted: Schema.Int.annotations({ description: "Memories that were forgotten, and are in the archive now" }),
  ...acknowledged
}).annotations({ identifier: "Forgotten" })

const Foreseen = Schema.Struct({
  count: Schema.Int,
  memories: Schema.Array(Schema.Struct({ id: Schema.String, title: Schema.String, namespace: Schema.String }))
    .annotations({
      description: "Some of them"
    })
}).annotations({ identifier: "Foreseen" })

/* Endpoints. */

export const bulk = HttpApiEndpoint.post("bulk", "/api/v1/memories/bulk")
  .setHeaders(writeHeaders)
  .setPayload(Bulk)
  .addSuccess(BulkWritten)
  .addError(Errors.NotWritten)
  .pipe(bodyErrors)
  .annotateContext(described(
    "Store many memories at once",
    "All in one transaction, each as if it came after those before it. Where a title was taken before, a row merges into " +
      "that memory, unless its `on_conflict` says something else. Of two rows with one title and other texts the second is " +
      "stored under the next free title. A row that can not be stored is one of `errors` " +
      "(`memories[<index>]: …`) and stops no other. A row that is stored, but not yet on W nodes, counts as created, and is " +
      "one of `errors`, too (`<id>: quorum not met (…)`): it will replicate."
  ))

const ListQuery = Schema.Struct({
  namespace: Query.text("namespace", "Exactly this namespace"),
  limit: Query.count("limit", { least: 1, most: limits.MAX_ARCHIVE_LISTED, usual: limits.DEFAULT_ARCHIVE_LISTED }),
  offset: Query.count("offset", { least: 0, most: limits.MAX_OFFSET, usual: 0 })
})

export const list = HttpApiEndpoint.get("list", "/api/v1/archive")
  .setUrlParams(ListQuery)
  .addSuccess(ArchivedList)
  .addError(Errors.BadRequest)
  .annotateContext(described("List archived memories", "The latest first. `tags` is a JSON text, as in the original."))

export const archiveMemories = HttpApiEndpoint.post("archive", "/api/v1/archive")
  .setHeaders(writeHeaders)
  .setPayload(Archive)
  .addSuccess(Archived)
  .addError(Errors.Conflict)
  .pipe(bodyErrors, writeErrors)
  .annotateContext(described(
    "Put memories away",
    "All in one transaction, on every node. No list and no search finds them until they are restored. Whole ids only. What " +
      "is archived already stays as it is. The standard of a namespace is refused, and nothing is put away."
  ))

const PurgeQuery = Schema.Struct({
  older_than_days: Query.integer("older_than_days", { least: 0, most: limits.MAX_PURGE_DAYS })
})

export const purge = HttpApiEndpoint.del("purge", "/api/v1/archive")
  .setHeaders(writeHeaders)
  .setUrlParams(PurgeQuery)
  .addSuccess(Purged)
  .pipe(writeErrors)
  .annotateContext(described(
    "Delete archived memories for good",
    "On every node: those that were archived longer ago than `older_than_days`, or all of them without it."
  ))

export const restore = HttpApiEndpoint.post("restore")`/api/v1/archive/${
  param("id", "The whole id of an archived memory")
}/restore`
  .setHeaders(writeHeaders)
  .addSuccess(Restored)
  .addError(Errors.Missing)
  .addError(Errors.Conflict)
  .pipe(writeErrors)
  .annotateContext(described(
    "Take a memory back from the archive",
    "With everything it had. One that has expired meanwhile gets the time of its tier anew. 409 when another memory has its " +
      "title now.",
    { ...opId, ...etag }
  ))

export const stats = HttpApiEndpoint.get("stats", "/api/v1/archive/stats")
  .addSuccess(ArchiveStats)
  .annotateContext(described("Count archived memories", "By namespace, the largest first."))

const ForgetQuery = Schema.Struct({
  namespace: Query.text("namespace", "Exactly this namespace"),
  pattern: Query.text("pattern", "Any of these words, as in a recall"),
  tier: Query.tier
})

export const forget = HttpApiEndpoint.post("forget", "/api/v1/forget")
  .setHeaders(writeHeaders)
  .setUrlParams(ForgetQuery)
  .setPayload(Forget)
  .addSuccess(Forgotten)
  .pipe(bodyErrors, writeErrors)
  .annotateContext(described(
    "Forget all memories that match",
    "By a JSON body or, without a body, by the query; at least one of the three must be given, and all that are given must " +
      "match. What matches is archived on every node with the reason `forget`, or deleted with `--archive-on-gc false`. Large " +
      "numbers take several transactions: a 503 says of the first that missed its quorum, and the others are made all the same."
  ))

export const foresee = HttpApiEndpoint.get("foresee", "/api/v1/forget")
  .setUrlParams(ForgetQuery)
  .addSuccess(Foreseen)
  .addError(Errors.BadRequest)
  .annotateContext(described(
    "Tell what a forget would put away",
    "Nothing is changed. The memory that is the standard of a namespace is counted, and would stay."
  ))

export const archive = HttpApiGroup.make("archive")
  .add(bulk)
  .add(list)
  .add(archiveMemories)
  .add(purge)
  .add(restore)
  .add(stats)
  .add(forget)
  .add(foresee)
  .annotateContext(
    OpenApi.annotations({
      title: "Archive",
      description: "Write many memories at once, put memories away and take them back"
    })
  )
