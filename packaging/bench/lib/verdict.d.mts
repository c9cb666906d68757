export const LEAST_RUNS: number
export const TOLERANCE: number
export const verdict: (
  ours: ReadonlyArray<number>,
  theirs: ReadonlyArray<number>,
  better: "higher" | "lower"
) => "too few runs" | "n/a" | "same" | "better" | "worse"
