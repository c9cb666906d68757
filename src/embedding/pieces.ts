import * as Recent from "../domain/analysis/Recent.js"

/**
 * Cuts a text into the pieces of a vocabulary as BERT's uncased models do (WordPiece; Devlin et al. 2019): lower case without
 * marks, split at blanks, at each punctuation character and around each Han character; then always the longest piece that
 * the vocabulary has, those within a word marked by `##`. A word that cannot be cut is `[UNK]`, and so is a text without any.
 */
export type Pieces = (text: string) => ReadonlyArray<number>

/** A word longer than this is unknown. */
const MAX_WORD_CHARS = 100
/** Words whose pieces are remembered; few words are most of all texts. */
const MAX_REMEMBERED = 20_000

/** The index of a piece in the list is its number. */
export const make = (vocabulary: ReadonlyArray<string>): Pieces => {
  const numbers = new Map(vocabulary.map((piece, number) => [piece, number]))
  const unknown = [numbers.get("[UNK]") ?? 0]
  const remembered = Recent.make<ReadonlyArray<number>>(MAX_REMEMBERED)

  const cut = (word: string): ReadonlyArray<number> => {
    if (word.length > MAX_WORD_CHARS) return unknown
    const found: Array<number> = []
    for (let start = 0; start < word.length;) {
      let end = word.length
      let number: number | undefined
      for (; end > start; end -= 1) {
        number = numbers.get(start === 0 ? word.slice(0, end) : `##${word.slice(start, end)}`)
        if (number !== undefined) break
      }
      if (number === undefined) return unknown
      found.push(number)
      start = end
    }
    return found
  }

  const piecesOf = (word: string): ReadonlyArray<number> => {
    const known = remembered.get(word)
    if (known !== undefined) return known
    const found = cut(word)
    remembered.set(Recent.copyOf(word), found)
    return found
  }

  return (text) => {
    const found: Array<number> = []
    for (const word of words(text)) {
      for (const piece of piecesOf(word)) found.push(piece)
    }
    return found.length === 0 ? unknown : found
  }
}

/** Texts of ASCII alone, most of them, have no marks. */
const words = (text: string): ReadonlyArray<string> => {
  const lower = text.toLowerCase()
  return (ASCII.test(lower) ? lower.match(ASCII_WORD) : lower.normalize("NFD").replace(MARK, "").match(WORD)) ?? []
}

const ASCII = /^\p{ASCII}*$/u
const ASCII_WORD = /[!-/:-@[-`{-~]|[a-z0-9]+/g
const MARK = /\p{Mn}/gu
const PUNCTUATION = "!-/:-@\\[-`{-~\\p{P}"
const HAN = "\\p{Script=Han}"
const WORD = new RegExp(`[${PUNCTUATION}${HAN}]|[^\\s\\p{C}${PUNCTUATION}${HAN}]+`, "gu")
