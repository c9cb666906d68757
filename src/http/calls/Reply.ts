import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Predicate from "effect/Predicate"
import type { ServerResponse } from "node:http"

/** An answer that is ready to be written: every route ends in one, whichever way the request came in. */
export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly contentType: string
  /** A text, or bytes. */
  readonly body: string | Uint8Array
}

const JSON_TYPE = "application/json"

/** A JSON answer. */
export const json = (status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Reply =>
  text(status, JSON.stringify(value), headers)

/** A JSON answer whose text is there already. */
const text = (status: number, body: string, headers: Readonly<Record<string, string>> = {}): Reply => ({
  status,
  headers,
  contentType: JSON_TYPE,
  body
})

/** The answer as the platform's router returns it. */
export const toResponse = ({ body, ...head }: Reply): HttpServerResponse.HttpServerResponse =>
  Predicate.isString(body) ? HttpServerResponse.text(body, head) : HttpServerResponse.uint8Array(body, head)

/** How long the body is on the wire. */
export const bytesOf = ({ body }: Reply): number => Predicate.isString(body) ? Buffer.byteLength(body) : body.length

/** Writes the answer to a bare response. An answer without a text (204, HEAD) has no content type either. */
export const write = (response: ServerResponse, reply: Reply, bytes: number = bytesOf(reply)): void => {
  if (response.headersSent || response.destroyed) return
  head(response, reply, bytes)
  const { body } = reply
  const { socket } = response
  if (!Predicate.isString(body) || socket === null || bytes === 0) {
    response.end(body)
    return
  }
  // One text, with the head before it, is one piece for the system; `end` alone would put an empty one behind it, and gather both.
  socket.cork()
  response.write(body, bytes === body.length ? "latin1" : "utf8")
  socket.uncork()
  response.end()
}

/** Status line and headers only, as a list: node writes that as it stands, and looks into an object name by name. */
const head = (response: ServerResponse, { contentType, headers, status }: Reply, bytes: number): void => {
  const list: Array<string> = []
  for (const [name, value] of Object.entries(headers)) list.push(name, value)
  if (bytes > 0) list.push("content-type", contentType, "content-length", String(bytes))
  response.writeHead(status, list)
}
