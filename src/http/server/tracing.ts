import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Tracer from "effect/Tracer"
import type { IncomingMessage } from "node:http"
import * as TraceContext from "../../telemetry/traceContext.js"

/** A span that ends in an answer of 500 and above has failed, although somebody is answered. */
class ServerFault extends Data.TaggedError("ServerFault")<{ readonly status: number }> {
  override get message() {
    return `answered ${this.status}`
  }
}

/** Puts the work for a request into a server span that continues the caller's trace, where it is recorded. */
export const withServerSpan = <A, E, R>(
  request: IncomingMessage,
  facts: { readonly route: string; readonly statusOf: (value: A) => number },
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.flatMap(
    Effect.all([Effect.tracer, Effect.clock]),
    ([tracer, clock]) => inSpan(request, recorded({ tracer, clock }, request, facts.route), facts.statusOf, effect)
  )

/** What makes spans. */
interface Tracing {
  readonly tracer: Tracer.Tracer
  readonly clock: Clock.Clock
}

/** A server span that has begun, and is recorded. */
export interface Recorded extends Pick<Tracing, "clock"> {
  readonly span: Tracer.Span
}

/**
 * Begins the span of a request, if it is recorded: the sampler decides by the id that it gets. Attributes are those of the
 * platform's own server span, but for queries and headers: words of a user and keys stay out of traces.
 */
export const recorded = ({ clock, tracer }: Tracing, request: IncomingMessage, route: string): Recorded | undefined => {
  const span = tracer.span(
    `http.server ${request.method}`,
    TraceContext.fromHeaders(request.headers),
    Context.empty(),
    [],
    clock.unsafeCurrentTimeNanos(),
    "server"
  )
  if (!span.sampled) return undefined
  for (const [name, value] of Object.entries(attributesOf(request, route))) span.attribute(name, value)
  return { span, clock }
}

/** Puts the work for a request into its span, and ends that. Of a request that is not recorded nothing is traced any further. */
export const inSpan = <A, E, R>(
  request: IncomingMessage,
  recorded: Recorded | undefined,
  statusOf: (value: A) => number,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  recorded === undefined
    ? Effect.withTracerEnabled(inCallersTrace(request, effect), false)
    : inRecorded(recorded, statusOf, effect)

const inRecorded = <A, E, R>(
  { clock, span }: Recorded,
  statusOf: (value: A) => number,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    let answered: Option.Option<A> = Option.none()
    return Effect.flatMap(Effect.withParentSpan(effect, span), (value) => {
      const status = statusOf(value)
      span.attribute("http.response.status_code", status)
      if (status < 500) return Effect.succeed(value)
      span.attribute("error.type", String(status))
      answered = Option.some(value)
      return Effect.fail(new ServerFault({ status }))
    }).pipe(
      Effect.onExit((exit) => Effect.sync(() => span.end(clock.unsafeCurrentTimeNanos(), exit))),
      Effect.catchAll((error) =>
        error instanceof ServerFault ? Effect.map(answered, (value) => value).pipe(Effect.orDie) : Effect.fail(error)
      )
    )
  })

/** The trace that a caller names, where nothing is recorded: it is passed on to peers, and stands in the log. */
export const inCallersTrace = <A, E, R>(
  { headers }: IncomingMessage,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  if (!isNamed(headers)) return effect
  return Option.match(TraceContext.fromHeaders(headers), {
    onNone: () => effect,
    onSome: (span) => Effect.withParentSpan(effect, span)
  })
}

/** Whether a request says in which trace it is. */
export const isNamed = (headers: IncomingMessage["headers"]): boolean => NAMING.some((name) => name in headers)

const NAMING = ["traceparent", "b3", "x-b3-traceid"]

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
