import * as Brand from "effect/Brand"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"

/**
 * A moment in UTC, always as `YYYY-MM-DDTHH:MM:SS.nnnnnnnnn+00:00` with nine fraction digits, so that the order of the
 * texts is the order of the moments. Years 0001 to 9999.
 */
export type Stamp = string & Brand.Brand<"Stamp">

const brand = Brand.nominal<Stamp>()

/** Any RFC 3339 text is read; what it becomes, and what is written, is the canonical form. */
export const Stamp: Schema.Schema<Stamp, string> = Schema.transformOrFail(
  Schema.String,
  Schema.declare((input: unknown): input is Stamp => typeof input === "string" && isCanonical(input), {
    identifier: "Stamp",
    description: "an RFC 3339 timestamp",
    jsonSchema: { type: "string", format: "date-time" }
  }),
  {
    strict: true,
    decode: (text, _, ast) =>
      Option.match(parse(text), {
        onNone: () => ParseResult.fail(new ParseResult.Type(ast, text, "expected an RFC 3339 timestamp")),
        onSome: ParseResult.succeed
      }),
    encode: (stamp) => ParseResult.succeed(stamp)
  }
)

/** The first and the last moment that can be written, in milliseconds since 1970. */
export const MIN_MILLIS = -62_135_596_800_000
export const MAX_MILLIS = 253_402_300_799_999

/**
 * Reads any RFC 3339 text: `Z` or an offset, `T` and `Z` in either case, any number of fraction digits. Digits beyond the
 * ninth are cut off. A leap second (23:59:60 in UTC, on the last day of a month) becomes the second that follows it.
 * `none` for dates that do not exist and for moments outside the years 0001 to 9999.
 */
export const parse = (text: string): Option.Option<Stamp> => {
  if (isCanonical(text)) return Option.some(brand(text))
  const match = RFC_3339.exec(text)
  if (match === null || !isDay(text) || number(text, 11) > 23 || number(text, 14) > 59) return Option.none()
  const second = number(text, 17)
  const offset = offsetMillis(match[2] ?? "")
  if (second > 60 || offset === undefined) return Option.none()
  const millis = readMillis(text) - offset
  if (second === 60 && !isMonthStart(millis)) return Option.none()
  if (millis < MIN_MILLIS || millis > MAX_MILLIS) return Option.none()
  return Option.some(brand(`${secondText(millis)}${(match[1] ?? "").slice(0, 9).padEnd(9, "0")}+00:00`))
}

/**
 * The stamp of a millisecond, with a counter (0 to 999 999) in its last six fraction digits. Moments beyond the years
 * 0001 to 9999 become the nearest that can be written.
 */
export const fromMillis = (millis: number, counter: number = 0): Stamp => {
  const bounded = Math.min(Math.max(Math.floor(millis), MIN_MILLIS), MAX_MILLIS)
  const fraction = modulo(bounded, 1000) * 1_000_000 + counter
  return brand(`${secondText(bounded)}${String(1_000_000_000 + fraction).slice(1)}+00:00`)
}

/** Milliseconds since 1970; the six digits below them are dropped. */
export const toMillis = (stamp: Stamp): number => readMillis(stamp) + digit(stamp, 20) * 100 + number(stamp, 21)

/** The last six of the nine fraction digits, as a number. */
export const counterOf = (stamp: Stamp): number =>
  number(stamp, 23) * 10_000 + number(stamp, 25) * 100 + number(stamp, 27)

const RFC_3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)$/
const CANONICAL = /^\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{9}\+00:00$/

/** Whether a text is a stamp as it stands. */
export const isCanonical = (text: string): boolean => text.length === 35 && CANONICAL.test(text) && isDay(text)

const digit = (text: string, at: number): number => text.charCodeAt(at) - 48

/** Two decimal digits. */
const number = (text: string, at: number): number => digit(text, at) * 10 + digit(text, at + 1)

const isDay = (text: string): boolean => {
  const year = number(text, 0) * 100 + number(text, 2)
  const month = number(text, 5)
  const day = number(text, 8)
  return year > 0 && month > 0 && month <= 12 && day > 0 && (day <= 28 || day <= daysOf(year, month))
}

const daysOf = (year: number, month: number): number =>
  month === 2
    ? (year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28)
    : month === 4 || month === 6 || month === 9 || month === 11
    ? 30
    : 31

/** `Z`, or hours and minutes with a sign. */
const offsetMillis = (offset: string): number | undefined => {
  if (offset.length === 1) return 0
  const hours = number(offset, 1)
  const minutes = number(offset, 4)
  if (hours > 23 || minutes > 59) return undefined
  return (offset.startsWith("-") ? -1 : 1) * (hours * 60 + minutes) * 60_000
}

/** Milliseconds of the date and time as they are written, without fraction and offset. */
const readMillis = (text: string): number => {
  const days = daysFromCivil(number(text, 0) * 100 + number(text, 2), number(text, 5), number(text, 8))
  return (((days * 24 + number(text, 11)) * 60 + number(text, 14)) * 60 + number(text, 17)) * 1000
}

const DAY_MILLIS = 86_400_000

const modulo = (value: number, by: number): number => ((value % by) + by) % by

/** A date and time up to the decimal point. Most calls are for the same second as the one before. */
const secondText = (millis: number): string => {
  const second = Math.floor(millis / 1000)
  if (second !== lastSecond) {
    const time = modulo(second, 86_400)
    lastText = `${dayText(Math.floor(millis / DAY_MILLIS))}T${two(Math.floor(time / 3600))}:${
      two(Math.floor(time / 60) % 60)
    }:${two(time % 60)}.`
    lastSecond = second
  }
  return lastText
}

let lastSecond = Number.NaN
let lastText = ""

const two = (value: number): string => value < 10 ? `0${value}` : `${value}`

// Days since 1970-01-01 and back, in the proleptic Gregorian calendar. A year begins in March here, so that the day which
// not every year has is its last; 400 such years always have 146 097 days, the first era begins on 0000-03-01.
const ERA_DAYS = 146_097
const EPOCH_DAYS = 719_468

const daysFromCivil = (year: number, month: number, day: number): number => {
  const y = month <= 2 ? year - 1 : year
  const era = Math.floor(y / 400)
  const yearOfEra = y - era * 400
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1
  const leapDays = Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100)
  return era * ERA_DAYS + yearOfEra * 365 + leapDays + dayOfYear - EPOCH_DAYS
}

interface Civil {
  readonly year: number
  readonly month: number
  readonly day: number
}

const civilFromDays = (days: number): Civil => {
  const shifted = days + EPOCH_DAYS
  const era = Math.floor(shifted / ERA_DAYS)
  const dayOfEra = shifted - era * ERA_DAYS
  const leapDays = Math.floor(dayOfEra / 1460) - Math.floor(dayOfEra / 36_524) + Math.floor(dayOfEra / 146_096)
  const yearOfEra = Math.floor((dayOfEra - leapDays) / 365)
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153)
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1
  }
}

const dayText = (days: number): string => {
  const { day, month, year } = civilFromDays(days)
  return `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}`
}

const isMonthStart = (millis: number): boolean =>
  modulo(millis, DAY_MILLIS) === 0 && civilFromDays(Math.floor(millis / DAY_MILLIS)).day === 1
