import { copyOf } from "./Recent.js"

/** The runs between two blanks of an even text, and what was made of each. */

/** Of what the class takes for a blank beyond Unicode, an even text has nothing. */
export const runsOf = (text: string): ReadonlyArray<string> => text.match(RUN) ?? []
const RUN = /[^\s\u0085]+/g

const isBlank = (code: number): boolean =>
  code <= 0x20
    ? code === 0x20 || (code >= 0x09 && code <= 0x0d)
    : code >= 0x85 && (code === 0x85 || code === 0xa0 || (code >= 0x1680 && BLANK.test(String.fromCharCode(code))))
const BLANK = /\s/

/** Longer ones are made anew each time. */
const MAX_LENGTH = 32
/** Of two runs kept for each. */
const PLACES = 16_384

/**
 * Makes something of each run of a text. Texts say the same words over and over, so what was made of short ones is kept, up to
 * 32,000 of them: it is found by the run as it stands there, which is not even cut out. Of those that come to the same place the
 * two of late stay.
 */
export const makeEach = <Made extends { readonly written: string }>(make: (run: string) => Made) => {
  let latest: Array<Made | undefined> = []
  let others: Array<Made | undefined> = []

  const made = (text: string, from: number, to: number, hash: number): Made => {
    if (to - from > MAX_LENGTH) return make(text.slice(from, to))
    const place = (hash ^ hash >>> 15) & PLACES - 1
    const first = latest[place]
    if (first !== undefined && stands(first.written, text, from, to)) return first
    const second = others[place]
    const found = second !== undefined && stands(second.written, text, from, to)
      ? second
      : make(copyOf(text.slice(from, to)))
    others[place] = first
    latest[place] = found
    return found
  }

  return (text: string): ReadonlyArray<Made> => {
    if (latest.length === 0) {
      latest = Array.from({ length: PLACES })
      others = Array.from({ length: PLACES })
    }
    const all: Array<Made> = []
    for (let at = 0; at < text.length; at += 1) {
      let code = text.charCodeAt(at)
      if (isBlank(code)) continue
      const from = at
      let hash = 0
      for (; at < text.length; at += 1) {
        code = text.charCodeAt(at)
        if (isBlank(code)) break
        hash = Math.imul(hash ^ code, 0x01000193)
      }
      all.push(made(text, from, at, hash))
    }
    return all
  }
}

const stands = (run: string, text: string, from: number, to: number): boolean => {
  if (run.length !== to - from) return false
  for (let at = 0; at < run.length; at += 1) if (run.charCodeAt(at) !== text.charCodeAt(from + at)) return false
  return true
}
