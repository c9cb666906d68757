import * as Schema from "effect/Schema"

/** How long a memory is meant to live. */
export const Tier = Schema.Literal("short", "mid", "long").annotations({
  identifier: "Tier",
  description: "one of short, mid, long"
})
export type Tier = typeof Tier.Type

/** That of a memory which says nothing of it. */
export const DEFAULT_TIER: Tier = "mid"

/** The longer-lived of two: a tier never goes down. */
export const max = (a: Tier, b: Tier): Tier => rank[a] >= rank[b] ? a : b

const rank = { short: 0, mid: 1, long: 2 }
