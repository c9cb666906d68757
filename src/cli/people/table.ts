import stringWidth from "string-width"
import type { Screen } from "./screen.js"

interface Column {
  readonly title: string
  /** Numbers stand at the right. */
  readonly isNumber?: boolean
  /** Cut where the rows are too wide. One of them is. */
  readonly isCut?: boolean
}

const GAP = "  "
const LEAST_COLUMNS = 10

/** Rows under the titles of their columns, no wider than the screen; a cell is one line that is fit to be shown. */
export const table = (
  { bold, width }: Screen,
  columns: ReadonlyArray<Column>,
  rows: ReadonlyArray<ReadonlyArray<string>>
): string => {
  const natural = columns.map(({ title }, at) =>
    rows.reduce((widest, row) => Math.max(widest, stringWidth(row[at] ?? "")), stringWidth(title))
  )
  const over = natural.reduce((sum, each) => sum + each, GAP.length * (columns.length - 1)) - width
  const widths = columns.map(({ isCut = false }, at) => {
    const own = natural[at] ?? 0
    return isCut && over > 0 ? Math.max(LEAST_COLUMNS, own - over) : own
  })
  const line = (cells: ReadonlyArray<string>) =>
    columns.map(({ isNumber = false }, at) => fit(cells[at] ?? "", widths[at] ?? 0, isNumber)).join(GAP).trimEnd()
  return [bold(line(columns.map(({ title }) => title))), ...rows.map(line)].join("\n")
}

const fit = (cell: string, width: number, isNumber: boolean): string => {
  const shown = cut(cell, width)
  const space = " ".repeat(Math.max(0, width - stringWidth(shown)))
  return isNumber ? `${space}${shown}` : `${shown}${space}`
}

/** As much of a text as is that wide. */
const cut = (text: string, width: number): string => {
  if (stringWidth(text) <= width) return text
  let kept = ""
  let used = 1
  for (const { segment } of segmenter.segment(text)) {
    used += stringWidth(segment)
    if (used > width) break
    kept += segment
  }
  return `${kept}…`
}

const segmenter = new Intl.Segmenter()
