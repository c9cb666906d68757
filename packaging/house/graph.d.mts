import type ts from "typescript"
import type { Source } from "./sources.mjs"

export type Graph = ReadonlyMap<string, ReadonlySet<string>>
export const importsOf: (
  source: Source,
  known: ReadonlySet<string>
) => ReadonlyArray<{ readonly node: ts.Node; readonly to: string }>
export const make: (sources: ReadonlyArray<Source>) => Graph
export const within: (graph: Graph, isIn: (path: string) => boolean) => Graph
export const grouped: (graph: Graph, nameOf: (path: string) => string) => Graph
export const arrows: (graph: Graph) => ReadonlyArray<readonly [from: string, to: string]>
export const circles: (graph: Graph) => ReadonlyArray<ReadonlyArray<string>>
export const floors: (graph: Graph) => number
