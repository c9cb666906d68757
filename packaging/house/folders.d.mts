import type { Graph } from "./graph.mjs"

export const LARGE: ReadonlyArray<string>
export const planOf: (graph: Graph, folder: string) => { readonly files: Graph; readonly plan: Graph }
