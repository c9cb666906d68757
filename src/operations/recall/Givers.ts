import * as Effect from "effect/Effect"
import type { NodeId } from "../../domain/ids.js"
import type { PeerLink } from "../../federation/Federation.js"
import { VECTORS } from "../../federation/wire/PeerApi.js"
import type { Given } from "../../federation/wire/vectors.js"
import type { Space } from "../../store/vectors/VectorStore.js"
import { elapsedMillis } from "./elapsedMillis.js"

/** What a peer has of the memories that it was asked for, and how many of them it looked for, from the first on. */
interface Found {
  readonly looked: number
  readonly memories: ReadonlyArray<Given>
}

/** A peer of ours that may have vectors for this node. One that answers with another model, or what is no answer, gives nothing. */
export interface Giver {
  readonly name: string
  readonly ask: (space: Space, ids: ReadonlyArray<string>) => Effect.Effect<Found>
}

/** Whom this node asks for vectors of what others wrote, and which node makes those that their author does not give. */
export interface Givers {
  /** Whom to ask now for what a node wrote: that node alone as long as it gives some, else all. */
  readonly of: (author: NodeId, hasFailed: boolean, elapsedMillis: number) => ReadonlyArray<Giver>
  /**
   * How many nodes go before this one in making the vectors of what a node wrote: for each of them it waits once more, so that they
   * do not all make the same.
   */
  readonly place: (author: NodeId) => number
}

/** One that gives nothing is not asked again for so long, unless it is started anew. */
const REST_MILLIS = 60_000
/** However many nodes there are, none waits longer than for two. */
const LAST_PLACE = 2

/** What was learned of a peer, in one of its runs. */
interface Learned {
  readonly run: string | undefined
  /** Why it gives nothing. */
  readonly useless: string | null
  readonly restUntil: number
}

export const make = (nodeId: NodeId, links: ReadonlyArray<PeerLink>): Givers => {
  const learned = new Map<PeerLink, Learned>()

  /** What it says of itself, of one of ours that has vectors for others. */
  const helloOf = (link: PeerLink) => {
    const { identity } = link.status()
    return identity?.kind === "quorate" && identity.hello.capabilities.includes(VECTORS) ? identity.hello : undefined
  }
  const learnedOf = (link: PeerLink): Learned => {
    const run = helloOf(link)?.run
    const found = learned.get(link)
    return found !== undefined && found.run === run ? found : { run, useless: null, restUntil: -Infinity }
  }
  const gives = (link: PeerLink) => helloOf(link) !== undefined && learnedOf(link).useless === null
  const isInTouch = (link: PeerLink) => link.status().phase === "connected"
  const isOf = (author: NodeId) => (link: PeerLink) => link.status().identity?.peerId === author

  const learn = (link: PeerLink, useless: string | null, tell = Effect.logInfo) =>
    Effect.flatMap(elapsedMillis, (now) => {
      const before = learnedOf(link)
      learned.set(link, { run: before.run, useless, restUntil: useless === null ? -Infinity : now + REST_MILLIS })
      return useless === null || useless === before.useless
        ? Effect.void
        : tell(`peer ${link.peer.name} gives no vectors of use: ${useless}. What it wrote is embedded here`)
    })

  const giverOf = (link: PeerLink): Giver => ({
    name: link.peer.name,
    ask: (space, ids) =>
      link.client.vectors({ embedder: space.id, dimensions: space.dimensions, ids }).pipe(
        Effect.flatMap((answer) => {
          const { dimensions, embedder } = answer
          if (embedder === space.id && dimensions === space.dimensions) return Effect.as(learn(link, null), answer)
          const has = embedder === "" ? "none" : `those of ${embedder} with ${dimensions} numbers`
          return Effect.as(learn(link, `it has ${has}`), NOTHING)
        }),
        Effect.catchAll((error) =>
          Effect.as(
            OF_NO_USE.has(error.reason)
              ? learn(link, error.message, Effect.logWarning)
              : Effect.logDebug(`peer ${link.peer.name} was asked for vectors in vain`, error),
            NOTHING
          )
        )
      )
  })

  return {
    of: (author, hasFailed, nowMillis) => {
      const asked = links.filter((link) =>
        isInTouch(link) && helloOf(link) !== undefined && nowMillis >= learnedOf(link).restUntil
      )
      const origin = asked.find(isOf(author))
      return (origin !== undefined && gives(origin) && !hasFailed ? [origin] : asked).map(giverOf)
    },
    place: (author) => {
      const origin = links.find(isOf(author))
      const others = links.filter((link) => link !== origin && isInTouch(link) && gives(link)).flatMap((link) =>
        link.status().identity?.peerId ?? []
      )
      const before = others.filter((other) => other < nodeId).length
      return Math.min(before + (origin === undefined || gives(origin) ? 1 : 0), LAST_PLACE)
    }
  }
}

const NOTHING: Found = { looked: 0, memories: [] }
/** It answered, and not with vectors. Of all else it may come round. */
const OF_NO_USE: ReadonlySet<string> = new Set(["malformed", "refused", "status"])
