import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as OperationSet from "../../replication/OperationSet.js"
import * as VersionVector from "../../replication/VersionVector.js"
import type { MemoryStore } from "../../store/MemoryStore.js"
import type { Metrics } from "../../telemetry/Metrics.js"
import { Outcome, type Outgoing, type PeerClient, PeerFailed } from "../wire/PeerClient.js"
import { type Delivery, unavailable } from "./Delivery.js"
import type { Greeting } from "./Greeting.js"
import * as LinkState from "./LinkState.js"
import * as Outage from "./Outage.js"
import type { PeerQueue } from "./PeerQueue.js"
import type { Stuck } from "./Watchdog.js"

/** Live writes and bulk writes wait apart, so that neither holds up the other. */
export interface Queues {
  readonly live: PeerQueue<Outgoing, Outcome.Outcome>
  readonly bulk: PeerQueue<Outgoing, Outcome.Outcome>
}

/** Comes into touch with a peer, and loses it. */
export interface Contact {
  /** Asks the peer what it holds. When that works out it is in touch from then on. */
  readonly greet: Effect.Effect<void>
  /** Out of touch: what waits fails at once, and the log keeps it for later. */
  readonly lose: (cause: PeerFailed) => Effect.Effect<void>
  /** It is in touch, and takes nothing now. */
  readonly complain: (cause: PeerFailed) => Effect.Effect<void>
  /** It took what it was sent. */
  readonly took: () => void
  /** Says that it is back, when it is in touch and has taken everything for some time. */
  readonly settle: Effect.Effect<void>
  /** Out of touch, and its lanes lost: what is under way fails, too. */
  readonly abandon: (stuck: Stuck) => Effect.Effect<void>
  /** Counts what the peer lacks. */
  readonly measureLag: () => number
}

export const make = (options: {
  readonly client: PeerClient
  readonly machine: LinkState.Machine
  readonly queues: Queues
  readonly greeting: Greeting
  readonly settled: Delivery["settled"]
  readonly store: MemoryStore["Type"]
  readonly metrics: Metrics["Type"]
  readonly clock: Clock.Clock
}): Contact => {
  const { client: { peer }, clock, greeting, machine, metrics, queues, settled, store } = options
  const outage = Outage.make(peer, clock)

  const measureLag = () => {
    const lag = OperationSet.sizeOf(VersionVector.missing(store.vector(), machine.state().vector))
    metrics.lag(peer.name, lag)
    return lag
  }

  const lost = () => Outcome.failed(unavailable(peer, machine.state()))

  const lose = (cause: PeerFailed) =>
    Effect.suspend(() => {
      machine.tell({ _tag: "failed", cause })
      const { failures } = LinkState.breakerOf(machine.state())
      queues.live.fail(lost())
      queues.bulk.fail(lost())
      metrics.breaker(peer.name, true)
      metrics.peerQueue(peer.name, 0)
      measureLag()
      return outage.failed(cause, failures)
    })

  const complain = (cause: PeerFailed) =>
    Effect.suspend(() => outage.failed(cause, LinkState.breakerOf(machine.state()).failures))

  const back = Effect.zipRight(outage.over, Effect.logInfo(`federation: peer ${peer.name} is back`))

  const settle = Effect.suspend(() => outage.isCalm() && LinkState.isConnected(machine.state()) ? back : Effect.void)

  const greet = Effect.gen(function*() {
    yield* greeting.ask
    const lacks = !VersionVector.dominates(settled(), store.vector())
    measureLag()
    const wasBroken = LinkState.isBroken(machine.state())
    machine.tell({ _tag: "greeted", lacks })
    metrics.breaker(peer.name, false)
    // To answer a greeting is not to take what is sent.
    if (wasBroken) yield* back
  })

  const abandon = ({ lane, seconds }: Stuck) =>
    Effect.suspend(() => {
      const { phase } = machine.state()
      const how = seconds === null ? "stopped" : `hangs, ${Math.round(seconds)} s in one request`
      const line = `federation: the ${lane} lane to peer ${peer.name} (${phase._tag}) ${how}; its lanes begin anew`
      metrics.linkRestarted(peer.name)
      queues.live.abandon(lost())
      queues.bulk.abandon(lost())
      const detail = `the ${lane} lane ${how}`
      return Effect.logError(line).pipe(
        Effect.annotateLogs({ peer: peer.name, url: peer.url, lane, phase: phase._tag }),
        Effect.zipRight(lose(new PeerFailed({ peer: peer.name, reason: "timeout", detail })))
      )
    })

  const greeted = Effect.catchTag(greet, "PeerFailed", lose)
  return { greet: greeted, lose, complain, took: outage.took, settle, abandon, measureLag }
}
