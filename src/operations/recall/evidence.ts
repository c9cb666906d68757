import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Analyzer from "../../domain/analysis/Analyzer.js"
import { even, lower } from "../../domain/analysis/fold.js"
import { languageIn } from "../../domain/analysis/namespaceLanguages.js"
import type { Memory } from "../../domain/Memory.js"
import {
  type Asked,
  coverageOf,
  type Evidence,
  isAsking,
  likeness,
  resemblances,
  TIME_WEIGHT,
  weightOf
} from "../../domain/recall/evidence.js"
import type { Ranked } from "../../domain/recall/rank.js"
import { Embedder } from "../../embedding/Embedder.js"
import { nearness } from "../../embedding/StaticEmbedder.js"
import { Languages } from "../../store/Languages.js"
import type { Found } from "./find.js"

interface Hit {
  readonly ranked: Ranked
  readonly memory: Memory
}

/** The best memories, of which one must have what was asked. */
const LOOKED_AT = 3
/** Words that are looked for: the first ones, which are those that a recall finds by. */
const MAX_ASKED = 128

/** How well the best of what was found fits what was asked. */
export const evidenceOf = (found: Found, hits: ReadonlyArray<Hit>): Effect.Effect<Evidence, never, Embedder> =>
  Effect.gen(function*() {
    const [first, second] = hits
    if (first === undefined) return NONE
    const fits = yield* Effect.forEach(hits.slice(0, LOOKED_AT), (hit) => fitOf(found, hit))
    const [strongest = NONE] = fits.sort((a, b) => b.strength - a.strength)
    return {
      ...strongest,
      topScore: first.ranked.score,
      gapToSecond: first.ranked.score - (second?.ranked.score ?? 0)
    }
  })

const NONE: Evidence = { strength: 0, topScore: 0, gapToSecond: 0, coverage: 0 }

/** What a memory has of what was asked: the very words, and with those that are like them. */
const fitOf = ({ asked, documents, memories }: Found, { memory, ranked: { candidate: { time } } }: Hit) =>
  Effect.gen(function*() {
    const held = Analyzer.indexed({ ...memory, language: languageIn(yield* Languages, memory.namespace) })
    const telling = asked.some(({ text }) => !isAsking(text)) ? asked.filter(({ text }) => !isAsking(text)) : asked
    const words = telling.slice(0, MAX_ASKED).map((term) => ({
      text: term.text,
      weight: weightOf(documents.get(term.text) ?? 0, memories),
      found: Analyzer.hasTerm(held, term) ? 1 : 0
    }))
    const times: ReadonlyArray<Asked> = time === null ? [] : [{ weight: TIME_WEIGHT, found: time }]
    const lacking = words.flatMap(({ found, text }) => found === 1 ? [] : [text])
    const like = yield* likeOf(lacking, memory)
    return {
      coverage: coverageOf(words),
      strength: coverageOf([
        ...times,
        ...words.map(({ found, text, weight }) => ({ weight, found: found === 1 ? 1 : like.get(text) ?? 0 }))
      ])
    }
  })

type Cosines = ReadonlyArray<number>
const WORD = /[\p{L}\p{N}\p{M}]+/gu

/** How far a memory has words that are like those which it lacks, in meaning or in writing. */
const likeOf = (
  lacking: ReadonlyArray<string>,
  memory: Memory
): Effect.Effect<ReadonlyMap<string, number>, never, Embedder> =>
  Effect.gen(function*() {
    if (lacking.length === 0) return new Map()
    const { content, namespace, tags, title } = memory
    const text = [title, content, namespace, ...tags].join(" ")
    const isEmbedding = Option.isSome(yield* Embedder)
    // By the built-in model, whichever embeds the memories: of another one each word would have to be asked for.
    const near = isEmbedding ? yield* Effect.orElseSucceed(nearness(lacking, text), (): Cosines => []) : []
    const written = resemblances(lacking, new Set(lower(even(text)).match(WORD) ?? []))
    return new Map(lacking.map((word, at) => [word, Math.max(likeness(near[at] ?? 0), written[at] ?? 0)]))
  })
