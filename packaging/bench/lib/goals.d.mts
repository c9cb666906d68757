import type { Run, Summary } from "./comparison.mjs"

/** The runs of each part. */
export type Measured = Readonly<Record<string, ReadonlyArray<Run>>>
export interface Goal {
  readonly title: string
  readonly way: "≥" | "≤"
  readonly must: number
  readonly aim: number | undefined
}
export interface Met extends Goal {
  readonly figure: Summary | undefined
  readonly met: "aim" | "must" | "missed" | "not measured"
}
export const GOALS: ReadonlyArray<Goal>
export const reached: (goal: Goal, median: number) => "aim" | "must" | "missed"
export const met: (measured: Measured) => ReadonlyArray<Met>
