import type Database from "better-sqlite3"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { hash } from "node:crypto"
import type { Signer } from "../../access/ed25519.js"
import type { AuditEvent } from "../../domain/AuditEvent.js"
import { sortedJson } from "../../domain/sortedJson.js"
import * as statements from "../log/statements.js"

/*
 * Rows of `signed_events` in the layout of the original (identity.md 7.3): each has the hash of the one before it, and the
 * signature of this node over the hash of what it is about.
 */

/** A row without its place in the chain. */
interface Unchained {
  /** A random UUID. */
  readonly id: string
  readonly agentId: string
  readonly type: string
  /** SHA-256 of the payload. */
  readonly payloadHash: Buffer
  /** Over `payloadHash`, by the key of this node; none where it has none. */
  readonly signature: Buffer | null
  readonly attestLevel: string
  /** RFC 3339 with `+00:00`. */
  readonly timestamp: string
}

/** A row as it stands. */
export interface Row extends Unchained {
  /** The first is 1. */
  readonly sequence: number
}

/** Of a payload as text, and of what is said of who did it. */
const MAX_PAYLOAD_BYTES = 4_096
const MAX_AGENT_CHARS = 128
/** Payloads that are kept: of older rows their hash alone is left. */
const KEPT_PAYLOADS = 20_000

/** Before the first row. */
export const NO_ROW: Buffer = Buffer.alloc(32)

const SEPARATOR = Buffer.of(0x1f)

/** SHA-256 of the bytes of a row, which the next one has as `prev_hash`. */
export const hashOf = (row: Row): Buffer => hash("sha256", chainBytes(row), "buffer")

export const chainBytes = (row: Row): Buffer => {
  const sequence = Buffer.alloc(8)
  sequence.writeBigUInt64BE(BigInt(row.sequence))
  const fields = [
    row.id,
    row.agentId,
    row.type,
    row.payloadHash,
    row.signature ?? "",
    row.attestLevel,
    row.timestamp
  ]
  return Buffer.concat([...fields.flatMap((field) => [Buffer.from(field), SEPARATOR]), sequence])
}

/** A row that is to be written, and the payload that it is about. */
export interface Sealed {
  readonly row: Unchained
  readonly payload: string
}

/** Makes a row of an event, signed where there is a key to sign with. */
export const seal = (
  event: AuditEvent,
  made: { readonly id: string; readonly timestamp: string; readonly signer: Option.Option<Signer> }
): Sealed => {
  const payload = payloadOf(event)
  const payloadHash = hash("sha256", payload, "buffer")
  const signature = Option.map(made.signer, (signer) => signer.sign(payloadHash))
  const row = {
    id: made.id,
    agentId: agentOf(event.agentId),
    type: event.type,
    payloadHash,
    signature: Option.getOrNull(signature),
    attestLevel: Option.isSome(signature) ? "daemon_signed" : "unsigned",
    timestamp: made.timestamp
  }
  return { row, payload }
}

const payloadOf = ({ payload }: AuditEvent): string => {
  const text = sortedJson(payload)
  const bytes = Buffer.byteLength(text)
  return bytes <= MAX_PAYLOAD_BYTES ? text : sortedJson({ bytes, omitted: "longer than is kept" })
}

/** Whoever speaks can name itself as it likes: no name reaches into another field. */
const agentOf = (name: string): string => name.slice(0, MAX_AGENT_CHARS).replace(/[\p{Cc}\p{Cs}]/gu, "?")

const Bytes = Schema.declare((input: unknown): input is Buffer => Buffer.isBuffer(input))

/** A row as SQLite has it. */
export const StoredRow = Schema.Struct({
  id: Schema.String,
  agent_id: Schema.String,
  event_type: Schema.String,
  payload_hash: Bytes,
  signature: Schema.NullOr(Bytes),
  attest_level: Schema.String,
  timestamp: Schema.String,
  prev_hash: Bytes,
  sequence: Schema.Int
})

const COLUMNS = Object.keys(StoredRow.fields).join(", ")

export const rowOf = (stored: typeof StoredRow.Type): Row => ({
  id: stored.id,
  agentId: stored.agent_id,
  type: stored.event_type,
  payloadHash: stored.payload_hash,
  signature: stored.signature,
  attestLevel: stored.attest_level,
  timestamp: stored.timestamp,
  sequence: stored.sequence
})

const Bytes32 = Bytes.pipe(Schema.filter((bytes) => bytes.length === 32))

/** The end of the chain. */
export const StoredHead = Schema.Struct({
  sequence: Schema.Int,
  sum: Bytes32,
  signature: Schema.NullOr(Bytes)
})

/** Of no rows. */
export const NO_HEAD: typeof StoredHead.Type = { sequence: 0, sum: NO_ROW, signature: null }

export const HEAD = "SELECT sequence, sum, signature FROM signed_events_head"

/** The sum over the rows up to one, from that over those before it. Nobody rewrites a row and keeps the sum. */
export const sumAfter = (sum: Buffer, { hash: own, previous }: { readonly previous: Buffer; readonly hash: Buffer }) =>
  hash("sha256", Buffer.concat([sum, previous, own]), "buffer")

/** What is signed of the end of the chain. */
export const headBytes = ({ sequence, sum }: Pick<typeof StoredHead.Type, "sequence" | "sum">): Buffer =>
  Buffer.from(`quorate audit head 1\0${sequence}\0${sum.toString("hex")}`)

/** Writes rows at the end of the chain, inside a transaction of the caller's. Answers the sequence of the last row. */
export const appending = (db: Database.Database) => {
  const last = statements.one(db, StoredRow, `SELECT ${COLUMNS} FROM signed_events ORDER BY sequence DESC LIMIT 1`)
  const head = statements.one(db, StoredHead, HEAD)
  const insert = statements.run(db, `INSERT INTO signed_events (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`)
  const move = statements.run(
    db,
    "INSERT OR REPLACE INTO signed_events_head (only_row, sequence, sum, signature) VALUES (1, ?, ?, ?)"
  )
  const keep = statements.run(db, "INSERT INTO signed_event_payloads (sequence, payload) VALUES (?, ?)")
  const forget = statements.run(db, "DELETE FROM signed_event_payloads WHERE sequence <= ?")
  return (rows: ReadonlyArray<Sealed>, signer: Option.Option<Signer>): number => {
    const before = last()
    let sequence = before?.sequence ?? 0
    let previous = before === null ? NO_ROW : hashOf(rowOf(before))
    let { sum } = head() ?? NO_HEAD
    for (const { payload, row } of rows) {
      sequence++
      const { agentId, attestLevel, id, payloadHash, signature, timestamp, type } = row
      insert(id, agentId, type, payloadHash, signature, attestLevel, timestamp, previous, sequence)
      keep(sequence, payload)
      const own = hashOf({ ...row, sequence })
      sum = sumAfter(sum, { previous, hash: own })
      previous = own
    }
    const signature = Option.map(signer, ({ sign }) => sign(headBytes({ sequence, sum })))
    move(sequence, sum, Option.getOrNull(signature))
    forget(sequence - KEPT_PAYLOADS)
    return sequence
  }
}
