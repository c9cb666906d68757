import * as Effect from "effect/Effect"
import { checkCount } from "../../domain/checks.js"
import { DEFAULT_TIMELINE_EVENTS, MAX_TIMELINE_EVENTS } from "../../domain/limits.js"
import type { Invalid } from "../../domain/validate.js"
import * as validate from "../../domain/validate.js"
import { LinkReader, type Outgoing } from "../../store/read/LinkReader.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { ReadFailed } from "../errors.js"
import { sourceOf } from "./sourceOf.js"

export interface KgTimeline {
  readonly sourceId: string
  /** RFC 3339: valid from this moment or later. A link that does not say is valid from its creation. */
  readonly since?: string | undefined
  /** RFC 3339: valid from this moment or earlier. */
  readonly until?: string | undefined
  /** 0 to 1000, 200 unless given. */
  readonly limit?: number | undefined
}

/** The links out of a memory in the order in which they began to hold. */
export const kgTimeline = (
  query: KgTimeline
): Effect.Effect<
  { readonly sourceId: string; readonly events: ReadonlyArray<Outgoing> },
  Invalid | ReadFailed,
  LinkReader
> =>
  Effect.gen(function*() {
    const reader = yield* LinkReader
    const limit = yield* checkCount("limit", query.limit ?? DEFAULT_TIMELINE_EVENTS, MAX_TIMELINE_EVENTS)
    const since = query.since === undefined ? undefined : yield* validate.stamp("since", query.since)
    const until = query.until === undefined ? undefined : yield* validate.stamp("until", query.until)
    const sourceId = yield* sourceOf(query.sourceId)
    const events = limit === 0 ? [] : yield* reader.outgoing([sourceId], { since, until, limit })
    return { sourceId, events }
  }).pipe(hotSpan("kgTimeline"))
