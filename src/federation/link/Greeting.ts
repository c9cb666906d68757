import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stamp from "../../domain/Stamp.js"
import * as VersionVector from "../../replication/VersionVector.js"
import { DeadLetters } from "../../store/DeadLetters.js"
import { MemoryStore } from "../../store/MemoryStore.js"
import { PeerStates } from "../../store/PeerStates.js"
import type { DigestReader } from "../../store/read/DigestReader.js"
import * as Metrics from "../../telemetry/globalMetrics.js"
import * as exchange from "../wire/exchange.js"
import { type Peer, PeerFailed } from "../wire/Peer.js"
import type * as PeerApi from "../wire/PeerApi.js"
import type { PeerTransport } from "../wire/PeerTransport.js"
import * as divergence from "./divergence.js"
import type { LinkState } from "./LinkState.js"

/** How an original node speaks, by its place among the versions of the contract between nodes. */
const ORIGINAL_PROTOCOL = 0

/** Finds out who a peer is and what it holds, and keeps it. */
export interface Greeting {
  readonly ask: Effect.Effect<void, PeerFailed>
  /** Writes down what an original node took: it can not tell so itself when this node starts again. */
  readonly noteTaken: Effect.Effect<void>
}

export const make = (options: {
  readonly peer: Peer
  readonly sender: exchange.Sender
  readonly timeout: Duration.Duration
  readonly clockSkewWarn: Duration.Duration
  /** Takes an identity for this link; `false` when it is this node's own or another link has it. */
  readonly claim: (nodeId: string) => boolean
  readonly state: LinkState
}): Effect.Effect<Greeting, never, MemoryStore | DigestReader | DeadLetters | PeerStates | PeerTransport> =>
  Effect.gen(function*() {
    const { peer, sender, state, timeout } = options
    const clock = yield* Effect.clock
    const store = yield* MemoryStore
    const letters = yield* DeadLetters
    const states = yield* PeerStates
    const transport = yield* Effect.context<PeerTransport>()
    const checkDigest = yield* divergence.make({ peer, sender, timeout })

    const ask = Effect.gen(function*() {
      const askedMillis = clock.unsafeCurrentTimeMillis()
      const found = yield* Effect.provide(exchange.hello({ peer, sender, timeout }), transport)
      if (!options.claim(found.nodeId)) {
        return yield* new PeerFailed({
          peer: peer.name,
          reason: "identity",
          detail: `${found.nodeId} is this node itself, or is reached under another address, too`
        })
      }
      const known = state.identity
      state.identity = found
      if (found.kind === "quorate") return yield* compare(found.hello, askedMillis)
      if (known?.nodeId !== found.nodeId) yield* remember(found.nodeId)
    })

    /** What the answer tells: the peer's clock, and who of the two lacks something. */
    const compare = (hello: PeerApi.Hello, askedMillis: number) =>
      Effect.gen(function*() {
        const now = clock.unsafeCurrentTimeMillis()
        state.skewMillis = Stamp.toMillis(hello.wall_clock) - (askedMillis + now) / 2
        Metrics.clockSkew(peer.name, state.skewMillis / 1000)
        if (Math.abs(state.skewMillis) > Duration.toMillis(options.clockSkewWarn)) {
          yield* Effect.logWarning(
            `federation: the clock of peer ${peer.name} is ${Math.round(state.skewMillis / 1000)} s off`
          )
        }
        state.vector = hello.vector
        yield* note(hello.node_id, hello.protocol)
        yield* settleLetters(hello)
        yield* renewWhenBehind
        yield* checkDigest(hello)
      })

    /** What an original node took before this node started. */
    const remember = (peerId: string) =>
      states.vector(peerId).pipe(
        Effect.map((vector) => {
          state.vector = vector
        }),
        Effect.catchAll((error) => {
          state.vector = VersionVector.empty
          return Effect.logWarning(`federation: what peer ${peer.name} took is not known, it is sent again`, error)
        })
      )

    const note = (nodeId: string, protocol: number) =>
      store.notePeer({ nodeId, url: peer.url, protocol, vector: state.vector, skewMillis: state.skewMillis }).pipe(
        Effect.catchAll((error) => Effect.logDebug(`federation: peer ${peer.name} was not noted`, error))
      )

    /** What the peer got from elsewhere needs no other attempt, nor what it refused while it was an original node. */
    const settleLetters = (hello: PeerApi.Hello) =>
      Effect.zipRight(
        letters.settle(hello.node_id, hello.vector),
        letters.refused(peer.url).size === 0 ? Effect.void : letters.forget(peer.url)
      ).pipe(
        Effect.catchAll((error) => Effect.logDebug(`federation: dead letters to ${peer.name} were not settled`, error))
      )

    const renewWhenBehind = Effect.suspend(() => {
      const own = store.origin()
      if (VersionVector.upto(state.vector, own) <= VersionVector.upto(store.vector(), own)) return Effect.void
      return Effect.flatMap(Effect.option(store.renewWhenBehind(state.vector)), (renewed) =>
        Effect.logError(
          `federation: peer ${peer.name} holds more of ${own} than this node ever wrote: ` +
            "the database is an old backup or a copy, and goes on under a new incarnation"
        ).pipe(Effect.annotateLogs({ renewed })))
    })

    return {
      ask,
      noteTaken: Effect.suspend(() =>
        state.identity?.kind === "original" ? note(state.identity.nodeId, ORIGINAL_PROTOCOL) : Effect.void
      )
    }
  })
