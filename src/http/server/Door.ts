import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as http from "node:http"
import * as https from "node:https"
import type { TLSSocket } from "node:tls"
import * as watched from "../../access/watched.js"
import type { Metrics } from "../../telemetry/Metrics.js"
import type * as Drain from "../calls/Drain.js"
import * as Certificates from "./certificates.js"
import * as Connections from "./Connections.js"
import type * as Listener from "./Listener.js"
import type { Patience } from "./Patience.js"
import type { Place } from "./places.js"
import * as Tls from "./tls.js"

/** The address can not be bound: it is taken, or not ours. */
export class ListenFailed extends Data.TaggedError("ListenFailed")<{
  readonly host: string
  readonly port: number
  readonly problem: string
}> {
  override get message() {
    return `can not listen on ${this.host}:${this.port}: ${this.problem}`
  }
}

interface Options {
  readonly place: Place
  readonly patience: Patience["Type"]
  readonly drain: Drain.Drain["Type"]
  readonly listener: Listener.Listener
  readonly grace: Duration.Duration
  /** A certificate does not open the connection, for this reason. */
  readonly onRefused: (problem: string) => void
  readonly connections: Parameters<typeof Connections.bound>[1]
}

/** A place where a node listens. */
interface Door {
  readonly host: string
  readonly port: number
  /** Without a slash at its end. */
  readonly url: string
  /** Reads the files of TLS again, for the connections to come; answers what was read. Fails and keeps the old ones. */
  readonly reload: Effect.Effect<string, Tls.TlsUnusable>
}

/** All headers of a request together; the vector of a catch-up stands in the query. */
const MAX_HEADER_BYTES = 32 * 1024

/** Listens there until the scope ends, then drains. The files of TLS are read again when they are others. */
export const open = (
  options: Options
): Effect.Effect<Door, ListenFailed | Tls.TlsUnusable, Scope.Scope | Metrics> =>
  Effect.gen(function*() {
    const { place } = options
    const tls = yield* Tls.load(place)
    const rules: Rules = { ...rulesOf(place, tls) }
    const server = yield* acquire(options, tls, rules)
    Connections.bound(server, options.connections)
    const address = yield* listen(server, place)
    const again = reload(server, place, rules)
    yield* watched.files(Tls.filesOf(place), again)
    if (Option.isSome(tls)) yield* Effect.forkScoped(Tls.watchingExpiry(place))
    return { ...address, url: urlOf(address, Option.isSome(tls)), reload: again }
  })

type Server = http.Server | https.Server

/** What certificates may connect: others after a reload. */
type Rules = { -readonly [Name in keyof Certificates.Rules]: Certificates.Rules[Name] }

const rulesOf = ({ trustDomain }: Place, tls: Option.Option<Tls.Tls>): Certificates.Rules => ({
  allowed: Option.flatMap(tls, ({ allowed }) => allowed),
  hasAuthorities: Option.exists(tls, ({ authorities }) => Option.isSome(authorities)),
  trustDomain: Option.getOrElse(trustDomain, () => "")
})

/** The files of TLS once more. What is open goes on with what it began with. */
const reload = (server: Server, place: Place, rules: Rules) =>
  Effect.flatMap(Tls.load(place), (tls) => {
    if (Option.isNone(tls) || !(server instanceof https.Server)) return Effect.succeed("nothing: there is no TLS here")
    return Effect.sync(() => {
      server.setSecureContext(Tls.contextOf(tls.value))
      Object.assign(rules, rulesOf(place, tls))
      return "the certificate, its key and the certificates that may connect"
    })
  })

const acquire = (
  options: Options,
  tls: Option.Option<Tls.Tls>,
  rules: Rules
): Effect.Effect<Server, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const server = create(tls, rules, options.patience)
      const cut = Connections.accepted(server)
      return { server: wire(server, rules, options), cutIdle: () => cut(options.listener.asking()) }
    }),
    ({ cutIdle, server }) => close(server, cutIdle, options)
  ).pipe(Effect.map(({ server }) => server))

const limitsOf = ({ headers, keepAlive, look, request }: Patience["Type"]) => ({
  keepAliveTimeout: Duration.toMillis(keepAlive),
  headersTimeout: Duration.toMillis(headers),
  requestTimeout: Duration.toMillis(request),
  connectionsCheckingInterval: Duration.toMillis(look),
  maxHeaderSize: MAX_HEADER_BYTES,
  noDelay: true,
  // The listener says it in JSON.
  requireHostHeader: false
})

const create = (
  tls: Option.Option<Tls.Tls>,
  rules: Rules,
  patience: Patience["Type"]
): Server => {
  const limits = limitsOf(patience)
  if (Option.isNone(tls)) return http.createServer(limits)
  return https.createServer({
    ...limits,
    ...Tls.contextOf(tls.value),
    handshakeTimeout: Duration.toMillis(patience.handshake),
    requestCert: areAsked(rules),
    rejectUnauthorized: false
  })
}

/** Whether certificates are asked for. */
const areAsked = ({ allowed, hasAuthorities }: Rules): boolean => Option.isSome(allowed) || hasAuthorities

/** Where all have to show one, a connection without is cut before a byte of HTTP is read. */
const wire = (server: Server, rules: Rules, { listener, onRefused, place }: Options): Server => {
  server.on("secureConnection", (socket: TLSSocket) => {
    if (!areAsked(rules)) return
    const shown = Certificates.shownBy(socket, rules)
    Certificates.note(socket, shown)
    if (Option.isNone(shown.problem) || place.asks === "peers") return
    onRefused(shown.problem.value)
    socket.destroy()
  })
  return server
    .on("request", listener.onRequest)
    .on("checkContinue", listener.onExpectContinue)
    .on("checkExpectation", listener.onUnknownExpectation)
    .on("clientError", listener.onUnparsable)
}

const listen = (server: Server, { host, port }: Place) =>
  Effect.async<{ readonly host: string; readonly port: number }, ListenFailed>((resume) => {
    const onError = (error: Error) => resume(new ListenFailed({ host, port, problem: error.message }))
    server.once("error", onError)
    server.listen({ host, port, backlog: 1024 }, () => {
      server.off("error", onError)
      const address = server.address()
      resume(Effect.succeed(
        address === null || typeof address === "string" ? { host, port } : { host: address.address, port: address.port }
      ))
    })
  })

/**
 * Accepts no more, lets open requests and writes end within the grace, then cuts what is left. Connections that wait for
 * their next request are closed at once, those that have not sent a whole head soon, the others with their answer.
 */
const close = (server: Server, cutIdle: () => void, options: Options) =>
  Effect.gen(function*() {
    yield* options.drain.begin
    const closed = Effect.async<void>((resume) => {
      server.close(() => resume(Effect.void))
    })
    options.listener.closeAfterAnswers()
    const idle = Effect.zipRight(Effect.sleep(options.patience.lastHeaders), Effect.sync(cutIdle))
    const allClosed = Effect.raceFirst(closed, Effect.zipRight(idle, Effect.never))
    const ended = yield* Effect.zipRight(allClosed, options.drain.idle).pipe(
      Effect.interruptible,
      Effect.timeoutOption(options.grace)
    )
    if (Option.isNone(ended)) yield* Effect.logWarning("the shutdown grace is over: open requests are cut off")
    server.closeAllConnections()
  })

/** An address that stands for all of them is reached by the loopback one. */
const urlOf = ({ host, port }: { readonly host: string; readonly port: number }, secure: boolean) => {
  const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host
  return `${secure ? "https" : "http"}://${reachable.includes(":") ? `[${reachable}]` : reachable}:${port}`
}
