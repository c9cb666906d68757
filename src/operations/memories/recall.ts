import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { checkCount, checkText } from "../../domain/checks.js"
import { DEFAULT_RECALLED, MAX_BUDGET_TOKENS, MAX_CONTEXT_BYTES, MAX_RECALLED } from "../../domain/limits.js"
import type { Memory } from "../../domain/Memory.js"
import * as Stamp from "../../domain/Stamp.js"
import type { Invalid } from "../../domain/validate.js"
import { Search } from "../../store/read/Search.js"
import { Metrics } from "../../telemetry/Metrics.js"
import type { ReadFailed } from "../errors.js"
import { type AskedFilter, checkFilter } from "./filter.js"
import { foundSpan } from "./foundSpan.js"
import { touch, type TouchServices } from "./touch.js"

export interface RecallRequest extends Omit<AskedFilter, "tier" | "minPriority" | "agentId"> {
  /** What the caller is about to do, in any words. */
  readonly context: string
  /** 10 unless given; more than 50 is taken as 50. */
  readonly limit?: number | undefined
  /** How many tokens the contents may have together. */
  readonly budgetTokens?: number | undefined
}

/** A memory with how well it fits, to three decimals. */
export interface ScoredMemory extends Memory {
  readonly score: number
}

/** How the budget worked out. */
export interface Budget {
  readonly tokens: number
  readonly used: number
  readonly remaining: number
  /** Memories that were found but had no room. */
  readonly dropped: number
  /** The best memory alone has more tokens than the budget: it is given all the same. */
  readonly overflow: boolean
}

export interface Recalled {
  /** Best first. */
  readonly memories: ReadonlyArray<ScoredMemory>
  readonly count: number
  /** Of the contents, estimated. */
  readonly tokensUsed: number
  readonly mode: "keyword"
  /** When one was asked for. */
  readonly budget?: Budget
}

/**
 * The memories that help most with a context: any of its words, weighed by rarity, priority, use, confidence, tier and age.
 * Those given are touched: on this node they count as used once more, and live on for longer.
 */
export const recall = (
  request: RecallRequest
): Effect.Effect<Recalled, Invalid | ReadFailed, Search | TouchServices> =>
  Effect.gen(function*() {
    const search = yield* Search
    const metrics = yield* Metrics
    const text = yield* checkText("context", request.context, MAX_CONTEXT_BYTES)
    const limit = yield* checkCount("limit", Math.min(request.limit ?? DEFAULT_RECALLED, MAX_RECALLED), MAX_RECALLED)
    const filter = yield* checkFilter(request, Stamp.fromMillis(yield* Clock.currentTimeMillis))
    const tokens = request.budgetTokens === undefined
      ? undefined
      : yield* checkCount("budget_tokens", request.budgetTokens, MAX_BUDGET_TOKENS)
    const hits = yield* search.recall({ ...filter, text, limit })
    const { kept, used } = withinBudget(hits.map(({ memory }) => tokensOf(memory.content)), tokens)
    const memories = hits.slice(0, kept).map(({ memory, score }) => ({
      ...memory,
      score: Math.round(score * 1000) / 1000
    }))
    if (kept > 0) yield* touch(memories.map(({ id }) => id))
    metrics.recall("keyword")
    return {
      memories,
      count: kept,
      tokensUsed: used,
      mode: "keyword" as const,
      ...(tokens === undefined ? {} : { budget: budgetOf({ tokens, used, dropped: hits.length - kept }) })
    }
  }).pipe(foundSpan("recall", request.namespace, ({ count }) => count))

/**
 * Tokens of a text, estimated at four bytes each: near enough for English prose, without a vocabulary of one model. Texts in
 * other scripts have more bytes and are estimated high rather than low.
 */
export const tokensOf = (text: string): number => Math.ceil(Buffer.byteLength(text) / 4)

/**
 * How many of the best fit together into the budget. The very best is given even when it does not fit alone, unless the
 * budget is 0; one that does not fit ends the list, so that no worse memory takes the place of a better one.
 */
export const withinBudget = (
  tokens: ReadonlyArray<number>,
  budget: number | undefined
): { readonly kept: number; readonly used: number } => {
  let kept = 0
  let used = 0
  for (const each of tokens) {
    if (budget !== undefined && (budget === 0 || (kept > 0 && used + each > budget))) break
    kept += 1
    used += each
  }
  return { kept, used }
}

const budgetOf = (spent: { readonly tokens: number; readonly used: number; readonly dropped: number }): Budget => ({
  ...spent,
  remaining: Math.max(0, spent.tokens - spent.used),
  overflow: spent.used > spent.tokens
})
