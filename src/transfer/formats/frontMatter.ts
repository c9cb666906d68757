import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import { parse } from "yaml"
import type { Fields } from "../fields.js"

/** A note without its front matter, and what that says. */
interface Note {
  readonly fields: Fields
  readonly body: string
}

const MAX_FRONT_MATTER_CHARS = 256 * 1024

/** YAML between two lines of dashes at the beginning of a note; or why it can not be read. */
export const frontMatter = (text: string): Either.Either<Note, string> => {
  const begun = /^\ufeff?---[ \t]*\r?\n/.exec(text)
  if (begun === null) return Either.right({ fields: {}, body: text })
  const rest = text.slice(begun[0].length)
  const end = /^(?:---|\.\.\.)[ \t]*(?:\r?\n|$)/m.exec(rest)
  // A line across the page.
  if (end === null) return Either.right({ fields: {}, body: text })
  if (end.index > MAX_FRONT_MATTER_CHARS) {
    return Either.left(`the front matter has more than ${MAX_FRONT_MATTER_CHARS} characters`)
  }
  const body = rest.slice(end.index + end[0].length)
  return Either.map(yaml(rest.slice(0, end.index)), (fields) => ({ fields, body }))
}

const yaml = (text: string): Either.Either<Fields, string> => {
  try {
    const value: unknown = parse(text, { schema: "core", maxAliasCount: 16, prettyErrors: false, logLevel: "silent" })
    if (value === null || value === undefined) return Either.right({})
    return Predicate.isRecord(value)
      ? Either.right(value)
      : Either.left("the front matter is no list of names and values")
  } catch {
    return Either.left("the front matter is not valid YAML")
  }
}
