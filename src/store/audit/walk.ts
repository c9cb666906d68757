import type Database from "better-sqlite3"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { hash } from "node:crypto"
import { type PublicKey, verify as isSigned } from "../../access/ed25519.js"
import * as statements from "../log/statements.js"
import * as rows from "./rows.js"

/** What was found in going through the rows. */
export interface Verdict {
  readonly rowsChecked: number
  /** The first place where the chain does not hold, and why; null where it does. */
  readonly chainBreak: { readonly sequence: number; readonly why: string } | null
  /** Rows that say they are signed and are not, by the key that was given. */
  readonly signatureFailures: ReadonlyArray<number>
  /** Rows whose payload is not the one that they were written with. */
  readonly payloadFailures: ReadonlyArray<number>
  /** The last row, and the sum over all up to it; a sum of zeros where it was not counted from the first row on. */
  readonly head: { readonly sequence: number; readonly sum: string; readonly isSigned: boolean }
}

interface Options {
  /** The first row to be looked at. Only from 1 on all are summed up. */
  readonly since: number
  /** The key of the node; without it no signature is looked at. */
  readonly key: Option.Option<PublicKey>
  /** What somebody noted of the chain before: this row had this sum. */
  readonly noted: Option.Option<{ readonly sequence: number; readonly sum: string }>
}

/** Failures that are listed, of each kind. */
const MOST_LISTED = 1_000

const decodeRow = Schema.decodeUnknownEither(
  Schema.Struct({ ...rows.StoredRow.fields, payload: Schema.NullOr(Schema.String) })
)
const SELECT = `SELECT signed_events.*, payload FROM signed_events LEFT JOIN signed_event_payloads USING (sequence)
  WHERE sequence >= ? ORDER BY sequence`
const BEFORE = "SELECT * FROM signed_events WHERE sequence < ? ORDER BY sequence DESC LIMIT 1"

/** Goes through the chain, in one view of the database: a node may go on writing. */
export const verify = (db: Database.Database, options: Options): Verdict => db.transaction(() => walk(db, options))()

const walk = (db: Database.Database, { key, noted, since }: Options): Verdict => {
  const signatureFailures: Array<number> = []
  const payloadFailures: Array<number> = []
  const before = statements.one(db, rows.StoredRow, BEFORE)(since)
  let sequence = before?.sequence ?? 0
  let previous = before === null ? rows.NO_ROW : rows.hashOf(rows.rowOf(before))
  let sum = rows.NO_ROW
  let rowsChecked = 0
  let why: string | null = null
  const list = (failures: Array<number>) => failures.length < MOST_LISTED && failures.push(sequence)

  for (const found of db.prepare(SELECT).iterate(since)) {
    sequence++
    rowsChecked++
    const decoded = decodeRow(found)
    why = Either.match(decoded, {
      onLeft: () => "the row can not be read",
      onRight: (stored) => whyBroken(stored, { sequence, previous })
    })
    if (why !== null || Either.isLeft(decoded)) break
    const row = rows.rowOf(decoded.right)
    if (Option.isSome(key) && !isRightlySigned(row, key.value)) list(signatureFailures)
    const { payload } = decoded.right
    if (payload !== null && !hash("sha256", payload, "buffer").equals(row.payloadHash)) list(payloadFailures)
    const own = rows.hashOf(row)
    sum = rows.sumAfter(sum, { previous, hash: own })
    previous = own
    if (Option.exists(noted, (known) => known.sequence === sequence && known.sum !== sum.toString("hex"))) {
      why = "the rows up to here are not those that were noted"
      break
    }
  }
  const end = { sequence, sum, isWhole: since <= 1 }
  const head = statements.one(db, rows.StoredHead, rows.HEAD)() ?? rows.NO_HEAD
  const chainBreak = why === null ? whyEnded(end, { head, key, noted }) : { sequence, why }
  return {
    rowsChecked,
    chainBreak,
    signatureFailures,
    payloadFailures,
    head: { sequence, sum: (end.isWhole ? sum : rows.NO_ROW).toString("hex"), isSigned: head.signature !== null }
  }
}

const whyBroken = (
  stored: typeof rows.StoredRow.Type,
  { previous, sequence }: { readonly sequence: number; readonly previous: Buffer }
): string | null =>
  stored.sequence !== sequence
    ? `the row is missing: the next one is ${stored.sequence}`
    : stored.prev_hash.equals(previous)
    ? null
    : "it does not follow from the row before it: one of the two was changed"

const isRightlySigned = ({ attestLevel, payloadHash, signature }: rows.Row, key: PublicKey): boolean =>
  attestLevel === "unsigned" ? signature === null : signature !== null && isSigned(key, payloadHash, signature)

interface End {
  readonly sequence: number
  readonly sum: Buffer
  readonly isWhole: boolean
}

/** Whether the rows end where they should, and are all those that were written. */
const whyEnded = (
  { isWhole, sequence, sum }: End,
  { head, key, noted }: Pick<Options, "key" | "noted"> & { readonly head: typeof rows.StoredHead.Type }
): Verdict["chainBreak"] => {
  const known = Option.getOrUndefined(noted)
  if (head.sequence > sequence) {
    return { sequence: sequence + 1, why: `the rows from here to ${head.sequence} are missing` }
  }
  if (known !== undefined && known.sequence > sequence) {
    return { sequence: sequence + 1, why: `the rows from here to ${known.sequence}, which were noted, are missing` }
  }
  if (head.sequence < sequence) return { sequence: head.sequence + 1, why: "the end of the chain was noted before it" }
  if (isWhole && !head.sum.equals(sum)) return { sequence, why: "a row was changed, and those after it made to follow" }
  const isForged = head.signature !== null &&
    Option.exists(key, (own) => !isSigned(own, rows.headBytes(head), head.signature ?? rows.NO_ROW))
  return isForged ? { sequence, why: "the end of the chain is not signed by the key of this node" } : null
}
