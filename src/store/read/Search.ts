import * as SqlClient from "@effect/sql/SqlClient"
import type * as Statement from "@effect/sql/Statement"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { Memory } from "../../domain/Memory.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { ReadFailed } from "../errors.js"
import { type Bounded, boundedBy, boundedSql, NOTHING, rowBytes } from "./Bounded.js"
import { type Filter, fromRow, matching, readFailed, Row } from "./MemoryReader.js"

interface Query extends Filter {
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
  readonly search: (query: Query) => Effect.Effect<Bounded<Hit>, ReadFailed>
  /**
   * Memories that have any of the words, best first. A namespace of several levels stands for those above it as well: what
   * is there counts for less, the farther up it is. The score is divided by 1 + 0.3 × the levels between.
   */
  readonly recall: (query: Query) => Effect.Effect<ReadonlyArray<Hit>, ReadFailed>
  /**
   * The ids of other memories of its namespace with a word of its title in theirs, that were there when it was made, the
   * newest first and at most `limit`. Only some of the newest memories with such a word are looked at: this is a hint, and
   * is asked for with every memory that is stored.
   */
  readonly alike: (memory: Memory, limit: number) => Effect.Effect<ReadonlyArray<string>, ReadFailed>
}>() {}

/** How the words of a query are joined. */
type Mode = "AND" | "OR"

/** The FTS5 query for words as a user wrote them. Each is quoted, so that nothing in it is an operator. */
export const ftsQuery = (text: string, mode: Mode): string => {
  const terms = termsOf(text)
  return terms.length === 0 ? "\"_empty_\"" : join(terms, mode)
}

/** Whether there is anything in a text that could be looked for. */
export const hasWords = (text: string): boolean => termsOf(text).length > 0

/** Distinct words of a context that are looked at: the first ones. A search looks at all of its words. */
const MAX_RECALL_TERMS = 128
/** A word is common when it stands in more than this share of the memories, and in more than so many. */
const COMMON_SHARE = 0.05
export const MIN_COMMON_ROWS = 1000
/** The words that decide stand together in at most this many times as many rows as an uncommon one may. */
export const RANKED_ROWS_FACTOR = 4
/** Memories that are scored: so many, or so many times the limit. */
export const MIN_CANDIDATES = 100
const CANDIDATES_PER_RESULT = 3
/** Memories that are looked at for those alike, and words of a title. */
const MAX_ALIKE_CANDIDATES = 32
const MAX_ALIKE_TERMS = 16

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const plan = yield* makePlan(sql)
  const best = makeBest(sql)
  const alike = makeAlike(sql)

  return Search.of({
    alike: (memory, limit) => alike(memory, limit).pipe(readFailed, hotSpan("Search.alike")),
    search: (query) =>
      Effect.gen(function*() {
        const terms = termsOf(query.text)
        if (terms.length === 0 || query.limit === 0) return NOTHING
        const { left, ranked } = yield* plan(terms)
        const all = join(terms, "AND")
        return yield* left.length === 0
          ? best({ query, ranked: all, score: scores.search })
          : best({ query, ranked: join(ranked, "AND"), required: all, score: scores.search })
      }).pipe(readFailed, hotSpan("Search.search")),
    recall: (query) =>
      Effect.gen(function*() {
        const terms = termsOf(query.text).slice(0, MAX_RECALL_TERMS)
        if (terms.length === 0 || query.limit === 0) return []
        const { left, ranked } = yield* plan(terms)
        const score = scores.recall
        const { rows: hits } = yield* best({ query, ranked: join(ranked, "OR"), score, withAbove: true })
        if (hits.length > 0 || left.length === 0) return hits
        // The uncommon words stand only in memories that the filter hides: then the common ones have to do.
        const common = yield* plan(left)
        return (yield* best({ query, ranked: join(common.ranked, "OR"), score, withAbove: true })).rows
      }).pipe(readFailed, hotSpan("Search.recall"))
  })
})

export const layer: Layer.Layer<Search, never, SqlClient.SqlClient> = Layer.effect(Search, make)

/**
 * The words of a text, each once, quoted for FTS5: what is said twice is looked for as often, in time that grows with the product. Code points that nobody sees are dropped, so are the characters that mean
 * something in a query and the names of its operators. A hyphen stays: FTS5 looks for the parts in a row.
 */
const termsOf = (text: string): ReadonlyArray<string> =>
  distinct(
    text.replace(INVISIBLE, "").split(/\s+/)
      .filter((token) => !OPERATOR.test(token))
      .map((token) => token.replace(SPECIAL, ""))
      .filter((token) => token !== "")
      .map((token) => `"${PARTS.exec(token)?.[0] ?? token}"`)
  )

/** Of a word that hangs together by hyphens and the like so many parts are looked for: each costs as much as the first. */
const MAX_PARTS = 32
const PARTS = new RegExp(`^[^\\p{L}\\p{N}]*(?:[\\p{L}\\p{N}]+[^\\p{L}\\p{N}]+){${MAX_PARTS - 1}}[\\p{L}\\p{N}]+`, "u")

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
const makePlan = (sql: SqlClient.SqlClient) =>
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
 * The rows that have each word, counted no further than one beyond `most`, and kept for a minute: an old count makes a plan
 * dearer or coarser, but hides nothing, because every uncommon word is ranked and the common ones are next in line.
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

const decodeHits = Schema.decodeUnknown(
  Schema.Array(Schema.Struct({ ...Row.fields, score: Schema.Number, page_rows: Schema.Int }))
)

interface Ranking {
  readonly query: Query
  /** The FTS5 query that decides the bm25. */
  readonly ranked: string
  /** One that must match as well. */
  readonly required?: string
  readonly score: string
  /** What stands in a namespace above counts as well. */
  readonly withAbove?: boolean
}

/** Scores the best candidates by bm25 and gives the best of those. */
const makeBest = (sql: SqlClient.SqlClient) => {
  const scored = (ranking: Ranking, candidates: Statement.Fragment) =>
    sql`SELECT m.*, s.score, s.page_rows FROM (
        ${boundedSql(sql, ranked(ranking, candidates), "score DESC, updated_at DESC, id")}
      ) s CROSS JOIN memories m ON m.rid = s.rid ORDER BY s.score DESC, s.updated_at DESC, s.id`.pipe(
      Effect.flatMap(decodeHits),
      Effect.map(boundedBy((row): Hit => ({ memory: fromRow(row), score: row.score })))
    )

  const ranked = ({ query, score, withAbove }: Ranking, candidates: Statement.Fragment) =>
    sql`SELECT c.rid, (${
      sql.literal(score)
    } + 1 / (1 + 0.1 * max(0, julianday(${query.now}) - julianday(m.updated_at)))) / ${
      farness(sql, query, withAbove)
    } AS score,
          m.updated_at, m.id, ${sql.literal(rowBytes)} AS bytes
        FROM (${candidates}) c CROSS JOIN memories m ON m.rid = c.rid
        WHERE ${passing(sql, query, withAbove)} ORDER BY score DESC, m.updated_at DESC, m.id LIMIT ${query.limit}`

  return Effect.fnUntraced(function*(ranking: Ranking) {
    const most = Math.max(MIN_CANDIDATES, ranking.query.limit * CANDIDATES_PER_RESULT)
    if (ranking.required === undefined && !isSelective(ranking.query)) {
      // Without a filter worth the name nearly all pass it: the best are taken first and looked up then, which is cheaper.
      const hits = yield* scored(ranking, firstBest(sql, ranking.ranked, most))
      if (hits.truncated || hits.rows.length === ranking.query.limit) return hits
    }
    return yield* scored(ranking, firstPassing(sql, ranking, most))
  })
}

/** The best rows by bm25, whether the filter lets them through or not. */
const firstBest = (sql: SqlClient.SqlClient, ranked: string, most: number) =>
  sql`SELECT rowid AS rid, bm25(memories_fts) AS bm25 FROM memories_fts WHERE memories_fts MATCH ${ranked}
    ORDER BY bm25 LIMIT ${most}`

/** The best rows by bm25 that the filter lets through, looked up in the order of their rank until there are enough. */
const firstPassing = (sql: SqlClient.SqlClient, { query, ranked, required, withAbove }: Ranking, most: number) => {
  const conditions: Array<Statement.Fragment> = [sql`memories_fts MATCH ${ranked}`, passing(sql, query, withAbove)]
  if (required !== undefined) {
    conditions.push(sql`+m.rid IN (SELECT rowid FROM memories_fts WHERE memories_fts MATCH ${required})`)
  }
  return sql`SELECT f.rowid AS rid, f.rank AS bm25 FROM memories_fts f CROSS JOIN memories m ON m.rid = f.rowid
    WHERE ${sql.and(conditions)} ORDER BY f.rank LIMIT ${most}`
}

/** The condition of the query: with what is above, any of the namespaces from its own up to the first level. */
const passing = (sql: SqlClient.SqlClient, query: Query, withAbove = false): Statement.Fragment => {
  const { namespace, ...filter } = query
  if (!withAbove || namespace === undefined) return matching(sql, query)
  return sql`${matching(sql, filter)} AND ${sql.in("m.namespace", upFrom(namespace))}`
}

/** By how much a memory counts for less: it stands so many levels above the namespace that was asked for. */
const farness = (sql: SqlClient.SqlClient, { namespace }: Query, withAbove = false): Statement.Fragment =>
  withAbove && namespace !== undefined
    ? sql`(1 + 0.3 * (${slashesOf(namespace)} - length(m.namespace) + length(replace(m.namespace, '/', ''))))`
    : sql`1`

const slashesOf = (namespace: string): number => namespace.split("/").length - 1

/** A namespace and those above it. */
const upFrom = (namespace: string): ReadonlyArray<string> => {
  const levels = namespace.split("/")
  return levels.map((_, index) => levels.slice(0, levels.length - index).join("/"))
}

const decodeIds = Schema.decodeUnknown(Schema.Array(Schema.Struct({ id: Schema.String })))

const makeAlike = (sql: SqlClient.SqlClient) => ({ created_at, id, namespace, title }: Memory, limit: number) => {
  const terms = termsOf(title).slice(0, MAX_ALIKE_TERMS)
  if (terms.length === 0) return Effect.succeed([])
  return sql`SELECT m.id FROM (
      SELECT rowid AS rid FROM memories_fts WHERE memories_fts MATCH ${`{title} : (${join(terms, "OR")})`}
      ORDER BY rowid DESC LIMIT ${MAX_ALIKE_CANDIDATES}
    ) f CROSS JOIN memories m ON m.rid = f.rid
    WHERE m.visible = 1 AND m.namespace = ${namespace} AND m.id <> ${id} AND m.created_at <= ${created_at}
    LIMIT ${limit}`.pipe(Effect.flatMap(decodeIds), Effect.map((rows) => rows.map((row) => row.id)))
}

/** Whether the filter may hide much more than what has expired. */
const isSelective = (filter: Filter): boolean => {
  const { agentId, asAgent, minPriority, namespace, since, tag, tier, until } = filter
  return [agentId, asAgent, minPriority, namespace, since, tag, tier, until].some((value) => value !== undefined)
}

const searchScore = "-c.bm25 + 0.5 * m.priority + 0.1 * min(m.access_count, 50) + 2 * m.confidence"

/** The score but for its recency. FTS5's bm25 is negative, and the smaller the better. */
const scores = {
  search: searchScore,
  recall: `${searchScore} + CASE m.tier WHEN 'long' THEN 3 WHEN 'mid' THEN 1 ELSE 0 END`
}
