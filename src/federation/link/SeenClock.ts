import type * as Clock from "effect/Clock"

/** The clock of a peer as it was seen, at a moment of this node's monotonic time: that goes on whatever becomes of its own. */
export interface SeenClock {
  readonly wallMillis: number
  readonly monotonicMillis: number
}

/** What a peer said, half way between the question and the answer. */
export const seen = (wallMillis: number, askedMillis: number, answeredMillis: number): SeenClock => ({
  wallMillis,
  monotonicMillis: (askedMillis + answeredMillis) / 2
})

/** The peer's clock minus this node's, as both are now. */
export const skewMillis = ({ monotonicMillis, wallMillis }: SeenClock, clock: Clock.Clock): number =>
  wallMillis + (monotonicNow(clock) - monotonicMillis) - clock.unsafeCurrentTimeMillis()

export const monotonicNow = (clock: Clock.Clock): number => Number(clock.unsafeCurrentTimeNanos() / 1000n) / 1000
