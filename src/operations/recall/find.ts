import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Analyzer from "../../domain/analysis/Analyzer.js"
import { type Beside, type Candidate, rank, type Ranked, type Weights } from "../../domain/recall/rank.js"
import * as Stamp from "../../domain/Stamp.js"
import { Embedder, EmbeddingFailed, type Model } from "../../embedding/Embedder.js"
import type { Filter } from "../../store/read/MemoryReader.js"
import { type Feature, RecallReader } from "../../store/read/RecallReader.js"
import { Search } from "../../store/read/Search.js"
import { VectorStore } from "../../store/vectors/VectorStore.js"
import type { ReadFailed } from "../errors.js"
import { namespacesFrom } from "./namespacesFrom.js"
import { unit } from "./unit.js"

/** What is looked for, checked. */
interface Question extends Filter {
  readonly text: string
  readonly limit: number
  readonly weights: Weights
}

/** What was found by words and by meaning, in one order. */
export interface Found {
  readonly ranked: ReadonlyArray<Ranked>
  /** The words of the question that count. */
  readonly asked: ReadonlyArray<Analyzer.Term>
  /** In how many memories each of them stands, by its text, and how many there are. */
  readonly documents: ReadonlyMap<string, number>
  readonly memories: number
  /** The question as a vector; none without an embedder, or while that does not answer. */
  readonly vector: Option.Option<Float32Array>
  /** Why there is no vector although there is an embedder. */
  readonly failure: Option.Option<EmbeddingFailed>
}

export type FindServices = Search | RecallReader | VectorStore | Embedder

/** Memories that are looked at by each of the two ways, so many at least. */
const LEAST_CANDIDATES = 100
const CANDIDATES_PER_RESULT = 4
/** The best of them, whose surroundings are looked at. */
const SURROUNDED = 20
const STEPS = 4
/** Without a session, what is that near in time is only looked at so far. */
const STEPS_WITHOUT_SESSION = 2
/** Within so much time memories of a namespace are about one thing, if it is not one session. */
const BESIDE_MILLIS = Duration.toMillis(Duration.minutes(30))
/** A filter that lets through at most so many rows is asked before the vectors, and not after. */
const MOST_PASSING = 20_000
/** For the vector of a question. */
const BUDGET = Duration.millis(150)

export const find = (question: Question): Effect.Effect<Found, ReadFailed, FindServices> =>
  Effect.gen(function*() {
    const { limit, text, weights, ...filter } = question
    const reader = yield* RecallReader
    const most = Math.max(LEAST_CANDIDATES, limit * CANDIDATES_PER_RESULT)
    const namespaces = filter.namespace === undefined ? undefined : namespacesFrom(filter.namespace)
    const search = yield* Search
    const byWords = yield* search.candidates({ ...filter, text, limit: most })
    const { dates, runs } = byWords.question
    const meaning = yield* asked(text)
    const words = new Map(byWords.rows.map(({ keyword, rid }) => [rid, keyword]))
    const near = yield* byMeaning(meaning.space, { filter, namespaces, most, besides: Array.from(words.keys()) })
    const rids = Array.from(new Set([...words.keys(), ...near.keys()]))
    const seen = yield* reader.features(rids, filter, namespaces)

    const nowMillis = Stamp.toMillis(filter.now)
    const levels = filter.namespace === undefined ? undefined : levelsOf(filter.namespace)
    const candidatesOf = Effect.fnUntraced(
      function*(features: ReadonlyArray<Feature>, cosines: ReadonlyMap<number, number>) {
        const times = dates.length === 0 ? null : yield* reader.times(dates, features.map(({ rid }) => rid))
        return features.map((feature) =>
          candidateOf(feature, {
            nowMillis,
            levels,
            keyword: words.get(feature.rid) ?? 0,
            cosine: cosines.get(feature.rid) ?? null,
            time: times === null ? null : times.get(feature.rid) ?? 0
          })
        )
      }
    )
    const first = yield* candidatesOf(seen, near)
    const foundBy = (ranked: ReadonlyArray<Ranked>): Found => ({
      ranked,
      asked: runs.flatMap(({ isTime, terms }) => isTime ? [] : terms.filter(({ isStop }) => !isStop)),
      documents: new Map(byWords.terms.map(({ documents, term }) => [term, documents])),
      memories: byWords.total,
      vector: Option.map(meaning.space, ({ vector }) => vector),
      failure: meaning.failure
    })
    if (weights.context === 0 || first.length === 0) return foundBy(rank(first, [], weights))
    const best = rank(first, [], weights).slice(0, SURROUNDED).map(({ candidate }) => candidate.rid)
    const surroundings = yield* reader.beside(best, STEPS)
    const known = new Set(seen.map(({ rid }) => rid))
    const around = surroundings.flatMap(({ after, before }) => [...before, ...after]).filter((rid) => !known.has(rid))
    const neighbours = yield* reader.features(Array.from(new Set(around)), filter, namespaces)
    const features = new Map([...seen, ...neighbours].map((feature) => [feature.rid, feature]))
    const beside: Array<Beside> = []
    for (const { after, before, rid } of surroundings) {
      const self = features.get(rid)
      if (self === undefined) continue
      addBeside(beside, self, { rows: before, isLater: false }, features)
      addBeside(beside, self, { rows: after, isLater: true }, features)
    }
    const all = [
      ...first,
      ...(yield* candidatesOf(neighbours, yield* cosines(meaning.space, neighbours.map(({ rid }) => rid))))
    ]
    return foundBy(rank(all, beside, weights))
  })

/** Both ways: each of the two lifts the other. */
const addBeside = (
  beside: Array<Beside>,
  self: Feature,
  side: { readonly rows: ReadonlyArray<number>; readonly isLater: boolean },
  features: ReadonlyMap<number, Feature>
): void => {
  for (const [at, neighbour] of side.rows.entries()) {
    const other = features.get(neighbour)
    const steps = at + 1
    if (other === undefined || !isBeside(self, other, steps)) continue
    const inSession = self.session !== null && self.session === other.session
    beside.push(
      { rid: self.rid, neighbour, steps, inSession, isLater: side.isLater },
      { rid: neighbour, neighbour: self.rid, steps, inSession, isLater: !side.isLater }
    )
  }
}

const isBeside = (a: Feature, b: Feature, steps: number): boolean =>
  a.session !== null || b.session !== null
    ? a.session === b.session
    : steps <= STEPS_WITHOUT_SESSION &&
      Math.abs(Date.parse(a.created_at) - Date.parse(b.created_at)) <= BESIDE_MILLIS

const candidateOf = (
  feature: Feature,
  known: {
    readonly nowMillis: number
    /** Of the namespace that was asked for. */
    readonly levels: number | undefined
    readonly keyword: number
    readonly cosine: number | null
    readonly time: number | null
  }
): Candidate => ({
  rid: feature.rid,
  id: feature.id,
  tier: feature.tier,
  priority: feature.priority,
  confidence: feature.confidence,
  accessCount: feature.access_count,
  ageDays: (known.nowMillis - Date.parse(feature.updated_at)) / DAY_MILLIS,
  levelsUp: known.levels === undefined ? 0 : known.levels - levelsOf(feature.namespace),
  keyword: known.keyword,
  cosine: known.cosine,
  time: known.time
})

const levelsOf = (namespace: string): number => namespace.split("/").length

const DAY_MILLIS = Duration.toMillis(Duration.days(1))

interface Meaning {
  readonly space: Option.Option<{ readonly model: Model; readonly vector: Float32Array }>
  readonly failure: Option.Option<EmbeddingFailed>
}

/** The vector of the question, of length 1, if it comes in time. */
const asked = (text: string): Effect.Effect<Meaning, never, Embedder> =>
  Effect.flatMap(Embedder, (embedder) => {
    if (Option.isNone(embedder)) return Effect.succeed<Meaning>({ space: Option.none(), failure: Option.none() })
    const model = embedder.value
    return model.embed([text], "query").pipe(
      Effect.timeoutFail({
        duration: BUDGET,
        onTimeout: () =>
          new EmbeddingFailed({ reason: "unavailable", detail: `no answer within ${Duration.format(BUDGET)}` })
      }),
      Effect.tapError((failure) => Effect.sync(() => model.gaveUp?.(failure))),
      Effect.either,
      Effect.map(Either.match({
        onLeft: (failure): Meaning => ({ space: Option.none(), failure: Option.some(failure) }),
        onRight: ([vector]): Meaning => ({
          space: Option.map(Option.fromNullable(vector), (vector) => ({ model, vector: unit(vector) })),
          failure: Option.none()
        })
      }))
    )
  })

const NONE: ReadonlyMap<number, number> = new Map()

const cosines = (space: Meaning["space"], rids: ReadonlyArray<number>) =>
  Option.match(space, {
    onNone: () => Effect.succeed(NONE),
    onSome: ({ model, vector }) => Effect.flatMap(VectorStore, (store) => store.cosines(model, vector, rids))
  })

/** The nearest rows; where the filter hides much, of those alone that it lets through. */
const byMeaning = (
  space: Meaning["space"],
  { besides, filter, most, namespaces }: {
    readonly besides: ReadonlyArray<number>
    readonly filter: Filter
    readonly namespaces: ReadonlyArray<string> | undefined
    readonly most: number
  }
) =>
  Option.match(space, {
    onNone: () => Effect.succeed(NONE),
    onSome: ({ model, vector }) =>
      Effect.gen(function*() {
        const rids = hidesMuch(filter) ? yield* (yield* RecallReader).passing(filter, MOST_PASSING, namespaces) : null
        return yield* (yield* VectorStore).nearest(model, vector, {
          limit: most,
          besides,
          namespaces: namespaces === undefined ? undefined : new Set(namespaces),
          rids: rids ?? undefined
        })
      })
  })

/** By more than the namespace, which the vectors know. */
const hidesMuch = ({ agentId, asAgent, minPriority, since, tag, tier, until }: Filter): boolean =>
  [agentId, asAgent, minPriority, since, tag, tier, until].some((value) => value !== undefined)
