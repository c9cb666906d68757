import type * as VersionVector from "../../src/replication/VersionVector.js"
import type { Dump, Facts } from "./dump.js"

/**
 * What happened, in the order in which it happened. `at` is monotonic, in milliseconds. The checker reads nothing else, so
 * that a history of real processes can be judged by the same rules.
 */
export type Event =
  | Invoked
  | Answered
  | { readonly type: "up" | "stopped" | "crashed"; readonly at: number; readonly node: string; readonly how: string }
  /** Stood still: nothing of the node ran. */
  | { readonly type: "frozen"; readonly at: number; readonly node: string; readonly from: number; readonly to: number }
  /** The node lost its disk, with this on it, and goes on with another. */
  | { readonly type: "restored"; readonly at: number; readonly node: string; readonly dump: Dump }
  /** Faults end: from here on the mesh has to come to rest. */
  | { readonly type: "healed"; readonly at: number }
  /** The mesh was left alone without faults or a round of catch-up, since all nodes were in touch. */
  | { readonly type: "calm"; readonly at: number; readonly facts: ReadonlyArray<Facts> }
  | Observed
  | Arrived
  /** What was on a node's disk before it started again. */
  | { readonly type: "reopened"; readonly at: number; readonly dump: Dump }
  /** Something that no fault excuses: a defect, an error in the log, a node that does not start. */
  | { readonly type: "broken"; readonly at: number; readonly node: string; readonly what: string }
  | { readonly type: "quiet"; readonly at: number; readonly resting: ReadonlyArray<Resting> }
  | { readonly type: "restless"; readonly at: number; readonly detail: string }

/** What a node still has going when the mesh is at rest. */
export interface Resting {
  readonly node: string
  readonly peers: number
  readonly queued: number
  readonly sleeping: number
}

/** A node is told by another what became of operations that it had sent. */
export interface Arrived {
  readonly type: "arrived"
  readonly at: number
  readonly node: string
  readonly from: string
  /** When the request was sent. */
  readonly sentAt: number
  /** The node had not given the request up. */
  readonly heard: boolean
  /** Operations that the other one holds, by its own word. */
  readonly acked: ReadonlyArray<string>
  /** Operations that it refuses for their stamp, though they are the node's own and both clocks are and were right. */
  readonly distrusted: ReadonlyArray<string>
}

/** A look at all disks at one moment, and at what the running nodes believe. */
export interface Observed {
  readonly type: "observed"
  readonly at: number
  readonly facts: ReadonlyArray<Facts>
  readonly beliefs: ReadonlyArray<Belief>
}

/** What a node thinks of a peer. */
export interface Belief {
  readonly node: string
  readonly peer: string
  /** What the peer is thought to hold. */
  readonly vector: VersionVector.VersionVector
  /** Operations that wait to be sent to it. */
  readonly queued: number
}

/** A client calls a node. Calls with one key are one write. */
export interface Invoked {
  readonly type: "invoked"
  readonly at: number
  readonly attempt: number
  readonly client: string
  readonly node: string
  readonly operation: string
  readonly key: string | null
  /** What the write can be known by in a log, without its key. */
  readonly token: string | null
  /** Peers that the node was in touch with. */
  readonly inTouch: ReadonlyArray<string>
}

/**
 * What a call came to. `ok` and `fail` are certain; `info` may or may not have been done. `verdict` is what the node said,
 * also when the client never got it; null when it said nothing.
 */
export interface Answered {
  readonly type: "ok" | "fail" | "info"
  readonly at: number
  readonly attempt: number
  readonly verdict: Verdict | null
}

export type Verdict =
  | {
    readonly tag: "Acknowledged"
    /** Of a request that wrote several the first one. */
    readonly opId: string
    readonly acks: number
    readonly ackedBy: ReadonlyArray<string>
    /** The nodes on whose disks the operation was at this very moment. */
    readonly holders: ReadonlyArray<string>
  }
  | {
    readonly tag: "QuorumNotMet"
    readonly opId: string
    readonly ackedBy: ReadonlyArray<string>
    readonly got: number
    readonly needed: number
    readonly reason: string
    readonly holders: ReadonlyArray<string>
  }
  | { readonly tag: "Read" }
  | { readonly tag: "Refused"; readonly error: string; readonly detail: string }

export type History = ReadonlyArray<Event>
