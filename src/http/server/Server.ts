import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import * as http from "node:http"
import * as https from "node:https"
import type { TLSSocket } from "node:tls"
import type { KeysUnusable } from "../../access/keyFile.js"
import * as Keys from "../../access/Keys.js"
import { NodeConfig, type Settings } from "../../config/NodeConfig.js"
import { Metrics } from "../../telemetry/Metrics.js"
import * as Budget from "../calls/Budget.js"
import { Budgets } from "../calls/Budget.js"
import * as Drain from "../calls/Drain.js"
import * as Routes from "../calls/routes.js"
import { OPEN_PATHS } from "../contract/documentation.js"
import * as Sync from "../contract/sync.js"
import * as Handlers from "../handlers/handlers.js"
import * as Auth from "./Auth.js"
import * as Connections from "./Connections.js"
import type * as Lean from "./Lean.js"
import * as Listener from "./Listener.js"
import { Patience } from "./Patience.js"
import * as Rates from "./Rates.js"
import * as Site from "./Site.js"
import * as SlowReaders from "./SlowReaders.js"
import * as Tls from "./tls.js"
import { inCallersTrace, withServerSpan } from "./tracing.js"

/** The bound address of the client listener. */
export class HttpListener extends Context.Tag("quorate/http/HttpListener")<HttpListener, {
  readonly host: string
  readonly port: number
  /** Without a slash at its end. */
  readonly url: string
  /**
   * Reads the files of TLS again, for the connections to come, and the keys; answers what was read. Fails and keeps the old
   * ones.
   */
  readonly reload: Effect.Effect<string, Tls.TlsUnusable | KeysUnusable>
}>() {}

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

/** Why a node can not serve. */
export type ServeFailed = ListenFailed | Tls.TlsUnusable

/** All headers of a request together; the vector of a catch-up stands in the query. */
const MAX_HEADER_BYTES = 32 * 1024

/** Serves the contract on the configured address until its scope ends, then drains. */
export const layer = Layer.scoped(
  HttpListener,
  Effect.gen(function*() {
    const settings = yield* NodeConfig
    const tls = yield* Tls.load(settings)
    const drain = yield* Drain.Drain
    const router = yield* makeRouter
    const runtime = yield* Effect.runtime<Lean.Requires>()
    const metrics = yield* Metrics
    const budgets = yield* Budgets
    const patience = yield* Patience
    const slowReaders = SlowReaders.make(patience)
    const keys = yield* Keys.make(settings)
    const clock = yield* Effect.clock
    const nowMillis = () => clock.unsafeCurrentTimeMillis()
    const listener = Listener.make({
      runtime,
      router,
      drain,
      budgets,
      metrics,
      slowReaders,
      site: Site.make(settings),
      enter: Auth.make({ keys, nowMillis, areMetricsOpen: settings.openMetrics }),
      take: Rates.make({ rate: settings.rateLimit, concurrency: settings.concurrencyLimit, nowMillis })
    })
    yield* cutSlowReaders(slowReaders, metrics)
    const allowed: Allowed = { fingerprints: Option.flatMap(tls, ({ allowed }) => allowed) }
    const server = yield* acquire(settings, { tls, allowed, patience }, drain, listener)
    Connections.bound(server, {
      most: Connections.mostConnections(Connections.openFilesLimit(), settings.quorumPeers.length),
      refused: metrics.connectionRefused,
      log: Runtime.runFork(runtime)
    })
    const address = yield* listen(server, settings)
    return HttpListener.of({
      ...address,
      url: urlOf(address, Option.isSome(tls)),
      reload: Effect.zipWith(reload(server, settings, allowed), keys.reload, (tls, read) => `${tls}; ${read}`)
    })
  })
).pipe(
  Layer.provide(Handlers.layer),
  Layer.provide([
    Drain.layer,
    Budget.layer,
    HttpApiBuilder.Router.Live,
    HttpApiBuilder.Middleware.layer,
    NodeHttpServer.layerContext
  ])
)

/** A client that does not read what it asked for holds memory, and a place among the listeners. */
const cutSlowReaders = (slowReaders: SlowReaders.SlowReaders, metrics: Metrics["Type"]) =>
  Effect.clockWith((clock) =>
    Effect.suspend(() => {
      const cut = slowReaders.look(clock.unsafeCurrentTimeMillis())
      if (cut === 0) return Effect.void
      metrics.connectionsCut(cut)
      return Effect.logWarning(`${cut} connection(s) were cut: their clients did not read what they had asked for`)
    })
  ).pipe(Effect.delay(SlowReaders.LOOK_MILLIS), Effect.forever, Effect.forkScoped)

/**
 * Paths are taken as they stand. The longest parameter is a namespace: 512 characters, each of them one or two units of a
 * string once its escapes are undone.
 */
const routing = { ignoreTrailingSlash: false, ignoreDuplicateSlashes: false, caseSensitive: true, maxParamLength: 1024 }

/** The router of the contract. Its own spans would record whole queries, so requests get theirs here. */
const makeRouter = Effect.gen(function*() {
  const app = yield* HttpApiBuilder.httpApp.pipe(HttpRouter.withRouterConfig(routing))
  const traced = yield* FiberRef.get(FiberRef.currentTracerEnabled)
  return yield* NodeHttpServer.makeHandler(traced ? withSpans(app) : inTracesOfCallers(app)).pipe(
    HttpMiddleware.withTracerDisabledWhenEffect(() => true)
  )
})

const inTracesOfCallers = <E, R>(app: HttpApp.Default<E, R>) =>
  Effect.flatMap(
    HttpServerRequest.HttpServerRequest,
    (request) => inCallersTrace(NodeHttpServerRequest.toIncomingMessage(request), app)
  )

const withSpans = <E, R>(app: HttpApp.Default<E, R>) =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const path = Routes.pathOf(request.url)
    if (UNTRACED.has(path)) return Effect.withTracerEnabled(app, false)
    return withServerSpan(
      NodeHttpServerRequest.toIncomingMessage(request),
      { route: Routes.find(path, request.method)?.pattern ?? Routes.UNKNOWN, statusOf: ({ status }) => status },
      app
    )
  })

/** Asked every few seconds by machines, peers among them: spans of that would only hide the others. */
const UNTRACED: ReadonlySet<string> = new Set([
  ...OPEN_PATHS,
  "/metrics",
  "/api/v1/metrics",
  Sync.hello.path,
  Sync.since.path,
  Sync.digests.path
])

type Server = http.Server | https.Server

/** The certificates that may connect: another list after a reload. */
interface Allowed {
  fingerprints: Option.Option<ReadonlySet<string>>
}

const reload = (server: Server, settings: Settings, allowed: Allowed) =>
  Effect.flatMap(Tls.load(settings), (tls) => {
    if (Option.isNone(tls) || !(server instanceof https.Server)) return Effect.succeed("nothing: there is no TLS here")
    const { cert, key } = tls.value
    return Effect.sync(() => {
      server.setSecureContext({ cert, key })
      allowed.fingerprints = tls.value.allowed
      return "the certificate, its key and the list of clients"
    })
  })

const acquire = (
  settings: Settings,
  { allowed, patience, tls }: {
    readonly tls: Option.Option<Tls.Tls>
    readonly allowed: Allowed
    readonly patience: Patience["Type"]
  },
  drain: Drain.Drain["Type"],
  listener: Listener.Listener
): Effect.Effect<Server, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => wire(create(tls, patience), allowed, listener)),
    (server) => close(server, { drain, listener, grace: settings.shutdownGrace })
  )

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
  patience: Patience["Type"]
): Server => {
  const limits = limitsOf(patience)
  if (Option.isNone(tls)) return http.createServer(limits)
  const { allowed, cert, key } = tls.value
  return https.createServer({
    ...limits,
    cert,
    key,
    handshakeTimeout: Duration.toMillis(patience.handshake),
    requestCert: Option.isSome(allowed),
    rejectUnauthorized: false
  })
}

const wire = (server: Server, allowed: Allowed, listener: Listener.Listener): Server => {
  server.on("secureConnection", (socket: TLSSocket) => {
    const { fingerprints } = allowed
    if (Option.isSome(fingerprints) && !Tls.isAllowed(socket, fingerprints.value)) socket.destroy()
  })
  return server
    .on("request", listener.onRequest)
    .on("checkContinue", listener.onExpectContinue)
    .on("checkExpectation", listener.onUnknownExpectation)
    .on("clientError", listener.onUnparsable)
}

const listen = (server: Server, { host, port }: Settings) =>
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
 * their next request are closed at once, the others with their answer.
 */
const close = (server: Server, options: {
  readonly drain: Drain.Drain["Type"]
  readonly listener: Listener.Listener
  readonly grace: Duration.Duration
}) =>
  Effect.gen(function*() {
    yield* options.drain.begin
    const closed = Effect.async<void>((resume) => {
      server.close(() => resume(Effect.void))
    })
    options.listener.closeAfterAnswers()
    const ended = yield* Effect.zipRight(closed, options.drain.idle).pipe(
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
