import * as Duration from "effect/Duration"
import * as Lifetimes from "../../domain/Lifetimes.js"
import { MAX_ACCESS_COUNT, MAX_PRIORITY } from "../../domain/limits.js"
import * as Stamp from "../../domain/Stamp.js"
import type { Tier } from "../../domain/Tier.js"

/** What the touch of a recalled memory depends on. */
export interface Touchable {
  readonly tier: Tier
  readonly priority: number
  readonly accessCount: number
  readonly expiresAt: Stamp.Stamp | null
  readonly extendedUntil: Stamp.Stamp | null
}

/**
 * What it comes to. All but `promote`, `raisePriority` and `extend` stays on this node; those three are writes like any other.
 */
interface Touched {
  readonly accessCount: number
  readonly lastAccessedAt: Stamp.Stamp
  readonly extendedUntil: Stamp.Stamp | null
  /** The memory becomes `long`. */
  readonly promote: boolean
  /** Its priority grows by one. */
  readonly raisePriority: boolean
  /** The expiry that every node knows is so near that it takes over the one of this node. */
  readonly extend: boolean
}

/**
 * Being recalled counts as a use. A memory that expires lives on for at least as long from now as a recall gives its tier;
 * what has expired already is not brought back. The other nodes hear of it when they would otherwise lose the memory much
 * earlier than this one, and not each time. From the fifth use on a `mid` one is promoted, and every tenth use raises the
 * priority.
 */
export const touched = (row: Touchable, now: Stamp.Stamp, lifetimes: Lifetimes.Lifetimes): Touched => {
  const accessCount = Math.min(row.accessCount + 1, MAX_ACCESS_COUNT)
  const counted = accessCount > row.accessCount
  const extendedUntil = extended(row, now, lifetimes.recalled[row.tier])
  return {
    accessCount,
    lastAccessedAt: now,
    extendedUntil,
    promote: row.tier === "mid" && accessCount >= PROMOTION_ACCESSES,
    raisePriority: counted && accessCount % ACCESSES_PER_PRIORITY === 0 && row.priority < MAX_PRIORITY,
    extend: extendedUntil !== row.extendedUntil && row.expiresAt !== null &&
      Stamp.toMillis(row.expiresAt) <= Stamp.toMillis(now) + Lifetimes.graceMillis(lifetimes, row.tier)
  }
}

const PROMOTION_ACCESSES = 5
const ACCESSES_PER_PRIORITY = 10

const extended = (row: Touchable, now: Stamp.Stamp, extension: Duration.Duration): Stamp.Stamp | null => {
  if (Duration.isZero(extension) || row.expiresAt === null) return row.extendedUntil
  const expiry = row.extendedUntil !== null && row.extendedUntil > row.expiresAt ? row.extendedUntil : row.expiresAt
  const until = Stamp.fromMillis(Stamp.toMillis(now) + Duration.toMillis(extension))
  return expiry > now && until > expiry ? until : row.extendedUntil
}
