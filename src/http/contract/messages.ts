import * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import * as limits from "../../domain/limits.js"
import { MAX_PATTERN_CHARS, MAX_PATTERNS } from "../../domain/namespaces.js"

/*
 * What nodes say to each other, as it stands on the wire. Nodes read it by schemas of their own, which make more of it (a
 * vector, a stamp); a test keeps the two equal.
 */

const Text = Schema.String
/** The key may be missing; a value under it is of the schema. */
const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })
const Hash = Text.pipe(Schema.pattern(/^[0-9a-f]{64}$/))
const Moment = Text
const Sequence = Schema.Int.pipe(Schema.positive(), Schema.lessThanOrEqualTo(Number.MAX_SAFE_INTEGER))

const Upto = Schema.Int.pipe(Schema.between(0, Number.MAX_SAFE_INTEGER))
const Bound = Schema.Int.pipe(Schema.between(1, Number.MAX_SAFE_INTEGER))
/** By origin: `upto`, and `[upto, [from, to], …]` for an origin with gaps. */
const Vector = Schema.Record({
  key: Text,
  value: Schema.Union(Upto, Schema.Tuple([Upto], Schema.Tuple(Bound, Bound)))
})

const Covers = Schema.Array(
  Schema.Tuple(
    Text.pipe(Schema.maxLength(limits.MAX_ENTITY_CHARS)),
    Moment,
    Text.pipe(Schema.maxLength(limits.MAX_ORIGIN_CHARS))
  )
).pipe(Schema.maxItems(limits.MAX_COVERS_TAKEN))

const Operation = Schema.Struct({
  format: optional(Schema.Literal(1, 2)),
  op_id: Text.pipe(Schema.pattern(/^[A-Za-z0-9._:-]{1,64}$/)),
  origin: Text.pipe(
    Schema.maxLength(limits.MAX_ORIGIN_CHARS),
    Schema.pattern(/^[A-Za-z0-9_:@./-]+\/[1-9][0-9]*$/)
  ),
  oseq: Sequence,
  hlc: Moment,
  kind: Text.pipe(Schema.pattern(/^[a-z_]{1,32}$/)),
  base_hlc: Schema.NullOr(Moment),
  covers: Covers,
  hash: Hash,
  key: optional(
    Schema.Tuple(Hash, Hash, Schema.optionalElement(Schema.Int.pipe(Schema.between(0, limits.MAX_TURNS))))
  ),
  traceparent: optional(Text.pipe(Schema.maxLength(64))),
  agent: optional(Text.pipe(Schema.pattern(/^[A-Za-z0-9_:@./-]{1,128}$/))),
  seal: optional(Text.pipe(Schema.maxLength(476))),
  entity: optional(Text.pipe(Schema.maxLength(limits.MAX_ENTITY_CHARS))),
  body: optional(Schema.Unknown),
  ref: Text.pipe(Schema.maxLength(64))
})

const Stub = Schema.Struct({
  ...Struct.pick(Operation.fields, "op_id", "origin", "oseq", "hlc", "hash"),
  detail: Hash,
  seal: Operation.fields.seal,
  kind: optional(Operation.fields.kind),
  entity: optional(Text.pipe(Schema.maxLength(limits.MAX_ENTITY_CHARS))),
  covers: optional(Covers)
})

const Ids = optional(Schema.Array(Text))
const Items = optional(Schema.Array(Schema.Unknown))

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
  ops: optional(Schema.Array(Operation).pipe(Schema.maxItems(limits.MAX_LIST_ITEMS))),
  stubs: optional(Schema.Array(Stub).pipe(Schema.maxItems(limits.MAX_LIST_ITEMS)))
})

export const PushResponse = Schema.Struct({
  receiver_node_id: optional(Text.pipe(Schema.pattern(/^[A-Za-z0-9_:@./-]{1,128}$/))),
  durable: optional(Schema.Boolean),
  vector: optional(Vector),
  wall_clock: optional(Moment),
  results: optional(Schema.Array(Schema.Struct({
    op_id: Text.pipe(Schema.pattern(/^[A-Za-z0-9._:-]{1,64}$/)),
    result: Schema.Literal("applied", "duplicate", "superseded", "shadowed", "parked", "rejected", "withheld"),
    why: optional(Text)
  }))),
  applied: optional(Schema.Number),
  deleted: optional(Schema.Number),
  noop: optional(Schema.Number),
  skipped: optional(Schema.Number),
  ids: optional(Schema.Array(Schema.Unknown))
})

export const Hello = Schema.Struct({
  protocol: Schema.Int,
  node_id: Text.pipe(Schema.pattern(/^[A-Za-z0-9_:@./-]{1,128}$/)),
  incarnation: Schema.Int,
  version: Text.pipe(Schema.maxLength(64)),
  capabilities: Schema.Array(Text.pipe(Schema.maxLength(64))).pipe(Schema.maxItems(256)),
  limits: Schema.Struct({ operations: Schema.Int, bytes: Schema.Int }),
  vector: Vector,
  digest: optional(Schema.Int),
  sealed: optional(Vector),
  wall_clock: Moment,
  run: optional(Text.pipe(Schema.maxLength(64))),
  doubled: optional(Schema.Boolean),
  limited: optional(Schema.Struct({
    namespaces: Schema.Array(Text.pipe(Schema.maxLength(MAX_PATTERN_CHARS))).pipe(Schema.maxItems(MAX_PATTERNS)),
    told: optional(Schema.Boolean),
    digest: optional(Schema.Int)
  }))
})

export const Digests = Schema.Struct({
  vector: Vector,
  buckets: Schema.Array(Schema.Int).pipe(Schema.itemsCount(limits.DIGEST_BUCKETS))
})

/** The memories, by their own ids, whose vectors are asked for, and of which model these are to be. */
export const VectorsRequest = Schema.Struct({
  embedder: Text.pipe(Schema.minLength(1), Schema.maxLength(limits.MAX_EMBEDDER_CHARS)),
  dimensions: Schema.Int.pipe(Schema.between(1, limits.MAX_DIMENSIONS)),
  ids: Schema.Array(Text.pipe(Schema.minLength(1), Schema.maxLength(limits.MAX_ENTITY_CHARS))).pipe(
    Schema.maxItems(limits.MAX_VECTORS_ASKED)
  )
})

/** What issuers said of keys of nodes, in their words. */
export const Revocations = Schema.Struct({
  revocations: Schema.Array(Text.pipe(Schema.maxLength(limits.MAX_REVOCATION_CHARS))).pipe(
    Schema.maxItems(limits.MAX_REVOCATIONS)
  ),
  credentials: Schema.Array(Text.pipe(Schema.maxLength(limits.MAX_VOUCHER_CHARS))).pipe(
    Schema.maxItems(limits.MAX_VOUCHED)
  )
})

/** What a node holds, from which follows what it lacks. */
export const SinceRequest = Schema.Struct({ vv: Vector })
