import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { createHash } from "node:crypto"
import { Federation, type PeerLink } from "../../federation/Federation.js"
import { PeerLimits } from "../../federation/PeerLimits.js"
import * as VersionVector from "../../replication/VersionVector.js"
import { MemoryStore } from "../../store/MemoryStore.js"
import type { Subscribed } from "../../store/read/SubscriptionReader.js"
import { Leader } from "../../store/site/Leader.js"

/** So long a node that answered counts as there: the next one takes over after that. */
const LEASE = Duration.seconds(5)

/**
 * Which node serves a subscription: of those that are there and hold it, the one that the hash of both names puts first. So each goes
 * by itself, the nodes share the work, and of a node that is gone only its own go over. Two may serve it for a while, when they do not
 * see each other: then events come twice.
 */
const ownerOf = (subscriptionId: string, nodes: ReadonlyArray<string>): string | undefined =>
  nodes.map((node) => ({ node, rank: rankOf(subscriptionId, node) })).toSorted((a, b) => a.rank < b.rank ? 1 : -1)[0]
    ?.node

const rankOf = (subscriptionId: string, node: string): string =>
  createHash("sha256").update(JSON.stringify([subscriptionId, node])).digest("hex")

interface Duty {
  /** Looks who is there. */
  readonly look: () => void
  readonly isMine: (subscribed: Pick<Subscribed, "subscription" | "name">) => boolean
}

export const make: Effect.Effect<Duty, never, Federation | MemoryStore> = Effect.gen(function*() {
  const { links } = yield* Federation
  const { nodeId } = yield* MemoryStore
  const limits = yield* PeerLimits
  const { leads } = yield* Leader
  const clock = yield* Effect.clock
  const leaseMillis = Duration.toMillis(LEASE)
  const startedAt = clock.unsafeCurrentTimeMillis()
  const seenAt = new Map<PeerLink, number>()

  const isRecent = (at: number) => clock.unsafeCurrentTimeMillis() - at < leaseMillis
  const isThere = (link: PeerLink) => isRecent(seenAt.get(link) ?? Number.NEGATIVE_INFINITY)

  return {
    look: () => {
      for (const link of links) {
        if (link.status().phase === "connected") seenAt.set(link, clock.unsafeCurrentTimeMillis())
      }
    },
    isMine: ({ name, subscription }) => {
      if (!leads()) return false
      // Who has just been started does not know yet who is there.
      if (isRecent(startedAt) && !links.every(isThere)) return false
      const others = links.filter(isThere).flatMap((link) => {
        const { identity, vector } = link.status()
        const holds = identity?.kind === "quorate" && VersionVector.contains(vector, name.origin, name.oseq) &&
          Option.isNone(limits.of(identity.peerId))
        return holds ? [identity.peerId] : []
      })
      return ownerOf(subscription.id, [nodeId, ...others]) === nodeId
    }
  }
})
