import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type { Memory } from "../../domain/Memory.js"
import { DEFAULT_TIER } from "../../domain/Tier.js"

/*
 * Who says nothing of a memory's life gets the default tier, and it is forgotten some day: the answer says so in words, as
 * `expires_at` alone is easily passed over.
 */

interface Notice {
  readonly notice?: string
}

/** Of what was stored by a request; nothing when it said how long, or the memory does not expire. */
export const ofCreated = (request: unknown, { expires_at, tier }: Memory): Notice =>
  expires_at === undefined || !saysNothing(request)
    ? {}
    : {
      notice:
        `The tier is the default one, ${tier}: this memory is forgotten at ${expires_at}, unless it is recalled ` +
        `often, or shortly before. ${HINT}`
    }

/** Of the rows of a bulk that were stored, and how long one lives that says nothing of it. */
export const ofBulk = (rows: ReadonlyArray<unknown>, time: Option.Option<Duration.Duration>): Notice => {
  const count = rows.filter(saysNothing).length
  return count === 0 || Option.isNone(time) ? {} : {
    notice: `The tier of ${count} row(s) is the default one, ${DEFAULT_TIER}: a memory of it is forgotten after ` +
      `${Duration.format(time.value)}, unless it is recalled often, or shortly before. ${HINT}`
  }
}

const HINT = "To keep one for good, promote it."

const saysNothing = (request: unknown): boolean =>
  Predicate.isRecord(request) && WORDS.every((word) => Predicate.isNullable(request[word]))

const WORDS = ["tier", "expires_at", "ttl_secs"]
