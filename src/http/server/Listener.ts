import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import type { Metrics } from "../../telemetry/Metrics.js"
import * as Body from "../calls/body.js"
import type { Drain } from "../calls/Drain.js"
import * as Failure from "../calls/failure.js"
import { malformed, Refused, reply, unauthorized } from "../calls/Refusal.js"
import * as Reply from "../calls/Reply.js"
import * as Routes from "../calls/routes.js"
import * as Auth from "./Auth.js"
import * as Lean from "./Lean.js"
import { withServerSpan } from "./tracing.js"

/** What a node's server does with the events of its sockets. */
export interface Listener {
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void
  /** A request that waits for a go-ahead before it sends its body. */
  readonly onExpectContinue: (request: IncomingMessage, response: ServerResponse) => void
  readonly onUnknownExpectation: (request: IncomingMessage, response: ServerResponse) => void
  /** What arrived is not HTTP. */
  readonly onUnparsable: (error: Error, socket: Duplex) => void
  /** Lets the requests that are open end their connections. */
  readonly closeAfterAnswers: () => void
}

/**
 * The first hands a request comes into, and the same for every route: what has to be refused before a route is looked at,
 * then the lean routes, then the router of the contract.
 */
export const make = (options: {
  readonly runtime: Runtime.Runtime<Lean.Requires>
  readonly router: (request: IncomingMessage, response: ServerResponse) => void
  readonly drain: Drain["Type"]
  readonly allows: Auth.Allows
  readonly metrics: Metrics["Type"]
}): Listener => {
  const { allows, drain, metrics, router, runtime } = options
  const open = new Set<ServerResponse>()
  const serveLean = leanServer(runtime, drain)

  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    const { path, query } = targetOf(request)
    const lean = Lean.find(request.method, path)
    open.add(response)
    const pattern = lean?.pattern ?? Routes.find(path)?.pattern ?? Routes.UNKNOWN
    measure(metrics, pattern, response, () => open.delete(response))
    if (drain.isDraining()) response.setHeader("connection", "close")

    if (Body.announcedTooLarge(request.headers)) {
      Body.discard(request)
      return Reply.write(response, reply(Body.tooLarge))
    }
    if (request.headers.host === undefined && request.httpVersionMinor > 0) return Reply.write(response, hostMissing)
    if (!allows({ path, query, headers: request.headers })) return Reply.write(response, reply(unauthorized))
    if (lean !== undefined) return serveLean(lean, request, response)
    request.url = query === "" ? path : `${path}?${Auth.withoutKey(query)}`
    router(request, response)
  }

  return {
    onRequest,
    onExpectContinue: (request, response) => {
      if (!Body.announcedTooLarge(request.headers)) response.writeContinue()
      onRequest(request, response)
    },
    onUnknownExpectation: (_request, response) => Reply.write(response, expectationFailed),
    onUnparsable: (error, socket) => {
      const answering = Array.from(open).some((response) => response.socket === socket && response.headersSent)
      if (socket.writable && !answering) socket.end(unparsable(error))
      else socket.destroy()
    },
    closeAfterAnswers: () => {
      for (const response of open) if (!response.headersSent) response.setHeader("connection", "close")
    }
  }
}

const hostMissing = reply(malformed("an HTTP/1.1 request must have a Host header"))
const expectationFailed = reply(new Refused({ status: 417, message: "the only expectation known is 100-continue" }))

/** Path and query of a request; a proxy may send the whole URL. */
const targetOf = (request: IncomingMessage): { readonly path: string; readonly query: string } => {
  const url = request.url ?? "/"
  const target = url.startsWith("/") ? url : url.replace(/^https?:\/\/[^/?]*/i, "") || "/"
  const at = target.indexOf("?")
  return at === -1 ? { path: target, query: "" } : { path: target.slice(0, at), query: target.slice(at + 1) }
}

/** A client that went away before its answer began. */
const CLIENT_GONE = 499

const measure = (metrics: Metrics["Type"], pattern: string, response: ServerResponse, onClose: () => void) => {
  const begin = performance.now()
  response.once("close", () => {
    onClose()
    const status = response.headersSent ? response.statusCode : CLIENT_GONE
    metrics.httpRequest(pattern, status, (performance.now() - begin) / 1000)
  })
}

/** Reads the body, runs the endpoint in one fiber, writes the answer. */
const leanServer = (runtime: Runtime.Runtime<Lean.Requires>, drain: Drain["Type"]) => {
  const runFork = Runtime.runFork(runtime)
  const traced = FiberRefs.getOrDefault(runtime.fiberRefs, FiberRef.currentTracerEnabled)

  const run = (route: Lean.LeanRoute, request: IncomingMessage, response: ServerResponse, body: Buffer) => {
    const effect = route.run({ headers: request.headers, body })
    const fiber = runFork(traced ? inSpan(route, request, effect) : effect)
    // A write goes on when its client hangs up: its commit may be under way.
    if (route.writes) drain.add(fiber)
    else response.once("close", () => fiber.unsafeInterruptAsFork(fiber.id()))
    fiber.addObserver((exit) => {
      if (Exit.isSuccess(exit)) return Reply.write(response, exit.value)
      const { reply, unexpected } = Failure.ofCause(exit.cause)
      if (Option.isSome(unexpected)) runFork(Failure.logUnexpected(unexpected.value))
      Reply.write(response, reply)
    })
  }

  return (route: Lean.LeanRoute, request: IncomingMessage, response: ServerResponse) => {
    if (!route.hasBody) return run(route, request, response, NO_BODY)
    Body.read(request, (outcome) => {
      if (Either.isRight(outcome)) run(route, request, response, outcome.right)
      else Reply.write(response, reply(outcome.left))
    })
  }
}

const NO_BODY = Buffer.alloc(0)

const inSpan = (route: Lean.LeanRoute, request: IncomingMessage, effect: ReturnType<Lean.LeanRoute["run"]>) =>
  Effect.exit(effect).pipe(
    (exits) => withServerSpan(request, { route: route.pattern, statusOf }, exits),
    Effect.flatten
  )

const statusOf = (exit: Exit.Exit<Reply.Reply, Parameters<typeof reply>[0]>): number =>
  Exit.isSuccess(exit) ? exit.value.status : Failure.ofCause(exit.cause).reply.status

/** Errors of node's parser and timers that have a status of their own. */
const STATUS_OF_CODE: Record<string, readonly [status: string, error: string]> = {
  HPE_HEADER_OVERFLOW: ["431 Request Header Fields Too Large", "the headers are too large"],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ["413 Payload Too Large", "the chunk extensions are too large"],
  ERR_HTTP_REQUEST_TIMEOUT: ["408 Request Timeout", "the request took too long to arrive"]
}

const unparsable = (error: Error): string => {
  const code = "code" in error ? String(error.code) : ""
  const [status, text] = STATUS_OF_CODE[code] ?? ["400 Bad Request", "this is not a well-formed HTTP request"]
  const body = JSON.stringify({ error: text })
  return `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${
    Buffer.byteLength(body)
  }\r\n\r\n${body}`
}
