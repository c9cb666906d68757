import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"
import type { Stamp } from "../../domain/Stamp.js"
import type { Operation } from "../../replication/Operation.js"
import { type Peer, PeerFailed } from "./Peer.js"
import * as PeerApi from "./PeerApi.js"
import { type PeerAnswer, PeerTransport } from "./PeerTransport.js"
import { type OriginalPush, type Told, toOriginal } from "./toOriginal.js"

/** An operation on its way to peers: its text is written once for all of them. */
export interface Outgoing {
  readonly operation: Operation
  /** The operation on the wire, but for its `ref`. */
  readonly text: string
  readonly bytes: number
  /** The span of the send, so that the request becomes part of the write's trace. */
  readonly span: Tracer.AnySpan | null
}

/** An operation made ready for the wire, once for all peers. */
export const outgoing = (operation: Operation, span: Outgoing["span"]): Outgoing => {
  const traceparent = span === null ? null : `00-${span.traceId}-${span.spanId}-0${span.sampled ? 1 : 0}`
  const text = PeerApi.encodeOperation(operation, traceparent)
  return { operation, text, bytes: PeerApi.sizeOf(operation, text), span }
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

/** What a peer did with an operation: the node id that now holds it durably, or why none is known to. */
export type Outcome = Either.Either<string, PeerFailed>

/** What a peer did with each operation of a push, and what it now holds of their origins. */
export interface Delivered {
  readonly outcomes: ReadonlyArray<Outcome>
  readonly response: PeerApi.PushResponse
}

export interface Push {
  readonly peer: Peer
  readonly sender: Sender
  readonly identity: Identity
  readonly batch: ReadonlyArray<Outgoing>
  /** Many operations that nobody waits for one by one. */
  readonly bulk: boolean
  readonly wallClock: Stamp
  readonly timeout: Duration.Duration
}

/** What it takes to put an operation in an original's words. */
export type ToOriginal = Effect.Effect.Context<ReturnType<typeof toOriginal>>

/** What a request needs of a push. An original node gets no bulk. */
type Request = Pick<Push, "peer" | "sender" | "batch" | "timeout"> & { readonly bulk?: boolean }

/** The header that tells a push of many operations from a live one, as in the original. */
export const BULK_HEADER = { "x-catchup": "bulk" }

const decodeHello = PeerApi.decodeText(PeerApi.Hello)
const Counter = Schema.optionalWith(Schema.Number, { exact: true })
const Response = Schema.Struct({
  ...PeerApi.PushResponse.fields,
  archived: Counter,
  restored: Counter,
  links_applied: Counter,
  pendings_applied: Counter,
  pending_decisions_applied: Counter,
  namespace_meta_applied: Counter,
  namespace_meta_cleared: Counter
})
const decodeResponse = PeerApi.decodeText(Response)

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

/** Sends operations and says of each whether this very peer now holds it durably: in one request, or as an original reads. */
export const push = (options: Push): Effect.Effect<Delivered, PeerFailed, PeerTransport | ToOriginal> =>
  options.identity.kind === "original" ? pushToOriginal(options) : pushToOurs(options, options.identity)

const pushToOurs = (options: Push, { nodeId }: Identity): Effect.Effect<Delivered, PeerFailed, PeerTransport> =>
  Effect.gen(function*() {
    const { batch, peer } = options
    const response = yield* post(options, `"sender_wall_clock":"${options.wallClock}",${PeerApi.encodeCarrier(batch)}`)
    if (response.receiver_node_id !== nodeId) {
      return yield* failed(peer, "identity", `answered as ${response.receiver_node_id ?? "nobody"}, not as ${nodeId}`)
    }
    const results = new Map((response.results ?? []).map((result) => [result.op_id, result]))
    return {
      response,
      outcomes: batch.map(({ operation }) => {
        const result = results.get(operation.opId)
        if (result === undefined || response.durable !== true) {
          return Either.left(failed(peer, "malformed", "no result for the operation"))
        }
        if (result.result === "parked") return Either.left(failed(peer, "parked", result.why ?? "parked"))
        return result.result === "rejected"
          ? Either.left(failed(peer, "refused", result.why ?? "rejected"))
          : Either.right(nodeId)
      })
    }
  })

/** An original applies the lists of a push in an order of its own, and one bad item is the end of it all: one by one. */
const pushToOriginal = (options: Push): Effect.Effect<Delivered, PeerFailed, PeerTransport | ToOriginal> =>
  Effect.gen(function*() {
    const outcomes: Array<Outcome> = []
    for (const item of options.batch) {
      const pushes = yield* inWords(options.peer, item.operation)
      outcomes.push(yield* tell({ ...options, batch: [item], bulk: false }, pushes))
    }
    return { response: {}, outcomes }
  })

/** Tells an original node once more what became of a memory that it has otherwise. */
export const restate = (
  options: Pick<Push, "peer" | "sender" | "timeout">,
  id: string
): Effect.Effect<Outcome, PeerFailed, PeerTransport | ToOriginal> =>
  Effect.flatMap(
    inWords(options.peer, { kind: "delete", entity: id, baseHlc: null, covers: [] }),
    (pushes) => tell({ ...options, batch: [] }, pushes)
  )

const inWords = (peer: Peer, operation: Told) =>
  Effect.mapError(
    toOriginal(operation),
    (error) =>
      failed(peer, "malformed", `${operation.entity} could not be put in an original's words: ${error.message}`)
  )

/** One push after the other; what comes of the last one decides. */
const tell = (
  options: Request,
  pushes: ReadonlyArray<OriginalPush>
): Effect.Effect<Outcome, PeerFailed, PeerTransport> =>
  Effect.gen(function*() {
    const { batch, peer } = options
    let outcome: Outcome = Either.left(failed(peer, "not_carried", "there is nothing to tell an original node"))
    for (const { lists, otherwise, taken } of pushes) {
      const members = JSON.stringify({ memories: [], ...lists }).slice(1, -1)
      const response = yield* post(options, members)
      const drifted = batch.length > 0 && (response.ids ?? []).length > 0 &&
        !batch.some(({ operation }) => response.ids?.includes(operation.entity))
      outcome = drifted
        ? Either.left(failed(peer, "id_drift", "acked another id"))
        : taken(response)
        ? Either.right(peer.url)
        : otherwise !== undefined
        ? yield* tell(options, otherwise)
        : Either.left(failed(peer, "refused", "skipped by the peer"))
    }
    return outcome
  })

/** One request with one body, and its answer when that is a 2xx. */
const post = (
  { batch, bulk, peer, sender, timeout }: Request,
  members: string
): Effect.Effect<typeof Response.Type, PeerFailed, PeerTransport> =>
  Effect.gen(function*() {
    const transport = yield* PeerTransport
    const only = batch.length === 1 ? batch[0] : undefined
    const answer = yield* transport.request({
      peer,
      method: "POST",
      path: PeerApi.PUSH_PATH,
      headers: {
        ...sender.headers,
        ...(only === undefined ? {} : { "idempotency-key": only.operation.opId }),
        ...(bulk === true ? BULK_HEADER : {})
      },
      body: `{"sender_agent_id":"${sender.nodeId}",${members},"dry_run":false}`,
      timeout
    }).pipe(inTraceOf(batch))
    if (answer.status < 200 || answer.status > 299) {
      return yield* failed(peer, isRefusal(answer.status) ? "refused" : "status", detailOf(answer))
    }
    const decoded = decodeResponse(answer.body)
    return Either.isRight(decoded) ? decoded.right : yield* failed(peer, "malformed", decoded.left)
  })

const failed = (peer: Peer, reason: PeerFailed["reason"], detail: string) =>
  new PeerFailed({ peer: peer.name, reason, detail })

/** The peer understood and will not take this body: one bad operation of a batch must be found, not repeated. */
const isRefusal = (status: number) => status === 400 || status === 409 || status === 413 || status === 422

/** Of the peer's own words about a refusal as many as make a reason. */
const MAX_DETAIL_CHARS = 300

const detailOf = ({ body, status }: PeerAnswer): string =>
  body === "" ? `http ${status}` : `http ${status}: ${body.slice(0, MAX_DETAIL_CHARS)}`

/** One request may carry operations of many traces: it belongs to the first, and is linked from the others. */
const inTraceOf =
  (batch: ReadonlyArray<Outgoing>) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
    const [first, ...others] = new Set(batch.flatMap(({ span }) => span === null ? [] : [span]))
    if (first === undefined) return effect
    return others.reduce((linked, span) => Effect.linkSpans(linked, span), effect).pipe(
      Effect.provideService(Tracer.ParentSpan, first)
    )
  }
