import { type AskedDate, askedDates, type DateWord, dateWordOf, indexedDates } from "./dates.js"
import { even } from "./fold.js"
import * as Languages from "./languages.js"
import { makeEach, runsOf } from "./runs.js"
import { languagesFor, stemIn } from "./stems.js"
import { cut, pairsOf, type Run, type Unit } from "./words.js"

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
  /** Where it is known; it is guessed otherwise. */
  readonly language?: Languages.Language | undefined
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
  /** What titles alike are looked for by: see `titleWords`. */
  readonly titleWords: ReadonlyArray<string>
}

/** The words under which a memory is indexed. */
export const indexed = ({ content, created_at, language, tags, title }: Text): Indexed => {
  const inTitle = knownIn(title)
  const inContent = knownIn(content)
  const inTags = knownIn(tags.join(" "))
  const all = [...inTitle, ...inContent, ...inTags]
  const guess = guessOf(all, language)
  return {
    title: joined(inTitle, guess),
    content: joined(inContent, guess),
    tags: joined(inTags, guess),
    dates: indexedDates(created_at, all, (index) => all[index]?.text).join(" "),
    languages: languagesIn(all, guess),
    titleWords: tellingIn(inTitle, guess)
  }
}

/** The words of a title as they are indexed with its text, each once and without stop words where it has others. */
export const titleWords = ({ content, language, tags, title }: Omit<Text, "created_at">): ReadonlyArray<string> => {
  const inTitle = knownIn(title)
  return tellingIn(inTitle, guessOf([...inTitle, ...knownIn(content), ...knownIn(tags.join(" "))], language))
}

const tellingIn = (inTitle: ReadonlyArray<Known>, guess: Languages.Guess): ReadonlyArray<string> => {
  const telling = inTitle.filter(({ stops, text }) => stops.length === 0 || !isStop(text, guess))
  const row = joined(telling.length === 0 ? inTitle : telling, guess)
  return row === "" ? [] : distinctWords(row.split(" "))
}

const knownIn = (text: string): ReadonlyArray<Known> => knownOf(even(text))

/**
 * Whether a memory has any of the words of a pattern as they are written, but for case and marks: what is ended by its words
 * must have these, and not others of the same stem. Stop words do not count where the pattern has others.
 */
export const hasAny = (pattern: string): (text: Omit<Text, "created_at">) => boolean => {
  const { runs } = asked(pattern, { languages: [], nowMillis: Number.NaN })
  const wanted = new Set(runs.flatMap(({ isStop, text }) => isStop ? [] : [text]))
  const rows = knownIn(pattern).filter(({ text }) => wanted.has(text))
    .map(({ written }) => ` ${rowOf(cut(written))}${isOneCharacter(cut(written)) ? "" : " "}`)
  return ({ content, tags, title }) =>
    [title, content, tags.join(" ")].some((text) => {
      const runs = runsOf(even(text)).map(cut)
      const row = ` ${runs.map(rowOf).join(" ")} ${runs.flatMap(othersOf).join(" ")} `
      return rows.some((wanted) => row.includes(wanted))
    })
}

/** One that stands for every pair that begins with it. */
const isOneCharacter = ({ units: [unit, ...others] }: Run): boolean =>
  unit?.kind === "dense" && others.length === 0 && Array.from(unit.text).length === 1

const rowOf = ({ units }: Run): string =>
  units.map((unit) => unit.kind === "dense" ? pairsOf(unit.text).join(" ") : unit.text).join(" ")

/** What is kept of a run: nothing of it depends on the text around it, but for the words by one guess of its languages. */
interface Known {
  /** Its units in a row, folded. */
  readonly text: string
  readonly date: DateWord | undefined
  /** The languages in which its only word is a stop word, by their places. */
  readonly stops: ReadonlyArray<number>
  readonly scripts: ReadonlyArray<Languages.Script>
  /** As it stands in the text. */
  readonly written: string
  words: Words
}

interface Words {
  readonly guess: string
  readonly row: string
  /** Those by which it is found as well. */
  readonly others: string
}

const knownOf = makeEach((written): Known => {
  const run = cut(written)
  const [first] = run.units
  return {
    written,
    text: run.units.length === 1 && first !== undefined ? first.text : run.units.map(({ text }) => text).join(" "),
    date: dateWordOf(written, run),
    stops: run.units.length === 1 ? Languages.stopsIn(first?.text ?? "") : NO_STOPS,
    scripts: scriptsOf(run),
    words: wordsBy(run, Languages.USUAL, "")
  }
})
const NO_STOPS: ReadonlyArray<number> = []

const scriptsOf = ({ units }: Run): ReadonlyArray<Languages.Script> => {
  const scripts = new Set(units.flatMap((unit) => unit.kind === "word" ? Languages.scriptOf(unit.text) ?? [] : []))
  return scripts.size === 0 ? NO_SCRIPTS : scripts.size === 1 && scripts.has("latin") ? LATIN : Array.from(scripts)
}
const NO_SCRIPTS: ReadonlyArray<Languages.Script> = []
const LATIN: ReadonlyArray<Languages.Script> = ["latin"]

const guessOf = (runs: ReadonlyArray<Known>, language: Languages.Language | undefined): Languages.Guess => {
  const counts = new Int32Array(languages.length)
  for (const { stops } of runs) {
    for (const place of stops) counts[place] = (counts[place] ?? 0) + 1
  }
  const guess = Languages.guess(counts)
  return language === undefined ? guess : Languages.knowing(guess, language)
}

const languagesIn = (runs: ReadonlyArray<Known>, guess: Languages.Guess): ReadonlyArray<Languages.Language> => {
  const scripts = new Set<Languages.Script>()
  let last = NO_SCRIPTS
  for (const run of runs) {
    if (run.scripts === last) continue
    last = run.scripts
    for (const script of last) scripts.add(script)
  }
  return Array.from(scripts).flatMap((script) => Languages.languageOf(guess, script) ?? [])
}

/** All words of a text in a row, then those by which it is found as well: a row that is looked for stands in the first part. */
const joined = (runs: ReadonlyArray<Known>, guess: Languages.Guess): string => {
  const key = guess.size === 0 ? "" : Array.from(guess.values()).join()
  let rows = ""
  let others = ""
  for (const run of runs) {
    const words = run.words.guess === key ? run.words : wordsBy(cut(run.written), guess, key)
    run.words = words
    rows += rows === "" ? words.row : ` ${words.row}`
    if (words.others !== "") others += ` ${words.others}`
  }
  return rows + others
}

const wordsBy = (run: Run, guess: Languages.Guess, key: string): Words => ({
  guess: key,
  row: run.units.flatMap((unit) => unit.kind === "dense" ? pairsOf(unit.text) : [stemmed(unit, guess)]).join(" "),
  others: othersOf(run).map((word) => stemBy(word, guess)).join(" ")
})

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
export interface Term {
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
  /** It names a time, or a part of one. */
  readonly isTime: boolean
}

export interface Asked {
  /** Each once, however often it was written. */
  readonly runs: ReadonlyArray<AskedRun>
  /** Times that were named: a memory fits one when it has any of its words in its dates. */
  readonly dates: ReadonlyArray<ReadonlyArray<string>>
  /** There is a word that is neither a stop word nor a sign. */
  readonly isTelling: boolean
}

/** Whether a memory has a word of a question, in its title, its content or its tags. */
export const hasTerm = ({ content, tags, title }: Indexed, { phrases }: Term): boolean =>
  [title, content, tags].some((column) => {
    const row = ` ${column} `
    return phrases.some(({ isPrefix, words }) => row.includes(` ${words.join(" ")}${isPrefix ? "" : " "}`))
  })

/** Parts of one run that are looked for: each costs as much as the first. */
const MAX_UNITS = 32
/** Runs of a question that are looked at. */
const MAX_RUNS = 4_096

/** What is looked for when a text is asked for, in an index that holds texts of these languages. */
export const asked = (text: string, { language, languages, nowMillis }: {
  readonly languages: Iterable<Languages.Language>
  readonly nowMillis: number
  /** In which it is asked, where that is known. */
  readonly language?: Languages.Language | undefined
}): Asked => {
  const held = new Set(languages)
  const runs = knownIn(text).slice(0, MAX_RUNS)
  const guess = guessOf(runs, language)
  const cuts = runs.map(({ written }) => cut(written))
  const dates = askedDates(
    cuts.map(({ units }, index) => ({ date: runs[index]?.date, words: units.map((unit) => unit.text) })),
    nowMillis
  )
  const spoken = firsts(runs).flatMap((index) => {
    const run = cuts[index]
    if (run === undefined) return []
    const naming = dates.find(({ from, to }) => from <= index && index <= to)
    return [{ ...askedRun(run, held, guess, naming), isTime: naming !== undefined }]
  })
  return {
    runs: withoutStops(spoken),
    dates: dates.map(({ tokens }) => tokens),
    isTelling: spoken.some(({ isStop, text }) => !isStop && WRITTEN.test(text))
  }
}

const WRITTEN = /[\p{L}\p{N}]/u

/** Where stop words are all there is, those that name a time are asked for, or else all. */
const withoutStops = (runs: ReadonlyArray<AskedRun>): ReadonlyArray<AskedRun> => {
  if (runs.some(({ isStop }) => !isStop)) return runs
  const named = runs.some(({ isTime }) => isTime)
  return runs.map((run) =>
    named && !run.isTime
      ? run
      : { ...run, isStop: false, terms: run.terms.map((term) => ({ ...term, isStop: false })) }
  )
}

/** Where each run that says something else stands first: a word is asked for once, however often it was written. */
const firsts = (runs: ReadonlyArray<Known>): ReadonlyArray<number> => {
  const each = new Map<string, number>()
  for (const [index, run] of runs.entries()) if (!each.has(run.text)) each.set(run.text, index)
  return Array.from(each.values())
}

const askedRun = (
  { joined, units }: Run,
  held: ReadonlySet<Languages.Language>,
  guess: Languages.Guess,
  naming: AskedDate | undefined
): Omit<AskedRun, "isTime"> => {
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
    text: units.map((unit) => unit.text).join(" "),
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
    ? [stemBy(word, Languages.USUAL)]
    : distinctWords(among.map((language) => stemIn(word, language)))
}

const distinctWords = (words: ReadonlyArray<string>): ReadonlyArray<string> => Array.from(new Set(words))

const termsOf = (unit: Unit, held: ReadonlySet<Languages.Language>, guess: Languages.Guess): ReadonlyArray<Term> => {
  if (unit.kind === "dense") return denseTerms(unit.text)
  if (unit.kind === "sign") return [{ text: unit.text, phrases: [phrase(unit.text)], isStop: false }]
  const { parts, text } = unit
  const camel = parts.length > 1 ? rowsOf(parts, held) : []
  return [{ text, phrases: [...stemsOf(text, held).map(phrase), ...camel], isStop: isStop(text, guess) }]
}

const isStopIn = (text: string, language: Languages.Language): boolean =>
  Languages.stopsIn(text).includes(languages.indexOf(language))

const isStop = (text: string, guess: Languages.Guess): boolean => {
  const script = Languages.scriptOf(text)
  const language = script === undefined ? undefined : Languages.languageOf(guess, script)
  return language !== undefined && isStopIn(text, language)
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
    isStop: Languages.languagesOf("dense").some((language) => isStopIn(word, language))
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
