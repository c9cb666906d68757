import { MAX_TITLE_CHARS } from "./limits.js"
import { tidyTitle } from "./text.js"

/** A title of this many characters is easily read in a list. */
const USUAL_CHARS = 80

/**
 * A title for a text that has none: its first line that says anything, without the marks of Markdown before it, cut between
 * words where it is long.
 */
export const madeTitle = (text: string): string => {
  for (const line of text.slice(0, LOOKED_AT).split(/[\r\n]+/)) {
    const said = tidyTitle(line.replace(/\p{Cc}/gu, " ").replace(/^\s*(?:#{1,6}\s+|[-*+>]\s+|\d+[.)]\s+)+/, ""))
    if (/[\p{L}\p{N}]/u.test(said)) return cut(said)
  }
  return "Untitled"
}

const LOOKED_AT = 16 * 1024

const cut = (line: string): string => {
  const characters = Array.from(line)
  if (characters.length <= USUAL_CHARS) return line
  const begin = characters.slice(0, USUAL_CHARS - 1).join("")
  const space = begin.lastIndexOf(" ")
  return `${(space > USUAL_CHARS / 2 ? begin.slice(0, space) : begin).trimEnd()}…`
}

/** What somebody calls a thing, fit for a title: one line, without what no title may have, and no longer than one may be. */
export const asTitle = (text: string): string =>
  tidyTitle(
    Array.from(tidyTitle(text).replace(/[\p{Cc}\s]+/gu, " ")).slice(0, MAX_TITLE_CHARS).join("")
  )
