import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { Peer, PeerFailed } from "./Peer.js"

/** An answer of a peer, whatever its status: the body is always read, so that the connection can be used again. */
export interface PeerAnswer {
  readonly status: number
  readonly body: string
}

/** How peers are reached: HTTP in a daemon, a simulated network elsewhere. */
export class PeerTransport extends Context.Tag("quorate/federation/PeerTransport")<PeerTransport, {
  readonly request: (request: {
    readonly peer: Peer
    readonly method: "GET" | "POST"
    /** With its query. */
    readonly path: string
    readonly headers: Record<string, string>
    /** JSON text. */
    readonly body?: string
    readonly timeout: Duration.Duration
    /** More than that is not read; 4 MiB where nothing is said. */
    readonly maxAnswerBytes?: number
  }) => Effect.Effect<PeerAnswer, PeerFailed>
}>() {}
