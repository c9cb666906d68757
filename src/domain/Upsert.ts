import * as Attestation from "./Attestation.js"
import { MAX_TITLE_CHARS } from "./limits.js"
import { carried, type Memory } from "./Memory.js"
import { keepOwner } from "./Owner.js"
import type { Stamp } from "./Stamp.js"
import * as Tier from "./Tier.js"
import { trim } from "./validate.js"

/**
 * The memory at a slot after another was stored there: content, tags, source and metadata are those of the incoming one,
 * priority and confidence the greater, the tier the longer. It expires when the incoming one says so, or else as before, and
 * never when it is long. Id, owner, creation and access data stay; so it may be none of what the author of either signed.
 */
export const mergeUpsert = (old: Memory, incoming: Memory, stamp: Stamp): Memory => {
  const { expires_at: oldExpiry, ...kept } = old
  const tier = Tier.max(old.tier, incoming.tier)
  const expiresAt = tier === "long" ? undefined : incoming.expires_at ?? oldExpiry
  const merged = {
    ...kept,
    ...carried(incoming),
    tier,
    content: incoming.content,
    tags: incoming.tags,
    priority: Math.max(old.priority, incoming.priority),
    confidence: Math.max(old.confidence, incoming.confidence),
    source: incoming.source,
    updated_at: stamp,
    ...(expiresAt === undefined ? {} : { expires_at: expiresAt }),
    metadata: keepOwner(old.metadata, incoming.metadata)
  }
  return Attestation.settle(merged, incoming, old)
}

/**
 * The title itself, or the first free one of `title (2)`, `title (3)`, …, without the white space around it; its end is cut
 * where it would get too long.
 */
export const freeTitle = (title: string, isTaken: (title: string) => boolean): string => {
  let candidate = title
  for (let version = 2; isTaken(candidate); version++) candidate = withSuffix(title, ` (${version})`)
  return candidate
}

/** The title without the white space around it, then the suffix; its end is cut where both together would be too long. */
export const withSuffix = (title: string, suffix: string): string =>
  Array.from(trim(title)).slice(0, MAX_TITLE_CHARS - suffix.length).join("") + suffix
