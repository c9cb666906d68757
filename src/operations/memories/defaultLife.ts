import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import { timeToLive } from "../../domain/Lifetimes.js"
import { DEFAULT_TIER } from "../../domain/Tier.js"
import { Lifetimes } from "../../store/Lifetimes.js"

/** How long a memory lives on this node that says nothing of its tier or its expiry; `none` is for ever. */
export const defaultLife: Effect.Effect<Option.Option<Duration.Duration>> = Effect.map(
  Lifetimes,
  (lifetimes) => timeToLive(lifetimes, DEFAULT_TIER)
)
