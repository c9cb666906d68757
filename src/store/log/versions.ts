import type Database from "better-sqlite3"
import type { Memory } from "../../domain/Memory.js"
import type { VersionRef } from "../../replication/Operation.js"
import { ofLog, type Payload, versionOf } from "../../replication/Payload.js"
import { LogRow } from "./OpLog.js"
import { many } from "./statements.js"

/** A version of a memory as the log has it, whatever became of it. */
interface Given {
  readonly memory: Memory
  readonly isArchived: boolean
}

/** Looks versions up in the log, by their names. */
export interface Versions {
  /** What the operations say that gave it: more than one where several things have that stamp. */
  readonly given: (ref: Pick<VersionRef, "hlc" | "origin">) => ReadonlyArray<Payload>
  /** Null where it is not here, or of no memory. */
  readonly ofMemory: (ref: VersionRef) => Given | null
}

const Row = LogRow.pick("kind", "entity", "body")

export const make = (db: Database.Database): Versions => {
  const written = many(db, Row, "SELECT kind, entity, body FROM oplog WHERE origin = ? AND hlc = ?")
  const given: Versions["given"] = ({ hlc, origin }) => written(origin, hlc).map(ofLog)
  return {
    given,
    ofMemory: (ref) => {
      for (const payload of given(ref)) {
        const memory = versionOf(payload)
        if (memory?.id === ref.id) return { memory, isArchived: payload.kind === "archive" }
      }
      return null
    }
  }
}
