// Metrics as a node shows them.

/** The sum of all series of one sample name in Prometheus text, whatever their labels. */
export const sumOf = (text, name) => {
  const series = text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)`, "gm"))
  const values = Array.from(series, (match) => Number(match[1]))
  return values.length === 0 ? NaN : values.reduce((a, b) => a + b)
}
