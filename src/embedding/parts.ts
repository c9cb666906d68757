/**
 * Cuts a text that is longer than its model takes into parts, at the ends of sentences where there are any. The best part
 * counts for the whole, so that what stands at the end of a long memory is found as well as its beginning.
 */
export const partsOf = (title: string, content: string, maxTokens: number): ReadonlyArray<string> => {
  const mostChars = maxTokens * CHARS_PER_TOKEN
  const whole = `${title}\n${content}`
  if (whole.length <= mostChars) return [whole]
  const parts: Array<string> = []
  let rest = whole
  while (rest.length > 0 && parts.length < MAX_PARTS) {
    const end = rest.length <= mostChars ? rest.length : endWithin(rest, mostChars)
    parts.push(rest.slice(0, end))
    rest = rest.slice(end).trimStart()
  }
  return parts
}

/** Parts of one memory at most; what comes after the last of them is found by its words alone. */
export const MAX_PARTS = 32
/** As a rule: a token of English has four and more, one of other languages fewer. */
const CHARS_PER_TOKEN = 3.5
/** A part is at least half full. */
const LEAST_SHARE = 0.5

/** Where the first part ends: after the last sentence, or line, or word that fits; in the middle of a word if it must. */
const endWithin = (text: string, most: number): number => {
  const least = Math.floor(most * LEAST_SHARE)
  const window = text.slice(least, most)
  for (const end of [SENTENCE, LINE, BLANK]) {
    const last = Array.from(window.matchAll(end)).at(-1)
    if (last !== undefined) return least + last.index + last[0].length
  }
  const isTorn = /[\ud800-\udbff]/.test(text.charAt(Math.floor(most) - 1))
  return Math.floor(most) - (isTorn ? 1 : 0)
}

const SENTENCE = /[.!?](?=\s)|[。！？।]|\n{2,}/g
const LINE = /\n/g
const BLANK = /\s/g
