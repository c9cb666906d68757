import type Database from "better-sqlite3"
import * as Schema from "effect/Schema"
import { Origin } from "../../domain/ids.js"
import * as Stamp from "../../domain/Stamp.js"
import { many, ofEachType, run } from "../log/statements.js"
import type { Save } from "./save.js"
import type { Change, ObjectType } from "./Slice.js"

const Version = Schema.Struct({ hlc: Stamp.Stamp, origin: Origin })

/** Takes out what is known of a thing, but for its row, as if nothing of it had ever come: its operations are applied anew then. */
export interface Clearing {
  /** The conflicts of a memory, what ended its versions, its twins, and for which it stands. */
  readonly memory: (id: string) => void
  readonly object: (type: ObjectType, key: string) => void
}

export const make = (writer: Database.Database, save: Save): Clearing => {
  const conflicts = many(writer, Version, "SELECT hlc, origin FROM conflicts WHERE memory_id = ?")
  const objects = ofEachType((type) =>
    many(writer, Version, `SELECT hlc, origin FROM objects WHERE type = ${type} AND key = ?`)
  )
  const uncover = run(writer, "DELETE FROM covered WHERE memory_id = ?")
  // What this node alone says an id stands for has no operation that would say it again.
  const unalias = run(writer, "DELETE FROM aliases WHERE id = ? AND origin <> ''")
  const untwin = run(writer, "DELETE FROM twins WHERE type = ? AND key = ?")
  const unend = run(writer, "DELETE FROM ended WHERE type = ? AND key = ?")
  return {
    memory: (id) => {
      save.changes(conflicts(id).map((version): Change => ({ _tag: "ConflictDropped", ref: { id, ...version } })))
      uncover(id)
      unalias(id)
      untwin("memory", id)
    },
    object: (type, key) => {
      save.changes(
        objects(type)(key).map((version): Change => ({ _tag: "ObjectRemoved", type, ref: { id: key, ...version } }))
      )
      unend(type, key)
      untwin(type, key)
    }
  }
}
