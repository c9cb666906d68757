import * as Predicate from "effect/Predicate"
import type { SignedMemory } from "./SignedMemory.js"

/*
 * What nearly every request to store a memory is like, found without a schema, which takes ten times as long. Whatever is not plainly
 * right is left to the schema, which knows what else is right and says what is wrong. A test compares the two.
 */

type Looks = (value: unknown) => boolean

const isText: Looks = (value) => typeof value === "string"
const isInt: Looks = (value) => Number.isSafeInteger(value)
const isOneOf = (...words: ReadonlyArray<string>): Looks => (value) =>
  typeof value === "string" && words.includes(value)

/** The fields in the order of the schema: what a key stands for depends on it. */
const FIELDS: ReadonlyArray<readonly [keyof SignedMemory, Looks]> = [
  ["title", isText],
  ["content", isText],
  ["tier", isOneOf("short", "mid", "long")],
  ["namespace", isText],
  ["tags", (value) => Array.isArray(value) && value.every(isText)],
  ["priority", isInt],
  ["confidence", (value) => typeof value === "number"],
  ["source", isText],
  ["expires_at", isText],
  ["ttl_secs", isInt],
  ["metadata", (value) => typeof value === "object" && value !== null],
  ["agent_id", isText],
  ["scope", isText],
  ["on_conflict", isOneOf("error", "merge", "version")]
]

/** Whether it is what the schema would make of it: it has known fields alone, in their order, and none is null. */
export const isPlain = (value: unknown): value is SignedMemory => {
  if (!Predicate.isRecord(value) || typeof value["title"] !== "string" || typeof value["content"] !== "string") {
    return false
  }
  let at = 0
  for (const name of Object.keys(value)) {
    while (at < FIELDS.length && FIELDS[at]?.[0] !== name) at += 1
    if (FIELDS[at]?.[1](value[name]) !== true) return false
    at += 1
  }
  return true
}
