import { type Named, names, relatives, type Span } from "./calendar.js"
import type { Run } from "./words.js"

/**
 * Dates as words of an index. `@` begins none of a text, so these meet no others: `@2026`, `@2026-05`, `@2026-05-03`, `@m05`,
 * `@05-03`, and `@w0` for a Sunday.
 */

/** What a run says of dates. */
export interface DateWord {
  readonly named?: Named
  readonly isCapital: boolean
  /** From 1 to 31. */
  readonly day?: number
  readonly year?: number
  /** Dates that it spells out. */
  readonly dates?: ReadonlyArray<Day>
}

interface Day {
  readonly year?: number
  readonly month?: number
  readonly day?: number
  readonly weekday?: number
}

const two = (value: number): string => String(value).padStart(2, "0")
const MILLIS_PER_DAY = 86_400_000
const FIRST_YEAR = 1900
const LAST_YEAR = 2100

const dateOf = (year: number, month: number, day: number): Date => new Date(Date.UTC(year, month - 1, day))

const isReal = ({ day, month, year }: Day): boolean =>
  (year === undefined || (year >= FIRST_YEAR && year <= LAST_YEAR)) &&
  (month === undefined || (month >= 1 && month <= 12)) &&
  (day === undefined || (day >= 1 && day <= 31)) &&
  (month === undefined || day === undefined || dateOf(year ?? 2024, month, day).getUTCDate() === day)

/** The words under which what happened then is found. */
const tokensOf = ({ day, month, weekday, year }: Day): ReadonlyArray<string> => {
  const tokens: Array<string> = []
  if (year !== undefined) tokens.push(`@${year}`)
  if (month !== undefined) tokens.push(`@m${two(month)}`)
  if (year !== undefined && month !== undefined) tokens.push(`@${year}-${two(month)}`)
  if (month !== undefined && day !== undefined) {
    tokens.push(`@${two(month)}-${two(day)}`)
    if (year !== undefined) {
      tokens.push(`@${year}-${two(month)}-${two(day)}`, `@w${dateOf(year, month, day).getUTCDay()}`)
    }
  }
  if (weekday !== undefined) tokens.push(`@w${weekday}`)
  return tokens
}

/** The one word that says it most precisely. */
const narrowestOf = ({ day, month, weekday, year }: Day): string => {
  if (month !== undefined && day !== undefined) {
    return year === undefined ? `@${two(month)}-${two(day)}` : `@${year}-${two(month)}-${two(day)}`
  }
  if (month !== undefined) return year === undefined ? `@m${two(month)}` : `@${year}-${two(month)}`
  return year === undefined ? `@w${weekday}` : `@${year}`
}

/** What stands between the numbers of a date, in any of these but the dense ones. */
const PARTED = /\d[-/.]\d/
const ISO = /(?<!\d)(\d{4})[-/.](\d{1,2})(?:[-/.](\d{1,2}))?(?!\d)/g
const LITTLE_ENDIAN = /(?<!\d)(\d{1,2})\.(\d{1,2})\.(\d{4})(?!\d)/g
/** With the day or the month first: where both are possible, both are meant. */
const SLASHED = /(?<![\d/])(\d{1,2})\/(\d{1,2})\/(\d{4})(?![\d/])/g
const DENSE = /(?:(\d{4})[年년])?(\d{1,2})[月월](?:(\d{1,2})[日日号號일])?/gu
const DENSE_YEAR = /(\d{4})[年년](?!\d)/gu
const NUMBER = /^[^\p{L}\p{N}]*(\d{1,2})(?:st|nd|rd|th|er|e|日|일|号)?[^\p{L}\p{N}]*$/iu
const YEAR = /^[^\p{L}\p{N}]*((?:19|20)\d\d)[^\p{L}\p{N}]*$/u
const CAPITAL = /^[^\p{L}]*\p{Lu}/u

/** What a run of an even text says of dates; undefined when nothing, as nearly always. */
export const dateWordOf = (run: string, { units }: Run): DateWord | undefined => {
  const { dense, spoken } = names()
  const hasDigit = /\d/.test(run)
  const isDense = units.some(({ kind }) => kind === "dense")
  const dates = hasDigit ? spelt(run, isDense) : []
  if (isDense) {
    for (const [name, { weekday, month }] of dense) {
      if (stands(run, name)) dates.push(weekday === undefined ? { month: month ?? 0 } : { weekday })
    }
  }
  const named = spoken.get(units.length === 1 ? units[0]?.text ?? "" : units.map(({ text }) => text).join(" "))
  const day = hasDigit ? NUMBER.exec(run)?.[1] : undefined
  const year = hasDigit ? YEAR.exec(run)?.[1] : undefined
  if (named === undefined && day === undefined && year === undefined && dates.length === 0) return undefined
  return {
    isCapital: CAPITAL.test(run),
    ...(named === undefined ? {} : { named }),
    ...(day === undefined || Number(day) < 1 || Number(day) > 31 ? {} : { day: Number(day) }),
    ...(year === undefined ? {} : { year: Number(year) }),
    ...(dates.length === 0 ? {} : { dates })
  }
}

/** Anywhere in a run without blanks, but not as "three times a week" has Wednesday in it (一周三次), or a week's log Sunday. */
const stands = (run: string, name: string): boolean => {
  const at = run.indexOf(name)
  return at !== -1 && !GOES_ON.has(run[at + name.length] ?? "")
}
const GOES_ON = new Set("次个個天回志誌")

const spelt = (run: string, isDense: boolean): Array<Day> => {
  const found: Array<Day> = []
  const add = (year: string | undefined, month: string | undefined, day: string | undefined) => {
    const date: Day = {
      ...(year === undefined ? {} : { year: Number(year) }),
      ...(month === undefined ? {} : { month: Number(month) }),
      ...(day === undefined ? {} : { day: Number(day) })
    }
    if (isReal(date)) found.push(date)
  }
  if (!isDense && !PARTED.test(run)) return found
  for (const [, year, month, day] of run.matchAll(ISO)) add(year, month, day)
  for (const [, day, month, year] of run.matchAll(LITTLE_ENDIAN)) add(year, month, day)
  for (const [, first, second, year] of run.matchAll(SLASHED)) {
    add(year, second, first)
    if (first !== second) add(year, first, second)
  }
  if (isDense) {
    for (const [, year, month, day] of run.matchAll(DENSE)) add(year, month, day)
    for (const [, year] of run.matchAll(DENSE_YEAR)) add(year, undefined, undefined)
  }
  return found
}

/** Where a date stands among the runs of a text. */
interface Mention {
  readonly date: Day
  readonly from: number
  readonly to: number
}

/** Between the parts of a date: "3 de mayo de 2026", "the 3rd of May". */
const CONNECTORS: ReadonlySet<string> = new Set(["of", "de", "del", "do", "the"])
/** Before a name of a month that means something else as well. */
const BEFORE: ReadonlySet<string> = new Set(
  "in on since until till by before after during this last next early late mid every from en em im am seit".split(" ")
)

type Words = ReadonlyArray<{ readonly date: DateWord | undefined }>
type Texts = (index: number) => string | undefined

const mentionsIn = (words: Words, textAt: Texts): ReadonlyArray<Mention> => {
  const found: Array<Mention> = []
  for (let index = 0; index < words.length; index++) {
    const word = words[index]?.date
    if (word === undefined) continue
    for (const date of word.dates ?? []) found.push({ date, from: index, to: index })
    if (word.named === undefined) continue
    const { month, weekday } = word.named
    const mention = month === undefined ? undefined : monthAt(month, index, words, textAt)
    const isNumbered = mention !== undefined && mention.from < mention.to
    if (!isNumbered && !isMeant(word.named, word.isCapital, index, textAt)) continue
    if (mention !== undefined) found.push(mention)
    if (weekday !== undefined) found.push({ date: { weekday }, from: index, to: index })
  }
  const taken = new Set<number>()
  for (const { from, to } of found) {
    for (let index = from; index <= to; index++) taken.add(index)
  }
  words.forEach(({ date: word }, index) => {
    if (word?.year !== undefined && !taken.has(index)) found.push({ date: { year: word.year }, from: index, to: index })
  })
  return found
}

const isMeant = ({ sureness }: Named, isCapital: boolean, index: number, textAt: Texts): boolean =>
  sureness === "sure" || (sureness === "hinted" && ((isCapital && index > 0) || BEFORE.has(textAt(index - 1) ?? "")))

/** A month with the day and the year beside it. */
const monthAt = (month: number, index: number, words: Words, textAt: Texts): Mention => {
  const skipped = (at: number, step: number) => CONNECTORS.has(textAt(at) ?? "") ? at + step : at
  let [from, to] = [index, index]
  let day: number | undefined
  let year: number | undefined
  const before = skipped(index - 1, -1)
  const earlier = words[before]?.date?.day
  if (earlier !== undefined) {
    day = earlier
    from = before
  }
  for (let part = 0; part < 2; part++) {
    const after = skipped(to + 1, 1)
    const next = words[after]?.date
    if (next?.year !== undefined && year === undefined) {
      year = next.year
      to = after
    } else if (next?.day !== undefined && day === undefined) {
      day = next.day
      to = after
    }
  }
  const date = { month, ...(day === undefined ? {} : { day }), ...(year === undefined ? {} : { year }) }
  return { date: isReal(date) ? date : { month }, from, to }
}

/** Dates of one memory that count: the first ones. */
const MAX_TOKENS = 64

/** The words under which a memory is found by the dates in its text, and by that on which it was made. */
export const indexedDates = (created: string, words: Words, textAt: Texts): ReadonlyArray<string> => {
  const [, year, month, day] = /^(\d{4})-(\d\d)-(\d\d)/.exec(created) ?? []
  const tokens = new Set(
    year === undefined ? [] : tokensOf({ year: Number(year), month: Number(month), day: Number(day) })
  )
  if (words.some(({ date }) => date !== undefined)) {
    for (const { date } of mentionsIn(words, textAt)) tokensOf(date).forEach((token) => tokens.add(token))
  }
  return Array.from(tokens).slice(0, MAX_TOKENS)
}

/** A time that a question names. */
export interface AskedDate {
  /** Any of these words. */
  readonly tokens: ReadonlyArray<string>
  /** Which of the runs of the question say so, both ends included. */
  readonly from: number
  readonly to: number
  /** By its distance from now. */
  readonly isRelative: boolean
}

/** Runs of a question in which times are looked for: the first ones. */
const MAX_DATED_RUNS = 128

/** The times that a question names, by its runs: what each says of dates, and its folded words. */
export const askedDates = (
  runs: ReadonlyArray<{ readonly words: ReadonlyArray<string>; readonly date: DateWord | undefined }>,
  nowMillis: number
): ReadonlyArray<AskedDate> => {
  const first = runs.slice(0, MAX_DATED_RUNS)
  const mentions = mentionsIn(first, (index) => runs[index]?.words.join(" "))
  return [
    ...mentions.map(({ date, from, to }) => ({ tokens: [narrowestOf(date)], from, to, isRelative: false })),
    ...(Number.isFinite(nowMillis) ? relativesIn(first, nowMillis) : [])
  ]
}

const relativesIn = (
  runs: ReadonlyArray<{ readonly words: ReadonlyArray<string> }>,
  nowMillis: number
): ReadonlyArray<AskedDate> => {
  const { dense, spoken } = relatives()
  const flat = runs.flatMap(({ words }, run) => words.map((word) => ({ word, run }))).slice(0, MAX_DATED_RUNS)
  const found: Array<AskedDate> = []
  for (let at = 0; at < flat.length; at++) {
    const first = flat[at]
    if (first === undefined) continue
    const starting = [...(spoken.get(first.word) ?? []), ...(/^\d+$/.test(first.word) ? spoken.get(null) ?? [] : [])]
    const fitting = starting.flatMap((relative) => {
      const count = fits(relative.words, flat.slice(at, at + relative.words.length).map(({ word }) => word))
      return count === undefined ? [] : [{ ...relative, count }]
    }).sort((a, b) => b.words.length - a.words.length)
    const [best] = fitting
    if (best === undefined) continue
    const to = flat[at + best.words.length - 1]?.run ?? first.run
    found.push({
      tokens: spanTokens(best.span, best.offset * best.count, nowMillis),
      from: first.run,
      to,
      isRelative: true
    })
    at += best.words.length - 1
  }
  runs.forEach(({ words }, run) => {
    const text = words.join("")
    for (const { offset, span, words: [name] } of dense) {
      if (name === undefined || name === null || name.length < 2 || !text.includes(name)) continue
      found.push({ tokens: spanTokens(span, offset, nowMillis), from: run, to: run, isRelative: false })
    }
  })
  return found
}

/** The number among words that fit, 1 where none is called for; undefined when they do not. */
const fits = (wanted: ReadonlyArray<string | null>, words: ReadonlyArray<string>): number | undefined => {
  if (words.length < wanted.length) return undefined
  let count = 1
  for (const [index, word] of wanted.entries()) {
    const given = words[index] ?? ""
    if (word !== null && word !== given) return undefined
    if (word === null) {
      if (!/^\d{1,3}$/.test(given)) return undefined
      count = Number(given)
    }
  }
  return count
}

const spanTokens = (span: Span, offset: number, nowMillis: number): ReadonlyArray<string> => {
  const now = new Date(nowMillis)
  const [year, month] = [now.getUTCFullYear(), now.getUTCMonth() + 1]
  const dayToken = (millis: number) => `@${new Date(millis).toISOString().slice(0, 10)}`
  switch (span) {
    case "day":
      return [dayToken(nowMillis + offset * MILLIS_PER_DAY)]
    case "week": {
      const monday = nowMillis + (offset * 7 - (now.getUTCDay() + 6) % 7) * MILLIS_PER_DAY
      return Array.from({ length: 7 }, (_, day) => dayToken(monday + day * MILLIS_PER_DAY))
    }
    case "month": {
      const at = dateOf(year, month + offset, 1)
      return [`@${at.getUTCFullYear()}-${two(at.getUTCMonth() + 1)}`]
    }
    case "year":
      return [`@${year + offset}`]
  }
}
