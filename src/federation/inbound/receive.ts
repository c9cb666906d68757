import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Memory from "../../domain/Memory.js"
import type { Namespaces } from "../../domain/namespaces.js"
import type { ShapeError } from "../../domain/ShapeError.js"
import * as Stamp from "../../domain/Stamp.js"
import * as validate from "../../domain/validate.js"
import { Kind, kinds } from "../../replication/kinds.js"
import { hashOf, type Operation } from "../../replication/Operation.js"
import * as Payload from "../../replication/Payload.js"
import type { Stub } from "../../replication/Stub.js"
import * as VersionVector from "../../replication/VersionVector.js"
import * as authorship from "../../store/authorship.js"
import type { NotWritten } from "../../store/errors.js"
import { inTurns } from "../../store/log/inTurns.js"
import { type Entry, MemoryStore, type Receipt } from "../../store/MemoryStore.js"
import { AuditLog } from "../../telemetry/AuditLog.js"
import { ofTraceparent } from "../../telemetry/traceContext.js"
import { Federation } from "../Federation.js"
import { PeerLimits } from "../PeerLimits.js"
import * as shipped from "../wire/embeddings.js"
import * as PeerApi from "../wire/PeerApi.js"
import { ShippedVectors } from "../wire/ShippedVectors.js"
import * as Counters from "./Counters.js"
import * as original from "./fromOriginal.js"
import { inReceiveSpans } from "./receiveSpans.js"

/** A push that is refused whole. `field` names what was wrong, when one field was. */
export class PushRefused extends Schema.TaggedError<PushRefused>()("PushRefused", {
  status: Schema.Literal(400, 422),
  error: Schema.String,
  field: Schema.optional(Schema.String)
}) {
  override get message() {
    return this.error
  }
}

/** Header names in lower case. */
export type Headers = { readonly [name: string]: string | undefined }

type Requires = MemoryStore | Federation | AuditLog

/** `POST /api/v1/sync/push`: the answer, once everything that it calls applied is durable here. */
export const push = (
  body: unknown,
  headers: Headers
): Effect.Effect<Answer, PushRefused | NotWritten, Requires> =>
  Effect.gen(function*() {
    yield* checkCounts(body)
    const embeddings = yield* vectorsOf(body)
    const request = yield* decode(body)
    const agentId = yield* agentOf(headers)
    const federation = yield* Federation
    yield* federation.heard({ id: headers["x-peer-id"] ?? request.sender_agent_id, run: headers["x-peer-run"] })
    const done = yield* applyCarrier(request, headers["x-peer-id"], embeddings)
    return yield* answer(request, done, agentId)
  })

/** Who sends, as the header says: nothing that a node of ours needs, but what is there is checked, as the original does. */
const agentOf = (headers: Headers): Either.Either<string | undefined, PushRefused> => {
  const agentId = headers["x-agent-id"]
  return agentId === undefined || Either.isRight(validate.agentId(agentId))
    ? Either.right(agentId)
    : Either.left(new PushRefused({ status: 400, error: "invalid x-agent-id", field: "X-Agent-Id" }))
}

/** Bounds of the whole message, after its counts and vectors: its shape (422), then what the original answers 400. */
const decode = (body: unknown): Either.Either<PeerApi.PushRequest, PushRefused> =>
  Either.mapLeft(PeerApi.decodePush(body), refusedShape).pipe(
    Either.filterOrLeft(
      (request) => Either.isRight(validate.agentId(request.sender_agent_id)),
      () => new PushRefused({ status: 400, error: "invalid sender_agent_id", field: "sender_agent_id" })
    )
  )

/** The vectors beside the rows. As in the original one of the wrong shape is a 400. */
const vectorsOf = (body: unknown): Either.Either<ReadonlyArray<shipped.ShippedEmbedding>, PushRefused> =>
  Predicate.hasProperty(body, "embeddings")
    ? Either.mapBoth(shipped.read(body), {
      onLeft: ({ field, message }) =>
        new PushRefused({ status: 400, error: `malformed sync_push body: ${message}`, field }),
      onRight: ({ embeddings }) => embeddings
    })
    : Either.right([])

/** Before anything of them is taken apart: that costs as much as there is. */
const checkCounts = (body: unknown): Either.Either<void, PushRefused> => {
  if (!Predicate.isRecord(body)) return Either.void
  for (const field of [...LISTS, "embeddings", "ops", "stubs"] as const) {
    const list = body[field]
    if (Array.isArray(list) && list.length > PeerApi.MAX_LIST_ITEMS) {
      const error = `sync_push limited to ${PeerApi.MAX_LIST_ITEMS} ${field} per request`
      return Either.left(new PushRefused({ status: 400, error, field }))
    }
  }
  return Either.void
}

/** All lists of a push; `links` has no cap in the original, and needs one as much as the others. */
const LISTS = [
  "memories",
  "deletions",
  "archives",
  "restores",
  "links",
  "pendings",
  "pending_decisions",
  "namespace_meta",
  "namespace_meta_clears"
] as const

/** What became of the items of a carrier. */
interface Done {
  readonly results: ReadonlyArray<Receipt>
  readonly counters: Counters.Counters
}

/** Applies what a push or a catch-up page carries. Durable when this returns; vectors are looked at afterwards. */
export const applyCarrier = (
  request: PeerApi.PushRequest,
  peerId: string | undefined,
  embeddings: ReadonlyArray<shipped.ShippedEmbedding> = []
): Effect.Effect<Done, PushRefused | NotWritten, Requires> =>
  Effect.gen(function*() {
    // Beside operations an item without one is a mistake of its sender, and must not slip in as an original's row.
    const { of, refused } = yield* PeerLimits
    const limit = Option.getOrNull(of(peerId))
    if (request.ops === undefined) return yield* applyItems(request, embeddings, { limit, peerId })
    const read = yield* readOperations(request.ops, request)
    if (request.dry_run === true) return { results: [], counters: { ...Counters.none, noop: read.incoming.length } }
    const { traces } = yield* Federation
    for (const { operation, traceparent } of read.incoming) {
      // Who gets it from here later is linked to its write, too.
      if (traceparent !== null) Option.map(ofTraceparent(traceparent), (span) => traces.note(operation.opId, span))
    }
    const stubs = readStubs(request.stubs ?? [])
    const received = yield* receiveAll(read.incoming, { stubs: stubs.incoming, limit })
    yield* refused(peerId, received.filter(({ why }) => why?.startsWith("not_allowed:") === true).length)
    const results = [...received, ...read.rejected, ...stubs.rejected]
    yield* writeDown(request, results)
    const kinds = new Map(read.incoming.map(({ operation }) => [operation.opId, operation.kind]))
    const counters = Counters.sum(received.map((receipt) => Counters.of(kinds.get(receipt.opId), receipt.result)))
    return { results, counters: { ...counters, skipped: counters.skipped + read.rejected.length + read.unnamed } }
  })

/** What is said first of operations that whoever sent them should not have. */
const SUSPICIOUS: ReadonlySet<string> = new Set([...authorship.REASONS, "origin_reused", "malformed"])
/** Rows of one message at most: a message may have as many operations as it likes. */
const MAX_ROWS = 8

/** One row for all operations of an origin that were refused for one reason. */
const writeDown = ({ ops = [], sender_agent_id }: PeerApi.PushRequest, results: ReadonlyArray<Receipt>) =>
  Effect.gen(function*() {
    const { record } = yield* AuditLog
    const refused = new Map(
      results.flatMap(({ opId, result, why = "" }) => {
        const [reason = ""] = why.split(":", 1)
        return result === "rejected" && SUSPICIOUS.has(reason) ? [[opId, reason] as const] : []
      })
    )
    if (refused.size === 0) return
    const groups = Arr.groupBy(
      ops.filter(({ op_id }) => refused.has(op_id)),
      ({ op_id, origin }) => `${refused.get(op_id)} ${origin}`
    )
    for (const [{ op_id, origin, oseq }, ...others] of Object.values(groups).slice(0, MAX_ROWS)) {
      yield* record({
        type: "federation.operation_refused",
        agentId: sender_agent_id,
        payload: { reason: refused.get(op_id), origin, oseq, operations: others.length + 1 }
      })
    }
  })

/** One row for all items of a message that had no right for one reason. */
const writeDownItems = (agentId: string, items: ReadonlyArray<{ readonly why: string }>) =>
  Effect.flatMap(AuditLog, ({ record }) =>
    Effect.forEach(
      Object.entries(Arr.groupBy(items, ({ why }) => why)).slice(0, MAX_ROWS),
      ([reason, { length }]) =>
        record({ type: "federation.operation_refused", agentId, payload: { reason, items: length } }),
      { discard: true }
    ))

/** What a node of the original sends: items without operations. */
const applyItems = (
  request: PeerApi.PushRequest,
  embeddings: ReadonlyArray<shipped.ShippedEmbedding>,
  { limit, peerId }: { readonly limit: Namespaces | null; readonly peerId: string | undefined }
) =>
  Effect.gen(function*() {
    const items = yield* Either.mapLeft(original.read(request), refusedShape)
    if (request.dry_run === true) {
      return { results: [], counters: { ...Counters.none, noop: original.countValid(items) } }
    }
    const { applied, counters, refused, void: withoutRight } = yield* original.apply(items, limit)
    yield* (yield* PeerLimits).refused(peerId, refused)
    yield* writeDownItems(request.sender_agent_id, withoutRight)
    yield* (yield* ShippedVectors).receive(applied, embeddings)
    // Its other peers heard the same and made operations of their own of it: they must know of each other at once.
    yield* (yield* Federation).catchUp
    return { results: [], counters }
  })

interface Operations {
  readonly incoming: ReadonlyArray<Entry & { readonly traceparent: string | null }>
  readonly rejected: ReadonlyArray<Receipt>
  /** Items that no operation refers to. */
  readonly unnamed: number
}

/** One bad row makes the whole message a 422, as in the original; an operation that breaks a rule is refused alone. */
const readOperations = (
  ops: ReadonlyArray<PeerApi.WireOperation>,
  request: PeerApi.PushRequest
): Effect.Effect<Operations, PushRefused> =>
  Effect.gen(function*() {
    const decoded = yield* inTurns(request.memories, (item, index) => Memory.decode(item, `memories[${index}]`))
    const memories = yield* Either.mapLeft(Either.all(decoded), refusedShape)
    const claimed = new Set<string>()
    const incoming: Array<Entry & { readonly traceparent: string | null }> = []
    const rejected: Array<Receipt> = []
    yield* inTurns(ops, (wire) => {
      if (wire.ref !== "") claimed.add(wire.ref)
      const read = readOperation(wire, request, memories)
      if (Either.isRight(read)) incoming.push({ ...read.right, traceparent: wire.traceparent ?? null })
      else rejected.push({ opId: wire.op_id, result: "rejected", why: read.left })
    })
    const items = LISTS.reduce((sum, list) => sum + (request[list]?.length ?? 0), 0)
    return { incoming, rejected, unnamed: Math.max(0, items - claimed.size) }
  })

const isKind = Schema.is(Kind)
const POSITION = /^(0|[1-9][0-9]{0,3})$/

const readOperation = (
  wire: PeerApi.WireOperation,
  request: PeerApi.PushRequest,
  memories: ReadonlyArray<Memory.Memory>
): Either.Either<Entry, string> => {
  const { kind, ref } = wire
  if (!isKind(kind)) return Either.left(`unsupported: kind ${kind}`)
  const list = kinds[kind].list
  const position = list === null ? "" : ref.slice(list.length + 2)
  const stands = list === null ? ref === "" : ref.startsWith(`/${list}/`) && POSITION.test(position)
  if (!stands) return Either.left(`malformed: kind ${kind} with the payload ${ref}`)
  const index = Number(position)
  if (kind === "store" || kind === "consolidate") {
    const memory = memories[index]
    return memory === undefined
      ? nothingAt(ref)
      : Either.flatMap(Payload.ofMemory(kind, memory), (payload) => hashed(wire, kind, payload))
  }
  const item = list === null ? wire.entity ?? null : request[list]?.[index]
  if (item === undefined) return nothingAt(ref)
  return Either.flatMap(
    Payload.read(kind, typeof item === "string" ? item : "", wire.body ?? item),
    (payload) => hashed(wire, kind, payload)
  )
}

const nothingAt = (ref: string) => Either.left(`malformed: nothing stands at ${ref}`)

/** The operation, if its hash is that of it. Whether it is its author's the store judges. */
const hashed = (wire: PeerApi.WireOperation, kind: Kind, payload: Payload.Payload): Either.Either<Entry, string> => {
  const version = Payload.versionOf(payload)
  if (version !== undefined && version.updated_at !== wire.hlc) {
    return Either.left("malformed: updated_at is not the operation's hlc")
  }
  const format = wire.format ?? 1
  const known = Payload.inFormat(format, payload)
  const operation: Operation = {
    format,
    opId: wire.op_id,
    origin: wire.origin,
    oseq: wire.oseq,
    hlc: wire.hlc,
    kind,
    entity: Payload.entityOf(payload),
    body: Payload.encode(known),
    baseHlc: wire.base_hlc,
    covers: wire.covers.map(([id, hlc, origin]) => ({ id, hlc, origin })),
    hash: wire.hash,
    idempotency: wire.key === undefined ? null : keyedOf(wire.key),
    ...(wire.agent === undefined || format === 1 ? {} : { agent: wire.agent }),
    ...(wire.seal === undefined ? {} : { seal: wire.seal })
  }
  return hashOf(operation) === wire.hash
    ? Either.right({ operation, payload: known })
    : Either.left("malformed: the hash does not belong to the operation")
}

const keyedOf = ([keyHash, requestHash, turn = 0]: NonNullable<PeerApi.WireOperation["key"]>) => ({
  keyHash,
  requestHash,
  turn
})

/**
 * Operations applied without anything else having its turn: more than that, as bulk brings them, goes into transactions
 * of its own.
 */
const MAX_AT_ONCE = 256

const receiveAll = (
  incoming: Operations["incoming"],
  { limit, stubs }: { readonly limit: Namespaces | null; readonly stubs: ReadonlyArray<Stub> }
): Effect.Effect<ReadonlyArray<Receipt>, NotWritten, MemoryStore> =>
  Effect.flatMap(MemoryStore, (store) =>
    Effect.forEach(
      Arr.chunksOf(incoming, MAX_AT_ONCE),
      (part) => inReceiveSpans(part, store.receive(part, { limit }))
    ).pipe(
      Effect.zipWith(stubs.length === 0 ? Effect.succeed([]) : store.receive([], { stubs }), (whole, names) => [
        ...whole.flat(),
        ...names
      ])
    ))

/** The names of operations that this node may not see. */
const readStubs = (given: NonNullable<PeerApi.PushRequest["stubs"]>) => {
  const incoming: Array<Stub> = []
  const rejected: Array<Receipt> = []
  for (const wire of given) {
    const read = PeerApi.readStub(wire)
    if (Either.isRight(read)) incoming.push(read.right)
    else rejected.push({ opId: wire.op_id, result: "rejected", why: read.left })
  }
  return { incoming, rejected }
}

/** The original's counters, and beside them what makes an ack: who holds what, durably. */
const answer = (request: PeerApi.PushRequest, done: Done, agentId: string | undefined) =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    const now = yield* Clock.currentTimeMillis
    return {
      ...done.counters,
      dry_run: request.dry_run ?? false,
      receiver_agent_id: agentId ?? store.nodeId,
      receiver_clock: { entries: clockOf(request) },
      receiver_node_id: store.nodeId,
      durable: true,
      wall_clock: Stamp.fromMillis(now),
      vector: VersionVector.toWire(toldOf(store.vector(), [...request.ops ?? [], ...request.stubs ?? []])),
      results: done.results.map(({ opId, result, why }) => ({
        op_id: opId,
        result,
        ...(why === undefined ? {} : { why })
      }))
    }
  })

/** A vector of so many ranges is told whole with the answer to a push: some dozen bytes each. */
const MAX_TOLD_RANGES = 32

/**
 * Of what is held as much as the sender is told. All of it while that is short, as nearly always: otherwise what this node has
 * from others would count as lacking there until the next greeting. Else what is held of the origins that were sent.
 */
const toldOf = (
  held: VersionVector.VersionVector,
  ops: ReadonlyArray<Pick<PeerApi.WireOperation, "origin">>
): VersionVector.VersionVector => {
  if (ops.length === 0) return VersionVector.empty
  if (isShort(held)) return held
  const origins = new Set(ops.map(({ origin }) => origin))
  return VersionVector.fromEntries([...origins].map((origin) => [origin, VersionVector.entry(held, origin)]))
}

const isShort = (held: VersionVector.VersionVector): boolean => {
  let ranges = 0
  for (const { beyond } of held.values()) {
    ranges += 1 + beyond.length
    if (ranges > MAX_TOLD_RANGES) return false
  }
  return true
}

/** The newest stamp that the sender brought, as the original notes it of each of them. */
const clockOf = ({ memories, ops = [], sender_agent_id }: PeerApi.PushRequest): Readonly<Record<string, string>> => {
  const stamps = [...ops.map(({ hlc }) => hlc), ...memories.flatMap(stampOf)]
  const newest = stamps.reduce((latest, stamp) => stamp > latest ? stamp : latest, "")
  return newest === "" ? {} : { [sender_agent_id]: newest }
}

const stampOf = (row: unknown): ReadonlyArray<string> =>
  Predicate.hasProperty(row, "updated_at") && Predicate.isString(row.updated_at) ? [row.updated_at] : []

type Answer = Effect.Effect.Success<ReturnType<typeof answer>>

const refusedShape = ({ field, message }: ShapeError): PushRefused =>
  new PushRefused({ status: 422, error: `malformed sync_push body: ${message}`, ...(field === "" ? {} : { field }) })
