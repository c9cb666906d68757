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

/** The next value: strictly after `last`, wherever the wall clock is. A counter that is full carries into the millis. */
export const tick = (last: Hlc, wallMillis: number): Hlc => {
  if (wallMillis > last.millis) return { millis: wallMillis, counter: 0 }
  return last.counter < MAX_COUNTER
    ? { millis: last.millis, counter: last.counter + 1 }
    : { millis: last.millis + 1, counter: 0 }
}

/** What the clock is after hearing of `remote`: not before it, nor before `last`, nor before the wall clock. */
export const observe = (last: Hlc, remote: Hlc, wallMillis: number): Hlc => {
  const later = compare(remote, last) > 0 ? remote : last
  return wallMillis > later.millis ? { millis: wallMillis, counter: 0 } : later
}

export const compare = (a: Hlc, b: Hlc): -1 | 0 | 1 => {
  if (a.millis !== b.millis) return a.millis < b.millis ? -1 : 1
  if (a.counter !== b.counter) return a.counter < b.counter ? -1 : 1
  return 0
}

/** Whether `remote` is further in the future of the wall clock than the drift that is tolerated. */
export const isAhead = (remote: Hlc, wallMillis: number, maxDriftMillis: number): boolean =>
  remote.millis - wallMillis > maxDriftMillis

export const toStamp = (hlc: Hlc): Stamp.Stamp => Stamp.fromMillis(hlc.millis, hlc.counter)

export const fromStamp = (stamp: Stamp.Stamp): Hlc => ({
  millis: Stamp.toMillis(stamp),
  counter: Stamp.counterOf(stamp)
})
