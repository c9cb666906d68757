import type Database from "better-sqlite3"
import assert from "node:assert"
import * as words from "../../src/store/state/words.js"

const EVERY =
  `SELECT term || ' ' || doc || ' ' || col || ' ' || "offset" FROM temp.said ORDER BY term, doc, col, "offset"`

/** The numbers of FTS5: seven bits a byte, the highest first, the eighth set where more follow. */
const numbersOf = (bytes: Uint8Array): ReadonlyArray<number> => {
  const numbers = [0]
  for (const byte of bytes) {
    numbers.push((numbers.pop() ?? 0) * 128 + byte % 128)
    if (byte < 128) numbers.push(0)
  }
  return numbers.slice(0, -1)
}

/** What bm25 goes by is of the rows that are in the index alone. */
const checkSums = (db: Database.Database): void => {
  const blob = (sql: string) => db.prepare<[], Uint8Array>(sql).pluck().all().map(numbersOf)
  const sizes = blob("SELECT sz FROM memory_words_docsize")
  const [held] = blob("SELECT block FROM memory_words_data WHERE id = 1")
  assert.strictEqual(held?.[0] ?? 0, sizes.length)
  const words = Array.from({ length: 4 }, (_, column) => sizes.reduce((sum, of) => sum + (of[column] ?? 0), 0))
  if (sizes.length > 0) assert.deepStrictEqual(held?.slice(1), words)
}

/**
 * The index answers by the rows that are there, and by no others: with those that wait, as the next start finds them, it has the
 * words that one made anew would have.
 */
export const check = (db: Database.Database): void => {
  db.exec("CREATE VIRTUAL TABLE temp.said USING fts5vocab('main', 'memory_words', 'instance')")
  checkSums(db)
  const said = db.prepare(EVERY).pluck()
  db.exec("SAVEPOINT anew")
  words.make(db).catchUp()
  // Has the sums written, which FTS5 keeps in memory until then.
  db.exec("SAVEPOINT written")
  checkSums(db)
  const held = said.all()
  db.exec("DELETE FROM memory_words")
  words.make(db).index(0, Number.MAX_SAFE_INTEGER)
  const anew = said.all()
  db.exec("ROLLBACK TO anew; RELEASE anew; DROP TABLE temp.said")
  assert.deepStrictEqual(held, anew)
}
