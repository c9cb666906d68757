import type Database from "better-sqlite3"
import assert from "node:assert"
import * as words from "../../src/store/state/words.js"

const EVERY =
  `SELECT term || ' ' || doc || ' ' || col || ' ' || "offset" FROM temp.said ORDER BY term, doc, col, "offset"`

/** The index answers by the rows that are there, and by no others: it has the words that one made anew would have. */
export const check = (db: Database.Database): void => {
  db.exec("CREATE VIRTUAL TABLE temp.said USING fts5vocab('main', 'memory_words', 'instance')")
  const said = db.prepare(EVERY).pluck()
  const held = said.all()
  db.exec("SAVEPOINT anew; DELETE FROM memory_words")
  words.make(db).index(0, Number.MAX_SAFE_INTEGER)
  const anew = said.all()
  db.exec("ROLLBACK TO anew; RELEASE anew; DROP TABLE temp.said")
  assert.deepStrictEqual(held, anew)
}
