import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as http from "node:http"
import * as https from "node:https"
import { lines } from "../../transfer/reading/texts.js"
import type { Target } from "../asking/exchange.js"
import { NotSent } from "./sending.js"

/** A line of an export. */
export interface Exported {
  readonly type: string
  readonly value: Readonly<Record<string, unknown>>
  readonly text: string
}

/** Without a byte for so long it is over. */
const IDLE_MILLIS = 90_000
const MAX_REFUSAL_BYTES = 64 * 1024
const MAX_LINE_CHARS = 16 * 1024 * 1024

const Line = Schema.parseJson(
  Schema.Struct({ type: Schema.String }).annotations({
    parseOptions: { onExcessProperty: "preserve" }
  })
)
const decode = Schema.decodeUnknownEither(Line)
const decodeError = Schema.decodeUnknownEither(Schema.parseJson(Schema.Struct({ error: Schema.String })))

/**
 * The lines of an export, as they come and no faster than they are taken. They end by an error where the connection is cut off: then
 * something is missing.
 */
export const download = (target: Target): Effect.Effect<AsyncGenerator<Exported>, NotSent, Scope.Scope> =>
  Effect.flatMap(
    Effect.acquireRelease(open(target), (response) => Effect.sync(() => response.destroy())),
    (response) =>
      response.statusCode === 200
        ? Effect.succeed(exported(response))
        : Effect.flatMap(Effect.promise(() => beginning(response)), (text) =>
          new NotSent({ why: refusal(response, text) }))
  )

const open = ({ headers, tls, url }: Target): Effect.Effect<http.IncomingMessage, NotSent> =>
  Effect.async((resume) => {
    const client = url.protocol === "https:" ? https : http
    const request = client.request(new URL("/api/v1/export?format=ndjson", url), {
      ...tls,
      agent: false,
      timeout: IDLE_MILLIS,
      headers
    })
    request.on("timeout", () => request.destroy(new Error(`nothing came within ${IDLE_MILLIS / 1000} s`)))
    request.on("error", (error) => {
      const problem = "code" in error ? String(error.code) : error.message
      resume(
        new NotSent({
          why: `no daemon answers at ${url.origin} (${problem}): start one with quorate serve, or name it with --url`
        })
      )
    })
    request.on("response", (response) => resume(Effect.succeed(response)))
    request.end()
    return Effect.sync(() => request.destroy())
  })

async function* exported(response: http.IncomingMessage): AsyncGenerator<Exported> {
  response.setEncoding("utf8")
  for await (const { text } of lines(response, MAX_LINE_CHARS)) {
    const read = decode(text ?? "")
    if (text === undefined || Either.isLeft(read)) throw new NotSent({ why: "a line of the export is none" })
    const { type, ...value } = read.right
    yield { type, value, text }
  }
}

const beginning = async (response: http.IncomingMessage): Promise<string> => {
  let text = ""
  response.setEncoding("utf8")
  for await (const part of response) {
    text += String(part)
    if (text.length > MAX_REFUSAL_BYTES) break
  }
  return text
}

const refusal = ({ statusCode }: http.IncomingMessage, text: string): string =>
  Either.match(decodeError(text), { onLeft: () => `the daemon answered ${statusCode}`, onRight: ({ error }) => error })
