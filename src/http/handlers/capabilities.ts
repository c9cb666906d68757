import * as Option from "effect/Option"
import { EVENTS } from "../../domain/Change.js"
import { version } from "../../domain/version.js"
import type { Capabilities } from "../../operations/node/capabilities.js"
import type { Progress } from "../../operations/recall/Embedding.js"
import type * as contract from "../contract/agents.js"

/** Which of its descriptions a client understands. */
type Schema = "v1" | "v2" | "v3"

/** By the header of the request; what nobody knows is taken as the newest. */
export const schemaOf = (header: string | undefined): Schema => header === "v1" || header === "v2" ? header : "v3"

type Described = typeof contract.Capabilities.Type

/**
 * What this node can do, in the original's words: the newest description has all of them. Its `tools`, and the `families`
 * they come in, are those of a server of the Model Context Protocol. These are asked for at `/mcp`, where
 * they depend on who asks: none is named here, so that no client is told that one is loaded, nor that it is not.
 */
export const describe = (schema: Schema, capabilities: Capabilities): Described => {
  const { embedding, pendingRequests, permissions } = capabilities
  const core: Described = {
    tier: Option.isSome(embedding) ? "semantic" : "keyword",
    version,
    features: features(schema, capabilities),
    models: {
      embedding: Option.match(embedding, { onNone: () => "none", onSome: ({ model }) => model }),
      embedding_dim: Option.match(embedding, { onNone: () => 0, onSome: ({ dimensions }) => dimensions }),
      llm: "none",
      cross_encoder: "none"
    }
  }
  if (schema === "v1") return core
  const whole: Described = {
    schema_version: schema === "v2" ? "2" : "3",
    ...core,
    ...Option.match(embedding, { onNone: () => ({}), onSome: (progress) => ({ embeddings: embeddings(progress) }) }),
    permissions: {
      mode: permissions.mode,
      active_rules: permissions.policies.length,
      inheritance: "enforced",
      rule_summary: permissions.policies,
      decision_counts: permissions.counts
    },
    hooks: { registered_count: capabilities.subscriptions, webhook_events: EVENTS },
    compaction: absent,
    approval: { pending_requests: pendingRequests },
    transcripts: absent,
    hnsw: { evictions_total: 0, evicted_recently: false },
    ...Option.match(capabilities.indexing, { onNone: () => ({}), onSome: (indexing) => ({ indexing }) })
  }
  return schema === "v2"
    ? whole
    : {
      ...whole,
      durability: capabilities.durability,
      summary: summary(capabilities),
      to_describe_to_user: toDescribe(capabilities),
      tools: []
    }
}

const embeddings = ({ embedded, failure, memories, passedOver }: Progress) => ({
  memories,
  embedded,
  passed_over: passedOver,
  failure: Option.getOrNull(failure)
})

const summary = ({ embedding, quorum }: Capabilities) =>
  `${
    Option.match(quorum, {
      onNone: () => "A memory on one node: a write is acknowledged when it is durable there.",
      onSome: ({ n, w }) =>
        `A federated memory: ${w} of ${n} nodes hold a write durably before it is acknowledged, and the others get it later.`
    })
  } ${
    Option.isSome(embedding)
      ? "Recall goes by words and by meaning, search by words; there is no language model."
      : "Recall and search go by words; there is no embedder and no language model."
  }`

const toDescribe = ({ embedding, quorum }: Capabilities) =>
  `I can store, find and share memories. They are kept on ${
    Option.match(quorum, { onNone: () => "one machine", onSome: ({ n }) => n === 1 ? "one machine" : `${n} machines` })
  }, and I find them by the words that are in them${Option.isSome(embedding) ? " and by what they mean" : ""}.`

/** Something that this node does not have and no version of it promises. */
const absent = { planned: false, version: "none", enabled: false }

const features = (schema: Schema, { embedding, keywordSearch }: Capabilities): Described["features"] => ({
  keyword_search: keywordSearch,
  semantic_search: Option.isSome(embedding),
  hybrid_recall: Option.isSome(embedding),
  query_expansion: false,
  auto_consolidation: false,
  auto_tagging: false,
  contradiction_analysis: false,
  cross_encoder_reranking: false,
  embedder_loaded: Option.exists(embedding, answers),
  memory_reflection: schema === "v1" ? false : absent,
  recall_mode_active: Option.match(embedding, {
    onNone: () => keywordSearch ? "keyword_only" : "disabled",
    onSome: (progress) => keywordSearch && answers(progress) ? "hybrid" : "degraded"
  }),
  reranker_active: "off"
})

const answers = ({ failure }: Progress): boolean => Option.isNone(failure)
