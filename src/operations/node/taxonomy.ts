import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { checkCount } from "../../domain/checks.js"
import { DEFAULT_TAXONOMY_NODES, MAX_TAXONOMY_LEVELS, MAX_TAXONOMY_NODES } from "../../domain/limits.js"
import * as Stamp from "../../domain/Stamp.js"
import * as validate from "../../domain/validate.js"
import { MemoryReader, type NamespaceCount } from "../../store/read/MemoryReader.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { ReadFailed } from "../errors.js"

export interface TaxonomyRequest {
  /** Only this namespace and what is below it. */
  readonly prefix?: string | undefined
  /** Levels below the root that are shown: 0 to 8, 8 unless given. */
  readonly depth?: number | undefined
  /** Namespaces that are shown, the root left out: 1 to 10000, 1000 unless given. */
  readonly limit?: number | undefined
}

/** A namespace, whether it has memories of its own or only stands above some that have. */
export interface TaxonomyNode {
  readonly namespace: string
  /** Its last level. */
  readonly name: string
  /** Memories of its own. */
  readonly count: number
  /** Memories of its own and of everything below it, also of what is not shown. */
  readonly subtree_count: number
  readonly children: ReadonlyArray<TaxonomyNode>
}

export interface Taxonomy {
  readonly tree: TaxonomyNode
  readonly total_count: number
  /** Some namespaces within the depth are not shown: those with the fewest memories. */
  readonly truncated: boolean
}

/** The namespaces as a tree, with their memories that have not expired. */
export const taxonomy = (
  request: TaxonomyRequest
): Effect.Effect<Taxonomy, validate.Invalid | ReadFailed, MemoryReader> =>
  Effect.gen(function*() {
    const reader = yield* MemoryReader
    const prefix = request.prefix === undefined ? "" : yield* checkPrefix(request.prefix)
    const depth = yield* checkCount("depth", request.depth ?? MAX_TAXONOMY_LEVELS, MAX_TAXONOMY_LEVELS)
    const limit = yield* checkCount("limit", request.limit ?? DEFAULT_TAXONOMY_NODES, MAX_TAXONOMY_NODES)
    const counts = yield* reader.namespaces(Stamp.fromMillis(yield* Clock.currentTimeMillis))
    return grow(counts, { prefix, depth, limit })
  }).pipe(hotSpan("taxonomy"))

const checkPrefix = (prefix: string): Either.Either<string, validate.Invalid> =>
  Either.map(validate.named("prefix", validate.namespace(prefix)), validate.trim)

interface Growing {
  readonly namespace: string
  readonly name: string
  count: number
  subtree: number
  readonly children: Map<string, Growing>
}

/** The tree over namespaces given with the largest first. */
const grow = (
  counts: ReadonlyArray<NamespaceCount>,
  { depth, limit, prefix }: { readonly prefix: string; readonly depth: number; readonly limit: number }
): Taxonomy => {
  const root = sprout(prefix)
  let room = limit
  let truncated = false
  for (const { count, namespace } of counts) {
    const levels = levelsBelow(prefix, namespace)
    if (levels === undefined) continue
    let node = root
    node.subtree += count
    for (const level of levels.slice(0, depth)) {
      let child = node.children.get(level)
      if (child === undefined) {
        if (room === 0) break
        room -= 1
        child = sprout(node.namespace === "" ? level : `${node.namespace}/${level}`)
        node.children.set(level, child)
      }
      child.subtree += count
      node = child
    }
    if (node.namespace === validate.trim(namespace)) node.count += count
    else if (levels.length <= depth) truncated = true
  }
  return { tree: grown(root), total_count: root.subtree, truncated }
}

const sprout = (namespace: string): Growing => ({
  namespace,
  name: namespace.slice(namespace.lastIndexOf("/") + 1),
  count: 0,
  subtree: 0,
  children: new Map()
})

/** The levels of a namespace below another; undefined when it is not there. */
const levelsBelow = (prefix: string, given: string): ReadonlyArray<string> | undefined => {
  const namespace = validate.trim(given)
  if (namespace === prefix) return []
  if (prefix === "") return namespace.split("/")
  return namespace.startsWith(`${prefix}/`) ? namespace.slice(prefix.length + 1).split("/") : undefined
}

const grown = ({ children, count, name, namespace, subtree }: Growing): TaxonomyNode => ({
  namespace,
  name,
  count,
  subtree_count: subtree,
  children: Array.from(children.values(), grown).sort((a, b) => a.name < b.name ? -1 : 1)
})
