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

/** Writes the answer to a bare response. An answer without a text (204, HEAD) has no content type either. */
export const write = (response: ServerResponse, reply: Reply): void => {
  if (response.headersSent || response.destroyed) return
  head(response, reply)
  response.end(reply.body)
}

/** Writes status line and headers only. */
const head = (response: ServerResponse, { body, contentType, headers, status }: Reply): void => {
  if (body === "") response.writeHead(status, headers)
  else {
    response.writeHead(status, {
      ...headers,
      "content-type": contentType,
      "content-length": Buffer.byteLength(body)
    })
  }
}
