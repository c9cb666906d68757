import * as Either from "effect/Either"
import * as validate from "./validate.js"

/** A whole number in bounds: from 0, unless said otherwise. */
export const checkCount = (
  field: string,
  value: number,
  bounds: number | { readonly least: number; readonly most: number }
): Valid<number> => {
  const { least, most } = typeof bounds === "number" ? { least: 0, most: bounds } : bounds
  return Number.isInteger(value) && value >= least && value <= most
    ? Either.right(value)
    : invalid(field, `must be a whole number from ${least} to ${most}`)
}

/** The words to look for: not blank, at most `mostBytes` of UTF-8. */
export const checkText = (field: string, value: string, mostBytes: number): Valid<string> => {
  if (validate.trim(value) === "") return Either.left(new validate.Invalid({ field, message: `${field} is required` }))
  return Buffer.byteLength(value) <= mostBytes
    ? Either.right(value)
    : invalid(field, `must be at most ${mostBytes} bytes of UTF-8`)
}

type Valid<A> = Either.Either<A, validate.Invalid>

const invalid = (field: string, complaint: string): Either.Either<never, validate.Invalid> =>
  Either.left(new validate.Invalid({ field, message: `${field} ${complaint}` }))
