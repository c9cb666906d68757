import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import { reachOf } from "../../access/ApiKey.js"
import type { AuditLog } from "../../telemetry/AuditLog.js"
import type { Metrics } from "../../telemetry/Metrics.js"
import * as Body from "../calls/body.js"
import type { Budgets } from "../calls/Budget.js"
import * as Call from "../calls/Call.js"
import * as Claims from "../calls/claims.js"
import type { Drain } from "../calls/Drain.js"
import * as Failure from "../calls/failure.js"
import type * as Freshness from "../calls/Freshness.js"
import { draining, malformed, overloaded, type Refusal, Refused, reply, routeNotFound } from "../calls/Refusal.js"
import * as Reply from "../calls/Reply.js"
import * as Routes from "../calls/routes.js"
import * as Senders from "../calls/senders.js"
import type { Need } from "../contract/access.js"
import * as Auth from "./Auth.js"
import type * as Certificates from "./certificates.js"
import * as Lean from "./Lean.js"
import type { Passes } from "./Passes.js"
import * as Rates from "./Rates.js"
import type { Site } from "./Site.js"
import type { SlowReaders } from "./SlowReaders.js"
import * as Tracing from "./tracing.js"
import * as Turns from "./Turns.js"

/** What a node's server does with the events of its sockets. */
export interface Listener {
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void
  /** A request that waits for a go-ahead before it sends its body. */
  readonly onExpectContinue: (request: IncomingMessage, response: ServerResponse) => void
  readonly onUnknownExpectation: (request: IncomingMessage, response: ServerResponse) => void
  /** What arrived is not HTTP. */
  readonly onUnparsable: (error: Error, socket: Duplex) => void
  /** The connections on which a request is under way. */
  readonly asking: () => ReadonlyArray<Socket>
  /** Lets the requests that are open end their connections. */
  readonly closeAfterAnswers: () => void
}

interface Options {
  readonly runtime: Runtime.Runtime<Lean.Requires>
  readonly router: (request: IncomingMessage, response: ServerResponse) => void
  readonly drain: Drain["Type"]
  readonly budgets: Budgets["Type"]
  readonly site: Site
  /** What has to be heard of before a request is answered; null where that is nothing. */
  readonly fresh: Freshness.Fresh | null
  readonly slowReaders: SlowReaders
  /** Whether a route is served here, by what it needs. */
  readonly serves: (need: Need | undefined) => boolean
  readonly enter: Auth.Enter
  readonly certify: Certificates.Certify
  readonly passes: Passes
  readonly take: Rates.Take
  readonly metrics: Metrics["Type"]
  readonly audit: AuditLog["Type"]
}

/**
 * The first hands a request comes into, and the same for every route: what has to be refused before a route is looked at,
 * then the lean routes, then the router of the contract. Requests of one connection come one after the other.
 */
export const make = (options: Options): Listener => {
  const { budgets, certify, drain, metrics, serves, site, slowReaders } = options
  const admit = admission(options)
  const open = new Set<ServerResponse>()
  const turns = Turns.make()
  const answer = answering(options)

  /** Answers what is to be done when its answer is over. */
  const begin = (request: IncomingMessage, response: ServerResponse, goAhead: GoAhead): () => void => {
    const { path, query } = targetOf(request)
    // What they do not know of is for the router to remark upon.
    const lean = Auth.withoutKey(query) === "" ? Lean.find(request.method, path) : undefined
    open.add(response)
    slowReaders.add(response)
    const route = lean === undefined ? Routes.find(path, request.method) : undefined
    const pattern = lean?.pattern ?? route?.pattern ?? Routes.UNKNOWN
    const begun = performance.now()
    serve({ request, response, goAhead, path, query, lean, route, pattern })
    return () => {
      open.delete(response)
      slowReaders.remove(response)
      const status = response.headersSent ? response.statusCode : CLIENT_GONE
      metrics.httpRequest(pattern, status, (performance.now() - begun) / 1000)
    }
  }

  const serve = (found: Found) => {
    const { goAhead, lean, path, pattern, query, request, response, route } = found
    if (drain.isDraining()) response.setHeader("connection", "close")

    const isPreflight = site.allow(request, response)
    const need = lean?.need ?? route?.needs.get(request.method ?? "")
    const certified = certify(request, need)
    const isCertified = Either.getOrElse(certified, () => false)
    const refused = malformedHead(request) ?? site.refusal(request) ??
      (serves(need) ? undefined : routeNotFound) ??
      Option.getOrUndefined(Either.getLeft(certified)) ??
      (isPreflight || isCertified
        ? undefined
        : admit({ query, headers: request.headers, need, pattern }, request, response)) ??
      (lean === undefined && route === undefined && !isPreflight ? routeNotFound : undefined) ??
      (need === "peer" ? Senders.note(request, { path, query, isCertified }) : undefined) ??
      Body.announcedTooLarge(request.headers)
    if (refused !== undefined) return refuse(request, response, reply(refused))
    if (goAhead === "unknown") return refuse(request, response, expectationFailed)
    if (!budgets.bodies.take(Body.mostBytes(request.headers), response)) return refuse(request, response, overloaded)
    if (isPreflight) return Reply.write(response, preflight)
    if (drain.isDraining() && !READS.has(request.method ?? "")) return refuse(request, response, draining)
    if (goAhead === "expected") response.writeContinue()
    answer(found, need)
  }

  const inTurn = (goAhead: GoAhead) => (request: IncomingMessage, response: ServerResponse) =>
    turns.take(request, response, () => begin(request, response, goAhead))

  return {
    onRequest: inTurn("given"),
    onExpectContinue: inTurn("expected"),
    onUnknownExpectation: inTurn("unknown"),
    onUnparsable: (error, socket) => {
      if (!isOfHttp(error)) socket.destroy()
      else turns.broken(socket, (isAnswered) => endWith(socket, isAnswered ? "" : unparsable(error)))
    },
    asking: () => Array.from(open, ({ req }) => req.socket),
    closeAfterAnswers: () => {
      for (const response of open) if (!response.headersSent) response.setHeader("connection", "close")
    }
  }
}

/** Answers what is not refused, once what it is to tell of is held here. */
const answering = (options: Options) => {
  const { fresh, router } = options
  const serveLean = leanServer(options)
  return ({ lean, path, query, request, response }: Found, need: Need | undefined) => {
    const answer = () => {
      if (lean !== undefined) return serveLean(lean, request, response)
      request.url = query === "" ? path : `${path}?${Auth.withoutKey(query)}`
      router(request, response)
    }
    // Nodes ask for what this one holds, and whoever writes hears of it before that is decided.
    if (fresh === null || (need !== "read" && need !== "any")) return answer()
    fresh(request, response, answer)
  }
}

/** Who comes in, as whom, and how often: or why not. Nodes speak as often as there is something to say. */
const admission =
  ({ audit, enter, passes, take }: Pick<Options, "audit" | "enter" | "passes" | "take">) =>
  (asked: Asked, request: IncomingMessage, response: ServerResponse): Refused | undefined => {
    const entered = enter(asked)
    const address = request.socket.remoteAddress ?? ""
    const event = Auth.eventOf(asked.need, entered)
    if (event !== undefined) {
      const payload = { ...event.payload, from: address, method: request.method, route: asked.pattern }
      audit.note({ ...event, payload })
    }
    const from = `address ${Rates.networkOf(address)}`
    // Who tries keys is bounded, too.
    if (Either.isLeft(entered)) return take(from, response) ?? entered.left
    const key = Option.getOrUndefined(entered.right)
    if (key !== undefined) {
      passes.add(response, key)
      Claims.open(request.headers, key)
    }
    const reach = key === undefined ? Option.none() : reachOf(key)
    if (Option.isSome(reach)) Claims.limit(request.headers, reach.value)
    const agent = key === undefined ? Option.none() : key.agentId
    const isAnother = Option.isNone(agent)
      ? undefined
      : asked.need === "peer"
      ? Claims.others
      : Claims.bind(request.headers, agent.value)
    if (isAnother !== undefined || asked.need === "peer" || asked.need === "open") return isAnother
    return take(key === undefined ? from : `key ${key.name}`, response)
  }

type Asked = Parameters<Auth.Enter>[0] & { readonly pattern: string }

/** A request, and what was found for it. */
interface Found {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly goAhead: GoAhead
  readonly path: string
  readonly query: string
  readonly lean: Lean.LeanRoute | undefined
  readonly route: ReturnType<typeof Routes.find>
  readonly pattern: string
}

/** Whether the client waits before it sends its body, or for something that is not known here. */
type GoAhead = "given" | "expected" | "unknown"

/** Of a body that is refused, without a word about how long it may take. */
const MOST_IGNORED_BYTES = 64 * 1024

const refuse = (request: IncomingMessage, response: ServerResponse, reply: Reply.Reply) => {
  // Node reads what is left of a body, however long it is; nobody who is refused may send for ever.
  if (Body.mostBytes(request.headers) > MOST_IGNORED_BYTES) Body.discard(request)
  Reply.write(response, reply)
}

const expectationFailed = reply(new Refused({ status: 417, message: "the only expectation known is 100-continue" }))
const hostMissing = malformed("an HTTP/1.1 request must have a Host header")
const hostTwice = malformed("a request must not have two Host headers")
const unknownCoding = new Refused({ status: 501, message: "the only transfer encoding known is chunked" })
const preflight: Reply.Reply = { status: 204, headers: {}, contentType: "", body: "" }

/** What is wrong with the head of a request, and node's parser lets pass. */
const malformedHead = ({ headers, httpVersionMinor, rawHeaders }: IncomingMessage): Refused | undefined => {
  if (headers.host === undefined && httpVersionMinor > 0) return hostMissing
  if (hostsOf(rawHeaders) > 1) return hostTwice
  const coding = headers["transfer-encoding"]
  return coding === undefined || coding.trim().toLowerCase() === "chunked" ? undefined : unknownCoding
}

/** Counted as they came: node puts all of a request apart to say it of one. */
const hostsOf = (rawHeaders: ReadonlyArray<string>): number => {
  let hosts = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]
    if (name?.length === HOST.length && name.toLowerCase() === HOST) hosts++
  }
  return hosts
}

const HOST = "host"

/** Methods that write nothing: they are answered to the end. */
const READS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"])

/** Path and query of a request; a proxy may send the whole URL. */
const targetOf = (request: IncomingMessage): { readonly path: string; readonly query: string } => {
  const url = request.url ?? "/"
  const target = url.startsWith("/") ? url : url.replace(/^https?:\/\/[^/?]*/i, "") || "/"
  const at = target.indexOf("?")
  return at === -1 ? { path: target, query: "" } : { path: target.slice(0, at), query: target.slice(at + 1) }
}

/** A client that went away before its answer began. */
const CLIENT_GONE = 499

/**
 * Reads the body, runs the endpoint, writes the answer. What may share a fiber waits until this turn of the event loop has
 * brought what it has.
 */
const leanServer = ({ budgets, drain, runtime }: Pick<Options, "budgets" | "drain" | "runtime">) => {
  const runFork = Runtime.runFork(runtime)
  const recorded = recording(runtime)

  const answer = (route: Lean.LeanRoute, response: ServerResponse, reply: Reply.Reply) => {
    if (route.writes) return Reply.write(response, reply)
    const bytes = Reply.bytesOf(reply)
    if (!budgets.answers.fits(bytes)) return Reply.write(response, overloaded)
    Reply.write(response, reply, bytes)
    // What the system took at once waits for nobody.
    if (response.writableLength > 0) budgets.answers.take(bytes, response)
  }

  const finish = (route: Lean.LeanRoute, response: ServerResponse, exit: Exit.Exit<Reply.Reply, Refusal>) => {
    if (Exit.isSuccess(exit)) return answer(route, response, exit.value)
    const { reply, unexpected } = Failure.ofCause(exit.cause)
    if (Option.isSome(unexpected)) runFork(Failure.logUnexpected(unexpected.value))
    Reply.write(response, reply)
  }

  const run = ({ body, request, response, route }: Ready, recorded: Tracing.Recorded | undefined) => {
    const effect = Call.inReach(request.headers, route.run(Call.incoming(request.headers, body)))
    const fiber = runFork(Effect.flatten(Tracing.inSpan(request, recorded, statusOf, Effect.exit(effect))))
    // A write goes on when its client hangs up: its commit may be under way.
    if (route.writes) drain.add(fiber)
    else response.once("close", () => fiber.unsafeInterruptAsFork(fiber.id()))
    fiber.addObserver((exit) => finish(route, response, exit))
  }

  const runEach = (runAll: NonNullable<Lean.LeanRoute["runEach"]>) => (all: ReadonlyArray<Ready>) => {
    const incomings = all.map(({ body, request }) => Call.incoming(request.headers, body))
    const answered = new Set<number>()
    const told = (index: number, exit: Exit.Exit<Reply.Reply, Refusal>) => {
      const [one, incoming] = [all[index], incomings[index]]
      if (one === undefined || incoming === undefined || answered.has(index)) return
      answered.add(index)
      finish(one.route, one.response, Call.remarkedExit(incoming, exit))
    }
    const asked = incomings.map((incoming, at) => ({ incoming, id: all[at]?.route.id ?? "" }))
    const fiber = runFork(Effect.withTracerEnabled(runAll(asked, told), false))
    drain.add(fiber)
    fiber.addObserver((exit) => {
      const cause = Exit.isFailure(exit) ? exit.cause : Cause.die(new Error("a request of several was not answered"))
      for (const index of all.keys()) told(index, Exit.failCause(cause))
    })
  }

  const gather = new Map<unknown, (ready: Ready) => void>()
  const begin = (ready: Ready) => {
    const { request, response, route } = ready
    const { pattern, runEach: runAll, runNow } = route
    const span = recorded(request, pattern)
    const isApart = span !== undefined || Tracing.isNamed(request.headers) || Claims.isLimited(request.headers)
    const reply = isApart ? null : runNow?.(runtime.context) ?? null
    if (reply !== null) return answer(route, response, reply)
    if (runAll === undefined || isApart) return run(ready, span)
    const gathering = gather.get(runAll) ?? gathered(runEach(runAll))
    gather.set(runAll, gathering)
    gathering(ready)
  }

  return (route: Lean.LeanRoute, request: IncomingMessage, response: ServerResponse) => {
    if (!route.hasBody) return begin({ route, request, response, body: NO_BODY })
    Body.read(request, (outcome) => {
      if (Either.isRight(outcome)) begin({ route, request, response, body: outcome.right })
      else Reply.write(response, reply(outcome.left))
    })
  }
}

/** A request whose body is here. */
interface Ready {
  readonly route: Lean.LeanRoute
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly body: Buffer
}

/** Requests that are run together at most. */
const MAX_TOGETHER = 256

/** Takes what one turn of the event loop brings together. */
const gathered = <A>(run: (all: ReadonlyArray<A>) => void) => {
  let waiting: Array<A> = []
  const flush = () => {
    const all = waiting
    waiting = []
    for (let from = 0; from < all.length; from += MAX_TOGETHER) run(all.slice(from, from + MAX_TOGETHER))
  }
  return (one: A) => {
    if (waiting.push(one) === 1) setImmediate(flush)
  }
}

const NO_BODY = Buffer.alloc(0)

/** The span of a request, where it is recorded. */
const recording = (
  runtime: Options["runtime"]
): (request: IncomingMessage, route: string) => Tracing.Recorded | undefined => {
  if (!FiberRefs.getOrDefault(runtime.fiberRefs, FiberRef.currentTracerEnabled)) return () => undefined
  const [tracer, clock] = Runtime.runSync(runtime)(Effect.all([Effect.tracer, Effect.clock]))
  return (request, route) => Tracing.recorded({ tracer, clock }, request, route)
}

const statusOf = (exit: Exit.Exit<Reply.Reply, Parameters<typeof reply>[0]>): number =>
  Exit.isSuccess(exit) ? exit.value.status : Failure.ofCause(exit.cause).reply.status

/** Errors of node's parser and timers that have a status of their own. */
const STATUS_OF_CODE: Record<string, readonly [status: string, error: string]> = {
  HPE_HEADER_OVERFLOW: ["431 Request Header Fields Too Large", "the headers are too large"],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ["413 Payload Too Large", "the chunk extensions are too large"],
  HPE_INVALID_TRANSFER_ENCODING: ["501 Not Implemented", "the only transfer encoding known is chunked"],
  ERR_HTTP_REQUEST_TIMEOUT: ["408 Request Timeout", "the request took too long to arrive"]
}

/** What came over a connection that works: of one that was reset, or speaks no TLS, nobody waits for an answer. */
const isOfHttp = (error: Error): boolean => {
  const code = "code" in error ? String(error.code) : ""
  return code.startsWith("HPE_") || code in STATUS_OF_CODE
}

const unparsable = (error: Error): string => {
  const code = "code" in error ? String(error.code) : ""
  // Of a length and chunks at once node complains under the same code.
  const known = error.message.includes("Content-Length") ? undefined : STATUS_OF_CODE[code]
  const [status, text] = known ?? ["400 Bad Request", "this is not a well-formed HTTP request"]
  const body = JSON.stringify({ error: text })
  return `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${
    Buffer.byteLength(body)
  }\r\n\r\n${body}`
}

/** How long a client whose connection is over may take to read that. */
const LINGER_MILLIS = 1_000

/** The last words on a connection. A client that does not close it is not waited for; what it still sends is dropped. */
const endWith = (socket: Duplex, answer: string): void => {
  if (socket.writableEnded) return
  if (!socket.writable) {
    socket.destroy()
    return
  }
  socket.end(answer)
  const timer = setTimeout(() => socket.destroy(), LINGER_MILLIS)
  socket.once("close", () => clearTimeout(timer))
}
