import { type Json, parse, record, records, text } from "./json.js"
import * as Session from "./session.js"

/* The one place where this page speaks with its node. */

interface Answer {
  readonly status: number
  readonly body: Json
}

/** What was asked was not done, and why. */
export class Failed extends Error {
  readonly status: number
  readonly body: Json
  constructor(status: number, body: Json, message: string) {
    super(message)
    this.status = status
    this.body = body
  }
}

interface Ask {
  readonly method?: "GET" | "POST" | "PUT" | "DELETE"
  readonly body?: Json
  readonly headers?: Readonly<Record<string, string>>
  /** Ends what nobody waits for any more. */
  readonly signal?: AbortSignal
}

/** A write waits for a quorum, and for its turn. */
const MOST_MILLIS = 60_000

let askForKey: (wasThere: boolean) => Promise<boolean> = async () => false

/** Who asks the user for a key, when the node does: once for all that wait for one. */
export const onLocked = (ask: typeof askForKey): void => {
  askForKey = ask
}

let asking: Promise<boolean> | undefined

const unlocked = (tried: string): Promise<boolean> => {
  if (Session.key() !== tried) return Promise.resolve(true)
  asking ??= askForKey(tried !== "").finally(() => {
    asking = undefined
  })
  return asking
}

/**
 * Asks the node, below `/api/v1` unless the path begins elsewhere. Where it wants a key, the user is asked for one, and what was
 * refused is asked once more: nothing of it was done.
 */
export const ask = async (path: string, options: Ask = {}): Promise<Answer> => {
  const { response, tried } = await send(path, options)
  const source = await response.text().catch(() => "")
  if (response.status === 401) {
    if (await unlocked(tried)) return ask(path, options)
    throw new Failed(401, {}, "This node asks for a key.")
  }
  const body = record(parse(source))
  if (!response.ok) throw new Failed(response.status, body, sentence(response.status, body))
  return { status: response.status, body: Object.keys(body).length === 0 ? { text: source } : body }
}

/** A stream of the node, until the signal ends it. It is not asked for again. */
export const listen = async (path: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array> | undefined> => {
  const response = await fetch(`/api/v1${path}`, { headers: headersOf({}), signal, cache: "no-store" })
  return response.ok && response.body !== null ? response.body : undefined
}

const send = async (path: string, options: Ask) => {
  const { body, headers = {}, method = "GET", signal } = options
  const tried = Session.key()
  const deadline = AbortSignal.timeout(MOST_MILLIS)
  try {
    const response = await fetch(path.startsWith("/metrics") ? path : `/api/v1${path}`, {
      method,
      headers: headersOf({ ...headers, ...(body === undefined ? {} : { "content-type": "application/json" }) }),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      cache: "no-store",
      credentials: "same-origin",
      redirect: "error",
      signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline])
    })
    return { response, tried }
  } catch (error) {
    if (signal?.aborted === true) throw error
    throw new Failed(0, {}, deadline.aborted ? "This node did not answer in time." : "This node does not answer.")
  }
}

const headersOf = (headers: Readonly<Record<string, string>>): Record<string, string> => ({
  ...headers,
  ...(Session.key() === "" ? {} : { "x-api-key": Session.key() }),
  ...(Session.agent() === "" ? {} : { "x-agent-id": Session.agent() })
})

/** What came of it, as far as the node says. */
const sentence = (status: number, body: Json): string => {
  const error = text(body["error"])
  if (error === "quorum_not_met") {
    const silent = records(body["peers"]).filter(({ outcome }) => outcome !== "acked").length
    return `It is on the disk of this node and will reach the others, but ${String(body["got"])} of the ` +
      `${String(body["needed"])} nodes of the quorum hold it yet (${
        text(body["reason"])
      }, ${silent} without an ack). ` +
      "Try again to wait for the others: it is not written twice."
  }
  const detail = text(body["detail"])
  if (status === 403) return `Not allowed: ${ended(error)}`
  if (status === 429) return "Too many requests: try again in a moment. Nothing was done."
  if (status === 503) return `Nothing was written: ${[error, detail].filter((each) => each !== "").join(", ")}.`
  return error === "" ? `The node answered ${status}.` : ended(error)
}

const ended = (sentence: string): string => sentence.endsWith(".") ? sentence : `${sentence}.`

/** A query, of what is not empty. */
export const query = (parameters: Readonly<Record<string, string | number>>): string => {
  const given = Object.entries(parameters).filter(([, value]) => value !== "").map(([name, value]) => [
    name,
    String(value)
  ])
  return given.length === 0 ? "" : `?${new URLSearchParams(given).toString()}`
}

/** What goes into a path. */
export const segment = (value: string | number): string => encodeURIComponent(value)
