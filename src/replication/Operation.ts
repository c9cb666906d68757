import * as Schema from "effect/Schema"
import { hash as digest } from "node:crypto"
import { type OpId, Origin } from "../domain/ids.js"
import { MAX_COVERS_TAKEN, MAX_ENTITY_CHARS, MAX_ORIGIN_CHARS } from "../domain/limits.js"
import * as Stamp from "../domain/Stamp.js"
import type { Kind } from "./kinds.js"

/** One version of one memory or other object: the stamp its operation carried, and the origin that breaks a tie of stamps. */
export interface VersionRef {
  readonly id: string
  readonly hlc: Stamp.Stamp
  readonly origin: Origin
}

/** A client's idempotency key and the request it stood for, both as digests: neither leaves the node in clear. */
export interface Idempotency {
  readonly keyHash: string
  readonly requestHash: string
}

/** The key of an operation, and how many operations under it, about the same thing, its node had written before. */
export interface Keyed extends Idempotency {
  readonly turn: number
}

/**
 * How an operation is written and hashed. 1 is that of version 0.2.0: fields joined by line ends, memories without the fields
 * that version had no word for, and none of the kinds that came later. It keeps its hash for ever and is passed on as it is.
 */
export const Format = Schema.Literal(1, 2)
export type Format = typeof Format.Type

/** What this version writes, once every member of the mesh has offered it. */
export const NEWEST_FORMAT: Format = 2

/**
 * One entry of the operation log. `(origin, oseq)` names it for ever and is dense per origin from 1; `hash` proves that
 * nobody else used that name. `covers` are the versions the writer had seen and this operation ends.
 */
export interface Operation {
  readonly format: Format
  readonly opId: OpId
  readonly origin: Origin
  readonly oseq: number
  readonly hlc: Stamp.Stamp
  readonly kind: Kind
  /** The id of a memory, a link or a pending action, or a namespace. */
  readonly entity: string
  /** The payload as its canonical JSON text; null where the operation only ends what it covers. */
  readonly body: string | null
  /** The version this one replaced: a concurrent version newer than it that loses is a conflict. */
  readonly baseHlc: Stamp.Stamp | null
  readonly covers: ReadonlyArray<VersionRef>
  readonly hash: string
  readonly idempotency: Keyed | null
  /**
   * The agent that asked for it, where that is known and the payload names another or none: who changes, ends or links what others
   * wrote. Never of format 1.
   */
  readonly agent?: string
  /** By which it is known to be its author's (`seals.ts`), as it stands on the wire. Nothing of it is in the hash. */
  readonly seal?: string
}

const coversText = (covers: ReadonlyArray<VersionRef>): string =>
  covers.length === 0 ? "[]" : JSON.stringify(covers.map((c) => [c.id, c.hlc, c.origin]))

/**
 * Every field that has a meaning, so that an operation changed on its way is not taken for the one that was acked: SHA-256 in
 * lower-case hex. In format 2 each field stands after its length in bytes of UTF-8 and a colon, so that no two operations
 * have one text; one that is absent is a lone minus sign.
 */
export const hashOf = (op: Omit<Operation, "hash">): string =>
  digest("sha256", op.format === 1 ? fieldsOf(op).map((field) => field ?? "").join("\n") : lengthPrefixed(op), "hex")

const lengthPrefixed = (op: Omit<Operation, "hash">): string => {
  let text = PREFIX
  for (const field of fieldsOf(op)) text += field === null ? "-" : `${Buffer.byteLength(field)}:${field}`
  return text
}

const PREFIX = "19:quorate operation 2"

const fieldsOf = (op: Omit<Operation, "hash">): ReadonlyArray<string | null> => [
  op.opId,
  op.origin,
  String(op.oseq),
  op.hlc,
  op.kind,
  op.entity,
  op.baseHlc,
  coversText(op.covers),
  op.idempotency === null ? null : keyText(op.idempotency),
  op.body,
  ...op.agent === undefined ? [] : [op.agent]
]

/** The first of its turns stands for itself, as in format 1, which has no others. */
const keyText = ({ keyHash, requestHash, turn }: Keyed): string =>
  turn === 0 ? `${keyHash} ${requestHash}` : `${keyHash} ${requestHash} ${turn}`

/**
 * Twins are versions of one thing whose operations have the same key: one request of a client that more than one node carried
 * out, or one row of an original node that more than one heard. They are one version: the greatest stands for all, and what
 * ends one ends all. Null for what has no twins, as everything of format 1.
 */
export const twinKey = ({ format, idempotency }: Pick<Operation, "format" | "idempotency">): string | null =>
  format === 1 || idempotency === null ? null : keyText(idempotency)

/** Adds the hash to an operation. */
export const hashed = (op: Omit<Operation, "hash">): Operation => ({ ...op, hash: hashOf(op) })

/** Covers as they stand in the log and on the wire: `[[id, hlc, origin], …]`. */
export const Covers = Schema.Array(
  Schema.Tuple(
    Schema.String.pipe(Schema.maxLength(MAX_ENTITY_CHARS)),
    Stamp.Stamp,
    Origin.pipe(Schema.maxLength(MAX_ORIGIN_CHARS))
  )
).pipe(Schema.maxItems(MAX_COVERS_TAKEN))

export { coversText as encodeCovers }
