import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Keys from "../../access/Keys.js"
import { Trust } from "../../access/Trust.js"
import { NodeConfig } from "../../config/NodeConfig.js"
import { AuditLog } from "../../telemetry/AuditLog.js"
import { Metrics } from "../../telemetry/Metrics.js"
import * as Budget from "../calls/Budget.js"
import { Budgets } from "../calls/Budget.js"
import * as Drain from "../calls/Drain.js"
import * as Freshness from "../calls/Freshness.js"
import * as Routes from "../calls/routes.js"
import { OPEN_PATHS } from "../contract/documentation.js"
import * as Sync from "../contract/sync.js"
import * as Handlers from "../handlers/handlers.js"
import * as Auth from "./Auth.js"
import * as Certificates from "./certificates.js"
import * as Connections from "./Connections.js"
import * as Door from "./Door.js"
import type * as Lean from "./Lean.js"
import * as Listener from "./Listener.js"
import * as Passes from "./Passes.js"
import { Patience } from "./Patience.js"
import * as Places from "./places.js"
import type { Place } from "./places.js"
import * as Rates from "./Rates.js"
import * as Site from "./Site.js"
import * as SlowReaders from "./SlowReaders.js"
import type * as Tls from "./tls.js"
import { inCallersTrace, withServerSpan } from "./tracing.js"

/** The bound address of the client listener. */
export class HttpListener extends Context.Tag("quorate/http/HttpListener")<HttpListener, {
  readonly host: string
  readonly port: number
  /** Without a slash at its end. */
  readonly url: string
  /** Where other nodes reach this one, if that is another place. */
  readonly peerUrl: Option.Option<string>
  /**
   * Reads the files of TLS again, for the connections to come, and the keys; answers what was read. Fails and keeps the old
   * ones.
   */
  readonly reload: Effect.Effect<string, Error>
}>() {}

/** Why a node can not serve. */
export type ServeFailed = Door.ListenFailed | Tls.TlsUnusable

const listener = Layer.scoped(
  HttpListener,
  Effect.gen(function*() {
    const settings = yield* NodeConfig
    const drain = yield* Drain.Drain
    const router = yield* makeRouter
    const runtime = yield* Effect.runtime<Lean.Requires>()
    const metrics = yield* Metrics
    const audit = yield* AuditLog
    const budgets = yield* Budgets
    const trust = yield* Trust
    const patience = yield* Patience
    const slowReaders = SlowReaders.make(patience)
    const keys = yield* Keys.make(settings)
    const clock = yield* Effect.clock
    const nowMillis = () => clock.unsafeCurrentTimeMillis()
    const enter = Auth.make({ keys, nowMillis, areMetricsOpen: settings.openMetrics })
    const take = Rates.make({ rate: settings.rateLimit, concurrency: settings.concurrencyLimit, nowMillis })
    const certify = Certificates.certifyBy(trust.revocations)
    const log = Runtime.runFork(runtime)
    const told = yield* tellingOfCertificates(metrics)
    yield* cutSlowReaders(slowReaders, metrics)
    const passes = Passes.make()
    const fresh = yield* Freshness.make
    yield* endWithKeys(passes, keys)
    const open = (place: Place) =>
      Door.open({
        place,
        patience,
        drain,
        grace: settings.shutdownGrace,
        onRefused: told,
        listener: Listener.make({
          runtime,
          router,
          drain,
          budgets,
          metrics,
          audit,
          slowReaders,
          site: Site.make({ ...settings, host: place.host }),
          fresh,
          serves: place.serves,
          enter,
          certify,
          passes,
          take
        }),
        connections: {
          most: Connections.mostConnections(Connections.openFilesLimit(), settings.quorumPeers.length),
          refused: metrics.connectionRefused,
          log
        }
      })
    const clients = yield* open(Places.ofClients(settings))
    const peers = yield* Effect.transposeMapOption(Places.ofPeers(settings), open)
    const reload = Effect.all([
      clients.reload,
      ...Option.toArray(Option.map(peers, (door) => door.reload)),
      keys.reload,
      trust.reload
    ])
    return HttpListener.of({
      ...clients,
      peerUrl: Option.map(peers, ({ url }) => url),
      reload: Effect.map(reload, (read) => read.join("; "))
    })
  })
)

/**
 * Serves the contract on the configured address until its scope ends, then drains. `doors` are routes beside those of the
 * contract, each a layer that puts it into the router.
 */
export const layer = <E, R>(doors: Layer.Layer<never, E, R>) =>
  listener.pipe(
    Layer.provide(doors),
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

const TELL_EVERY_MILLIS = 60_000
const MAX_TOLD = 64

/** Certificates that open nothing are counted, and said in the log by their reasons, each now and then. */
const tellingOfCertificates = (metrics: Metrics["Type"]) =>
  Effect.gen(function*() {
    const audit = yield* AuditLog
    const clock = yield* Effect.clock
    const log = Runtime.runFork(yield* Effect.runtime())
    const told = new Map<string, number>()
    return (problem: string): void => {
      metrics.certificateRefused(problem)
      audit.note({ type: "federation.credential_refused", agentId: "", payload: { reason: problem } })
      const now = clock.unsafeCurrentTimeMillis()
      const before = told.get(problem)
      if (before === undefined ? told.size >= MAX_TOLD : now - before < TELL_EVERY_MILLIS) return
      told.set(problem, now)
      log(Effect.logWarning(`a connection was cut, as its certificate opens nothing here: ${problem}`))
    }
  })

/** What a key opened ends within a second of it. */
const endWithKeys = (passes: Passes.Passes, keys: Keys.Keys) =>
  Effect.clockWith((clock) =>
    Effect.sync(() => {
      const now = clock.unsafeCurrentTimeMillis()
      passes.look((key) => keys.isGood(key, now))
    })
  ).pipe(Effect.delay(Passes.LOOK_MILLIS), Effect.forever, Effect.forkScoped)

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
