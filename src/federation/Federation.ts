import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Held from "../access/Held.js"
import type { KeyRing } from "../access/KeyRing.js"
import * as signing from "../access/signing.js"
import { MAX_AHEAD_MILLIS } from "../domain/Hlc.js"
import { Uuid } from "../domain/Uuid.js"
import type { Format, Operation } from "../replication/Operation.js"
import type { QuorumPolicy } from "../replication/QuorumPolicy.js"
import { ClockSkewed } from "../store/errors.js"
import { MemoryStore } from "../store/MemoryStore.js"
import { PeerStates } from "../store/PeerStates.js"
import { Metrics } from "../telemetry/Metrics.js"
import * as Attempts from "./attempts.js"
import type { FederationConfig } from "./FederationConfig.js"
import * as Doubles from "./link/Doubles.js"
import { ORIGINAL_PROTOCOL } from "./link/Greeting.js"
import * as PeerLinks from "./link/PeerLinks.js"
import * as RecentTraces from "./RecentTraces.js"
import * as Replicating from "./replicating.js"
import type { Acknowledged, QuorumNotMet, Verdict } from "./verdict.js"

/** Who speaks to this node. */
export type Caller = Doubles.Caller

/** The way to one peer. */
export type PeerLink = PeerLinks.PeerLink

/** The mesh as this node sees it. Without peers every write is acknowledged by its local commit alone. */
export class Federation extends Context.Tag("quorate/federation/Federation")<Federation, {
  /** W of N, when there are peers. */
  readonly policy: Option.Option<QuorumPolicy>
  readonly links: ReadonlyArray<PeerLink>
  /**
   * Sends a committed operation to every peer and waits for W − 1 of them, no longer than the deadline. Whatever it
   * answers, the sends go on: interrupting the caller takes nothing back.
   */
  readonly replicate: (operation: Operation) => Effect.Effect<Acknowledged, QuorumNotMet>
  /**
   * The same for operations that were committed at once, each of them a write of its own: `told` hears the verdict on each as
   * soon as it is certain. None of them is in a trace. Ends with the last verdict.
   */
  readonly replicateEach: (
    operations: ReadonlyArray<Operation>,
    told: (index: number, exit: Exit.Exit<Acknowledged, QuorumNotMet>) => void
  ) => Effect.Effect<void>
  /**
   * The same for many operations that were committed together: one deadline for all, a verdict for each, in their
   * order. They go in large requests of their own, beside the live writes.
   */
  readonly replicateAll: (operations: ReadonlyArray<Operation>) => Effect.Effect<ReadonlyArray<Verdict>>
  /**
   * Has the other nodes of ours sent at once what came into the log otherwise than by a write of a client. An original
   * node hears of it in the next round: it may be the one that it came from, and have gone on meanwhile.
   */
  readonly catchUp: Effect.Effect<void>
  /**
   * A node spoke to this one: it is there, whatever it calls itself. One of ours says its id, others what they like.
   */
  readonly heard: (caller: Caller) => Effect.Effect<void>
  /** A node that has just been started may lack what was written meanwhile, or everything. */
  readonly start: {
    /** The first round of catch-up is done; or there is nobody to have it with, or it takes too long. */
    readonly isOver: () => boolean
    readonly end: () => void
  }
  /** How the clock of this node is off, by the word of most of its peers; null while it is not known to be. */
  readonly clockSkew: () => ClockSkewed | null
  /** Which run of this node it is: no other start of it, nor any copy, has the same. */
  readonly run: string
  /** Whether two nodes speak under this id. */
  readonly isDouble: (id: string) => boolean
  /** The traces of the latest operations, of this node and of others. */
  readonly traces: RecentTraces.RecentTraces
}>() {}

/** A node without peers: its local commit is all there is to acknowledge. */
export const layerAlone: Layer.Layer<Federation, never, MemoryStore> = Layer.effect(
  Federation,
  Effect.map(MemoryStore, ({ durability, nodeId }) => {
    // Where nothing but this node holds it, there is nothing to add.
    const heldBy = () => {
      const shown = durability()
      return shown.synchronous === null ? undefined : shown
    }
    const alone = ({ opId }: Operation): Acknowledged => ({ opId, acks: 1, ackedBy: [nodeId], durability: heldBy() })
    return Federation.of({
      policy: Option.none(),
      links: [],
      replicate: (operation) => Effect.succeed(alone(operation)),
      replicateEach: (operations, told) =>
        Effect.sync(() => operations.forEach((operation, index) => told(index, Exit.succeed(alone(operation))))),
      replicateAll: (operations) => Effect.succeed(operations.map((operation) => Either.right(alone(operation)))),
      catchUp: Effect.void,
      heard: () => Effect.void,
      start: { isOver: () => true, end: () => {} },
      clockSkew: () => null,
      run: "alone",
      isDouble: () => false,
      traces: RecentTraces.make()
    })
  })
)

interface Options {
  readonly config: FederationConfig
  readonly apiKey: Option.Option<Redacted.Redacted>
  /** By which this node signs what it says. */
  readonly keys: KeyRing
  /** What it shows of it. */
  readonly credential: Pick<Held.Options, "credentialFile" | "credentialChainFile" | "alsoReload">
  /** At shutdown, for the sends that are still under way. */
  readonly drainTimeout: Duration.Duration
}

/** A node of a mesh, or one alone when there is no config. */
export const layer = (
  { config, ...options }: Omit<Options, "config"> & { readonly config: Option.Option<FederationConfig> }
): Layer.Layer<Federation, never, PeerLinks.Requires | Uuid> =>
  Option.match(config, {
    onNone: () => layerAlone,
    onSome: (config) => Layer.scoped(Federation, make({ ...options, config }))
  })

const make = (options: Options) =>
  Effect.gen(function*() {
    const { policy } = options.config
    const inFlight = yield* FiberSet.make<void>()
    const { nodeId } = yield* MemoryStore
    const uuid = yield* Uuid
    const metrics = yield* Metrics
    const clock = yield* Effect.clock
    const doubles = Doubles.make(nodeId, uuid.make(), { clock, metrics })
    const attempts = Attempts.make()
    const traces = RecentTraces.make()
    const links = yield* PeerLinks.make({
      ...options.config,
      apiKey: options.apiKey,
      identity: {
        sign: signing.make({
          keys: options.keys,
          id: nodeId,
          nowMillis: () => clock.unsafeCurrentTimeMillis(),
          makeUuid: uuid.make
        }),
        shown: (yield* Held.make({ ...options.credential, id: nodeId, onFacts: metrics.credential })).headers
      },
      doubles,
      heard: attempts.heard,
      traces
    })
    // Added last, so that it runs first: the links must still be there to finish what is under way.
    yield* Effect.addFinalizer(() => drained(inFlight, options.drainTimeout))
    const clockSkew = () => skewOf(links)
    const { agreeWith, sealedForm } = yield* MemoryStore
    yield* agreeWith({ offered: yield* offeredBy(links), clockSkew })
    const { replicate, replicateAll, replicateEach } = yield* Replicating.make({
      nodeId,
      policy,
      links,
      attempts,
      inFlight,
      traces
    })
    return Federation.of({
      policy: Option.some(policy),
      links,
      replicate: (operation) => replicate(sealedForm(operation)),
      replicateEach: (operations, told) => replicateEach(operations.map(sealedForm), told),
      replicateAll: (operations) => replicateAll(operations.map(sealedForm)),
      catchUp: Effect.sync(() => {
        for (const link of links) if (link.status().identity?.kind === "quorate") link.catchUp()
      }),
      heard: (caller) => {
        if (caller.id !== nodeId) {
          const known = links.filter((link) => link.status().identity?.peerId === caller.id)
          for (const link of known.length > 0 ? known : links) link.heard()
        }
        return doubles.spoke(caller)
      },
      start: starting(links.length === 0),
      clockSkew,
      run: doubles.run,
      isDouble: doubles.isDouble,
      traces
    })
  })

/**
 * A member offers a format with the protocol of its hello, this time or the last time that it answered. What a node of the
 * original is told does not depend on it.
 */
const offeredBy = (links: ReadonlyArray<PeerLink>) =>
  Effect.gen(function*() {
    const known = yield* (yield* PeerStates).protocols.pipe(
      Effect.catchAll((error) =>
        Effect.as(
          Effect.logWarning("federation: what the peers spoke before is not known, until each has answered", error),
          new Map<string, number>()
        )
      )
    )
    const protocolOf = ({ peer, status }: PeerLink): number | undefined => status().protocol ?? known.get(peer.url)
    return (format: Format) =>
      links.every((link) => {
        const protocol = protocolOf(link)
        return protocol === ORIGINAL_PROTOCOL || (protocol !== undefined && protocol >= format)
      })
  })

/** Peers that can not be asked now, and those that do not tell the time, have no voice in it. */
const skewOf = (links: ReadonlyArray<PeerLink>): ClockSkewed | null => {
  const off = links.flatMap(({ skewMillis }) => {
    const skew = skewMillis()
    return skew !== null && Math.abs(skew) > MAX_AHEAD_MILLIS ? [-skew] : []
  })
  const [aheadMillis] = off
  return aheadMillis === undefined || off.length * 2 <= links.length
    ? null
    : new ClockSkewed({ aheadMillis, peers: off.length, of: links.length })
}

const starting = (isAlone: boolean): Federation["Type"]["start"] => {
  let isOver = isAlone
  return {
    isOver: () => isOver,
    end: () => {
      isOver = true
    }
  }
}

/** At shutdown the open sends get a bounded time; what is left then is in the log, for the next start. */
const drained = (inFlight: FiberSet.FiberSet<void>, within: Duration.Duration) =>
  FiberSet.awaitEmpty(inFlight).pipe(
    Effect.interruptible,
    Effect.timeoutOption(within),
    Effect.flatMap((done) =>
      Option.isSome(done)
        ? Effect.void
        : Effect.logWarning("federation: some sends were not done in time; the log resumes them at the next start")
    )
  )

export { type Acknowledged, QuorumNotMet, type Verdict } from "./verdict.js"
