import * as Either from "effect/Either"
import type { Piece } from "../Row.js"
import * as Element from "./element.js"

/*
 * A JSON document of any size, element by element: those of the list that it is, or those of the lists in the object that it is,
 * each with its line. Packages that stream JSON end at the first mistake and know no lines.
 */

/** What is wrong with a part of a source. */
export interface Flaw {
  readonly line: number
  readonly reason: string
}

/** What an object holds beside its lists is one piece at its end, of this list. */
export const ROOT = "{}"

/** Of all that an object holds beside its lists. */
const MAX_ROOT_CHARS = 64 * 1024 * 1024

type State = "start" | "value" | "element" | "next" | "name" | "inName" | "colon" | "nextField" | "done" | "broken"

interface Scan {
  state: State
  line: number
  isObject: boolean
  /** The name of the field whose value comes, and of the list that is open, if one is. */
  name: string
  list: string | null
  element: Element.Element
  readonly root: Map<string, unknown>
  rootChars: number
  found: Array<Piece | Flaw>
}

/** Takes texts as they come, and gives what has ended. */
export const elements = () => {
  const scan: Scan = {
    state: "start",
    line: 1,
    isObject: false,
    name: "",
    list: null,
    element: Element.begin(1),
    root: new Map(),
    rootChars: 0,
    found: []
  }
  return {
    push: (text: string): ReadonlyArray<Piece | Flaw> => {
      scan.found = []
      for (let at = 0; at < text.length && scan.state !== "broken";) at = advance(scan, text, at)
      return scan.found
    },
    end: (): ReadonlyArray<Flaw> => {
      const { element, line, state } = scan
      if (state === "done" || state === "broken") return []
      return state === "start"
        ? [{ line, reason: "there is nothing in it" }]
        : [{ line: state === "element" ? element.line : line, reason: "it is cut off" }]
    }
  }
}

/** One character between elements, or as much as there is of one. */
const advance = (scan: Scan, text: string, at: number): number => {
  if (isInside(scan)) {
    const followed = Element.follow(scan.element, text, at)
    scan.line += followed.lines
    if (followed.isOver) take(scan)
    return followed.at
  }
  const character = text.charAt(at)
  if (character === "\n") scan.line++
  if (!BLANK.test(character)) between(scan, character)
  // Its first character belongs to the element.
  return isInside(scan) ? at : at + 1
}

const BLANK = /[\s\ufeff]/

const isInside = ({ state }: Scan): boolean => state === "element" || state === "inName"

const isInList = ({ isObject, list }: Scan): boolean => !isObject || list !== null

const between = (scan: Scan, character: string): void => {
  switch (scan.state) {
    case "start":
      if (character !== "[" && character !== "{") return broken(scan, "neither a list nor an object begins here")
      scan.isObject = character === "{"
      scan.state = scan.isObject ? "name" : "value"
      return
    case "value":
      if (character === "]" || character === "}") return close(scan, character)
      if (!isInList(scan) && character === "[") {
        scan.list = scan.name
        return
      }
      return inside(scan, "element")
    case "name":
      if (character === "}") return close(scan, character)
      return character === "\"" ? inside(scan, "inName") : broken(scan, "the name of a field is expected here")
    case "colon":
      if (character !== ":") return broken(scan, "a colon is expected here")
      scan.state = "value"
      return
    case "next":
      if (character !== ",") return close(scan, character)
      scan.state = "value"
      return
    case "nextField":
      if (character !== ",") return close(scan, character)
      scan.state = "name"
      return
    default:
      return broken(scan, "something follows the end of the JSON")
  }
}

const inside = (scan: Scan, state: "element" | "inName"): void => {
  scan.element = Element.begin(scan.line)
  scan.state = state
}

const broken = (scan: Scan, reason: string): void => {
  scan.found.push({ line: scan.line, reason: `${reason}: nothing after it was read` })
  scan.state = "broken"
}

/** The bracket after the last element of a list, or after the last field. */
const close = (scan: Scan, bracket: string): void => {
  if (scan.list !== null && bracket === "]") {
    scan.list = null
    scan.state = "nextField"
  } else if (scan.list === null && bracket === (scan.isObject ? "}" : "]")) {
    scan.state = "done"
    if (scan.root.size > 0) scan.found.push({ line: 1, list: ROOT, value: Object.fromEntries(scan.root) })
  } else broken(scan, `"${bracket}" is not expected here`)
}

/** A name or an element has ended. */
const take = (scan: Scan): void => {
  const { element, list, state } = scan
  const { line } = element
  const value = Element.valueOf(element)
  if (state === "inName") {
    scan.name = Either.isRight(value) ? String(value.right) : ""
    scan.state = "colon"
    return
  }
  scan.state = isInList(scan) ? "next" : "nextField"
  if (Either.isLeft(value)) scan.found.push({ line, reason: value.left })
  else if (isInList(scan)) scan.found.push({ line, list: list ?? "", value: value.right })
  else if ((scan.rootChars += element.chars) <= MAX_ROOT_CHARS) scan.root.set(scan.name, value.right)
  else scan.found.push({ line, reason: `the fields beside the lists have more than ${MAX_ROOT_CHARS} characters` })
}
