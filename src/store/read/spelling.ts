import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { slipsBetween } from "../../domain/slips.js"
import { type Match, quoted, type Word } from "./asking.js"
import type * as planning from "./planning.js"

/*
 * A word that no memory has was perhaps meant to be one that is there: a slip of the fingers, or a form that no stemmer knows. It
 * begins with the same two letters and is few slips away.
 */

/** Of one question so many such words are looked for, and among so many words of the index. */
const MAX_WORDS = 4
const MAX_SPELLINGS = 5_000
/** Shorter words are near to too many others. */
const MIN_LETTERS = 5
/** From so many letters on two slips are allowed. */
const LONG = 8
const BEGINNING = 2
/** Words that are equally near. */
const MAX_NEAREST = 3

const LETTERS = /^[\p{L}\p{M}]+$/u

const decodeTerms = Schema.decodeUnknown(Schema.Array(Schema.Struct({ term: Schema.String })))

/** What those words of a question are asked for that no memory has. */
export const make = (
  sql: SqlClient.SqlClient,
  documents: Effect.Effect.Success<ReturnType<typeof planning.make>>["documents"]
) => {
  const spellings = (beginning: string) =>
    sql`SELECT term FROM word_spellings WHERE term >= ${beginning} AND term < ${`${beginning}\u{10ffff}`}
      LIMIT ${MAX_SPELLINGS}`.pipe(Effect.flatMap(decodeTerms), Effect.map((rows) => rows.map(({ term }) => term)))

  return Effect.fnUntraced(function*(words: ReadonlyArray<Word>) {
    const long = words.filter(({ text }) => LETTERS.test(text) && text.length >= MIN_LETTERS).slice(0, MAX_WORDS)
    if (long.length === 0) return []
    const { counted } = yield* documents(long.map(({ match }) => match))
    const unknown = long.filter((_, at) => counted[at]?.documents === 0)
    const near = yield* Effect.forEach(
      unknown,
      (word) => Effect.map(spellings(word.text.slice(0, BEGINNING)), (terms) => nearest(word, terms))
    )
    return near.flat().map((term): Match => quoted(term))
  })
}

/** Those with the fewest slips to the word or one of its stems. */
const nearest = ({ stems, text }: Word, terms: ReadonlyArray<string>): ReadonlyArray<string> => {
  const forms = new Set([text, ...stems])
  const most = text.length < LONG ? 1 : 2
  let least = most
  let found: Array<string> = []
  for (const term of terms) {
    if (!LETTERS.test(term)) continue
    for (const form of forms) {
      if (Math.min(form.length, term.length) < MIN_LETTERS - 1 || Math.abs(form.length - term.length) > least) continue
      const slips = slipsBetween(form, term)
      if (slips > least) continue
      if (slips < least) found = []
      least = slips
      if (!found.includes(term)) found.push(term)
    }
  }
  return found.slice(0, MAX_NEAREST)
}
