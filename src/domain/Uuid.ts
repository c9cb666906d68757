import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** Where new ids come from. A service, because chance and time are inputs like any other. */
export class Uuid extends Context.Tag("quorate/domain/Uuid")<Uuid, {
  /** A new UUID, lower case with hyphens: of version 7, so that what is written together stands together in an index. */
  readonly make: () => string
}>() {}

/** Made of the clock, and of random UUIDs (version 4) from where nobody can guess them. */
export const layer = (random: () => string): Layer.Layer<Uuid> =>
  Layer.effect(
    Uuid,
    Effect.clockWith((clock) =>
      Effect.sync(() => ({ make: ordered({ nowMillis: () => clock.unsafeCurrentTimeMillis(), random }) }))
    )
  )

interface Inputs {
  readonly nowMillis: () => number
  readonly random: () => string
}

/**
 * UUIDs of version 7 (RFC 9562), each greater than the one before: the milliseconds, a counter of 12 bits, and 62 bits of
 * chance. The counter begins somewhere in its lower half in each millisecond. When it is used up, and for as long as the
 * clock is behind, the time is that of the id before, or a millisecond more.
 */
export const ordered = ({ nowMillis, random }: Inputs): () => string => {
  let millis = -1
  let count = 0
  let time = ""
  const moveTo = (next: number, chance: string) => {
    millis = next
    count = Number.parseInt(chance.slice(0, 3), 16) & COUNT_BEGIN
    const digits = next.toString(16).padStart(12, "0")
    time = `${digits.slice(0, 8)}-${digits.slice(8)}-7`
  }
  return () => {
    const chance = random()
    const now = Math.min(Math.max(0, Math.floor(nowMillis())), LAST_MILLIS)
    if (now > millis) moveTo(now, chance)
    else if (count < LAST_COUNT) count++
    else moveTo(millis + 1, chance)
    return `${time}${count.toString(16).padStart(3, "0")}${chance.slice(CHANCE_AT)}`
  }
}

/** The upper half is left to count in. */
const COUNT_BEGIN = 0x7ff
const LAST_COUNT = 0xfff
/** In the year 10889. */
const LAST_MILLIS = 2 ** 48 - 1
/** From the hyphen before the variant. */
const CHANCE_AT = 18

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
