import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import { PeerFailed } from "./Peer.js"
import { PeerTransport } from "./PeerTransport.js"

/** Bytes of an answer at most: a page of catch-up is the largest, and asks for less. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024

/** Peers over HTTP. The client carries `traceparent` and makes the client span by itself. */
export const layer: Layer.Layer<PeerTransport, never, HttpClient.HttpClient> = Layer.effect(
  PeerTransport,
  Effect.map(HttpClient.HttpClient, (client) =>
    PeerTransport.of({
      request: ({ body, headers, method, path, peer, timeout }) => {
        const base = HttpClientRequest.make(method)(`${peer.url}${path}`, { headers })
        // As bytes: undici would otherwise encode the text itself, at twice the cost of the whole request.
        const request = body === undefined
          ? base
          : HttpClientRequest.bodyUint8Array(base, Buffer.from(body), "application/json")
        const failed = (reason: PeerFailed["reason"], detail: string) =>
          new PeerFailed({ peer: peer.name, reason, detail })
        return client.execute(request).pipe(
          Effect.flatMap((response) =>
            Number(response.headers["content-length"] ?? 0) > MAX_ANSWER_BYTES
              ? Effect.succeed(null)
              : Effect.map(response.text, (text) => ({ status: response.status, body: text }))
          ),
          Effect.mapError((error) => failed("network", causeOf(error))),
          Effect.filterOrFail(Predicate.isNotNull, () => failed("malformed", "the answer is too large")),
          Effect.timeoutFail({
            duration: timeout,
            onTimeout: () => failed("timeout", `no answer to ${method} ${route(path)}`)
          })
        )
      }
    }))
)

/** The innermost reason, such as `connect ECONNREFUSED 127.0.0.1:9078`, without the URL's query. */
const causeOf = (error: { readonly cause?: unknown; readonly message: string }): string => {
  let cause: unknown = error.cause
  while (cause instanceof Error && cause.cause !== undefined) cause = cause.cause
  return cause instanceof Error ? cause.message : error.message
}

const route = (path: string) => path.split("?", 1)[0] ?? path
