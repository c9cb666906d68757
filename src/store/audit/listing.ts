import type Database from "better-sqlite3"
import * as Schema from "effect/Schema"
import * as statements from "../log/statements.js"

/** A row with what it is about: bytes as lower-case hex, the payload as it was written or null where it is not kept. */
const Listed = Schema.Struct({
  sequence: Schema.Int,
  timestamp: Schema.String,
  event_type: Schema.String,
  agent_id: Schema.String,
  payload: Schema.NullOr(Schema.String),
  id: Schema.String,
  payload_hash: Schema.String,
  signature: Schema.NullOr(Schema.String),
  attest_level: Schema.String,
  prev_hash: Schema.String
})
export type Listed = typeof Listed.Type

const SELECT = `SELECT sequence, timestamp, event_type, agent_id, payload, id, lower(hex(payload_hash)) AS payload_hash,
  iif(signature IS NULL, NULL, lower(hex(signature))) AS signature, attest_level, lower(hex(prev_hash)) AS prev_hash
  FROM signed_events LEFT JOIN signed_event_payloads USING (sequence)`

/** The latest rows, the oldest of them first. */
export const latest = (
  db: Database.Database,
  { limit, type }: { readonly type: string | null; readonly limit: number }
): ReadonlyArray<Listed> =>
  statements.many(
    db,
    Listed,
    `${SELECT} WHERE event_type = coalesce(?, event_type) ORDER BY sequence DESC LIMIT ?`
  )(type, Math.max(0, limit)).toReversed()

/** Rows from one on. */
export const from = (db: Database.Database, sequence: number, limit: number): ReadonlyArray<Listed> =>
  statements.many(db, Listed, `${SELECT} WHERE sequence >= ? ORDER BY sequence LIMIT ?`)(sequence, limit)
