import * as Either from "effect/Either"
import { MAX_JSON_DEPTH } from "../../domain/limits.js"

/** Characters of one element of a document, at most: a whole conversation is one. */
const MAX_ELEMENT_CHARS = 64 * 1024 * 1024

/** A JSON value that comes in pieces: what has come so far. */
export interface Element {
  /** Where it begins, from 1. */
  readonly line: number
  readonly parts: Array<string>
  chars: number
  depth: number
  deepest: number
  isQuoted: boolean
  isEscaped: boolean
}

export const begin = (line: number): Element => ({
  line,
  parts: [],
  chars: 0,
  depth: 0,
  deepest: 0,
  isQuoted: false,
  isEscaped: false
})

/** Follows it from this place on, to where it ends or the text does. */
export const follow = (element: Element, text: string, from: number) => {
  let at = from
  let lines = 0
  let isOver = false
  for (; at < text.length && !isOver; at++) {
    const character = text.charAt(at)
    if (character === "\n") lines++
    const place = step(element, character)
    if (place === "before") break
    isOver = place === "last"
  }
  const isBefore = !isOver && at < text.length
  if (element.chars + at - from > MAX_ELEMENT_CHARS) element.parts.length = 0
  else element.parts.push(text.slice(from, at))
  element.chars += at - from
  return { at, isOver: isOver || isBefore, lines: isBefore && text.charAt(at) === "\n" ? lines - 1 : lines }
}

/** Whether a character is within the value, the last of it, or stands after it. */
const step = (element: Element, character: string): "within" | "last" | "before" => {
  if (element.isQuoted) {
    if (element.isEscaped) element.isEscaped = false
    else if (character === "\\") element.isEscaped = true
    else if (character === "\"") {
      element.isQuoted = false
      return element.depth === 0 ? "last" : "within"
    }
    return "within"
  }
  switch (character) {
    case "\"":
      element.isQuoted = true
      return "within"
    case "[":
    case "{":
      element.deepest = Math.max(element.deepest, ++element.depth)
      return "within"
    case "]":
    case "}":
      if (element.depth === 0) return "before"
      return --element.depth === 0 ? "last" : "within"
    case ",":
    case " ":
    case "\n":
    case "\r":
    case "\t":
      return element.depth === 0 ? "before" : "within"
    default:
      return "within"
  }
}

/** Its value, or what is wrong with it. */
export const valueOf = ({ chars, deepest, parts }: Element): Either.Either<unknown, string> =>
  chars > MAX_ELEMENT_CHARS
    ? Either.left(`it has more than ${MAX_ELEMENT_CHARS} characters`)
    : deepest > MAX_JSON_DEPTH
    ? Either.left(`it is nested more than ${MAX_JSON_DEPTH} levels deep`)
    : parse(parts.join(""))

/** A text as JSON that is not nested too deep. */
export const valueOfText = (text: string): Either.Either<unknown, string> => {
  const element = begin(1)
  follow(element, text, 0)
  return element.deepest > MAX_JSON_DEPTH ? valueOf(element) : parse(text)
}

const parse = (text: string): Either.Either<unknown, string> => {
  try {
    const value: unknown = JSON.parse(text)
    return Either.right(value)
  } catch {
    return Either.left("it is not valid JSON")
  }
}
