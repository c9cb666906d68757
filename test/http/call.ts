import * as Contracted from "./contracted.js"
import type { Node } from "./node.js"

export interface Answered {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The JSON of the answer, as far as it is an object. */
  readonly body: Readonly<Record<string, unknown>>
}

export type Send = (
  method: string,
  path: string,
  options?: {
    /** Sent as JSON; a text as it is. */
    readonly body?: unknown
    readonly headers?: Readonly<Record<string, string>>
  }
) => Promise<Answered>

/**
 * Sends requests to the client routes of a node, by their path below `/api/v1`. Fails when a success is not what the contract
 * says.
 */
export const to = (node: Pick<Node, "url">): Send => async (method, path, { body, headers = {} } = {}) => {
  const response = await fetch(`${node.url}/api/v1${path}`, {
    method,
    headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) })
  })
  const text = await response.text()
  const contentType = response.headers.get("content-type") ?? undefined
  Contracted.check({ method, path: `/api/v1${path}` }, { status: response.status, contentType, text })
  return { status: response.status, headers: response.headers, text, body: recordOf(text) }
}

const recordOf = (text: string): Record<string, unknown> => {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : {}
  } catch {
    return {}
  }
}

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The objects of a list in an answer. */
export const rows = (answered: Pick<Answered, "body">, field: string): ReadonlyArray<Record<string, unknown>> => {
  const list = answered.body[field]
  return Array.isArray(list) ? list.filter(isRecord) : []
}
