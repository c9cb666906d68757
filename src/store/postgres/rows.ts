import * as Schema from "effect/Schema"
import { NodeId, Origin } from "../../domain/ids.js"
import { encodeCovers } from "../../replication/Operation.js"
import * as OpLog from "../log/OpLog.js"
import * as Stubs from "../log/Stubs.js"
import type { Placed } from "../site/SiteLog.js"

/** The columns that an entry brings, as the database reads them from a JSON array of such objects. */
export const COLUMNS = {
  place: "bigint",
  origin: "text",
  oseq: "bigint",
  op_id: "text",
  hlc: "text",
  hash: "text",
  format: "integer",
  kind: "text",
  entity: "text",
  body: "text",
  base_hlc: "text",
  covers: "text",
  key_hash: "text",
  request_hash: "text",
  key_turn: "integer",
  agent: "text",
  seal: "text",
  detail: "text",
  ends: "text"
} as const

type Row = { readonly [Column in keyof typeof COLUMNS]?: string | number | null }

export const rowOf = ({ item, place }: Placed): Row => {
  if ("stub" in item) {
    const { detail, hash, hlc, opId, origin, oseq, seal = null } = item.stub
    return { place, origin, oseq, op_id: opId, hlc, hash, seal, detail, ends: Stubs.endsText(item.stub) }
  }
  const { operation } = item
  return {
    place,
    origin: operation.origin,
    oseq: operation.oseq,
    op_id: operation.opId,
    hlc: operation.hlc,
    hash: operation.hash,
    format: operation.format,
    kind: operation.kind,
    entity: operation.entity,
    body: operation.body,
    base_hlc: operation.baseHlc,
    covers: encodeCovers(operation.covers),
    key_hash: operation.idempotency?.keyHash ?? null,
    request_hash: operation.idempotency?.requestHash ?? null,
    key_turn: operation.idempotency?.turn ?? 0,
    agent: operation.agent ?? null,
    seal: operation.seal ?? null
  }
}

/** The driver gives whole numbers of 64 bits as text. */
const Big = Schema.Union(Schema.Int, Schema.compose(Schema.NumberFromString, Schema.Int))
const Seal = Schema.NullOr(Schema.Uint8ArrayFromBase64)

const OperationRow = Schema.Struct({ ...OpLog.LogRow.fields, place: Big, oseq: Big, seal: Seal })
const StubRow = Schema.Struct({ ...Stubs.StubRow.fields, place: Big, oseq: Big, seal: Seal })

/** All of `quorate_site`. */
export const Site = Schema.Tuple(Schema.Struct({ site_id: Schema.String, node_id: NodeId }))
export const HeadRow = Schema.Struct({ writer: Origin, place: Big })
export const LeaseRow = Schema.Struct({ holder: Schema.String, fence: Big })

const isStub = Schema.is(Schema.Struct({ kind: Schema.Null }))
const decodeStub = Schema.decodeUnknownSync(StubRow)
const decodeOperation = Schema.decodeUnknownSync(OperationRow)

/** Throws where it is none: the table is damaged then, or somebody else has written to it. */
export const fromRow = (row: unknown): Placed => {
  if (isStub(row)) {
    const stub = decodeStub(row)
    return { place: stub.place, item: { stub: Stubs.fromRow(stub) } }
  }
  const operation = decodeOperation(row)
  return { place: operation.place, item: { operation: OpLog.fromRow(operation) } }
}
