import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { NodeId, PeerId } from "../../domain/ids.js"
import type { QuorumPolicy } from "../../replication/QuorumPolicy.js"
import { MemoryStore } from "../../store/MemoryStore.js"
import type { Identity } from "../wire/sending.js"
import type { Doubles } from "./Doubles.js"
import * as PeerLink from "./PeerLink.js"
import * as replay from "./replay.js"

/** One link per peer, and what is done over all of them: who is who, and the replay of what they refused. */
export const make = (options: {
  readonly peers: ReadonlyArray<PeerLink.Options["peer"]>
  readonly policy: QuorumPolicy
  readonly apiKey: Option.Option<Redacted.Redacted>
  readonly identity: Identity
  readonly doubles: Doubles
  readonly heard: PeerLink.Options["heard"]
  readonly traces: PeerLink.Options["traces"]
}): Effect.Effect<ReadonlyArray<PeerLink.PeerLink>, never, Requires | Scope.Scope> =>
  Effect.gen(function*() {
    const { apiKey, doubles, heard, identity, peers, policy, traces } = options
    const store = yield* MemoryStore
    const { nodeId } = store
    const links: Array<PeerLink.PeerLink> = []
    const claimBy = claims(nodeId, links)
    const asked = new Set<string>()
    yield* store.meet({
      rewritten: () => {
        for (const link of links) link.catchUp()
      }
    })
    for (const peer of peers) {
      const link = yield* PeerLink.make({
        peer,
        sender: { nodeId, headers: headersOf(nodeId, doubles.run, apiKey), ...identity },
        doubles,
        heard,
        traces,
        ackTimeout: policy.ackTimeout,
        clockSkewWarn: policy.clockSkewWarn,
        claim: claimBy(peer.url),
        asked: Effect.suspend(() => asked.add(peer.url).size === peers.length ? store.met : Effect.void),
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
 * A peer id belongs to the first link that finds it, so that no node is counted twice; and a link has one at a time. A
 * link that is broken gives way: addresses change places. One that is not is asked to look once more who it talks to.
 */
const claims = (nodeId: NodeId, links: ReadonlyArray<PeerLink.PeerLink>) => {
  const claimed = new Map<PeerId, string>()
  return (url: string): PeerLink.Options["claim"] => (peerId) => {
    if (peerId === nodeId) return "own"
    const owner = links.find((link) => link.peer.url === claimed.get(peerId))
    if (owner !== undefined && owner.peer.url !== url && owner.status().phase !== "broken") {
      owner.doubt()
      return "elsewhere"
    }
    for (const [other, of] of claimed) if (of === url) claimed.delete(other)
    claimed.set(peerId, url)
    return "taken"
  }
}

/** Who sends, as every peer wants to know it. */
const headersOf = (
  nodeId: NodeId,
  run: string,
  apiKey: Option.Option<Redacted.Redacted>
): Record<string, string> => ({
  "x-peer-id": nodeId,
  "x-peer-run": run,
  "x-agent-id": nodeId,
  ...Option.match(apiKey, { onNone: () => ({}), onSome: (key) => ({ "x-api-key": Redacted.value(key) }) })
})

export type Requires = PeerLink.Requires
export type { PeerLink } from "./PeerLink.js"
