import type Database from "better-sqlite3"
import * as Schema from "effect/Schema"
import * as Stamp from "../../domain/Stamp.js"
import type { VersionRef } from "../../replication/Operation.js"
import { type Digest, places } from "../log/Digest.js"

/** What small things there are. They all follow one rule, so they share a table. */
export type ObjectType = "link" | "pending" | "vote" | "decision" | "namespace_meta"

/** A live version of an object. `body` is the canonical text of its payload. */
export interface ObjectVersion {
  readonly ref: VersionRef
  readonly hash: string
  readonly body: string
}

/**
 * Objects as a function of the set of operations: the live versions of a key are those written and not ended, and one of
 * them counts. Used inside the committer's transaction only.
 */
export interface Objects {
  /** Adds a version, unless it was ended before it came; answers whether it is the one that counts. */
  readonly put: (type: ObjectType, version: ObjectVersion & { readonly oseq: number }) => boolean
  /** Ends a version for ever, also when it is not there yet. */
  readonly end: (type: ObjectType, ref: VersionRef) => void
  /** The version of a key that counts. */
  readonly current: (type: ObjectType, key: string) => ObjectVersion | null
  /** All live versions of a key, in their order. */
  readonly versions: (type: ObjectType, key: string) => ReadonlyArray<ObjectVersion>
  /** Whether there is anything of the type. */
  readonly any: (type: ObjectType) => boolean
}

const Row = Schema.Struct({
  key: Schema.String,
  hlc: Stamp.Stamp,
  origin: Schema.String,
  hash: Schema.String,
  body: Schema.String
})
const Rows = Schema.Array(Row)
const decodeRow = Schema.decodeUnknownSync(Row)
const decodeRows = Schema.decodeUnknownSync(Rows)

export const make = (writer: Database.Database, digest: Digest): Objects => {
  const insert = writer.prepare(
    `INSERT OR IGNORE INTO objects (type, key, hlc, origin, oseq, hash, body, current) VALUES (?, ?, ?, ?, ?, ?, ?, 0)`
  )
  const markEnded = writer.prepare("INSERT OR IGNORE INTO ended (type, key, hlc, origin) VALUES (?, ?, ?, ?)")
  const isEnded = writer.prepare("SELECT 1 FROM ended WHERE type = ? AND key = ? AND hlc = ? AND origin = ?")
  const remove = writer.prepare(
    "DELETE FROM objects WHERE type = ? AND key = ? AND hlc = ? AND origin = ? RETURNING hash"
  ).pluck()
  const all = writer.prepare(
    "SELECT key, hlc, origin, hash, body FROM objects WHERE type = ? AND key = ? ORDER BY hlc, origin, hash"
  )
  const counting = writer.prepare(
    "SELECT key, hlc, origin, hash, body FROM objects WHERE type = ? AND key = ? AND current = 1"
  )
  const unmark = writer.prepare("UPDATE objects SET current = 0 WHERE type = ? AND key = ? AND current = 1")
  const mark = writer.prepare("UPDATE objects SET current = 1 WHERE type = ? AND key = ? AND hlc = ? AND origin = ?")
  const exists = writer.prepare("SELECT 1 FROM objects WHERE type = ? LIMIT 1")

  const versions = (type: ObjectType, key: string): ReadonlyArray<ObjectVersion> =>
    decodeRows(all.all(type, key)).map(fromRow)

  const current = (type: ObjectType, key: string): ObjectVersion | null => {
    const row = counting.get(type, key)
    return row === undefined ? null : fromRow(decodeRow(row))
  }

  /** Of most objects the greatest version counts; of decisions the first, for what was done can not be undone. */
  const settle = (type: ObjectType, key: string): ObjectVersion | undefined => {
    const live = versions(type, key)
    const best = type === "decision" ? live[0] : live.at(-1)
    const before = current(type, key)
    if (best !== undefined && before !== null && isSame(best, before)) return best
    unmark.run(type, key)
    if (best !== undefined) mark.run(type, key, best.ref.hlc, best.ref.origin)
    return best
  }

  return {
    put: (type, { body, hash, oseq, ref }) => {
      if (isEnded.get(type, ref.id, ref.hlc, ref.origin) !== undefined) return false
      const { changes } = insert.run(type, ref.id, ref.hlc, ref.origin, oseq, hash, body)
      if (changes > 0) digest.add(ref.id, hash, places.object)
      const best = settle(type, ref.id)
      return best !== undefined && isSame(best, { ref, hash, body })
    },
    end: (type, ref) => {
      markEnded.run(type, ref.id, ref.hlc, ref.origin)
      const hash = remove.get(type, ref.id, ref.hlc, ref.origin)
      if (typeof hash !== "string") return
      digest.remove(ref.id, hash, places.object)
      settle(type, ref.id)
    },
    current,
    versions,
    any: (type) => exists.get(type) !== undefined
  }
}

/** Two live versions of one key. */
const isSame = ({ ref: a }: ObjectVersion, { ref: b }: ObjectVersion): boolean =>
  a.hlc === b.hlc && a.origin === b.origin

const fromRow = ({ body, hash, hlc, key, origin }: typeof Row.Type): ObjectVersion => ({
  ref: { id: key, hlc, origin },
  hash,
  body
})
