import { lower } from "./fold.js"

/** A part of a run that stands for itself. */
export type Unit =
  /** Of a script with blanks between its words. `parts` are those of `camelCase`, the letters of `c++`, or the `v1` of `v1.2`. */
  | { readonly kind: "word"; readonly text: string; readonly parts: ReadonlyArray<string> }
  /** Of a script without: it is found by every two characters that stand side by side. */
  | { readonly kind: "dense"; readonly text: string }
  /** An emoji or symbol, or what a run has that has nothing else. */
  | { readonly kind: "sign"; readonly text: string }

/** What stands between two blanks. */
export interface Run {
  readonly units: ReadonlyArray<Unit>
  /** The two parts of `e-mail` or `O'Brien` as one word. */
  readonly joined: string | undefined
}

/** Of a longer word so many UTF-16 units count, on both sides. */
const MAX_WORD = 64
const MAX_CAMEL_PARTS = 16

/** Scripts that put no blanks between words. Hangul does, but glues to a word what other languages put before it. */
const DENSE = "(?:(?=[\\p{L}\\p{N}\\p{M}])[\\p{scx=Han}\\p{scx=Hiragana}\\p{scx=Katakana}\\p{scx=Hangul}\\p{scx=Thai}" +
  "\\p{scx=Lao}\\p{scx=Khmer}\\p{scx=Myanmar}])+"
const UNIT = new RegExp(
  `(?<dense>${DENSE})|(?<![\\p{L}\\p{N}\\p{M}])[vV](?<version>[0-9]+)(?=\\.[0-9])|` +
    `(?<word>(?:(?!${DENSE})[\\p{L}\\p{N}\\p{M}])+)(?<tail>\\+\\+|[+#]+(?![\\p{L}\\p{N}\\p{M}+#]))?` +
    "|(?<sign>(?![\\u0000-\\u007f])[\\p{S}\\p{Co}\\p{Cn}\\p{Cs}])",
  "gu"
)
const SIMPLE = /^[a-z0-9]+$/

/** Cuts a run of an even text, as `runsOf` gives it, into its parts. Punctuation separates. */
export const cut = (run: string): Run => {
  if (SIMPLE.test(run)) return { units: [word(run)], joined: undefined }
  const spoken = withoutElisions(withoutClock(run))
  const units = Array.from(spoken.matchAll(UNIT), unitOf)
  return units.length === 0
    ? { units: [{ kind: "sign", text: shortened(lower(run)) }], joined: undefined }
    : { units, joined: joinedIn(spoken, units) }
}

const unitOf = ({ 0: text, groups }: RegExpMatchArray): Unit => {
  const letters = groups?.["word"]
  if (letters !== undefined) return word(letters, groups?.["tail"])
  const version = groups?.["version"]
  // One says it with its letter or without.
  if (version !== undefined) return { kind: "word", text: shortened(version), parts: [shortened(lower(text))] }
  return groups?.["dense"] === undefined ? { kind: "sign", text } : { kind: "dense", text: lower(text) }
}

const word = (letters: string, tail?: string): Unit => {
  const text = lower(letters)
  return tail !== undefined && LETTERS.test(letters)
    ? { kind: "word", text: `${shortened(text)}${tail.slice(0, 2)}`, parts: [shortened(text)] }
    : { kind: "word", text: shortened(text), parts: CAMEL.test(letters) ? camelParts(letters) : [] }
}
const LETTERS = /^\p{L}+$/u
const CAMEL = /[\p{Ll}\p{N}]\p{Lu}|\p{Lu}\p{Lu}\p{Ll}/u
const HUMP = /(?<=[\p{Ll}\p{N}])(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})/u

const camelParts = (letters: string): ReadonlyArray<string> =>
  letters.split(HUMP, MAX_CAMEL_PARTS).map((part) => shortened(lower(part)))

const shortened = (text: string): string =>
  text.length <= MAX_WORD
    ? text
    : text.slice(0, HIGH_SURROGATE.test(text.charAt(MAX_WORD - 1)) ? MAX_WORD - 1 : MAX_WORD)
const HIGH_SURROGATE = /[\ud800-\udbff]/

/** What is said between an apostrophe and the end of a word in English, and before one at its beginning in French and Italian. */
const ELISIONS = new RegExp(
  "(?<=\\p{L})['’](?:s|t|ll|re|ve|d|m)(?![\\p{L}\\p{N}\\p{M}'’])|" +
    "(?<![\\p{L}\\p{N}\\p{M}'’])(?:[ldjcnsmt]|qu|lorsqu|puisqu|(?:de|a|ne|su|da)ll|quell|un|quest|gl)['’](?=\\p{L})",
  "giu"
)
const withoutElisions = (run: string): string => APOSTROPHE.test(run) ? run.replace(ELISIONS, "") : run
const APOSTROPHE = /['’]/

/** The letters of an ISO time say nothing, and would hang on its numbers. */
const CLOCK = /(?<=\d-\d\d)T(?=\d\d)|(?<=\d\d:\d\d(?:\.\d{1,9})?)Z(?![\p{L}\p{N}\p{M}])/giu
const withoutClock = (run: string): string => run.includes(":") ? run.replace(CLOCK, "-") : run

const joinedIn = (run: string, [first, second, ...others]: ReadonlyArray<Unit>): string | undefined => {
  if (first?.kind !== "word" || second?.kind !== "word" || others.length > 0 || !JOINED.test(run)) return undefined
  return shortened(`${first.text}${second.text}`)
}
const JOINED = /^[^\p{L}\p{N}]*\p{L}+[-‐'’]\p{L}+[^\p{L}\p{N}+#]*$/u

/** Every two characters of a dense part that stand side by side; a single one is by itself. */
export const pairsOf = (text: string): ReadonlyArray<string> => {
  const characters = Array.from(text)
  return characters.length === 1
    ? characters
    : characters.slice(1).map((character, index) => `${characters[index]}${character}`)
}
