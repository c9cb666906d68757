import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { absentable } from "../../domain/absentable.js"
import { CreateLink } from "../../domain/CreateLink.js"
import * as limits from "../../domain/limits.js"
import * as LinkRules from "../../domain/Link.js"
import { agentId, fields } from "./bodies.js"
import { entity, entityByAlias } from "./entities.js"
import * as Errors from "./errors.js"
import { acknowledged, bodyErrors, described, opId, param, writeErrors, writeHeaders } from "./parts.js"
import * as Query from "./query.js"

/* Bodies: decoded by shape first and checked against their bounds later; what is shown comes from the same rules. */

const end = (which: string) => ({
  type: "string",
  minLength: 1,
  description: `The id of the ${which}, ${limits.MAX_ID_BYTES} bytes at most`
})
const relation = { enum: LinkRules.RELATIONS }
const moment = (description: string) => ({ type: ["string", "null"], format: "date-time", description })

const createLink = {
  type: "object",
  required: ["source_id", "target_id"],
  properties: {
    source_id: end("memory that the link begins at"),
    target_id: end("memory that it leads to: another one"),
    relation: { ...relation, default: LinkRules.DEFAULT_RELATION },
    observed_by: { ...agentId, type: ["string", "null"], description: "The agent that says so" },
    valid_from: moment("Since when it holds"),
    valid_until: moment("Until when it holds"),
    signature: {
      type: ["array", "null"],
      minItems: 64,
      maxItems: 64,
      items: { type: "integer", minimum: 0, maximum: 255 },
      description: "Passed on as it is, and not checked"
    }
  }
}

const Unlink = Schema.Struct({
  source_id: Schema.String,
  target_id: Schema.String,
  relation: absentable(Schema.String)
}).annotations({
  identifier: "Unlink",
  jsonSchema: {
    type: "object",
    required: ["source_id", "target_id"],
    properties: {
      source_id: end("memory that the links begin at"),
      target_id: end("memory that they lead to"),
      relation: {
        ...relation,
        enum: [...LinkRules.RELATIONS, null],
        description: "Only this one; every one unless given"
      }
    }
  }
})

const Depth = Schema.Int.pipe(Schema.between(1, limits.MAX_WALK_DEPTH)).annotations({
  description: `a whole number from 1 to ${limits.MAX_WALK_DEPTH}`
})

const KgQuery = Schema.Struct({
  source_id: Schema.String,
  max_depth: absentable(Depth),
  valid_at: absentable(Schema.String),
  allowed_agents: absentable(Schema.Array(Schema.String)),
  limit: absentable(Schema.Int)
}).annotations({
  identifier: "KgQuery",
  jsonSchema: {
    type: "object",
    required: ["source_id"],
    properties: {
      source_id: end("memory to begin at"),
      max_depth: {
        type: ["integer", "null"],
        minimum: 1,
        maximum: limits.MAX_WALK_DEPTH,
        default: limits.DEFAULT_WALK_DEPTH,
        description: "Links in a row that are followed"
      },
      valid_at: moment("Only links that hold at this moment"),
      allowed_agents: {
        type: ["array", "null"],
        maxItems: limits.MAX_ALLOWED_AGENTS,
        items: { type: "string" },
        description: "Only links observed by one of these; an empty list lets nothing through"
      },
      limit: {
        type: ["integer", "null"],
        minimum: 0,
        default: limits.DEFAULT_WALKED,
        description: `More than ${limits.MAX_WALKED} is taken as ${limits.MAX_WALKED}`
      }
    }
  }
})

const KgInvalidate = Schema.Struct({
  source_id: Schema.String,
  target_id: Schema.String,
  relation: Schema.String,
  valid_until: absentable(Schema.String)
}).annotations({
  identifier: "KgInvalidate",
  jsonSchema: {
    type: "object",
    required: ["source_id", "target_id", "relation"],
    properties: {
      source_id: end("memory that the link begins at"),
      target_id: end("memory that it leads to"),
      relation,
      valid_until: moment("Until when it held: now, unless given")
    }
  }
})

const CheckDuplicate = Schema.Struct({
  title: Schema.String,
  content: Schema.String,
  namespace: absentable(Schema.String),
  threshold: absentable(Schema.Number)
}).annotations({
  identifier: "CheckDuplicate",
  jsonSchema: {
    type: "object",
    required: ["title", "content"],
    properties: {
      title: fields.title,
      content: fields.content,
      namespace: fields.namespace,
      threshold: {
        type: ["number", "null"],
        minimum: 0,
        maximum: 1,
        default: limits.DEFAULT_DUPLICATE_THRESHOLD,
        description:
          `How alike two memories must be; less than ${limits.MIN_DUPLICATE_THRESHOLD} is taken as ${limits.MIN_DUPLICATE_THRESHOLD}`
      }
    }
  }
})

/* Answers. */

const Linked = Schema.Struct({
  linked: Schema.Literal(true),
  attest_level: Schema.Literal("unsigned"),
  ...LinkRules.Link.fields,
  ...acknowledged
}).annotations({ identifier: "Linked" })

const Unlinked = Schema.Struct({ deleted: Schema.Boolean, ...acknowledged }).annotations({ identifier: "Unlinked" })

export const Link = LinkRules.Link.annotations({ identifier: "Link" })

const Links = Schema.Struct({ links: Schema.Array(Link), count: Schema.Int }).annotations({ identifier: "Links" })

const target = {
  target_id: Schema.String,
  relation: Schema.String,
  valid_from: Schema.NullOr(Schema.String),
  valid_until: Schema.NullOr(Schema.String),
  observed_by: Schema.NullOr(Schema.String),
  title: Schema.String,
  target_namespace: Schema.String
}

const KgAnswer = Schema.Struct({
  source_id: Schema.String,
  max_depth: Schema.Int,
  memories: Schema.Array(Schema.Struct({
    ...target,
    depth: Schema.Int,
    path: Schema.String.annotations({ description: "The ids on the way, as in `a -> b`" })
  })),
  paths: Schema.Array(Schema.String),
  count: Schema.Int
}).annotations({ identifier: "KgAnswer" })

const Timeline = Schema.Struct({
  source_id: Schema.String,
  events: Schema.Array(Schema.Struct({ ...target, created_at: Schema.String })),
  count: Schema.Int
}).annotations({ identifier: "Timeline" })

const Invalidated = Schema.Struct({
  found: Schema.Literal(true),
  source_id: Schema.String,
  target_id: Schema.String,
  relation: Schema.String,
  valid_until: Schema.String,
  previous_valid_until: Schema.optional(
    Schema.NullOr(Schema.String).annotations({ description: "Left out when the answer repeats an earlier one" })
  ),
  ...acknowledged
}).annotations({ identifier: "Invalidated" })

const Duplicate = Schema.Struct({
  is_duplicate: Schema.Boolean,
  threshold: Schema.Number,
  nearest: Schema.NullOr(Schema.Struct({
    id: Schema.String,
    title: Schema.String,
    namespace: Schema.String,
    similarity: Schema.Number
  })),
  suggested_merge: Schema.NullOr(Schema.String),
  candidates_scanned: Schema.Int
}).annotations({ identifier: "Duplicate" })

const node = {
  namespace: Schema.String,
  name: Schema.String.annotations({ description: "The last level of the namespace" }),
  count: Schema.Int.annotations({ description: "Memories of its own" }),
  subtree_count: Schema.Int.annotations({ description: "Memories of its own and of everything below it" })
}
export interface Node extends Schema.Struct.Type<typeof node> {
  readonly children: ReadonlyArray<Node>
}
const TaxonomyNode = Schema.Struct({
  ...node,
  children: Schema.Array(Schema.suspend((): Schema.Schema<Node> => TaxonomyNode))
}).annotations({ identifier: "TaxonomyNode" })

const Taxonomy = Schema.Struct({
  tree: TaxonomyNode,
  total_count: Schema.Int,
  truncated: Schema.Boolean.annotations({ description: "Some namespaces within the depth are not shown" })
}).annotations({ identifier: "Taxonomy" })

/* Endpoints. */

export const link = HttpApiEndpoint.post("link", "/api/v1/links")
  .setHeaders(writeHeaders)
  .setPayload(CreateLink.annotations({ identifier: "CreateLink", jsonSchema: createLink }))
  .addSuccess(Linked, { status: 201 })
  .addError(Errors.Missing)
  .pipe(bodyErrors, writeErrors)
  .annotateContext(described(
    "Link one memory to another",
    "Both must be live on this node; the id of one that another took over means that one. There is one link for each " +
      "source, target and relation: one that is there stays as it is, and its quorum is waited for again.",
    opId
  ))

export const unlink = HttpApiEndpoint.del("unlink", "/api/v1/links")
  .setHeaders(writeHeaders)
  .setPayload(Unlink)
  .addSuccess(Unlinked)
  .pipe(bodyErrors, writeErrors)
  .annotateContext(described(
    "Remove the links from one memory to another",
    "Every relation between the two in this direction, or the one that is given, on every node.",
    opId
  ))

const LinksQuery = Schema.Struct({
  limit: Query.count("limit", { least: 0, most: limits.MAX_LINKS, usual: limits.DEFAULT_LINKS }),
  offset: Query.count("offset", { least: 0, most: limits.MAX_OFFSET, usual: 0 })
})

export const links = HttpApiEndpoint.get("links")`/api/v1/links/${param("id", "The whole id of a memory")}`
  .setUrlParams(LinksQuery)
  .addSuccess(Links)
  .addError(Errors.BadRequest)
  .annotateContext(described(
    "List the links of a memory",
    "In both directions, the oldest first. A link whose other end is deleted, archived, or has not arrived yet is not " +
      "shown, but kept: it is there again when that end is."
  ))

const Lineage = Schema.Struct({
  id: Schema.String,
  direction: Schema.Literal("ancestors", "descendants"),
  nodes: Schema.Array(Schema.Struct({
    id: Schema.String,
    cid: Schema.Null.annotations({ description: "No node here knows memories by their content" }),
    relation: Schema.String,
    depth: Schema.Int
  })),
  count: Schema.Int
}).annotations({ identifier: "Lineage" })

const LineageQuery = Schema.Struct({
  direction: Query.choice("direction", ["ancestors", "descendants"]),
  max_depth: Query.integer("max_depth", { least: 1, most: limits.MAX_WALK_DEPTH })
})

export const lineage = HttpApiEndpoint.get("lineage")`/api/v1/memories/${
  param("id", "The whole id of a memory")
}/lineage`
  .setUrlParams(LineageQuery)
  .addSuccess(Lineage)
  .addError(Errors.BadRequest)
  .addError(Errors.Missing)
  .annotateContext(described(
    "What a memory was made of, or what was made of it",
    "The nearest first, each once: by links `derived_from`, and by the sources of consolidations, also where these are gone."
  ))

export const kgQuery = HttpApiEndpoint.post("kgQuery", "/api/v1/kg/query")
  .setPayload(KgQuery)
  .addSuccess(KgAnswer)
  .pipe(bodyErrors)
  .annotateContext(described(
    "Follow the links out of a memory",
    "Breadth first, each memory left once by the shortest way to it; links that lead back are passed over. Every link " +
      "that is followed is a row of `memories`, and its way one of `paths`."
  ))

const TimelineQuery = Schema.Struct({
  source_id: Query.requiredText({ name: "source_id", called: "source_id" }, "The memory that the links begin at"),
  since: Query.stamp("since"),
  until: Query.stamp("until"),
  limit: Query.count("limit", { least: 0, most: limits.MAX_TIMELINE_EVENTS, usual: limits.DEFAULT_TIMELINE_EVENTS })
})

export const kgTimeline = HttpApiEndpoint.get("kgTimeline", "/api/v1/kg/timeline")
  .setUrlParams(TimelineQuery)
  .addSuccess(Timeline)
  .addError(Errors.BadRequest)
  .annotateContext(described(
    "The links out of a memory in the order of time",
    "By `valid_from`, or `created_at` where that is not given; `since` and `until` look at the same."
  ))

export const kgInvalidate = HttpApiEndpoint.post("kgInvalidate", "/api/v1/kg/invalidate")
  .setHeaders(writeHeaders)
  .setPayload(KgInvalidate)
  .addSuccess(Invalidated)
  .addError(Errors.LinkMissing)
  .pipe(bodyErrors, writeErrors)
  .annotateContext(described(
    "Say until when a link held",
    "The link stays: it is found by who asks for an earlier moment.",
    opId
  ))

const TaxonomyQuery = Schema.Struct({
  prefix: Query.text("prefix", "Only this namespace and what is below it"),
  depth: Query.count("depth", { least: 0, most: limits.MAX_TAXONOMY_LEVELS, usual: limits.MAX_TAXONOMY_LEVELS }),
  limit: Query.count("limit", { least: 1, most: limits.MAX_TAXONOMY_NODES, usual: limits.DEFAULT_TAXONOMY_NODES })
})

export const taxonomy = HttpApiEndpoint.get("taxonomy", "/api/v1/taxonomy")
  .setUrlParams(TaxonomyQuery)
  .addSuccess(Taxonomy)
  .addError(Errors.BadRequest)
  .annotateContext(described(
    "The namespaces as a tree",
    "With their memories that have not expired. What is not shown, because of `depth` or `limit`, is counted above."
  ))

export const checkDuplicate = HttpApiEndpoint.post("checkDuplicate", "/api/v1/check_duplicate")
  .setPayload(CheckDuplicate)
  .addSuccess(Duplicate)
  .addError(Errors.EmbedderMissing)
  .pipe(bodyErrors)
  .annotateContext(described(
    "Ask whether a memory says what another one says already",
    "By the angle between their vectors. A node without an embedder, or whose embedder does not answer, answers 503."
  ))

export const graph = HttpApiGroup.make("graph")
  .add(link)
  .add(unlink)
  .add(links)
  .add(lineage)
  .add(kgQuery)
  .add(kgTimeline)
  .add(kgInvalidate)
  .add(taxonomy)
  .add(entity)
  .add(entityByAlias)
  .add(checkDuplicate)
  .annotateContext(OpenApi.annotations({ title: "Graph", description: "Link memories and follow the links" }))
