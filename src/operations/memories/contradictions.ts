import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { checkCount, checkText } from "../../domain/checks.js"
import * as Contradictions from "../../domain/Contradictions.js"
import { DEFAULT_COMPARED, MAX_COMPARED, MAX_CONTRADICTIONS, MAX_PADDED_BYTES } from "../../domain/limits.js"
import type { Memory } from "../../domain/Memory.js"
import * as Stamp from "../../domain/Stamp.js"
import * as validate from "../../domain/validate.js"
import { NOTHING } from "../../store/read/Bounded.js"
import { LinkReader } from "../../store/read/LinkReader.js"
import { MemoryReader } from "../../store/read/MemoryReader.js"
import { SweepReader } from "../../store/read/SweepReader.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { ReadFailed } from "../errors.js"

const RELATION = "contradicts"

export interface ContradictionsRequest {
  /** The `topic` in the metadata, or the title. */
  readonly topic?: string | undefined
  /** Exactly this namespace. */
  readonly namespace?: string | undefined
  /** 0 to 1000, 50 unless given. */
  readonly limit?: number | undefined
}

/** A link that somebody stored, or one that follows from what two memories say. */
export interface ContradictionLink extends Contradictions.Contradiction {
  readonly relation: typeof RELATION
  readonly synthesized: boolean
}

export interface Contradicting {
  /** What was compared. */
  readonly memories: ReadonlyArray<Memory>
  readonly links: ReadonlyArray<ContradictionLink>
  /** There are more: memories that were left out because these are large, or links beyond the bound. */
  readonly truncated: boolean
}

/** Memories of a topic, or of a namespace, and which of them say different things. */
export const contradictions = (
  request: ContradictionsRequest
): Effect.Effect<Contradicting, validate.Invalid | ReadFailed, MemoryReader | SweepReader | LinkReader> =>
  Effect.gen(function*() {
    const { limit, namespace, topic } = yield* check(request)
    const now = Stamp.fromMillis(yield* Clock.currentTimeMillis)
    const { rows, truncated } = limit === 0
      ? NOTHING
      : topic === undefined
      ? yield* (yield* MemoryReader).list({ now, namespace, limit, offset: 0 })
      : yield* (yield* SweepReader).ofTopic({ now, namespace, topic, limit })
    const newestFirst = Array.from(rows).sort((a, b) => a.updated_at < b.updated_at ? 1 : -1)
    const stored = yield* storedAmong(newestFirst, now)
    const known = new Set(stored.links.flatMap(({ source_id: a, target_id: b }) => [`${a} ${b}`, `${b} ${a}`]))
    const synthesized = Contradictions.find(newestFirst, {
      topicOf: topic === undefined ? Contradictions.topicOf : () => topic,
      most: MAX_CONTRADICTIONS + stored.links.length + 1
    }).filter(({ source_id, target_id }) => !known.has(`${source_id} ${target_id}`))
    const links = [
      ...stored.links,
      ...synthesized.map((pair): ContradictionLink => ({ ...pair, relation: RELATION, synthesized: true }))
    ]
    return {
      memories: newestFirst,
      links: links.slice(0, MAX_CONTRADICTIONS),
      truncated: truncated || stored.truncated || links.length > MAX_CONTRADICTIONS
    }
  }).pipe(hotSpan("contradictions"))

interface Stored {
  readonly links: ReadonlyArray<ContradictionLink>
  readonly truncated: boolean
}

/** Links that were stored, between two of the memories. */
const storedAmong = (
  memories: ReadonlyArray<Memory>,
  now: Stamp.Stamp
): Effect.Effect<Stored, ReadFailed, LinkReader> =>
  Effect.gen(function*() {
    const ids = new Set<string>(memories.map(({ id }) => id))
    if (ids.size === 0) return { links: [], truncated: false }
    const outgoing = yield* (yield* LinkReader).outgoing(Array.from(ids), { validAt: now, limit: MAX_STORED })
    const links = outgoing.flatMap(({ link: { relation, source_id, target_id } }): ReadonlyArray<ContradictionLink> =>
      relation === RELATION && ids.has(target_id) ? [{ source_id, target_id, relation, synthesized: false }] : []
    )
    return { links, truncated: outgoing.length === MAX_STORED }
  })

/** Links that are looked at. */
const MAX_STORED = 10_000

const check = (request: ContradictionsRequest) =>
  Either.gen(function*() {
    const { namespace, topic } = request
    if (topic === undefined && namespace === undefined) {
      return yield* Either.left(
        new validate.Invalid({ field: "topic", message: "at least one of topic and namespace is required" })
      )
    }
    if (topic !== undefined) yield* checkText("topic", topic, MAX_PADDED_BYTES)
    if (namespace !== undefined) yield* validate.namespace(namespace)
    const limit = yield* checkCount("limit", request.limit ?? DEFAULT_COMPARED, MAX_COMPARED)
    return { topic, namespace, limit }
  })
