import * as Option from "effect/Option"
import * as Stamp from "../domain/Stamp.js"

const HOUR = 3_600_000
/** A hundred years in hours. */
const MOST_HOURS = 876_000

/** A time that is given as days or hours from now, as in 90d or 12h, or in the form of RFC 3339. */
export const momentOf = (text: string, nowMillis: number): Option.Option<Stamp.Stamp> => {
  const [, count, unit] = /^([0-9]{1,6})([dh])$/.exec(text) ?? []
  if (count === undefined) return Stamp.parse(text)
  const hours = Number(count) * (unit === "d" ? 24 : 1)
  return hours > MOST_HOURS ? Option.none() : Option.some(Stamp.fromMillis(nowMillis + hours * HOUR))
}
