import * as Effect from "effect/Effect"
import * as OperationSet from "../../replication/OperationSet.js"
import * as VersionVector from "../../replication/VersionVector.js"
import type { Identity, PeerFailed } from "../wire/PeerClient.js"
import * as Breaker from "./Breaker.js"
import type { SeenClock } from "./SeenClock.js"

/** Everything that a link knows of its peer and has still to do for it. A value: each event makes a new one. */
export interface LinkState {
  readonly phase: Phase
  /** Whom the link talks to. Kept while the peer does not answer. */
  readonly identity: Identity | null
  /** The protocol of whoever answered last, also where another link has that one; null before anybody did. */
  readonly protocol: number | null
  /** What the peer is known to hold. */
  readonly vector: VersionVector.VersionVector
  /** The peer's clock as it was seen last; null while it is not known. */
  readonly seenClock: SeenClock | null
  /** It was further off then than a clock should be, and that was said. */
  readonly clockIsOff: boolean
  /** The log may have something for the peer that no write sends. */
  readonly lacks: boolean
  /** The peer is overloaded: the backfill leaves it alone for a moment. */
  readonly resting: boolean
  /** An original node took something that is not written down yet. */
  readonly untold: boolean
  /** The peer came back, and nobody has taken notice yet. */
  readonly returned: boolean
  /** What both may see stands otherwise there, though both hold the same operations, and nobody has taken notice yet. */
  readonly apart: boolean
}

/**
 * `unknown`: it has not answered yet, or someone else answers as it does; it is greeted at once, and what is sent to it
 * waits for that. `connected`: the lanes send. `broken`: what is sent to it fails at once, and it is greeted again from
 * time to time, or sooner: because it was heard, or a write needs it.
 */
export type Phase =
  | { readonly _tag: "unknown" }
  | { readonly _tag: "connected" }
  | Broken

interface Broken extends Breaker.Breaker {
  readonly _tag: "broken"
  /** The peer spoke to this node since it failed last. */
  readonly heard: boolean
  /** How often it was heard and could not be reached all the same. */
  readonly inVain: number
  /** A write waits for it: the greeting that it brings about is not counted as a failure. */
  readonly wanted: boolean
  /** What came of the latest attempt. */
  readonly cause: PeerFailed
}

/** What happens to a link. */
export type Event =
  /** Somebody answered, whom another link may have. */
  | { readonly _tag: "answered"; readonly protocol: number }
  /** The peer said who it is. */
  | { readonly _tag: "met"; readonly identity: Identity }
  /** The clock of the peer, by its own word. */
  | { readonly _tag: "timed"; readonly seenClock: SeenClock; readonly isOff: boolean }
  /** What the peer holds, by its own word or as it was written down: more than that is not known any more. */
  | { readonly _tag: "learned"; readonly vector: VersionVector.VersionVector }
  /** The peer told what it holds now of some origins, with the answer to a push. */
  | { readonly _tag: "acked"; readonly vector: VersionVector.VersionVector }
  /** An original node has operations, which it can not tell itself. */
  | { readonly _tag: "took"; readonly operations: OperationSet.OperationSet }
  /** The greeting is over: the peer answers. */
  | { readonly _tag: "greeted"; readonly lacks: boolean }
  /** A request came to nothing, in spite of its retry. */
  | { readonly _tag: "failed"; readonly cause: PeerFailed }
  /** The peer answered that it can not now: what it was sent is left to the backfill, after a pause. */
  | { readonly _tag: "overloaded" }
  /** The peer spoke to this node. */
  | { readonly _tag: "heard" }
  /** A write that misses its quorum without the peer waits for it. */
  | { readonly _tag: "wanted" }
  /** Another peer answers under the identity of this one. */
  | { readonly _tag: "doubted" }
  /** Something came into the log otherwise than by a write that is sent. */
  | { readonly _tag: "stirred" }
  /** The backfill begins to look at the log. */
  | { readonly _tag: "looking" }
  /** What an original node took is being written down. */
  | { readonly _tag: "noting" }
  /** Somebody took notice of its return. */
  | { readonly _tag: "noticed" }
  /** What both may see was compared, or somebody took notice of what came of that. */
  | { readonly _tag: "compared"; readonly apart: boolean }

export const initial: LinkState = {
  phase: { _tag: "unknown" },
  identity: null,
  protocol: null,
  vector: VersionVector.empty,
  seenClock: null,
  clockIsOff: false,
  lacks: false,
  resting: false,
  untold: false,
  returned: false,
  apart: false
}

/** What an event makes of a state: all that a link ever becomes is decided here. */
export const next = (state: LinkState, event: Event): LinkState => {
  const { phase } = state
  switch (event._tag) {
    case "answered":
      return { ...state, protocol: event.protocol }
    case "met":
      return { ...state, identity: event.identity }
    case "timed":
      return { ...state, seenClock: event.seenClock, clockIsOff: event.isOff }
    case "learned":
      return { ...state, vector: event.vector }
    case "acked":
      return { ...state, vector: VersionVector.merge(state.vector, event.vector) }
    case "took":
      return state.identity?.kind === "original"
        ? { ...state, vector: OperationSet.union(state.vector, event.operations), untold: true }
        : state
    case "greeted":
      return {
        ...state,
        phase: { _tag: "connected" },
        lacks: state.lacks || event.lacks,
        returned: state.returned || phase._tag === "broken"
      }
    case "failed":
      return { ...state, phase: brokenAfter(state, event.cause) }
    case "overloaded":
      return { ...state, lacks: true, resting: true }
    case "heard":
      return phase._tag === "broken" ? { ...state, phase: { ...phase, heard: true } } : state
    case "wanted":
      return phase._tag === "broken" ? { ...state, phase: { ...phase, wanted: true } } : state
    case "doubted":
      return phase._tag === "connected" ? { ...state, phase: { _tag: "unknown" } } : state
    case "stirred":
      return { ...state, lacks: true }
    case "looking":
      return { ...state, lacks: false, resting: false }
    case "noting":
      return { ...state, untold: false }
    case "noticed":
      return { ...state, returned: false }
    case "compared":
      return { ...state, apart: event.apart }
  }
}

const brokenAfter = ({ phase }: LinkState, cause: PeerFailed): Phase => {
  const before = phase._tag === "broken" ? phase : { failures: 0, heard: false, inVain: 0, wanted: false }
  const { failures } = before.wanted ? before : Breaker.failed(before)
  const inVain = before.inVain + (before.heard ? 1 : 0)
  // Whatever was heard of it was before this failure.
  return { _tag: "broken", failures, heard: false, inVain, wanted: false, cause }
}

export const isConnected = ({ phase }: LinkState): boolean => phase._tag === "connected"

export const isBroken = ({ phase }: LinkState): boolean => phase._tag === "broken"

export const wasHeard = ({ phase }: LinkState): boolean => phase._tag === "broken" && phase.heard

export const isWanted = ({ phase }: LinkState): boolean => phase._tag === "broken" && phase.wanted

/** How often in a row the peer was heard in vain. */
export const inVain = ({ phase }: LinkState): number => phase._tag === "broken" ? phase.inVain : 0

/** Why the peer was given up. */
export const causeOf = ({ phase }: LinkState): PeerFailed | undefined =>
  phase._tag === "broken" ? phase.cause : undefined

export const breakerOf = ({ phase }: LinkState): Breaker.Breaker => phase._tag === "broken" ? phase : Breaker.closed

/** The state of one link, in the hands of its own fibers. */
export interface Machine {
  readonly state: () => LinkState
  readonly tell: (event: Event) => void
  /** Ends once the state is like that. */
  readonly until: (condition: (state: LinkState) => boolean) => Effect.Effect<void>
}

export const make = (): Machine => {
  let state = initial
  const waiting = new Set<{ readonly condition: (state: LinkState) => boolean; readonly wake: () => void }>()
  return {
    state: () => state,
    tell: (event) => {
      state = next(state, event)
      for (const waiter of waiting) if (waiter.condition(state)) waiter.wake()
    },
    until: (condition) =>
      Effect.async((resume) => {
        if (condition(state)) return resume(Effect.void)
        const waiter = {
          condition,
          wake: () => {
            waiting.delete(waiter)
            resume(Effect.void)
          }
        }
        waiting.add(waiter)
        return Effect.sync(() => waiting.delete(waiter))
      })
  }
}
