import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as http from "node:http"
import * as https from "node:https"

/** Where a daemon is, what is said with each request, and how TLS goes with it. */
export interface Target {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly tls: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer }
}

interface Answer {
  readonly status: number
  readonly contentType: string
  readonly text: string
}

/** Nothing was sent: nobody listens there. */
export class Unreachable extends Data.TaggedError("Unreachable")<{ readonly problem: string }> {}

/** The connection ended before the answer was there. What was asked for may have been done. */
export class Broken extends Data.TaggedError("Broken")<{ readonly problem: string }> {}

/** Longer than a node takes for any call. */
const LONGEST_MILLIS = 90_000
/** More is no answer of a node. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024

/** One request on a connection of its own: on one that is kept nobody could tell whether a restart came before it or after. */
export const exchange = (
  { headers, tls, url }: Target,
  request: {
    readonly method: "GET" | "POST" | "PUT" | "DELETE"
    readonly path: string
    readonly headers?: Readonly<Record<string, string>>
  },
  body?: string | Uint8Array
): Effect.Effect<Answer, Unreachable | Broken> =>
  Effect.async((resume) => {
    let isConnected = false
    const client = url.protocol === "https:" ? https : http
    const sent = client.request(new URL(request.path, url), {
      ...tls,
      method: request.method,
      agent: false,
      timeout: LONGEST_MILLIS,
      headers: {
        ...headers,
        ...request.headers,
        ...(body === undefined ? {} : { "content-length": Buffer.byteLength(body) })
      }
    })
    const fail = (error: Error) => {
      const problem = "code" in error ? String(error.code) : error.message
      resume(isConnected ? new Broken({ problem }) : new Unreachable({ problem }))
    }
    sent.on("socket", (socket) =>
      socket.once(url.protocol === "https:" ? "secureConnect" : "connect", () => isConnected = true))
    sent.on("timeout", () =>
      sent.destroy(new Error(`no answer within ${LONGEST_MILLIS / 1000} s`)))
    sent.on("error", fail)
    sent.on("response", (response) => {
      const parts: Array<Buffer> = []
      let bytes = 0
      response.on("data", (part: Buffer) => {
        parts.push(part)
        bytes += part.length
        if (bytes > MAX_ANSWER_BYTES) sent.destroy(new Error("its answer is too long"))
      })
      response.on("error", fail)
      response.on("end", () =>
        resume(Effect.succeed({
          status: response.statusCode ?? 0,
          contentType: response.headers["content-type"] ?? "",
          text: Buffer.concat(parts).toString("utf8")
        })))
    })
    sent.end(body)
    return Effect.sync(() => sent.destroy())
  })
