import * as Predicate from "effect/Predicate"

/**
 * A value as JSON in its one form: keys sorted at every level, no blanks, nothing escaped that need not be. What is undefined is
 * left out of objects.
 */
export const sortedJson = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(sortedJson).join(",")}]`
  if (!Predicate.isRecord(value)) return JSON.stringify(value) ?? "null"
  const members = Object.keys(value).filter((key) => value[key] !== undefined).sort()
  return `{${members.map((key) => `${JSON.stringify(key)}:${sortedJson(value[key])}`).join(",")}}`
}
