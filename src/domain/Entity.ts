import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { absentable } from "./absentable.js"
import type { AgentId, MemoryId } from "./ids.js"
import { MAX_ALIASES, MAX_TAGS } from "./limits.js"
import { GivenMetadata, type Memory, type Metadata } from "./Memory.js"
import { keepOwner, ownable } from "./Owner.js"
import type { Stamp } from "./Stamp.js"
import { tidyTitle } from "./text.js"
import * as rules from "./validate.js"

/*
 * An entity is a memory that stands for a person, a place, a thing: its title is the canonical name, and the other names
 * are in its metadata, beside `kind: "entity"`.
 */

export const KIND = "entity"
/** Every entity has this tag, too. */
export const TAG = "entity"

/** A request to register an entity, or other names for one. Null stands for absent, and a blank alias for none. */
export const RegisterEntity = Schema.Struct({
  canonical_name: Schema.String,
  namespace: Schema.String,
  aliases: absentable(Schema.Array(Schema.String)),
  metadata: absentable(GivenMetadata),
  agent_id: absentable(Schema.String)
})
export type RegisterEntity = typeof RegisterEntity.Type

export interface Validated {
  readonly name: string
  readonly namespace: string
  readonly aliases: ReadonlyArray<string>
  readonly metadata: Metadata
}

export const validate = (request: RegisterEntity): Either.Either<Validated, rules.Invalid> =>
  Either.gen(function*() {
    const name = yield* rules.named("canonical_name", rules.title(tidyTitle(request.canonical_name)))
    const namespace = yield* rules.namespace(request.namespace)
    if (request.agent_id !== undefined) yield* rules.agentId(request.agent_id)
    const names = (request.aliases ?? []).filter((alias) => rules.trim(alias) !== "")
    const aliases = distinct(yield* rules.named("aliases", rules.tags(names)))
    const metadata = yield* ownable(request.metadata ?? {}, said(aliases))
    return { name, namespace, aliases, metadata }
  })

/** Whether the memory is an entity. */
export const is = (memory: Pick<Memory, "metadata">): boolean => memory.metadata["kind"] === KIND

export const aliasesOf = ({ metadata: { aliases } }: Pick<Memory, "metadata">): ReadonlyArray<string> =>
  Array.isArray(aliases) ? aliases.filter(Predicate.isString) : []

/** A new entity. */
export const build = (
  draft: Validated,
  identity: { readonly id: MemoryId; readonly stamp: Stamp; readonly agentId: AgentId }
): Memory => ({
  id: identity.id,
  tier: "long",
  namespace: draft.namespace,
  title: draft.name,
  content: contentOf(draft.name, draft.aliases),
  tags: [TAG],
  priority: 5,
  confidence: 1,
  source: "api",
  access_count: 0,
  created_at: identity.stamp,
  updated_at: identity.stamp,
  metadata: { ...draft.metadata, agent_id: identity.agentId }
})

/** The entity with what the request adds to it: more names, and metadata, key by key in the place of what was there. */
export const extend = (old: Memory, draft: Validated, stamp: Stamp): Either.Either<Memory, rules.Invalid> =>
  Either.gen(function*() {
    const aliases = distinct([...aliasesOf(old), ...draft.aliases])
    if (aliases.length > MAX_ALIASES) {
      const message = `aliases must be at most ${MAX_ALIASES}, those that the entity has included`
      return yield* Either.left(new rules.Invalid({ field: "aliases", message }))
    }
    const { agent_id: _, ...kept } = old.metadata
    const metadata = yield* ownable({ ...kept, ...draft.metadata }, said(aliases))
    return {
      ...old,
      content: contentOf(old.title, aliases),
      tags: old.tags.includes(TAG) ? old.tags : [TAG, ...old.tags].slice(0, MAX_TAGS),
      updated_at: stamp,
      metadata: keepOwner(old.metadata, metadata)
    }
  })

/** What makes a memory an entity, whatever else its metadata says. */
const said = (aliases: ReadonlyArray<string>) => ({ kind: KIND, aliases })

const distinct = (aliases: ReadonlyArray<string>): ReadonlyArray<string> => Array.from(new Set(aliases))

/** Every name is in the text, so that a search for any of them finds the entity. */
const contentOf = (name: string, aliases: ReadonlyArray<string>): string =>
  aliases.length === 0 ? `Entity: ${name}` : `Entity: ${name}\nAlso known as: ${aliases.join(", ")}`
