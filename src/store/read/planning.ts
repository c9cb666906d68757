import type * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Match } from "./asking.js"

/** A word is common when it stands in more than this share of the memories, and in more than so many. */
const COMMON_SHARE = 0.05
export const MIN_COMMON_ROWS = 1000
/** The words that decide stand together in at most this many times as many rows as an uncommon one may. */
export const RANKED_ROWS_FACTOR = 4

/** Which words decide the rank, and which are left aside because they stand in too many memories. */
interface Plan {
  readonly ranked: ReadonlyArray<Match>
  readonly left: ReadonlyArray<Match>
}

interface Counted {
  readonly term: Match
  readonly documents: number
}

const Counts = Schema.Array(Schema.Struct({ index: Schema.Int, documents: Schema.Int }))
const decodeCounts = Schema.decodeUnknown(Counts)
const decodeTotal = Schema.decodeUnknown(Schema.Tuple(Schema.Struct({ rows: Schema.Int })))

const COUNTS_KEPT_FOR = Duration.minutes(1)
const MAX_KEPT_COUNTS = 10_000

/** Decides by how many memories have each word. Counting stops where a word is known to be common. */
export const make = (sql: SqlClient.SqlClient) =>
  Effect.gen(function*() {
    const rows = yield* Effect.cachedWithTTL(
      sql`SELECT count(*) AS rows FROM memories`.pipe(Effect.flatMap(decodeTotal), Effect.map(([total]) => total.rows)),
      COUNTS_KEPT_FOR
    )
    const count = makeCount(sql)
    const mostOf = (total: number) => Math.max(MIN_COMMON_ROWS, Math.ceil(total * COMMON_SHARE))

    /** Which words are asked for first. */
    const plan = Effect.fnUntraced(function*(terms: ReadonlyArray<Match>) {
      if (terms.length === 1) return everything(terms)
      const total = yield* rows
      const most = mostOf(total)
      if (total <= most) return everything(terms)
      const counted = yield* count(terms, most)
      const uncommon = counted.filter(({ documents }) => documents <= most)
      const telling = uncommon.length > 0 ? uncommon : yield* count(terms, total)
      const ranked = rarestFirst(telling, most * RANKED_ROWS_FACTOR)
      return { ranked, left: terms.filter((term) => !ranked.includes(term)) }
    })

    /** How many memories there are, and have each of the words: no more than one beyond what makes a word common. */
    const documents = Effect.fnUntraced(function*(terms: ReadonlyArray<Match>) {
      const total = yield* rows
      const most = mostOf(total)
      return { total, most, counted: yield* count(terms, most) }
    })

    return { plan, documents }
  })

const everything = (terms: ReadonlyArray<Match>): Plan => ({ ranked: terms, left: [] })

/** The rarest words that together stand in at most so many rows; the very rarest in any case, if any row has it. */
const rarestFirst = (counted: ReadonlyArray<Counted>, rows: number): ReadonlyArray<Match> => {
  let sum = 0
  return Array.from(counted).sort((a, b) => a.documents - b.documents)
    .filter(({ documents }) => {
      const first = sum === 0
      sum += documents
      return first || sum <= rows
    })
    .map(({ term }) => term)
}

/**
 * The rows that have each word, counted no further than one beyond `most`, and kept for a minute: an old count makes a plan
 * dearer or coarser, but hides nothing, because every uncommon word is ranked and the common ones are next in line.
 */
const makeCount = (sql: SqlClient.SqlClient) => {
  const kept = new Map<string, Kept>()

  const known = (term: Match, most: number, nowMillis: number): number | undefined => {
    const entry = kept.get(term)
    if (entry === undefined || entry.untilMillis <= nowMillis) return undefined
    const isExact = entry.documents <= entry.most
    return isExact || entry.most >= most ? entry.documents : undefined
  }

  const now = (terms: ReadonlyArray<Match>, most: number) =>
    sql`SELECT t.key AS "index", (
        SELECT count(*) FROM (SELECT 1 FROM memory_words WHERE memory_words MATCH t.value LIMIT ${most + 1})
      ) AS documents FROM json_each(${JSON.stringify(terms)}) t`.pipe(
      Effect.flatMap(decodeCounts),
      Effect.map((counts) => new Map(counts.map(({ documents, index }) => [terms[index], documents])))
    )

  return Effect.fnUntraced(function*(terms: ReadonlyArray<Match>, most: number) {
    const nowMillis = yield* Clock.currentTimeMillis
    const before = new Map(terms.map((term) => [term, known(term, most, nowMillis)]))
    const unknown = terms.filter((term) => before.get(term) === undefined)
    const fresh = unknown.length === 0 ? undefined : yield* now(unknown, most)
    if (kept.size > MAX_KEPT_COUNTS) kept.clear()
    return terms.map((term): Counted => {
      const documents = before.get(term) ?? fresh?.get(term) ?? 0
      if (before.get(term) === undefined) {
        kept.set(term, { documents, most, untilMillis: nowMillis + Duration.toMillis(COUNTS_KEPT_FOR) })
      }
      return { term, documents }
    })
  })
}

interface Kept {
  readonly documents: number
  /** Where the counting stopped. */
  readonly most: number
  readonly untilMillis: number
}
