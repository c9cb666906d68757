import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { Peer, PeerFailed } from "./Peer.js"

/** An answer of a peer, whatever its status: the body is always read, so that the connection can be used again. */
export interface PeerAnswer {
  readonly status: number
  readonly body: string
  /** Names in lower case. What a peer says of its overload is read from them: `retry-after`, `x-quota-reset-at`. */
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * How peers are reached: HTTP in a daemon, whatever an embedder provides elsewhere. It carries requests and answers and
 * knows nothing of what is in them. What is sent may arrive twice, late, or never: every request can be repeated, and
 * which of its operations a peer holds is told by the answer alone.
 */
export class PeerTransport extends Context.Tag("quorate/federation/PeerTransport")<PeerTransport, {
  /**
   * One request. It ends within its timeout, with an answer or a `PeerFailed`, and can be interrupted; one that does
   * neither is given up after some times as long, and its link begun anew. It fails when there is no answer (`network`,
   * `timeout`), or none that can be handed on (`malformed`); an answer of any status is a success. Several may be under
   * way to one peer.
   *
   * With a tracer its span belongs under the current one, or stands by itself with the links that are set: that is
   * where the traces of the operations it carries go on.
   */
  readonly request: (request: {
    readonly peer: Peer
    readonly method: "GET" | "POST"
    /** With its query. */
    readonly path: string
    /** Names in lower case. They hold the API key, when there is one. */
    readonly headers: Record<string, string>
    /** JSON text. */
    readonly body?: string
    readonly timeout: Duration.Duration
    /** The answer is bytes: each is handed on as one character, whose code it is, and nothing is decoded. */
    readonly bytes?: boolean
    /** More than that is not read; 4 MiB where nothing is said. */
    readonly maxAnswerBytes?: number
  }) => Effect.Effect<PeerAnswer, PeerFailed>
}>() {}
