import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { checkCount, checkText } from "../../domain/checks.js"
import { DEFAULT_RECALLED, MAX_BUDGET_TOKENS, MAX_CONTEXT_BYTES, MAX_RECALLED } from "../../domain/limits.js"
import type { Memory } from "../../domain/Memory.js"
import type { Evidence } from "../../domain/recall/evidence.js"
import type { Parts, Ranked } from "../../domain/recall/rank.js"
import * as Stamp from "../../domain/Stamp.js"
import { Invalid } from "../../domain/validate.js"
import { RecallReader } from "../../store/read/RecallReader.js"
import { Metrics } from "../../telemetry/Metrics.js"
import type { ReadFailed } from "../errors.js"
import { type AskedFilter, checkFilter } from "../memories/filter.js"
import { foundSpan } from "../memories/foundSpan.js"
import { type Budget, budgetOf, withinBudget } from "./budget.js"
import { distinct } from "./distinct.js"
import { evidenceOf } from "./evidence.js"
import { find, type FindServices } from "./find.js"
import { RecallWeights } from "./RecallWeights.js"
import { type CountedBy, estimated, Tokenizer } from "./Tokenizer.js"
import { Uses } from "./Uses.js"

export interface RecallRequest extends Omit<AskedFilter, "tier" | "minPriority" | "agentId"> {
  /** What the caller is about to do, or wants to know, in any words. */
  readonly context: string
  /** 10 unless given; more than 50 is taken as 50. */
  readonly limit?: number | undefined
  /** How many tokens the contents may have together. */
  readonly budgetTokens?: number | undefined
  /** 0 to 1, 0 unless given: when the evidence is weaker than this, nothing is answered. */
  readonly abstainBelow?: number | undefined
}

/** A memory with how well it fits, to three decimals, and why. */
export interface ScoredMemory extends Memory {
  readonly score: number
}

export interface Recalled {
  /** Best first. */
  readonly memories: ReadonlyArray<ScoredMemory>
  /** What the score of each is made of, in the same order. */
  readonly parts: ReadonlyArray<Parts>
  readonly count: number
  /** Of the contents. */
  readonly tokensUsed: number
  /** Without a budget they are estimated. */
  readonly tokensCountedBy: CountedBy
  /** `hybrid`: by words and by meaning. */
  readonly mode: "keyword" | "hybrid"
  /** What could not be had for this answer. */
  readonly degraded: ReadonlyArray<"embeddings">
  readonly evidence: Evidence
  /** When one was asked for. */
  readonly budget?: Budget
}

/**
 * The memories that help most with a context, by its words, by its meaning, and by what was written beside them. The best of those
 * given count as used once more on this node, and live on for longer.
 */
export const recall = (
  request: RecallRequest
): Effect.Effect<Recalled, Invalid | ReadFailed, FindServices | Uses | Metrics> =>
  Effect.gen(function*() {
    const metrics = yield* Metrics
    const { abstainBelow, filter, limit, text, tokens } = yield* check(request, yield* Clock.currentTimeMillis)
    const found = yield* find({ ...filter, text, limit, weights: yield* RecallWeights })
    const best = found.ranked.filter(({ score }) => score > 0).slice(0, limit + SPARE)
    const looked = yield* (yield* RecallReader).memories(best.map(({ candidate }) => candidate.rid))
    const hits = distinct(pairs(best, looked))
    const evidence = yield* evidenceOf(found, hits)
    const answered = evidence.strength < abstainBelow ? [] : hits.slice(0, limit)
    const contents = answered.map(({ memory }) => memory.content)
    const counted = tokens === undefined ? estimated(contents) : yield* (yield* Tokenizer)(contents, tokens)
    const { kept, used } = withinBudget(counted.tokens, tokens)
    const given = answered.slice(0, kept)
    if (kept > 0) yield* (yield* Uses).note(useful(given))
    const mode = Option.isSome(found.vector) ? "hybrid" as const : "keyword" as const
    metrics.recall(mode)
    return {
      memories: given.map(({ memory, ranked: { score } }) => ({ ...memory, score: Math.round(score * 1000) / 1000 })),
      parts: given.map(({ ranked: { parts } }) => parts),
      count: kept,
      tokensUsed: used,
      tokensCountedBy: counted.by,
      mode,
      degraded: Option.isSome(found.failure) ? ["embeddings" as const] : [],
      evidence,
      ...(tokens === undefined ? {} : { budget: budgetOf({ tokens, used, dropped: answered.length - kept }) })
    }
  }).pipe(foundSpan("recall", request.namespace, ({ count }) => count))

/** Memories that may take the place of near-copies. */
const SPARE = 10

const check = (request: RecallRequest, nowMillis: number) =>
  Either.gen(function*() {
    const { abstainBelow = 0, budgetTokens } = request
    if (!(abstainBelow >= 0 && abstainBelow <= 1)) {
      return yield* Either.left(new Invalid({ field: "abstain_below", message: "abstain_below must be from 0 to 1" }))
    }
    return {
      abstainBelow,
      text: yield* checkText("context", request.context, MAX_CONTEXT_BYTES),
      limit: yield* checkCount("limit", Math.min(request.limit ?? DEFAULT_RECALLED, MAX_RECALLED), MAX_RECALLED),
      filter: yield* checkFilter(request, Stamp.fromMillis(nowMillis)),
      tokens: budgetTokens === undefined
        ? undefined
        : yield* checkCount("budget_tokens", budgetTokens, MAX_BUDGET_TOKENS)
    }
  })

interface Hit {
  readonly ranked: Ranked
  readonly memory: Memory
}

/** Those that have not gone since they were ranked. */
const pairs = (ranked: ReadonlyArray<Ranked>, memories: ReadonlyArray<Memory>): ReadonlyArray<Hit> => {
  const byId = new Map(memories.map((memory) => [memory.id, memory]))
  return ranked.flatMap((each) => {
    const memory = byId.get(each.candidate.id)
    return memory === undefined ? [] : [{ ranked: each, memory }]
  })
}

/** Those near the best: it cannot have been the others that were looked for. */
const useful = (hits: ReadonlyArray<Hit>): ReadonlyArray<string> => {
  const [best] = hits
  return best === undefined ? [] : hits.slice(0, MOST_USEFUL)
    .filter(({ ranked: { score } }) => score >= best.ranked.score * USEFUL_SHARE)
    .map(({ memory }) => memory.id)
}

const MOST_USEFUL = 3
const USEFUL_SHARE = 0.8
