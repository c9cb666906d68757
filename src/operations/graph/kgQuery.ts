import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { checkCount } from "../../domain/checks.js"
import {
  DEFAULT_WALK_DEPTH,
  DEFAULT_WALKED,
  MAX_ALLOWED_AGENTS,
  MAX_WALK_DEPTH,
  MAX_WALKED
} from "../../domain/limits.js"
import type { Link } from "../../domain/Link.js"
import * as validate from "../../domain/validate.js"
import { LinkReader, type Outgoing, type Wanted } from "../../store/read/LinkReader.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { ReadFailed } from "../errors.js"
import { sourceOf } from "./sourceOf.js"

export interface KgQuery {
  readonly sourceId: string
  /** Links in a row that are followed: 1 to 5, 1 unless given. */
  readonly maxDepth?: number | undefined
  /** RFC 3339: only links that are valid at this moment. */
  readonly validAt?: string | undefined
  /** Only links observed by one of these agents. */
  readonly allowedAgents?: ReadonlyArray<string> | undefined
  /** 0 to 1000, 200 unless given. */
  readonly limit?: number | undefined
}

/** A memory that a link leads to, and the way from the source to it, both ends included. */
export interface Reached {
  readonly link: Link
  readonly title: string
  readonly namespace: string
  readonly depth: number
  readonly path: ReadonlyArray<string>
}

export interface KgAnswer {
  /** The id that the source has now. */
  readonly sourceId: string
  readonly maxDepth: number
  readonly reached: ReadonlyArray<Reached>
}

/**
 * What the links out of a memory lead to, breadth first. Each memory is left once, by the shortest way to it; a link that
 * leads back onto its own way is passed over, so circles end.
 */
export const kgQuery = (
  query: KgQuery
): Effect.Effect<KgAnswer, validate.Invalid | ReadFailed, LinkReader> =>
  Effect.gen(function*() {
    const reader = yield* LinkReader
    const { filter, limit, maxDepth } = yield* check(query)
    const sourceId = yield* sourceOf(query.sourceId)
    const reached: Array<Reached> = []
    const known = new Set([sourceId])
    let ways: Ways = new Map([[sourceId, [sourceId]]])
    for (let depth = 1; depth <= maxDepth && ways.size > 0 && reached.length < limit; depth++) {
      // Room for the links that lead back: each way has `depth` memories, and so many relations can lead to one.
      const room = limit - reached.length + ways.size * depth * 4
      const found = yield* reader.outgoing([...ways.keys()], { ...filter, limit: room })
      const next = step(found, ways, depth).slice(0, limit - reached.length)
      reached.push(...next)
      ways = beyond(next, known)
      for (const id of ways.keys()) known.add(id)
    }
    return { sourceId, maxDepth, reached }
  }).pipe(hotSpan("kgQuery"))

/** The shortest way to each memory at the edge of what is known. */
type Ways = ReadonlyMap<string, ReadonlyArray<string>>

const step = (found: ReadonlyArray<Outgoing>, ways: Ways, depth: number): ReadonlyArray<Reached> =>
  found.flatMap(({ link, namespace, title }) => {
    const way = ways.get(link.source_id) ?? []
    return way.includes(link.target_id) ? [] : [{ link, title, namespace, depth, path: [...way, link.target_id] }]
  })

/** Where to go on from: memories that were not reached before, by the first way that led to them. */
const beyond = (reached: ReadonlyArray<Reached>, known: ReadonlySet<string>): Ways => {
  const ways = new Map<string, ReadonlyArray<string>>()
  for (const { link: { target_id: id }, path } of reached) if (!known.has(id) && !ways.has(id)) ways.set(id, path)
  return ways
}

const check = (query: KgQuery) =>
  Either.gen(function*() {
    const { allowedAgents, maxDepth = DEFAULT_WALK_DEPTH, validAt } = query
    if (!Number.isInteger(maxDepth) || maxDepth < 1 || maxDepth > MAX_WALK_DEPTH) {
      return yield* invalid("max_depth", `must be a whole number from 1 to ${MAX_WALK_DEPTH}`)
    }
    if (allowedAgents !== undefined && allowedAgents.length > MAX_ALLOWED_AGENTS) {
      return yield* invalid("allowed_agents", `must be at most ${MAX_ALLOWED_AGENTS}`)
    }
    const agents = (allowedAgents ?? []).map((agent, index) =>
      validate.named(`allowed_agents[${index}]`, validate.agentId(agent))
    )
    yield* validate.firstInvalid(agents)
    const filter: Omit<Wanted, "limit"> = {
      validAt: validAt === undefined ? undefined : yield* validate.stamp("valid_at", validAt),
      observers: allowedAgents
    }
    return { filter, maxDepth, limit: yield* checkCount("limit", query.limit ?? DEFAULT_WALKED, MAX_WALKED) }
  })

const invalid = (field: string, complaint: string): Either.Either<never, validate.Invalid> =>
  Either.left(new validate.Invalid({ field, message: `${field} ${complaint}` }))
