import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as OperationSet from "../../replication/OperationSet.js"
import * as VersionVector from "../../replication/VersionVector.js"
import { MemoryStore } from "../../store/MemoryStore.js"
import type { PeerStates } from "../../store/PeerStates.js"
import { Leader } from "../../store/site/Leader.js"
import type { AuditLog } from "../../telemetry/AuditLog.js"
import { Metrics } from "../../telemetry/Metrics.js"
import { Federation, type PeerLink } from "../Federation.js"
import * as CatchupPage from "./CatchupPage.js"
import * as pullOriginal from "./pullOriginal.js"
import * as Rejections from "./Rejections.js"
import * as Unveiling from "./Unveiling.js"

/** How often it is looked whether a link has found its peer: then its first round begins. */
const LOOK_EVERY = Duration.millis(25)
/** A first round that takes longer keeps nobody from using this node. */
const START_WITHIN = Duration.seconds(10)
/** A node that did nothing for so long was stopped, or its machine slept: its peers have given it up meanwhile. */
const MAX_STANDSTILL = Duration.seconds(3)
/** Pages of one peer in one round at most: a bound, far above what an interval can bring. */
const MAX_PAGES = 10_000
/** What gets less within this time is being sent to this node by someone: it need not ask for it. */
const SETTLE_AFTER = Duration.millis(500)

/**
 * Anti-entropy: every interval each peer is asked what it holds, is sent what it lacks, and is asked for what this node
 * lacks, of any origin. So an acknowledged write spreads even when its origin is gone. A peer that comes back is asked
 * at once.
 */
export const layer = (options: {
  /** Zero turns the rounds off. */
  readonly interval: Duration.Duration
  readonly firstAfter?: Duration.Duration
}): Layer.Layer<never, never, Federation | MemoryStore | PeerStates | AuditLog | Metrics> =>
  Layer.scopedDiscard(Effect.gen(function*() {
    const { links, start } = yield* Federation
    const { caughtUp } = yield* MemoryStore
    const { leads } = yield* Leader
    if (links.length === 0 || Duration.toMillis(options.interval) === 0) {
      yield* caughtUp
      return start.end()
    }
    yield* Effect.forkScoped(Effect.zipRight(Effect.sleep(START_WITHIN), Effect.sync(start.end)))
    yield* Effect.logInfo(
      `catchup loop enabled: polling ${links.length} peer(s) every ${Duration.format(options.interval)}`
    )
    const rejections = Rejections.make(yield* Metrics)
    /** Those that the first round was had with, or could not be. */
    const asked = new Set<PeerLink>()
    /** Nodes of ours are asked one after the other, so that only the first sends what more than one of them has. */
    const turn = yield* Effect.makeSemaphore(1)
    const pause = Effect.flatMap(
      Random.nextRange(0.8, 1.2),
      (share) => Effect.sleep(Duration.times(options.interval, share))
    )
    yield* Effect.forEach(links, (link) => {
      const parts = { turn, rejections, rows: pullOriginal.make(link), unveil: Unveiling.make(link) }
      const round = Effect.suspend(() => leads() ? catchUp(link, parts) : Effect.void)
      return (options.firstAfter === undefined ? tried(link) : Effect.sleep(options.firstAfter)).pipe(
        Effect.zipRight(round),
        Effect.zipRight(Effect.suspend(() => {
          // A node of the original tells of memories only: a round with one of ours says more, where there is one.
          asked.add(link)
          const { identity, phase } = link.status()
          const isOfOurs = phase === "connected" && identity?.kind === "quorate"
          if (isOfOurs || asked.size === links.length) start.end()
          return asked.size === links.length ? caughtUp : Effect.void
        })),
        Effect.zipRight(Effect.raceFirst(pause, link.returned)),
        Effect.zipRight(Effect.forever(Effect.zipRight(round, Effect.raceFirst(pause, link.returned)))),
        Effect.tapErrorCause((cause) => Effect.logError(`the catch-up loop of peer ${link.peer.name} stopped`, cause)),
        Effect.forkScoped
      )
    }, { discard: true })
    yield* Effect.forkScoped(Effect.forever(afterStandstill(links)))
  }))

/** Ends once the peer has answered, or has not. */
const tried = (link: PeerLink): Effect.Effect<void> =>
  Effect.suspend(() =>
    link.status().phase === "unknown" ? Effect.zipRight(Effect.sleep(LOOK_EVERY), tried(link)) : Effect.void
  )

/**
 * Whoever was away without knowing says hello, so that the others send what it missed without waiting for their time.
 */
const afterStandstill = (links: ReadonlyArray<PeerLink>) =>
  Effect.flatMap(Effect.timed(Effect.sleep(Duration.seconds(1))), ([took]) =>
    Duration.lessThan(took, MAX_STANDSTILL)
      ? Effect.void
      // Each on its own: nobody waits for them, and a stop need not wait for all of them together.
      : Effect.forEach(links, (link) => Effect.forkScoped(link.refresh), { discard: true }))

/** One round with one peer. A failure is the link's to report; the next round tries again. */
const catchUp = (
  link: PeerLink,
  { rejections, rows, turn, unveil }: {
    readonly turn: Effect.Semaphore
    readonly unveil: ReturnType<typeof Unveiling.make>
    readonly rejections: Rejections.Rejections
    readonly rows: pullOriginal.PullOriginal
  }
) =>
  Effect.gen(function*() {
    yield* link.refresh
    const { identity, phase } = link.status()
    if (phase === "broken" || identity === null) return
    if (identity.kind === "original") return yield* rows(identity.peerId)
    yield* settled(link)
    const { peerId } = identity
    yield* turn.withPermits(1)(Effect.all([pull(link, rejections, peerId), pullSeals(link), unveil], { discard: true }))
  }).pipe(
    Effect.catchAllCause((cause) => Effect.logWarning(`catchup: peer ${link.peer.name} failed`, cause))
  )

/** Waits for as long as the peer has something more than this node, and that gets less by itself. */
const settled = (link: PeerLink) =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    const { vector } = link.status()
    for (let before = Infinity;;) {
      const lacking = OperationSet.sizeOf(VersionVector.missing(vector, store.vector()))
      if (lacking === 0 || lacking >= before) return
      before = lacking
      yield* Effect.sleep(SETTLE_AFTER)
    }
  })

/**
 * Asks for pages until nothing is lacking, or a page brings nothing new; for the next one while this one is applied. What this node
 * refuses counts as held for the rest of the round, so that the next page brings what is behind it; the next round tries it once
 * more.
 */
const pull = (link: PeerLink, rejections: Rejections.Rejections, peerId: string) =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    const { since } = link.client
    let refused = OperationSet.empty
    let applied = 0
    const held = () => OperationSet.union(store.vector(), refused)
    if (VersionVector.dominates(held(), link.status().vector)) return
    let found = yield* since(held())
    for (let page = 0; page < MAX_PAGES; page++) {
      const before = held()
      const ahead = found.more && found.request !== null
        ? Effect.asSome(since(OperationSet.union(before, OperationSet.of(CatchupPage.namesOf(found.request)))))
        : Effect.succeedNone
      const [done, next] = yield* Effect.all([CatchupPage.apply(found, peerId), Effect.exit(ahead)], { concurrency: 2 })
      refused = OperationSet.union(refused, OperationSet.of(done.rejected))
      applied += done.applied
      yield* rejections.report(link.peer.name, done.rejected)
      if (!found.more || VersionVector.equals(before, held())) break
      const asked = yield* next
      found = Option.isSome(asked) ? asked.value : yield* since(held())
    }
    if (applied > 0) yield* Effect.logInfo(`catchup: applied ${applied} operations from peer ${link.peer.name}`)
  })

/**
 * Asks for the seals that the peer has of operations that are held here without one: it sends them once more, with those. One
 * that does not count here is not asked for again in this round.
 */
const pullSeals = (link: PeerLink) =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    const { identity } = link.status()
    const theirs = identity?.kind === "quorate" ? identity.hello.sealed : undefined
    if (identity === null || theirs === undefined) return
    let asked = OperationSet.empty
    for (let page = 0; page < MAX_PAGES; page++) {
      const lacking = OperationSet.difference(
        OperationSet.intersection(theirs, store.vector()),
        OperationSet.union(store.sealed(), asked)
      )
      if (lacking.size === 0) return
      const { request, text } = yield* link.client.since(OperationSet.difference(store.vector(), lacking))
      const ops = request?.ops ?? []
      if (ops.length === 0) return
      yield* CatchupPage.apply({ request, text }, identity.peerId)
      asked = OperationSet.union(asked, OperationSet.of(ops))
    }
  })
