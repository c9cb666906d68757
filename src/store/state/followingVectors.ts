import type Database from "better-sqlite3"
import * as Schema from "effect/Schema"
import { one, run } from "../log/statements.js"
import { FIRST_PART, firstPlace, lastPlace } from "../log/vectorPlaces.js"

/**
 * A memory that is written anew has another row. Where its text is the same, its vectors follow it there: nobody embeds a text twice
 * for a tag, or because it was recalled. What stays at the row that goes is swept with it.
 */
export interface FollowingVectors {
  /** The row of a memory goes. */
  readonly leave: (id: string, rid: number) => void
  /** A memory comes to a row. */
  readonly follow: (
    memory: { readonly id: string; readonly title: string; readonly content: string },
    rid: number
  ) => void
  /** The transaction ends. */
  readonly clear: () => void
}

const Text = Schema.Struct({ title: Schema.String, content: Schema.String })

export const make = (writer: Database.Database): FollowingVectors => {
  const embedded = one(
    writer,
    Text,
    `SELECT title, content FROM memories m WHERE rid = ? AND EXISTS (SELECT 1 FROM vectors v WHERE ${FIRST_PART})`
  )
  const copy = run(
    writer,
    `INSERT OR IGNORE INTO vectors (place, embedder, vector)
      SELECT place + ?, embedder, vector FROM vectors WHERE place BETWEEN ? AND ?`
  )
  const left = new Map<string, { readonly rid: number; readonly text: typeof Text.Type }>()
  return {
    leave: (id, rid) => {
      const text = embedded(rid)
      if (text !== null) left.set(id, { rid, text })
    },
    follow: ({ content, id, title }, rid) => {
      const from = left.get(id)
      if (from === undefined || from.text.title !== title || from.text.content !== content) return
      copy(firstPlace(rid) - firstPlace(from.rid), firstPlace(from.rid), lastPlace(from.rid))
    },
    clear: () => left.clear()
  }
}
