import * as Stamp from "./Stamp.js"

/**
 * A hybrid logical clock: whole milliseconds of the wall clock, and a counter (0 to 999 999) that orders what happens within
 * one of them. Written as a stamp the milliseconds are its first three fraction digits and the counter the last six, so that
 * the order of the texts is the order of the clock.
 */
export interface Hlc {
  readonly millis: number
  readonly counter: number
}

export const MAX_COUNTER = 999_999

/** Before everything that ever happened. */
export const zero: Hlc = { millis: 0, counter: 0 }

/** A stamp further ahead of the wall clock than this is refused. */
export const MAX_AHEAD_MILLIS = 60_000

/**
 * A clock follows what it hears of no further ahead of the wall clock than this. That it is less than what is taken leaves
 * room between nodes: what one of them writes after it took a stamp from a clock that leads is not too far ahead for another.
 */
const MAX_FOLLOWED_MILLIS = 30_000

/** The next value: strictly after `last`, wherever the wall clock is. A counter that is full carries into the millis. */
export const tick = (last: Hlc, wallMillis: number): Hlc => {
  if (wallMillis > last.millis) return { millis: wallMillis, counter: 0 }
  return last.counter < MAX_COUNTER
    ? { millis: last.millis, counter: last.counter + 1 }
    : { millis: last.millis + 1, counter: 0 }
}

/**
 * What the clock is after a stamp was written or heard of: the later of the two. What is too far ahead to be followed does not
 * move it; and where it is there itself, because the wall clock was wrong and was set right, it comes back.
 */
export const follow = (last: Hlc, stamp: Hlc, wallMillis: number): Hlc => {
  if (!isFollowed(stamp, wallMillis)) return last
  return compare(stamp, last) > 0 || !isFollowed(last, wallMillis) ? stamp : last
}

/** From where the next value is to be counted; what is too far ahead to be followed does not count. */
export const base = (last: Hlc, wallMillis: number): Hlc => isFollowed(last, wallMillis) ? last : zero

const isFollowed = ({ millis }: Hlc, wallMillis: number): boolean => millis - wallMillis <= MAX_FOLLOWED_MILLIS

export const compare = (a: Hlc, b: Hlc): -1 | 0 | 1 => {
  if (a.millis !== b.millis) return a.millis < b.millis ? -1 : 1
  if (a.counter !== b.counter) return a.counter < b.counter ? -1 : 1
  return 0
}

export const later = (a: Hlc, b: Hlc): Hlc => compare(a, b) < 0 ? b : a

/** Whether a stamp is further ahead of the wall clock than what is taken. */
export const isFuture = (stamp: Stamp.Stamp, wallMillis: number): boolean =>
  Stamp.toMillis(stamp) - wallMillis > MAX_AHEAD_MILLIS

/** The last stamp that is taken. */
export const latest = (wallMillis: number): Stamp.Stamp => Stamp.fromMillis(wallMillis + MAX_AHEAD_MILLIS, MAX_COUNTER)

export const toStamp = (hlc: Hlc): Stamp.Stamp => Stamp.fromMillis(hlc.millis, hlc.counter)

export const fromStamp = (stamp: Stamp.Stamp): Hlc => ({
  millis: Stamp.toMillis(stamp),
  counter: Stamp.counterOf(stamp)
})
