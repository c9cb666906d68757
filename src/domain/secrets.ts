import * as Predicate from "effect/Predicate"

/*
 * Texts that look like credentials: those that nodes of `ai-memory` 0.10 do not take, as its own screen was seen to judge them,
 * and keys of this program.
 */

/** What a text looks like, by the words of the original. */
export interface Found {
  readonly kind:
    | "openai_style_key"
    | "github_token"
    | "aws_access_key_id"
    | "bearer_token"
    | "jwt"
    | "pem_private_key"
    | "api_key"
  /** It is hardly anything else. What the original takes for one all the same, such as `task-list-for-the-release`, is not. */
  readonly isSure: boolean
}

const TOKEN = "([A-Za-z0-9_.~+/=-]{20,})"

/** The first group is what must look random, where there is one. */
const FORMS: ReadonlyArray<readonly [Found["kind"], RegExp]> = [
  ["pem_private_key", /-----BEGIN[\s\S]{0,200}?PRIVATE KEY-----/],
  ["aws_access_key_id", /AKIA[A-Z0-9]{16}/],
  ["jwt", /eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}/],
  ["github_token", /(?:ghp_|github_pat_)([A-Za-z0-9_-]{20,})/],
  ["openai_style_key", new RegExp(`sk-${TOKEN}`)],
  ["bearer_token", new RegExp(`Bearer ${TOKEN}`)],
  ["api_key", /qk_([A-Za-z0-9_-]{43})/]
]

/** What each of the forms has somewhere: few texts have any of it, and none of these is looked at further. */
const TRACE = /PRIVATE KEY-----|AKIA|eyJ|ghp_|github_pat_|sk-|Bearer |qk_/

/** Bits of a character: words that are written together have less, or no digit among them. */
const MIN_ENTROPY = 3.5

/** What a text looks like; none where it is like any other. */
export const secretIn = (text: string): Found | undefined => {
  if (!TRACE.test(text)) return undefined
  let possible: Found | undefined
  for (const [kind, form] of FORMS) {
    for (const match of text.matchAll(new RegExp(form, "g"))) {
      const token = match[1]
      if (token !== undefined && entropyOf(token) < MIN_ENTROPY) continue
      const isApart = !/[A-Za-z0-9]/.test(text.charAt(match.index - 1))
      if (isApart && (token === undefined || /[0-9]/.test(token))) return { kind, isSure: true }
      possible ??= { kind, isSure: false }
    }
  }
  return possible
}

const entropyOf = (text: string): number => {
  const counts = new Map<string, number>()
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1)
  let bits = 0
  for (const count of counts.values()) bits -= count / text.length * Math.log2(count / text.length)
  return bits
}

/** Where in a row of a memory there is one, by the names of its fields. */
export const secretsOf = (row: unknown): ReadonlyArray<Found & { readonly field: string }> =>
  Predicate.isRecord(row) && FIELDS.some((field) => hasTrace(row[field], MOST_DEEP))
    ? FIELDS.flatMap((field) => {
      const found = textsIn(row[field], MOST_DEEP).flatMap((text) => secretIn(text) ?? [])
      const worst = found.find(({ isSure }) => isSure) ?? found[0]
      return worst === undefined ? [] : [{ ...worst, field }]
    })
    : []

const FIELDS = ["title", "content", "tags", "metadata"] as const
const MOST_DEEP = 32

/** Whether any text of a value is to be looked at: nearly none is. */
const hasTrace = (value: unknown, deep: number): boolean => {
  if (typeof value === "string") return TRACE.test(value)
  if (deep === 0 || typeof value !== "object" || value === null) return false
  if (Array.isArray(value)) return value.some((each) => hasTrace(each, deep - 1))
  return Object.entries(value).some(([name, each]) => TRACE.test(name) || hasTrace(each, deep - 1))
}

/** All texts of a value, names of fields included. */
const textsIn = (value: unknown, deep: number): ReadonlyArray<string> => {
  if (typeof value === "string") return [value]
  if (deep === 0) return []
  if (Array.isArray(value)) return value.flatMap((each) => textsIn(each, deep - 1))
  return Predicate.isRecord(value)
    ? Object.entries(value).flatMap(([name, each]) => [name, ...textsIn(each, deep - 1)])
    : []
}
