// Whether one build is worse than another, by a rule that noise seldom meets.
import { summary } from "./statistics.mjs"

/** With fewer runs of both nothing is said. */
export const LEAST_RUNS = 5
/** Medians that differ by less are equal. */
export const TOLERANCE = 0.05

/**
 * "worse" or "better" when the medians differ by more than the tolerance and the ranges do not overlap, else "same".
 * `better` says which way is good: "higher" or "lower".
 */
export const verdict = (ours, theirs, better) => {
  if (Math.min(ours.length, theirs.length) < LEAST_RUNS) return "too few runs"
  const one = summary(ours)
  const other = summary(theirs)
  if (one === undefined || other === undefined) return "n/a"
  const isApart = one.min > other.max || one.max < other.min
  const differs = Math.abs(one.median - other.median) > TOLERANCE * other.median
  if (!isApart || !differs) return "same"
  return one.median > other.median === (better === "higher") ? "better" : "worse"
}
