import type Database from "better-sqlite3"
import * as Schema from "effect/Schema"
import { OpId, Origin } from "../../domain/ids.js"
import * as Stamp from "../../domain/Stamp.js"
import { Kind } from "../../replication/kinds.js"
import { Covers, encodeCovers } from "../../replication/Operation.js"
import type { Name } from "../../replication/reissue.js"
import type { Stub } from "../../replication/Stub.js"
import { one, run } from "./statements.js"

/** Operations of the log that this node may not see. In the transaction only. */
export interface Stubs {
  readonly at: (name: Name) => Stub | null
  /** In the place of one of the same name. Answers how many more there are. */
  readonly put: (stub: Stub) => number
  /** Answers how many less there are. */
  readonly remove: (name: Name) => number
  readonly count: () => number
}

const Ends = Schema.Tuple(Kind, Schema.String, Covers)

/** A row of `withheld`. */
export const StubRow = Schema.Struct({
  place: Schema.Int,
  origin: Origin,
  oseq: Schema.Int,
  op_id: OpId,
  hlc: Stamp.Stamp,
  hash: Schema.String,
  detail: Schema.String,
  ends: Schema.NullOr(Schema.parseJson(Ends))
})

/** The same with its seal, where it has one. */
export const SealedStubRow = Schema.Struct({ ...StubRow.fields, seal: Schema.NullOr(Schema.Uint8ArrayFromSelf) })

/** Reads such rows. */
export const SEALED_STUBS = "SELECT withheld.*, seals.seal FROM withheld LEFT JOIN seals USING (origin, oseq)"

type Row = typeof StubRow.Type & { readonly seal?: Uint8Array | null }

export const fromRow = ({ detail, ends, hash, hlc, op_id: opId, origin, oseq, seal = null }: Row): Stub => ({
  opId,
  origin,
  oseq,
  hlc,
  hash,
  detail,
  ...(seal === null ? {} : { seal: Buffer.from(seal).toString("base64") }),
  ends: ends === null
    ? null
    : { kind: ends[0], entity: ends[1], covers: ends[2].map(([id, hlc, origin]) => ({ id, hlc, origin })) }
})

/** What it ends, as it is kept. */
export const endsText = ({ ends }: Stub): string | null =>
  ends === null ? null : `[${JSON.stringify(ends.kind)},${JSON.stringify(ends.entity)},${encodeCovers(ends.covers)}]`

export const make = (writer: Database.Database): Stubs => {
  const select = one(writer, StubRow, "SELECT * FROM withheld WHERE origin = ? AND oseq = ?")
  const count = writer.prepare("SELECT count(*) FROM withheld").pluck()
  const insert = run(
    writer,
    `INSERT INTO withheld (origin, oseq, op_id, hlc, hash, detail, ends) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (origin, oseq) DO UPDATE SET ends = coalesce(excluded.ends, ends)`
  )
  const remove = run(writer, "DELETE FROM withheld WHERE origin = ? AND oseq = ?")
  return {
    at: ({ origin, oseq }) => {
      const row = select(origin, oseq)
      return row === null ? null : fromRow(row)
    },
    put: (stub) => {
      const isNew = select(stub.origin, stub.oseq) === null
      insert(stub.origin, stub.oseq, stub.opId, stub.hlc, stub.hash, stub.detail, endsText(stub))
      return isNew ? 1 : 0
    },
    remove: ({ origin, oseq }) => remove(origin, oseq).changes,
    count: () => Number(count.get())
  }
}
