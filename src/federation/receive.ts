import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"
import * as Memory from "../domain/Memory.js"
import { decoder, type ShapeError } from "../domain/ShapeError.js"
import * as Stamp from "../domain/Stamp.js"
import * as validate from "../domain/validate.js"
import { hashOf, type Operation } from "../replication/Operation.js"
import * as VersionVector from "../replication/VersionVector.js"
import type { LocalWriteFailed, Overloaded } from "../store/errors.js"
import { type Incoming, MemoryStore, type Receipt } from "../store/MemoryStore.js"
import { Federation } from "./Federation.js"
import * as original from "./original.js"
import * as PeerApi from "./PeerApi.js"

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

type Requires = MemoryStore | Federation

/** `POST /api/v1/sync/push`: the answer's JSON text, once everything that it calls applied is durable here. */
export const push = (
  body: unknown,
  headers: Headers
): Effect.Effect<string, PushRefused | LocalWriteFailed | Overloaded, Requires> =>
  Effect.gen(function*() {
    const request = yield* decode(body)
    const federation = yield* Federation
    federation.heard(headers["x-peer-id"] ?? request.sender_agent_id)
    const done = yield* applyCarrier(request)
    return yield* answer(request, done)
  })

const decodeRequest = decoder(PeerApi.PushRequest)

/** Bounds of the whole message: shape first (422), then what the original answers 400. */
const decode = (body: unknown): Either.Either<PeerApi.PushRequest, PushRefused> =>
  decodeRequest(body).pipe(
    Either.mapLeft(refusedShape),
    Either.filterOrLeft(
      (request) => Either.isRight(validate.agentId(request.sender_agent_id)),
      () => new PushRefused({ status: 400, error: "invalid sender_agent_id", field: "sender_agent_id" })
    ),
    Either.flatMap((request) => {
      for (const field of LISTS) {
        if ((request[field]?.length ?? 0) > PeerApi.MAX_LIST_ITEMS) {
          const error = `sync_push limited to ${PeerApi.MAX_LIST_ITEMS} ${field} per request`
          return Either.left(new PushRefused({ status: 400, error, field }))
        }
      }
      return Either.right(request)
    })
  )

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
export interface Done {
  readonly results: ReadonlyArray<Receipt>
  readonly applied: number
  readonly deleted: number
  readonly noop: number
  readonly skipped: number
}

/** Applies what a push or a catch-up page carries. Durable when this returns. */
export const applyCarrier = (
  request: PeerApi.PushRequest
): Effect.Effect<Done, PushRefused | LocalWriteFailed | Overloaded, Requires> =>
  Effect.gen(function*() {
    const items = yield* readItems(request)
    if (request.dry_run === true) return { ...nothing, noop: items.valid }
    const received = yield* receiveGroups(items.incoming)
    const rest = yield* original.apply(items.unclaimed)
    const results = [...received, ...items.rejected]
    const kinds = new Map(items.incoming.map(({ operation }) => [operation.opId, operation.kind]))
    return {
      results,
      applied: rest.applied + count(received, (r) => held(r) && kinds.get(r.opId) === "store"),
      deleted: rest.deleted + count(received, (r) => r.result === "applied" && kinds.get(r.opId) === "delete"),
      noop: rest.noop + count(received, (r) => r.result === "duplicate" && kinds.get(r.opId) === "delete"),
      skipped: rest.skipped + count(results, (r) => !held(r)) + items.unnamed + unsupported(request)
    }
  })

const nothing: Done = { results: [], applied: 0, deleted: 0, noop: 0, skipped: 0 }

const held = (receipt: Receipt) => receipt.result !== "rejected" && receipt.result !== "parked"

const count = (receipts: ReadonlyArray<Receipt>, matches: (receipt: Receipt) => boolean) => {
  let matching = 0
  for (const receipt of receipts) if (matches(receipt)) matching++
  return matching
}

/** Items of kinds that this version does not replicate: skipped, and said so, never acked. */
const unsupported = (request: PeerApi.PushRequest) =>
  (request.archives?.length ?? 0) + (request.restores?.length ?? 0) + (request.links?.length ?? 0) +
  (request.pendings?.length ?? 0) + (request.pending_decisions?.length ?? 0) +
  (request.namespace_meta?.length ?? 0) + (request.namespace_meta_clears?.length ?? 0)

interface Items {
  readonly incoming: ReadonlyArray<Incoming & { readonly traceparent: string | null }>
  readonly rejected: ReadonlyArray<Receipt>
  /** Items that no operation refers to, though others do. */
  readonly unnamed: number
  /** The rows and deletions of an original node. */
  readonly unclaimed: original.Items
  readonly valid: number
}

/** One bad row makes the whole message a 422, as in the original; a row that breaks a rule is refused alone. */
const readItems = (request: PeerApi.PushRequest): Either.Either<Items, PushRefused> => {
  const memories: Array<Memory.Memory> = []
  for (const [index, item] of request.memories.entries()) {
    const decoded = Memory.decode(item, `memories[${index}]`)
    if (Either.isLeft(decoded)) {
      return Either.left(refusedShape(decoded.left))
    }
    memories.push(decoded.right)
  }
  const deletions = request.deletions ?? []
  const claimedMemories = new Set<number>()
  const claimedDeletions = new Set<number>()
  const incoming: Array<Incoming & { readonly traceparent: string | null }> = []
  const rejected: Array<Receipt> = []
  for (const wire of request.ops ?? []) {
    const [, list, position] = REF.exec(wire.ref) ?? []
    const index = Number(position)
    if (list === "memories") claimedMemories.add(index)
    if (list === "deletions") claimedDeletions.add(index)
    const read = list === "memories" && wire.kind === "store"
      ? readStore(wire, memories[index])
      : list === "deletions" && wire.kind === "delete"
      ? readDelete(wire, deletions[index])
      : Either.left(`unsupported: kind ${wire.kind} with the payload ${wire.ref}`)
    if (Either.isRight(read)) incoming.push({ ...read.right, traceparent: wire.traceparent ?? null })
    else rejected.push({ opId: wire.op_id, result: "rejected", why: read.left })
  }
  const unclaimed = {
    memories: memories.filter((_, index) => !claimedMemories.has(index)),
    deletions: deletions.filter((_, index) => !claimedDeletions.has(index))
  }
  // Beside operations an item without one is a mistake of its sender, and must not slip in as an original's row.
  const isOriginal = request.ops === undefined
  return Either.right({
    incoming,
    rejected,
    unclaimed: isOriginal ? unclaimed : { memories: [], deletions: [] },
    unnamed: isOriginal ? 0 : unclaimed.memories.length + unclaimed.deletions.length,
    valid: incoming.length + (isOriginal ? original.countValid(unclaimed) : 0)
  })
}

const REF = /^\/(memories|deletions)\/(0|[1-9][0-9]{0,3})$/

const readStore = (wire: PeerApi.WireOperation, memory: Memory.Memory | undefined): Either.Either<Incoming, string> => {
  if (memory === undefined) return Either.left(`malformed: nothing stands at ${wire.ref}`)
  if (memory.updated_at !== wire.hlc) return Either.left("malformed: updated_at is not the operation's hlc")
  return validate.validateMemory(memory).pipe(
    Either.mapLeft((invalid) => `invalid: ${invalid.message}`),
    Either.flatMap((valid) => sealed(wire, memory.id, Memory.encodeJson(memory), valid))
  )
}

const readDelete = (wire: PeerApi.WireOperation, id: string | undefined): Either.Either<Incoming, string> =>
  id === undefined
    ? Either.left(`malformed: nothing stands at ${wire.ref}`)
    : Either.flatMap(
      Either.mapLeft(validate.memoryId(id), (invalid) => `invalid: ${invalid.message}`),
      () => sealed(wire, id, null, null)
    )

/** The operation, if it is what its author sealed. */
const sealed = (
  wire: PeerApi.WireOperation,
  entity: string,
  body: string | null,
  memory: Memory.Memory | null
): Either.Either<Incoming, string> => {
  const operation: Operation = {
    opId: wire.op_id,
    origin: wire.origin,
    oseq: wire.oseq,
    hlc: wire.hlc,
    kind: body === null ? "delete" : "store",
    entity,
    body,
    baseHlc: wire.base_hlc,
    covers: wire.covers.map(([id, hlc, origin]) => ({ id, hlc, origin })),
    hash: wire.hash,
    idempotency: wire.key === undefined ? null : { keyHash: wire.key[0], requestHash: wire.key[1] }
  }
  return hashOf(operation) === wire.hash
    ? Either.right({ operation, memory })
    : Either.left("malformed: the hash does not belong to the operation")
}

/**
 * Operations of one trace are received under its span. Without tracing all are one group; either way the committer takes
 * them into one transaction, because they wait for it together.
 */
const receiveGroups = (
  incoming: Items["incoming"]
): Effect.Effect<ReadonlyArray<Receipt>, LocalWriteFailed | Overloaded, MemoryStore> =>
  Effect.gen(function*() {
    if (incoming.length === 0) return []
    const store = yield* MemoryStore
    const traced = yield* FiberRef.get(FiberRef.currentTracerEnabled)
    if (!traced) return yield* store.receive(incoming)
    const current = Option.getOrUndefined(yield* Effect.option(Effect.currentSpan))
    const groups = new Map<string, Array<Incoming>>()
    for (const one of incoming) {
      const key = one.traceparent ?? ""
      groups.set(key, [...(groups.get(key) ?? []), one])
    }
    const receipts = yield* Effect.forEach(groups, ([traceparent, group]) =>
      store.receive(group).pipe(
        Effect.withSpan("federation.receive", {
          attributes: { "federation.operations": group.length },
          ...parentOf(traceparent, current)
        })
      ), { concurrency: "unbounded" })
    return receipts.flat()
  })

/** The request's own span where it belongs to the trace of the operation, else the span of the send, linked to it. */
const parentOf = (traceparent: string, current: Tracer.Span | undefined) => {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent) ?? []
  if (traceId === undefined || spanId === undefined || traceId === current?.traceId) return {}
  return {
    parent: Tracer.externalSpan({ traceId, spanId, sampled: flags === "01" }),
    links: current === undefined ? [] : [{ _tag: "SpanLink" as const, span: current, attributes: {} }]
  }
}

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

/** The original's counters, and beside them what makes an ack: who holds what, durably. */
const answer = (request: PeerApi.PushRequest, done: Done): Effect.Effect<string, never, MemoryStore> =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    const now = yield* Clock.currentTimeMillis
    const held = store.vector()
    const origins = new Set((request.ops ?? []).map((op) => op.origin))
    const vector = VersionVector.fromEntries([...origins].map((origin) => [origin, VersionVector.entry(held, origin)]))
    return JSON.stringify({
      applied: done.applied,
      deleted: done.deleted,
      archived: 0,
      restored: 0,
      links_applied: 0,
      pendings_applied: 0,
      pending_decisions_applied: 0,
      namespace_meta_applied: 0,
      namespace_meta_cleared: 0,
      noop: done.noop,
      skipped: done.skipped,
      dry_run: request.dry_run ?? false,
      receiver_agent_id: store.nodeId,
      receiver_clock: { entries: {} },
      receiver_node_id: store.nodeId,
      durable: true,
      wall_clock: Stamp.fromMillis(now),
      vector: VersionVector.toWire(vector),
      results: done.results.map(({ opId, result, why }) => ({
        op_id: opId,
        result,
        ...(why === undefined ? {} : { why })
      }))
    })
  })

const refusedShape = ({ field, message }: ShapeError): PushRefused =>
  new PushRefused({ status: 422, error: `malformed sync_push body: ${message}`, ...(field === "" ? {} : { field }) })
