import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { MAX_AHEAD_MILLIS } from "../../domain/Hlc.js"
import type { PeerId } from "../../domain/ids.js"
import * as Stamp from "../../domain/Stamp.js"
import * as OperationSet from "../../replication/OperationSet.js"
import * as VersionVector from "../../replication/VersionVector.js"
import { DeadLetters } from "../../store/DeadLetters.js"
import { MemoryStore } from "../../store/MemoryStore.js"
import { PeerStates } from "../../store/PeerStates.js"
import type { DigestReader } from "../../store/read/DigestReader.js"
import { Metrics } from "../../telemetry/Metrics.js"
import { PeerLimits } from "../PeerLimits.js"
import { type Hello, type Identity, type PeerClient, PeerFailed } from "../wire/PeerClient.js"
import * as divergence from "./divergence.js"
import type { Doubles } from "./Doubles.js"
import type { Machine } from "./LinkState.js"
import * as SeenClock from "./SeenClock.js"

/** How an original node speaks, by its place among the versions of the contract between nodes. */
export const ORIGINAL_PROTOCOL = 0

/** Finds out who a peer is and what it holds, and keeps it. */
export interface Greeting {
  readonly ask: Effect.Effect<void, PeerFailed>
  /** Writes down what an original node took: it can not tell so itself when this node starts again. */
  readonly noteTaken: Effect.Effect<void>
}

export type Requires = MemoryStore | DigestReader | DeadLetters | PeerStates | Metrics

interface Options {
  readonly client: PeerClient
  readonly machine: Machine
  readonly clockSkewWarn: Duration.Duration
  readonly doubles: Doubles
  /** Takes an identity for this link. */
  readonly claim: (peerId: PeerId) => Claim
  /** The peer has said what it holds, or another link's peer has under the same identity. */
  readonly asked: Effect.Effect<void>
}

/** Whose an identity is: this link's from now on, that of a link that is in touch with it, or this node's own. */
export type Claim = "taken" | "elsewhere" | "own"

const problems = {
  elsewhere: "is reached under another address, too",
  own: "is the id of this node itself"
}

export const make = (options: Options): Effect.Effect<Greeting, never, Requires> =>
  Effect.gen(function*() {
    const limits = yield* PeerLimits
    const parts: Parts = {
      ...options,
      clock: yield* Effect.clock,
      store: yield* MemoryStore,
      letters: yield* DeadLetters,
      states: yield* PeerStates,
      metrics: yield* Metrics,
      checkDigest: yield* divergence.make({
        ...options.client,
        limit: () => limits.of(options.machine.state().identity?.peerId),
        compared: (apart) => options.machine.tell({ _tag: "compared", apart })
      })
    }
    return {
      ask: ask(parts),
      noteTaken: Effect.suspend(() => {
        const { identity } = options.machine.state()
        return identity?.kind === "original" ? note(parts, identity.peerId, ORIGINAL_PROTOCOL) : Effect.void
      })
    }
  })

interface Parts extends Options {
  readonly clock: Clock.Clock
  readonly store: MemoryStore["Type"]
  readonly letters: DeadLetters["Type"]
  readonly states: PeerStates["Type"]
  readonly metrics: Metrics["Type"]
  readonly checkDigest: divergence.Check
}

const ask = (parts: Parts): Greeting["ask"] =>
  Effect.gen(function*() {
    const { claim, client, clock, machine } = parts
    const askedMillis = SeenClock.monotonicNow(clock)
    const identity = yield* client.hello
    machine.tell({ _tag: "answered", protocol: protocolOf(identity) })
    yield* noteDouble(parts, identity)
    const claimed = claim(identity.peerId)
    if (claimed !== "taken") {
      if (claimed === "elsewhere") yield* parts.asked
      const detail = `${identity.peerId} ${problems[claimed]}`
      return yield* new PeerFailed({ peer: client.peer.name, reason: "identity", detail })
    }
    const known = machine.state().identity
    machine.tell({ _tag: "met", identity })
    if (identity.kind === "quorate") yield* compare(parts, identity.hello, askedMillis)
    else if (known?.peerId !== identity.peerId) yield* remember(parts, identity.peerId)
    yield* parts.asked
  })

const protocolOf = (identity: Identity): number =>
  identity.kind === "original" ? ORIGINAL_PROTOCOL : identity.hello.protocol

/** Another node answers under this node's id, or has heard one. */
const noteDouble = ({ client: { peer }, doubles, store }: Parts, identity: Identity): Effect.Effect<void> => {
  if (identity.kind !== "quorate") return Effect.void
  const { doubled, run } = identity.hello
  if (identity.peerId === store.nodeId) return run === doubles.run ? Effect.void : doubles.met(peer.url)
  return doubled === true ? doubles.told(peer.url) : Effect.void
}

/** What the answer tells: the peer's clock, and who of the two lacks something. */
const compare = (parts: Parts, hello: Hello, askedMillis: number) =>
  Effect.gen(function*() {
    const { checkDigest, clock, machine } = parts
    const saidMillis = Stamp.toMillis(hello.wall_clock)
    yield* noteClock(parts, SeenClock.seen(saidMillis, askedMillis, SeenClock.monotonicNow(clock)))
    machine.tell({ _tag: "learned", vector: hello.vector })
    yield* note(parts, hello.node_id, hello.protocol)
    yield* settleLetters(parts, hello)
    yield* renewWhenBehind(parts)
    yield* restamp(parts)
    yield* checkDigest(hello)
  })

/** A clock that is off is said once, and once when it is right again. */
const noteClock = (
  { client: { peer }, clock, clockSkewWarn, machine, metrics }: Parts,
  seenClock: SeenClock.SeenClock
) => {
  const isOff = (millis: number) => Math.abs(millis) > Duration.toMillis(clockSkewWarn)
  const skewMillis = SeenClock.skewMillis(seenClock, clock)
  const { clockIsOff: wasOff } = machine.state()
  machine.tell({ _tag: "timed", seenClock, isOff: isOff(skewMillis) })
  metrics.clockSkew(peer.name, skewMillis / 1000)
  if (isOff(skewMillis) === wasOff) return Effect.void
  return wasOff
    ? Effect.logInfo(`federation: the clock of peer ${peer.name} is right again`)
    : Effect.logWarning(`federation: the clock of peer ${peer.name} is ${Math.round(skewMillis / 1000)} s off`)
}

/** What an original node took before this node started. */
const remember = ({ client: { peer }, machine, states }: Parts, peerId: PeerId) =>
  states.vector(peerId).pipe(
    Effect.catchAll((error) =>
      Effect.as(
        Effect.logWarning(`federation: what peer ${peer.name} took is not known, it is sent again`, error),
        VersionVector.empty
      )
    ),
    Effect.map((vector) => machine.tell({ _tag: "learned", vector }))
  )

const note = ({ client: { peer }, clock, machine, store }: Parts, peerId: PeerId, protocol: number) => {
  const { seenClock, vector } = machine.state()
  const skewMillis = seenClock === null ? 0 : SeenClock.skewMillis(seenClock, clock)
  return store.notePeer({ peerId, url: peer.url, protocol, vector, skewMillis }).pipe(
    Effect.catchAll((error) => Effect.logDebug(`federation: peer ${peer.name} was not noted`, error))
  )
}

/** What the peer got from elsewhere needs no other attempt, nor what it refused while it was an original node. */
const settleLetters = ({ client: { peer }, letters }: Parts, hello: Hello) =>
  Effect.zipRight(
    letters.settleByName(hello.node_id, hello.vector),
    letters.refused(peer.url).size === 0 ? Effect.void : letters.forget(peer.url)
  ).pipe(
    Effect.catchAll((error) => Effect.logDebug(`federation: dead letters to ${peer.name} were not settled`, error))
  )

/** A peer whose clock is as this node's is the proof that what was stamped far ahead was stamped by a wrong one. */
const restamp = ({ client: { peer }, clock, letters, machine, store }: Parts) => {
  const { seenClock } = machine.state()
  if (seenClock === null || Math.abs(SeenClock.skewMillis(seenClock, clock)) > MAX_AHEAD_MILLIS) return Effect.void
  return store.restamp.pipe(
    Effect.flatMap((withdrawn) => withdrawn.length === 0 ? Effect.void : letters.withdraw(OperationSet.of(withdrawn))),
    Effect.catchAll((error) =>
      Effect.logWarning(
        `federation: what a wrong clock stamped was not stamped anew at the word of ${peer.name}`,
        error
      )
    )
  )
}

const renewWhenBehind = ({ client: { peer }, machine, store }: Parts) => {
  const own = store.origin()
  const { vector } = machine.state()
  if (!VersionVector.holdsMoreOf(own, vector, store.vector())) return Effect.void
  return Effect.flatMap(Effect.option(store.renewWhenBehind(vector)), (renewed) =>
    Effect.logError(
      `federation: peer ${peer.name} holds more of ${own} than this node ever wrote: ` +
        "the database is an old backup or a copy, and goes on under a new incarnation"
    ).pipe(Effect.annotateLogs({ renewed })))
}
