import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { absentable } from "./absentable.js"
import * as Agent from "./Agent.js"
import type { Attested } from "./Attestation.js"
import type { AgentId, MemoryId } from "./ids.js"
import * as Lifetimes from "./Lifetimes.js"
import { GivenMetadata, type Memory, type Metadata } from "./Memory.js"
import { ownable } from "./Owner.js"
import { decoder, type ShapeError } from "./ShapeError.js"
import * as Stamp from "./Stamp.js"
import { tidy, tidyTitle } from "./text.js"
import * as Tier from "./Tier.js"
import * as rules from "./validate.js"

/** What to do when the slot (namespace, title) is taken: refuse, merge into the memory there, or find a free title. */
export const OnConflict = Schema.Literal("error", "merge", "version").annotations({
  description: "one of error, merge, version"
})
export type OnConflict = typeof OnConflict.Type

const defaulted = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

/**
 * A request to store a memory. Only title and content are mandatory. Null stands for absent in `expires_at`, `ttl_secs`,
 * `agent_id`, `scope` and `on_conflict`; in a field with a default it is of the wrong shape. Unknown fields are passed over.
 */
export const CreateMemory = Schema.Struct({
  title: Schema.String,
  content: Schema.String,
  tier: defaulted(Tier.Tier),
  namespace: defaulted(Schema.String),
  tags: defaulted(Schema.Array(Schema.String)),
  priority: defaulted(Schema.Int),
  confidence: defaulted(Schema.Number),
  source: defaulted(Schema.String),
  expires_at: absentable(Schema.String),
  ttl_secs: absentable(Schema.Int),
  metadata: defaulted(GivenMetadata),
  agent_id: absentable(Schema.String),
  scope: absentable(Schema.String),
  on_conflict: absentable(OnConflict)
})
export type CreateMemory = typeof CreateMemory.Type

const read = decoder(CreateMemory)

/** What is plainly a request is taken as it is: nearly every row of bulk. */
export const decode = (input: unknown, at?: string): Either.Either<CreateMemory, ShapeError> =>
  isPlain(input) ? Either.right(input) : read(input, at)

/*
 * What nearly every request is like is found without a schema, which takes ten times as long. Whatever is not plainly right is left
 * to the schema, which knows what else is right and says what is wrong. A test compares the two.
 */

type Looks = (value: unknown) => boolean

const isText: Looks = (value) => typeof value === "string"
const isInt: Looks = (value) => Number.isSafeInteger(value)
const isOneOf = (...words: ReadonlyArray<string>): Looks => (value) =>
  typeof value === "string" && words.includes(value)

/** The fields in the order of the schema: what a key stands for depends on it. */
const FIELDS: ReadonlyArray<readonly [keyof CreateMemory, Looks]> = [
  ["title", isText],
  ["content", isText],
  ["tier", isOneOf("short", "mid", "long")],
  ["namespace", isText],
  ["tags", (value) => Array.isArray(value) && value.every(isText)],
  ["priority", isInt],
  ["confidence", (value) => typeof value === "number"],
  ["source", isText],
  ["expires_at", isText],
  ["ttl_secs", isInt],
  ["metadata", (value) => typeof value === "object" && value !== null],
  ["agent_id", isText],
  ["scope", isText],
  ["on_conflict", isOneOf("error", "merge", "version")]
]

/** Whether it is what the schema would make of it: it has known fields alone, in their order, and none is null. */
export const isPlain = (value: unknown): value is CreateMemory => {
  if (!Predicate.isRecord(value) || typeof value["title"] !== "string" || typeof value["content"] !== "string") {
    return false
  }
  let at = 0
  for (const name of Object.keys(value)) {
    while (at < FIELDS.length && FIELDS[at]?.[0] !== name) at += 1
    if (FIELDS[at]?.[1](value[name]) !== true) return false
    at += 1
  }
  return true
}

/** A request that keeps all rules, with its defaults filled in: all of the new memory but its id, its time and its owner. */
export interface Validated {
  readonly title: string
  readonly content: string
  readonly tier: Tier.Tier
  readonly namespace: string
  readonly tags: ReadonlyArray<string>
  readonly priority: number
  readonly confidence: number
  readonly source: string
  readonly metadata: Metadata
  readonly onConflict: OnConflict
  readonly expiry: Expiry
}

/** A moment, or how long after its creation, as the request says or else its tier; `none` is never. */
type Expiry =
  | { readonly _tag: "At"; readonly stamp: Stamp.Stamp }
  | { readonly _tag: "After" | "ByTier"; readonly timeToLive: Option.Option<Duration.Duration> }

/**
 * Checks every field that is given, also one that another overrides. An expiry must lie after `wallMillis`. What is known of its
 * author's signature goes into its metadata.
 */
export const validate = (
  create: CreateMemory,
  wallMillis: number,
  lifetimes: Lifetimes.Lifetimes,
  attested: Option.Option<Attested> = Option.none()
): Either.Either<Validated, rules.Invalid> => {
  const draft = withDefaults(create)
  const checked = rules.firstInvalid([
    rules.title(draft.title),
    rules.content(draft.content),
    rules.namespace(draft.namespace),
    rules.tags(draft.tags),
    rules.priority(draft.priority),
    rules.confidence(draft.confidence),
    rules.source(draft.source),
    create.agent_id === undefined ? Either.void : rules.agentId(create.agent_id),
    create.scope === undefined ? Either.void : rules.scope(create.scope),
    create.ttl_secs === undefined ? Either.void : rules.ttlSecs(create.ttl_secs),
    Agent.isTitle(draft) ? Either.left(asAgent) : Either.void
  ])
  return Either.flatMap(checked, () =>
    Either.zipWith(
      metadataOf(create, attested),
      expiryOf(create, { wallMillis, timeToLive: Lifetimes.timeToLive(lifetimes, draft.tier) }),
      (metadata, expiry) => ({ ...draft, metadata, expiry })
    ))
}

/** Who writes a memory is not who it would register. */
const asAgent = new rules.Invalid({
  field: "title",
  message: "title must not be that of an agent: those are registered by POST /api/v1/agents"
})

/**
 * The new memory. Its owner is written into its metadata, whatever that said. `createdAt` is when its author signed it, where it did.
 */
export const build = (
  draft: Validated,
  identity: {
    readonly id: MemoryId
    readonly stamp: Stamp.Stamp
    readonly agentId: AgentId
    readonly createdAt?: Stamp.Stamp | undefined
  }
): Memory => {
  const { agentId, createdAt, id, stamp } = identity
  const expiresAt = momentOf(draft.expiry, stamp)
  return {
    id,
    tier: draft.tier,
    namespace: draft.namespace,
    title: draft.title,
    content: draft.content,
    tags: draft.tags,
    priority: draft.priority,
    confidence: draft.confidence,
    source: draft.source,
    access_count: 0,
    created_at: createdAt ?? stamp,
    updated_at: stamp,
    ...(expiresAt === undefined ? {} : { expires_at: expiresAt }),
    metadata: { ...draft.metadata, agent_id: agentId }
  }
}

/** What is not asked for has its default; texts are tidied. */
export const withDefaults = (create: CreateMemory) => ({
  title: tidyTitle(create.title),
  content: tidy(create.content),
  tier: create.tier ?? Tier.DEFAULT_TIER,
  namespace: create.namespace ?? "global",
  tags: create.tags ?? [],
  priority: create.priority ?? 5,
  confidence: create.confidence ?? 1,
  source: create.source ?? "api",
  onConflict: create.on_conflict ?? "error"
})

const metadataOf = (
  { metadata, scope }: CreateMemory,
  attested: Option.Option<Attested>
): Either.Either<Metadata, rules.Invalid> => {
  const marks = Option.match(attested, { onNone: () => ({}), onSome: ({ marks }) => marks })
  const added = scope === undefined ? marks : { scope, ...marks }
  return metadata === undefined ? Either.right(added) : ownable(metadata, added)
}

const expiryOf = (
  create: CreateMemory,
  { timeToLive, wallMillis }: { readonly wallMillis: number; readonly timeToLive: Option.Option<Duration.Duration> }
): Either.Either<Expiry, rules.Invalid> => {
  if (create.expires_at !== undefined) {
    return Either.map(
      rules.expiresAt(create.expires_at, { afterMillis: wallMillis }),
      (stamp) => ({ _tag: "At", stamp })
    )
  }
  return Either.right(
    create.ttl_secs === undefined
      ? { _tag: "ByTier", timeToLive }
      : { _tag: "After", timeToLive: Option.some(Duration.seconds(create.ttl_secs)) }
  )
}

const momentOf = (expiry: Expiry, createdAt: Stamp.Stamp): Stamp.Stamp | undefined => {
  if (expiry._tag === "At") return expiry.stamp
  if (Option.isNone(expiry.timeToLive)) return undefined
  return Stamp.fromMillis(Stamp.toMillis(createdAt) + Duration.toMillis(expiry.timeToLive.value))
}
