import { type AskedDate, askedDates, type DateWord, dateWordOf, indexedDates } from "./dates.js"
import { even } from "./fold.js"
import * as Languages from "./languages.js"
import * as Recent from "./Recent.js"
import { languagesFor, stemIn } from "./stems.js"
import { cut, pairsOf, type Run, runsOf, type Unit } from "./words.js"

export type { Language } from "./languages.js"

/**
 * Cuts what is indexed and what is asked into words by the same rules, so that each run of characters between two blanks that
 * is stored is found by an exact copy of it, in other case, and without its marks. Pure and total.
 */

/** The languages an index may hold texts of. */
export const languages = Languages.languages

interface Text {
  readonly title: string
  readonly content: string
  readonly tags: ReadonlyArray<string>
  /** When it was made, as ISO 8601. */
  readonly created_at: string
}

/** Words with one blank between them. No word has a blank in it. */
export interface Indexed {
  readonly title: string
  readonly content: string
  readonly tags: string
  /** Its dates, as words that no text has: they begin with `@`. */
  readonly dates: string
  /** The languages by which its words were stemmed. */
  readonly languages: ReadonlyArray<Languages.Language>
}

/** The words under which a memory is indexed. */
export const indexed = ({ content, created_at, tags, title }: Text): Indexed => {
  const columns = [title, content, tags.join(" ")].map((text) => runsOf(even(text)).map(known))
  const runs = columns.flat()
  const guess = Languages.guess(stopsOf(runs))
  const [titleWords = "", contentWords = "", tagWords = ""] = columns.map((column) => joined(column, guess))
  return {
    title: titleWords,
    content: contentWords,
    tags: tagWords,
    dates: indexedDates(created_at, runs.map(({ date }) => date), (index) => runs[index]?.text).join(" "),
    languages: languagesIn(runs, guess)
  }
}

/**
 * Whether a memory has any of the words of a pattern as they are written, but for case and marks: what is ended by its words
 * must have these, and not others of the same stem. Stop words do not count where the pattern has others.
 */
export const hasAny = (pattern: string): (text: Omit<Text, "created_at">) => boolean => {
  const { runs } = asked(pattern, { languages: [], nowMillis: Number.NaN })
  const wanted = new Set(runs.flatMap(({ isStop, text }) => isStop ? [] : [text]))
  const rows = runsOf(even(pattern)).map(known).filter(({ text }) => wanted.has(text))
    .map(({ run }) => ` ${rowOf(run)}${isOneCharacter(run) ? "" : " "}`)
  return ({ content, tags, title }) =>
    [title, content, tags.join(" ")].some((text) => {
      const runs = runsOf(even(text)).map((run) => known(run).run)
      const row = ` ${runs.map(rowOf).join(" ")} ${runs.flatMap(othersOf).join(" ")} `
      return rows.some((wanted) => row.includes(wanted))
    })
}

/** One that stands for every pair that begins with it. */
const isOneCharacter = ({ units: [unit, ...others] }: Run): boolean =>
  unit?.kind === "dense" && others.length === 0 && Array.from(unit.text).length === 1

const rowOf = ({ units }: Run): string =>
  units.map((unit) => unit.kind === "dense" ? pairsOf(unit.text).join(" ") : unit.text).join(" ")

/** A run, and what does not depend on the text around it. */
interface Known {
  readonly run: Run
  /** Its units in a row, folded. */
  readonly text: string
  readonly date: DateWord | undefined
  /** The languages in which its only word is a stop word. */
  readonly stops: ReadonlyArray<Languages.Language>
  readonly scripts: ReadonlyArray<Languages.Script>
  /** By the languages of the text: its words in a row, and those by which it is found as well. */
  readonly words: Map<string, Words>
}

interface Words {
  readonly row: string
  readonly others: string
}

/** Runs that are kept, and how long they may be: texts say the same words over and over. */
const MAX_KNOWN = 8_000
const MAX_KNOWN_LENGTH = 40
const MAX_GUESSES = 4
const recent = Recent.make<Known>(MAX_KNOWN)

const known = (text: string): Known => {
  const found = recent.get(text)
  if (found !== undefined) return found
  const run = cut(text)
  const words = run.units.flatMap((unit) => unit.kind === "word" ? [unit.text] : [])
  const made: Known = {
    run,
    text: run.units.map((unit) => unit.text).join(" "),
    date: dateWordOf(text, run),
    stops: run.units.length === 1 ? Languages.stopsIn(run.units[0]?.text ?? "") : [],
    scripts: Array.from(new Set(words.flatMap((word) => Languages.scriptOf(word) ?? []))),
    words: new Map()
  }
  if (text.length <= MAX_KNOWN_LENGTH) recent.set(text, made)
  return made
}

function* stopsOf(runs: ReadonlyArray<Known>): Iterable<ReadonlyArray<Languages.Language>> {
  for (const { stops } of runs) if (stops.length > 0) yield stops
}

const languagesIn = (runs: ReadonlyArray<Known>, guess: Languages.Guess): ReadonlyArray<Languages.Language> => {
  const scripts = new Set<Languages.Script>()
  for (const run of runs) for (const script of run.scripts) scripts.add(script)
  return Array.from(scripts).flatMap((script) => Languages.languageOf(guess, script) ?? [])
}

/** All words of a text in a row, then those by which it is found as well: a row that is looked for stands in the first part. */
const joined = (runs: ReadonlyArray<Known>, guess: Languages.Guess): string => {
  const key = Array.from(guess.values()).join()
  const rows: Array<string> = []
  const others: Array<string> = []
  for (const run of runs) {
    const words = wordsOf(run, guess, key)
    rows.push(words.row)
    if (words.others !== "") others.push(words.others)
  }
  return rows.concat(others).join(" ")
}

const wordsOf = ({ run, words }: Known, guess: Languages.Guess, key: string): Words => {
  const found = words.get(key)
  if (found !== undefined) return found
  const made = {
    row: run.units.flatMap((unit) => unit.kind === "dense" ? pairsOf(unit.text) : [stemmed(unit, guess)]).join(" "),
    others: othersOf(run).map((word) => stemBy(word, guess)).join(" ")
  }
  if (words.size >= MAX_GUESSES) words.clear()
  words.set(key, made)
  return made
}

const stemmed = (unit: Unit, guess: Languages.Guess): string =>
  unit.kind === "word" ? stemBy(unit.text, guess) : unit.text

const stemBy = (word: string, guess: Languages.Guess): string => {
  const script = Languages.scriptOf(word)
  return script === undefined ? word : stemIn(word, Languages.languageOf(guess, script))
}

/** The parts of `camelCase`, the letters of `c++`, both parts of `e-mail` as one, and the last character before a blank. */
const othersOf = ({ joined, units }: Run): ReadonlyArray<string> => [
  ...units.flatMap((unit) => unit.kind === "word" ? unit.parts : unit.kind === "dense" ? lastOf(unit.text) : []),
  ...(joined === undefined ? [] : [joined])
]

const lastOf = (text: string): ReadonlyArray<string> => {
  const characters = Array.from(text)
  return characters.length > 1 ? characters.slice(-1) : []
}

/** Words in a row; of the last one only the beginning where it says so. */
export interface Phrase {
  readonly words: ReadonlyArray<string>
  readonly isPrefix: boolean
}

/** One word of a question. A memory has it when it has any of the phrases. */
interface Term {
  /** Folded, not stemmed. */
  readonly text: string
  readonly phrases: ReadonlyArray<Phrase>
  /** It says too little to be asked for, and others say more. */
  readonly isStop: boolean
}

/** What stands between two blanks of a question. A memory has it whole when it has any of the phrases of each list. */
interface AskedRun {
  readonly text: string
  readonly phrases: ReadonlyArray<ReadonlyArray<Phrase>>
  readonly terms: ReadonlyArray<Term>
  /** All of its terms are. */
  readonly isStop: boolean
}

export interface Asked {
  /** Each once, however often it was written. */
  readonly runs: ReadonlyArray<AskedRun>
  /** Times that were named: a memory fits one when it has any of its words in its dates. */
  readonly dates: ReadonlyArray<ReadonlyArray<string>>
  /** There is a word that is neither a stop word nor a sign. */
  readonly isTelling: boolean
}

/** Parts of one run that are looked for: each costs as much as the first. */
const MAX_UNITS = 32
/** Runs of a question that are looked at. */
const MAX_RUNS = 4_096

/** What is looked for when a text is asked for, in an index that holds texts of these languages. */
export const asked = (text: string, { languages, nowMillis }: {
  readonly languages: Iterable<Languages.Language>
  readonly nowMillis: number
}): Asked => {
  const held = new Set(languages)
  const runs = runsOf(even(text)).slice(0, MAX_RUNS).map(known)
  const guess = Languages.guess(stopsOf(runs))
  const dates = askedDates(
    runs.map(({ date, run }) => ({ date, words: run.units.map((unit) => unit.text) })),
    nowMillis
  )
  const spoken = runs.map((one, index) => {
    const naming = dates.find(({ from, to }) => from <= index && index <= to)
    return { ...askedRun(one, held, guess, naming), isTime: naming !== undefined }
  })
  return {
    runs: distinct(withoutStops(spoken)),
    dates: dates.map(({ tokens }) => tokens),
    isTelling: spoken.some(({ isStop, text }) => !isStop && WRITTEN.test(text))
  }
}

const WRITTEN = /[\p{L}\p{N}]/u

type Spoken = AskedRun & { readonly isTime: boolean }

/** Where stop words are all there is, those that name a time are asked for, or else all. */
const withoutStops = (runs: ReadonlyArray<Spoken>): ReadonlyArray<AskedRun> => {
  if (runs.some(({ isStop }) => !isStop)) return runs
  const named = runs.some(({ isTime }) => isTime)
  return runs.map((run) =>
    named && !run.isTime
      ? run
      : { ...run, isStop: false, terms: run.terms.map((term) => ({ ...term, isStop: false })) }
  )
}

const distinct = (runs: ReadonlyArray<AskedRun>): ReadonlyArray<AskedRun> => {
  const each = new Map<string, AskedRun>()
  for (const run of runs) if (!each.has(run.text)) each.set(run.text, run)
  return Array.from(each.values()).map(({ isStop, phrases, terms, text }) => ({ isStop, phrases, terms, text }))
}

const askedRun = (
  { run: { joined, units }, text }: Known,
  held: ReadonlySet<Languages.Language>,
  guess: Languages.Guess,
  naming: AskedDate | undefined
): AskedRun => {
  const some = units.slice(0, MAX_UNITS)
  const perUnit = some.map((unit) => termsOf(unit, held, guess))
  const terms = perUnit.flat()
  const hasDense = some.some(({ kind }) => kind === "dense")
  const alone = some.length === 1 || hasDense
  const together = joined === undefined ? [] : stemsOf(joined, held).map(phrase)
  const longest = terms.reduce(
    (best, { text }, index) => text.length > (terms[best]?.text.length ?? 0) ? index : best,
    0
  )
  const named = terms.map((term, index) => ({
    ...term,
    phrases: together.length > 0 && index === longest ? [...term.phrases, ...together] : term.phrases,
    isStop: naming === undefined ? term.isStop : naming.isRelative
  }))
  return {
    text,
    phrases: alone
      ? perUnit.flatMap((ofUnit) => ofUnit.map((term) => term.phrases))
      : [[...inARow(some, held), ...together]],
    terms: named,
    isStop: named.every(({ isStop }) => isStop)
  }
}

const phrase = (word: string): Phrase => ({ words: [word], isPrefix: false })

/** A word as it may be stored: its stem in each language that the index holds. */
const stemsOf = (word: string, held: ReadonlySet<Languages.Language>): ReadonlyArray<string> => {
  const among = languagesFor(word, held)
  return among.length === 0
    ? [stemBy(word, NO_GUESS)]
    : distinctWords(among.map((language) => stemIn(word, language)))
}

const NO_GUESS: Languages.Guess = new Map()

const distinctWords = (words: ReadonlyArray<string>): ReadonlyArray<string> => Array.from(new Set(words))

const termsOf = (unit: Unit, held: ReadonlySet<Languages.Language>, guess: Languages.Guess): ReadonlyArray<Term> => {
  if (unit.kind === "dense") return denseTerms(unit.text)
  if (unit.kind === "sign") return [{ text: unit.text, phrases: [phrase(unit.text)], isStop: false }]
  const { parts, text } = unit
  const camel = parts.length > 1 ? rowsOf(parts, held) : []
  return [{ text, phrases: [...stemsOf(text, held).map(phrase), ...camel], isStop: isStop(text, guess) }]
}

const isStop = (text: string, guess: Languages.Guess): boolean => {
  const script = Languages.scriptOf(text)
  const language = script === undefined ? undefined : Languages.languageOf(guess, script)
  return language !== undefined && Languages.stopsIn(text).includes(language)
}

/** Words in a row, by each choice of a language for each script that they have: a text has one of each. */
const rowsOf = (words: ReadonlyArray<string>, held: ReadonlySet<Languages.Language>): ReadonlyArray<Phrase> => {
  const scripts = Array.from(new Set(words.flatMap((word) => Languages.scriptOf(word) ?? [])))
  let guesses: ReadonlyArray<Languages.Guess> = [new Map()]
  for (const script of scripts) {
    const among = Languages.languagesOf(script).filter((language) => held.has(language))
    if (among.length === 0) continue
    guesses = guesses.flatMap((guess) => among.map((language) => new Map(guess).set(script, language)))
  }
  const rows = new Map(guesses.map((guess) => {
    const stems = words.map((word) => stemBy(word, guess))
    return [stems.join(" "), stems]
  }))
  return Array.from(rows.values(), (words) => ({ words, isPrefix: false }))
}

const inARow = (units: ReadonlyArray<Unit>, held: ReadonlySet<Languages.Language>): ReadonlyArray<Phrase> =>
  rowsOf(units.map((unit) => unit.text), held)

/** Characters of a part without blanks that are looked at when it is asked for. */
const MAX_DENSE = 512
const HANGUL = /^\p{Script=Hangul}+$/u
/** Of a Korean word the beginning is what it means: down to so many syllables, without so many at its end. */
const MIN_SYLLABLES = 2
const MAX_ENDING = 2

/** Cut by the dictionary of the runtime. Each word is looked for as a row of pairs, wherever else a text may be cut. */
const denseTerms = (text: string): ReadonlyArray<Term> => {
  const characters = Array.from(text)
  const asked = characters.length > MAX_DENSE ? characters.slice(0, MAX_DENSE).join("") : text
  const words = HANGUL.test(asked) ? [asked] : Array.from(segmenter().segment(asked), ({ segment }) => segment)
  return words.map((word) => ({
    text: word,
    phrases: densePhrases(word),
    isStop: Languages.languagesOf("dense").some((language) => Languages.stopsIn(word).includes(language))
  }))
}

const densePhrases = (word: string): ReadonlyArray<Phrase> => {
  const characters = Array.from(word)
  const whole = { words: pairsOf(word).slice(0, MAX_UNITS), isPrefix: characters.length === 1 }
  if (!HANGUL.test(word)) return [whole]
  const shorter = Array.from({ length: MAX_ENDING }, (_, index) => characters.length - 1 - index)
    .filter((length) => length >= MIN_SYLLABLES)
  return [
    whole,
    ...shorter.map((length) => ({
      words: pairsOf(characters.slice(0, length).join("")).slice(0, MAX_UNITS),
      isPrefix: false
    }))
  ]
}

let made: Intl.Segmenter | undefined
/** Made when it is first asked for: its dictionaries are large. One locale knows them all. */
const segmenter = (): Intl.Segmenter => {
  made ??= new Intl.Segmenter("en", { granularity: "word" })
  return made
}
