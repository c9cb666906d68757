import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Lifetimes from "./Lifetimes.js"
import { MAX_ARCHIVE_REASON_BYTES } from "./limits.js"
import type { Memory } from "./Memory.js"
import type { Stamp } from "./Stamp.js"
import * as rules from "./validate.js"

/** Why memories are archived, unless whoever archives them says something else. */
export const reasons = { archived: "archive", expired: "ttl_expired", forgotten: "forget", reverted: "revert" } as const

/** Not blank, at most 512 bytes, clean. */
export const reason = (value: string): Either.Either<string, rules.Invalid> =>
  Buffer.byteLength(value) > MAX_ARCHIVE_REASON_BYTES
    ? Either.left(
      new rules.Invalid({
        field: "reason",
        message: `reason must be at most ${MAX_ARCHIVE_REASON_BYTES} bytes of UTF-8`
      })
    )
    : rules.named("reason", rules.content(value))

/**
 * An archived memory as it comes back at a moment. What has expired by then would be gone again at once: it gets the time of
 * its tier anew.
 */
export const restored = (
  { expires_at: expiry, ...memory }: Memory,
  stamp: Stamp,
  lifetimes: Lifetimes.Lifetimes
): Memory => {
  const isExpired = expiry !== undefined && expiry <= stamp
  const expiresAt = isExpired ? Option.getOrUndefined(Lifetimes.expiry(lifetimes, memory.tier, stamp)) : expiry
  return { ...memory, updated_at: stamp, ...(expiresAt === undefined ? {} : { expires_at: expiresAt }) }
}
