import * as Schema from "effect/Schema"
import * as embeddings from "./embeddings.js"

/** What the original decodes as one typed value: a mandatory field that is missing makes the whole request a 422. */
const Text = Schema.String
const Texts = Schema.Array(Text)
const maybe = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(Schema.NullOr(schema), { default: () => null })
const or = <A, I>(schema: Schema.Schema<A, I>, value: NoInfer<A>) =>
  Schema.optionalWith(schema, { default: () => value })
const list = <A, I>(schema: Schema.Schema<A, I>) => or(Schema.Array(schema), [])
const Metadata = Schema.Unknown.pipe(Schema.filter((value): boolean => value !== null))

export const Tier = Schema.Literal("short", "mid", "long")
export type Tier = typeof Tier.Type

export const Memory = Schema.Struct({
  id: Text,
  tier: Tier,
  namespace: Text,
  title: Text,
  content: Text,
  tags: Texts,
  priority: Schema.Int,
  confidence: Schema.Number,
  source: Text,
  access_count: Schema.Int,
  created_at: Text,
  updated_at: Text,
  last_accessed_at: maybe(Text),
  expires_at: maybe(Text),
  metadata: or(Metadata, {})
})
export type Memory = typeof Memory.Type

export const CreateMemory = Schema.Struct({
  title: Text,
  content: Text,
  tier: or(Tier, "mid"),
  namespace: or(Text, "global"),
  tags: or(Texts, []),
  priority: or(Schema.Int, 5),
  confidence: or(Schema.Number, 1),
  source: or(Text, "api"),
  expires_at: maybe(Text),
  ttl_secs: maybe(Schema.Int),
  metadata: or(Metadata, {}),
  agent_id: maybe(Text),
  scope: maybe(Text),
  on_conflict: maybe(Text)
})
export type CreateMemory = typeof CreateMemory.Type

export const UpdateMemory = Schema.Struct({
  title: maybe(Text),
  content: maybe(Text),
  tier: maybe(Tier),
  namespace: maybe(Text),
  tags: maybe(Texts),
  priority: maybe(Schema.Int),
  confidence: maybe(Schema.Number),
  expires_at: maybe(Text),
  metadata: maybe(Schema.Unknown)
})

export const Link = Schema.Struct({
  source_id: Text,
  target_id: Text,
  relation: Text,
  created_at: Text,
  signature: maybe(Schema.Array(Schema.Int.pipe(Schema.between(0, 255)))),
  observed_by: maybe(Text),
  valid_from: maybe(Text),
  valid_until: maybe(Text)
})
export type Link = typeof Link.Type

export const PendingAction = Schema.Struct({
  id: Text,
  action_type: Text,
  memory_id: maybe(Text),
  namespace: Text,
  payload: Schema.Unknown,
  requested_by: Text,
  requested_at: Text,
  status: Text,
  decided_by: maybe(Text),
  decided_at: maybe(Text),
  approvals: list(Schema.Struct({ agent_id: Text, approved_at: Text }))
})
export type PendingAction = typeof PendingAction.Type

export const PendingDecision = Schema.Struct({ id: Text, approved: Schema.Boolean, decider: Text })
export type PendingDecision = typeof PendingDecision.Type

export const NamespaceMeta = Schema.Struct({
  namespace: Text,
  standard_id: Text,
  parent_namespace: maybe(Text),
  updated_at: or(Text, "")
})
export type NamespaceMeta = typeof NamespaceMeta.Type

const Write = Schema.Literal("any", "registered", "owner", "approve")
export const Policy = Schema.Struct({
  write: Write,
  promote: or(Write, "any"),
  delete: or(Write, "owner"),
  approver: or(
    Schema.Union(Schema.Literal("human"), Schema.Struct({ agent: Text }), Schema.Struct({ consensus: Schema.Int })),
    "human"
  ),
  inherit: or(Schema.Boolean, true)
})
export type Policy = typeof Policy.Type

export const PushRequest = Schema.Struct({
  sender_agent_id: Text,
  sender_clock: Schema.optional(Schema.Struct({ entries: Schema.Record({ key: Text, value: Text }) })),
  memories: Schema.Array(Memory),
  deletions: list(Text),
  archives: list(Text),
  restores: list(Text),
  links: list(Link),
  pendings: list(PendingAction),
  pending_decisions: list(PendingDecision),
  namespace_meta: list(NamespaceMeta),
  namespace_meta_clears: list(Text),
  embeddings: list(embeddings.Shipped),
  dry_run: or(Schema.Boolean, false)
})
export type PushRequest = typeof PushRequest.Type

const rowOfMemory = {
  ...Memory.fields,
  tags: Schema.parseJson(Texts),
  last_accessed_at: Schema.NullOr(Text),
  expires_at: Schema.NullOr(Text),
  metadata: Schema.parseJson(Schema.Unknown)
}
/** The tables' rows; JSON columns are text. */
export const MemoryRow = Schema.Struct(rowOfMemory)
export const ArchivedRow = Schema.Struct({
  ...rowOfMemory,
  archived_at: Text,
  archive_reason: Text,
  original_tier: Tier,
  original_expires_at: Schema.NullOr(Text)
})
export type Archived = typeof ArchivedRow.Type
export const LinkRow = Schema.Struct({
  ...Link.fields,
  signature: Schema.NullOr(Schema.parseJson(Schema.Array(Schema.Int))),
  observed_by: Schema.NullOr(Text),
  valid_from: Schema.NullOr(Text),
  valid_until: Schema.NullOr(Text),
  attest_level: Text
})
export type StoredLink = typeof LinkRow.Type
export const PendingRow = Schema.Struct({
  ...PendingAction.fields,
  memory_id: Schema.NullOr(Text),
  payload: Schema.parseJson(Schema.Unknown),
  decided_by: Schema.NullOr(Text),
  decided_at: Schema.NullOr(Text),
  approvals: Schema.parseJson(PendingAction.fields.approvals.from)
})

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

export const recordOf = (value: unknown): Record<string, unknown> => isRecord(value) ? value : {}

export const ownerOf = (memory: Pick<Memory, "metadata">): string | undefined => {
  const owner = recordOf(memory.metadata)["agent_id"]
  return typeof owner === "string" ? owner : undefined
}

/** The owner of a row never changes. */
export const keepOwner = (metadata: unknown, local: Memory): unknown => {
  const owner = ownerOf(local)
  return owner !== undefined && isRecord(metadata) ? { ...metadata, agent_id: owner } : metadata
}

/** The named fields as the original writes them: those that are null are left out, but for `kept`. */
const writer = (fields: object, kept: ReadonlyArray<string> = []) => (value: object): Record<string, unknown> => {
  const given = new Map<string, unknown>(Object.entries(value))
  const entries = Object.keys(fields).map((name) => [name, given.get(name) ?? null] as const)
  return Object.fromEntries(entries.filter(([name, field]) => field !== null || kept.includes(name)))
}
export const wireMemory = writer(Memory.fields)
export const wireLink = writer(Link.fields)
export const wirePending = writer(PendingAction.fields, ["memory_id", "payload"])
export const wireNamespaceMeta = writer(NamespaceMeta.fields)
