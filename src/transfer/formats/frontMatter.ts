import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import { parse } from "yaml"
import type { Fields } from "../fields.js"
import { valueOfText } from "../reading/element.js"

/** A note without its front matter, and what that says. */
interface Note {
  readonly fields: Fields
  readonly body: string
}

/**
 * Of YAML. Its parser takes a second for some texts of 64 KiB, and ends the process by one that is nested some thousand levels deep.
 */
const MAX_YAML_CHARS = 16 * 1024
const MAX_YAML_DEPTH = 32
/** Of front matter whose values are JSON. */
const MAX_JSON_CHARS = 1024 * 1024

/** YAML between two lines of dashes at the beginning of a note; or why it can not be read. */
export const frontMatter = (text: string): Either.Either<Note, string> => {
  const begun = /^\ufeff?---[ \t]*\r?\n/.exec(text)
  if (begun === null) return Either.right({ fields: {}, body: text })
  const rest = text.slice(begun[0].length)
  const end = /^(?:---|\.\.\.)[ \t]*(?:\r?\n|$)/m.exec(rest)
  // A line across the page.
  if (end === null) return Either.right({ fields: {}, body: text })
  const matter = rest.slice(0, end.index)
  const body = rest.slice(end.index + end[0].length)
  return Either.map(Either.orElse(plain(matter), () => yaml(matter)), (fields) => ({ fields, body }))
}

/** As we write it: a name and a JSON value on each line, which is YAML as well. */
const plain = (text: string): Either.Either<Fields, undefined> => {
  if (text.length > MAX_JSON_CHARS) return Either.left(undefined)
  const fields = new Map<string, unknown>()
  for (const line of text.split(/\r?\n/)) {
    if (line === "") continue
    const match = /^([a-z_]+|"[^"\\]+"): (?=["[{\dtfn-])(.+)$/.exec(line)
    const value = match === null ? Either.left("") : valueOfText(match[2] ?? "")
    if (match === null || Either.isLeft(value)) return Either.left(undefined)
    fields.set((match[1] ?? "").replace(/^"|"$/g, ""), value.right)
  }
  return Either.right(Object.fromEntries(fields))
}

const yaml = (text: string): Either.Either<Fields, string> => {
  if (text.length > MAX_YAML_CHARS) {
    return Either.left(`the front matter has more than ${MAX_YAML_CHARS} characters`)
  }
  if (isDeep(text)) return Either.left(`the front matter is nested more than ${MAX_YAML_DEPTH} levels deep`)
  try {
    const value: unknown = parse(text, { schema: "core", maxAliasCount: 16, prettyErrors: false, logLevel: "error" })
    if (value === null || value === undefined) return Either.right({})
    return Predicate.isRecord(value)
      ? Either.right(value)
      : Either.left("the front matter is no list of names and values")
  } catch {
    return Either.left("the front matter is not valid YAML")
  }
}

/** Counted without following the text, so that a bracket within a text counts as well. */
const isDeep = (text: string): boolean => {
  let depth = 0
  for (const character of text) {
    if (character === "[" || character === "{") depth++
    else if (character === "]" || character === "}") depth = Math.max(depth - 1, 0)
    if (depth > MAX_YAML_DEPTH) return true
  }
  return NESTED.test(text)
}

/** Lists within lists, or keys within keys, on one line. */
const NESTED = new RegExp(`(?:[-?:][ \\t]+){${MAX_YAML_DEPTH}}`)
