import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import type * as LogLevel from "effect/LogLevel"
import * as MetricRegistry from "effect/MetricRegistry"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Runtime from "effect/Runtime"
import * as Authors from "../../src/access/Authors.js"
import * as KeyRing from "../../src/access/KeyRing.js"
import * as NodeConfig from "../../src/config/NodeConfig.js"
import { NodeId } from "../../src/domain/ids.js"
import * as Uuid from "../../src/domain/Uuid.js"
import * as Embedder from "../../src/embedding/Embedder.js"
import * as Catchup from "../../src/federation/catchup/Catchup.js"
import * as Federation from "../../src/federation/Federation.js"
import * as FederationConfig from "../../src/federation/FederationConfig.js"
import type { LinkStatus } from "../../src/federation/link/PeerLink.js"
import type { PeerTransport } from "../../src/federation/wire/PeerTransport.js"
import * as consensus from "../../src/operations/governance/consensus.js"
import * as Uses from "../../src/operations/recall/Uses.js"
import * as Background from "../../src/operations/writing/Background.js"
import * as AuditRows from "../../src/store/AuditLog.js"
import * as DeadLetters from "../../src/store/DeadLetters.js"
import * as MemoryStore from "../../src/store/MemoryStore.js"
import * as OutboundRules from "../../src/store/OutboundRules.js"
import * as PeerStates from "../../src/store/PeerStates.js"
import * as ArchiveReader from "../../src/store/read/ArchiveReader.js"
import * as ConflictReader from "../../src/store/read/ConflictReader.js"
import * as DigestReader from "../../src/store/read/DigestReader.js"
import * as EntityReader from "../../src/store/read/EntityReader.js"
import * as LinkReader from "../../src/store/read/LinkReader.js"
import * as MemoryReader from "../../src/store/read/MemoryReader.js"
import * as PendingReader from "../../src/store/read/PendingReader.js"
import * as RecallReader from "../../src/store/read/RecallReader.js"
import * as Search from "../../src/store/read/Search.js"
import * as StandardReader from "../../src/store/read/StandardReader.js"
import * as SweepReader from "../../src/store/read/SweepReader.js"
import * as VectorStore from "../../src/store/vectors/VectorStore.js"
import type { AuditLog } from "../../src/telemetry/AuditLog.js"
import * as Metrics from "../../src/telemetry/Metrics.js"
import { knowing } from "../store/authors.js"
import * as ambience from "./ambience.js"
import type { Options } from "./options.js"
import type { Prng } from "./prng.js"
import * as Process from "./Process.js"
import * as SimClock from "./SimClock.js"
import type { SimDisk } from "./SimDisk.js"
import type { SimScheduler } from "./SimScheduler.js"
import type { Timeline } from "./Timeline.js"

/** What clients and peers call of a node. */
export type Services =
  | MemoryStore.MemoryStore
  | MemoryReader.MemoryReader
  | LinkReader.LinkReader
  | ConflictReader.ConflictReader
  | DigestReader.DigestReader
  | PendingReader.PendingReader
  | StandardReader.StandardReader
  | ArchiveReader.ArchiveReader
  | Search.Search
  | RecallReader.RecallReader
  | VectorStore.VectorStore
  | Embedder.Embedder
  | Uses.Uses
  | SweepReader.SweepReader
  | AuditLog
  | OutboundRules.OutboundRules
  | DeadLetters.DeadLetters
  | PeerStates.PeerStates
  | Federation.Federation
  | Background.Background
  | Metrics.Metrics
  | Uuid.Uuid

export interface Setting {
  readonly name: string
  /** Where it is, and where the others are: asked at each start. */
  readonly place: () => { readonly host: string; readonly peers: ReadonlyArray<string> }
  readonly options: Options
  readonly disk: SimDisk
  readonly timeline: Timeline
  readonly scheduler: SimScheduler
  readonly prng: Prng
  readonly transport: (process: Process.Process) => Layer.Layer<PeerTransport>
  readonly listening: () => void
  readonly log: ambience.Log
  readonly logLevel: LogLevel.LogLevel
  readonly ended: (how: "asked" | "commit failed" | "broken", detail: string) => void
}

/** As far as a clock that is kept in order may be off. */
const PUNCTUAL_MILLIS = 2_500

/** Nobody asks simulated nodes for their metrics: they share one registry, which is made once. */
const uncounted = Layer.succeed(Metrics.Metrics, Metrics.make(MetricRegistry.make()))

/** A node of the mesh: a disk, and one process after the other that runs the real layers on it. */
export class SimNode {
  readonly name: string
  readonly disk: SimDisk
  /** Whether its wall clock is right, and always was. */
  isPunctual = true
  process: Process.Process | null = null
  /** What the process offers while it listens. */
  runtime: Runtime.Runtime<Services> | null = null
  /** Told when the process ends, however it does. */
  readonly connections = new Set<() => void>()
  private offset = 0
  private fiber: Fiber.RuntimeFiber<never, unknown> | null = null
  private readonly setting: Setting

  constructor(setting: Setting) {
    this.setting = setting
    this.name = setting.name
    this.disk = setting.disk
  }

  /** How far the wall clock of this machine is off. */
  get offsetMillis(): number {
    return this.offset
  }

  set offsetMillis(millis: number) {
    this.offset = millis
    if (Math.abs(millis) > PUNCTUAL_MILLIS) this.isPunctual = false
  }

  start(): void {
    const process = Process.make(this.name)
    this.process = process
    const main = Layer.toRuntime(this.layer(process)).pipe(
      Effect.tap((runtime) =>
        Effect.sync(() => {
          this.runtime = runtime
          this.setting.listening()
        })
      ),
      Effect.flatMap(({ context }) => Context.get(context, MemoryStore.MemoryStore).fatal),
      Effect.scoped,
      this.inside(process)
    )
    const scheduler = this.setting.scheduler.of(process)
    const fiber = Runtime.runFork(ambience.runtime)(main, { immediate: false, scheduler })
    this.fiber = fiber
    fiber.addObserver((exit) => {
      if (process.alive) this.end(process, exit)
    })
  }

  /** Ends at once and runs nothing more: `kill -9`, or the power goes. */
  crash(how: "killed" | "power lost"): void {
    this.leave()
    if (how === "power lost") this.disk.losePower()
    else this.disk.settle()
  }

  /** Asked to end (SIGTERM): refuses new requests, finishes what is under way, closes its scope. */
  stop(): void {
    this.runtime = null
    this.fiber?.unsafeInterruptAsFork(FiberId.none)
  }

  freeze(): void {
    if (this.process !== null) this.process.frozen = true
  }

  thaw(): void {
    if (this.process === null) return
    this.process.frozen = false
    this.setting.scheduler.thaw(this.process)
  }

  /** Runs something as the server of the node would; `false` when it does not listen. Nothing is told after a crash. */
  run<A, E>(
    effect: Effect.Effect<A, E, Services>,
    done: (exit: Exit.Exit<A, E>) => void
  ): Fiber.RuntimeFiber<A, E> | null {
    if (this.runtime === null) return null
    const { process } = this
    const fiber = Runtime.runFork(this.runtime)(effect, { immediate: false })
    fiber.addObserver((exit) => {
      if (process?.alive === true) done(exit)
    })
    return fiber
  }

  links(): ReadonlyArray<LinkStatus> {
    if (this.runtime === null) return []
    return Context.get(this.runtime.context, Federation.Federation).links.map((link) => link.status())
  }

  store(): MemoryStore.MemoryStore["Type"] | null {
    return this.runtime === null ? null : Context.get(this.runtime.context, MemoryStore.MemoryStore)
  }

  private end(process: Process.Process, exit: Exit.Exit<never, unknown>): void {
    const cause = Exit.isFailure(exit) ? exit.cause : Cause.empty
    this.leave()
    this.disk.settle()
    process.alive = false
    const isCommitFailed = Cause.pretty(cause).includes("a commit failed")
    if (Cause.isInterruptedOnly(cause)) this.setting.ended("asked", "")
    else this.setting.ended(isCommitFailed ? "commit failed" : "broken", Cause.pretty(cause))
  }

  private leave(): void {
    if (this.process !== null) this.process.alive = false
    this.process = null
    this.runtime = null
    this.fiber = null
    for (const closed of [...this.connections]) closed()
    this.connections.clear()
  }

  private inside(process: Process.Process) {
    const { log, logLevel, options, prng, timeline } = this.setting
    return ambience.around({
      clock: SimClock.make(timeline, process, () => this.offsetMillis),
      random: Random.make(prng.uuid()),
      tracing: options.traced ? prng.fork("spans") : null,
      log,
      logLevel
    })
  }

  private layer(process: Process.Process): Layer.Layer<Services, unknown> {
    const { options, place, prng, transport } = this.setting
    const { host, peers } = place()
    const config = FederationConfig.build({
      quorumWrites: Option.fromNullable(options.quorumWrites),
      peers,
      ackTimeout: Duration.millis(options.ackMillis),
      self: { host, port: 80, tls: false }
    })
    const federation = Federation.layer({
      config: Either.getOrThrow(config),
      apiKey: Option.none(),
      keys: KeyRing.empty,
      credential: NodeConfig.defaults,
      drainTimeout: Duration.seconds(1)
    })
    // One after the other: to build them side by side costs several times as much, and there is nothing to wait for.
    return Catchup.layer({ interval: Duration.seconds(options.catchupSeconds) }).pipe(
      Layer.provideMerge(Layer.merge(consensus.layer, Uses.layer)),
      Layer.provideMerge(federation),
      Layer.provideMerge(Background.layer),
      Layer.provideMerge(Layer.provideMerge(DeadLetters.layer, PeerStates.layer)),
      Layer.provideMerge(EntityReader.layer),
      Layer.provideMerge(MemoryReader.layer),
      Layer.provideMerge(LinkReader.layer),
      Layer.provideMerge(ConflictReader.layer),
      Layer.provideMerge(DigestReader.layer),
      Layer.provideMerge(PendingReader.layer),
      Layer.provideMerge(StandardReader.layer),
      Layer.provideMerge(ArchiveReader.layer),
      Layer.provideMerge(recalling),
      Layer.provideMerge(SweepReader.layer),
      Layer.provideMerge(security),
      Layer.provideMerge(MemoryStore.layer({
        nodeId: Option.some(NodeId.make(this.name)),
        authors: options.sealed ? byName(this.name) : Authors.none
      })),
      Layer.provide(this.disk.layer(process)),
      Layer.provideMerge(Uuid.layer(prng.uuid)),
      Layer.provideMerge(uncounted),
      Layer.provide(transport(process))
    )
  }
}

/** The key of each node is known by its name. */
const byName = (own: string): Authors.Authors => knowing((nodeId) => nodeId, { own })

/** What happens is written down, and nothing is forbidden. */
const security = Layer.merge(AuditRows.layer(KeyRing.empty), OutboundRules.layer(Option.none()))

/** What a recall reads. Nothing is embedded here: that would only be more to do between two turns. */
const recalling = Search.layer.pipe(
  Layer.provideMerge(RecallReader.layer),
  Layer.provideMerge(VectorStore.layer),
  Layer.provideMerge(Embedder.none)
)
