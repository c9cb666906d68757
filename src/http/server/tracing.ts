import * as Headers from "@effect/platform/Headers"
import * as HttpTraceContext from "@effect/platform/HttpTraceContext"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { IncomingMessage } from "node:http"

/**
 * Puts the work for a request into a server span that continues the caller's trace. Attributes are those of the platform's
 * own server span, but for queries and headers: words of a user and keys stay out of traces.
 */
export const withServerSpan = <A, E, R>(
  request: IncomingMessage,
  facts: { readonly route: string; readonly statusOf: (value: A) => number },
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.useSpan(
    `http.server ${request.method}`,
    {
      parent: Option.getOrUndefined(HttpTraceContext.fromHeaders(Headers.fromInput(request.headers))),
      kind: "server",
      captureStackTrace: false,
      attributes: attributesOf(request, facts.route)
    },
    (span) =>
      Effect.withParentSpan(effect, span).pipe(
        Effect.tap((value) => span.attribute("http.response.status_code", facts.statusOf(value)))
      )
  )

const attributesOf = (request: IncomingMessage, route: string): Record<string, unknown> => {
  const scheme = "encrypted" in request.socket ? "https" : "http"
  const path = (request.url ?? "/").split("?", 1)[0]
  const userAgent = request.headers["user-agent"]
  return {
    "http.request.method": request.method,
    "http.route": route,
    "url.full": `${scheme}://${request.headers.host ?? "localhost"}${path}`,
    "url.path": path,
    "url.scheme": scheme,
    ...(userAgent === undefined ? {} : { "user_agent.original": userAgent }),
    ...(request.socket.remoteAddress === undefined ? {} : { "client.address": request.socket.remoteAddress })
  }
}
