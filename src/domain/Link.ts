import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { absentable } from "./absentable.js"
import { decoder } from "./ShapeError.js"
import * as rules from "./validate.js"

/** What a link may say of its two ends, as every node understands it. */
export const RELATIONS = ["related_to", "supersedes", "contradicts", "derived_from"] as const
export const DEFAULT_RELATION = "related_to"
/** Bytes of an Ed25519 signature. */
const SIGNATURE_BYTES = 64

const Byte = Schema.Int.pipe(Schema.between(0, 255))

/**
 * A directed link between two memories in the shape it has on the wire. There is one for each (source, target, relation).
 * The signature is an array of 64 integers, as the original writes it; it is passed on as it came.
 */
export const Link = Schema.Struct({
  source_id: Schema.String,
  target_id: Schema.String,
  relation: Schema.String,
  created_at: Schema.String,
  signature: absentable(Schema.Array(Byte)),
  observed_by: absentable(Schema.String),
  valid_from: absentable(Schema.String),
  valid_until: absentable(Schema.String)
})
export type Link = typeof Link.Type

/** Reads a link of unknown origin. `at` is its path within the whole request, as in `links[3]`. */
export const decode = decoder(Link)

/** The one JSON text of a link: keys in the order of the schema, absent ones left out. */
export const encodeJson = (link: Link): string =>
  JSON.stringify({
    source_id: link.source_id,
    target_id: link.target_id,
    relation: link.relation,
    created_at: link.created_at,
    signature: link.signature,
    observed_by: link.observed_by,
    valid_from: link.valid_from,
    valid_until: link.valid_until
  })

/** The rules for a link that comes from elsewhere. Gives it back with its stamps in canonical form. */
export const validate = (link: Link): Either.Either<Link, rules.Invalid> =>
  Either.gen(function*() {
    yield* checkEnds(link)
    yield* relation(link.relation)
    if (link.signature !== undefined && link.signature.length !== SIGNATURE_BYTES) {
      return yield* invalid("signature", `must be ${SIGNATURE_BYTES} bytes`)
    }
    if (link.observed_by !== undefined) yield* observer(link.observed_by)
    const { valid_from: from, valid_until: until } = link
    return {
      ...link,
      created_at: yield* rules.stamp("created_at", link.created_at),
      ...(from === undefined ? {} : { valid_from: yield* rules.stamp("valid_from", from) }),
      ...(until === undefined ? {} : { valid_until: yield* rules.stamp("valid_until", until) })
    }
  })

/** Both ends are ids, and not the same one. */
export const checkEnds = (
  ends: Pick<Link, "source_id" | "target_id">
): Either.Either<void, rules.Invalid> =>
  Either.gen(function*() {
    yield* rules.named("source_id", rules.memoryId(ends.source_id))
    yield* rules.named("target_id", rules.memoryId(ends.target_id))
    if (ends.source_id === ends.target_id) yield* invalid("target_id", "must not be the source_id: no link to itself")
  })

/** One of the closed set. */
export const relation = (value: string): Either.Either<string, rules.Invalid> =>
  RELATIONS.some((known) => known === value)
    ? Either.right(value)
    : invalid("relation", `must be one of ${RELATIONS.join(", ")}`)

const observer = (value: string) => rules.named("observed_by", rules.agentId(value))

const invalid = (field: string, complaint: string): Either.Either<never, rules.Invalid> =>
  Either.left(new rules.Invalid({ field, message: `${field} ${complaint}` }))
