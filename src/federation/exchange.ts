import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Tracer from "effect/Tracer"
import type { Stamp } from "../domain/Stamp.js"
import type { Operation } from "../replication/Operation.js"
import { type Peer, PeerFailed } from "./Peer.js"
import * as PeerApi from "./PeerApi.js"
import { PeerTransport } from "./PeerTransport.js"

/** An operation on its way to peers: its text is written once for all of them. */
export interface Outgoing {
  readonly operation: Operation
  /** The operation on the wire, but for its `ref`. */
  readonly text: string
  readonly bytes: number
  /** The span of the send, so that the request becomes part of the write's trace. */
  readonly span: Tracer.AnySpan | null
}

/** Whom a request comes from, as every peer wants to know it. */
export interface Sender {
  readonly nodeId: string
  readonly headers: Record<string, string>
}

/** Whom a link talks to: one of ours, or a node of the original, which says neither who it is nor what it holds. */
export type Identity =
  | { readonly kind: "quorate"; readonly nodeId: string; readonly hello: PeerApi.Hello }
  | { readonly kind: "original"; readonly nodeId: string }

/** What a peer did with each operation of a push, and what it now holds of their origins. */
export interface Delivered {
  readonly outcomes: ReadonlyArray<Either.Either<string, PeerFailed>>
  readonly response: PeerApi.PushResponse
}

const decodeHello = PeerApi.decodeText(PeerApi.Hello)
const decodeResponse = PeerApi.decodeText(PeerApi.PushResponse)

/** Asks a peer who it is. 404 means a node of the original, known by its address alone. */
export const hello = (options: {
  readonly peer: Peer
  readonly sender: Sender
  readonly timeout: Duration.Duration
}): Effect.Effect<Identity, PeerFailed, PeerTransport> =>
  Effect.gen(function*() {
    const { peer, sender, timeout } = options
    const transport = yield* PeerTransport
    const answer = yield* transport.request({
      peer,
      method: "GET",
      path: PeerApi.HELLO_PATH,
      headers: sender.headers,
      timeout
    })
    if (answer.status === 404) return { kind: "original" as const, nodeId: peer.url }
    if (answer.status !== 200) return yield* failed(peer, "status", `hello answered http ${answer.status}`)
    const decoded = decodeHello(answer.body)
    if (Either.isLeft(decoded)) return yield* failed(peer, "malformed", `hello: ${decoded.left}`)
    return { kind: "quorate" as const, nodeId: decoded.right.node_id, hello: decoded.right }
  })

/** Sends operations in one request and says of each whether this very peer now holds it durably. */
export const push = (options: {
  readonly peer: Peer
  readonly sender: Sender
  readonly identity: Identity
  readonly batch: ReadonlyArray<Outgoing>
  readonly wallClock: Stamp
  readonly timeout: Duration.Duration
}): Effect.Effect<Delivered, PeerFailed, PeerTransport> =>
  Effect.gen(function*() {
    const { batch, identity, peer, sender, timeout, wallClock } = options
    const transport = yield* PeerTransport
    const only = batch.length === 1 ? batch[0] : undefined
    const answer = yield* transport.request({
      peer,
      method: "POST",
      path: PeerApi.PUSH_PATH,
      headers: only === undefined ? sender.headers : { ...sender.headers, "idempotency-key": only.operation.entity },
      body: `{"sender_agent_id":"${sender.nodeId}","sender_wall_clock":"${wallClock}",` +
        `${PeerApi.encodeCarrier(batch)},"dry_run":false}`,
      timeout
    }).pipe(inTraceOf(batch))
    if (answer.status < 200 || answer.status > 299) {
      return yield* failed(peer, isRefusal(answer.status) ? "refused" : "status", `http ${answer.status}`)
    }
    const decoded = decodeResponse(answer.body)
    if (Either.isLeft(decoded)) return yield* failed(peer, "malformed", decoded.left)
    const response = decoded.right
    if (identity.kind === "original") {
      return { response, outcomes: batch.map((item) => originalOutcome(peer, item.operation, response)) }
    }
    if (response.receiver_node_id !== identity.nodeId) {
      return yield* failed(
        peer,
        "identity",
        `answered as ${response.receiver_node_id ?? "nobody"}, not as ${identity.nodeId}`
      )
    }
    const results = new Map((response.results ?? []).map((result) => [result.op_id, result]))
    return {
      response,
      outcomes: batch.map(({ operation }) => {
        const result = results.get(operation.opId)
        if (result === undefined || response.durable !== true) {
          return Either.left(
            new PeerFailed({ peer: peer.name, reason: "malformed", detail: "no result for the operation" })
          )
        }
        return result.result === "parked" || result.result === "rejected"
          ? Either.left(new PeerFailed({ peer: peer.name, reason: "refused", detail: result.why ?? result.result }))
          : Either.right(identity.nodeId)
      })
    }
  })

const failed = (peer: Peer, reason: PeerFailed["reason"], detail: string) =>
  new PeerFailed({ peer: peer.name, reason, detail })

/** The peer understood and will not take this body: one bad operation of a batch must be found, not repeated. */
const isRefusal = (status: number) => status === 400 || status === 409 || status === 413 || status === 422

/** An original node answers 200 to everything: an ack only if it skipped nothing and counted what was sent. */
const originalOutcome = (
  peer: Peer,
  operation: Operation,
  response: PeerApi.PushResponse
): Either.Either<string, PeerFailed> => {
  const ids = response.ids ?? []
  if (ids.length > 0 && !ids.includes(operation.entity)) {
    return Either.left(new PeerFailed({ peer: peer.name, reason: "id_drift", detail: "acked another id" }))
  }
  const moved = operation.kind === "store"
    ? (response.applied ?? 0) > 0
    : (response.deleted ?? 0) + (response.noop ?? 0) > 0
  return moved && (response.skipped ?? 0) === 0
    ? Either.right(peer.url)
    : Either.left(new PeerFailed({ peer: peer.name, reason: "refused", detail: "skipped by the peer" }))
}

/** One request may carry operations of many traces: it belongs to the first, and is linked from the others. */
const inTraceOf =
  (batch: ReadonlyArray<Outgoing>) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
    const [first, ...others] = batch.flatMap(({ span }) => span === null ? [] : [span])
    if (first === undefined) return effect
    return others.reduce((linked, span) => Effect.linkSpans(linked, span), effect).pipe(
      Effect.provideService(Tracer.ParentSpan, first)
    )
  }
