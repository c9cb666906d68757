import * as Effect from "effect/Effect"
import { checkCount } from "../../domain/checks.js"
import { DEFAULT_CONFLICTS, MAX_CONFLICTS, MAX_OFFSET } from "../../domain/limits.js"
import type { Invalid } from "../../domain/validate.js"
import * as validate from "../../domain/validate.js"
import { type Bounded, NOTHING } from "../../store/read/Bounded.js"
import { type Conflict, ConflictReader } from "../../store/read/ConflictReader.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { ReadFailed } from "../errors.js"

interface ConflictsAsked {
  readonly namespace?: string | undefined
  readonly limit?: number | undefined
  readonly offset?: number | undefined
}

/**
 * Writes that were made at the same time as another one which counts now: memories behind another of the same title, and
 * versions of a memory that lost against a later one which had not seen them.
 */
export const listConflicts = (
  page: ConflictsAsked
): Effect.Effect<ReadonlyArray<Conflict>, Invalid | ReadFailed, ConflictReader> =>
  Effect.map(conflictsPage(page), ({ rows }) => rows)

/** The same, and whether there are more that were left out because these are large. */
export const conflictsPage = (
  page: ConflictsAsked
): Effect.Effect<Bounded<Conflict>, Invalid | ReadFailed, ConflictReader> =>
  Effect.gen(function*() {
    const reader = yield* ConflictReader
    const namespace = page.namespace === undefined ? undefined : yield* validate.namespace(page.namespace)
    const limit = yield* checkCount("limit", page.limit ?? DEFAULT_CONFLICTS, MAX_CONFLICTS)
    const offset = yield* checkCount("offset", page.offset ?? 0, MAX_OFFSET)
    return limit === 0 ? NOTHING : yield* reader.list({ namespace, limit, offset })
  }).pipe(hotSpan("listConflicts"))
