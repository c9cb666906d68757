// The tables and ratio lines of a run.
import { ratio, summary } from "./statistics.mjs"

const COLUMNS = [
  ["writes/s", "writesPerSecond"],
  ["p50 ms", "p50"],
  ["p99 ms", "p99"],
  ["converged/s", "convergedPerSecond"],
  ["conv. share", "convergedShare"],
  ["rows/commit", "rowsPerCommit"],
  ["ops/push", "operationsPerPush"],
  ["entry µs", "entryMicros"],
  ["peers µs", "peersMicros"],
  ["load µs", "loadMicros"],
  ["other cores", "otherCores"]
]
const WITH_RANGE = new Set(["writesPerSecond", "p50", "p99"])

const RATIOS = [
  ["writes/s  quorate / grouped", "writesPerSecond", "quorate", "grouped"],
  ["writes/s  quorate / naive", "writesPerSecond", "quorate", "naive"],
  ["writes/s  grouped / naive", "writesPerSecond", "grouped", "naive"],
  ["p50       quorate / grouped", "p50", "quorate", "grouped"],
  ["p99       quorate / grouped", "p99", "quorate", "grouped"]
]

const text = (value) => {
  if (!Number.isFinite(value)) return "n/a"
  if (Math.abs(value) >= 100) return value.toFixed(0)
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2)
}

const withRange = ({ max, median, min }) => `${text(median)} [${text(min)}–${text(max)}]`

const figure = (values, key) => {
  const found = summary(values)
  if (found === undefined) return "n/a"
  return WITH_RANGE.has(key) && values.length > 1 ? withRange(found) : text(found.median)
}

export const conditionsLine = (conditions) =>
  [
    conditions.date,
    `node ${conditions.node}`,
    `${conditions.processors} × ${conditions.processor}`,
    `N=${conditions.nodes} W=${conditions.quorum}`,
    `synchronous=${conditions.synchronous}`,
    `body ${conditions.bodyBytes} B`,
    `${conditions.reps} × ${conditions.seconds} s per cell, warm-up ${conditions.warmUp} s`,
    `fdatasync of a page ${conditions.syncMicros} µs`,
    conditions.inMemory ? `${conditions.dir} IS IN MEMORY: syncs cost nothing here` : conditions.dir
  ].join(" · ")

const seriesOf = (cells, clients, shape, key) =>
  cells.filter((cell) => cell.clients === clients && cell.shape === shape).map((cell) => cell[key])

const pad = (cell, width, column) => (column === 0 ? cell.padEnd(width) : cell.padStart(width))

const table = (rows) => {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  return rows.map((row) => row.map((cell, column) => pad(cell, widths[column], column)).join("  ")).join("\n")
}

const shapeTable = (cells, clients, shapeNames) => {
  const head = [`${clients} client${clients === 1 ? "" : "s"}`, ...COLUMNS.map(([title]) => title)]
  const rows = shapeNames.map((shape) => [
    shape,
    ...COLUMNS.map(([, key]) => figure(seriesOf(cells, clients, shape, key), key))
  ])
  return table([head, ...rows])
}

/** `{ clients, title, median, min, max }` for every ratio of which both sides were measured in every repetition. */
export const ratios = (cells, clientCounts) =>
  clientCounts.flatMap((clients) =>
    RATIOS.flatMap(([title, key, top, bottom]) => {
      const tops = seriesOf(cells, clients, top, key)
      const bottoms = seriesOf(cells, clients, bottom, key)
      const found = tops.length === bottoms.length ? ratio(tops, bottoms) : undefined
      return found === undefined ? [] : [{ clients, title, ...found }]
    })
  )

const ratioTable = (found, clientCounts) => {
  const titles = RATIOS.map(([title]) => title).filter((title) => found.some((each) => each.title === title))
  if (titles.length === 0) return ""
  const cellOf = (title, clients) => {
    const each = found.find((one) => one.title === title && one.clients === clients)
    return each === undefined ? "n/a" : withRange(each)
  }
  const head = ["ratios", ...clientCounts.map((clients) => `${clients} client${clients === 1 ? "" : "s"}`)]
  return table([head, ...titles.map((title) => [title, ...clientCounts.map((clients) => cellOf(title, clients))])])
}

/** The whole report: a table per client count, then the ratios. Medians, with [min–max] over the repetitions. */
export const render = (cells, clientCounts, shapeNames) =>
  [
    ...clientCounts.map((clients) => shapeTable(cells, clients, shapeNames)),
    ratioTable(ratios(cells, clientCounts), clientCounts)
  ].filter((part) => part !== "").join("\n\n")

/** The catch-up of a node that was away: medians over the repetitions. */
export const renderCatchup = (runs) => {
  const of = (key) => runs.map((run) => run[key])
  const ranged = (key) => withRange(summary(of(key)))
  return table([
    ["catch-up", ""],
    ["missed operations", figure(of("missed"), "missed")],
    ["operations/s", ranged("operationsPerSecond")],
    ["p99 ms of fresh writes, quiet", ranged("quietP99")],
    ["p99 ms of fresh writes, meanwhile", ranged("freshP99")],
    ["p99 meanwhile / quiet", ranged("p99Ratio")]
  ])
}
