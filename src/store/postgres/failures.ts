import { SqlError } from "@effect/sql/SqlError"
import * as Predicate from "effect/Predicate"

/** The server takes writes, and its standbys do not hold them. */
export class Unheld extends Error {}

/** It is the standbys that it fails for. */
export const isUnheld = ({ cause }: SqlError): boolean => cause instanceof Unheld

export const unusable = (cause: Error) => new SqlError({ cause, message: cause.message })

/** The driver has classes of its own. */
export const isSqlError = (error: unknown): error is SqlError => Predicate.isTagged(error, "SqlError")

/** The code that the server gave to a failure, or the system to that of a connection. */
const codeOf = ({ cause }: SqlError): string | null =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : null

/** What the server says is wrong. */
export const wordsOf = (error: SqlError): string => {
  const { cause, message } = error
  const said = cause instanceof Error ? cause.message : message ?? ""
  // A name with several addresses fails by an error for each, and has no words of its own.
  return said === "" ? codeOf(error) ?? "it can not be reached" : said
}

/** The connection, or the server behind it, is gone; or it takes no writes any more. */
export const isBroken = (error: SqlError): boolean => {
  const code = codeOf(error)
  return code === null || !/^[0-9A-Z]{5}$/.test(code) || /^(?:08|57P|53|25006)/.test(code)
}

/** What it brings in is there already, under the same key. */
export const isTaken = (error: SqlError): boolean => codeOf(error) === "23505"

/** Another transaction came between, and the same again may succeed. */
export const isConflict = (error: SqlError): boolean => ["40001", "40P01"].includes(codeOf(error) ?? "")
