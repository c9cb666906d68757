import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { absentable } from "./absentable.js"
import { CreateMemory, isPlain } from "./CreateMemory.js"
import { MAX_SIGNED_WRITE_AGE_SECONDS } from "./limits.js"
import { decoder, type ShapeError } from "./ShapeError.js"
import * as Stamp from "./Stamp.js"
import * as rules from "./validate.js"

/**
 * A request to store a memory that its author may have signed: `signature` is 64 bytes in standard base64, `created_at` the
 * moment that was signed. Without a signature that says nothing.
 */
export const SignedMemory = Schema.Struct({
  ...CreateMemory.fields,
  signature: absentable(Schema.String),
  created_at: absentable(Schema.String)
})
export type SignedMemory = typeof SignedMemory.Type

const read = decoder(SignedMemory)

export const decode = (input: unknown): Either.Either<SignedMemory, ShapeError> =>
  isPlain(input) ? Either.right(input) : read(input)

/** When it was signed, which must be about now. */
export const createdAt = (
  { created_at: text }: SignedMemory,
  nowMillis: number
): Either.Either<Stamp.Stamp, rules.Invalid> =>
  text === undefined
    ? invalid("is required with a signature: it is a part of what was signed")
    : Either.flatMap(rules.stamp("created_at", text), (stamp) =>
      Math.abs(nowMillis - Stamp.toMillis(stamp)) <= MAX_SIGNED_WRITE_AGE_SECONDS * 1000
        ? Either.right(stamp)
        : invalid(`must be within ${MAX_SIGNED_WRITE_AGE_SECONDS} s of the clock of this node`))

const invalid = (complaint: string): Either.Either<never, rules.Invalid> =>
  Either.left(new rules.Invalid({ field: "created_at", message: `created_at ${complaint}` }))
