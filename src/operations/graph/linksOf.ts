import * as Effect from "effect/Effect"
import { checkCount } from "../../domain/checks.js"
import { DEFAULT_LINKS, MAX_LINKS, MAX_OFFSET } from "../../domain/limits.js"
import type { Link } from "../../domain/Link.js"
import type { Invalid } from "../../domain/validate.js"
import { LinkReader } from "../../store/read/LinkReader.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { ReadFailed } from "../errors.js"

/**
 * The links of a memory in both directions, the oldest first. An id that another memory took over gives the links of that
 * one. None when there is no such memory.
 */
export const linksOf = (
  id: string,
  page: { readonly limit?: number | undefined; readonly offset?: number | undefined } = {}
): Effect.Effect<ReadonlyArray<Link>, Invalid | ReadFailed, LinkReader> =>
  Effect.gen(function*() {
    const reader = yield* LinkReader
    const limit = yield* checkCount("limit", page.limit ?? DEFAULT_LINKS, MAX_LINKS)
    const offset = yield* checkCount("offset", page.offset ?? 0, MAX_OFFSET)
    return limit === 0 ? [] : yield* reader.of(id, { limit, offset })
  }).pipe(hotSpan("linksOf"))
