import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type * as Tracer from "effect/Tracer"
import { randomUUID } from "node:crypto"
import * as Authors from "../../src/access/Authors.js"
import * as KeyRing from "../../src/access/KeyRing.js"
import * as NodeConfig from "../../src/config/NodeConfig.js"
import { NodeId, PeerUrl } from "../../src/domain/ids.js"
import * as Uuid from "../../src/domain/Uuid.js"
import { Embedder, type Model } from "../../src/embedding/Embedder.js"
import * as Catchup from "../../src/federation/catchup/Catchup.js"
import * as Federation from "../../src/federation/Federation.js"
import * as receive from "../../src/federation/inbound/receive.js"
import * as serveCatchup from "../../src/federation/inbound/serveCatchup.js"
import * as serveVectors from "../../src/federation/inbound/serveVectors.js"
import { PeerFailed } from "../../src/federation/wire/Peer.js"
import * as PeerApi from "../../src/federation/wire/PeerApi.js"
import { type PeerAnswer, PeerTransport } from "../../src/federation/wire/PeerTransport.js"
import * as Embedding from "../../src/operations/recall/Embedding.js"
import * as Sharing from "../../src/operations/recall/Sharing.js"
import * as Shipping from "../../src/operations/recall/Shipping.js"
import * as AuditRows from "../../src/store/AuditLog.js"
import * as DeadLetters from "../../src/store/DeadLetters.js"
import * as Endorser from "../../src/store/Endorser.js"
import * as Sqlite from "../../src/store/log/Sqlite.js"
import * as MemoryStore from "../../src/store/MemoryStore.js"
import * as OutboundRules from "../../src/store/OutboundRules.js"
import * as PeerStates from "../../src/store/PeerStates.js"
import * as ConflictReader from "../../src/store/read/ConflictReader.js"
import * as DigestReader from "../../src/store/read/DigestReader.js"
import * as EntityReader from "../../src/store/read/EntityReader.js"
import * as LinkReader from "../../src/store/read/LinkReader.js"
import * as MemoryReader from "../../src/store/read/MemoryReader.js"
import * as PendingReader from "../../src/store/read/PendingReader.js"
import * as StandardReader from "../../src/store/read/StandardReader.js"
import * as VectorStore from "../../src/store/vectors/VectorStore.js"
import type { AuditLog } from "../../src/telemetry/AuditLog.js"
import * as Metrics from "../../src/telemetry/Metrics.js"

/** What a node needs to answer its peers and its callers. */
export type Services =
  | MemoryStore.MemoryStore
  | MemoryReader.MemoryReader
  | LinkReader.LinkReader
  | ConflictReader.ConflictReader
  | DigestReader.DigestReader
  | PendingReader.PendingReader
  | StandardReader.StandardReader
  | DeadLetters.DeadLetters
  | AuditLog
  | OutboundRules.OutboundRules
  | PeerStates.PeerStates
  | Federation.Federation
  | VectorStore.VectorStore
  | Metrics.Metrics
  | Uuid.Uuid
export type Node = ManagedRuntime.ManagedRuntime<Services | Metrics.Metrics, Sqlite.DatabaseRefused>

/** Between two rounds of catch-up, give or take a fifth. */
export const ROUND = Duration.millis(250)

/** A network inside this process: what is cut refuses, what is frozen never answers. */
export class Network {
  readonly nodes = new Map<string, Node>()
  readonly cut = new Set<string>()
  readonly frozen = new Set<string>()
  /** How long a request takes to arrive. */
  readonly delayMillis = new Map<string, number>()
  /** What becomes of a body on its way. */
  tamper: (body: string) => string = (body) => body
  /** What becomes of an answer on its way back. */
  tamperAnswer: (answer: string, path: string) => string = (answer) => answer
  /** An answer, or its status, that a request gets before it comes to the node. */
  refuse: (
    request: { readonly to: string; readonly path: string; readonly body: string }
  ) => number | PeerAnswer | undefined = () => undefined
  /** Requests that never end: their timeout does not count, and nothing interrupts them. */
  hangs: (request: { readonly to: string; readonly path: string }) => boolean = () => false
  /** Nodes that are none of ours, by their address. */
  readonly strangers = new Map<string, (path: string, body: string | undefined) => PeerAnswer>()
  readonly requests: Array<{
    readonly to: string
    readonly path: string
    readonly body: string
    readonly headers: Record<string, string>
  }> = []

  readonly transport = Layer.succeed(
    PeerTransport,
    PeerTransport.of({
      request: ({ body, headers, path, peer, timeout }) =>
        Effect.suspend(() => {
          const node = this.nodes.get(peer.url)
          const stranger = this.strangers.get(peer.url)
          if ((node === undefined && stranger === undefined) || this.cut.has(peer.url)) {
            return new PeerFailed({ peer: peer.name, reason: "network", detail: "connection refused" })
          }
          const request = { to: peer.url, path, body: body ?? "", headers }
          this.requests.push(request)
          if (this.hangs(request)) return Effect.uninterruptible(Effect.never)
          if (this.frozen.has(peer.url)) return Effect.flatMap(Deferred.make<never>(), Deferred.await)
          const refused = this.refuse(request)
          if (refused !== undefined) {
            return Effect.succeed(typeof refused === "number" ? { status: refused, body: "" } : refused)
          }
          const sent = body === undefined ? undefined : this.tamper(body)
          if (node === undefined) return Effect.sync(() => stranger?.(path, sent) ?? { status: 404, body: "" })
          return Effect.promise(() => node.runPromise(answer(path, sent, headers))).pipe(
            Effect.map(({ body: text, status }) => ({ status, body: this.tamperAnswer(text, path) })),
            Effect.delay(this.delayMillis.get(peer.url) ?? 0)
          )
        }).pipe(
          Effect.timeoutFail({
            duration: timeout,
            onTimeout: () => new PeerFailed({ peer: peer.name, reason: "timeout", detail: "no answer" })
          })
        )
    })
  )
}

type Refusal =
  | Effect.Effect.Error<ReturnType<typeof receive.push>>
  | Effect.Effect.Error<ReturnType<typeof sinceOf>>
  | Effect.Effect.Error<ReturnType<typeof serveVectors.answer>>

const sinceOf = (params: URLSearchParams, headers: Record<string, string>) => {
  const vv = params.get("vv")
  return vv !== null ? serveCatchup.since(vv, headers) : Effect.gen(function*() {
    const { memories, scope_status: _, ...fields } = yield* serveCatchup.rowsSince(params, headers)
    const rows = Array.from(yield* Stream.runCollect(memories))
    return JSON.stringify({ ...Record.map(fields, (field): unknown => field()), memories: rows })
  })
}

/** What the HTTP server of a node does with a request of a peer. */
export const answer = (path: string, body: string | undefined, headers: Record<string, string>) => {
  const respond: Effect.Effect<string, Refusal, Services> = body !== undefined && path.startsWith(PeerApi.SINCE_PATH)
    ? serveCatchup.sinceVector(JSON.parse(body), headers)
    : body !== undefined && path === PeerApi.VECTORS_PATH
    ? Effect.map(
      serveVectors.answer(Schema.decodeUnknownSync(PeerApi.VectorsRequest)(JSON.parse(body))),
      (bytes) => Buffer.from(bytes).toString("latin1")
    )
    : body !== undefined
    ? Effect.map(receive.push(JSON.parse(body), headers), (answer) => JSON.stringify(answer))
    : path.startsWith(PeerApi.HELLO_PATH)
    ? Effect.map(serveCatchup.hello(headers), (hello) => JSON.stringify(serveCatchup.encodeHello(hello)))
    : path.startsWith(PeerApi.DIGESTS_PATH)
    ? Effect.map(serveCatchup.digests, (digests) => JSON.stringify(digests))
    : sinceOf(new URL(path, "http://peer").searchParams, headers)
  return respond.pipe(
    Effect.map((text) => ({ status: 200, body: text })),
    Effect.catchTag("PushRefused", ({ error, status }) => Effect.succeed({ status, body: JSON.stringify({ error }) })),
    Effect.catchAll((error) => Effect.succeed({ status: 503, body: JSON.stringify({ error: error.message }) }))
  )
}

/** Starts whole nodes, without listeners, that reach each other over one network. */
export const startNodes = (network: Network, urls: ReadonlyArray<string>, options: {
  readonly w: number
  readonly ackTimeout?: Duration.DurationInput
  readonly file?: (url: string) => string
  /** How far a node's wall clock is off, asked again whenever it is read. */
  readonly clockOffsetMillis?: (url: string) => number
  /** What its timers run by, in place of real time. */
  readonly clock?: Clock.Clock
  /** When the first round of catch-up is; 5 s after the start unless given. */
  readonly firstRoundAfter?: Duration.DurationInput
  readonly logger?: Logger.Logger<unknown, void>
  /** What a node's spans are made by; without it nothing is traced. */
  readonly tracer?: (url: string) => Tracer.Tracer
  /** What its memories are embedded by; by nothing unless given. */
  readonly embedder?: (url: string) => Model
  /** Whose operations are whose; nobody has a key unless given. */
  readonly authors?: (url: string) => Authors.Authors
  /** For how long it waits for the vectors of what others wrote; 30 s unless given. */
  readonly patience?: Duration.DurationInput
}): ReadonlyArray<Node> => urls.map((url) => startNode(network, url, urls.filter((other) => other !== url), options))

export const startNode = (
  network: Network,
  url: string,
  others: ReadonlyArray<string>,
  options: Parameters<typeof startNodes>[2]
): Node => {
  const audit = AuditRows.layer(KeyRing.empty)
  const letters = Layer.provideMerge(Endorser.layer, Layer.merge(DeadLetters.layer, audit))
  const store = Layer.mergeAll(letters, PeerStates.layer, EntityReader.layer, MemoryReader.layer)
    .pipe(
      Layer.merge(VectorStore.layer),
      Layer.merge(OutboundRules.layer(Option.none())),
      Layer.merge(Layer.mergeAll(LinkReader.layer, ConflictReader.layer, DigestReader.layer)),
      Layer.merge(Layer.mergeAll(PendingReader.layer, StandardReader.layer)),
      Layer.provideMerge(MemoryStore.layer({
        nodeId: Option.some(NodeId.make(new URL(url).hostname)),
        authors: options.authors?.(url) ?? Authors.none
      })),
      Layer.provide(Sqlite.layer({ file: options.file?.(url) ?? ":memory:" })),
      Layer.provideMerge(Uuid.layer(randomUUID)),
      Layer.provideMerge(Metrics.layer)
    )
  const federation = Federation.layer({
    apiKey: Option.none(),
    keys: KeyRing.empty,
    credential: NodeConfig.defaults,
    drainTimeout: Duration.seconds(1),
    config: Option.some({
      clampedFrom: Option.none(),
      peers: others.map((other) => ({ url: PeerUrl.make(other), name: new URL(other).hostname })),
      policy: {
        n: others.length + 1,
        w: options.w,
        ackTimeout: Duration.decode(options.ackTimeout ?? "2 seconds"),
        clockSkewWarn: Duration.seconds(30)
      }
    })
  })
  const node = ManagedRuntime.make(
    Catchup.layer({
      interval: ROUND,
      ...(options.firstRoundAfter === undefined ? {} : { firstAfter: Duration.decode(options.firstRoundAfter) })
    }).pipe(
      Layer.merge(Embedding.layerWith({ patience: Duration.decode(options.patience ?? "30 seconds") })),
      Layer.provideMerge(federation),
      Layer.provideMerge(Layer.mergeAll(Shipping.layer, Sharing.layer)),
      Layer.provide(Layer.succeed(Embedder, Option.fromNullable(options.embedder?.(url)))),
      Layer.provideMerge(store),
      Layer.provide(network.transport),
      Layer.provide(Logger.replace(Logger.defaultLogger, options.logger ?? Logger.none)),
      Layer.provide(
        Layer.setClock(offClock(options.clock ?? Clock.make(), () => options.clockOffsetMillis?.(url) ?? 0))
      ),
      Layer.provideMerge(
        options.tracer === undefined ? Layer.setTracerEnabled(false) : Layer.setTracer(options.tracer(url))
      )
    )
  )
  network.nodes.set(url, node)
  return node
}

/** A clock whose wall time is off; timers run as they should. */
const offClock = (right: Clock.Clock, offsetMillis: () => number): Clock.Clock => ({
  ...right,
  [Clock.ClockTypeId]: Clock.ClockTypeId,
  unsafeCurrentTimeMillis: () => right.unsafeCurrentTimeMillis() + offsetMillis(),
  currentTimeMillis: Effect.sync(() => right.unsafeCurrentTimeMillis() + offsetMillis()),
  unsafeCurrentTimeNanos: () => right.unsafeCurrentTimeNanos(),
  currentTimeNanos: right.currentTimeNanos,
  sleep: (duration) => right.sleep(duration)
})
