// Figures as text, and tables of them.

export const text = (value) => {
  if (!Number.isFinite(value)) return "n/a"
  if (Math.abs(value) >= 100) return value.toFixed(0)
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2)
}

export const withRange = ({ max, median, min }) => `${text(median)} [${text(min)}–${text(max)}]`

const pad = (cell, width, column) => (column === 0 ? cell.padEnd(width) : cell.padStart(width))

/** The first column to the left, the others to the right; the first row is the head. */
export const table = (rows) => {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  return rows.map((row) => row.map((cell, column) => pad(cell, widths[column], column)).join("  ")).join("\n")
}
