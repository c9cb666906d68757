// The tables and ratio lines of a run.
import { clientsTitle } from "./comparison.mjs"
import { ROWS } from "./reads.mjs"
import { BARE, QUESTIONS } from "./recall.mjs"
import { ratio, summary } from "./statistics.mjs"
import { table, text, withRange } from "./tables.mjs"

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
const WITH_RANGE = new Set(["writesPerSecond", "readsPerSecond", "p50", "p99"])

const RATIOS = [
  ["writes/s  quorate / grouped", "writesPerSecond", "quorate", "grouped"],
  ["writes/s  quorate / naive", "writesPerSecond", "quorate", "naive"],
  ["writes/s  grouped / naive", "writesPerSecond", "grouped", "naive"],
  ["p50       quorate / grouped", "p50", "quorate", "grouped"],
  ["p99       quorate / grouped", "p99", "quorate", "grouped"]
]

/** What it costs that nodes need not believe each other. */
export const TRUST_RATIOS = [
  ["writes/s  signed / quorate", "writesPerSecond", "signed", "quorate"],
  ["writes/s  tls, signed / quorate", "writesPerSecond", "tls, signed", "quorate"]
]
export const TRUST_CLIENTS = 64

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
    conditions.inMemory ? `${conditions.dir} IS IN MEMORY: syncs cost nothing here` : conditions.dir,
    ...(conditions.against === undefined ? [] : [`against ${conditions.against}`])
  ].join(" · ")

const seriesOf = (cells, clients, shape, key) =>
  cells.filter((cell) => cell.clients === clients && cell.shape === shape).map((cell) => cell[key])

const shapeTable = (cells, clients, shapeNames) => {
  const head = [clientsTitle(clients), ...COLUMNS.map(([title]) => title)]
  const rows = shapeNames.map((shape) => [
    shape,
    ...COLUMNS.map(([, key]) => figure(seriesOf(cells, clients, shape, key), key))
  ])
  return table([head, ...rows])
}

/** `{ clients, title, median, min, max }` for every ratio of which both sides were measured in every repetition. */
export const ratios = (cells, clientCounts, of = RATIOS) =>
  clientCounts.flatMap((clients) =>
    of.flatMap(([title, key, top, bottom]) => {
      const tops = seriesOf(cells, clients, top, key)
      const bottoms = seriesOf(cells, clients, bottom, key)
      const found = tops.length === bottoms.length ? ratio(tops, bottoms) : undefined
      return found === undefined ? [] : [{ clients, title, ...found }]
    })
  )

const ratioTable = (found, clientCounts, of = RATIOS) => {
  const titles = of.map(([title]) => title).filter((title) => found.some((each) => each.title === title))
  if (titles.length === 0) return ""
  const cellOf = (title, clients) => {
    const each = found.find((one) => one.title === title && one.clients === clients)
    return each === undefined ? "n/a" : withRange(each)
  }
  const head = ["ratios", ...clientCounts.map(clientsTitle)]
  return table([head, ...titles.map((title) => [title, ...clientCounts.map((clients) => cellOf(title, clients))])])
}

/** The whole report: a table per client count, then the ratios. Medians, with [min–max] over the repetitions. */
export const render = (cells, clientCounts, shapeNames) =>
  [
    ...clientCounts.map((clients) => shapeTable(cells, clients, shapeNames)),
    ratioTable(ratios(cells, clientCounts), clientCounts)
  ].filter((part) => part !== "").join("\n\n")

/** The same mesh with keys, and with TLS, too: a table, and the ratios. */
export const renderTrust = (cells, shapeNames) =>
  [
    shapeTable(cells, TRUST_CLIENTS, shapeNames),
    ratioTable(ratios(cells, [TRUST_CLIENTS], TRUST_RATIOS), [TRUST_CLIENTS], TRUST_RATIOS)
  ].join("\n\n")

/** The catch-up of a node that was away: medians over the repetitions, a column per daemon. */
export const renderCatchup = (runs, shapeNames) => {
  const of = (shape, key) => runs.filter((run) => run.shape === shape).map((run) => run[key])
  const row = (title, key, show) => [title, ...shapeNames.map((shape) => show(of(shape, key), key))]
  const ranged = (values) => {
    const found = summary(values)
    return found === undefined ? "n/a" : withRange(found)
  }
  return table([
    ["catch-up", ...shapeNames],
    row("missed operations", "missed", figure),
    row("operations/s", "operationsPerSecond", ranged),
    row("p99 ms of fresh writes, quiet", "quietP99", ranged),
    row("p99 ms of fresh writes, meanwhile", "freshP99", ranged),
    row("p99 meanwhile / quiet", "p99Ratio", ranged)
  ])
}

/** A line per kind of read, client count and daemon. */
export const renderReads = (cells, shapeNames) => {
  const titles = [...new Set(cells.map(({ clients, read }) => `${read}, ${clientsTitle(clients)}`))]
  const row = (title, shape) => {
    const found = cells.filter((cell) =>
      cell.shape === shape && `${cell.read}, ${clientsTitle(cell.clients)}` === title
    )
    const of = (key) => figure(found.map((cell) => cell[key]), key)
    return [title, shape, of("readsPerSecond"), of("p50"), of("p99")]
  }
  return table([
    [`reads of ${ROWS} memories`, "shape", "reads/s", "p50 ms", "p99 ms"],
    ...titles.flatMap((title) => shapeNames.map((shape) => row(title, shape)))
  ])
}

/** A line per kind of recall and daemon, each beside bare full-text search in the same repetitions; then sizes. */
export const renderRecall = ({ recalled, sizes }, memories) => {
  const of = (shape, recall, key) =>
    recalled.filter((cell) => cell.shape === shape && cell.recall === recall).map((cell) => cell[key])
  const kinds = new Map(recalled.map(({ recall, shape }) => [`${recall} ${shape}`, { recall, shape }]))
  const beside = (shape, recall, key) => {
    const found = ratio(of(shape, recall, key), of(BARE, "words", key))
    return found === undefined ? "n/a" : withRange(found)
  }
  const times = Array.from(kinds.values(), ({ recall, shape }) => [
    recall,
    shape,
    figure(of(shape, recall, "p50"), "p50"),
    figure(of(shape, recall, "p99"), "p99"),
    beside(shape, recall, "p50")
  ])
  const bytes = (value) => Number.isFinite(value) ? value.toFixed(0) : "n/a"
  const megabytes = (value) => bytes(value / 1e6)
  const kept = sizes.map(({ meaning, shape, unused, vectorBytes, wordBytes, words }) => [
    shape,
    bytes(wordBytes),
    bytes(vectorBytes ?? NaN),
    megabytes(unused),
    megabytes(words),
    megabytes(meaning)
  ])
  return [
    table([
      [
        `recall of ${memories} memories, ${QUESTIONS} questions of six words`,
        "shape",
        "p50 ms",
        "p99 ms",
        `p50 / ${BARE}`
      ],
      ...times
    ]),
    table([
      ["sizes", "words, B a memory", "vectors, B a part", "MB unused", "MB by words", "MB by meaning"],
      ...kept
    ])
  ].join("\n\n")
}
