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
import type { IncomingHttpHeaders } from "node:http"
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

const exchange = (dispatcher: Dispatcher, request: Request): Effect.Effect<PeerAnswer, PeerFailed> =>
  Effect.timeoutFail(dispatched(dispatcher, request), {
    duration: Duration.decode(request.timeout),
    onTimeout: () =>
      new PeerFailed({
        peer: request.peer.name,
        reason: "timeout",
        detail: `no answer to ${request.method} ${route(request.path)}`
      })
  })

/**
 * One request, by the dispatcher itself: a promise and a stream of the answer around it cost several times as much. Whatever comes
 * after its end changes nothing.
 */
const dispatched = (dispatcher: Dispatcher, request: Request): Effect.Effect<PeerAnswer, PeerFailed> =>
  Effect.async((resume) => {
    const { body, bytes = false, headers, maxAnswerBytes = MAX_ANSWER_BYTES, method, path, peer } = request
    const failed = (reason: PeerFailed["reason"], detail: string) =>
      Effect.fail(new PeerFailed({ peer: peer.name, reason, detail }))
    const { origin, prefix } = baseOf(peer)
    let isOver = false
    let begun: Dispatcher.DispatchController | undefined
    const end = (answer: Effect.Effect<PeerAnswer, PeerFailed>) => {
      if (isOver) return
      isOver = true
      resume(answer)
    }
    const giveUp = () => {
      isOver = true
      begun?.abort(GIVEN_UP)
    }
    const tooLarge = () => {
      end(failed("malformed", "the answer is too large"))
      giveUp()
    }
    const onError = (cause: unknown) => end(failed(isUnsendable(cause) ? "refused" : "network", messageOf(cause)))
    const answer = answering(maxAnswerBytes, tooLarge)
    try {
      dispatcher.dispatch({
        origin,
        path: `${prefix}${path}`,
        method,
        headers: body === undefined ? headers : { ...headers, "content-type": "application/json" },
        // As bytes: undici would otherwise encode the text itself, at twice the cost of the whole request.
        body: body === undefined ? null : Buffer.from(body)
      }, {
        onRequestStart: (controller) => {
          if (isOver) return controller.abort(GIVEN_UP)
          begun = controller
        },
        onResponseStart: (_, status, given) => answer.begin(status, given),
        onResponseData: (_, chunk) => answer.add(chunk),
        onResponseEnd: () => end(Effect.succeed(answer.whole(bytes ? "latin1" : "utf8"))),
        onResponseError: (_, cause) => onError(cause)
      })
    } catch (cause) {
      onError(cause)
    }
    return Effect.sync(giveUp)
  })

const GIVEN_UP = new Error("nobody waits for it any more")

/** Where a peer is reached, taken apart once. */
const baseOf = (peer: Request["peer"]): Base => {
  const known = bases.get(peer)
  if (known !== undefined) return known
  const { origin, pathname } = new URL(peer.url)
  const base = { origin, prefix: pathname === "/" ? "" : pathname }
  bases.set(peer, base)
  return base
}

interface Base {
  readonly origin: string
  readonly prefix: string
}

const bases = new WeakMap<Request["peer"], Base>()

/** Puts an answer together, as far as it is not too large. Its announced length may be missing, or a lie. */
const answering = (maxBytes: number, tooLarge: () => void) => {
  const chunks: Array<Buffer> = []
  let bytes = 0
  let status = 0
  let headers: IncomingHttpHeaders = {}
  return {
    begin: (said: number, given: IncomingHttpHeaders) => {
      status = said
      headers = given
      if (said >= 200 && Number(given["content-length"] ?? 0) > maxBytes) tooLarge()
    },
    add: (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > maxBytes) tooLarge()
      else chunks.push(chunk)
    },
    whole: (encoding: "latin1" | "utf8"): PeerAnswer => {
      const [first] = chunks
      const all = chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, bytes)
      return { status, body: all.toString(encoding), headers: Record.filter(headers, Predicate.isString) }
    }
  }
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
