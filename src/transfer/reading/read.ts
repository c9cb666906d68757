import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import { headOf } from "../formats/columns.js"
import { formats } from "../formats/formats.js"
import { type Piece, problem, type Row } from "../Row.js"
import { valueOfText } from "./element.js"
import { elements, type Flaw, ROOT } from "./elements.js"
import { lines, peek, type Peeked, texts, Unreadable } from "./texts.js"

/** What a source comes to, in its order. Lines are counted from 1. */
export interface Read {
  readonly line: number
  /** The name of the format that it is of. */
  readonly format: string
  readonly row: Row
}

interface How {
  /** The only format that is meant; else each piece is taken for what it looks like. */
  readonly format?: string | undefined
  /** It is JSON, or nothing that can be read. */
  readonly isJson?: boolean
  /** The place of a note in its folder, with slashes. */
  readonly path?: string | undefined
}

/** Characters that are looked at to find out what a source is; of a line of JSON so many more, until it ends. */
const HEAD_CHARS = 64 * 1024
const LINE_HEAD_CHARS = 8 * 1024 * 1024
/** Characters of a line of JSON, and of a note. */
const MAX_LINE_CHARS = 64 * 1024 * 1024
const MAX_NOTE_CHARS = 16 * 1024 * 1024

/**
 * Reads a source of any size, by what is in it and not by its name. Throws `Unreadable` when that is no text. The packages for tables
 * and notes are loaded where there is one.
 */
export async function* read(bytes: AsyncIterable<Uint8Array>, how: How = {}): AsyncGenerator<Read> {
  const peeked = await peek(texts(bytes), isEnough)
  const { all, head } = peeked
  switch (carrierOf(peeked, how)) {
    case "lines":
      return yield* ofLines(all, how.format)
    case "document":
      return yield* ofDocument(all, how.format)
    case "one":
      return yield* ofOne(head, how.format)
    case "csv": {
      const delimiter = headOf(firstLine(head))?.delimiter ?? ","
      const { csv } = await import("../formats/csv.js")
      for await (const each of csv(all, delimiter)) yield { ...each, format: "csv" }
      return
    }
    case "note": {
      const { markdown } = await import("../formats/markdown.js")
      for (const row of markdown(await whole(all), how.path)) yield { line: 1, format: "markdown", row }
    }
  }
}

const isEnough = (head: string): boolean =>
  head.length >= HEAD_CHARS &&
  (head.length >= LINE_HEAD_CHARS || head.includes("\n") || !/^\ufeff?\s*\{/.test(head.slice(0, 64)))

type Carrier = "lines" | "document" | "one" | "csv" | "note"

const carrierOf = (peeked: Peeked, { format, isJson = false }: How): Carrier => {
  const { head } = peeked
  if (format === "csv") return "csv"
  if (format === "markdown") return "note"
  const begin = head.replace(/^\ufeff?\s*/, "")
  if (begin === "") throw new Unreadable({ reason: "there is nothing in it" })
  if (begin.startsWith("{")) return ofObjects(begin, peeked, format)
  if (isJson || format !== undefined || /^\[\s*(?:[{\]]|$)/.test(begin)) return "document"
  if (head.includes("\0")) throw new Unreadable({ reason: "it is not a text: it has NUL characters" })
  return headOf(firstLine(head)) === undefined ? "note" : "csv"
}

/** Objects line by line, one that is a thing by itself, or one that holds lists of them. */
const ofObjects = (begin: string, { isAll }: Peeked, format: string | undefined): Carrier => {
  const line = firstLine(begin)
  const isEnded = isAll || line.length < begin.length
  if (isEnded && line.trim().length < begin.trim().length && Either.isRight(valueOfText(line))) return "lines"
  const value = isAll ? valueOfText(begin.trim()) : Either.left("not whole")
  const isThing = Either.isRight(value) &&
    meant(format).some(({ read }) => read({ line: 1, list: "", value: value.right }) !== undefined)
  return isThing ? "one" : "document"
}

const firstLine = (text: string): string => text.replace(/^\ufeff/, "").split(/\r?\n/, 1)[0] ?? ""

/** The formats of JSON that a piece may be of. */
const meant = (format: string | undefined) =>
  format === undefined ? formats : formats.filter(({ name }) => name === format)

async function* ofLines(source: AsyncIterable<string>, format: string | undefined): AsyncGenerator<Read> {
  const reading = readingOf(format)
  for await (const { number: line, text } of lines(source, MAX_LINE_CHARS)) {
    if (text === undefined) yield* reading.flaw({ line, reason: `the line has more than ${MAX_LINE_CHARS} characters` })
    else if (text.trim() !== "") {
      const value = valueOfText(text.trim())
      yield* Either.isLeft(value)
        ? reading.flaw({ line, reason: value.left })
        : reading.piece({ line, list: "", value: value.right })
    }
  }
}

async function* ofDocument(source: AsyncIterable<string>, format: string | undefined): AsyncGenerator<Read> {
  const reading = readingOf(format)
  const scan = elements()
  for await (const text of source) for (const found of scan.push(text)) yield* reading.found(found)
  for (const found of scan.end()) yield* reading.found(found)
}

/** The line of an object is that of its beginning. */
function* ofOne(text: string, format: string | undefined): Generator<Read> {
  const before = text.slice(0, text.indexOf("{")).split("\n").length
  const value = valueOfText(text.replace(/^\ufeff/, "").trim())
  if (Either.isRight(value)) yield* readingOf(format).piece({ line: before, list: "", value: value.right })
}

/** What a piece is that was read elsewhere; none where it is not understood. */
export const ofPiece = (piece: Piece): ReadonlyArray<Read> => {
  for (const format of formats) {
    const rows = format.read(piece)
    if (rows !== undefined) return rows.map((row) => ({ line: piece.line, format: format.name, row }))
  }
  return []
}

const readingOf = (format: string | undefined) => {
  const known = meant(format)
  let isAnyTaken = false
  function* flaw({ line, reason }: Flaw): Generator<Read> {
    yield { line, format: format ?? "json", row: problem(reason) }
  }
  function* piece(one: Piece): Generator<Read> {
    for (const format of known) {
      const rows = format.read(one)
      if (rows === undefined) continue
      isAnyTaken = true
      for (const row of rows) yield { line: one.line, format: format.name, row }
      return
    }
    if (one.list !== ROOT || !isAnyTaken) yield* flaw({ line: one.line, reason: notUnderstood(one) })
  }
  const found = (one: Piece | Flaw) => "reason" in one ? flaw(one) : piece(one)
  return { flaw, piece, found }
}

const notUnderstood = ({ list, value }: Piece): string =>
  `it is not understood: ${
    Array.isArray(value)
      ? "a list"
      : Predicate.isRecord(value)
      ? `an object with ${namesOf(value)}`
      : value === null
      ? "null"
      : `a ${typeof value}`
  }${list === "" || list === ROOT ? "" : ` in "${readable(list)}"`}`

const MAX_NAMES = 8

const namesOf = (value: object): string => {
  const names = Object.keys(value)
  return names.length === 0
    ? "no fields"
    : names.slice(0, MAX_NAMES).map(readable).join(", ") + (names.length > MAX_NAMES ? ", …" : "")
}

/** A name of a source, fit for a line of a terminal. */
const readable = (name: string): string => name.slice(0, 64).replace(/[^\x20-\x7e\u00a0-\ud7ff]/g, "?")

const whole = async (source: AsyncIterable<string>): Promise<string> => {
  let text = ""
  for await (const part of source) {
    text += part
    if (text.length > MAX_NOTE_CHARS) {
      throw new Unreadable({ reason: `a note may have ${MAX_NOTE_CHARS} characters at most` })
    }
  }
  return text
}

/** All of a source that is here already. */
export const readAll = async (bytes: Uint8Array, how: How): Promise<ReadonlyArray<Read>> => {
  const all: Array<Read> = []
  for await (const each of read(once(bytes), how)) all.push(each)
  return all
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
