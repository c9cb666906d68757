import type Database from "better-sqlite3"
import type * as Clock from "effect/Clock"
import * as Schema from "effect/Schema"
import { Origin } from "../../domain/ids.js"
import * as Stamp from "../../domain/Stamp.js"
import { Covers, encodeCovers, type Operation, type VersionRef } from "../../replication/Operation.js"
import type { Name } from "../../replication/reissue.js"
import { many, one, run } from "../log/statements.js"
import { BETWEEN, type Verdict } from "./rights.js"

/** The operations that are held without effect, or without all of it, and why. */
export interface Voids {
  readonly any: () => boolean
  /** Notes a verdict; answers whether it is another one than was noted before. */
  readonly note: (operation: Operation, verdict: Verdict) => boolean
  /** The versions that an operation ends by the verdict that is noted; null where it has no effect at all. */
  readonly allowedOf: (operation: Operation) => ReadonlyArray<VersionRef> | null
  /** Whether the verdict is the one that is noted. */
  readonly isKnown: (name: Name, verdict: Verdict) => boolean
  /** Nothing more is known of an operation that is held no longer. */
  readonly forget: (name: Name) => void
  readonly waitingFor: (what: string) => ReadonlyArray<Name>
}

const NameRow = Schema.Struct({ origin: Origin, oseq: Schema.Int })
const KnownRow = Schema.Struct({ why: Schema.String, covers: Schema.String })
const LeftRow = Schema.Struct({ whole: Schema.Int, covers: Schema.parseJson(Covers) })

export const make = (writer: Database.Database, clock: Clock.Clock): Voids => {
  const any = writer.prepare("SELECT 1 FROM voids LIMIT 1")
  const known = one(writer, KnownRow, "SELECT why, covers FROM voids WHERE origin = ? AND oseq = ?")
  const left = one(writer, LeftRow, "SELECT whole, covers FROM voids WHERE origin = ? AND oseq = ?")
  const remove = run(writer, "DELETE FROM voids WHERE origin = ? AND oseq = ?")
  const insert = run(
    writer,
    `INSERT INTO voids (origin, oseq, op_id, kind, entity, why, waits_for, whole, covers, found_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
  )
  const tell = run(
    writer,
    "INSERT INTO void_news (origin, oseq, op_id, kind, entity, why) VALUES (?, ?, ?, ?, ?, ?)"
  )
  const waiting = many(writer, NameRow, "SELECT origin, oseq FROM voids WHERE waits_for = ?")
  // Few end several memories that are kept.
  const waitingForSeveral = many(
    writer,
    NameRow,
    `SELECT origin, oseq FROM voids WHERE instr(waits_for, '${BETWEEN}') > 0
       AND instr('${BETWEEN}' || waits_for || '${BETWEEN}', '${BETWEEN}' || ? || '${BETWEEN}') > 0`
  )
  const isKnown: Voids["isKnown"] = ({ origin, oseq }, { covers, why }) => {
    const before = known(origin, oseq)
    if (before === null || why === null) return before === null && why === null
    return before.why === why && before.covers === encodeCovers(covers)
  }
  return {
    allowedOf: (operation) => {
      const found = left(operation.origin, operation.oseq)
      if (found === null) return operation.covers
      return found.whole === 1 ? null : found.covers.map(([id, hlc, origin]) => ({ id, hlc, origin }))
    },
    any: () => any.get() !== undefined,
    isKnown,
    note: (operation, verdict) => {
      const { covers, isVoid, waitsFor, why } = verdict
      const { entity, kind, opId, origin, oseq } = operation
      if (isKnown(operation, verdict)) return false
      remove(origin, oseq)
      if (why !== null) {
        const now = Stamp.fromMillis(clock.unsafeCurrentTimeMillis())
        insert(origin, oseq, opId, kind, entity, why, waitsFor, isVoid ? 1 : 0, encodeCovers(covers), now)
      }
      tell(origin, oseq, opId, kind, entity, why)
      return true
    },
    forget: ({ origin, oseq }) => {
      remove(origin, oseq)
    },
    waitingFor: (what) => [...waiting(what), ...waitingForSeveral(what)]
  }
}
