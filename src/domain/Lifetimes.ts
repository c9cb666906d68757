import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Stamp from "./Stamp.js"
import type { Tier } from "./Tier.js"

/** How long memories of each tier live that say nothing of their own expiry. */
export interface Lifetimes {
  /** From their creation; zero is for ever. */
  readonly created: Readonly<Record<Tier, Duration.Duration>>
  /** From each time they are recalled, at least; zero is no longer than before. */
  readonly recalled: Readonly<Record<Tier, Duration.Duration>>
}

/** Those of the original. */
export const usual: Lifetimes = {
  created: { short: Duration.hours(6), mid: Duration.days(7), long: Duration.zero },
  recalled: { short: Duration.hours(1), mid: Duration.days(1), long: Duration.zero }
}

/** How long a memory of this tier lives that says nothing of its own expiry; `none` is for ever. */
export const timeToLive = ({ created }: Lifetimes, tier: Tier): Option.Option<Duration.Duration> =>
  Option.liftPredicate(created[tier], (time) => !Duration.isZero(time))

/** When a memory of this tier expires that begins to live at this moment; `none` is never. */
export const expiry = (lifetimes: Lifetimes, tier: Tier, from: Stamp.Stamp): Option.Option<Stamp.Stamp> =>
  Option.map(
    timeToLive(lifetimes, tier),
    (duration) => Stamp.fromMillis(Stamp.toMillis(from) + Duration.toMillis(duration))
  )

/**
 * Half of what a recall gives: a memory that was recalled lives at most so much longer on one node than its replicated expiry
 * says, so whoever collects by that leaves it alone for as long.
 */
export const graceMillis = ({ recalled }: Lifetimes, tier: Tier): number => Duration.toMillis(recalled[tier]) / 2
