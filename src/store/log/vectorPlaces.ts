/*
 * Where vectors stand in their table: the first part of a row at 256 times its number, the others behind it.
 */

const PLACES = 256

export const firstPlace = (rid: number): number => rid * PLACES
export const lastPlace = (rid: number): number => rid * PLACES + PLACES - 1

/** That `v`, which is `vectors`, is a part of a row. */
export const partsOf = (rid: string): string => `v.place BETWEEN ${rid} << 8 AND (${rid} << 8) + 255`

/** That `v` is the first part of the row of `m`, which is `memories`. */
export const FIRST_PART = "v.place = m.rid << 8"
