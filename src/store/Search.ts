import * as SqlClient from "@effect/sql/SqlClient"
import type * as Statement from "@effect/sql/Statement"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Memory } from "../domain/Memory.js"
import * as Stamp from "../domain/Stamp.js"
import type { ReadFailed } from "./errors.js"
import { decodeRows, type Filter, fromRow, matching, readFailed } from "./MemoryReader.js"

export interface Query extends Filter {
  readonly text: string
  readonly limit: number
}

/** A memory that was found, and how well it fits. Scores of different queries do not compare. */
export interface Hit {
  readonly memory: Memory
  readonly score: number
}

/**
 * Finds memories by their words, in title, content and tags, without regard to case and diacritics. The score of a memory is
 *
 * | term | weight |
 * | --- | --- |
 * | bm25 of the words, positive | 1 |
 * | priority | 0.5 |
 * | access count, up to 50 | 0.1 |
 * | confidence | 2 |
 * | tier, in `recall` only: long 3, mid 1, short 0 | 1 |
 * | recency: 1 / (1 + 0.1 × days since the latest change) | 1 |
 *
 * It is worked out for the best memories by bm25 alone, a few times as many as are asked for. Words that stand in a large
 * part of all memories cost much and tell little: where rarer ones are given, those alone decide the bm25.
 */
export class Search extends Context.Tag("quorate/store/Search")<Search, {
  /** Memories that have all the words, best first. */
  readonly search: (query: Query) => Effect.Effect<ReadonlyArray<Hit>, ReadFailed>
  /** Memories that have any of the words, best first. */
  readonly recall: (query: Query) => Effect.Effect<ReadonlyArray<Hit>, ReadFailed>
}>() {}

/** How the words of a query are joined. */
export type Mode = "AND" | "OR"

/** The FTS5 query for words as a user wrote them. Each is quoted, so that nothing in it is an operator. */
export const ftsQuery = (text: string, mode: Mode): string => {
  const terms = termsOf(text)
  return terms.length === 0 ? "\"_empty_\"" : join(terms, mode)
}

/** Distinct words of a context that are looked at: the first ones. A search looks at all of its words. */
export const MAX_RECALL_TERMS = 128
/** A word is common when it stands in more than this share of the memories, and in more than so many. */
export const COMMON_SHARE = 0.05
export const MIN_COMMON_ROWS = 1000
/** The words that decide stand together in at most this many times as many rows as an uncommon one may. */
export const RANKED_ROWS_FACTOR = 4
/** Memories that are scored: so many, or so many times the limit. */
export const MIN_CANDIDATES = 100
export const CANDIDATES_PER_RESULT = 3

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const planner = yield* makePlanner(sql)
  const candidates = makeCandidates(sql)

  const byIds = (ids: ReadonlyArray<string>) =>
    sql`SELECT * FROM memories WHERE id IN (SELECT value FROM json_each(${JSON.stringify(ids)})) AND visible = 1`.pipe(
      Effect.flatMap(decodeRows)
    )

  /** The best candidates with their memories. One that was deleted in between is left out. */
  const hits = (found: ReadonlyArray<Candidate>, query: Query, score: Score) =>
    Effect.gen(function*() {
      const nowMillis = Stamp.toMillis(query.now)
      const best = found.map((candidate) => ({ ...candidate, score: score(candidate, nowMillis) })).sort(byScore)
        .slice(0, query.limit)
      if (best.length === 0) return []
      const rows = yield* byIds(best.map(({ id }) => id))
      const memories = new Map(rows.map((row) => [row.id, fromRow(row)]))
      return best.flatMap(({ id, score }): ReadonlyArray<Hit> => {
        const memory = memories.get(id)
        return memory === undefined ? [] : [{ memory, score }]
      })
    })

  return Search.of({
    search: Effect.fn("Search.search")(
      function*(query) {
        const terms = termsOf(query.text)
        if (terms.length === 0 || query.limit === 0) return []
        const { left, ranked } = yield* planner(distinct(terms))
        const all = join(terms, "AND")
        const found = yield* left.length === 0
          ? candidates({ query, ranked: all })
          : candidates({ query, ranked: join(ranked, "AND"), required: all })
        return yield* hits(found, query, searchScore)
      },
      readFailed
    ),
    recall: Effect.fn("Search.recall")(
      function*(query) {
        const terms = distinct(termsOf(query.text)).slice(0, MAX_RECALL_TERMS)
        if (terms.length === 0 || query.limit === 0) return []
        const { left, ranked } = yield* planner(terms)
        const found = yield* candidates({ query, ranked: join(ranked, "OR") })
        if (found.length > 0 || left.length === 0) return yield* hits(found, query, recallScore)
        // The uncommon words stand only in memories that the filter hides: then the common ones have to do.
        const common = yield* planner(left)
        return yield* hits(yield* candidates({ query, ranked: join(common.ranked, "OR") }), query, recallScore)
      },
      readFailed
    )
  })
})

export const layer: Layer.Layer<Search, never, SqlClient.SqlClient> = Layer.effect(Search, make)

/**
 * The words of a text, each quoted for FTS5. Code points that nobody sees are dropped, so are the characters that mean
 * something in a query and the names of its operators. A hyphen stays: FTS5 looks for the parts in a row.
 */
const termsOf = (text: string): ReadonlyArray<string> =>
  text.replace(INVISIBLE, "").split(/\s+/)
    .filter((token) => !OPERATOR.test(token))
    .map((token) => token.replace(SPECIAL, ""))
    .filter((token) => token !== "")
    .map((token) => `"${token}"`)

/** NUL and soft hyphen, joiners, marks and isolates of direction, word joiners, variation selectors, byte order mark. */
const INVISIBLE = new RegExp(
  "[\\0\\u00ad\\u034f\\u061c\\u180e\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u206f\\ufe00-\\ufe0f\\ufeff" +
    "\\u{e0001}-\\u{e007f}\\u{e0100}-\\u{e01ef}]",
  "gu"
)
const OPERATOR = /^(?:AND|OR|NOT|NEAR)$/i
const SPECIAL = /["*^{}():|+]/g

const join = (terms: ReadonlyArray<string>, mode: Mode): string => terms.join(mode === "AND" ? " " : " OR ")

/** Each word once, whatever its case. */
const distinct = (terms: ReadonlyArray<string>): ReadonlyArray<string> =>
  Array.from(new Map(terms.map((term) => [term.toLowerCase(), term])).values())

/** Which words decide the rank, and which are left aside because they stand in too many memories. */
interface Plan {
  readonly ranked: ReadonlyArray<string>
  readonly left: ReadonlyArray<string>
}

interface Counted {
  readonly term: string
  readonly documents: number
}

const Counts = Schema.Array(Schema.Struct({ index: Schema.Int, documents: Schema.Int }))
const decodeCounts = Schema.decodeUnknown(Counts)
const decodeTotal = Schema.decodeUnknown(Schema.Tuple(Schema.Struct({ rows: Schema.Int })))

const COUNTS_KEPT_FOR = Duration.minutes(1)
const MAX_KEPT_COUNTS = 10_000

/** Decides by how many memories have each word. Counting stops where a word is known to be common. */
const makePlanner = (sql: SqlClient.SqlClient) =>
  Effect.gen(function*() {
    const rows = yield* Effect.cachedWithTTL(
      sql`SELECT count(*) AS rows FROM memories`.pipe(Effect.flatMap(decodeTotal), Effect.map(([total]) => total.rows)),
      COUNTS_KEPT_FOR
    )
    const count = makeCount(sql)

    return Effect.fnUntraced(function*(terms: ReadonlyArray<string>) {
      if (terms.length === 1) return everything(terms)
      const total = yield* rows
      const most = Math.max(MIN_COMMON_ROWS, Math.ceil(total * COMMON_SHARE))
      if (total <= most) return everything(terms)
      const counted = yield* count(terms, most)
      const uncommon = counted.filter(({ documents }) => documents <= most)
      const telling = uncommon.length > 0 ? uncommon : yield* count(terms, total)
      const ranked = rarestFirst(telling, most * RANKED_ROWS_FACTOR)
      return { ranked, left: terms.filter((term) => !ranked.includes(term)) }
    })
  })

const everything = (terms: ReadonlyArray<string>): Plan => ({ ranked: terms, left: [] })

/** The rarest words that together stand in at most so many rows; the very rarest in any case, if any row has it. */
const rarestFirst = (counted: ReadonlyArray<Counted>, rows: number): ReadonlyArray<string> => {
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
 * The rows that have each word, counted no further than one beyond `most`. The counts of words in many rows are kept for a
 * minute, because they cost most and change slowly; the others are counted anew each time.
 */
const makeCount = (sql: SqlClient.SqlClient) => {
  const kept = new Map<string, Kept>()

  const known = (term: string, most: number, nowMillis: number): number | undefined => {
    const entry = kept.get(term)
    if (entry === undefined || entry.untilMillis <= nowMillis) return undefined
    const isExact = entry.documents <= entry.most
    return isExact || entry.most >= most ? entry.documents : undefined
  }

  const now = (terms: ReadonlyArray<string>, most: number) =>
    sql`SELECT t.key AS "index", (
        SELECT count(*) FROM (SELECT 1 FROM memories_fts WHERE memories_fts MATCH t.value LIMIT ${most + 1})
      ) AS documents FROM json_each(${JSON.stringify(terms)}) t`.pipe(
      Effect.flatMap(decodeCounts),
      Effect.map((counts) => new Map(counts.map(({ documents, index }) => [terms[index], documents])))
    )

  return Effect.fnUntraced(function*(terms: ReadonlyArray<string>, most: number) {
    const nowMillis = yield* Clock.currentTimeMillis
    const before = new Map(terms.map((term) => [term, known(term, most, nowMillis)]))
    const unknown = terms.filter((term) => before.get(term) === undefined)
    const fresh = unknown.length === 0 ? undefined : yield* now(unknown, most)
    if (kept.size > MAX_KEPT_COUNTS) kept.clear()
    return terms.map((term): Counted => {
      const documents = before.get(term) ?? fresh?.get(term) ?? 0
      if (documents > MIN_COMMON_ROWS && before.get(term) === undefined) {
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

/** What the score of a memory depends on. */
const Candidate = Schema.Struct({
  id: Schema.String,
  tier: Memory.fields.tier,
  priority: Schema.Int,
  confidence: Schema.Number,
  access_count: Schema.Int,
  updated_at: Stamp.Stamp,
  /** As FTS5 gives it: negative, smaller is better. */
  bm25: Schema.Number
})
type Candidate = typeof Candidate.Type

const decodeCandidates = Schema.decodeUnknown(Schema.Array(Candidate))
const decodePool = Schema.decodeUnknown(Schema.Array(Schema.Struct({ ...Candidate.fields, matches: Schema.Int })))

interface CandidateQuery {
  readonly query: Query
  /** The FTS5 query that decides the rank. */
  readonly ranked: string
  /** One that must match as well. */
  readonly required?: string
}

/**
 * The best rows by bm25 that the filter lets through. Without a filter worth the name nearly all pass, so the best are taken
 * first and looked up then, which is cheaper; when too few of those pass, rows are looked up in the order of their rank until
 * there are enough.
 */
const makeCandidates = (sql: SqlClient.SqlClient) => {
  const columns = sql.literal("m.id, m.tier, m.priority, m.confidence, m.access_count, m.updated_at")

  const best = ({ query, ranked }: CandidateQuery, most: number) =>
    sql`SELECT ${columns}, f.bm25, (${matching(sql, query)}) IS TRUE AS matches
      FROM (
        SELECT rowid AS rid, bm25(memories_fts) AS bm25 FROM memories_fts WHERE memories_fts MATCH ${ranked}
        ORDER BY bm25 LIMIT ${most}
      ) f CROSS JOIN memories m ON m.rid = f.rid`.pipe(Effect.flatMap(decodePool))

  const inOrder = ({ query, ranked, required }: CandidateQuery, most: number) => {
    const conditions: Array<Statement.Fragment> = [sql`memories_fts MATCH ${ranked}`, matching(sql, query)]
    if (required !== undefined) {
      conditions.push(sql`+m.rid IN (SELECT rowid FROM memories_fts WHERE memories_fts MATCH ${required})`)
    }
    return sql`SELECT ${columns}, f.rank AS bm25 FROM memories_fts f CROSS JOIN memories m ON m.rid = f.rowid
      WHERE ${sql.and(conditions)} ORDER BY f.rank LIMIT ${most}`.pipe(Effect.flatMap(decodeCandidates))
  }

  return Effect.fnUntraced(function*(options: CandidateQuery) {
    const most = Math.max(MIN_CANDIDATES, options.query.limit * CANDIDATES_PER_RESULT)
    if (options.required === undefined && !isSelective(options.query)) {
      const pool = yield* best(options, most)
      const found = pool.filter(({ matches }) => matches === 1)
      if (pool.length < most || found.length >= most / 2) return found
    }
    return yield* inOrder(options, most)
  })
}

/** Whether the filter may hide much more than what has expired. */
const isSelective = (filter: Filter): boolean => {
  const { agentId, asAgent, minPriority, namespace, since, tag, tier, until } = filter
  return [agentId, asAgent, minPriority, namespace, since, tag, tier, until].some((value) => value !== undefined)
}

type Score = (candidate: Candidate, nowMillis: number) => number

const DAY_MILLIS = Duration.toMillis(Duration.days(1))
const MAX_SCORED_ACCESSES = 50
const tierScores = { long: 3, mid: 1, short: 0 }

const searchScore: Score = (candidate, nowMillis) => {
  const days = Math.max(0, nowMillis - Stamp.toMillis(candidate.updated_at)) / DAY_MILLIS
  return -candidate.bm25 +
    0.5 * candidate.priority +
    0.1 * Math.min(candidate.access_count, MAX_SCORED_ACCESSES) +
    2 * candidate.confidence +
    1 / (1 + 0.1 * days)
}

const recallScore: Score = (candidate, nowMillis) => searchScore(candidate, nowMillis) + tierScores[candidate.tier]

type Scored = Candidate & { readonly score: number }

/** Of equals the one changed last comes first. */
const byScore = (a: Scored, b: Scored): number =>
  b.score - a.score || (a.updated_at === b.updated_at ? (a.id < b.id ? -1 : 1) : a.updated_at < b.updated_at ? 1 : -1)
