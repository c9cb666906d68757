import type { Memory } from "../../domain/Memory.js"

/** Moves near-copies of what stands above them to the end, so that they do not fill the page. */
export const distinct = <A extends { readonly memory: Memory }>(hits: ReadonlyArray<A>): ReadonlyArray<A> => {
  const chosen: Array<ReadonlySet<string>> = []
  const copies: Array<A> = []
  const distinct = hits.filter((hit) => {
    const pairs = pairsOf(hit.memory.content)
    if (chosen.some((other) => overlapOf(pairs, other) >= COPY)) {
      copies.push(hit)
      return false
    }
    chosen.push(pairs)
    return true
  })
  return [...distinct, ...copies]
}

/** From this share of pairs of words in both, of those in either, two texts say the same. */
const COPY = 0.8
/** Of a long text so many characters are compared. */
const MAX_COMPARED_CHARS = 2000

const pairsOf = (text: string): ReadonlySet<string> => {
  const words = text.slice(0, MAX_COMPARED_CHARS).toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [text]
  return new Set(words.length === 1 ? words : words.slice(1).map((word, at) => `${words[at] ?? ""} ${word}`))
}

const overlapOf = (a: ReadonlySet<string>, b: ReadonlySet<string>): number => {
  let both = 0
  for (const pair of a) if (b.has(pair)) both += 1
  return both / Math.max(1, a.size + b.size - both)
}
