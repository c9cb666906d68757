import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"
import type { NodeId } from "../../domain/ids.js"
import * as PendingAction from "../../domain/PendingAction.js"
import * as Stamp from "../../domain/Stamp.js"
import type { Stub } from "../../replication/Stub.js"
import * as VersionVector from "../../replication/VersionVector.js"
import type { OutboundRules } from "../../store/OutboundRules.js"
import type { EntityReader } from "../../store/read/EntityReader.js"
import type { AuditLog } from "../../telemetry/AuditLog.js"
import { governed } from "./governed.js"
import * as Outcome from "./Outcome.js"
import { type Identity, type Peer, PeerFailed } from "./Peer.js"
import * as PeerApi from "./PeerApi.js"
import type { PeerAnswer, PeerTransport } from "./PeerTransport.js"
import * as RowsPage from "./RowsPage.js"
import type * as Sending from "./sending.js"
import { type Send, sending } from "./sending.js"
import { tell, tellTogether } from "./tell.js"
import type { Told } from "./toOriginal.js"
import * as Vectors from "./vectors.js"

/** An operation on its way to a peer. */
export interface Outgoing extends PeerApi.Written {
  /** All that the peer may know of it, where that is less than it says. */
  readonly stub?: Stub
  /** The span of its send, when it is traced: the request becomes part of that trace. */
  readonly span?: Tracer.AnySpan
}

/** Whom a request comes from, as every peer wants to know it. */
export interface Sender extends Sending.Identity {
  readonly nodeId: NodeId
  readonly headers: Record<string, string>
}

export interface Push {
  readonly identity: Identity
  readonly batch: ReadonlyArray<Outgoing>
  /** Many operations that nobody waits for one by one. */
  readonly bulk: boolean
  readonly timeout: Duration.Duration
  /**
   * Sees to it that the request ends, which its own timeout should do long before this limit. Where nobody does, the
   * request is given up, and whatever becomes of it is not waited for.
   */
  readonly within?: (limit: Duration.Duration) => <A, E, R>(request: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** What a peer did with each operation of a push, in their order, and what it now holds of their origins. */
interface Pushed {
  readonly outcomes: ReadonlyArray<Outcome.Outcome>
  readonly vector: VersionVector.VersionVector | undefined
}

/** A page of operations as a peer sent it. */
interface Page {
  readonly text: string
  /** Null when something in it is not to be understood. */
  readonly request: PeerApi.PushRequest | null
  /** The peer has more than this. */
  readonly more: boolean
}

/** A page of rows as an original node sent it. */
interface Rows extends RowsPage.RowsPage {
  readonly text: string
}

/**
 * Everything that a node asks of one peer. A peer that gives no answer, or another one than was asked for, is a
 * `PeerFailed`.
 */
export interface PeerClient {
  readonly peer: Peer
  /** Who it is. 404 means a node of the original, known by its address alone. */
  readonly hello: Effect.Effect<Identity, PeerFailed>
  /** Sends operations: in one request to a node of ours, one by one and in its own words to an original. */
  readonly push: (push: Push) => Effect.Effect<Pushed, PeerFailed>
  /** Tells an original node once more what became of a memory that it has otherwise. */
  readonly restate: (id: string) => Effect.Effect<Outcome.Outcome, PeerFailed>
  /** The next operations, of any origin, that are not in what is held here. Of a node of ours. */
  readonly since: (held: VersionVector.VersionVector) => Effect.Effect<Page, PeerFailed>
  /** Rows changed after a time. Of an original node. */
  readonly rows: (after: { readonly since: string; readonly limit: number }) => Effect.Effect<Rows, PeerFailed>
  /** The digests by bucket. Of a node of ours. */
  readonly digests: Effect.Effect<typeof PeerApi.Digests.Type, PeerFailed>
  /** The vectors that it has of some memories. Of a node of ours that says that it has some. */
  /** Tells it which keys are revoked, and hears what it knows; null of a node that has no word for it. */
  readonly revocations: (
    said: typeof PeerApi.Revocations.Type
  ) => Effect.Effect<typeof PeerApi.Revocations.Type | null, PeerFailed>
  readonly vectors: (asked: PeerApi.VectorsRequest) => Effect.Effect<Vectors.Answer, PeerFailed>
}

/** A request is to end within its timeout. One that takes so many times as long is given up without its consent. */
const OVERDUE_AFTER_TIMEOUTS = 3
/** A page is large, and nobody waits for it. */
export const PAGE_TIMEOUT = Duration.seconds(10)
/** Nobody waits for vectors: who gets none makes them. */
const VECTORS_TIMEOUT = Duration.seconds(5)
/** Of a page of rows at most. */
const MAX_ROWS_BYTES = 32 * 1024 * 1024
/** The header that tells a push of many operations from a live one, as in the original. */
const BULK_HEADER = { "x-catchup": "bulk" }

/** Whatever it takes to ask peers. */
export type Requires = PeerTransport | OutboundRules | AuditLog | EntityReader

interface Options {
  readonly peer: Peer
  readonly sender: Sender
  /** Of a short question. */
  readonly timeout: Duration.Duration
}

export const make = (options: Options): Effect.Effect<PeerClient, never, Requires> =>
  Effect.gen(function*() {
    const { peer, sender } = options
    const ask = asking(peer, sending(peer, sender, yield* governed), yield* Effect.clock)
    return { peer, ...questions(ask, options), ...yield* pushes(ask, options) }
  })

/** What is asked every few seconds is in no trace: only what carries writes is. */
const questions = (
  askTraced: Ask,
  { peer, sender, timeout }: Options
): Pick<PeerClient, "hello" | "since" | "rows" | "digests" | "vectors" | "revocations"> => {
  const ask: Ask = (asked) => Effect.withTracerEnabled(askTraced(asked), false)
  const question = { method: "GET", headers: sender.headers, timeout } as const
  const page = { ...question, timeout: PAGE_TIMEOUT }
  return {
    hello: ask({
      ...question,
      path: PeerApi.HELLO_PATH,
      called: "hello",
      otherwise: ({ status }) => status === 404 ? { kind: "original", peerId: peer.url } : undefined,
      decode: (body) => Either.map(decodeHello(body), identityOf)
    }),
    since: (held) => {
      const line = vectorText(held, MAX_VECTOR_CHARS)
      const inLine = ask({ ...page, path: `${PeerApi.SINCE_PATH}?vv=${encodeURIComponent(line)}`, decode: decodePage })
      if (line.length <= MAX_VECTOR_CHARS) return inLine
      const inBody = ask<Page | null>({
        ...page,
        method: "POST",
        path: PeerApi.SINCE_PATH,
        body: `{"vv":${vectorText(held, PeerApi.MAX_PUSH_BYTES)}}`,
        otherwise: ({ status }) => status === 405 ? null : undefined,
        decode: decodePage
      })
      // A node of 0.2.0 takes it in the line alone.
      return Effect.flatMap(inBody, (found) => found === null ? inLine : Effect.succeed(found))
    },
    rows: ({ limit, since }) =>
      ask({
        ...page,
        path: `${PeerApi.SINCE_PATH}?${new URLSearchParams({ since, limit: String(limit), peer: sender.nodeId })}`,
        maxAnswerBytes: MAX_ROWS_BYTES,
        decode: (text) => Either.map(RowsPage.decode(text), (page) => ({ text, ...page }))
      }),
    revocations: (said) =>
      ask<typeof PeerApi.Revocations.Type | null>({
        ...question,
        method: "POST",
        path: PeerApi.REVOCATIONS_PATH,
        body: JSON.stringify(said),
        otherwise: ({ status }) => NO_SUCH_ROUTE.has(status) ? null : undefined,
        decode: decodeRevocations
      }),
    digests: ask({ ...question, path: PeerApi.DIGESTS_PATH, decode: decodeDigests }),
    vectors: (asked) =>
      ask({
        ...question,
        timeout: VECTORS_TIMEOUT,
        method: "POST",
        path: PeerApi.VECTORS_PATH,
        body: JSON.stringify(asked),
        bytes: true,
        maxAnswerBytes: PeerApi.MAX_VECTORS_BYTES,
        decode: (body) => Vectors.read(Buffer.from(body, "latin1"), asked.ids)
      })
  }
}

const pushes = (
  ask: Ask,
  { peer, sender, timeout }: Options
): Effect.Effect<Pick<PeerClient, "push" | "restate">, never, EntityReader> =>
  Effect.gen(function*() {
    const clock = yield* Effect.clock
    const reader = yield* Effect.context<EntityReader>()
    /** An original node applies what comes in the order it comes: nothing may overtake. */
    const turn = yield* Effect.makeSemaphore(1)

    const post = ({ batch, bulk, timeout, within }: PostOptions, members: string) =>
      ask({
        method: "POST",
        path: PeerApi.PUSH_PATH,
        headers: { ...sender.headers, ...keyOf(batch), ...(bulk ? BULK_HEADER : {}) },
        body: `{"sender_agent_id":${JSON.stringify(sender.nodeId)},${members},"dry_run":false}`,
        timeout,
        within,
        decode: PeerApi.decodeAnswer
      }).pipe(inTraceOf(batch))

    const toOurs = (push: Push) =>
      Effect.flatMap(
        Effect.suspend(() => post(push, membersOf(push.batch, Stamp.fromMillis(clock.unsafeCurrentTimeMillis())))),
        (response) => pushedOf(peer, push, response)
      )
    const actions = actionsOf(ask, { sender, timeout })
    /** Whoever gives up a request gives up its turn. */
    const inTurn = <A>(telling: Effect.Effect<A, PeerFailed, EntityReader>) =>
      telling.pipe(Effect.provide(reader), Effect.disconnect, turn.withPermits(1))
    const lineOf = (how: PostOptions, isFirst = false) => ({
      peer,
      actions,
      isFirst,
      post: (members: string) => post(how, members)
    })

    const oneToOriginal = (operation: Told, how: PostOptions, isFirst: boolean) =>
      inTurn(tell(lineOf(how, isFirst), operation))
    const allToOriginal = ({ batch, ...how }: Push): Effect.Effect<ReadonlyArray<Outcome.Outcome>, PeerFailed> =>
      Effect.gen(function*() {
        const all = how.bulk && batch.length > 1
          ? yield* inTurn(tellTogether(lineOf({ ...how, batch }), batch.map(({ operation }) => operation)))
          : null
        return all === null
          ? yield* Effect.forEach(
            batch,
            // What a client has just written comes to it by this node alone.
            (item) => oneToOriginal(item.operation, { ...how, batch: [item], bulk: false }, !how.bulk)
          )
          : batch.map(() => all)
      })

    return {
      push: (push) =>
        push.identity.kind === "original"
          ? without(push, ({ stub }) => stub === undefined, (told) =>
            Effect.map(allToOriginal(told), (outcomes) => ({ outcomes, vector: undefined })))
          : without(push, ({ stub }) =>
            stub === undefined || takesStubs(push.identity), toOurs),
      restate: (id) =>
        oneToOriginal(
          { kind: "delete", entity: id, baseHlc: null, covers: [] },
          { batch: [], bulk: false, timeout },
          false
        )
    }
  })

type Pushing = Effect.Effect<Pushed, PeerFailed>

/** What is not to be told is not sent, and settled. */
const without = (push: Push, isTold: (item: Outgoing) => boolean, send: (push: Push) => Pushing): Pushing => {
  if (push.batch.every(isTold)) return send(push)
  const batch = push.batch.filter(isTold)
  const sent: Pushing = batch.length === 0 ? Effect.succeed(NOTHING) : send({ ...push, batch })
  return Effect.map(sent, ({ outcomes, vector }) => {
    const of = new Map(batch.map((item, index) => [item, outcomes[index]]))
    return { vector, outcomes: push.batch.map((item) => of.get(item) ?? Outcome.withheld) }
  })
}

const NOTHING: Pushed = { outcomes: [], vector: undefined }

const takesStubs = (identity: Identity): boolean =>
  identity.kind === "quorate" && identity.hello.capabilities.includes(PeerApi.STUBS)

/** The pending actions of an original node, or those that have come to this. */
const actionsOf = (ask: Ask, { sender, timeout }: Pick<Options, "sender" | "timeout">) => (status?: string) =>
  ask({
    method: "GET",
    path: `${PeerApi.PENDING_PATH}?${new URLSearchParams({
      ...(status === undefined ? {} : { status }),
      limit: "1000"
    })}`,
    headers: sender.headers,
    timeout,
    decode: (body) => Either.map(decodePending(body), ({ pending }) => pending)
  })

/** One operation alone goes under its own name, as in the original. */
const keyOf = (batch: ReadonlyArray<Outgoing>): Record<string, string> =>
  batch.length === 1 && batch[0] !== undefined ? { "idempotency-key": batch[0].operation.opId } : {}

type Request = Parameters<PeerTransport["Type"]["request"]>[0]

/** A request, and how its answer is read. */
interface Asked<A> extends Omit<Request, "peer"> {
  readonly decode: (body: string) => Either.Either<A, string>
  /** What a failure calls it, where that is not plain. */
  readonly called?: string
  /** What an answer means that is no failure in spite of its status. */
  readonly otherwise?: (answer: PeerAnswer) => A | undefined
  readonly within?: Push["within"] | undefined
}

type Ask = <A>(asked: Asked<A>) => Effect.Effect<A, PeerFailed>

/** The one way of every request: send, check the status, decode, and say what failed. */
const asking =
  (peer: Peer, send: Send, clock: Clock.Clock): Ask => ({ called, decode, otherwise, within, ...asked }) => {
    const failed = (reason: PeerFailed["reason"], detail: string, laterMillis?: number) =>
      new PeerFailed({ peer: peer.name, reason, detail, laterMillis })
    const isPush = asked.method === "POST"
    const limit = Duration.times(asked.timeout, OVERDUE_AFTER_TIMEOUTS)
    const request = send(asked)
    return Effect.flatMap(within === undefined ? givenUp(request, limit, failed) : within(limit)(request), (answer) => {
      const known = otherwise?.(answer)
      if (known !== undefined) return Effect.succeed(known)
      const { body, status } = answer
      if (status < 200 || status > 299) {
        const words = body === "" || !(isPush || KEY_REFUSED.has(status))
          ? ""
          : `: ${body.slice(0, Outcome.MAX_DETAIL_CHARS)}`
        const hint = status === 401 && body.includes("API key") ? " (do all nodes have the same API key?)" : ""
        return failed(
          isPush && REFUSALS.has(status) ? "refused" : OVERLOADED.has(status) ? "overloaded" : "status",
          `${called === undefined ? "" : `${called} answered `}http ${status}${words}${hint}`,
          laterOf(answer, clock.unsafeCurrentTimeMillis())
        )
      }
      return Either.mapLeft(
        decode(body),
        (wrong) => failed("malformed", called === undefined ? wrong : `${called}: ${wrong}`)
      )
    })
  }

/** A transport that keeps no timeout must not stop what goes from peer to peer, as the rounds of catch-up do. */
const givenUp = (
  request: ReturnType<Send>,
  limit: Duration.Duration,
  failed: (reason: "timeout", detail: string) => PeerFailed
) =>
  request.pipe(
    Effect.disconnect,
    Effect.timeoutFail({
      duration: limit,
      onTimeout: () => failed("timeout", "no answer, and the request did not end by itself")
    })
  )

/** The peer understood and will not take this body: one bad operation of a batch must be found, not repeated. */
const REFUSALS: ReadonlySet<number> = new Set([400, 409, 413, 422])

/** Of a node that is older than what is asked. */
const NO_SUCH_ROUTE: ReadonlySet<number> = new Set([404, 405])

/** The peer understood, and can not now. */
const OVERLOADED: ReadonlySet<number> = new Set([429, 503])
/** What the peer says of a key is worth being read whatever was asked. */
const KEY_REFUSED: ReadonlySet<number> = new Set([401, 403])

/** A quota that does not say when it is new is asked again after this time. */
const QUOTA_PAUSE = Duration.minutes(1)

/** When the peer can take more, as it says: after so many seconds, at a time, or when a quota is new. */
const laterOf = ({ headers = {}, status }: PeerAnswer, nowMillis: number): number | undefined => {
  const said = headers["x-quota-reset-at"] ?? headers["retry-after"]
  if (said === undefined) return status === 429 ? nowMillis + Duration.toMillis(QUOTA_PAUSE) : undefined
  const millis = /^[0-9]{1,9}$/.test(said) ? nowMillis + Number(said) * 1_000 : Date.parse(said)
  return Number.isNaN(millis) ? undefined : millis
}

type PostOptions = Omit<Push, "identity">

const decodeHello = PeerApi.decodeText(PeerApi.Hello)
const decodeRevocations = PeerApi.decodeText(PeerApi.Revocations)
const decodeDigests = PeerApi.decodeText(PeerApi.Digests)
const decodePending = PeerApi.decodeText(
  Schema.Struct({ pending: Schema.Array(PendingAction.PendingAction.pick("id", "status", "approvals")) })
)
const decodeJson = PeerApi.decodeText(Schema.Unknown)
const decodeMore = Schema.decodeUnknownEither(Schema.Struct({ more: Schema.Boolean }))

/** One operation of a page that is not to be understood does not spoil the others. */
const decodePage = (text: string): Either.Either<Page, string> =>
  Either.flatMap(decodeJson(text), (body) =>
    Either.mapBoth(decodeMore(body), {
      onLeft: ({ message }) => PeerApi.lastLine(message),
      onRight: ({ more }): Page => ({ text, request: Either.getOrElse(PeerApi.decodePush(body), () => null), more })
    }))

const identityOf = (hello: PeerApi.Hello): Identity => ({ kind: "quorate", peerId: hello.node_id, hello })

const membersOf = (batch: ReadonlyArray<Outgoing>, wallClock: Stamp.Stamp): string =>
  `"sender_wall_clock":${JSON.stringify(wallClock)},` + (batch.every(isWhole)
    ? PeerApi.encodeCarrier(batch)
    : PeerApi.encodeCarrier(batch.filter(isWhole)) +
      PeerApi.encodeStubs(batch.flatMap(({ stub }) => stub === undefined ? [] : [stub])))

const isWhole = ({ stub }: Outgoing): boolean => stub === undefined

/** An answer under another id is none: it is from someone else, who may hold all of it, or be counted elsewhere. */
const pushedOf = (
  peer: Peer,
  { batch, identity }: Push,
  { durable, receiver_node_id: by, results = [], vector }: PeerApi.PushAnswer
): Either.Either<Pushed, PeerFailed> => {
  if (by !== identity.peerId) {
    const detail = `answered as ${by ?? "nobody"}, not as ${identity.peerId}`
    return Either.left(new PeerFailed({ peer: peer.name, reason: "identity", detail }))
  }
  const inOrder = results.length === batch.length &&
    results.every(({ op_id: opId }, index) => opId === batch[index]?.operation.opId)
  if (inOrder && durable === true) {
    return Either.right({ vector, outcomes: results.map((result) => Outcome.ofResult(result, by)) })
  }
  const known = new Map(results.map((result) => [result.op_id, result]))
  const missing = Outcome.failed(
    new PeerFailed({ peer: peer.name, reason: "malformed", detail: "no result for the operation" })
  )
  return Either.right({
    vector,
    outcomes: batch.map(({ operation: { opId } }) => {
      const result = known.get(opId)
      return result === undefined || durable !== true ? missing : Outcome.ofResult(result, by)
    })
  })
}

/** The first ranges of each origin say where the next page begins: the others are left out first. */
const vectorText = (held: VersionVector.VersionVector, maxChars: number): string => {
  let text = ""
  for (const most of RANGES_TRIED) {
    const entries = [...held].map(([origin, { beyond, upto }]) =>
      [origin, { upto, beyond: beyond.slice(0, most) }] as const
    )
    text = JSON.stringify(VersionVector.toWire(VersionVector.fromEntries(entries)))
    if (text.length <= maxChars) break
  }
  return text
}

/** Of a request line: a vector that is longer without its gaps goes into a body. */
const MAX_VECTOR_CHARS = 8_000
const RANGES_TRIED = [VersionVector.maxRangesPerOrigin, 256, 64, 16, 4, 1, 0]

/**
 * A request that carries operations of one trace is a part of that trace. One that several traces share belongs to none
 * of them, and is linked to each.
 */
const inTraceOf =
  (batch: ReadonlyArray<Outgoing>) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
    if (batch.every(({ span }) => span === undefined)) return effect
    const [first, ...others] = new Set(batch.flatMap(({ span }) => span === undefined ? [] : [span]))
    if (first === undefined) return effect
    const isShared = others.some(({ traceId }) => traceId !== first.traceId)
    const linked = (isShared ? [first, ...others] : others).reduce(
      (request, span) => Effect.linkSpans(request, span),
      effect
    )
    return isShared ? linked : Effect.provideService(linked, Tracer.ParentSpan, first)
  }

export * as Outcome from "./Outcome.js"
export { type Identity, type Peer, PeerFailed } from "./Peer.js"
export {
  fitting,
  inTrace,
  MAX_BULK_OF_ORIGINAL,
  MAX_BULK_OPERATIONS,
  MAX_PUSH_BYTES,
  MAX_PUSH_OPERATIONS,
  write as outgoing
} from "./PeerApi.js"
export type { Hello } from "./PeerApi.js"
