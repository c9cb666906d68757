import { type Language, languagesOf, rulesOf, scriptOf } from "./languages.js"
import * as Recent from "./Recent.js"

/** Shorter words, and those with a digit in them, are their own stems. */
const STEMMED = /^[\p{L}\p{M}]{3,}$/u

/** Finding a stem takes microseconds, and texts say the same words over and over. */
const MAX_KEPT = 16_000
const recent = Recent.make<string>(MAX_KEPT)

/** The stem of a word in a language; the word itself where the language is none. */
export const stemIn = (word: string, language: Language | undefined): string => {
  if (language === undefined || !STEMMED.test(word)) return word
  const key = `${language} ${word}`
  const found = recent.get(key)
  if (found !== undefined) return found
  const stem = made(word, language)
  recent.set(Recent.copyOf(key), stem)
  return stem
}

/**
 * Of some words the kept stemmers take one ending at a time: `deployment`, `kilimler`. The stem is where none is left, or but two
 * letters would be.
 */
const MAX_ENDINGS = 3
const MIN_LETTERS = 3

const made = (word: string, language: Language): string => {
  let stem = withoutEnding(word, language)
  for (let taken = 1; taken < MAX_ENDINGS; taken += 1) {
    const shorter = withoutEnding(stem, language)
    if (shorter === stem || shorter.length < MIN_LETTERS) break
    stem = shorter
  }
  return stem
}

const withoutEnding = (word: string, language: Language): string => {
  try {
    const stem = rulesOf(language).stem(word)
    return stem === "" || BLANK.test(stem) ? word : stem
  } catch {
    // The kept Bulgarian stemmer fails for words in which it would change a letter on the way.
    return word
  }
}
const BLANK = /\s/

/** The languages of a word's script among those that are held; an empty list for a word without stems. */
export const languagesFor = (word: string, held: ReadonlySet<Language>): ReadonlyArray<Language> => {
  const script = STEMMED.test(word) ? scriptOf(word) : undefined
  return script === undefined ? [] : languagesOf(script).filter((language) => held.has(language))
}
