import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import { NodeId, OpId, Origin } from "../../domain/ids.js"
import {
  DIGEST_BUCKETS,
  MAX_DIMENSIONS,
  MAX_EMBEDDER_CHARS,
  MAX_ENTITY_CHARS,
  MAX_LIST_ITEMS,
  MAX_ORIGIN_CHARS,
  MAX_REVOCATION_CHARS,
  MAX_REVOCATIONS,
  MAX_TURNS,
  MAX_VECTORS_ASKED,
  MAX_VOUCHED,
  MAX_VOUCHER_CHARS
} from "../../domain/limits.js"
import { MAX_PATTERN_CHARS, MAX_PATTERNS } from "../../domain/namespaces.js"
import { decoder, type ShapeError } from "../../domain/ShapeError.js"
import * as Stamp from "../../domain/Stamp.js"
import { isClean } from "../../domain/validate.js"
import { Kind, kinds } from "../../replication/kinds.js"
import { Covers, Format, type Keyed, NEWEST_FORMAT, type Operation } from "../../replication/Operation.js"
import { MAX_SEAL_CHARS } from "../../replication/seals.js"
import type { Stub } from "../../replication/Stub.js"
import * as VersionVector from "../../replication/VersionVector.js"
import * as Plain from "./plain.js"

/**
 * The version of this contract, and the newest format of operations that its node takes. A peer without
 * `/api/v1/sync/hello` speaks the original's.
 */
export const PROTOCOL = NEWEST_FORMAT
/** Operations in one push at most. */
export const MAX_PUSH_OPERATIONS = 128
/** Bytes of one push at most, well under the 2 MiB that every node accepts. */
export const MAX_PUSH_BYTES = 1024 * 1024
/** What a node says in its greeting that it can do; names beyond these are a mistake. */
const MAX_CAPABILITIES = 256
/** Of an answer with vectors. */
export const MAX_VECTORS_BYTES = 1024 * 1024
/** What a node says in its greeting that takes the names of operations that it may not see. */
export const STUBS = "stubs"
/** What a node says in its greeting that has vectors for others. */
export const VECTORS = "vectors"
/**
 * Operations in one push of bulk writes at most; the peer may allow fewer. It has nothing to apply before it has read all of a push:
 * so no more than it applies in one go.
 */
export const MAX_BULK_OPERATIONS = 256
/** The same for a node of the original. */
export const MAX_BULK_OF_ORIGINAL = MAX_LIST_ITEMS

export { MAX_LIST_ITEMS }

export const PUSH_PATH = "/api/v1/sync/push"
/** Of an original node: its pending actions. */
export const PENDING_PATH = "/api/v1/pending"
export const HELLO_PATH = "/api/v1/sync/hello"
export const SINCE_PATH = "/api/v1/sync/since"
export const DIGESTS_PATH = "/api/v1/sync/digests"
export const VECTORS_PATH = "/api/v1/sync/vectors"
export const REVOCATIONS_PATH = "/api/v1/sync/revocations"

const Text = Schema.String
/** The key may be missing; a value under it is of the schema. */
const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })
const Hash = Schema.String.pipe(Schema.pattern(Plain.HASH))
const OriginText = Origin.pipe(
  Schema.maxLength(MAX_ORIGIN_CHARS),
  Schema.pattern(/^[A-Za-z0-9_:@./-]+\/[1-9][0-9]*$/),
  Schema.filter(VersionVector.isOrigin)
)
const NodeIdText = NodeId.pipe(Schema.pattern(Plain.NODE_ID))
const AgentIdText = Text.pipe(Schema.pattern(Plain.AGENT_ID))
const Sequence = Schema.Int.pipe(Schema.positive(), Schema.lessThanOrEqualTo(Number.MAX_SAFE_INTEGER))
const OpIdText = OpId.pipe(Schema.pattern(Plain.OP_ID))
/** The id of a memory, a link or a pending action, or a namespace: one line of text that UTF-8 can hold. */
const EntityText = Text.pipe(
  Schema.maxLength(MAX_ENTITY_CHARS),
  Schema.filter((text) => isClean(text) || "must not contain a control character or a lone surrogate")
)
const Short = Text.pipe(Schema.maxLength(Plain.MAX_SHORT_CHARS))
/** What a version of this contract is called, or a part of it, by nodes of any version. */
const Word = Short

/** The digests of the key and of the request, and the turn where it is not 0: see `Keyed`. */
const Key = Schema.Tuple(Hash, Hash, Schema.optionalElement(Schema.Int.pipe(Schema.between(0, MAX_TURNS))))

/**
 * An operation on the wire. `ref` is a JSON pointer to the item of the same message that describes it, empty where the
 * original has no list for its kind. `body` is the payload where that item can not hold it, `entity` what it is about
 * where neither tells.
 */
export const WireOperation = Schema.Struct({
  /** 1 where it is not said. */
  format: optional(Format),
  op_id: OpIdText,
  origin: OriginText,
  oseq: Sequence,
  hlc: Stamp.Stamp,
  kind: Text.pipe(Schema.pattern(Plain.KIND)),
  base_hlc: Schema.NullOr(Stamp.Stamp),
  covers: Covers.pipe(
    Schema.filter((covers) => covers.every(([id, , origin]) => isClean(id) && VersionVector.isOrigin(origin)))
  ),
  hash: Hash,
  key: optional(Key),
  traceparent: optional(Short),
  agent: optional(AgentIdText),
  /** By which it is known to be its author's: see `seals`. Nodes up to 0.2.0 do not know it. */
  seal: optional(Text.pipe(Schema.maxLength(MAX_SEAL_CHARS))),
  entity: optional(EntityText),
  body: optional(Schema.Unknown),
  ref: Short
})
export type WireOperation = typeof WireOperation.Type

/**
 * An operation that its receiver may not see: see `Stub`. `kind`, `entity` and `covers` are told together, where it ends something
 * that may be seen.
 */
const WireStub = Schema.Struct({
  ...Struct.pick(WireOperation.fields, "op_id", "origin", "oseq", "hlc", "hash"),
  detail: Hash,
  seal: WireOperation.fields.seal,
  kind: optional(WireOperation.fields.kind),
  entity: optional(EntityText),
  covers: optional(WireOperation.fields.covers)
})
type WireStub = typeof WireStub.Type

const Ids = optional(Schema.Array(Text))
const Items = optional(Schema.Array(Schema.Unknown))

/** The body of `POST /api/v1/sync/push`, and the carrier of a catch-up page. Unknown fields are ignored. */
export const PushRequest = Schema.Struct({
  sender_agent_id: Text,
  sender_clock: optional(Schema.Unknown),
  sender_wall_clock: optional(Text),
  memories: Schema.Array(Schema.Unknown),
  deletions: Ids,
  archives: Ids,
  restores: Ids,
  links: Items,
  pendings: Items,
  pending_decisions: Items,
  namespace_meta: Items,
  namespace_meta_clears: Ids,
  embeddings: Items,
  dry_run: optional(Schema.Boolean),
  ops: optional(Schema.Array(WireOperation).pipe(Schema.maxItems(MAX_LIST_ITEMS))),
  stubs: optional(Schema.Array(WireStub).pipe(Schema.maxItems(MAX_LIST_ITEMS)))
})
export type PushRequest = typeof PushRequest.Type

const readPush = decoder(PushRequest)

const isPlain = (body: unknown): body is PushRequest => Plain.isPush(body)

/** A push that came. Nearly every one is plain. */
export const decodePush = (body: unknown): Either.Either<PushRequest, ShapeError> =>
  isPlain(body) ? Either.right(body) : readPush(body)

/** What became of one operation of a push. */
export const PushResult = Schema.Struct({
  op_id: OpIdText,
  result: Schema.Literal("applied", "duplicate", "superseded", "shadowed", "parked", "rejected", "withheld"),
  why: optional(Text)
})
export type PushResult = typeof PushResult.Type

/** Of an answer to a push only what the sender reads; an original node sends the counters alone. */
export const PushResponse = Schema.Struct({
  receiver_node_id: optional(NodeIdText),
  durable: optional(Schema.Boolean),
  vector: optional(VersionVector.Wire),
  wall_clock: optional(Stamp.Stamp),
  results: optional(Schema.Array(PushResult)),
  applied: optional(Schema.Number),
  deleted: optional(Schema.Number),
  noop: optional(Schema.Number),
  skipped: optional(Schema.Number),
  ids: optional(Schema.Array(Schema.Unknown))
})

/** The same with all counters of an original node, by which it shows what it took. */
export const PushAnswer = Schema.Struct({
  ...PushResponse.fields,
  archived: optional(Schema.Number),
  restored: optional(Schema.Number),
  links_applied: optional(Schema.Number),
  pendings_applied: optional(Schema.Number),
  pending_decisions_applied: optional(Schema.Number),
  namespace_meta_applied: optional(Schema.Number),
  namespace_meta_cleared: optional(Schema.Number),
  quota_refused: optional(Schema.Number)
})
export type PushAnswer = typeof PushAnswer.Type

/** An answer as it stands, but for its vector. */
interface PlainAnswer extends Omit<PushAnswer, "vector"> {
  readonly vector?: VersionVector.Gapless
}

const isPlainAnswer = (body: unknown): body is PlainAnswer => Plain.isAnswer(body)

/** Who a node is and what it holds: `GET /api/v1/sync/hello`. */
export const Hello = Schema.Struct({
  protocol: Schema.Int,
  node_id: NodeIdText,
  incarnation: Schema.Int,
  version: Word,
  capabilities: Schema.Array(Word).pipe(Schema.maxItems(MAX_CAPABILITIES)),
  limits: Schema.Struct({ operations: Schema.Int, bytes: Schema.Int }),
  vector: VersionVector.Wire,
  /** The sum over all that follows from the operations of `vector`. */
  digest: optional(Schema.Int),
  /** Which operations have a seal there by a key that counts. */
  sealed: optional(VersionVector.Wire),
  wall_clock: Stamp.Stamp,
  /** Which of its runs it is: a copy of it has another. */
  run: optional(Short),
  /** Two nodes speak to it under the id of the caller. */
  doubled: optional(Schema.Boolean),
  /**
   * What the caller may see and touch there; or, `told`, what the node that is asked may at the caller's, by the word of that. With
   * the sum over what of `vector` is in these namespaces, when it is known.
   */
  limited: optional(Schema.Struct({
    namespaces: Schema.Array(Text.pipe(Schema.maxLength(MAX_PATTERN_CHARS))).pipe(Schema.maxItems(MAX_PATTERNS)),
    told: optional(Schema.Boolean),
    digest: optional(Schema.Int)
  }))
})
export type Hello = typeof Hello.Type

/** The digests of a node by bucket: `GET /api/v1/sync/digests`. */
export const Digests = Schema.Struct({
  vector: VersionVector.Wire,
  buckets: Schema.Array(Schema.Int).pipe(Schema.itemsCount(DIGEST_BUCKETS))
})
export type Digests = typeof Digests.Type

/** Asks for vectors of memories, of one model: `POST /api/v1/sync/vectors`. What is answered is bytes: see `vectors`. */
export const VectorsRequest = Schema.Struct({
  embedder: Text.pipe(Schema.minLength(1), Schema.maxLength(MAX_EMBEDDER_CHARS)),
  dimensions: Schema.Int.pipe(Schema.between(1, MAX_DIMENSIONS)),
  ids: Schema.Array(Text.pipe(Schema.minLength(1), Schema.maxLength(MAX_ENTITY_CHARS))).pipe(
    Schema.maxItems(MAX_VECTORS_ASKED)
  )
})
export type VectorsRequest = typeof VectorsRequest.Type

/** What issuers said of keys of nodes, asked and answered: `POST /api/v1/sync/revocations`. */
export const Revocations = Schema.Struct({
  revocations: Schema.Array(Text.pipe(Schema.maxLength(MAX_REVOCATION_CHARS))).pipe(Schema.maxItems(MAX_REVOCATIONS)),
  credentials: Schema.Array(Text.pipe(Schema.maxLength(MAX_VOUCHER_CHARS))).pipe(
    Schema.maxItems(MAX_VOUCHED)
  )
})

/** An operation made ready for any message: its text is written once, however many peers it is sent to. */
export interface Written {
  readonly operation: Operation
  /** The operation on the wire, but for the end of it: its `ref` depends on the message that it goes into. */
  readonly text: string
  readonly bytes: number
}

export const write = (operation: Operation): Written => {
  const text = encodeOperation(operation)
  return { operation, text, bytes: sizeOf(operation, text) }
}

/** The same operation as part of a trace. */
export const inTrace = <W extends Written>(written: W, traceparent: string): W => {
  const text = `${written.text},"traceparent":${JSON.stringify(traceparent)}`
  return { ...written, text, bytes: written.bytes + text.length - written.text.length }
}

/** Without the brace at its end. A payload is JSON already, and goes in as it stands in the log. */
const encodeOperation = (op: Operation): string => {
  const hasBody = hasInlineBody(op)
  // What is undefined is left out of the text.
  const text = JSON.stringify({
    format: op.format === 1 ? undefined : op.format,
    op_id: op.opId,
    origin: op.origin,
    oseq: op.oseq,
    hlc: op.hlc,
    kind: op.kind,
    base_hlc: op.baseHlc,
    covers: op.covers.map(({ hlc, id, origin }) => [id, hlc, origin]),
    hash: op.hash,
    seal: op.seal,
    agent: op.agent,
    key: op.idempotency === null ? undefined : encodeKey(op.idempotency),
    entity: hasBody || kinds[op.kind].list !== null ? undefined : op.entity
  }).slice(0, -1)
  return hasBody ? `${text},"body":${op.body}` : text
}

/** Lists of ids alone can not hold a payload, nor can what stands in no list. */
const hasInlineBody = (op: Operation): boolean => op.body !== null && kinds[op.kind].inline

/**
 * Operations as the fields of a push that carry them: payloads in the original's lists, `ops` beside them. Links that send the same
 * operations send the same text: it is kept with the first of them, for as long as that is.
 */
export const encodeCarrier = (items: ReadonlyArray<Written>): string => {
  const [first] = items
  const known = first === undefined ? undefined : carriers.get(first)
  if (known !== undefined && areSame(known.items, items)) return known.text
  const text = carrierOf(items)
  if (first !== undefined) carriers.set(first, { items, text })
  return text
}

interface Carrier {
  readonly items: ReadonlyArray<Written>
  readonly text: string
}

const carriers = new WeakMap<Written, Carrier>()

const areSame = (some: ReadonlyArray<Written>, others: ReadonlyArray<Written>): boolean =>
  some.length === others.length && some.every((item, index) => item === others[index])

const carrierOf = (items: ReadonlyArray<Written>): string => {
  const lists = new Map<string, List>([["memories", { items: "", length: 0 }], ["deletions", { items: "", length: 0 }]])
  let ops = ""
  for (const { operation, text } of items) {
    ops += `${ops === "" ? "" : ","}${text},"ref":"${placeIn(lists, operation)}"}`
  }
  let fields = ""
  for (const [name, list] of lists) fields += `"${name}":[${list.items}],`
  return `${fields}"ops":[${ops}]`
}

/** The items of one list of a push, as their text: they are not copied into another one before the whole is sent. */
interface List {
  items: string
  length: number
}

/** Puts what describes an operation into its list, and says where it stands. */
const placeIn = (lists: Map<string, List>, operation: Operation): string => {
  const name = kinds[operation.kind].list
  if (name === null) return ""
  const list = lists.get(name) ?? { items: "", length: 0 }
  lists.set(name, list)
  list.items += list.length === 0 ? itemOf(operation) : `,${itemOf(operation)}`
  return `/${name}/${list.length++}`
}

/** The names of operations beside those that are told whole; nothing where there are none. */
export const encodeStubs = (stubs: ReadonlyArray<Stub>): string =>
  stubs.length === 0 ? "" : `,"stubs":${JSON.stringify(stubs.map(wireOf))}`

const wireOf = ({ detail, ends, hash, hlc, opId, origin, oseq, seal }: Stub): WireStub => ({
  op_id: opId,
  origin,
  oseq,
  hlc,
  hash,
  detail,
  ...(seal === undefined ? {} : { seal }),
  ...(ends === null ? {} : {
    kind: ends.kind,
    entity: ends.entity,
    covers: ends.covers.map(({ hlc, id, origin }) => [id, hlc, origin] as const)
  })
})

const isKind = Schema.is(Kind)

/** A stub that came; what ends something by a kind that is not known here is none. */
export const readStub = ({ covers, kind, op_id: opId, ...stub }: WireStub): Either.Either<Stub, string> => {
  const { entity, ...names } = stub
  const told = { opId, ...names }
  if (kind === undefined && entity === undefined && covers === undefined) return Either.right({ ...told, ends: null })
  if (kind === undefined || entity === undefined || covers === undefined) {
    return Either.left("malformed: half of what it ends")
  }
  return isKind(kind)
    ? Either.right({
      ...told,
      ends: { kind, entity, covers: covers.map(([id, hlc, origin]) => ({ id, hlc, origin })) }
    })
    : Either.left(`unsupported: kind ${kind}`)
}

const encodeKey = ({ keyHash, requestHash, turn }: Keyed) =>
  turn === 0 ? [keyHash, requestHash] : [keyHash, requestHash, turn]

const itemOf = (operation: Operation): string =>
  operation.body === null || hasInlineBody(operation) ? JSON.stringify(operation.entity) : operation.body

/** The largest prefix of `items` that one message carries: at least one, at most `most` and 1 MiB. */
export const fitting = (sizes: ReadonlyArray<number>, most: number = MAX_PUSH_OPERATIONS): number => {
  let bytes = 0
  let count = 0
  while (count < sizes.length && count < most) {
    bytes += sizes[count] ?? 0
    if (count > 0 && bytes > MAX_PUSH_BYTES) break
    count++
  }
  return count
}

/** Bytes an operation takes in a message, from above for ASCII, near enough otherwise: the limit leaves room. */
const sizeOf = (operation: Operation, text: string): number => {
  const body = operation.body === null ? operation.entity.length : Buffer.byteLength(operation.body)
  // A body within the text is counted twice: that is from above, too.
  return body + text.length + 64
}

/** Decodes JSON text by a schema; the message names what was wrong, never the whole text. */
export const decodeText = <A, I>(schema: Schema.Schema<A, I>) => {
  const decode = Schema.decodeUnknownEither(Schema.parseJson(schema))
  return (text: string): Either.Either<A, string> => Either.mapLeft(decode(text), (error) => lastLine(error.message))
}

const readAnswer = decodeText(PushAnswer)

/** The answer to a push. That of a node of ours is plain. */
export const decodeAnswer = (text: string): Either.Either<PushAnswer, string> => {
  const body = parsed(text)
  if (!isPlainAnswer(body)) return readAnswer(text)
  const { vector, ...answer } = body
  return Either.right(vector === undefined ? answer : { ...answer, vector: VersionVector.ofGapless(vector) })
}

/** Nothing where it is no JSON. */
const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** What was wrong, of a message that tells the way there, too. */
export const lastLine = (message: string): string => message.split("\n").at(-1) ?? "unreadable"
