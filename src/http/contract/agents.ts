import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { absentable } from "../../domain/absentable.js"
import * as Agent from "../../domain/Agent.js"
import { Durability } from "../../domain/Durability.js"
import * as limits from "../../domain/limits.js"
import { GivenMetadata, Metadata } from "../../domain/Memory.js"
import { Tier } from "../../domain/Tier.js"
import { agentId, fields } from "./bodies.js"
import * as Errors from "./errors.js"
import {
  acknowledged,
  agentHeader,
  bodyErrors,
  described,
  etag,
  opId,
  param,
  truncated,
  writeErrors,
  writeHeaders
} from "./parts.js"
import * as Query from "./query.js"

const RegisterAgent = Agent.Registration.annotations({
  identifier: "RegisterAgent",
  jsonSchema: {
    type: "object",
    required: ["agent_id", "agent_type"],
    properties: {
      agent_id: agentId,
      agent_type: {
        type: "string",
        maxLength: limits.MAX_AGENT_TYPE_CHARS,
        pattern: "^(human|system|ai:[A-Za-z0-9_.-]+)$",
        description: "Claimed, never proved"
      },
      capabilities: {
        type: ["array", "null"],
        maxItems: limits.MAX_TAGS,
        items: { type: "string", minLength: 1, description: `${limits.MAX_TAG_BYTES} bytes at most` }
      }
    }
  }
})

const Registered = Schema.Struct({
  registered: Schema.Literal(true),
  id: Schema.String.annotations({ description: "Of the memory that stands for the agent" }),
  agent_id: Schema.String,
  agent_type: Schema.String,
  capabilities: Schema.Array(Schema.String),
  registered_at: Schema.String,
  last_seen_at: Schema.String,
  ...acknowledged
}).annotations({ identifier: "Registered" })

const Agents = Schema.Struct({
  count: Schema.Int,
  agents: Schema.Array(Schema.Struct({
    agent_id: Schema.String,
    agent_type: Schema.String,
    capabilities: Schema.Array(Schema.String),
    registered_at: Schema.String,
    last_seen_at: Schema.String
  }))
}).annotations({ identifier: "Agents" })

export const register = HttpApiEndpoint.post("register", "/api/v1/agents")
  .setHeaders(writeHeaders)
  .setPayload(RegisterAgent)
  .addSuccess(Registered, { status: 201 })
  .pipe(bodyErrors, writeErrors)
  .annotateContext(described(
    "Register an agent",
    "One that is registered keeps since when, and was seen now. Registered agents may write where a policy asks for them, " +
      "and vote.",
    opId
  ))

const BindKey = Schema.Struct({ pubkey_b64: Schema.String }).annotations({
  identifier: "BindKey",
  jsonSchema: {
    type: "object",
    required: ["pubkey_b64"],
    properties: { pubkey_b64: { type: "string", description: "An Ed25519 key of 32 bytes in base64, url-safe or not" } }
  }
})

const KeyBound = Schema.Struct({
  bound: Schema.Literal(true),
  agent_id: Schema.String,
  pubkey_b64: Schema.String.annotations({ description: "As it is stored: url-safe, without padding" }),
  ...acknowledged
}).annotations({ identifier: "KeyBound" })

const id = param("id", "The id of an agent")

export const bindKey = HttpApiEndpoint.put("bindKey")`/api/v1/agents/${id}/pubkey`
  .setHeaders(writeHeaders)
  .setPayload(BindKey)
  .addSuccess(KeyBound)
  .addError(Errors.Missing)
  .pipe(bodyErrors, writeErrors)
  .annotateContext(described(
    "Register the key by which an agent signs what it writes",
    "On every node, in the place of the one before. Memories that are stored with a signature of it are marked with " +
      "`attest_level` `agent_attested`.",
    opId
  ))

const AgentsQuery = Schema.Struct({
  limit: Query.count("limit", { least: 0, most: limits.MAX_AGENTS, usual: limits.MAX_AGENTS }),
  offset: Query.count("offset", { least: 0, most: limits.MAX_OFFSET, usual: 0 })
})

export const list = HttpApiEndpoint.get("list", "/api/v1/agents")
  .setUrlParams(AgentsQuery)
  .addSuccess(Agents)
  .addError(Errors.BadRequest)
  .annotateContext(described("List the registered agents", "The one that was seen last comes first."))

const message = {
  target_agent_id: { ...agentId, description: "Whom it is for; `to` says the same" },
  title: { ...fields.title, description: `${fields.title.description}; \`subject\` says the same` },
  payload: {
    description:
      `Text, or JSON that becomes text: ${limits.MAX_CONTENT_BYTES} bytes at most; \`content\` says the same. Beside ` +
      "`body` it is what goes with the text, any JSON"
  },
  body: { description: "The text; without it `payload` is the text" },
  memory_id: { type: ["string", "null"], maxLength: limits.MAX_ID_BYTES, description: "What the message is about" },
  metadata: { type: ["object", "null"], description: "Goes with the text" },
  priority: { ...fields.priority, type: ["integer", "null"], default: 5 },
  tier: { ...fields.tier, enum: [...fields.tier.enum, null], default: "mid" },
  agent_id: { ...agentId, type: ["string", "null"], description: "The sender, unless X-Agent-Id says it" }
}

/** What is needed has other names, those of the SDKs; the first that is given counts. */
export const Notify = Schema.Struct({
  target_agent_id: absentable(Schema.String),
  to: absentable(Schema.String),
  title: absentable(Schema.String),
  subject: absentable(Schema.String),
  payload: absentable(Schema.Unknown),
  content: absentable(Schema.Unknown),
  body: absentable(Schema.Unknown),
  memory_id: absentable(Schema.String),
  metadata: absentable(GivenMetadata),
  priority: absentable(Schema.Int),
  tier: absentable(Tier),
  agent_id: absentable(Schema.String)
}).annotations({
  identifier: "Notify",
  jsonSchema: {
    type: "object",
    properties: { ...message, to: agentId, subject: { type: "string" }, content: {} },
    allOf: [["target_agent_id", "to"], ["title", "subject"], ["payload", "content", "body"]].map((names) => ({
      anyOf: names.map((name) => ({ required: [name] }))
    }))
  }
})

const Notified = Schema.Struct({
  sent: Schema.Literal(true),
  id: Schema.String,
  from: Schema.String,
  to: Schema.String,
  namespace: Schema.String,
  tier: Tier,
  delivered_at: Schema.String,
  ...acknowledged
}).annotations({ identifier: "Notified" })

export const notify = HttpApiEndpoint.post("notify", "/api/v1/notify")
  .setHeaders(writeHeaders)
  .setPayload(Notify)
  .addSuccess(Notified, { status: 201 })
  .pipe(bodyErrors, writeErrors)
  .annotateContext(described(
    "Leave a message for an agent",
    "A memory in the namespace `_messages/<agent>`. Every message is one of its own, whatever its title.",
    { ...opId, ...etag }
  ))

const Message = Schema.Struct({
  id: Schema.String,
  from: Schema.NullOr(Schema.String),
  to: Schema.String,
  title: Schema.String,
  subject: Schema.String.annotations({ description: "The same as `title`" }),
  payload: Schema.Unknown.annotations({ description: "What went with the text, as it was sent, or else the text" }),
  body: Schema.String.annotations({ description: "The text" }),
  memory_id: Schema.NullOr(Schema.String),
  metadata: Metadata.annotations({ description: "What was sent as `metadata`" }),
  priority: Schema.Int,
  tier: Tier,
  created_at: Schema.String,
  received_at: Schema.String.annotations({ description: "The same as `created_at`" }),
  read: Schema.Boolean.annotations({ description: "It was recalled on this node, or read by its id" }),
  unread: Schema.Boolean,
  access_count: Schema.Int
}).annotations({ identifier: "Message" })

const Inbox = Schema.Struct({
  agent_id: Schema.String,
  namespace: Schema.String,
  count: Schema.Int,
  unread: Schema.Int.annotations({ description: "Of those in this answer" }),
  unread_only: Schema.Boolean,
  messages: Schema.Array(Message),
  truncated
}).annotations({ identifier: "Inbox" })

const InboxQuery = Schema.Struct({
  agent_id: Query.text("agent_id", "Whose messages, unless X-Agent-Id says it; without either there are none"),
  unread_only: Query.flag("unread_only", "Only messages that were not read"),
  unread: Query.flag("unread", "The same as `unread_only`"),
  since: Query.stamp("since"),
  limit: Query.count("limit", { least: 0, most: limits.MAX_MESSAGES, usual: limits.DEFAULT_MESSAGES }),
  offset: Query.count("offset", { least: 0, most: limits.MAX_OFFSET, usual: 0 })
})

export const inbox = HttpApiEndpoint.get("inbox", "/api/v1/inbox")
  .setUrlParams(InboxQuery)
  .setHeaders(Schema.Struct(agentHeader))
  .addSuccess(Inbox)
  .addError(Errors.BadRequest)
  .annotateContext(described(
    "Read the messages that were left for an agent",
    "The newest first. Being shown here does not make a message read; reading it by its id does."
  ))

const Planned = Schema.Struct({ planned: Schema.Boolean, version: Schema.String, enabled: Schema.Boolean })

const Features = Schema.Struct({
  keyword_search: Schema.Boolean,
  semantic_search: Schema.Boolean,
  hybrid_recall: Schema.Boolean,
  query_expansion: Schema.Boolean,
  auto_consolidation: Schema.Boolean,
  auto_tagging: Schema.Boolean,
  contradiction_analysis: Schema.Boolean,
  cross_encoder_reranking: Schema.Boolean,
  embedder_loaded: Schema.Boolean,
  memory_reflection: Schema.Union(Schema.Boolean, Planned),
  recall_mode_active: Schema.Literal("hybrid", "keyword_only", "degraded", "disabled"),
  reranker_active: Schema.Literal("neural", "lexical_fallback", "off")
})

const optional = Schema.optional

export const Capabilities = Schema.Struct({
  schema_version: optional(Schema.Literal("2", "3")),
  summary: optional(Schema.String),
  to_describe_to_user: optional(Schema.String),
  tools: optional(
    Schema.Array(Schema.Struct({
      name: Schema.String,
      family: Schema.String,
      loaded: Schema.Boolean,
      callable_now: Schema.Boolean
    })).annotations({ description: "Of the Model Context Protocol: none is named here, tools/list at /mcp names them" })
  ),
  tier: Schema.Literal("keyword", "semantic").annotations({
    description: "What memories are found by: their words alone, or their meaning as well"
  }),
  version: Schema.String,
  features: Features,
  durability: optional(Durability),
  models: Schema.Struct({
    embedding: Schema.String,
    embedding_dim: Schema.Int,
    llm: Schema.String,
    cross_encoder: Schema.String
  }),
  embeddings: optional(
    Schema.Struct({
      memories: Schema.Int.annotations({ description: "That this node holds, each of their versions" }),
      embedded: Schema.Int.annotations({ description: "Of those, the ones with vectors of the model" }),
      passed_over: Schema.Int.annotations({
        description: "That the model makes nothing of; they are tried again at the next start"
      }),
      failure: Schema.NullOr(Schema.String).annotations({ description: "Why the latest attempt came to nothing" })
    }).annotations({ description: "How far the memories are embedded; absent where there is no embedder" })
  ),
  permissions: optional(Schema.Struct({
    mode: Schema.Literal("enforce", "advisory", "off"),
    active_rules: Schema.Int,
    inheritance: Schema.Literal("enforced"),
    rule_summary: Schema.Array(Schema.String),
    decision_counts: Schema.Struct({ allowed: Schema.Int, denied: Schema.Int, queued: Schema.Int })
  })),
  hooks: optional(Schema.Struct({ registered_count: Schema.Int, webhook_events: Schema.Array(Schema.String) })),
  compaction: optional(Planned),
  approval: optional(Schema.Struct({ pending_requests: Schema.Int })),
  transcripts: optional(Planned),
  hnsw: optional(Schema.Struct({ evictions_total: Schema.Int, evicted_recently: Schema.Boolean })),
  indexing: optional(
    Schema.Struct({ left: Schema.Int, total: Schema.Int }).annotations({
      description: "After an upgrade: rows that are not in the index of words yet, of so many. Absent when all are"
    })
  )
}).annotations({ identifier: "Capabilities" })

export const capabilities = HttpApiEndpoint.get("capabilities", "/api/v1/capabilities")
  .setHeaders(Schema.Struct({
    "accept-capabilities": optional(Schema.String.annotations({
      description: "v1 (tier, version, features, models), v2 (all but what describes it to a user), or v3: the default"
    }))
  }))
  .addSuccess(Capabilities)
  .annotateContext(described("Tell what this node can do", "What is not there is said not to be."))

export const agents = HttpApiGroup.make("agents")
  .add(register)
  .add(bindKey)
  .add(list)
  .add(notify)
  .add(inbox)
  .add(capabilities)
  .annotateContext(
    OpenApi.annotations({ title: "Agents", description: "Who writes, and what agents say to each other" })
  )
