import * as limits from "../../domain/limits.js"
import { SCOPES, SOURCES } from "../../domain/Memory.js"

/*
 * Bodies as the contract shows them. Requests are decoded by shape first and checked against their bounds later, so the
 * bounds are written down here, from the same constants.
 */

const title = {
  type: "string",
  minLength: 1,
  maxLength: limits.MAX_TITLE_CHARS,
  description: "Not blank; no control characters but newline and tab"
}
const content = {
  type: "string",
  minLength: 1,
  description: `Not blank, ${limits.MAX_CONTENT_BYTES} bytes at most; no control characters but newline and tab`
}
export const agentId = { type: "string", minLength: 1, maxLength: limits.MAX_ID_BYTES, pattern: "^[A-Za-z0-9_:@./-]*$" }

/** The fields that a client can give to a memory. */
export const fields = {
  title,
  content,
  tier: {
    enum: ["short", "mid", "long"],
    description: "Lives for 6 hours, 7 days, or for good, unless the node is set otherwise"
  },
  namespace: {
    type: "string",
    minLength: 1,
    maxLength: limits.MAX_NAMESPACE_CHARS,
    description:
      `At most ${limits.MAX_NAMESPACE_LEVELS} levels between slashes; no spaces, backslashes, empty or dotted levels`
  },
  tags: {
    type: "array",
    maxItems: limits.MAX_TAGS,
    items: { type: "string", minLength: 1, description: `${limits.MAX_TAG_BYTES} bytes at most` }
  },
  priority: { type: "integer", minimum: limits.MIN_PRIORITY, maximum: limits.MAX_PRIORITY },
  confidence: { type: "number", minimum: 0, maximum: 1 },
  expires_at: { type: ["string", "null"], format: "date-time", description: "In the future on creation" },
  metadata: {
    type: "object",
    description:
      `${limits.MAX_METADATA_BYTES} bytes of JSON and ${limits.MAX_METADATA_DEPTH} levels at most; \`agent_id\` in ` +
      "it is set once and never changes"
  }
}

/** The body of a creation. */
export const createMemory = {
  type: "object",
  required: ["title", "content"],
  properties: {
    ...fields,
    tier: { ...fields.tier, default: "mid" },
    namespace: { ...fields.namespace, default: "global" },
    tags: { ...fields.tags, default: [] },
    priority: { ...fields.priority, default: 5 },
    confidence: { ...fields.confidence, default: 1 },
    source: { enum: SOURCES, default: "api" },
    ttl_secs: {
      type: ["integer", "null"],
      minimum: 1,
      maximum: limits.MAX_TTL_SECONDS,
      description: "Instead of the tier's time to live; `expires_at` wins over it"
    },
    agent_id: { ...agentId, type: ["string", "null"] },
    scope: { enum: [...SCOPES, null], description: "How far the memory is meant to be seen" },
    on_conflict: {
      enum: ["error", "merge", "version", null],
      default: "error",
      description: "When the namespace has the title: refuse with 409, merge into that memory, or take a free title"
    }
  }
}

/** The same with the signature of its author. */
export const signedMemory = {
  ...createMemory,
  properties: {
    ...createMemory.properties,
    signature: {
      type: ["string", "null"],
      description: "By the key of the agent, over what is stored: 64 bytes of Ed25519 in standard base64"
    },
    created_at: {
      type: ["string", "null"],
      format: "date-time",
      description:
        `When it was signed, ${limits.MAX_SIGNED_WRITE_AGE_SECONDS} s from now at most; required with \`signature\`, and ` +
        "passed over without"
    }
  }
}

/** The body of a change. */
export const updateMemory = {
  type: "object",
  properties: {
    ...fields,
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
      description: `What the caller is about to do: not blank, ${limits.MAX_CONTEXT_BYTES} bytes at most`
    },
    namespace: text("This namespace and, where it has several levels, those above it, which count for less"),
    limit: {
      type: ["integer", "null"],
      minimum: 0,
      default: limits.DEFAULT_RECALLED,
      description: `More than ${limits.MAX_RECALLED} is taken as ${limits.MAX_RECALLED}`
    },
    tags: text("One tag that the memory has"),
    since: { ...text("Created then or later"), format: "date-time" },
    until: { ...text("Created then or earlier"), format: "date-time" },
    as_agent: text("Only what an agent at this namespace may see"),
    abstain_below: {
      type: ["number", "null"],
      minimum: 0,
      maximum: 1,
      default: 0,
      description: "Nothing is answered when the evidence is weaker than this"
    },
    explain: { type: ["boolean", "null"], default: false, description: "Each memory says what its score is made of" },
    compact: {
      type: ["boolean", "null"],
      default: false,
      description: "Each memory is given by id, title, first sentence and score alone"
    },
    budget_tokens: {
      type: ["integer", "null"],
      minimum: 0,
      maximum: limits.MAX_BUDGET_TOKENS,
      description: "How many tokens the contents may have together; the best memory is given even if it has more"
    }
  }
}
