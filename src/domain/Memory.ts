import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { absentable } from "./absentable.js"
import { MemoryId } from "./ids.js"
import { decoder, type ShapeError } from "./ShapeError.js"
import { Tier } from "./Tier.js"

/** Who a memory can come from, as every node understands it. */
export const SOURCES = [
  "user",
  "claude",
  "hook",
  "api",
  "cli",
  "import",
  "consolidation",
  "system",
  "chaos",
  "notify"
] as const
/** Nodes of the original from 0.7 on write this one, too; older ones refuse it, so we take it but never make it. */
export const NEWER_SOURCE = "nhi"

/** How far a memory is meant to be seen, in `metadata.scope`. */
export const SCOPES = ["private", "team", "unit", "org", "collective"] as const

/** Any JSON object. It is passed on as it came: no key of it is dropped, copied or reordered. */
export type Metadata = { readonly [key: string]: unknown }
export const Metadata = Schema.declare(
  (input: unknown): input is Metadata => Predicate.isRecord(input),
  { identifier: "Metadata", description: "an object", jsonSchema: { type: "object" } }
)

/** Metadata in a request: anything but null, so that what is no object breaks a rule and is not of the wrong shape. */
export const GivenMetadata = Schema.declare(Predicate.isNotNullable, {
  description: "an object",
  jsonSchema: { type: "object" }
})

/**
 * A memory in the shape it has on the wire: names, types, closed sets. Whether its values keep the rules is another
 * question (`validateMemory`). `last_accessed_at`, `expires_at` and `metadata` may be absent or null; absent stays absent,
 * but metadata becomes an empty object. A memory may have fields beside these, which others understand: see `carried`.
 */
export const Memory = Schema.Struct({
  id: MemoryId,
  tier: Tier,
  namespace: Schema.String,
  title: Schema.String,
  content: Schema.String,
  tags: Schema.Array(Schema.String),
  priority: Schema.Int,
  confidence: Schema.Number,
  source: Schema.String,
  access_count: Schema.Int,
  created_at: Schema.String,
  updated_at: Schema.String,
  last_accessed_at: absentable(Schema.String),
  expires_at: absentable(Schema.String),
  metadata: Schema.optionalWith(Metadata, { exact: true, nullable: true, default: () => ({}) })
}).annotations({ parseOptions: { onExcessProperty: "preserve" } })
export type Memory = typeof Memory.Type

/**
 * A memory within an object that has defaults: such an object looks at its members a second time, by their type alone, which
 * says nothing of the fields beside.
 */
export const Within = Schema.compose(
  Memory,
  Schema.typeSchema(Memory).annotations({ parseOptions: { onExcessProperty: "preserve" } })
)

const Known = Schema.Struct(Memory.fields)
const read = decoder(Known)

/**
 * Reads a memory of unknown origin, with all its fields. `at` is its path within the whole request, as in `memories[3]`. Most
 * operations come this way: what is plainly a memory is taken as it is, and a schema that preserves what it does not know would
 * compare every field with all that it knows.
 */
export const decode = (input: unknown, at?: string): Either.Either<Memory, ShapeError> =>
  isPlain(input) ? Either.right(input) : Either.map(
    read(input, at),
    (memory) => Predicate.isRecord(input) && !isWhole(input) ? { ...carried(input), ...memory } : memory
  )

const isText = Predicate.isString
const isInteger = Number.isSafeInteger

/** How the fields of a memory look that has no null, and nothing beside them. */
const LOOKS: Readonly<Record<keyof Memory, (value: unknown) => boolean>> = {
  id: isText,
  tier: (value) => value === "short" || value === "mid" || value === "long",
  namespace: isText,
  title: isText,
  content: isText,
  tags: (value) => Array.isArray(value) && value.every(isText),
  priority: isInteger,
  confidence: Predicate.isNumber,
  source: isText,
  access_count: isInteger,
  created_at: isText,
  updated_at: isText,
  last_accessed_at: isText,
  expires_at: isText,
  metadata: Predicate.isRecord
}
const looks = new Map<string, (value: unknown) => boolean>(Object.entries(LOOKS))
const NEEDED = looks.size - 2

/** What nearly every memory is like. Whatever is not is for the schema, which knows what else is right. */
const isPlain = (input: unknown): input is Memory => {
  if (!Predicate.isRecord(input)) return false
  let left = NEEDED
  for (const name of Object.keys(input)) {
    if (looks.get(name)?.(input[name]) !== true) return false
    if (name !== "last_accessed_at" && name !== "expires_at") left--
  }
  return left === 0
}

const NOTHING_ELSE: Metadata = {}

/** The fields of a memory that this version has no word for. They stay with it, and come back as they came. */
export const carried = (memory: object): Metadata =>
  isWhole(memory)
    ? NOTHING_ELSE
    : Object.fromEntries(Object.entries(memory).filter(([name]) => !isKnown(name) && name !== "__proto__"))

/** The memory without them. */
export const withoutCarried = (memory: Memory): Memory => isWhole(memory) ? memory : decodeKnown(memory)

const decodeKnown = Schema.decodeSync(Known)

/** There is nothing beside the fields that this version knows. */
export const isWhole = (memory: object): boolean => Object.keys(memory).every(isKnown)

const isKnown = (name: string): boolean => Object.hasOwn(Memory.fields, name)

/**
 * The one JSON text of a memory: keys in the order of the schema, absent ones left out, metadata as it is, then what else it
 * carries by the order of names. Reading it back and writing it again gives the same bytes, so it can be hashed.
 */
export const encodeJson = (memory: Memory): string => {
  if (isWhole(memory)) return encodeKnown(memory)
  const more = Object.entries(carried(memory)).toSorted(([a], [b]) => a < b ? -1 : 1)
  const rest = more.map(([name, value]) => `,${JSON.stringify(name)}:${JSON.stringify(value)}`).join("")
  return `${encodeKnown(memory).slice(0, -1)}${rest}}`
}

const encodeKnown = (memory: Memory): string =>
  JSON.stringify({
    id: memory.id,
    tier: memory.tier,
    namespace: memory.namespace,
    title: memory.title,
    content: memory.content,
    tags: memory.tags,
    priority: memory.priority,
    confidence: memory.confidence,
    source: memory.source,
    access_count: memory.access_count,
    created_at: memory.created_at,
    updated_at: memory.updated_at,
    last_accessed_at: memory.last_accessed_at,
    expires_at: memory.expires_at,
    metadata: memory.metadata
  })
export { Tier } from "./Tier.js"
