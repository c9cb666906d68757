import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import { MAX_BODY_BYTES } from "../../domain/limits.js"
import { type Broken, exchange, type Target, Unreachable } from "../asking/exchange.js"
import { type Line, lines } from "./lines.js"

/*
 * Messages of the Model Context Protocol, from a client's lines to the daemon and back. What they mean is the daemon's business:
 * nothing is kept here but the version that a client of the older era has agreed on, and what it waits for.
 */

interface Options {
  readonly target: Target
  /** With the parameters of its query. */
  readonly path: string
  readonly input: AsyncIterable<Buffer>
  readonly write: (line: string) => Effect.Effect<void>
  /** What is done when nobody listens, before the message is sent once more. */
  readonly revive: Effect.Effect<void, Unreachable>
}

type Message = { readonly [name: string]: unknown }

/** Messages that wait for their answers at the same time. */
const MOST_AT_ONCE = 64

/** Until the input ends, and everything is answered. */
export const run = ({ input, path, revive, target, write }: Options): Effect.Effect<void> => {
  const waiting = new Map<unknown, Deferred.Deferred<void>>()
  let version: string | undefined

  const send = (message: Message) => {
    const text = JSON.stringify(message)
    const headers = { ...FORMS, ...headersOf(message, version) }
    const sent = exchange(target, { method: "POST", path, headers }, text)
    return Effect.catchTag(sent, "Unreachable", () => Effect.zipRight(revive, sent))
  }

  /** Each answer is a line; one that was cancelled has none. */
  const ask = (message: Message, id: unknown) =>
    Effect.gen(function*() {
      const cancelled = yield* Deferred.make<void>()
      waiting.set(id, cancelled)
      const answered = send(message).pipe(
        Effect.map(({ contentType, status, text }) => messagesOf(contentType, text, id, status)),
        Effect.catchAll((error) => Effect.succeed([failure(id, told(error, target))])),
        Effect.map(Option.some)
      )
      const answers = yield* Effect.raceFirst(answered, Effect.as(Deferred.await(cancelled), Option.none()))
      for (const answer of Option.getOrElse(answers, () => [])) {
        if (message["method"] === "initialize") version = agreedOn(answer) ?? version
        yield* write(JSON.stringify(answer))
      }
    }).pipe(Effect.ensuring(Effect.sync(() => waiting.delete(id))))

  const take = (line: Line): Effect.Effect<void> => {
    if ("isTooLong" in line) return refuse(null, `a message may have ${MAX_BODY_BYTES} bytes at most`)
    if (line.text.trim() === "") return Effect.void
    const message = parse(line.text)
    if (message === undefined) return refuse(null, "a line must be one message of JSON-RPC")
    const { id, method } = message
    // An answer to something that no daemon asks.
    if (!Predicate.isString(method)) return Effect.void
    if (method === "notifications/cancelled") return cancel(message)
    return id === undefined ? Effect.ignore(send(message)) : ask(message, id)
  }

  const refuse = (id: unknown, text: string) => write(JSON.stringify(failure(id, text, INVALID_REQUEST)))

  const cancel = ({ params }: Message) => {
    const cancelled = Predicate.isRecord(params) ? waiting.get(params["requestId"]) : undefined
    return cancelled === undefined ? Effect.void : Effect.asVoid(Deferred.succeed(cancelled, undefined))
  }

  return Stream.fromAsyncIterable(lines(input, MAX_BODY_BYTES), () => undefined).pipe(
    Stream.mapEffect(take, { concurrency: MOST_AT_ONCE, unordered: true }),
    Stream.runDrain,
    // An input that can not be read any more has ended.
    Effect.ignore
  )
}

const FORMS = { "content-type": "application/json", accept: "application/json, text/event-stream" }

const VERSION = "io.modelcontextprotocol/protocolVersion"

/** What stands in a message and is said in its head as well, so that what is in between need not read it. */
const headersOf = ({ method, params }: Message, agreed: string | undefined): Record<string, string> => {
  const fields = Predicate.isRecord(params) ? params : {}
  const meta = Predicate.isRecord(fields["_meta"]) ? fields["_meta"] : {}
  const version = meta[VERSION]
  if (!Predicate.isString(version)) return agreed === undefined ? {} : { "mcp-protocol-version": agreed }
  const name = fields[method === "resources/read" ? "uri" : "name"]
  return {
    "mcp-protocol-version": ofHeader(version),
    "mcp-method": ofHeader(String(method)),
    ...(NAMED.has(String(method)) && Predicate.isString(name) ? { "mcp-name": ofHeader(name) } : {})
  }
}

const NAMED: ReadonlySet<string> = new Set(["tools/call", "prompts/get", "resources/read"])

/** As the protocol writes in a header what that can not carry as it is. */
const ofHeader = (text: string): string =>
  /^(?!=\?base64\?)[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(text)
    ? text
    : `=?base64?${Buffer.from(text, "utf8").toString("base64")}?=`

const parse = (text: string): Message | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return Predicate.isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** The messages of an answer over HTTP; where it has none, what is wrong becomes one. */
const messagesOf = (contentType: string, text: string, id: unknown, status: number): ReadonlyArray<Message> => {
  const texts = contentType.startsWith("text/event-stream") ? eventsOf(text) : [text]
  const messages = texts.map(parse).filter((message) => message !== undefined)
  const found = messages.filter(({ jsonrpc }) => jsonrpc !== undefined)
  if (found.length > 0) return found.map((message) => message["id"] === null ? { ...message, id } : message)
  const said = messages.map(({ error }) => error).find(Predicate.isString) ?? `it answered with status ${status}`
  return [failure(id, status === 401 ? `${said}: give one with --api-key-file or QUORATE_API_KEY` : said)]
}

/** The data of server-sent events. */
const eventsOf = (text: string): ReadonlyArray<string> =>
  text.split(/\r?\n\r?\n/).flatMap((event) => {
    const data = event.split(/\r?\n/).flatMap((line) => line.startsWith("data:") ? [line.slice(5).trimStart()] : [])
    return data.length === 0 ? [] : [data.join("\n")]
  })

const agreedOn = ({ result }: Message): string | undefined => {
  const version = Predicate.isRecord(result) ? result["protocolVersion"] : undefined
  return Predicate.isString(version) ? version : undefined
}

const INVALID_REQUEST = -32600
const SERVER_ERROR = -32000

const failure = (id: unknown, message: string, code = SERVER_ERROR): Message => ({
  jsonrpc: "2.0",
  id,
  error: { code, message }
})

const told = (error: Unreachable | Broken, { url: { origin } }: Target): string =>
  error instanceof Unreachable
    ? `no daemon answers at ${origin} (${error.problem}): nothing was done. Start one with quorate serve, or let quorate mcp ` +
      "--ensure do it, then try again"
    : `the daemon at ${origin} was cut off (${error.problem}) before it answered, and may have done it: look before you ` +
      "try again"
