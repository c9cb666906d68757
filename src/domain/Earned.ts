import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Archive from "./Archive.js"
import { Origin } from "./ids.js"
import { MAX_ORIGIN_CHARS, MAX_PRIORITY, MIN_PRIORITY } from "./limits.js"
import type { Memory } from "./Memory.js"
import { decoder } from "./ShapeError.js"
import * as Stamp from "./Stamp.js"
import * as rules from "./validate.js"

/*
 * What a machine earned for one version of a memory: by being recalled a longer life, by time its end. It never competes with
 * what a person or an agent wrote: it changes how that version stands, and a newer one knows nothing of it.
 */

/** That its time was over: when that was found, and the expiry that was seen then. */
const Expired = Schema.Struct({ at: Stamp.Stamp, reason: Schema.String, seen: Stamp.Stamp })
type Expired = typeof Expired.Type

export const Earned = Schema.Struct({
  memory_id: Schema.String,
  /** The version it was earned for. */
  hlc: Stamp.Stamp,
  origin: Origin.pipe(Schema.maxLength(MAX_ORIGIN_CHARS), Schema.pattern(/^[A-Za-z0-9_:@./-]+\/[1-9][0-9]*$/)),
  /** It is kept for good. */
  long: Schema.Boolean,
  /** It counts for so much at least. */
  priority: Schema.NullOr(Schema.Int),
  /** It lives until then at least. */
  expires_at: Schema.NullOr(Stamp.Stamp),
  expired: Schema.NullOr(Expired)
})
export type Earned = typeof Earned.Type

export const decode = decoder(Earned)

/** The one JSON text. */
export const encodeJson = ({ expired, expires_at, hlc, long, memory_id, origin, priority }: Earned): string =>
  JSON.stringify({
    memory_id,
    hlc,
    origin,
    long,
    priority,
    expires_at,
    expired: expired === null ? null : { at: expired.at, reason: expired.reason, seen: expired.seen }
  })

export const validate = (earned: Earned): Either.Either<Earned, rules.Invalid> =>
  Either.map(
    rules.firstInvalid([
      rules.memoryId(earned.memory_id),
      earned.priority === null ? Either.void : rules.priority(earned.priority),
      earned.expired === null ? Either.void : Archive.reason(earned.expired.reason)
    ]),
    () => earned
  )

/** Nothing was earned yet by this version. */
export const nothing = (version: Pick<Earned, "memory_id" | "hlc" | "origin">): Earned => ({
  ...version,
  long: false,
  priority: null,
  expires_at: null,
  expired: null
})

/** What was earned in either: the same in any order, however often. Both are of one version. */
export const join = (a: Earned, b: Earned): Earned => ({
  ...a,
  long: a.long || b.long,
  priority: greater(a.priority, b.priority),
  expires_at: greater(a.expires_at, b.expires_at),
  expired: later(a.expired, b.expired)
})

const greater = <A extends string | number>(a: A | null, b: A | null): A | null =>
  a === null ? b : b === null || a > b ? a : b

const later = (a: Expired | null, b: Expired | null): Expired | null =>
  a === null ? b : b === null || orderOf(a) > orderOf(b) ? a : b

/** Who had seen the later expiry, then who found it out first, then any order. */
const orderOf = ({ at, reason, seen }: Expired): string => `${seen} ${inverted(at)} ${reason}`

/** Sorts the other way round. */
const inverted = (stamp: string): string => stamp.replace(/\d/g, (digit) => String(9 - Number(digit)))

/** The memory as it stands with what it earned. */
export const applied = ({ expires_at: own, ...memory }: Memory, { expires_at, long, priority }: Earned): Memory => {
  const until = long || own === undefined ? undefined : expires_at !== null && expires_at > own ? expires_at : own
  return {
    ...memory,
    tier: long ? "long" : memory.tier,
    priority: Math.min(Math.max(memory.priority, priority ?? MIN_PRIORITY), MAX_PRIORITY),
    ...(until === undefined ? {} : { expires_at: until })
  }
}

/** Its end by time, unless it has earned to live longer than was known when that was found. */
export const endOf = (memory: Memory, earned: Earned): Expired | null => {
  const { expires_at: until } = applied(memory, earned)
  return earned.expired !== null && until !== undefined && until <= earned.expired.seen ? earned.expired : null
}
