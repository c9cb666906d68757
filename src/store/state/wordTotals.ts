import type Database from "better-sqlite3"
import * as Schema from "effect/Schema"
import { one, run } from "../log/statements.js"

/** How many rows an index of words has, and how many words these have in each of its columns. */
export interface Totals {
  readonly rows: number
  readonly words: ReadonlyArray<number>
}

/** The sums that bm25 goes by, on the connection that writes and in its transaction. */
interface WordTotals {
  /** What a row adds to them; nothing when it is not in the index. Asked before the row is taken out. */
  readonly of: (rid: number) => Totals
  /** Takes off what was taken out. */
  readonly subtract: (removed: Totals) => void
}

export const nothing: Totals = { rows: 0, words: [] }

export const plus = (a: Totals, b: Totals): Totals => ({
  rows: a.rows + b.rows,
  words: Array.from(
    { length: Math.max(a.words.length, b.words.length) },
    (_, column) => (a.words[column] ?? 0) + (b.words[column] ?? 0)
  )
})

const Bytes = Schema.Struct({ bytes: Schema.Uint8ArrayFromSelf })
/** Where FTS5 keeps its sums. */
const SUMS = 1

/**
 * FTS5 takes a row out of a table without contents, but not off the sums over its rows (as of SQLite 3.53). Each edit would
 * make one memory more of the index, until a common word counts as much as a rare one; and nodes that came to the same memories
 * by different ways would rank them differently. So the sums are kept here.
 */
export const make = (writer: Database.Database): WordTotals => {
  const sizesOf = one(writer, Bytes, "SELECT sz AS bytes FROM memory_words_docsize WHERE id = ?")
  const sums = one(writer, Bytes, `SELECT block AS bytes FROM memory_words_data WHERE id = ${SUMS}`)
  const flush = run(writer, "INSERT INTO memory_words (memory_words) VALUES ('flush')")
  return {
    of: (rid) => {
      const sizes = sizesOf(rid)
      return sizes === null ? nothing : { rows: 1, words: numbersOf(sizes.bytes) }
    },
    subtract: (removed) => {
      // What FTS5 has in memory would be written over it.
      flush()
      const known = numbersOf(sums()?.bytes ?? new Uint8Array())
      const off = [removed.rows, ...removed.words]
      write(writer, bytesOf(known.map((sum, at) => Math.max(0, sum - (off[at] ?? 0)))))
    }
  }
}

/** Tables below a virtual one can not be written but in this mode. */
const write = (writer: Database.Database, bytes: Uint8Array): void => {
  writer.unsafeMode(true)
  try {
    writer.prepare(`UPDATE memory_words_data SET block = ? WHERE id = ${SUMS}`).run(bytes)
  } finally {
    writer.unsafeMode(false)
  }
}

/** SQLite's numbers of variable length: seven bits a byte, the highest first, and a bit that says whether more follow. */
const numbersOf = (bytes: Uint8Array): ReadonlyArray<number> => {
  const numbers: Array<number> = []
  let number = 0
  for (const byte of bytes) {
    number = number * 128 + byte % 128
    if (byte >= 128) continue
    numbers.push(number)
    number = 0
  }
  return numbers
}

const bytesOf = (numbers: ReadonlyArray<number>): Uint8Array =>
  Uint8Array.from(numbers.flatMap((number) => {
    const bytes = [number % 128]
    for (let rest = Math.floor(number / 128); rest > 0; rest = Math.floor(rest / 128)) bytes.unshift(128 + rest % 128)
    return bytes
  }))
