import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Stamp from "../domain/Stamp.js"

/* What stands in objects of others. A field that an object inherits is none of it. */

export type Fields = Readonly<Record<string, unknown>>

export const fieldOf = (value: unknown, name: string): unknown =>
  Predicate.isRecord(value) && Object.hasOwn(value, name) ? value[name] : undefined

/** The first of these fields that is a text and not blank. */
export const textOf = (value: unknown, ...names: ReadonlyArray<string>): string | undefined =>
  names.map((name) => fieldOf(value, name)).find((text): text is string =>
    Predicate.isString(text) && text.trim() !== ""
  )

export const listOf = (value: unknown, name: string): ReadonlyArray<unknown> => {
  const list = fieldOf(value, name)
  return Array.isArray(list) ? list : []
}

/** Texts of a list, or of one text that commas part. */
export const textsOf = (value: unknown, name: string): ReadonlyArray<string> => {
  const found = fieldOf(value, name)
  const texts: ReadonlyArray<unknown> = Array.isArray(found) ? found : Predicate.isString(found) ? found.split(",") : []
  return texts.filter(Predicate.isString).map((text) => text.trim()).filter((text) => text !== "")
}

/** These fields, as far as they are there and not null. */
export const some = (value: unknown, ...names: ReadonlyArray<string>): Fields =>
  Object.fromEntries(names.flatMap((name) => {
    const field = fieldOf(value, name)
    return field === undefined || field === null ? [] : [[name, field]]
  }))

/** The first of these fields that is a moment. */
export const momentOf = (value: unknown, ...names: ReadonlyArray<string>): Stamp.Stamp | undefined =>
  names.map((name) => moment(fieldOf(value, name))).find(Predicate.isNotUndefined)

/**
 * A moment as programs write it: RFC 3339, the same without an offset (then it is UTC) or without a time, or seconds since 1970,
 * milliseconds where they would be a year beyond 5000.
 */
export const moment = (value: unknown): Stamp.Stamp | undefined => {
  if (value instanceof Date) return Number.isFinite(value.getTime()) ? Stamp.fromMillis(value.getTime()) : undefined
  if (Predicate.isNumber(value)) return ofNumber(value)
  if (!Predicate.isString(value)) return undefined
  const text = value.trim()
  if (/^\d{9,17}(?:\.\d+)?$/.test(text)) return ofNumber(Number(text))
  const match = /^(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d)(:\d\d(?:[.,]\d+)?)?)?\s*([Zz]|[+-]\d\d:?\d\d|UTC)?$/.exec(text)
  if (match === null) return undefined
  const [, day = "", minutes = "00:00", seconds = ":00", zone = "Z"] = match
  const offset = zone === "UTC" ? "Z" : zone.replace(/^([+-]\d\d)(\d\d)$/, "$1:$2")
  return Option.getOrUndefined(Stamp.parse(`${day}T${minutes}${seconds.replace(",", ".")}${offset}`))
}

const ofNumber = (value: number): Stamp.Stamp | undefined => {
  if (!Number.isFinite(value) || value <= 0) return undefined
  const millis = value > MOST_SECONDS ? value : Math.round(value * 1000)
  return millis <= Stamp.MAX_MILLIS ? Stamp.fromMillis(millis) : undefined
}

const MOST_SECONDS = 100_000_000_000
