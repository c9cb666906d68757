import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Attestation from "./Attestation.js"
import { AgentId, MemoryId } from "./ids.js"
import * as limits from "./limits.js"
import { carried, type Memory, type Metadata, NEWER_SOURCE, SCOPES, SOURCES } from "./Memory.js"
import * as Stamp from "./Stamp.js"

/** A value of the right shape that breaks a rule. Says which field and which bound, and never repeats the value. */
export class Invalid extends Schema.TaggedError<Invalid>()("Invalid", {
  field: Schema.String,
  message: Schema.String
}) {}

type Valid<A> = Either.Either<A, Invalid>

/**
 * The rules for a whole memory that comes from elsewhere: a peer, an import. Gives it back with its stamps in canonical form
 * and its access count cut to the bound; a past expiry is fine.
 */
export const validateMemory = (memory: Memory): Valid<Memory> =>
  Either.flatMap(
    firstInvalid([
      memoryId(memory.id),
      title(memory.title),
      content(memory.content),
      namespace(memory.namespace),
      sourceOfRow(memory.source),
      tags(memory.tags),
      priority(memory.priority),
      confidence(memory.confidence),
      accessCount(memory.access_count),
      metadataOfRow(memory.metadata),
      carriedOfRow(memory)
    ]),
    () => withCanonicalStamps(withinCount(memory))
  )

/** The first rule that is broken, if any. */
export const firstInvalid = (results: ReadonlyArray<Valid<unknown>>): Valid<void> => {
  for (const result of results) if (Either.isLeft(result)) return Either.left(result.left)
  return Either.void
}

/** A rule of one field, told of another that it holds for as well. */
export const named = <A>(field: string, checked: Valid<A>): Valid<A> =>
  Either.mapLeft(checked, (error) => new Invalid({ field, message: error.message.replace(error.field, field) }))

/** Not blank, at most 512 code points, clean; without the white space around it. What is stored is the title as it came. */
export const title = (value: string): Valid<string> => {
  if (bytesExceed(value, limits.MAX_PADDED_BYTES)) return tooPadded("title")
  const trimmed = trim(value)
  if (trimmed === "") return invalid("title", "must not be blank")
  if (charsExceed(trimmed, limits.MAX_TITLE_CHARS)) {
    return invalid("title", `must be at most ${limits.MAX_TITLE_CHARS} characters`)
  }
  return isClean(trimmed) ? Either.right(value) : notClean("title")
}

const tooPadded = (field: string) =>
  invalid(field, `must be at most ${limits.MAX_PADDED_BYTES} bytes of UTF-8, the white space around it included`)

/** Not blank, at most 65 536 bytes, clean. */
export const content = (value: string): Valid<string> => {
  if (isBlank(value)) return invalid("content", "must not be blank")
  if (bytesExceed(value, limits.MAX_CONTENT_BYTES)) {
    return invalid("content", `must be at most ${limits.MAX_CONTENT_BYTES} bytes of UTF-8`)
  }
  return isClean(value) ? Either.right(value) : notClean("content")
}

/**
 * At most 512 code points and 8 levels between slashes, no level empty, `.` or `..`; no space, backslash or control
 * character. Without the white space around it. What is stored is the namespace as it came, in its case.
 */
export const namespace = (value: string): Valid<string> => {
  if (bytesExceed(value, limits.MAX_PADDED_BYTES)) return tooPadded("namespace")
  const trimmed = trim(value)
  if (SIMPLE_NAMESPACE.test(trimmed)) return Either.right(value)
  if (trimmed === "") return invalid("namespace", "must not be blank")
  if (charsExceed(trimmed, limits.MAX_NAMESPACE_CHARS)) {
    return invalid("namespace", `must be at most ${limits.MAX_NAMESPACE_CHARS} characters`)
  }
  if (trimmed.includes(" ") || trimmed.includes("\\") || CONTROL_OR_LONE_SURROGATE.test(trimmed)) {
    return invalid("namespace", "must not contain a space, a backslash or a control character")
  }
  const levels = trimmed.split("/")
  if (levels.length > limits.MAX_NAMESPACE_LEVELS) {
    return invalid("namespace", `must have at most ${limits.MAX_NAMESPACE_LEVELS} levels between slashes`)
  }
  return levels.some((level) => level === "" || level === "." || level === "..")
    ? invalid("namespace", "must have no empty level, no \".\" and no \"..\" between slashes, and none at its ends")
    : Either.right(value)
}

/** One of the closed set. */
export const source = (value: string): Valid<string> =>
  sources.has(value) ? Either.right(value) : invalid("source", `must be one of ${SOURCES.join(", ")}`)

/** A row from elsewhere may also have a source that only newer nodes write. */
const sourceOfRow = (value: string): Valid<string> => value === NEWER_SOURCE ? Either.right(value) : source(value)

/** At most 50, each of 1 to 128 bytes and clean. */
export const tags = (values: ReadonlyArray<string>): Valid<ReadonlyArray<string>> => {
  if (values.length > limits.MAX_TAGS) return invalid("tags", `must be at most ${limits.MAX_TAGS}`)
  for (const [index, tag] of values.entries()) {
    if (tag === "" || bytesExceed(tag, limits.MAX_TAG_BYTES)) {
      return invalid(`tags[${index}]`, `must be 1 to ${limits.MAX_TAG_BYTES} bytes of UTF-8`)
    }
    if (!isClean(tag)) return notClean(`tags[${index}]`)
  }
  return Either.right(values)
}

/** 1 to 10. */
export const priority = (value: number): Valid<number> =>
  Number.isInteger(value) && value >= limits.MIN_PRIORITY && value <= limits.MAX_PRIORITY
    ? Either.right(value)
    : invalid("priority", `must be an integer from ${limits.MIN_PRIORITY} to ${limits.MAX_PRIORITY}`)

/** Finite, 0 to 1. */
export const confidence = (value: number): Valid<number> =>
  value >= 0 && value <= 1 ? Either.right(value) : invalid("confidence", "must be a number from 0 to 1")

/** Not negative. */
export const accessCount = (value: number): Valid<number> =>
  value >= 0 ? Either.right(value) : invalid("access_count", "must not be negative")

/** Any text, not only a UUID: not blank, at most 128 bytes, clean. */
export const memoryId = (value: string): Valid<MemoryId> => {
  if (UUID.test(value)) return Either.right(MemoryId.make(value))
  if (isBlank(value) || bytesExceed(value, limits.MAX_ID_BYTES)) {
    return invalid("id", `must be 1 to ${limits.MAX_ID_BYTES} bytes of UTF-8 and not blank`)
  }
  return isClean(value) ? Either.right(MemoryId.make(value)) : notClean("id")
}

/** 1 to 128 of letters, digits and `_:@./-`. */
export const agentId = (value: string): Valid<AgentId> =>
  AGENT_ID.test(value)
    ? Either.right(AgentId.make(value))
    : invalid("agent_id", `must be 1 to ${limits.MAX_ID_BYTES} characters of A-Z a-z 0-9 _ : @ . / -`)

/** One of the closed set. */
export const scope = (value: string): Valid<string> =>
  scopes.has(value) ? Either.right(value) : invalid("scope", `must be one of ${SCOPES.join(", ")}`)

/** One second to a year. */
export const ttlSecs = (value: number): Valid<number> =>
  Number.isInteger(value) && value >= 1 && value <= limits.MAX_TTL_SECONDS
    ? Either.right(value)
    : invalid("ttl_secs", `must be an integer from 1 to ${limits.MAX_TTL_SECONDS}`)

/** RFC 3339; where `afterMillis` is given also later than that moment. Gives the canonical form. */
export const expiresAt = (
  value: string,
  options: { readonly afterMillis?: number } = {}
): Valid<Stamp.Stamp> =>
  Either.filterOrLeft(
    stamp("expires_at", value),
    (expiry) => options.afterMillis === undefined || Stamp.toMillis(expiry) > options.afterMillis,
    () => new Invalid({ field: "expires_at", message: "expires_at must be in the future" })
  )

/** RFC 3339. Gives the canonical form. */
export const stamp = (field: string, value: string): Valid<Stamp.Stamp> => {
  const parsed = Stamp.parse(value)
  return Option.isSome(parsed)
    ? Either.right(parsed.value)
    : invalid(field, "must be an RFC 3339 timestamp between the years 0001 and 9999")
}

/** The stamp of a memory that was validated. Any other text is a defect of the caller, and throws. */
export const canonicalStamp = (text: string): Stamp.Stamp => Option.getOrThrow(Stamp.parse(text))

/**
 * A JSON object of at most 65 536 bytes and 32 levels. Whole numbers beyond ±(2^53 - 1) are refused, because this process
 * can not pass them on unchanged: they are to be sent as strings.
 */
export const metadata = (value: unknown): Valid<Metadata> => {
  if (!Predicate.isRecord(value)) return invalid("metadata", "must be an object")
  const complaint = complaintOf(value, { bytes: limits.MAX_METADATA_BYTES, depth: limits.MAX_METADATA_DEPTH })
  if (complaint !== undefined) return invalid("metadata", complaint)
  return bytesExceed(JSON.stringify(value), limits.MAX_METADATA_BYTES)
    ? invalid("metadata", `must be at most ${limits.MAX_METADATA_BYTES} bytes as JSON, agent_id and scope included`)
    : Either.right(value)
}

/** Any JSON within bounds, with no whole number beyond ±(2^53 - 1), for the same reason. */
export const json = (
  field: string,
  value: unknown,
  max: { readonly bytes: number; readonly depth: number }
): Valid<unknown> => {
  const complaint = complaintOf(value, max)
  if (complaint !== undefined) return invalid(field, complaint)
  return bytesExceed(JSON.stringify(value), max.bytes)
    ? invalid(field, `must be at most ${max.bytes} bytes as JSON`)
    : Either.right(value)
}

/**
 * A node writes the owner into metadata after its size was checked, and one that keeps an older owner may write a longer
 * one: so the owner of a row does not count.
 */
const metadataOfRow = (value: Metadata): Valid<Metadata> => {
  const whole = metadata(value)
  const { agent_id: owner, ...rest } = value
  return Either.isLeft(whole) && typeof owner === "string" && AGENT_ID.test(owner) ? metadata(rest) : whole
}

/** What else a row carries has the bounds of metadata, its names included. */
const carriedOfRow = (memory: Memory): Valid<Metadata> => {
  const more = carried(memory)
  return Object.keys(more).length === 0
    ? Either.right(more)
    : named("the fields of the row that are not known here", metadata(more))
}

const UUID = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/
const AGENT_ID = new RegExp(`^[\\w:@./-]{1,${limits.MAX_ID_BYTES}}$`)
/** The usual namespaces, for which no other rule can fail. */
const SIMPLE_NAMESPACE = /^[\w-]{1,60}(?:\/[\w-]{1,60}){0,7}$/
/** Control characters other than newline and tab; surrogates without their half can not be written as UTF-8. */
const NOT_CLEAN = /[^\P{Cc}\n\t]|\p{Cs}/u
const CONTROL_OR_LONE_SURROGATE = /\p{Cc}|\p{Cs}/u
const LONE_SURROGATE = /\p{Cs}/u
const NOT_WHITE_SPACE = /\P{White_Space}/u

const sources: ReadonlySet<string> = new Set(SOURCES)
const scopes: ReadonlySet<string> = new Set(SCOPES)

const invalid = (field: string, complaint: string): Either.Either<never, Invalid> =>
  Either.left(new Invalid({ field, message: `${field} ${complaint}` }))

const notClean = (field: string) =>
  invalid(field, "must not contain a carriage return, another control character or a lone surrogate")

/** Without a control character but for newline and tab, and without half a surrogate. */
export const isClean = (text: string): boolean => !NOT_CLEAN.test(text)

const isBlank = (text: string): boolean => !NOT_WHITE_SPACE.test(text)

/** White space as Unicode defines it, which is not what `String.trim` removes: U+0085 is, U+FEFF is not. */
export const trim = (text: string): string => {
  let start = 0
  let end = text.length
  while (start < end && !NOT_WHITE_SPACE.test(text.charAt(start))) start++
  while (end > start && !NOT_WHITE_SPACE.test(text.charAt(end - 1))) end--
  return text.slice(start, end)
}

const bytesExceed = (text: string, max: number): boolean =>
  text.length > max || (text.length * 3 > max && Buffer.byteLength(text) > max)

const charsExceed = (text: string, max: number): boolean =>
  text.length > max && (text.length > max * 2 || Array.from(text).length > max)

/** How far to look into a value, and how many values are left to look at. */
interface Look {
  readonly maxDepth: number
  left: number
}

/**
 * What is wrong within a value. One with more values than so many bytes of JSON can hold is not gone through: it is too large
 * anyway, which its text says soon enough.
 */
const complaintOf = (value: unknown, max: { readonly bytes: number; readonly depth: number }): string | undefined =>
  jsonComplaint(value, 1, { maxDepth: max.depth, left: max.bytes / LEAST_BYTES_OF_A_VALUE })

/** A digit and a comma. */
const LEAST_BYTES_OF_A_VALUE = 2

const jsonComplaint = (value: unknown, depth: number, look: Look): string | undefined => {
  switch (typeof value) {
    case "string":
      return LONE_SURROGATE.test(value) ? "must not contain a lone surrogate" : undefined
    case "number":
      return numberComplaint(value)
    case "boolean":
      return undefined
    case "object":
      return value === null ? undefined : containerComplaint(value, depth, look)
    default:
      return "must be JSON"
  }
}

const numberComplaint = (value: number): string | undefined =>
  Number.isFinite(value) && (Number.isSafeInteger(value) || !Number.isInteger(value))
    ? undefined
    : "must not contain whole numbers beyond ±9007199254740991: send them as strings"

const containerComplaint = (value: object, depth: number, look: Look): string | undefined => {
  if (depth > look.maxDepth) return `must be at most ${look.maxDepth} levels deep`
  const keys = Object.keys(value)
  look.left -= keys.length
  if (look.left < 0) return undefined
  if (Array.isArray(value)) return firstComplaint(value, depth, look)
  for (const key of keys) if (LONE_SURROGATE.test(key)) return "must not contain a lone surrogate"
  return firstComplaint(Object.values(value), depth, look)
}

const firstComplaint = (values: ReadonlyArray<unknown>, depth: number, look: Look): string | undefined => {
  for (const value of values) {
    const complaint = jsonComplaint(value, depth + 1, look)
    if (complaint !== undefined) return complaint
  }
  return undefined
}

const withinCount = (memory: Memory): Memory =>
  memory.access_count <= limits.MAX_ACCESS_COUNT ? memory : { ...memory, access_count: limits.MAX_ACCESS_COUNT }

/** As far as there is room for it. */
const withSignedAt = (memory: Memory, text: string): Memory => {
  const signed = Attestation.withSignedAt(memory, text)
  return signed === memory || Either.isLeft(metadataOfRow(signed.metadata)) ? memory : signed
}

const STAMPS = ["created_at", "updated_at", "last_accessed_at", "expires_at"] as const

const withCanonicalStamps = (memory: Memory): Valid<Memory> => {
  let canonical = memory
  for (const field of STAMPS) {
    const text = memory[field]
    if (text === undefined) continue
    const read = stamp(field, text)
    if (Either.isLeft(read)) return Either.left(read.left)
    if (read.right === text) continue
    canonical = { ...canonical, [field]: read.right }
    if (field === "created_at") canonical = withSignedAt(canonical, text)
  }
  return Either.right(canonical)
}
