import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import { isUtf8 } from "node:buffer"
import type { IncomingHttpHeaders, IncomingMessage } from "node:http"
import {
  MAX_BODY_BYTES,
  MAX_BODY_ITEMS,
  MAX_IMPORTED,
  MAX_JSON_DEPTH,
  MAX_JSON_FIELDS,
  MAX_METADATA_BYTES
} from "../../domain/limits.js"
import { NDJSON_TYPE } from "../contract/parts.js"
import { invalid, malformed, Refused } from "./Refusal.js"

const tooLarge: Refused = new Refused({
  status: 413,
  message: `the body may have ${MAX_BODY_BYTES} bytes at most`
})

/** Refuses a request that says its body is too large, before any of it is read. */
export const announcedTooLarge = (headers: IncomingHttpHeaders): Refused | undefined =>
  Number(headers["content-length"] ?? 0) > MAX_BODY_BYTES ? tooLarge : undefined

/** How much of a body may come: what is announced, or as much as is read at all. */
export const mostBytes = (headers: IncomingHttpHeaders): number =>
  headers["transfer-encoding"] === undefined ? Number(headers["content-length"] ?? 0) : MAX_BODY_BYTES

/**
 * Reads a body into memory, and no more of it than is allowed. Calls back once: never when the client went away, for
 * then nobody waits for an answer.
 */
export const read = (request: IncomingMessage, done: (outcome: Either.Either<Buffer, Refused>) => void): void => {
  const chunks: Array<Buffer> = []
  let bytes = 0
  const onData = (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= MAX_BODY_BYTES) {
      chunks.push(chunk)
      return
    }
    request.off("data", onData)
    request.off("end", onEnd)
    discard(request)
    done(Either.left(tooLarge))
  }
  const onEnd = () => {
    const [first] = chunks
    done(Either.right(chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, bytes)))
  }
  request.on("data", onData)
  request.on("end", onEnd)
  request.on("error", ignore)
}

/** How much of a refused body is dropped, and for how long, before the connection is cut. */
const MAX_DISCARDED_BYTES = 8 * 1024 * 1024
const MAX_DISCARD_MILLIS = 1000

/**
 * Drops what is left of a refused body. Cutting the connection at once would reset it, and take the answer from a client
 * that is still sending.
 */
export const discard = (request: IncomingMessage): void => {
  let bytes = 0
  const timer = setTimeout(() => request.destroy(), MAX_DISCARD_MILLIS)
  const stop = () => clearTimeout(timer)
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > MAX_DISCARDED_BYTES) request.destroy()
  })
  request.on("end", stop)
  request.on("close", stop)
  request.on("error", ignore)
  request.resume()
}

/** `read` as an effect. */
export const readEffect = (request: IncomingMessage): Effect.Effect<Buffer, Refused> =>
  Effect.async((resume) => read(request, (outcome) => resume(outcome)))

/** The body of a JSON route as a value: the right content type, plain, UTF-8, JSON, and not too deep. */
export const parse = (headers: IncomingHttpHeaders, body: Buffer): Either.Either<unknown, Refused> => {
  if (!isJson(headers["content-type"])) return Either.left(wrongType)
  return Either.flatMap(textOf(headers, body), parseShallow)
}

/** A body as a text, without the mark that some editors begin one with. */
const textOf = (headers: IncomingHttpHeaders, body: Buffer): Either.Either<string, Refused> => {
  const coding = headers["content-encoding"]?.trim().toLowerCase() ?? "identity"
  if (coding !== "identity" && coding !== "") return Either.left(encoded)
  if (!isUtf8(body)) return Either.left(notUtf8)
  const text = body.toString("utf8")
  return Either.right(text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text)
}

const BYTE_ORDER_MARK = "\ufeff"

/** The body of a route that takes a text of this type, when it has that content type. */
export const text = (
  headers: IncomingHttpHeaders,
  body: Buffer,
  type: string
): Either.Either<string, Refused> | undefined =>
  mimeOf(headers["content-type"]) === type ? textOf(headers, body) : undefined

/** A line of the body that is not blank, by its number from 1. */
export interface Line {
  readonly number: number
  readonly value: Either.Either<unknown, Refused>
}

/** The body of a route that takes lines of JSON, when it has that content type. */
export const lines = (
  headers: IncomingHttpHeaders,
  body: Buffer
): Either.Either<ReadonlyArray<Line>, Refused> | undefined => {
  if (mimeOf(headers["content-type"]) !== NDJSON_TYPE) return undefined
  return Either.flatMap(textOf(headers, body), linesOf)
}

/** Lines that are not blank are counted before any of them is read. */
const linesOf = (text: string): Either.Either<ReadonlyArray<Line>, Refused> => {
  const found: Array<readonly [number: number, text: string]> = []
  for (let from = 0, number = 1; from <= text.length; number++) {
    const end = text.indexOf("\n", from)
    const line = text.slice(from, end === -1 ? text.length : end)
    from = end === -1 ? text.length + 1 : end + 1
    if (line.trim() === "") continue
    if (found.length === MAX_LINES) return Either.left(invalid("lines", `lines must be at most ${MAX_LINES}`))
    found.push([number, line])
  }
  return Either.right(found.map(([number, line]) => ({ number, value: parseShallow(line) })))
}

/** As many memories and as many links as an import may have. */
const MAX_LINES = 2 * MAX_IMPORTED

/**
 * Refuses a body with a list that is longer than any may be, before anything of it is taken apart: the body itself, a list in
 * it, its fields and those of its rows, their tags and metadata.
 */
export const checkCounts = (value: unknown): Either.Either<void, Refused> => {
  const rows = Array.isArray(value) ? { memories: value } : Predicate.isRecord(value) ? value : {}
  const refused = refusedFields(rows, "")
  if (refused !== undefined) return Either.left(refused)
  for (const [field, list] of Object.entries(rows)) {
    if (!Array.isArray(list)) continue
    if (list.length > MAX_BODY_ITEMS) return Either.left(tooMany(field))
    for (const [index, row] of list.entries()) {
      const refused = refusedFields(row, `${field}[${index}].`)
      if (refused !== undefined) return Either.left(refused)
    }
  }
  return Either.void
}

const refusedFields = (row: unknown, at: string): Refused | undefined => {
  if (!Predicate.isRecord(row)) return undefined
  if (Object.keys(row).length > MAX_BODY_ITEMS) return tooMany(`${at}fields`)
  const { metadata, tags } = row
  if (Array.isArray(tags) && tags.length > MAX_BODY_ITEMS) return tooMany(`${at}tags`)
  return isWide(metadata)
    ? invalid("metadata", `${at}metadata must be at most ${MAX_METADATA_BYTES} bytes as JSON`)
    : undefined
}

/** Whether a value has more parts than so many bytes of JSON can; no more of them is looked at than can be. */
const isWide = (value: unknown): boolean => {
  let left = MAX_METADATA_BYTES / 2
  const todo: Array<unknown> = [value]
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const parts: ReadonlyArray<unknown> = Array.isArray(next)
      ? next
      : Predicate.isRecord(next)
      ? Object.values(next)
      : []
    left -= parts.length
    if (left < 0) return true
    for (const part of parts) if (typeof part === "object" && part !== null) todo.push(part)
  }
  return false
}

const tooMany = (field: string) => invalid(field, `${field} must be at most ${MAX_BODY_ITEMS}`)

const ignore = () => {}

const notUtf8 = malformed("the body is not UTF-8")

const encoded = new Refused({
  status: 415,
  message: "the body must be sent as it is, without a content coding such as gzip",
  headers: { "accept-encoding": "identity" }
})

const wrongType = new Refused({ status: 415, message: "the content type must be application/json" })

/** The form nearly every request has is found without taking it apart. */
const isJson = (contentType: string | undefined): boolean => {
  if (contentType === "application/json") return true
  const mime = mimeOf(contentType)
  return mime === "application/json" || (mime.startsWith("application/") && mime.endsWith("+json"))
}

const mimeOf = (contentType: string | undefined): string => (contentType?.split(";", 1)[0] ?? "").trim().toLowerCase()

const parseShallow = (text: string): Either.Either<unknown, Refused> => {
  const { deepest, widest } = shapeOf(text)
  if (deepest > MAX_JSON_DEPTH) {
    return Either.left(malformed(`the JSON may be nested ${MAX_JSON_DEPTH} levels deep at most`))
  }
  return widest > MAX_JSON_FIELDS
    ? Either.left(malformed(`an object of the JSON may have ${MAX_JSON_FIELDS} fields at most`))
    : parseText(text)
}

const parseText = (text: string): Either.Either<unknown, Refused> => {
  try {
    const value: unknown = JSON.parse(text)
    return Either.right(value)
  } catch {
    return Either.left(malformed(text === "" ? "the body is empty, not JSON" : "the body is not valid JSON"))
  }
}

interface Shape {
  /** How deep it is nested. */
  readonly deepest: number
  /** How many fields the largest of its objects has. */
  readonly widest: number
}

/** Few texts have enough brackets or colons to be too much, and counting them is far cheaper than following them. */
const shapeOf = (text: string): Shape =>
  occurrences(text, "[", "{") > MAX_JSON_DEPTH || occurrences(text, ":") > MAX_JSON_FIELDS
    ? followed(text)
    : { deepest: 0, widest: 0 }

const occurrences = (text: string, ...characters: ReadonlyArray<string>): number => {
  let count = 0
  for (const character of characters) {
    for (let at = text.indexOf(character); at !== -1; at = text.indexOf(character, at + 1)) count++
  }
  return count
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a

/** No further than to where it is too much. */
const followed = (text: string): Shape => {
  let deepest = 0
  let widest = 0
  let quoted = false
  /** Of the objects and lists that are open, how many fields each has so far. */
  const open: Array<number> = []
  for (let at = 0; at < text.length && deepest <= MAX_JSON_DEPTH && widest <= MAX_JSON_FIELDS; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) quoted = !quoted
    else if (quoted) at += code === BACKSLASH ? 1 : 0
    else if (code === 0x5b || code === 0x7b) deepest = Math.max(deepest, open.push(0))
    else if (code === 0x5d || code === 0x7d) open.pop()
    else if (code === COLON) widest = Math.max(widest, counted(open))
  }
  return { deepest, widest }
}

/** One field more of the innermost object. */
const counted = (open: Array<number>): number => {
  const last = open.length - 1
  const count = (open[last] ?? 0) + 1
  if (last >= 0) open[last] = count
  return count
}
