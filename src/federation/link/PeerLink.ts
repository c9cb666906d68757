import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { NodeId, PeerId, PeerUrl } from "../../domain/ids.js"
import type { Operation } from "../../replication/Operation.js"
import * as OperationSet from "../../replication/OperationSet.js"
import * as VersionVector from "../../replication/VersionVector.js"
import { MemoryStore } from "../../store/MemoryStore.js"
import { Metrics } from "../../telemetry/Metrics.js"
import type { RecentTraces } from "../RecentTraces.js"
import * as PeerClient from "../wire/PeerClient.js"
import type * as Breaker from "./Breaker.js"
import { fromLog, inCatchupSpan } from "./catchupSpan.js"
import * as Contact from "./Contact.js"
import * as Delivery from "./Delivery.js"
import type { Doubles } from "./Doubles.js"
import * as Greeting from "./Greeting.js"
import { lanesOf } from "./lanes.js"
import * as LinkState from "./LinkState.js"
import * as PeerQueue from "./PeerQueue.js"
import * as SeenClock from "./SeenClock.js"
import * as Watchdog from "./Watchdog.js"

type Outcome = PeerClient.Outcome.Outcome

/**
 * The way to one peer. Live writes, bulk writes and what it lacks from the log go in lanes of their own, each with one
 * request in flight, so that none waits for another.
 */
export interface PeerLink {
  readonly peer: PeerClient.Peer
  /** For questions beside the lanes. */
  readonly client: PeerClient.PeerClient
  /**
   * What the peer did with each operation, in their order. Fails, with that, when it holds none of them. Never hangs.
   * While the link is broken it fails at once; unless it is `wanted`, and nobody else is waiting for that: then it is
   * tried whether the peer is back.
   */
  readonly send: (
    items: ReadonlyArray<PeerClient.Outgoing>,
    options?: { readonly bulk: boolean; readonly wanted: boolean; readonly first?: PeerUrl | undefined }
  ) => Effect.Effect<ReadonlyArray<Outcome>, ReadonlyArray<Outcome>>
  /** Whether an operation that was acked under this id is still held there, by all that is known of the peer. */
  readonly holds: (operation: Operation, by: PeerId) => boolean
  /** Tries once more, alone, what the peer has refused. */
  readonly redeliver: (operation: Operation) => Effect.Effect<Redelivered>
  /** The peer spoke to this node: it is alive, so an open breaker is tried again at once. */
  readonly heard: () => void
  /** Another link's peer answers under the identity of this one's: one of them has changed its place. */
  readonly doubt: () => void
  /** The operations came from the peer, an original node that can not tell what it holds: it need not hear of them. */
  readonly took: (operations: ReadonlyArray<Operation>) => void
  /** Tells an original node once more what became of a memory that it has otherwise. */
  readonly restate: (id: string) => Effect.Effect<void, PeerClient.PeerFailed>
  /** Something came into the log that no write sends: the backfill lane does. */
  readonly catchUp: () => void
  /** Asks the peer what it holds, and sends it what it lacks. */
  readonly refresh: Effect.Effect<void>
  /** Whether what both may see stands otherwise there; from now on it is known. */
  readonly takeApart: () => boolean
  /** Ends once the peer has come back after a time without an answer. For one fiber to wait on. */
  readonly returned: Effect.Effect<void>
  readonly status: () => LinkStatus
  /** The peer's clock minus this node's; null while it can not be asked, or does not tell the time. */
  readonly skewMillis: () => number | null
}

/** What another attempt came to. `unreachable`: the peer said nothing about it, for whatever reason. */
export type Redelivered = "delivered" | "refused" | "unreachable"

/** How a link stands. */
export interface LinkStatus {
  readonly phase: LinkState.Phase["_tag"]
  /** Whom it talks to, also while that one does not answer; null before it ever did. */
  readonly identity: PeerClient.Identity | null
  /** The protocol that is spoken at its address; null before anybody answered there. */
  readonly protocol: number | null
  readonly breaker: Breaker.Breaker
  /** Why nothing is sent to it; undefined while it is tried. */
  readonly cause: PeerClient.PeerFailed | undefined
  /** What the peer is known to hold. */
  readonly vector: LinkState.LinkState["vector"]
  /** Operations that wait for it. */
  readonly queued: number
}

export interface Options {
  readonly peer: PeerClient.Peer
  readonly sender: PeerClient.Sender
  /** Of a quorum write: an ack that comes within it counts, so no request that one may wait for is given up before. */
  readonly ackTimeout: Duration.Duration
  readonly clockSkewWarn: Duration.Duration
  readonly doubles: Doubles
  readonly heard: Delivery.Heard
  /** The traces of the latest writes. */
  readonly traces: RecentTraces
  /** Takes an identity for this link. */
  readonly claim: (peerId: PeerId) => Greeting.Claim
  /** The peer has said what it holds. */
  readonly asked: Effect.Effect<void>
  /** Whether another link is in touch with the node of ours with this id. */
  readonly inTouch: (nodeId: NodeId) => boolean
}

export type Requires = Greeting.Requires | PeerClient.Requires

export const make = (options: Options): Effect.Effect<PeerLink, never, Requires | Scope.Scope> =>
  Effect.gen(function*() {
    const { ackTimeout, peer, sender } = options
    const clock = yield* Effect.clock
    const random = yield* Effect.random
    const store = yield* MemoryStore
    const metrics = yield* Metrics
    const machine = LinkState.make()
    const client = yield* PeerClient.make({ peer, sender, timeout: ackTimeout })
    const makeQueue = PeerQueue.make<PeerClient.Outgoing, Outcome>(PeerClient.fitting)
    const queues = { live: yield* makeQueue, bulk: yield* makeQueue }
    const delivery = yield* Delivery.make(client, machine, options.heard)
    const greeting = yield* Greeting.make({ ...options, client, machine })
    const { settled } = delivery
    const contact = Contact.make({ client, machine, queues, greeting, settled, store, metrics, clock })
    const begunNanos = clock.unsafeCurrentTimeNanos()
    const own = { client, machine, queues, delivery, greeting, contact, store, metrics, clock, random, begunNanos }
    const parts = { ...options, ...own }
    yield* Watchdog.run({
      lanes: lanesOf(parts),
      onStopped: (lane, cause) => Effect.logError(`federation: the ${lane} lane to ${peer.name} stopped`, cause),
      onStuck: (stuck) => contact.abandon(stuck)
    })

    return {
      peer,
      client,
      send: sending(parts),
      holds: ({ origin, oseq }, by) => {
        const { identity, vector } = machine.state()
        return identity?.peerId === by && VersionVector.contains(vector, origin, oseq)
      },
      redeliver: redelivering(parts),
      heard: () => machine.tell({ _tag: "heard" }),
      doubt: () => machine.tell({ _tag: "doubted" }),
      took: (operations) => {
        if (operations.length > 0) machine.tell({ _tag: "took", operations: OperationSet.of(operations) })
      },
      restate: delivery.restate,
      catchUp: () => machine.tell({ _tag: "stirred" }),
      refresh: Effect.suspend(() => {
        const state = machine.state()
        return LinkState.isBroken(state) || state.identity === null ? Effect.void : contact.greet
      }),
      takeApart: () => {
        const { apart } = machine.state()
        if (apart) machine.tell({ _tag: "compared", apart: false })
        return apart
      },
      returned: Effect.zipRight(
        machine.until(({ returned }) => returned),
        Effect.sync(() => machine.tell({ _tag: "noticed" }))
      ),
      skewMillis: () => {
        const state = machine.state()
        return LinkState.isConnected(state) && state.seenClock !== null
          ? SeenClock.skewMillis(state.seenClock, clock)
          : null
      },
      status: () => statusOf(machine.state(), queues)
    }
  })

type Parts = Parameters<typeof lanesOf>[0]

const sending = ({ client: { peer }, contact, machine, queues }: Parts): PeerLink["send"] => (items, how) =>
  Effect.async((resume) => {
    const none = (error: PeerClient.PeerFailed) => Effect.fail(items.map(() => PeerClient.Outcome.failed(error)))
    const state = machine.state()
    if (LinkState.isBroken(state) && (how?.wanted !== true || LinkState.isWanted(state))) {
      return resume(none(Delivery.unavailable(peer, state)))
    }
    const queue = how?.bulk === true ? queues.bulk : queues.live
    const isAhead = how?.first === peer.url
    if (queue.offer(items, (outcomes) => resume(answerOf(outcomes)), isAhead)) return machine.tell({ _tag: "wanted" })
    machine.tell({ _tag: "stirred" })
    const detail = `${queue.size()} operations are waiting for the peer`
    const full = new PeerClient.PeerFailed({ peer: peer.name, reason: "queue_full", detail })
    resume(Effect.zipRight(contact.complain(full), none(full)))
  })

const answerOf = (outcomes: ReadonlyArray<Outcome>) =>
  outcomes.some(PeerClient.Outcome.isHeld) ? Effect.succeed(outcomes) : Effect.fail(outcomes)

const redelivering = ({ client, delivery, machine, metrics, traces }: Parts): PeerLink["redeliver"] => (operation) => {
  const items = [fromLog(traces)(operation)]
  const how = { timeout: PeerClient.PAGE_TIMEOUT, bulk: false }
  return inCatchupSpan(client.peer)(items, (batch) => delivery.push(batch, how)).pipe(
    Effect.tap((outcomes) => delivery.record(items, outcomes)),
    Effect.map(([outcome]) => outcome ?? PeerClient.Outcome.failed(Delivery.unavailable(client.peer, machine.state()))),
    Effect.catchAll((error) => Effect.succeed(PeerClient.Outcome.failed(error))),
    Effect.map(redeliveredOf),
    Effect.tap((result) => Effect.sync(() => metrics.replayed(result)))
  )
}

const redeliveredOf = ({ _tag }: Outcome): Redelivered => {
  switch (_tag) {
    case "held":
    case "settled":
      return "delivered"
    case "refused":
      return "refused"
    case "failed":
      return "unreachable"
  }
}

const statusOf = (state: LinkState.LinkState, { bulk, live }: Contact.Queues): LinkStatus => {
  const { identity, phase, protocol, vector } = state
  return {
    phase: phase._tag,
    identity,
    protocol,
    breaker: LinkState.breakerOf(state),
    cause: LinkState.causeOf(state),
    vector,
    queued: live.size() + bulk.size()
  }
}
