import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { NodeId, PeerId } from "../../domain/ids.js"
import type { QuorumPolicy } from "../../replication/QuorumPolicy.js"
import { MemoryStore } from "../../store/MemoryStore.js"
import { RETRY_AFTER } from "./Delivery.js"
import * as PeerLink from "./PeerLink.js"
import * as replay from "./replay.js"

/** Room left below the deadline for two attempts and the pause between them. */
const ATTEMPT_SHARE = 0.45
const MIN_ATTEMPT = Duration.millis(50)

/** Of one push: two of them, with the pause between, end before the deadline of the write that waits for them. */
const attemptTimeout = (ackTimeout: Duration.Duration): Duration.Duration => {
  const withRetry = Duration.subtract(ackTimeout, RETRY_AFTER)
  return Duration.max(
    MIN_ATTEMPT,
    Duration.times(Duration.max(withRetry, Duration.times(ackTimeout, 0.5)), ATTEMPT_SHARE)
  )
}

/** One link per peer, and what is done over all of them: who is who, and the replay of what they refused. */
export const make = (options: {
  readonly peers: ReadonlyArray<PeerLink.Options["peer"]>
  readonly policy: QuorumPolicy
  readonly apiKey: Option.Option<Redacted.Redacted>
}): Effect.Effect<ReadonlyArray<PeerLink.PeerLink>, never, Requires | Scope.Scope> =>
  Effect.gen(function*() {
    const { apiKey, peers, policy } = options
    const { nodeId } = yield* MemoryStore
    const claimBy = claims(nodeId)
    const links: Array<PeerLink.PeerLink> = []
    for (const peer of peers) {
      const link = yield* PeerLink.make({
        peer,
        sender: { nodeId, headers: headersOf(nodeId, apiKey) },
        attemptTimeout: attemptTimeout(policy.ackTimeout),
        clockSkewWarn: policy.clockSkewWarn,
        claim: claimBy(peer.url),
        inTouch: (author) =>
          links.some((other) => {
            const { identity, phase } = other.status()
            return identity?.kind === "quorate" && identity.peerId === author && phase !== "broken"
          })
      })
      links.push(link)
    }
    yield* Effect.forkScoped(replay.worker(links))
    return links
  })

/**
 * A peer id belongs to the first link that finds it, so that no node is counted twice; and a link has one at a time.
 */
const claims = (nodeId: NodeId) => {
  const claimed = new Map<PeerId, string>([[nodeId, "this node"]])
  return (url: string): PeerLink.Options["claim"] => (peerId) => {
    const owner = claimed.get(peerId)
    if (owner !== undefined) return owner === url
    for (const [other, of] of claimed) if (of === url) claimed.delete(other)
    claimed.set(peerId, url)
    return true
  }
}

/** Who sends, as every peer wants to know it. */
const headersOf = (nodeId: NodeId, apiKey: Option.Option<Redacted.Redacted>): Record<string, string> => ({
  "x-peer-id": nodeId,
  "x-agent-id": nodeId,
  ...Option.match(apiKey, { onNone: () => ({}), onSome: (key) => ({ "x-api-key": Redacted.value(key) }) })
})

export type Requires = PeerLink.Requires
export type { PeerLink } from "./PeerLink.js"
