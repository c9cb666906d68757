import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

/** Where the text of a command goes, and what it may look like there. */
export interface Screen {
  /** In columns of a terminal. */
  readonly width: number
  readonly bold: (text: string) => string
  readonly dim: (text: string) => string
}

const USUAL_COLUMNS = 80

/** Standard output. Colours are for terminals alone, and not where NO_COLOR is set (no-color.org). */
export const screen = (): Screen => {
  const { NO_COLOR: noColor = "", TERM: term } = process.env
  const isColoured = process.stdout.isTTY === true && noColor === "" && term !== "dumb"
  const style = (code: number) => (text: string) => isColoured ? `\u001b[${code}m${text}\u001b[0m` : text
  return { width: Math.max(USUAL_COLUMNS, process.stdout.columns ?? 0), bold: style(1), dim: style(2) }
}

/**
 * What somebody else wrote, as a terminal may be given it: what it would take for orders, and what turns the direction of the
 * text around, stands there by its number. Lines and tabs stay.
 */
export const harmless = (text: string): string =>
  text.replace(ORDERS, (found) => `\\u{${(found.codePointAt(0) ?? 0).toString(16)}}`)

const ORDERS = /(?![\n\t])\p{Cc}|[\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu

/** On one line. */
export const onOneLine = (text: string): string => harmless(text.replaceAll(/\s+/g, " ").trim())

/** JSON in which no character is an order to a terminal either. */
export const json = (value: unknown): string =>
  JSON.stringify(value).replace(ORDERS, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`)

/** Nobody reads any more. */
export class NotWritten extends Data.TaggedError("NotWritten")<{ readonly cause: Error }> {
  override get message() {
    return `the output can not be written: ${this.cause.message}`
  }
}

/** Writes lines to standard output. Who does not want to read all of it is no failure. */
export const print = (text: string): Effect.Effect<void, NotWritten> =>
  Effect.async((resume) => {
    process.stdout.once("error", ignore)
    process.stdout.write(text.endsWith("\n") ? text : `${text}\n`, (error) => {
      process.stdout.off("error", ignore)
      resume(error === null || error === undefined || isClosed(error) ? Effect.void : new NotWritten({ cause: error }))
    })
  })

const ignore = () => {}
const isClosed = (error: Error) => "code" in error && error.code === "EPIPE"
