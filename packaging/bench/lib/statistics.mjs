// Small statistics: all figures of a run are medians with their range.

/** The value below which the share `p` (0..1) of `sorted` (ascending) lies; NaN when there is none. */
export const quantile = (sorted, p) =>
  sorted.length === 0 ? NaN : sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))]

export const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** `{ median, min, max }` of the finite values; undefined when there is none. */
export const summary = (values) => {
  const finite = values.filter(Number.isFinite)
  return finite.length === 0
    ? undefined
    : { median: median(finite), min: Math.min(...finite), max: Math.max(...finite) }
}

/**
 * The ratio of two series measured in the same repetitions: `median` is the ratio of the two medians, the range is that
 * of the repetition-by-repetition ratios (which share the machine's mood of that minute).
 */
export const ratio = (numerators, denominators) => {
  const top = summary(numerators)
  const bottom = summary(denominators)
  if (top === undefined || bottom === undefined || bottom.median === 0) return undefined
  const pairs = summary(numerators.map((value, i) => value / denominators[i]))
  return { median: top.median / bottom.median, min: pairs?.min ?? NaN, max: pairs?.max ?? NaN }
}
