import type Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { hash } from "node:crypto"
import * as incarnation from "./incarnation.js"
import { one } from "./statements.js"
import type { Found, Tide } from "./TideMark.js"

/** What the lock file beside a database says of the last start, nothing at the first, and what it says of this one. */
export interface StartMark {
  readonly before: unknown
  readonly now: unknown
}

/**
 * A database that does not fit the files beside it was put there: an old backup, or a copy. What it wrote since, under the
 * same numbers, others may hold. So it goes on under a new incarnation, before it writes anything. Answers whether it does.
 */
export const checkMarks = (
  writer: Database.Database,
  start: StartMark,
  tide: Found | null
): Effect.Effect<boolean> =>
  Effect.gen(function*() {
    const why = writer.transaction(() => {
      const why = whyForeign(writer, start.before, tide)
      if (why !== null) {
        const next = incarnation.fresh(writer, ownTide(writer)?.incarnation ?? 0)
        writer.prepare("UPDATE node_identity SET incarnation = ?").run(next)
      }
      writer.prepare("INSERT OR REPLACE INTO last_start (only_row, mark) VALUES (1, ?)").run(start.now)
      return why
    })()
    if (why === null) return false
    yield* Effect.logWarning(`the database is an old backup or a copy, and goes on under a new incarnation: ${why}`)
    return true
  })

/**
 * What tells that others may hold more of this database's own operations than it does; null when nothing does. `before` is what
 * the lock file says of the last start.
 */
export const whyForeign = (db: Database.Database, before: unknown, tide: Found | null): string | null => {
  const known = knownStart(db)
  if (known === undefined) return null
  const own = ownTide(db)
  if (known !== before) return "it was last started elsewhere or since"
  if (tide === null) return "no mark beside it says how far it was written"
  if (!tide.isSameFile) return "the mark beside it is that of another file"
  if (own === null || own.incarnation > tide.incarnation) return null
  return own.incarnation < tide.incarnation || own.oseq < tide.oseq
    ? `it ends at ${own.oseq} of its own operations, and ${tide.oseq} were written`
    : null
}

/** The mark of the last start, as the database has it; undefined before the first. */
export const knownStart = (db: Database.Database): unknown => db.prepare("SELECT mark FROM last_start").pluck().get()

/** What a start may be called in public, by which the daemon of a database is known. */
export const startName = (mark: unknown): string => hash("sha256", `start ${String(mark)}`, "hex").slice(0, 32)

const Own = Schema.Struct({ incarnation: Schema.Int, oseq: Schema.Int })

/** How far the database says that it was written; null when it was never anybody's. */
export const ownTide = (db: Database.Database): Tide | null =>
  one(
    db,
    Own,
    `SELECT incarnation, (
       SELECT coalesce(max(oseq), 0) FROM oplog WHERE origin = node_id || '/' || incarnation
     ) AS oseq FROM node_identity`
  )()
