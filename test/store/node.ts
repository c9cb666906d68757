import type Database from "better-sqlite3"
import * as Digest from "../../src/store/log/Digest.js"
import type { Entry } from "../../src/store/MemoryStore.js"
import type { Outcome } from "../../src/store/state/Slice.js"
import * as StateOf from "../../src/store/state/State.js"
import * as index from "./index.js"
import type { State } from "./model.js"

/** The tables of one node with what applies operations to them, and a way back to where it was before. */
export interface Node {
  readonly apply: (entry: Entry) => Outcome
  /** What stands at the end of each transaction. */
  readonly finish: () => void
  /** Has the index of words catch up. */
  readonly catchUp: () => void
  readonly state: () => State
  /** The sums as they are kept, by bucket; those of zero left out. */
  readonly buckets: () => ReadonlyArray<readonly [number, number]>
  /** Sums everything anew. */
  readonly rebuildDigest: () => void
  /** Throws when the search index does not answer by the rows that are there. */
  readonly checkIndex: () => void
  /** Does something and undoes it. */
  readonly trying: (attempt: () => void) => void
}

export const make = (db: Database.Database): Node => {
  const digest = Digest.make(db)
  const register = StateOf.make(db, digest)
  /** After every other transaction the index of words catches up. */
  let finished = 0
  const log = db.prepare(
    `INSERT OR IGNORE INTO oplog (origin, oseq, op_id, hlc, kind, entity, body, base_hlc, covers, hash)
     VALUES (?, ?, ?, ?, ?, ?, ?, NULL, '[]', ?)`
  )
  const rows = rowsOf(db)
  const sums = db.prepare<[], [number, number]>("SELECT bucket, sum FROM digests WHERE sum <> 0 ORDER BY bucket").raw()
  const [savepoint, undo, release] = ["SAVEPOINT s", "ROLLBACK TO s", "RELEASE s"].map((sql) => db.prepare(sql))

  const trying = (attempt: () => void) => {
    const before = { words: register.words.state(), digest: digest.state() }
    savepoint?.run()
    try {
      attempt()
    } finally {
      undo?.run()
      release?.run()
      register.words.restore(before.words)
      digest.restore(before.digest)
    }
  }

  return {
    apply: ({ operation: op, payload }) => {
      const outcome = register.apply(op, payload)
      log.run(op.origin, op.oseq, op.opId, op.hlc, op.kind, op.entity, op.body, op.hash)
      return outcome
    },
    finish: () => {
      register.finish()
      if (finished++ % 2 === 1) register.words.catchUp()
      digest.finish()
    },
    state: () => ({ ...rows(), digest: digest.state().total }),
    buckets: () => sums.all(),
    rebuildDigest: () => {
      db.exec("DELETE FROM digest_sums")
      Digest.make(db)
    },
    catchUp: register.words.catchUp,
    checkIndex: () => index.check(db),
    trying
  }
}

/** Reads the tables of a node as the model has them; only reading is done. */
export const rowsOf = (db: Database.Database): () => Omit<State, "digest"> => {
  const rows = (sql: string) => {
    const statement = db.prepare<[], string>(sql).pluck()
    return () => statement.all().sort()
  }
  const memories = rows(MEMORIES)
  const conflicts = rows("SELECT memory_id || ' ' || hlc || ' ' || origin || ' ' || oseq || ' ' || hash FROM conflicts")
  const objects = rows(
    `SELECT type || ' ' || key || ' ' || hlc || ' ' || origin || ' ' || oseq || ' ' || hash || ' ' || current || ' ' || body
     FROM objects`
  )
  const covered = rows("SELECT memory_id || ' ' || hlc || ' ' || origin FROM covered")
  const ended = rows("SELECT type || ' ' || key || ' ' || hlc || ' ' || origin FROM ended")
  const aliases = rows("SELECT id || ' ' || target || ' ' || hlc || ' ' || origin FROM aliases")
  return () => ({
    memories: memories(),
    conflicts: conflicts(),
    objects: objects(),
    covered: covered(),
    ended: ended(),
    aliases: aliases()
  })
}

/** All that follows from operations: not what belongs to this node alone, nor the row's own number. */
const MEMORIES =
  `SELECT json_array(id, hash, visible, origin, oseq, archived_at, archive_reason, tier, namespace, title,
  content, json(tags), priority, confidence, created_at, updated_at, expires_at, json(metadata)) FROM memories`
