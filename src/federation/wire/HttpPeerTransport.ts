import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as HttpTraceContext from "@effect/platform/HttpTraceContext"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Record from "effect/Record"
import * as Tracer from "effect/Tracer"
import { type Dispatcher, errors } from "undici"
import * as TraceContext from "../../telemetry/traceContext.js"
import { PeerFailed } from "./Peer.js"
import { type PeerAnswer, PeerTransport } from "./PeerTransport.js"

/** Bytes of an answer at most, unless the request expects more: a page of catch-up asks for less. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024

type Request = Parameters<PeerTransport["Type"]["request"]>[0]

/**
 * Peers over HTTP. Straight on undici's dispatcher: a push is sent for every few dozen writes, and the platform's
 * client costs three times as much around the same call. What that client adds, the span and its `traceparent`, is made
 * here.
 */
export const layer: Layer.Layer<PeerTransport, never, NodeHttpClient.Dispatcher> = Layer.effect(
  PeerTransport,
  Effect.map(NodeHttpClient.Dispatcher, (dispatcher) =>
    PeerTransport.of({
      request: (request) =>
        Effect.withFiberRuntime((fiber) =>
          fiber.getFiberRef(FiberRef.currentTracerEnabled)
            ? inSpan(dispatcher, request)
            : exchange(dispatcher, passingOn(request, fiber.currentContext))
        )
    }))
)

/** What a caller says of its trace goes on to the peer also where nothing is recorded. */
const passingOn = (request: Request, context: Context.Context<never>): Request => {
  const parent = Option.getOrNull(Context.getOption(context, Tracer.ParentSpan))
  return parent?._tag === "ExternalSpan"
    ? { ...request, headers: { ...request.headers, traceparent: TraceContext.traceparentOf(parent) } }
    : request
}

const inSpan = (dispatcher: Dispatcher, request: Request) =>
  Effect.useSpan(`http.client ${request.method}`, {
    kind: "client",
    captureStackTrace: false,
    attributes: {
      "http.request.method": request.method,
      "server.address": request.peer.name,
      "url.path": route(request.path)
    }
  }, (span) =>
    exchange(dispatcher, {
      ...request,
      headers: { ...request.headers, ...HttpTraceContext.toHeaders(span) }
    }).pipe(
      Effect.tap(({ status }) => Effect.sync(() => span.attribute("http.response.status_code", status)))
    ))

const exchange = (dispatcher: Dispatcher, request: Request): Effect.Effect<PeerAnswer, PeerFailed> => {
  const { body, bytes = false, headers, maxAnswerBytes = MAX_ANSWER_BYTES, method, path, peer, timeout } = request
  const failed = (reason: PeerFailed["reason"], detail: string) => new PeerFailed({ peer: peer.name, reason, detail })
  const base = new URL(peer.url)
  return Effect.tryPromise({
    try: async (signal): Promise<PeerAnswer | null> => {
      const response = await dispatcher.request({
        origin: base.origin,
        path: `${base.pathname === "/" ? "" : base.pathname}${path}`,
        method,
        headers: body === undefined ? headers : { ...headers, "content-type": "application/json" },
        // As bytes: undici would otherwise encode the text itself, at twice the cost of the whole request.
        body: body === undefined ? null : Buffer.from(body),
        signal
      })
      const answer = await bounded(response, maxAnswerBytes)
      if (answer === null) return null
      const text = answer.toString(bytes ? "latin1" : "utf8")
      return { status: response.statusCode, body: text, headers: Record.filter(response.headers, Predicate.isString) }
    },
    catch: (cause) => failed(isUnsendable(cause) ? "refused" : "network", messageOf(cause))
  }).pipe(
    Effect.flatMap((answer) =>
      answer === null ? failed("malformed", "the answer is too large") : Effect.succeed(answer)
    ),
    Effect.timeoutFail({
      duration: Duration.decode(timeout),
      onTimeout: () => failed("timeout", `no answer to ${method} ${route(path)}`)
    })
  )
}

/** The whole answer; null when it is larger, of which no more is read. Its announced length may be missing, or a lie. */
const bounded = async (
  { body, headers }: Dispatcher.ResponseData,
  maxBytes: number
): Promise<Buffer | null> => {
  const chunks: Array<Buffer> = []
  let bytes = Number(headers["content-length"] ?? 0) > maxBytes ? Number.POSITIVE_INFINITY : 0
  if (bytes === 0) {
    for await (const chunk of body) {
      const part = Buffer.from(chunk)
      bytes += part.length
      if (bytes > maxBytes) break
      chunks.push(part)
    }
  }
  if (bytes <= maxBytes) return Buffer.concat(chunks)
  body.on("error", () => {}).destroy()
  return null
}

/** What HTTP has no form for: nothing was sent, and nothing is wrong with the way to the peer. */
const isUnsendable = (cause: unknown): boolean => cause instanceof errors.InvalidArgumentError

/** The innermost reason, such as `connect ECONNREFUSED 127.0.0.1:9078`. */
const messageOf = (cause: unknown): string => {
  let inner = cause
  while (inner instanceof Error && inner.cause !== undefined) inner = inner.cause
  return inner instanceof Error ? inner.message : String(inner)
}

const route = (path: string) => path.split("?", 1)[0] ?? path
