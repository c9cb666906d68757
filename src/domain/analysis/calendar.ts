import { even } from "./fold.js"
import { runsOf } from "./runs.js"
import { cut } from "./words.js"

/** What months, days of the week and times relative to now are called, as the runtime knows it. */

const SPOKEN = "en de fr es it pt nl da nb sv fi hu ro tr id lt ga pl cs ru uk bg el ar he hy hi ne ta vi zh ja ko th"
  .split(" ")

export interface Named {
  readonly month?: number
  /** Sunday is 0. */
  readonly weekday?: number
  /** It means nothing else in any language, or little; else it needs a capital or a number beside it. */
  readonly sureness: "sure" | "hinted" | "numbered"
}

export type Span = "day" | "week" | "month" | "year"
const SPANS: ReadonlyArray<Span> = ["day", "week", "month", "year"]

/** Words that stand for a time before or after now. */
interface Relative {
  /** Folded words in a row; `null` stands for a number. */
  readonly words: ReadonlyArray<string | null>
  readonly span: Span
  /** From now; with a number among the words, times that. */
  readonly offset: number
}

interface Names {
  /** By folded words in a row, with a blank between them. */
  readonly spoken: ReadonlyMap<string, Named>
  /** Of scripts without blanks: these stand anywhere in a run. */
  readonly dense: ReadonlyMap<string, Named>
}

interface Relatives {
  /** By their first word. */
  readonly spoken: ReadonlyMap<string | null, ReadonlyArray<Relative>>
  readonly dense: ReadonlyArray<Relative>
}

/** Both are made when they are first asked for: that takes some milliseconds. */
export const names = (): Names => {
  knownNames ??= makeNames()
  return knownNames
}
let knownNames: Names | undefined

export const relatives = (): Relatives => {
  knownRelatives ??= makeRelatives()
  return knownRelatives
}
let knownRelatives: Relatives | undefined

const makeNames = (): Names => {
  const spoken = new Map<string, Named>()
  const dense = new Map<string, Named>()
  for (const { isDense, name, named } of SPOKEN.flatMap(namesIn)) {
    const all = isDense ? dense : spoken
    if (!all.has(name)) all.set(name, named)
  }
  return { spoken, dense }
}

const makeRelatives = (): Relatives => {
  const spoken = new Map<string | null, Array<Relative>>()
  const dense: Array<Relative> = []
  for (const { isDense, relative } of SPOKEN.flatMap(relativesIn)) {
    const [first = null] = relative.words
    if (isDense && relative.words.length === 1) dense.push(relative)
    else spoken.set(first, [...(spoken.get(first) ?? []), relative])
  }
  return { spoken, dense }
}

const foldedWords = (text: string): ReadonlyArray<string> =>
  runsOf(even(text)).flatMap((run) => cut(run).units.map((unit) => unit.text))

const isDenseText = (text: string): boolean =>
  runsOf(even(text)).some((run) => cut(run).units.some(({ kind }) => kind === "dense"))

/** In the shape in which months and days are given to the runtime: a year in which the first of January is a Sunday. */
const dayOf = (month: number, day: number): Date => new Date(Date.UTC(2023, month - 1, day))
const MONTHS = Array.from({ length: 12 }, (_, index) => index + 1)
const WEEKDAYS = Array.from({ length: 7 }, (_, index) => index)
const MIN_SHORT = 3
const MAX_HINTED = 4
/** Longer, and means something else as well. */
const HINTED = ["march"]

const namesIn = (locale: string) => {
  const names: Array<{ readonly name: string; readonly named: Named; readonly isDense: boolean }> = []
  const add = (text: string, named: Omit<Named, "sureness">, isShort: boolean) => {
    const name = foldedWords(text).join(" ")
    const isDense = isDenseText(text)
    const isNumbered = isShort || named.month !== undefined && /\d/.test(name)
    if (name.length < (isDense ? 2 : MIN_SHORT) || /\d/.test(name) || (isDense && isNumbered)) return
    const isHinted = !isDense && (name.length <= MAX_HINTED || HINTED.includes(name))
    names.push({ name, isDense, named: { ...named, sureness: isNumbered ? "numbered" : isHinted ? "hinted" : "sure" } })
  }
  const formats = (options: Intl.DateTimeFormatOptions) =>
    new Intl.DateTimeFormat(`${locale}-u-ca-gregory`, { timeZone: "UTC", ...options })
  const long = formats({ month: "long" })
  const dated = formats({ weekday: "long", month: "long", day: "numeric" })
  const short = formats({ month: "short" })
  const partOf = (format: Intl.DateTimeFormat, type: string, at: Date) =>
    format.formatToParts(at).find((part) => part.type === type)?.value ?? ""
  for (const month of MONTHS) {
    add(long.format(dayOf(month, 15)), { month }, false)
    add(partOf(dated, "month", dayOf(month, 15)), { month }, false)
    add(short.format(dayOf(month, 15)), { month }, true)
  }
  for (const weekday of WEEKDAYS) {
    for (const name of alsoCalled(partOf(dated, "weekday", dayOf(1, weekday + 1)))) add(name, { weekday }, false)
  }
  return names
}

/** Chinese has several words for a week, and two for its Sunday; the runtime knows one of each. */
const alsoCalled = (weekday: string): ReadonlyArray<string> =>
  weekday.startsWith("星期")
    ? [
      ...["星期", "周", "週", "礼拜", "禮拜"].map((week) => weekday.replace("星期", week)),
      ...["星期", "礼拜", "禮拜"].map((week) => weekday.replace("星期", week).replace("日", "天"))
    ]
    : [weekday]

const OFFSETS = [-2, -1, 0, 1, 2]
/** Numbers after which languages put a word into other forms. */
const COUNTS = [1, 2, 3, 5]

const relativesIn = (locale: string) => {
  const named = new Intl.RelativeTimeFormat(locale, { numeric: "auto" })
  const counted = new Intl.RelativeTimeFormat(locale, { numeric: "always" })
  const relativeOf = (format: Intl.RelativeTimeFormat, span: Span, offset: number) => {
    const text = format.format(offset, span)
    const isCounted = /\p{Nd}/u.test(text)
    const words = foldedWords(text).map((word) => NUMBER.test(word) ? null : word)
    const relative: Relative = { words, span, offset: isCounted ? Math.sign(offset) : offset }
    return words.some((word) => word !== null) ? [{ relative, isDense: !isCounted && isDenseText(text) }] : []
  }
  return SPANS.flatMap((span) => [
    ...OFFSETS.flatMap((offset) => relativeOf(named, span, offset)),
    ...COUNTS.flatMap((count) => relativeOf(counted, span, -count))
  ])
}
const NUMBER = /^\d+$/
