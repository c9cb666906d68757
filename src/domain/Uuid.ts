import * as Context from "effect/Context"

/** Where new ids come from. A service, because chance is an input like any other. */
export class Uuid extends Context.Tag("quorate/domain/Uuid")<Uuid, {
  /** A new random UUID, lower case with hyphens. */
  readonly make: () => string
}>() {}

/**
 * The UUID (version 8: made by rules of one's own) that belongs to a digest: the same digest gives the same id on every
 * node. Takes the first 32 of the given hexadecimal digits; six of their bits give way to version and variant.
 */
export const fromHash = (hex: string): string => {
  const digits = hex.slice(0, 32).toLowerCase()
  const variant = ((Number.parseInt(digits.charAt(16), 16) & 3) | 8).toString(16)
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-8${digits.slice(13, 16)}-${variant}${digits.slice(17, 20)}-${
    digits.slice(20)
  }`
}
