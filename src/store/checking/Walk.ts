import type Database from "better-sqlite3"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"

/** Something in the tables that is not as it must be. It names the row, and repeats nothing of what that holds. */
export interface Fault {
  readonly table: Table
  /** The row: the id of a memory, the name of an operation, a bucket, an origin. */
  readonly key: string
  readonly what: string
}

export const TABLES = ["oplog", "withheld", "memories", "conflicts", "objects", "digests", "version_vector"] as const
export type Table = (typeof TABLES)[number]

/** What a piece of a walk found, and what is to be done after it. */
interface Walked {
  readonly rows: number
  readonly faults: ReadonlyArray<Fault>
  /** Null when it is over. */
  readonly next: Walk | null
}

/** A walk through tables in pieces, each of which takes a bounded time. */
export type Walk = () => Walked

/** One walk after the other. */
export const inTurn = ([first, ...others]: ReadonlyArray<Walk>): Walk => () => {
  if (first === undefined) return { rows: 0, faults: [], next: null }
  const { next, ...walked } = first()
  const left = next === null ? others : [next, ...others]
  return { ...walked, next: left.length === 0 ? null : inTurn(left) }
}

/** A walk to its end, at once. */
export const toItsEnd = (walk: Walk): Omit<Walked, "next"> => {
  const faults: Array<Fault> = []
  let rows = 0
  for (let left: Walk | null = walk; left !== null;) {
    const walked: Walked = left()
    rows += walked.rows
    faults.push(...walked.faults)
    left = walked.next
  }
  return { rows, faults }
}

/** How the rows of a table are gone through, and what is wrong with one. */
interface Rows<A, I> {
  readonly table: Table
  readonly columns: string
  readonly schema: Schema.Schema<A, I>
  /** The columns by which they are ordered, and what is below the first value of each. */
  readonly order: Readonly<Record<string, string | number>>
  /** What a row is called, by its values of these. */
  readonly keyOf: (place: Place) => string
  /** What is wrong with a row. It throws where that can not even be read. */
  readonly wrong: (row: A) => string | null
  /** Rows of one piece at most, and how long they may be together before it ends. */
  readonly most: { readonly rows: number; readonly bytes: number }
  readonly bytesOf: (row: A) => number
}

type Place = ReadonlyArray<string | number>

const Value = Schema.Union(Schema.String, Schema.Number)

/** Goes through a table in the order of some columns, a piece at a time. */
export const through = <A, I>(db: Database.Database, rows: Rows<A, I>): Walk => {
  const names = Object.keys(rows.order)
  const select = db.prepare(
    `SELECT ${rows.columns} FROM ${rows.table} WHERE (${names.join(", ")}) > (${names.map(() => "?").join(", ")})
     ORDER BY ${names.join(", ")} LIMIT 1`
  )
  const placed = Schema.decodeUnknownSync(Schema.Struct(Object.fromEntries(names.map((name) => [name, Value]))))
  const look = looking(rows)
  const from = (start: Place): Walk => () => {
    const faults: Array<Fault> = []
    let place = start
    let bytes = 0
    let count = 0
    // One moment of the database for all of the piece: what belongs together is written together.
    db.transaction(() => {
      for (let raw = select.get(...place); raw !== undefined; raw = select.get(...place)) {
        const values = placed(raw)
        place = names.map((name) => values[name] ?? "")
        count += 1
        const seen = look(raw)
        bytes += seen.bytes
        if (seen.what !== null) faults.push({ table: rows.table, key: rows.keyOf(place), what: seen.what })
        if (count >= rows.most.rows || bytes >= rows.most.bytes) break
      }
    })()
    return { rows: count, faults, next: count === 0 ? null : from(place) }
  }
  return from(Object.values(rows.order))
}

const looking = <A, I>({ bytesOf, schema, wrong }: Rows<A, I>) => {
  const decode = Schema.decodeUnknownEither(schema)
  return (raw: unknown): { readonly bytes: number; readonly what: string | null } => {
    const row = decode(raw)
    if (Either.isLeft(row)) return { bytes: 0, what: "a column holds what is never written there" }
    const what = Either.getOrElse(Either.try(() => wrong(row.right)), () => "what its operation says can not be read")
    return { bytes: bytesOf(row.right), what }
  }
}
