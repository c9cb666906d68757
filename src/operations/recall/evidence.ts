import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Analyzer from "../../domain/analysis/Analyzer.js"
import type { Memory } from "../../domain/Memory.js"
import { type Asked, coverageOf, type Evidence, likeness, strengthOf } from "../../domain/recall/evidence.js"
import type { Ranked } from "../../domain/recall/rank.js"
import { Embedder } from "../../embedding/Embedder.js"
import type { Found } from "./find.js"

interface Hit {
  readonly ranked: Ranked
  readonly memory: Memory
}

/** The best memories, of which one must fit. */
const LOOKED_AT = 3

/** How well the best of what was found fits what was asked. */
export const evidenceOf = (found: Found, hits: ReadonlyArray<Hit>): Effect.Effect<Evidence, never, Embedder> =>
  Effect.gen(function*() {
    const [first, second] = hits
    if (first === undefined) return NONE
    const fits = yield* Effect.forEach(
      hits.slice(0, LOOKED_AT),
      ({ memory, ranked: { candidate } }) =>
        Effect.map(wordsIn(memory, found), (words) => {
          const coverage = coverageOf(words, found.memories)
          const { cosine, time } = candidate
          return { coverage, strength: strengthOf({ coverage, cosine, time, gap: found.gap }) }
        })
    )
    const [strongest = NONE] = fits.sort((a, b) => b.strength - a.strength)
    return {
      coverage: strongest.coverage,
      strength: strongest.strength,
      topScore: first.ranked.score,
      gapToSecond: first.ranked.score - (second?.ranked.score ?? 0)
    }
  })

const NONE: Evidence = { strength: 0, topScore: 0, gapToSecond: 0, coverage: 0 }

/** Which words of the question a memory has; for those that it has not, how near others of it come, where that costs nothing. */
const wordsIn = (memory: Memory, { asked, documents }: Found): Effect.Effect<ReadonlyArray<Asked>, never, Embedder> =>
  Effect.gen(function*() {
    const held = Analyzer.indexed(memory)
    const words = asked.map((term) => ({
      text: term.text,
      documents: documents.get(term.text) ?? 0,
      found: Analyzer.hasTerm(held, term) ? 1 : 0
    }))
    const lacking = words.flatMap(({ found, text }) => found === 1 ? [] : [text])
    const nearness = Option.flatMapNullable(yield* Embedder, (model) => model.nearness)
    if (lacking.length === 0 || Option.isNone(nearness)) return words
    const near = yield* Effect.orElseSucceed(
      nearness.value(lacking, `${memory.title}\n${memory.content}`),
      (): ReadonlyArray<number> => []
    )
    const likeOf = new Map(lacking.map((word, at) => [word, likeness(near[at] ?? 0)]))
    return words.map((word) => word.found === 1 ? word : { ...word, found: likeOf.get(word.text) ?? 0 })
  })
