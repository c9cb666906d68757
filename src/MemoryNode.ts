import { Dispatcher } from "@effect/platform-node/NodeHttpClient"
import { SqlClient } from "@effect/sql/SqlClient"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { randomUUID } from "node:crypto"
import * as Authors from "./access/Authors.js"
import * as KeyRing from "./access/KeyRing.js"
import * as Trust from "./access/Trust.js"
import * as NodeConfig from "./config/NodeConfig.js"
import * as Pages from "./console/Pages.js"
import type { NodeId } from "./domain/ids.js"
import * as Uuid from "./domain/Uuid.js"
import * as embedder from "./embedding/chosen.js"
import type { Embedder, EmbedderUnusable } from "./embedding/Embedder.js"
import * as Catchup from "./federation/catchup/Catchup.js"
import * as Federation from "./federation/Federation.js"
import * as FederationConfig from "./federation/FederationConfig.js"
import * as PeerLimits from "./federation/PeerLimits.js"
import * as Revoking from "./federation/Revoking.js"
import * as peerClient from "./federation/wire/dispatcher.js"
import * as HttpPeerTransport from "./federation/wire/HttpPeerTransport.js"
import { PeerTransport } from "./federation/wire/PeerTransport.js"
import * as Server from "./http/server/Server.js"
import * as Mcp from "./mcp/Mcp.js"
import * as AuthorKeys from "./operations/agents/AuthorKeys.js"
import * as ChangeFeed from "./operations/changes/ChangeFeed.js"
import * as Senders from "./operations/federation/Senders.js"
import * as ApprovalFeed from "./operations/governance/ApprovalFeed.js"
import * as consensus from "./operations/governance/consensus.js"
import * as Collector from "./operations/memories/Collector.js"
import * as Retention from "./operations/memories/Retention.js"
import * as Embedding from "./operations/recall/Embedding.js"
import * as RecallWeights from "./operations/recall/RecallWeights.js"
import * as Sharing from "./operations/recall/Sharing.js"
import * as Shipping from "./operations/recall/Shipping.js"
import * as Uses from "./operations/recall/Uses.js"
import * as Deliverer from "./operations/subscriptions/Deliverer.js"
import * as Webhooks from "./operations/subscriptions/Webhooks.js"
import * as Background from "./operations/writing/Background.js"
import * as Permissions from "./operations/writing/Permissions.js"
import * as SecretScreen from "./operations/writing/SecretScreen.js"
import * as AuditRows from "./store/AuditLog.js"
import * as Checker from "./store/checking/Checker.js"
import * as DeadLetters from "./store/DeadLetters.js"
import * as Deliveries from "./store/Deliveries.js"
import * as Endorser from "./store/Endorser.js"
import * as Follower from "./store/Follower.js"
import * as Languages from "./store/Languages.js"
import * as Lifetimes from "./store/Lifetimes.js"
import type { CommitFailed } from "./store/log/Committer.js"
import * as FileHealth from "./store/log/FileHealth.js"
import * as Sqlite from "./store/log/Sqlite.js"
import * as MemoryStore from "./store/MemoryStore.js"
import * as NonceStore from "./store/NonceStore.js"
import * as OutboundRules from "./store/OutboundRules.js"
import * as PeerStates from "./store/PeerStates.js"
import * as driver from "./store/postgres/driver.js"
import * as PostgresLog from "./store/postgres/PostgresLog.js"
import * as Standbys from "./store/postgres/Standbys.js"
import * as AgentReader from "./store/read/AgentReader.js"
import * as Alike from "./store/read/Alike.js"
import * as ArchiveReader from "./store/read/ArchiveReader.js"
import * as ChangeReader from "./store/read/ChangeReader.js"
import * as ConflictReader from "./store/read/ConflictReader.js"
import * as DigestReader from "./store/read/DigestReader.js"
import * as Directory from "./store/read/Directory.js"
import * as EntityReader from "./store/read/EntityReader.js"
import * as ExportReader from "./store/read/ExportReader.js"
import * as LinkReader from "./store/read/LinkReader.js"
import * as MemoryReader from "./store/read/MemoryReader.js"
import * as PendingReader from "./store/read/PendingReader.js"
import * as PlainReader from "./store/read/PlainReader.js"
import * as ProvenanceReader from "./store/read/ProvenanceReader.js"
import * as RecallReader from "./store/read/RecallReader.js"
import * as scoping from "./store/read/scoping.js"
import * as Search from "./store/read/Search.js"
import * as StandardReader from "./store/read/StandardReader.js"
import * as SubscriptionReader from "./store/read/SubscriptionReader.js"
import * as SweepReader from "./store/read/SweepReader.js"
import * as Withholding from "./store/read/Withholding.js"
import * as Reindexer from "./store/Reindexer.js"
import * as binding from "./store/site/binding.js"
import * as Leader from "./store/site/Leader.js"
import * as SiteLog from "./store/site/SiteLog.js"
import * as TrustStore from "./store/TrustStore.js"
import * as VectorStore from "./store/vectors/VectorStore.js"
import * as VoidNews from "./store/VoidNews.js"
import * as WordKeeper from "./store/WordKeeper.js"
import type { AuditLog } from "./telemetry/AuditLog.js"
import * as Metrics from "./telemetry/Metrics.js"

/** What the verbs need, so that a program that provides a node can call them: what a node brings, and two of its ports. */
export type Services = Own | Metrics.Metrics | Uuid.Uuid

/** What a node brings. */
export type Own =
  | MemoryStore.MemoryStore
  | Checker.Checker
  | MemoryReader.MemoryReader
  | DeadLetters.DeadLetters
  | PlainReader.PlainReader
  | PeerStates.PeerStates
  | EntityReader.EntityReader
  | LinkReader.LinkReader
  | ConflictReader.ConflictReader
  | DigestReader.DigestReader
  | Directory.Directory
  | PendingReader.PendingReader
  | ProvenanceReader.ProvenanceReader
  | StandardReader.StandardReader
  | AgentReader.AgentReader
  | ArchiveReader.ArchiveReader
  | ExportReader.ExportReader
  | SweepReader.SweepReader
  | NonceStore.NonceStore
  | TrustStore.TrustStore
  | Revoking.Revoking
  | AuditLog
  | OutboundRules.OutboundRules
  | ApprovalFeed.ApprovalFeed
  | ChangeReader.ChangeReader
  | SubscriptionReader.SubscriptionReader
  | Deliveries.Deliveries
  | ChangeFeed.ChangeFeed
  | Search.Search
  | RecallReader.RecallReader
  | VectorStore.VectorStore
  | Embedder
  | Embedding.Embedding
  | Uses.Uses
  | Federation.Federation
  | Background.Background
  | Senders.Senders
  | AuthorKeys.AuthorKeys
  | Trust.Trust
  | KeyRing.Ring

/**
 * What a node is built from. Each is a layer that an embedder can replace: what stands in the environment of `layer` is used,
 * and `layerCore` asks for all of them. Two more are no services and are set for the fiber that builds the node: the clock
 * (`Layer.setClock`) and chance (`Layer.setRandom`).
 */
export type Ports =
  | NodeConfig.NodeConfig
  | Metrics.Metrics
  | Uuid.Uuid
  /** The connection that writes, and that of everything that reads. Both must be of one file; the start checks it. */
  | Sqlite.Sqlite
  | SqlClient
  | PeerTransport

/** Why a node does not start whose ports are given. */
export type CoreError =
  | Sqlite.DatabaseRefused
  | FederationConfig.InvalidFederation
  | EmbedderUnusable
  | SiteLog.SiteUnavailable
  | driver.DriverMissing

/** Why a node does not start. */
export type StartError = CoreError | peerClient.TlsFileUnreadable

/** Where it may send requests, by the rules of its operator. */
const outbound = Layer.unwrapEffect(
  Effect.map(NodeConfig.NodeConfig, ({ operatorKey }) => OutboundRules.layer(operatorKey))
)

/** The log of the site, where this is a daemon of one. */
const site = Layer.unwrapEffect(Effect.gen(function*() {
  const settings = yield* NodeConfig.NodeConfig
  const { nodeId, quorumTimeout, readStore, store } = settings
  if (Option.isNone(store)) {
    return Option.isNone(readStore)
      ? Layer.empty
      : yield* new SiteLog.SiteUnavailable({
        detail: "--read-store is for a site: give --store, too",
        isInDoubt: false
      })
  }
  const { file, writer } = yield* Sqlite.Sqlite
  const why = binding.refusal(writer)
  if (why !== null) return yield* new Sqlite.DatabaseRefused({ file, why })
  const expected = Option.map(binding.read(writer), ({ siteId }) => siteId)
  const log = PostgresLog.layer({
    driver: yield* driver.load,
    address: store.value,
    standby: readStore,
    expected,
    isMade: false,
    nodeId,
    standbys: Standbys.wanted(settings),
    timeout: quorumTimeout
  })
  return Layer.tap(log, (context) => {
    const { engine, synchronous } = Context.get(context, SiteLog.SiteLog).durability()
    return Effect.logInfo(`store: ${engine}, synchronous standbys: ${synchronous ?? "none"}`)
  })
}))

/** The file is that of the site, if there is one, and of none if there is none. */
const bound = Effect.gen(function*() {
  const { file, writer } = yield* Sqlite.Sqlite
  const log = yield* Effect.serviceOption(SiteLog.SiteLog)
  const siteId = Option.getOrNull(Option.map(log, ({ siteId }) => siteId))
  const { nodeId } = yield* NodeConfig.NodeConfig
  const other = Option.filter(nodeId, (id) => Option.exists(log, (site) => site.nodeId !== id))
  const why = Option.isSome(other)
    ? Either.left(`--node-id is ${other.value}, and the site that it is to be of has another id; leave it out`)
    : binding.bind(writer, siteId)
  yield* Effect.mapError(why, (why) => new Sqlite.DatabaseRefused({ file, why }))
  // What is answered is durable in the store: what a crash of this machine takes is followed from there again.
  if (siteId !== null) writer.pragma("synchronous = NORMAL")
  return Option.map(log, ({ nodeId }) => nodeId)
})

const store = Layer.unwrapEffect(Effect.gen(function*() {
  const { checkRowsPerSecond, nodeId: ownId, requireSignatures } = yield* NodeConfig.NodeConfig
  yield* Sqlite.checkReader
  const nodeId = Option.orElse(yield* bound, () => ownId)
  const keys = yield* KeyRing.Ring
  const authors = Trust.vouching(Authors.make(keys, requireSignatures), yield* Trust.Trust)
  return Layer.mergeAll(
    Layer.provideMerge(
      Layer.merge(Endorser.layer, VoidNews.layer),
      Layer.merge(DeadLetters.layer, AuditRows.layer(keys))
    ),
    PlainReader.layer,
    PeerStates.layer,
    EntityReader.layer,
    MemoryReader.layer,
    LinkReader.layer,
    ConflictReader.layer,
    DigestReader.layer,
    Directory.layer,
    PendingReader.layer,
    ProvenanceReader.layer,
    StandardReader.layer,
    AgentReader.layer,
    ArchiveReader.layer,
    ExportReader.layer,
    SweepReader.layer,
    ChangeReader.layer,
    SubscriptionReader.layer,
    Deliveries.layer,
    NonceStore.layer,
    outbound,
    TrustStore.layer,
    Alike.layer,
    Search.layer,
    Reindexer.layer,
    WordKeeper.layer,
    RecallReader.layer,
    VectorStore.layer,
    Withholding.layer,
    Checker.layer({ rowsPerSecond: checkRowsPerSecond })
  ).pipe(
    Layer.provideMerge(Layer.merge(Follower.layer, Leader.layer)),
    Layer.provide(FileHealth.layerReader.pipe(Layer.provide(scoping.layer))),
    Layer.provideMerge(MemoryStore.layer({ nodeId, authors })),
    Layer.provideMerge(Layer.merge(Lifetimes.layer, Languages.layer))
  )
})).pipe(Layer.provideMerge(site))

const federation = Layer.unwrapEffect(Effect.gen(function*() {
  const settings = yield* NodeConfig.NodeConfig
  const config = yield* FederationConfig.ofSettings(settings)
  yield* Option.match(config, { onNone: () => Effect.void, onSome: announce })
  const keys = yield* KeyRing.Ring
  const { alsoReload } = yield* Trust.Trust
  return Catchup.layer({ interval: settings.catchupInterval }).pipe(
    Layer.provideMerge(Federation.layer({
      config,
      apiKey: Option.orElse(settings.peerApiKey, () => settings.apiKey),
      keys,
      credential: { ...settings, alsoReload },
      drainTimeout: settings.shutdownGrace
    })),
    Layer.provideMerge(PeerLimits.layer)
  )
}))

const announce = (config: FederationConfig.FederationConfig) =>
  Effect.gen(function*() {
    const { peers, policy } = config
    const { registerPeers } = yield* Metrics.Metrics
    registerPeers(peers.map(({ name }) => name))
    for (const warning of Option.toArray(FederationConfig.warningOf(config))) yield* Effect.logWarning(warning)
    for (const { url } of peers.filter(({ url }) => url.startsWith("http:"))) {
      yield* Effect.logWarning(`peer ${url} is reached without TLS: use https outside a trusted network`)
    }
    yield* Effect.logInfo(
      `federation enabled: W=${policy.w} over ${peers.length} peer(s), timeout ${
        Duration.toMillis(policy.ackTimeout)
      }ms`
    )
  })

const revoking = Layer.unwrapEffect(Effect.map(NodeConfig.NodeConfig, (settings) => Revoking.layer(settings)))

const replicating = Layer.mergeAll(
  Collector.layer(),
  revoking,
  consensus.layer,
  ApprovalFeed.layer,
  ChangeFeed.layer,
  Uses.layer,
  Embedding.layer,
  Senders.layer,
  AuthorKeys.layer
).pipe(
  Layer.provideMerge(
    Layer.mergeAll(
      federation,
      Background.layer,
      Retention.layer,
      Permissions.layer,
      SecretScreen.layer,
      RecallWeights.layer
    )
  )
)

/** Beneath what replicates: rows go to nodes of the original with their vectors, and other nodes of ours ask for theirs. */
const embedding = Layer.mergeAll(Shipping.layer, Sharing.layer).pipe(Layer.provideMerge(embedder.layer))

/** One of each for all that ask for it. */
const trust = Layer.unwrapEffect(
  Effect.map(NodeConfig.NodeConfig, (settings) => Layer.merge(Trust.layer(settings), KeyRing.layer(settings.keyDir)))
)

/** A node without a listener, all of whose ports are to be given. Merge them, for the verbs need some of them, too. */
export const layerCore: Layer.Layer<Own, CoreError, Ports> = replicating.pipe(
  Layer.provideMerge(embedding),
  Layer.provideMerge(store),
  Layer.provideMerge(trust)
)

/** What the environment provides under this tag, and only where it provides nothing, the other. */
const providedOr = <I, S, E, R>(tag: Context.Tag<I, S>, fallback: Layer.Layer<I, E, R>): Layer.Layer<I, E, R> =>
  Layer.unwrapEffect(
    Effect.map(
      Effect.serviceOption(tag),
      Option.match({ onNone: () => fallback, onSome: (service) => Layer.succeed(tag, service) })
    )
  )

const sqlite = Layer.unwrapEffect(Effect.map(NodeConfig.NodeConfig, ({ db }) => Sqlite.layerWriter({ file: db })))

/** The settings of TLS towards peers are those of connections of our own. */
const dispatcher = Layer.unwrapEffect(Effect.gen(function*() {
  const settings = yield* NodeConfig.NodeConfig
  const tls = peerClient.ofSettings(settings)
  const provided = yield* Effect.serviceOption(Dispatcher)
  const { judge } = yield* OutboundRules.OutboundRules
  if (Option.isNone(provided)) return peerClient.layer(tls, { judge, trust: yield* Trust.Trust })
  if (Object.values(tls).some(Option.isSome)) {
    yield* Effect.logWarning(
      "the connections to peers were provided: quorum-client-cert, quorum-client-key and quorum-ca-cert are not looked at"
    )
  }
  return Layer.succeed(Dispatcher, provided.value)
}))

/** Of the database. */
const connections = providedOr(SqlClient, Sqlite.layerReader).pipe(
  Layer.provideMerge(providedOr(Sqlite.Sqlite, sqlite))
)

const defaults = Layer.mergeAll(
  providedOr(Metrics.Metrics, Metrics.layer),
  providedOr(Uuid.Uuid, Uuid.layer(randomUUID)),
  providedOr(PeerTransport, HttpPeerTransport.layer.pipe(Layer.provide(dispatcher), Layer.provide([outbound, trust])))
).pipe(Layer.provideMerge(connections))

/** Subscriptions are served beside the node: the simulation has none to send to. */
const delivering = Deliverer.layer.pipe(Layer.provideMerge(Webhooks.layer))

/** A node without a listener, for embedding: it stores, recalls, and replicates to its peers. */
export const layer: Layer.Layer<Services | Webhooks.Webhooks | SqlClient, StartError, NodeConfig.NodeConfig> =
  delivering
    .pipe(Layer.provideMerge(layerCore), Layer.provideMerge(defaults))

/** A node with its HTTP listener. `telemetry` is set up as soon as the node knows its id. */
export const layerDaemonWith = <E>(telemetry: (nodeId: NodeId) => Layer.Layer<never, E>) =>
  Server.layer(Layer.mergeAll(Mcp.layer, Pages.layer)).pipe(
    Layer.provideMerge(delivering),
    Layer.provideMerge(replicating),
    Layer.provideMerge(embedding),
    Layer.provideMerge(Layer.unwrapEffect(Effect.map(MemoryStore.MemoryStore, ({ nodeId }) => telemetry(nodeId)))),
    Layer.provideMerge(store),
    Layer.provideMerge(trust),
    Layer.provideMerge(defaults)
  )

/** A node with its HTTP listener, whose traces are its caller's. */
export const layerDaemon = layerDaemonWith(() => Layer.empty)

/**
 * Serves until interrupted, or until a failed commit leaves the state of the file unknown. `onListening` gets the listener
 * once it is there.
 */
export const serve = <E>(
  telemetry: (nodeId: NodeId) => Layer.Layer<never, E>,
  onListening: (listener: Server.HttpListener["Type"]) => Effect.Effect<void> = () => Effect.void
): Effect.Effect<never, StartError | Server.ServeFailed | CommitFailed | E, NodeConfig.NodeConfig> =>
  Layer.build(layerDaemonWith(telemetry)).pipe(
    Effect.tap((services) => Effect.logInfo(`quorate listening on ${Context.get(services, Server.HttpListener).url}`)),
    Effect.tap((services) => onListening(Context.get(services, Server.HttpListener))),
    Effect.flatMap((services) => Context.get(services, MemoryStore.MemoryStore).fatal),
    Effect.scoped
  )
