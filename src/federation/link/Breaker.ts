/** Whether a peer is being tried: closed while it answers, open for a growing time after it failed. */
export interface Breaker {
  /** Failures in a row; 0 while closed. */
  readonly failures: number
}

const OPEN_FIRST_MILLIS = 1_000
const OPEN_MAX_MILLIS = 30_000
/** Each wait is drawn from this share of its length up to the whole of it, so that nodes do not probe in step. */
const JITTER = 0.2

export const closed: Breaker = { failures: 0 }

export const isOpen = (breaker: Breaker): boolean => breaker.failures > 0

export const failed = (breaker: Breaker): Breaker => ({ failures: Math.min(breaker.failures + 1, 30) })

/** How long it stays open after the latest failure: 1 s · 2ⁿ, at most 30 s; `chance` is uniform in [0, 1). */
export const openMillis = (breaker: Breaker, chance: number): number =>
  Math.min(OPEN_MAX_MILLIS, OPEN_FIRST_MILLIS * 2 ** (breaker.failures - 1)) * (1 - JITTER * chance)
