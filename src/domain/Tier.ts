import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stamp from "./Stamp.js"

/** How long a memory is meant to live. */
export const Tier = Schema.Literal("short", "mid", "long").annotations({
  identifier: "Tier",
  description: "one of short, mid, long"
})
export type Tier = typeof Tier.Type

/** How long a memory of this tier lives that says nothing of its own expiry; `none` is for ever. */
export const timeToLive = (tier: Tier): Option.Option<Duration.Duration> => timesToLive[tier]

/** When a memory of this tier expires that begins to live at this moment; `none` is never. */
export const expiry = (tier: Tier, from: Stamp.Stamp): Option.Option<Stamp.Stamp> =>
  Option.map(
    timeToLive(tier),
    (duration) => Stamp.fromMillis(Stamp.toMillis(from) + Duration.toMillis(duration))
  )

/** The longer-lived of two: a tier never goes down. */
export const max = (a: Tier, b: Tier): Tier => rank[a] >= rank[b] ? a : b

const timesToLive = {
  short: Option.some(Duration.hours(6)),
  mid: Option.some(Duration.days(7)),
  long: Option.none<Duration.Duration>()
}

const rank = { short: 0, mid: 1, long: 2 }
