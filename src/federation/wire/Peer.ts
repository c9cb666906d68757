import * as Data from "effect/Data"
import type { NodeId, PeerUrl } from "../../domain/ids.js"
import type * as PeerApi from "./PeerApi.js"

/** A configured peer: where it is reached, and the low-cardinality name it has in logs and metrics. */
export interface Peer {
  /** Base URL, normalised, without a trailing slash. */
  readonly url: PeerUrl
  readonly name: string
}

/** Whom a link talks to: one of ours, or a node of the original, which says neither who it is nor what it holds. */
export type Identity =
  | { readonly kind: "quorate"; readonly peerId: NodeId; readonly hello: PeerApi.Hello }
  | { readonly kind: "original"; readonly peerId: PeerUrl }

/**
 * Nothing came of a request. `unavailable`: the peer's breaker is open, nothing was sent. `queue_full`: too much waits
 * for it already. `refused`: it answered, and will not take this body; which operation of it is to blame must be found.
 * `overloaded`: it answered that it can not now. `status`: it answered, and takes nothing of this node. The rest say
 * what went wrong on the way. `forbidden`: a rule of this node's operator, and nothing was sent.
 */
export class PeerFailed extends Data.TaggedError("PeerFailed")<{
  readonly peer: string
  readonly reason:
    | "unavailable"
    | "queue_full"
    | "timeout"
    | "network"
    | "status"
    | "malformed"
    | "identity"
    | "refused"
    | "overloaded"
    | "forbidden"
  readonly detail: string
  /** Of a peer that is `unavailable`: why it was given up. */
  readonly known?: PeerFailed | undefined
  /** Of a peer that is `overloaded`: when it can take it, as it says, in milliseconds since 1970. */
  readonly laterMillis?: number | undefined
}> {
  override get message() {
    return this.reason === "forbidden" ? this.detail : `${this.reason}: ${this.detail}`
  }
}
