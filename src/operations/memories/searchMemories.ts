import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { checkCount, checkText } from "../../domain/checks.js"
import { DEFAULT_FOUND, MAX_FOUND, MAX_QUERY_BYTES } from "../../domain/limits.js"
import * as Stamp from "../../domain/Stamp.js"
import type { Invalid } from "../../domain/validate.js"
import type { Bounded } from "../../store/read/Bounded.js"
import { type Found, Search } from "../../store/read/Search.js"
import { Metrics } from "../../telemetry/Metrics.js"
import type { ReadFailed } from "../errors.js"
import { type AskedFilter, checkFilter } from "./filter.js"
import { foundSpan } from "./foundSpan.js"

export interface SearchRequest extends AskedFilter {
  /** The words to find, all of them; where too few memories have all, what has most of them fills the page. */
  readonly q: string
  /** 0 to 1000, 20 unless given. */
  readonly limit?: number | undefined
}

/** Memories that have all the words, best first, then those that have some: each says which. */
export const searchMemories = (
  request: SearchRequest
): Effect.Effect<ReadonlyArray<Found>, Invalid | ReadFailed, Search | Metrics> =>
  Effect.map(searchPage(request), ({ rows }) => rows)

/** The same, and whether there are more that were left out because these are large. */
export const searchPage = (
  request: SearchRequest
): Effect.Effect<Bounded<Found>, Invalid | ReadFailed, Search | Metrics> =>
  Effect.gen(function*() {
    const { search } = yield* Search
    const metrics = yield* Metrics
    const text = yield* checkText("query", request.q, MAX_QUERY_BYTES)
    const limit = yield* checkCount("limit", request.limit ?? DEFAULT_FOUND, MAX_FOUND)
    const filter = yield* checkFilter(request, Stamp.fromMillis(yield* Clock.currentTimeMillis))
    const found = yield* search({ ...filter, text, limit })
    metrics.recall("search")
    return found
  }).pipe(foundSpan("searchMemories", request.namespace, ({ rows }) => rows.length))
