import * as SqlClient from "@effect/sql/SqlClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Analyzer from "../../domain/analysis/Analyzer.js"
import { MAX_PAGE_BYTES } from "../../domain/limits.js"
import type { Memory } from "../../domain/Memory.js"
import * as Stamp from "../../domain/Stamp.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { ReadFailed } from "../errors.js"
import type { MemoryStore } from "../MemoryStore.js"
import { allOf, anyOf, type Asking, makeAsking, type Match } from "./asking.js"
import { type Bounded, boundedBy, boundedSql, NOTHING, rowBytes } from "./Bounded.js"
import { firstBest, firstPassing, isNarrow, isSelective, passing, type Wanted } from "./candidates.js"
import { type Filter, fromRow, readFailed, Row } from "./MemoryReader.js"
import * as planning from "./planning.js"
import * as spelling from "./spelling.js"

interface Query extends Filter {
  readonly text: string
  readonly limit: number
}

/** A memory that was found, and how well it fits. Scores of different queries do not compare. */
export interface Hit {
  readonly memory: Memory
  readonly score: number
}

/** One that a search found: it has all that was asked for, or some of it. */
export interface Found extends Hit {
  readonly matched: "all" | "some"
}

interface Indexing {
  readonly left: number
  readonly total: number
}

/** A memory that has some word of a query, and how well by its words alone. */
interface Candidate {
  /** The number of its row: no other row has it in this run of the node. */
  readonly rid: number
  readonly id: string
  /** bm25, positive: the greater the better. Title and tags count more than dates, and these more than the content. */
  readonly keyword: number
}

/** What the words of a query come to. */
interface Candidates {
  /** Best first. */
  readonly rows: ReadonlyArray<Candidate>
  /**
   * The words that were asked for, folded, without stop words where there are others; and how many memories have each, counted
   * no further than one beyond `common`: so many and no more have a word that tells something.
   */
  readonly terms: ReadonlyArray<{ readonly term: string; readonly documents: number }>
  readonly common: number
  /** Memories that there are, as of a minute ago at most. */
  readonly total: number
  /** The query as it was cut into words and times. */
  readonly question: Analyzer.Asked
}

/**
 * Finds memories by their words, in title, content and tags, without regard to case, marks and endings, and candidates by their
 * dates as well. The score of a memory in a search is
 *
 * | term | weight |
 * | --- | --- |
 * | bm25 of the words, positive | 1 |
 * | priority | 0.5 |
 * | access count, up to 50 | 0.1 |
 * | confidence | 2 |
 * | recency: 1 / (1 + 0.1 × days since the latest change) | 1 |
 *
 * It is worked out for the best memories by bm25 alone, a few times as many as are asked for. Words that stand in a large
 * part of all memories cost much and tell little: where rarer ones are given, those alone decide the bm25.
 */
export class Search extends Context.Tag("quorate/store/Search")<Search, {
  /**
   * Memories that have all the words, best first. Where these are fewer than the limit, those that have most of them follow: a
   * word counts the more the fewer memories have it. Their score is half of the share they have, below that of any before.
   */
  readonly search: (query: Query) => Effect.Effect<Bounded<Found>, ReadFailed>
  /** Rows that are in the index of before and not in that of words yet, of so many; 0 but for a while after an upgrade. */
  readonly indexing: Effect.Effect<Indexing, ReadFailed>
  /**
   * Memories that have any of the words, or are of a time that is named, best first and at most `limit`. A namespace of several
   * levels stands for those above it as well, and a word that no memory has for those that it was perhaps meant to be.
   */
  readonly candidates: (query: Query) => Effect.Effect<Candidates, ReadFailed>
}>() {}

/** Distinct words of a context that are looked at: the first ones. A search wants all of its words. */
const MAX_RECALL_TERMS = 128
/** Words of a search by which rows are ranked: the bm25 of a row takes as long as it has of them, times as many as they are. */
const MAX_RANKED = 64
/** Memories that are scored: so many, or so many times the limit. */
export const MIN_CANDIDATES = 100
const CANDIDATES_PER_RESULT = 3
const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const { documents, plan } = yield* planning.make(sql)
  const asking = yield* makeAsking(sql)
  const turns = makeTurns(asking, plan, spelling.make(sql, documents))
  const best = makeBest(sql)
  const some = makeSome(sql, documents)
  const scored = makeCandidates(sql)

  return Search.of({
    indexing: sql`SELECT unread AS "left", total FROM reindexing`.pipe(
      Effect.flatMap(decodeIndexing),
      Effect.map(([indexing]) => indexing),
      readFailed
    ),
    search: (query) =>
      Effect.gen(function*() {
        const asked = yield* asking(questionOf(query))
        const { wholes } = asked
        if (wholes.length === 0 || query.limit === 0) return NOTHING
        const ranked = (yield* plan(wholes)).ranked.slice(0, MAX_RANKED)
        const found = yield* best(query, {
          filter: query,
          ranked: allOf(ranked),
          required: ranked.length === wholes.length ? undefined : allOf(wholes),
          before: beforeOf(asked, "all")
        })
        return yield* some(query, asked, found)
      }).pipe(readFailed, hotSpan("Search.search")),
    candidates: (query) =>
      Effect.gen(function*() {
        const { asked: { question, words }, first, then } = yield* turns(query)
        const found = first === null ? [] : yield* scored(query, first)
        const second = first === null || found.length > 0 ? null : yield* then
        const { counted, most, total } = yield* documents(words.map(({ match }) => match))
        return {
          rows: second === null ? found : yield* scored(query, second),
          terms: counted.map(({ documents }, index) => ({ term: words[index]?.text ?? "", documents })),
          common: most,
          total,
          question
        }
      }).pipe(readFailed, hotSpan("Search.candidates"))
  })
})

export const layer: Layer.Layer<Search, never, SqlClient.SqlClient | MemoryStore> = Layer.effect(Search, make)

const questionOf = ({ namespace, now, text }: Query) => ({ text, namespace, nowMillis: Stamp.toMillis(now) })

/** What a recall looks for first, and when that finds nothing: the uncommon words may stand in hidden memories alone. */
const makeTurns = (
  asking: Effect.Effect.Success<ReturnType<typeof makeAsking>>,
  plan: Effect.Effect.Success<ReturnType<typeof planning.make>>["plan"],
  meant: ReturnType<typeof spelling.make>
) => {
  return (query: Query) =>
    Effect.gen(function*() {
      const asked = yield* asking(questionOf(query))
      const words = [...wordsOf(asked), ...(yield* meant(asked.words))]
      if (words.length + asked.dates.length === 0 || query.limit === 0) {
        return { asked, first: null, then: Effect.succeed(null) }
      }
      const { left, ranked } = words.length === 0 ? { left: [], ranked: [] } : yield* plan(words)
      // A time is asked for however many memories are of it: it is what the question is about.
      const wanted = (ranked: ReadonlyArray<Match>): Wanted => ({
        filter: query,
        ranked: anyOf([...ranked, ...asked.dates]),
        before: beforeOf(asked, "any"),
        withAbove: true
      })
      const then = left.length === 0 ? Effect.succeed(null) : Effect.map(plan(left), ({ ranked }) => wanted(ranked))
      return { asked, first: wanted(ranked), then }
    })
}

/** Words count by themselves, and more where they stand as they were asked for. */
const wordsOf = ({ rows, words }: Asking): ReadonlyArray<Match> => [
  ...words.slice(0, MAX_RECALL_TERMS).map(({ match }) => match),
  ...(words.length > MAX_RECALL_TERMS ? [] : rows)
]

const beforeOf = ({ before, index: { unread } }: Asking, mode: "any" | "all"): Wanted["before"] =>
  unread === 0 || before === null ? undefined : { match: before[mode], unread }

const Ranked = Schema.Struct({ ...Row.fields, score: Schema.Number, page_rows: Schema.Int })
const decodeHits = Schema.decodeUnknown(Schema.Array(Ranked))

/** Scores the best candidates by bm25 and gives the best of those. */
const makeBest = (sql: SqlClient.SqlClient) => {
  const scored = (query: Query, wanted: Wanted, candidates: ReturnType<typeof firstBest>) => {
    const page = sql`SELECT c.rid, ${
      sql.literal(SCORE)
    } + 1 / (1 + 0.1 * max(0, julianday(${query.now}) - julianday(m.updated_at))) AS score,
          m.updated_at, m.id, ${sql.literal(rowBytes)} AS bytes
        FROM (${candidates}) c CROSS JOIN memories m ON m.rid = c.rid
        WHERE ${passing(sql, wanted)} ORDER BY score DESC, m.updated_at DESC, m.id LIMIT ${query.limit}`
    return sql`SELECT m.*, s.score, s.page_rows FROM (
        ${boundedSql(sql, page, "score DESC, updated_at DESC, id")}
      ) s CROSS JOIN memories m ON m.rid = s.rid ORDER BY s.score DESC, s.updated_at DESC, s.id`.pipe(
      Effect.flatMap(decodeHits),
      Effect.map(boundedBy((row): Hit => ({ memory: fromRow(row), score: row.score })))
    )
  }

  return Effect.fnUntraced(function*(query: Query, wanted: Wanted) {
    const most = Math.max(MIN_CANDIDATES, query.limit * CANDIDATES_PER_RESULT)
    if (wanted.required === undefined && !isSelective(query)) {
      // Without a filter worth the name nearly all pass it: the best are taken first and looked up then, which is cheaper.
      const hits = yield* scored(query, wanted, firstBest(sql, wanted, most))
      if (hits.truncated || hits.rows.length === query.limit) return hits
    }
    return yield* scored(query, wanted, firstPassing(sql, wanted, most, yield* isNarrow(sql, wanted)))
  })
}

const decodeCandidates = Schema.decodeUnknown(Schema.Array(Schema.Struct({
  rid: Schema.Int,
  id: Schema.String,
  keyword: Schema.Number
})))

const makeCandidates = (sql: SqlClient.SqlClient) => (query: Query, wanted: Wanted) => {
  const passingOf = (candidates: ReturnType<typeof firstBest>) =>
    sql`SELECT c.rid, m.id, -c.bm25 AS keyword
      FROM (${candidates}) c CROSS JOIN memories m ON m.rid = c.rid
      WHERE ${passing(sql, wanted)} ORDER BY c.bm25, c.rid DESC LIMIT ${query.limit}`.pipe(
      Effect.flatMap(decodeCandidates)
    )
  const all = Effect.flatMap(
    isNarrow(sql, wanted),
    (narrow) => passingOf(firstPassing(sql, wanted, query.limit, narrow))
  )
  if (isSelective(query)) return all
  return Effect.flatMap(
    passingOf(firstBest(sql, wanted, query.limit)),
    (found) => found.length * 2 > query.limit ? Effect.succeed(found) : all
  )
}

/** Words by which a search that found too few is filled: the rarest. */
const MAX_SOME_TERMS = 16

const Some = Schema.Struct({ ...Ranked.fields, weight: Schema.Number })
const decodeSome = Schema.decodeUnknown(Schema.Array(Some))

/** Fills a page of a search with memories that have some of the words. */
const makeSome = (
  sql: SqlClient.SqlClient,
  documents: Effect.Effect.Success<ReturnType<typeof planning.make>>["documents"]
) => {
  const select = (query: Query, words: ReadonlyArray<Weighed>, found: ReadonlyArray<Hit>) => {
    const weights = sql`SELECT w.rowid AS rid, sum(t.value ->> 'weight') AS weight
      FROM json_each(${JSON.stringify(words)}) t CROSS JOIN memory_words w
      WHERE w.memory_words MATCH (t.value ->> 'match') GROUP BY w.rowid`
    const page = sql`SELECT c.rid, c.weight, m.updated_at, m.id, ${sql.literal(rowBytes)} AS bytes
      FROM (${weights}) c CROSS JOIN memories m ON m.rid = c.rid
      WHERE ${passing(sql, { filter: query })}
        AND m.id NOT IN (SELECT value FROM json_each(${JSON.stringify(found.map(({ memory }) => memory.id))}))
      ORDER BY c.weight DESC, m.updated_at DESC, m.id LIMIT ${query.limit - found.length}`
    const bytes = found.reduce((sum, { memory }) => sum + bytesOf(memory), 0)
    return sql`SELECT m.*, s.weight, s.weight AS score, s.page_rows FROM (
        ${boundedSql(sql, page, "weight DESC, updated_at DESC, id", Math.max(0, MAX_PAGE_BYTES - bytes))}
      ) s CROSS JOIN memories m ON m.rid = s.rid ORDER BY s.weight DESC, s.updated_at DESC, s.id`.pipe(
      Effect.flatMap(decodeSome)
    )
  }

  return Effect.fnUntraced(function*(query: Query, { words }: Asking, { rows, truncated }: Bounded<Hit>) {
    const all = rows.map((hit): Found => ({ ...hit, matched: "all" }))
    if (truncated || rows.length === query.limit || words.length < 2) return { rows: all, truncated }
    const { counted, most, total } = yield* documents(words.map(({ match }) => match))
    const telling = weighed(counted, most, total)
    if (telling.length === 0) return { rows: all, truncated }
    const full = telling.reduce((sum, { weight }) => sum + weight, 0)
    const filled = boundedBy((row: typeof Some.Type): Found => ({
      memory: fromRow(row),
      score: row.weight / full / 2,
      matched: "some"
    }))(yield* select(query, telling, rows))
    return { rows: [...all, ...filled.rows], truncated: filled.truncated }
  })
}

interface Weighed {
  readonly match: Match
  readonly weight: number
}

/** The rarest words that any memory has, and that not too many have. */
const weighed = (
  counted: ReadonlyArray<{ readonly term: Match; readonly documents: number }>,
  most: number,
  total: number
): ReadonlyArray<Weighed> =>
  counted.filter(({ documents }) => documents > 0 && documents <= most)
    .sort((a, b) => a.documents - b.documents)
    .slice(0, MAX_SOME_TERMS)
    .map(({ documents, term }) => ({ match: term, weight: Math.log(1 + Math.max(total, documents) / documents) }))

const bytesOf = ({ content, metadata }: Memory): number =>
  Buffer.byteLength(content) + Buffer.byteLength(JSON.stringify(metadata ?? {})) + 512

const decodeIndexing = Schema.decodeUnknown(Schema.Tuple(Schema.Struct({ left: Schema.Int, total: Schema.Int })))

/** The score but for its recency. FTS5's bm25 is negative, and the smaller the better. */
const SCORE = "-c.bm25 + 0.5 * m.priority + 0.1 * min(m.access_count, 50) + 2 * m.confidence"
