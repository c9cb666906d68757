import { stemmer as arabic } from "@orama/stemmers/arabic"
import { stemmer as armenian } from "@orama/stemmers/armenian"
import { stemmer as bulgarian } from "@orama/stemmers/bulgarian"
import { stemmer as danish } from "@orama/stemmers/danish"
import { stemmer as dutch } from "@orama/stemmers/dutch"
import { stemmer as english } from "@orama/stemmers/english"
import { stemmer as finnish } from "@orama/stemmers/finnish"
import { stemmer as french } from "@orama/stemmers/french"
import { stemmer as german } from "@orama/stemmers/german"
import { stemmer as greek } from "@orama/stemmers/greek"
import { stemmer as hungarian } from "@orama/stemmers/hungarian"
import { stemmer as indian } from "@orama/stemmers/indian"
import { stemmer as indonesian } from "@orama/stemmers/indonesian"
import { stemmer as irish } from "@orama/stemmers/irish"
import { stemmer as italian } from "@orama/stemmers/italian"
import { stemmer as lithuanian } from "@orama/stemmers/lithuanian"
import { stemmer as nepali } from "@orama/stemmers/nepali"
import { stemmer as norwegian } from "@orama/stemmers/norwegian"
import { stemmer as portuguese } from "@orama/stemmers/portuguese"
import { stemmer as romanian } from "@orama/stemmers/romanian"
import { stemmer as russian } from "@orama/stemmers/russian"
import { stemmer as spanish } from "@orama/stemmers/spanish"
import { stemmer as swedish } from "@orama/stemmers/swedish"
import { stemmer as tamil } from "@orama/stemmers/tamil"
import { stemmer as turkish } from "@orama/stemmers/turkish"
import { stemmer as ukrainian } from "@orama/stemmers/ukrainian"
import { stopwords as arabicStops } from "@orama/stopwords/arabic"
import { stopwords as armenianStops } from "@orama/stopwords/armenian"
import { stopwords as bulgarianStops } from "@orama/stopwords/bulgarian"
import { stopwords as danishStops } from "@orama/stopwords/danish"
import { stopwords as dutchStops } from "@orama/stopwords/dutch"
import { stopwords as englishStops } from "@orama/stopwords/english"
import { stopwords as finnishStops } from "@orama/stopwords/finnish"
import { stopwords as frenchStops } from "@orama/stopwords/french"
import { stopwords as germanStops } from "@orama/stopwords/german"
import { stopwords as greekStops } from "@orama/stopwords/greek"
import { stopwords as hungarianStops } from "@orama/stopwords/hungarian"
import { stopwords as indianStops } from "@orama/stopwords/indian"
import { stopwords as indonesianStops } from "@orama/stopwords/indonesian"
import { stopwords as irishStops } from "@orama/stopwords/irish"
import { stopwords as italianStops } from "@orama/stopwords/italian"
import { stopwords as japaneseStops } from "@orama/stopwords/japanese"
import { stopwords as lithuanianStops } from "@orama/stopwords/lithuanian"
import { stopwords as mandarinStops } from "@orama/stopwords/mandarin"
import { stopwords as nepaliStops } from "@orama/stopwords/nepali"
import { stopwords as norwegianStops } from "@orama/stopwords/norwegian"
import { stopwords as portugueseStops } from "@orama/stopwords/portuguese"
import { stopwords as romanianStops } from "@orama/stopwords/romanian"
import { stopwords as russianStops } from "@orama/stopwords/russian"
import { stopwords as spanishStops } from "@orama/stopwords/spanish"
import { stopwords as swedishStops } from "@orama/stopwords/swedish"
import { stopwords as tamilStops } from "@orama/stopwords/tamil"
import { stopwords as turkishStops } from "@orama/stopwords/turkish"
import { stopwords as ukrainianStops } from "@orama/stopwords/ukrainian"
import { even } from "./fold.js"
import { runsOf } from "./runs.js"
import { cut } from "./words.js"

export type Script = "latin" | "cyrillic" | "greek" | "arabic" | "armenian" | "devanagari" | "tamil" | "dense"

interface Rules {
  readonly script: Script
  readonly stem: (word: string) => string
  readonly stops: ReadonlyArray<string>
}

const same = (word: string): string => word

/** Keeps the names, and not what each of them is made of: that is nothing for our declarations. */
const named = <Name extends string>(rules: Record<Name, Rules>): Record<Name, Rules> => rules

/** The first of each script is taken where nothing tells. */
const LANGUAGES = named({
  // The kept list has forgotten the shortest word.
  en: { script: "latin", stem: english, stops: [...englishStops, "a"] },
  de: { script: "latin", stem: german, stops: germanStops },
  fr: { script: "latin", stem: french, stops: frenchStops },
  es: { script: "latin", stem: spanish, stops: spanishStops },
  it: { script: "latin", stem: italian, stops: italianStops },
  pt: { script: "latin", stem: portuguese, stops: portugueseStops },
  nl: { script: "latin", stem: dutch, stops: dutchStops },
  da: { script: "latin", stem: danish, stops: danishStops },
  no: { script: "latin", stem: norwegian, stops: norwegianStops },
  sv: { script: "latin", stem: swedish, stops: swedishStops },
  fi: { script: "latin", stem: finnish, stops: finnishStops },
  hu: { script: "latin", stem: hungarian, stops: hungarianStops },
  ro: { script: "latin", stem: romanian, stops: romanianStops },
  tr: { script: "latin", stem: turkish, stops: turkishStops },
  id: { script: "latin", stem: indonesian, stops: indonesianStops },
  lt: { script: "latin", stem: lithuanian, stops: lithuanianStops },
  ga: { script: "latin", stem: irish, stops: irishStops },
  ru: { script: "cyrillic", stem: russian, stops: russianStops },
  uk: { script: "cyrillic", stem: ukrainian, stops: ukrainianStops },
  bg: { script: "cyrillic", stem: bulgarian, stops: bulgarianStops },
  el: { script: "greek", stem: greek, stops: greekStops },
  ar: { script: "arabic", stem: arabic, stops: arabicStops },
  hy: { script: "armenian", stem: armenian, stops: armenianStops },
  hi: { script: "devanagari", stem: indian, stops: indianStops },
  ne: { script: "devanagari", stem: nepali, stops: nepaliStops },
  ta: { script: "tamil", stem: tamil, stops: tamilStops },
  zh: { script: "dense", stem: same, stops: mandarinStops },
  ja: { script: "dense", stem: same, stops: japaneseStops }
})

export type Language = keyof typeof LANGUAGES

export const isLanguage = (text: string): text is Language => Object.hasOwn(LANGUAGES, text)
export const languages: ReadonlyArray<Language> = Object.keys(LANGUAGES).filter(isLanguage)

export const rulesOf = (language: Language): Rules => LANGUAGES[language]

export const languagesOf = (script: Script): ReadonlyArray<Language> => OF_SCRIPT.get(script) ?? []
const OF_SCRIPT: ReadonlyMap<Script, ReadonlyArray<Language>> = new Map(
  languages.map((language) => {
    const { script } = LANGUAGES[language]
    return [script, languages.filter((other) => LANGUAGES[other].script === script)]
  })
)

/** Blocks of scripts whose words have stems. */
const BLOCKS: ReadonlyArray<readonly [last: number, script: Script | undefined]> = [
  [0x2af, "latin"],
  [0x36f, undefined],
  [0x3ff, "greek"],
  [0x52f, "cyrillic"],
  [0x58f, "armenian"],
  [0x5ff, undefined],
  [0x6ff, "arabic"],
  [0x8ff, undefined],
  [0x97f, "devanagari"],
  [0xb7f, undefined],
  [0xbff, "tamil"]
]

/** By its first letter; undefined where no language is known. */
export const scriptOf = (word: string): Script | undefined => {
  const code = word.charCodeAt(0)
  return BLOCKS.find(([last]) => code <= last)?.[1]
}

/** The languages in which a word says too little to be asked for, by their places in `languages`. */
export const stopsIn = (word: string): ReadonlyArray<number> => {
  stops ??= makeStops()
  return stops.get(word) ?? NONE
}
const NONE: ReadonlyArray<number> = []
let stops: ReadonlyMap<string, ReadonlyArray<number>> | undefined

const makeStops = () => {
  const found = new Map<string, Array<number>>()
  for (const [place, language] of languages.entries()) {
    for (const text of LANGUAGES[language].stops) {
      for (const word of stopWords(text)) {
        const known = found.get(word)
        if (known === undefined) found.set(word, [place])
        else if (!known.includes(place)) known.push(place)
      }
    }
  }
  return found
}

/** As a text is cut: `don't` stands there as `don`. What falls into several parts is no stop word. */
const stopWords = (text: string): ReadonlyArray<string> => {
  const words = runsOf(even(text)).flatMap((run) => cut(run).units).flatMap((unit) =>
    unit.kind === "sign" ? [] : [unit.text]
  )
  return words.length === 1 ? words : []
}

/** The language of each script that is in a text. */
export type Guess = ReadonlyMap<Script, Language>

/** The first language of a script has to be beaten by so much: one word that both have tells nothing. */
const CLEARLY = 1.5
const FEWEST = 2

/** Guesses by the stop words of a text: how many it has of each language, by its place in `languages`. */
export const guess = (counts: Int32Array): Guess => {
  let guessed: Map<Script, Language> | undefined
  for (const [script, [usual, ...others]] of PLACES) {
    let best = usual ?? 0
    let most = Math.max((counts[best] ?? 0) * CLEARLY, FEWEST - 1)
    for (const place of others) {
      const count = counts[place] ?? 0
      if (count > most) {
        best = place
        most = count
      }
    }
    const language = languages[best]
    if (best !== usual && language !== undefined) {
      guessed = (guessed ?? new Map<Script, Language>()).set(script, language)
    }
  }
  return guessed ?? USUAL
}

/** A guess that knows the language of one script. */
export const knowing = (guess: Guess, language: Language): Guess => {
  const { script } = LANGUAGES[language]
  const others = Array.from(guess).filter(([other]) => other !== script)
  return new Map(OF_SCRIPT.get(script)?.[0] === language ? others : [...others, [script, language]])
}

/** The first language of each script. */
export const USUAL: Guess = new Map()
const PLACES = Array.from(
  OF_SCRIPT,
  ([script, known]) => [script, known.map((language) => languages.indexOf(language))] as const
)

/** What a guess says of a script. */
export const languageOf = (guess: Guess, script: Script): Language | undefined =>
  guess.get(script) ?? OF_SCRIPT.get(script)?.[0]
