import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as VersionVector from "../replication/VersionVector.js"
import { MemoryStore } from "../store/MemoryStore.js"
import * as Breaker from "./Breaker.js"
import { Federation } from "./Federation.js"
import { PeerFailed } from "./Peer.js"
import * as PeerApi from "./PeerApi.js"
import * as PeerLink from "./PeerLink.js"
import { PeerTransport } from "./PeerTransport.js"
import { applyCarrier } from "./receive.js"

/** Before the first round, so that the links have found their peers. */
export const FIRST_AFTER = Duration.seconds(5)
/** Pages of one peer in one round at most: a bound, far above what an interval can bring. */
const MAX_PAGES = 10_000
/** Of a request line: a longer vector is sent without its gaps, and the peer sends more than is lacking. */
const MAX_VECTOR_CHARS = 8_000

/**
 * Anti-entropy: every interval each peer is asked what it holds, is sent what it lacks, and is asked for what this node
 * lacks, of any origin. So an acknowledged write spreads even when its origin is gone.
 */
export const layer = (options: {
  /** Zero turns the rounds off. */
  readonly interval: Duration.Duration
}): Layer.Layer<never, never, Federation | MemoryStore | PeerTransport> =>
  Layer.scopedDiscard(Effect.gen(function*() {
    const { links } = yield* Federation
    if (links.length === 0 || Duration.toMillis(options.interval) === 0) return
    yield* Effect.logInfo(
      `catchup loop enabled: polling ${links.length} peer(s) every ${Duration.format(options.interval)}`
    )
    const round = Effect.forEach(links, catchUp, { concurrency: "unbounded", discard: true })
    const pause = Effect.flatMap(Random.nextRange(0.8, 1.2), (share) =>
      Effect.sleep(Duration.times(options.interval, share)))
    yield* Effect.sleep(FIRST_AFTER).pipe(
      Effect.zipRight(Effect.forever(Effect.zipRight(round, pause))),
      Effect.tapErrorCause((cause) =>
        Effect.logError("the catch-up loop stopped", cause)
      ),
      Effect.forkScoped
    )
  }))

/** One round with one peer. A failure is the link's to report; the next round tries again. */
const catchUp = (link: PeerLink.PeerLink) =>
  Effect.gen(function*() {
    yield* link.refresh
    const { breaker, identity } = link.status()
    if (Breaker.isOpen(breaker) || identity?.kind !== "quorate") return
    yield* pull(link)
  }).pipe(
    Effect.catchAllCause((cause) => Effect.logWarning(`catchup: peer ${link.peer.name} failed`, cause))
  )

/** Asks for pages until nothing is lacking, or a page brings nothing new. */
const pull = (link: PeerLink.PeerLink) =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    let applied = 0
    for (let page = 0; page < MAX_PAGES; page++) {
      const before = store.vector()
      if (page === 0 && VersionVector.dominates(before, link.status().vector)) return
      const found = yield* requestPage(link, before)
      const done = yield* applyCarrier(found)
      applied += done.results.length
      if (!found.more || VersionVector.equals(before, store.vector())) break
    }
    yield* Effect.logInfo(`catchup: applied ${applied} operations from peer ${link.peer.name}`)
  })

const decodePage = PeerApi.decodeText(PeerApi.SincePage)

const requestPage = (link: PeerLink.PeerLink, held: VersionVector.VersionVector) =>
  Effect.gen(function*() {
    const transport = yield* PeerTransport
    const { peer } = link
    const answer = yield* transport.request({
      peer,
      method: "GET",
      path: `${PeerApi.SINCE_PATH}?vv=${encodeURIComponent(vectorText(held))}`,
      headers: link.headers,
      timeout: PeerLink.BACKFILL_TIMEOUT
    })
    if (answer.status !== 200) {
      return yield* new PeerFailed({ peer: peer.name, reason: "status", detail: `http ${answer.status}` })
    }
    const decoded = decodePage(answer.body)
    return Either.isRight(decoded)
      ? decoded.right
      : yield* new PeerFailed({ peer: peer.name, reason: "malformed", detail: decoded.left })
  })

const vectorText = (held: VersionVector.VersionVector): string => {
  const whole = JSON.stringify(VersionVector.toWire(held))
  if (whole.length <= MAX_VECTOR_CHARS) return whole
  const prefixes = [...held].map(([origin, { upto }]) => [origin, { upto, beyond: [] }] as const)
  return JSON.stringify(VersionVector.toWire(VersionVector.fromEntries(prefixes)))
}
