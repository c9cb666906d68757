import type { Source } from "./sources.mjs"

export interface Site {
  readonly path: string
  readonly line: number
}
export interface Decided {
  readonly name: string
  readonly inside: ReadonlyArray<Site>
  readonly outside: ReadonlyArray<Site>
}
export const find: (sources: ReadonlyArray<Source>) => ReadonlyArray<Decided>
