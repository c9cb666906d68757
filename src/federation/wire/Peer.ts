import * as Data from "effect/Data"

/** A configured peer: where it is reached, and the low-cardinality name it has in logs and metrics. */
export interface Peer {
  /** Base URL, normalised, without a trailing slash. */
  readonly url: string
  readonly name: string
}

/**
 * A peer did not ack. `unavailable`: its breaker is open, nothing was sent. `refused`: it answered, and does not take the
 * operation. `parked`: it has the operation in its log, and cannot apply it yet. `not_carried`: an original node has no word for
 * it. `id_drift`: it acked another id. The rest say what went wrong on the way.
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
    | "parked"
    | "not_carried"
    | "id_drift"
  readonly detail: string
}> {
  override get message() {
    return `${this.reason}: ${this.detail}`
  }
}
