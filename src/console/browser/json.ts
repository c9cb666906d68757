/* What a node answers is read with care: what is not as it should be shows as empty, and breaks nothing. */

export type Json = { readonly [key: string]: unknown }

export const isRecord = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value)

export const record = (value: unknown): Json => isRecord(value) ? value : {}

export const records = (value: unknown): ReadonlyArray<Json> => Array.isArray(value) ? value.filter(isRecord) : []

export const text = (value: unknown): string => typeof value === "string" ? value : ""

export const number = (value: unknown): number => typeof value === "number" ? value : 0

export const texts = (value: unknown): ReadonlyArray<string> =>
  Array.isArray(value) ? value.filter((each): each is string => typeof each === "string") : []

export const parse = (source: string): unknown => {
  try {
    return JSON.parse(source)
  } catch {
    return undefined
  }
}
