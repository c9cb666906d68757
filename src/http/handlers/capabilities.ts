import { version } from "../../domain/version.js"
import type { Capabilities } from "../../operations/node/capabilities.js"
import * as Routes from "../calls/routes.js"
import type * as contract from "../contract/agents.js"

/** Which of its descriptions a client understands. */
type Schema = "v1" | "v2" | "v3"

/** By the header of the request; what nobody knows is taken as the newest. */
export const schemaOf = (header: string | undefined): Schema => header === "v1" || header === "v2" ? header : "v3"

type Described = typeof contract.Capabilities.Type

/** What this node can do, in the original's words: the newest description has all of them. */
export const describe = (schema: Schema, { pendingRequests, permissions }: Capabilities): Described => {
  const core: Described = { tier: "keyword", version, features: features(schema), models }
  if (schema === "v1") return core
  const whole: Described = {
    schema_version: schema === "v2" ? "2" : "3",
    ...core,
    permissions: {
      mode: permissions.mode,
      active_rules: permissions.policies.length,
      inheritance: "enforced",
      rule_summary: permissions.policies,
      decision_counts: permissions.counts
    },
    hooks: { registered_count: 0, webhook_events: [] },
    compaction: absent,
    approval: { pending_requests: pendingRequests },
    transcripts: absent,
    hnsw: { evictions_total: 0, evicted_recently: false },
    families: { families: families() }
  }
  return schema === "v2" ? whole : { ...whole, summary, to_describe_to_user: toDescribe, tools: tools() }
}

const summary = "A federated memory: every write is held by a quorum of nodes before it is acknowledged. Recall and " +
  "search go by words; there is no embedder and no language model."

const toDescribe =
  "I can store, find and share memories. They are kept on several machines, and I find them by the words " +
  "that are in them."

/** Something that this node does not have and no version of it promises. */
const absent = { planned: false, version: "none", enabled: false }

const features = (schema: Schema): Described["features"] => ({
  keyword_search: true,
  semantic_search: false,
  hybrid_recall: false,
  query_expansion: false,
  auto_consolidation: false,
  auto_tagging: false,
  contradiction_analysis: false,
  cross_encoder_reranking: false,
  embedder_loaded: false,
  memory_reflection: schema === "v1" ? false : absent,
  recall_mode_active: "keyword_only",
  reranker_active: "off"
})

const models = { embedding: "none", embedding_dim: 0, llm: "none", cross_encoder: "none" }

/** The tools that the original's clients know, with the route that does what each of them does. */
const TOOLS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  core: {
    memory_store: "POST /api/v1/memories",
    memory_recall: "POST /api/v1/recall",
    memory_list: "GET /api/v1/memories",
    memory_get: "GET /api/v1/memories/:id",
    memory_search: "GET /api/v1/search"
  },
  lifecycle: {
    memory_update: "PUT /api/v1/memories/:id",
    memory_delete: "DELETE /api/v1/memories/:id",
    memory_forget: "POST /api/v1/forget",
    memory_gc: "POST /api/v1/gc",
    memory_promote: "POST /api/v1/memories/:id/promote"
  },
  graph: {
    memory_link: "POST /api/v1/links",
    memory_get_links: "GET /api/v1/links/:id",
    memory_kg_query: "POST /api/v1/kg/query",
    memory_kg_timeline: "GET /api/v1/kg/timeline",
    memory_kg_invalidate: "POST /api/v1/kg/invalidate",
    memory_get_taxonomy: "GET /api/v1/taxonomy",
    memory_entity_register: "POST /api/v1/entities",
    memory_entity_get_by_alias: "GET /api/v1/entities/by_alias"
  },
  governance: {
    memory_pending_list: "GET /api/v1/pending",
    memory_pending_approve: "POST /api/v1/pending/:id/approve",
    memory_pending_reject: "POST /api/v1/pending/:id/reject",
    memory_namespace_set_standard: "POST /api/v1/namespaces",
    memory_namespace_get_standard: "GET /api/v1/namespaces/:namespace/standard",
    memory_namespace_clear_standard: "DELETE /api/v1/namespaces",
    memory_subscribe: "POST /api/v1/subscriptions",
    memory_unsubscribe: "DELETE /api/v1/subscriptions"
  },
  power: {
    memory_consolidate: "POST /api/v1/consolidate",
    memory_detect_contradiction: "GET /api/v1/contradictions",
    memory_check_duplicate: "POST /api/v1/check_duplicate"
  },
  meta: {
    memory_capabilities: "GET /api/v1/capabilities",
    memory_agent_register: "POST /api/v1/agents",
    memory_agent_list: "GET /api/v1/agents",
    memory_session_start: "POST /api/v1/session/start",
    memory_stats: "GET /api/v1/stats"
  },
  archive: {
    memory_archive_list: "GET /api/v1/archive",
    memory_archive_restore: "POST /api/v1/archive/:id/restore",
    memory_archive_purge: "DELETE /api/v1/archive",
    memory_archive_stats: "GET /api/v1/archive/stats"
  },
  other: {
    memory_notify: "POST /api/v1/notify",
    memory_inbox: "GET /api/v1/inbox"
  }
}

/** A tool that needs an embedder is served, and says that there is none. */
const NEEDS_EMBEDDER: ReadonlySet<string> = new Set(["memory_check_duplicate"])

const tools = () =>
  Object.entries(TOOLS).flatMap(([family, each]) =>
    Object.entries(each).map(([name, route]) => {
      const loaded = isServed(route)
      return { name, family, loaded, callable_now: loaded && !NEEDS_EMBEDDER.has(name) }
    })
  )

/** A family is loaded when one of its tools is. */
const families = () =>
  Object.entries(TOOLS).map(([name, each]) => ({ name, loaded: Object.values(each).some(isServed) }))

const isServed = (route: string): boolean => {
  const [method = "", pattern = ""] = route.split(" ")
  return Routes.find(pattern)?.methods.includes(method) === true
}
