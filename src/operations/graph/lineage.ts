import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { checkCount } from "../../domain/checks.js"
import { MAX_LINKS, MAX_WALK_DEPTH, MAX_WALKED } from "../../domain/limits.js"
import * as validate from "../../domain/validate.js"
import { LinkReader } from "../../store/read/LinkReader.js"
import { MemoryReader } from "../../store/read/MemoryReader.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import { NotFound, type ReadFailed } from "../errors.js"

export interface AskLineage {
  /** `ancestors` unless given. */
  readonly direction?: Direction | undefined
  /** Steps that are followed: 1 to 5, 5 unless given. */
  readonly maxDepth?: number | undefined
}
export type Direction = "ancestors" | "descendants"

/** A memory that another one comes from, or that comes from it. It may be gone: then its id is all that is left of it. */
export interface Kin {
  readonly id: string
  readonly relation: string
  readonly depth: number
}

/** The relations that say what a memory was made of. The last two are those of newer nodes of the original. */
const DERIVED = "derived_from"
const ORIGINS: ReadonlySet<string> = new Set([DERIVED, "reflects_on", "derives_from"])

/**
 * What a memory was made of, or what was made of it, the nearest first and each once: by the links that say so, and by the
 * sources that a consolidation names.
 */
export const lineage = (
  id: string,
  { direction = "ancestors", maxDepth }: AskLineage = {}
): Effect.Effect<ReadonlyArray<Kin>, validate.Invalid | NotFound | ReadFailed, LinkReader | MemoryReader> =>
  Effect.gen(function*() {
    const links = yield* LinkReader
    const bounds = { least: 1, most: MAX_WALK_DEPTH }
    const most = yield* checkCount("max_depth", maxDepth ?? MAX_WALK_DEPTH, bounds)
    yield* validate.memoryId(id)
    const start = yield* Effect.flatMap(links.resolve(id), Effect.mapError(() => new NotFound()))
    // What was consolidated is the first that came of it.
    const first: ReadonlyArray<Kin> = direction === "descendants" && start !== id
      ? [{ id: start, relation: DERIVED, depth: 1 }]
      : []
    const found = new Map(first.map((kin) => [kin.id, kin]))
    let edge: ReadonlyArray<string> = [start]
    for (let depth = first.length + 1; depth <= most && edge.length > 0; depth++) {
      const next = (yield* Effect.forEach(edge, (at) => step(at, direction))).flat()
      const fresh = next.filter((kin) => kin.id !== start && kin.id !== id && !found.has(kin.id))
      for (const kin of fresh) if (found.size < MAX_WALKED && !found.has(kin.id)) found.set(kin.id, { ...kin, depth })
      edge = Array.from(new Set(fresh.map((kin) => kin.id)))
    }
    return Array.from(found.values())
  }).pipe(hotSpan("lineage"))

/** One step from a memory. */
const step = (id: string, direction: Direction) =>
  Effect.gen(function*() {
    const links = yield* (yield* LinkReader).of(id, { limit: MAX_LINKS, offset: 0 })
    const linked = links.flatMap(({ relation, source_id, target_id }) => {
      if (!ORIGINS.has(relation)) return []
      const [own, other] = direction === "ancestors" ? [source_id, target_id] : [target_id, source_id]
      return own === id ? [{ id: other, relation }] : []
    })
    return direction === "ancestors" ? [...linked, ...(yield* sourcesOf(id))] : linked
  })

/** The memories that a consolidation took the place of. */
const sourcesOf = (id: string) =>
  Effect.gen(function*() {
    const memory = Option.getOrUndefined(yield* (yield* MemoryReader).byId(id))
    const sources = memory?.metadata[DERIVED]
    return (Array.isArray(sources) ? sources.filter(Predicate.isString) : []).map((source) => ({
      id: source,
      relation: DERIVED
    }))
  })
