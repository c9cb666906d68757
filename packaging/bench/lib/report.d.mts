import type { Run } from "./comparison.mjs"

export const renderRuns: (
  what: {
    readonly title: string
    readonly keys: ReadonlyArray<string>
    readonly labelOf?: (run: Run) => string
  },
  runs: ReadonlyArray<Run>
) => string
