// The tables and ratio lines of a run.
import { legend, titleOf } from "./columns.mjs"
import { clientsTitle } from "./comparison.mjs"
import { BARE, QUESTIONS } from "./recall.mjs"
import { ratio, summary } from "./statistics.mjs"
import { table, text, withRange } from "./tables.mjs"

const CELL = [
  "writesPerSecond",
  "p50",
  "p99",
  "convergedPerSecond",
  "convergedShare",
  "rowsPerCommit",
  "operationsPerPush",
  "entryMicros",
  "peersMicros",
  "loadMicros",
  "otherCores"
]
const WITH_RANGE = new Set([
  "writesPerSecond",
  "readsPerSecond",
  "rowsPerSecond",
  "operationsPerSecond",
  "p50",
  "p99",
  "lagP99",
  "readyMs"
])

const RATIOS = [
  ["writes/s  quorate / grouped", "writesPerSecond", "quorate", "grouped"],
  ["writes/s  quorate / naive", "writesPerSecond", "quorate", "naive"],
  ["writes/s  grouped / naive", "writesPerSecond", "grouped", "naive"],
  ["writes/s  quorate / etcd", "writesPerSecond", "quorate", "etcd"],
  ["writes/s  quorate / peer", "writesPerSecond", "quorate", "peer"],
  ["p50       quorate / grouped", "p50", "quorate", "grouped"],
  ["p99       quorate / grouped", "p99", "quorate", "grouped"],
  ["entry µs  quorate / grouped", "entryMicros", "quorate", "grouped"],
  ["peers µs  quorate / grouped", "peersMicros", "quorate", "grouped"]
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
    `N=${conditions.nodes} W=${conditions.quorum} unless said otherwise`,
    `synchronous=${conditions.synchronous}`,
    `body ${conditions.bodyBytes} B`,
    `${conditions.reps} × ${conditions.seconds} s per cell, warm-up ${conditions.warmUp} s`,
    `fdatasync of a page ${conditions.syncMicros} µs`,
    conditions.inMemory ? `${conditions.dir} IS IN MEMORY: syncs cost nothing here` : conditions.dir,
    ...(conditions.against === undefined ? [] : [`against ${conditions.against}`]),
    ...(conditions.peer === undefined ? [] : [`peer ${conditions.peer}`])
  ].join(" · ")

const seriesOf = (cells, clients, shape, key) =>
  cells.filter((cell) => cell.clients === clients && cell.shape === shape).map((cell) => cell[key])

const cellKeys = (cells) => cells.some(({ refused }) => refused > 0) ? [...CELL, "refused"] : CELL

const shapeTable = (cells, clients, shapeNames) => {
  const keys = cellKeys(cells)
  const head = [clientsTitle(clients), ...keys.map(titleOf)]
  const rows = shapeNames.map((shape) => [
    shape,
    ...keys.map((key) => figure(seriesOf(cells, clients, shape, key), key))
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
    legend(cellKeys(cells)),
    ratioTable(ratios(cells, clientCounts), clientCounts)
  ].filter((part) => part !== "").join("\n\n")

/** The same mesh with keys, and with TLS, too: a table, and the ratios. */
export const renderTrust = (cells, shapeNames) =>
  [
    shapeTable(cells, TRUST_CLIENTS, shapeNames),
    legend(cellKeys(cells)),
    ratioTable(ratios(cells, [TRUST_CLIENTS], TRUST_RATIOS), [TRUST_CLIENTS], TRUST_RATIOS)
  ].join("\n\n")

/** A row for each kind of run and each shape, medians over the repetitions; the first row is the head. */
export const rowsOf = ({ keys, labelOf = () => "", title }, runs) => {
  const kinds = new Map(runs.map((run) => [`${labelOf(run)} ${run.shape}`, { label: labelOf(run), shape: run.shape }]))
  const rows = Array.from(kinds.values(), ({ label, shape }) => {
    const found = runs.filter((run) => run.shape === shape && labelOf(run) === label)
    return [label, shape, ...keys.map((key) => figure(found.map((run) => run[key]), key))]
  })
  return [[title, "shape", ...keys.map(titleOf)], ...rows]
}

/** These as a table, and below it what the columns are. */
export const renderRuns = (what, runs) => `${table(rowsOf(what, runs))}\n\n${legend(what.keys)}`

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
