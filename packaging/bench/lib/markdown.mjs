// Runs as tables of a manual: under which conditions, how far the goals are reached, and every figure.
import { COLUMNS, titleOf } from "./columns.mjs"
import * as Goals from "./goals.mjs"
import * as GoalsReport from "./goalsReport.mjs"
import { PARTS } from "./parts.mjs"
import { rowsOf } from "./report.mjs"

const line = (cells) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`

/** The first row is the head. */
export const table = ([head, ...rows]) => [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n")

const conditionsOf = ({ conditions, measured }) => {
  const parts = Object.keys(measured).filter((name) => measured[name].length > 0)
  return `${parts.join(", ")}: ${
    conditions.date.slice(0, 10)
  }, Node ${conditions.node}, ${conditions.processors} × ${conditions.processor}, ` +
    `SQLite with synchronous=${conditions.synchronous}, bodies of ${conditions.bodyBytes} bytes, ${conditions.reps} × ${conditions.seconds} s ` +
    `a cell after ${conditions.warmUp} s, an fdatasync of a page takes ${conditions.syncMicros} µs` +
    (conditions.inMemory ? ", DATABASES IN MEMORY" : "")
}

/** A part is that of the last run that measured it. */
export const merge = (runs) =>
  runs.reduce((all, { measured }) => {
    const found = Object.entries(measured).filter(([, part]) => part.length > 0)
    return { ...all, ...Object.fromEntries(found) }
  }, {})

const figures = (measured) =>
  Object.entries(PARTS).filter(([name]) => measured[name] !== undefined).map(([name, part]) =>
    table(rowsOf(part.table, measured[name]))
  )

const meanings = (measured) => {
  const keys = new Set(Object.keys(measured).flatMap((name) => PARTS[name]?.table.keys ?? []))
  return table([["column", "what it is"], ...Array.from(keys, (key) => [titleOf(key), COLUMNS[key][1]])])
}

/** The whole text, from the reports that `--json` writes. */
export const render = (runs) => {
  const measured = merge(runs)
  const goals = Goals.met(measured).filter(({ figure }) => figure !== undefined)
  return `${
    [
      runs.map((run) => `- ${conditionsOf(run)}`).join("\n"),
      table([["goal", "figure", "must", "aim", "reached"], ...goals.map(GoalsReport.cells)]),
      ...figures(measured),
      meanings(measured)
    ].join("\n\n")
  }\n`
}
