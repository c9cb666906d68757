import type Database from "better-sqlite3"
import * as Schema from "effect/Schema"

/*
 * Statements of the writer, prepared once. A row is decoded like everything that enters the process: one that is not of the
 * schema is a damaged database, and a defect.
 */

/** Reads one row, or none. */
export const one = <A, I>(writer: Database.Database, schema: Schema.Schema<A, I>, sql: string) => {
  const statement = writer.prepare(sql)
  const decode = Schema.decodeUnknownSync(schema)
  return (...params: ReadonlyArray<unknown>): A | null => {
    const row = statement.get(...params)
    return row === undefined ? null : decode(row)
  }
}

/** Reads all rows. */
export const many = <A, I>(writer: Database.Database, schema: Schema.Schema<A, I>, sql: string) => {
  const statement = writer.prepare(sql)
  const decode = Schema.decodeUnknownSync(Schema.Array(schema))
  return (...params: ReadonlyArray<unknown>): ReadonlyArray<A> => decode(statement.all(...params))
}

/**
 * Reads rows one by one until there is one that fits. A bound on their number would be a parameter of `LIMIT`, and a new
 * value for that has SQLite compile the statement anew, which costs ten times the search.
 */
export const firstThat = <A, I>(writer: Database.Database, schema: Schema.Schema<A, I>, sql: string) => {
  const statement = writer.prepare(sql)
  const decode = Schema.decodeUnknownSync(schema)
  return (params: ReadonlyArray<unknown>, fits: (row: A) => boolean): A | null => {
    // Nearly always there is none, or the first one fits.
    const first = statement.get(...params)
    if (first === undefined) return null
    const row = decode(first)
    if (fits(row)) return row
    for (const found of statement.iterate(...params)) {
      const row = decode(found)
      if (fits(row)) return row
    }
    return null
  }
}

/** Changes rows. */
export const run = (writer: Database.Database, sql: string) => {
  const statement = writer.prepare(sql)
  return (...params: ReadonlyArray<unknown>): Database.RunResult => statement.run(...params)
}

/**
 * A statement for each type, with the type in its text. One that is bound has SQLite compile the statement anew each time, which
 * costs ten times the search: of some types there are indexes that hold no other rows.
 */
export const ofEachType = <Type extends string, S>(prepare: (type: string) => S): (type: Type) => S => {
  const prepared = new Map<Type, S>()
  return (type) => {
    const known = prepared.get(type)
    if (known !== undefined) return known
    const made = prepare(`'${type}'`)
    prepared.set(type, made)
    return made
  }
}
