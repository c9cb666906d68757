/**
 * How a text is made even before it is cut into words, the same for what is indexed and what is asked. What comes out depends
 * on no more than the run of characters between two blanks: so each run can be looked for by itself.
 */

/** Without anything but what a keyboard of seven bits writes there is nothing to be made even. */
const PLAIN = /^[\t-\r\u0020-\u007e]*$/

/** What nobody sees: soft hyphens, joiners, marks of direction, variation selectors, byte order marks, controls. */
const INVISIBLE = /[\p{Default_Ignorable_Code_Point}\u0000-\u0008\u000e-\u001f\u007f-\u0084\u0086-\u009f]/gu

/**
 * Marks that stand on a letter: accents, the vowels of Arabic and Hebrew, the tones of Vietnamese. Where a mark is a letter of
 * its own (Devanagari, Tamil, Thai, the voicing of kana) its script is its own and it stays. A constructor, because the
 * compiler's target has no literals with the flag `v`.
 */
const MARKS = new RegExp(
  "[[\\p{M}&&[\\p{Script=Inherited}\\p{Script=Latin}\\p{Script=Greek}\\p{Script=Cyrillic}\\p{Script=Arabic}" +
    "\\p{Script=Hebrew}\\p{Script=Syriac}]]--[\\u3099\\u309a\\u0306]]|(?<![\\u0438\\u0418])\\u0306",
  "gv"
)

/** Accents that stand by themselves: taken apart they would be a blank and a mark, and nothing be left. */
const ALONE = /[\p{Sk}\u037a\u2017\u203e\ufe49-\ufe4c\ufe70-\ufe7f]/u
const BETWEEN = /[^\p{Sk}\u037a\u2017\u203e\ufe49-\ufe4c\ufe70-\ufe7f]+/gu

/**
 * A text in compatibility form (full-width letters, ligatures and circled numbers are what they look like), without what nobody
 * sees and without marks, but with its capitals: they say where the words of `camelCase` meet.
 */
export const even = (text: string): string => {
  if (PLAIN.test(text)) return text
  const seen = text.replace(INVISIBLE, "")
  return ALONE.test(seen) ? seen.replace(BETWEEN, withoutMarks) : withoutMarks(seen)
}

const withoutMarks = (text: string): string => text.normalize("NFKD").replace(MARKS, "").normalize("NFC")

/** Letters that no decomposition takes apart, and letters that are written in more than one way. */
const SPELT: ReadonlyMap<string, string> = new Map([
  ["ł", "l"],
  ["ø", "o"],
  ["đ", "d"],
  ["ð", "d"],
  ["þ", "th"],
  ["ħ", "h"],
  ["ŧ", "t"],
  ["ß", "ss"],
  ["æ", "ae"],
  ["œ", "oe"],
  ["ı", "i"],
  ["ς", "σ"],
  ["ٱ", "ا"],
  ["ى", "ي"],
  ["ی", "ي"],
  ["ک", "ك"],
  ["ة", "ه"],
  ["ـ", ""]
])
const SPELT_OTHERWISE = new RegExp(`[${Array.from(SPELT.keys()).join("")}]`, "gu")

/** The zeros of scripts with digits of their own; the other nine follow each. */
const ZEROS = "٠۰०০੦૦୦௦౦೦൦๐໐༠၀០"
const OWN_DIGIT = /(?![0-9])\p{Nd}/gu

const digit = (own: string): string => {
  const code = own.codePointAt(0) ?? 0
  for (const zero of ZEROS) {
    const value = code - (zero.codePointAt(0) ?? 0)
    if (value >= 0 && value <= 9) return String(value)
  }
  return own
}

/** A part of an even text in small letters, with one spelling for what is written in several. */
export const lower = (part: string): string =>
  PLAIN.test(part)
    ? part.toLowerCase()
    : part.toLowerCase().replace(SPELT_OTHERWISE, (letter) => SPELT.get(letter) ?? letter).replace(OWN_DIGIT, digit)
