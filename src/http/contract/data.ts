import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { absentable } from "../../domain/absentable.js"
import { Consolidate } from "../../domain/Consolidation.js"
import * as limits from "../../domain/limits.js"
import { Memory } from "../../domain/Memory.js"
import { NamespaceMeta } from "../../domain/NamespaceMeta.js"
import { PendingAction } from "../../domain/PendingAction.js"
import * as bodies from "./bodies.js"
import { header } from "./documentation.js"
import * as Errors from "./errors.js"
import { Link } from "./graph.js"
import {
  acknowledged,
  agentHeader,
  bodyErrors,
  described,
  etag,
  NDJSON_TYPE,
  opId,
  writeErrors,
  writeHeaders
} from "./parts.js"
import * as Query from "./query.js"

/* Bodies. */

const consolidateBody = {
  type: "object",
  required: ["ids", "title", "summary"],
  properties: {
    ids: {
      type: "array",
      minItems: limits.MIN_CONSOLIDATED,
      maxItems: limits.MAX_CONSOLIDATED,
      uniqueItems: true,
      items: { type: "string", minLength: 1, description: "A whole id" }
    },
    title: bodies.fields.title,
    summary: bodies.fields.content,
    namespace: { ...bodies.fields.namespace, type: ["string", "null"], default: "global" },
    tier: { enum: ["short", "mid", "long", null], default: "long" },
    agent_id: bodies.createMemory.properties.agent_id
  }
}

const Consolidated = Schema.Struct({
  id: Schema.String,
  consolidated: Schema.Int.annotations({ description: "Memories that are gone, and whose ids stand for the new one" }),
  ...acknowledged
}).annotations({ identifier: "Consolidated" })

const Collected = Schema.Struct({ expired_deleted: Schema.Int, ...acknowledged }).annotations({
  identifier: "Collected"
})

/** A memory that is in the archive, as it is brought in again. */
const ArchivedRow = Schema.Struct({
  ...Memory.fields,
  archived_at: Schema.String,
  archive_reason: Schema.String
}).annotations({ identifier: "ArchivedRow" })

const Exported = Schema.Struct({
  memories: Schema.Array(Memory).annotations({ description: "Visible ones, expired ones included" }),
  links: Schema.Array(Link),
  archived: Schema.Array(ArchivedRow),
  conflicts: Schema.Array(Schema.Union(ArchivedRow, Memory)).annotations({
    description: "What another memory or another version hides"
  }),
  standards: Schema.Array(NamespaceMeta).annotations({
    description: "Which memory is the standard of which namespace"
  }),
  pendings: Schema.Array(PendingAction).annotations({ description: "Also those that are decided, with their votes" }),
  count: Schema.Int.annotations({ description: "Of the memories" }),
  exported_at: Schema.String
}).annotations({ identifier: "Exported" })

const listOf = (description: string) => ({
  type: ["array", "null"],
  maxItems: limits.MAX_IMPORTED,
  items: { type: "object", description }
})

/** What a row has to look like is asked of each row alone. */
const Import = Schema.Struct({
  memories: Schema.Array(Memory),
  links: absentable(Schema.Array(Link)),
  archived: absentable(Schema.Array(ArchivedRow)),
  conflicts: absentable(Schema.Array(Schema.Union(ArchivedRow, Memory))),
  standards: absentable(Schema.Array(NamespaceMeta)),
  pendings: absentable(Schema.Array(PendingAction)),
  count: absentable(Schema.Unknown),
  exported_at: absentable(Schema.Unknown)
}).annotations({
  identifier: "Import",
  jsonSchema: {
    type: "object",
    required: ["memories"],
    properties: {
      count: { description: "As an export has it; passed over" },
      exported_at: { description: "The same" },
      memories: {
        type: "array",
        maxItems: limits.MAX_IMPORTED,
        items: { type: "object", description: "A whole memory" }
      },
      links: listOf("A whole link"),
      archived: listOf("A whole memory with `archived_at` and `archive_reason`"),
      conflicts: listOf("A whole memory, live or archived"),
      standards: listOf("`namespace`, `standard_id`, `parent_namespace`, `updated_at`"),
      pendings: listOf("A whole pending action")
    }
  }
})

const Imported = Schema.Struct({
  imported: Schema.Int.annotations({ description: "Memories that were written" }),
  created: Schema.Int.annotations({ description: "Of those, memories that are there and were not before" }),
  updated: Schema.Int.annotations({ description: "Of those, memories that say now what their row says" }),
  unchanged: Schema.Int.annotations({
    description: "Rows that say what their memory says already, or said before somebody changed it"
  }),
  renamed: Schema.Array(Schema.Struct({ id: Schema.String, title: Schema.String })).annotations({
    description: "With `on_conflict=rename`: memories that were stored under the next free title"
  }),
  links_imported: Schema.Int,
  standards_imported: Schema.Int,
  pendings_imported: Schema.Int.annotations({ description: "Pending actions of which something was new" }),
  skipped: Schema.Int.annotations({ description: "All that is here already" }),
  errors: Schema.Array(Schema.String).annotations({
    description: `What is not imported, each under its id or its place, and why: ${limits.MAX_ERRORS} at most`
  }),
  dry_run: Schema.optional(
    Schema.Literal(true).annotations({
      description: "Only with `dry_run=true`: nothing was written, this is what would be"
    })
  ),
  ...acknowledged
}).annotations({ identifier: "Imported" })

const Contradictions = Schema.Struct({
  memories: Schema.Array(Memory),
  links: Schema.Array(Schema.Struct({
    source_id: Schema.String,
    target_id: Schema.String,
    relation: Schema.Literal("contradicts"),
    synthesized: Schema.Boolean.annotations({ description: "Nobody stored it: it follows from the two memories" })
  })),
  truncated: Schema.optional(
    Schema.Literal(true).annotations({
      description: `There are more memories than ${limits.MAX_PAGE_BYTES} bytes hold, or more than ` +
        `${limits.MAX_CONTRADICTIONS} links: ask of one topic, or of one namespace`
    })
  )
}).annotations({ identifier: "Contradictions" })

/** Null stands for absent. */
const SessionStart = Schema.Struct({
  namespace: absentable(Schema.String),
  limit: absentable(Schema.Int),
  agent_id: absentable(Schema.String)
}).annotations({
  identifier: "SessionStart",
  jsonSchema: {
    type: "object",
    properties: {
      namespace: { type: ["string", "null"], description: "Exactly this namespace" },
      limit: {
        type: ["integer", "null"],
        minimum: 0,
        default: limits.DEFAULT_SESSION_MEMORIES,
        description: `More than ${limits.MAX_SESSION_MEMORIES} is taken as ${limits.MAX_SESSION_MEMORIES}`
      },
      agent_id: bodies.createMemory.properties.agent_id
    }
  }
})

const Session = Schema.Struct({
  memories: Schema.Array(Memory),
  count: Schema.Int,
  mode: Schema.Literal("session_start"),
  session_id: Schema.String,
  standard: Schema.optional(Memory.annotations({ description: "The memory of the standard, when one applies" })),
  standards: Schema.optional(
    Schema.Array(Memory).annotations({
      description: "Their memories, the farthest first, when several apply"
    })
  ),
  agent_id: Schema.optional(Schema.String)
}).annotations({ identifier: "Session" })

/* Endpoints. */

export const gc = HttpApiEndpoint.post("gc", "/api/v1/gc")
  .setHeaders(writeHeaders)
  .addSuccess(Collected)
  .pipe(writeErrors)
  .annotateContext(described(
    "Archive what has expired",
    "On every node, with the reason `ttl_expired`; with `--archive-on-gc false` it is deleted. Each node does so every half " +
      "hour by itself, and then leaves alone for a while what may have been recalled on another node."
  ))

const ExportQuery = Schema.Struct({
  format: Query.choice("format", ["json", "ndjson"]),
  archived: Query.flag("archived", "The archive as well", { usual: true })
})

export const exportAll = HttpApiEndpoint.get("export", "/api/v1/export")
  .setUrlParams(ExportQuery)
  .addSuccess(Exported)
  .addError(Errors.BadRequest)
  .annotateContext(described(
    "Take everything out",
    "Memories by id, archived ones and what conflicts hide, links, standards and pending actions. With " +
      "`Accept: application/x-ndjson` or `format=ndjson` one object a line, with a `type` (`memory`, `archived`, `conflict`, " +
      "`link`, `standard`, `pending`). `archived=false` leaves the archive out. It is read " +
      "as it is sent: what is written meanwhile may be in it or not. A connection that is cut off means that something is " +
      "missing.",
    {},
    { type: NDJSON_TYPE, of: "200" }
  ))

const ImportQuery = Schema.Struct({
  on_conflict: Query.choice("on_conflict", ["shadow", "rename", "error"]),
  dry_run: Query.flag("dry_run", "Say what would come of it, and write nothing"),
  namespace: Query.text(
    "namespace",
    "Where that goes which names no namespace, and all of other formats. Default: global"
  )
})

export const importAll = HttpApiEndpoint.post("import", "/api/v1/import")
  .setUrlParams(ImportQuery)
  .setHeaders(writeHeaders)
  .setPayload(Import)
  .addSuccess(Imported)
  .pipe(bodyErrors, writeErrors)
  .annotateContext(described(
    "Bring in an export, ours or of another program",
    "As JSON, or as lines of it with the content type application/x-ndjson; tables as text/csv, a note as text/markdown; 2 MiB at " +
      "most, all in one transaction. What the body is, it is known by: an export of ours or of ai-memory, the file of the MCP " +
      "memory server, what mem0, ChatGPT, Claude, Letta and Zep give out. A memory without an `id` needs a `content` and no " +
      "more. Ids of what has none here follow from its source, so that the same again is the same memory. Every memory keeps its id. Of two texts of one id, or two memories with one title, the newer is " +
      "visible, by `updated_at`, and the other one is listed under the conflicts (`on_conflict` is `shadow`); `rename` stores " +
      "what has a taken title under the next free one, as is usual for all that is no export of ours, `error` refuses it. The owner of a memory that is here stays. One that " +
      "was deleted or archived here is live again. What breaks a rule is one of `errors`, under its id, and stops no other. " +
      "The same again changes nothing.",
    {},
    { type: NDJSON_TYPE, of: "requestBody" }
  ))

export const consolidate = HttpApiEndpoint.post("consolidate", "/api/v1/consolidate")
  .setHeaders(writeHeaders)
  .setPayload(Consolidate.annotations({ identifier: "Consolidate", jsonSchema: consolidateBody }))
  .addSuccess(Consolidated, { status: 201 })
  .addError(Errors.Missing)
  .addError(Errors.Conflict)
  .pipe(bodyErrors, writeErrors)
  .annotateContext(described(
    "Put one memory in the place of several",
    "It has all their tags (the first 50), their greatest priority (5 at least), the sum of their uses and their metadata in " +
      "one. The sources are gone, on every node, and their ids stand for the new memory.",
    { ...opId, ...etag, Location: header("The path of the memory") }
  ))

const ContradictionsQuery = Schema.Struct({
  topic: Query.text("topic", "The `topic` in the metadata, or the title, exactly"),
  namespace: Query.text("namespace", "Exactly this namespace"),
  limit: Query.count("limit", { least: 0, most: limits.MAX_COMPARED, usual: limits.DEFAULT_COMPARED })
})

export const contradictions = HttpApiEndpoint.get("contradictions", "/api/v1/contradictions")
  .setUrlParams(ContradictionsQuery)
  .addSuccess(Contradictions)
  .addError(Errors.BadRequest)
  .annotateContext(described(
    "Memories that say different things of one topic",
    "At least one of `topic` and `namespace` is required. Of two memories of one topic with different contents there is a " +
      "link from the newer to the older; links `contradicts` that somebody stored come first."
  ))

export const sessionStart = HttpApiEndpoint.post("sessionStart", "/api/v1/session/start")
  .setHeaders(Schema.Struct(agentHeader))
  .setPayload(SessionStart)
  .addSuccess(Session)
  .pipe(bodyErrors)
  .annotateContext(described(
    "What to know when a session begins",
    "Memories by priority and then by the latest change, and beside them the standards that apply to the namespace. The node keeps " +
      "nothing of the session; none of the memories counts as used. The body may be left out."
  ))

export const data = HttpApiGroup.make("data")
  .add(gc)
  .add(exportAll)
  .add(importAll)
  .add(consolidate)
  .add(contradictions)
  .add(sessionStart)
  .annotateContext(OpenApi.annotations({ title: "Data", description: "Take out, bring in and tidy what a node holds" }))
