import type { Memory } from "../../domain/Memory.js"

/** Moves near-copies of what stands above them to the end, so that they do not fill the page. */
export const distinct = <A extends { readonly memory: Memory }>(hits: ReadonlyArray<A>): ReadonlyArray<A> => {
  const pairsOf = makePairs()
  const chosen: Array<ReadonlySet<number>> = []
  const copies: Array<A> = []
  const distinct = hits.filter((hit) => {
    const pairs = pairsOf(hit.memory.content)
    if (chosen.some((other) => isCopy(pairs, other))) {
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
const ROUNDING = 1e-9
/** Of a long text so many characters are compared. */
const MAX_COMPARED_CHARS = 2000
/** More than there are words in all texts of a page. */
const MAX_WORDS = 2 ** 26

/** The pairs of words that stand side by side in texts, as numbers. */
const makePairs = () => {
  const numbers = new Map<string, number>()
  const numberOf = (word: string): number => {
    const known = numbers.get(word)
    if (known !== undefined) return known
    numbers.set(word, numbers.size)
    return numbers.size - 1
  }
  return (text: string): ReadonlySet<number> => {
    const words = text.slice(0, MAX_COMPARED_CHARS).toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [text]
    const pairs = new Set<number>()
    let before = numberOf(words[0] ?? "")
    if (words.length === 1) return pairs.add(-1 - before)
    for (let at = 1; at < words.length; at += 1) {
      const word = numberOf(words[at] ?? "")
      pairs.add(before * MAX_WORDS + word)
      before = word
    }
    return pairs
  }
}

const isCopy = (a: ReadonlySet<number>, b: ReadonlySet<number>): boolean => {
  // So many pairs of the first may be missing in the other: both / (a + b - both) is the share then. Most texts are told apart soon.
  let spare = Math.floor(a.size - COPY * (a.size + b.size) / (1 + COPY) + ROUNDING)
  for (const pair of a) {
    if (spare < 0) return false
    if (!b.has(pair)) spare -= 1
  }
  return spare >= 0
}
