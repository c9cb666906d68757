import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { absentable } from "./absentable.js"
import type { AgentId, MemoryId } from "./ids.js"
import * as Lifetimes from "./Lifetimes.js"
import * as limits from "./limits.js"
import type { Memory, Metadata } from "./Memory.js"
import { ownable } from "./Owner.js"
import type { Stamp } from "./Stamp.js"
import { tidy, tidyTitle } from "./text.js"
import * as Tier from "./Tier.js"
import * as rules from "./validate.js"

/** A request to put one memory in the place of several. */
export const Consolidate = Schema.Struct({
  ids: Schema.Array(Schema.String),
  title: Schema.String,
  summary: Schema.String,
  namespace: absentable(Schema.String),
  tier: absentable(Tier.Tier),
  agent_id: absentable(Schema.String)
})
export type Consolidate = typeof Consolidate.Type

/** A request that keeps all rules, with its defaults filled in. */
export interface Validated {
  readonly ids: ReadonlyArray<string>
  readonly title: string
  readonly summary: string
  readonly namespace: string
  readonly tier: Tier.Tier
}

export const validate = (request: Consolidate): Either.Either<Validated, rules.Invalid> => {
  const { ids } = request
  const title = tidyTitle(request.title)
  const summary = tidy(request.summary)
  const namespace = request.namespace ?? "global"
  const checked = rules.firstInvalid([
    checkIds(ids),
    rules.title(title),
    rules.named("summary", rules.content(summary)),
    rules.namespace(namespace),
    request.agent_id === undefined ? Either.void : rules.agentId(request.agent_id)
  ])
  return Either.map(checked, () => ({ ids, title, summary, namespace, tier: request.tier ?? "long" }))
}

const checkIds = (ids: ReadonlyArray<string>): Either.Either<void, rules.Invalid> => {
  if (ids.length < limits.MIN_CONSOLIDATED || ids.length > limits.MAX_CONSOLIDATED) {
    return invalid("ids", `must be ${limits.MIN_CONSOLIDATED} to ${limits.MAX_CONSOLIDATED}`)
  }
  if (new Set(ids).size < ids.length) return invalid("ids", "must differ from each other")
  return rules.firstInvalid(ids.map((id, index) => rules.named(`ids[${index}]`, rules.memoryId(id))))
}

/**
 * The memory that takes the place of its sources: all their tags (the first 50), the greatest priority (5 at least), the sum
 * of their uses, and their metadata in one, a later source over an earlier one. Its metadata names the sources and whose they
 * were. Fails when that becomes too large.
 */
export const merge = (
  draft: Validated,
  sources: ReadonlyArray<Memory>,
  identity: {
    readonly id: MemoryId
    readonly stamp: Stamp
    readonly agentId: AgentId
    readonly lifetimes: Lifetimes.Lifetimes
  }
): Either.Either<Memory, rules.Invalid> => {
  const { agentId, id, lifetimes, stamp } = identity
  return Either.map(ownable(metadataOf(sources)), (metadata) => ({
    id,
    tier: draft.tier,
    namespace: draft.namespace,
    title: draft.title,
    content: draft.summary,
    tags: Array.from(new Set(sources.flatMap(({ tags }) => tags))).slice(0, limits.MAX_TAGS),
    priority: Math.max(LEAST_PRIORITY, ...sources.map(({ priority }) => priority)),
    confidence: 1,
    source: "consolidation",
    access_count: Math.min(
      sources.reduce((sum, { access_count }) => sum + access_count, 0),
      limits.MAX_ACCESS_COUNT
    ),
    created_at: stamp,
    updated_at: stamp,
    ...Option.match(Lifetimes.expiry(lifetimes, draft.tier, stamp), {
      onNone: () => ({}),
      onSome: (at) => ({ expires_at: at })
    }),
    metadata: { ...metadata, agent_id: agentId }
  }))
}

const LEAST_PRIORITY = 5

const metadataOf = (sources: ReadonlyArray<Memory>): Metadata => {
  const merged = new Map(sources.flatMap(({ metadata }) => Object.entries(metadata)))
  const scopes = new Set(sources.map(({ metadata }) => metadata["scope"]))
  // What one of them kept to itself, the new one must not show around.
  if (scopes.size > 1) merged.delete("scope")
  merged.set("derived_from", sources.map(({ id }) => id))
  const agents = sources.map(({ metadata }) => metadata["agent_id"]).filter(Predicate.isString)
  merged.set("consolidated_from_agents", Array.from(new Set(agents)))
  return Object.fromEntries(merged)
}

const invalid = (field: string, complaint: string): Either.Either<never, rules.Invalid> =>
  Either.left(new rules.Invalid({ field, message: `${field} ${complaint}` }))
