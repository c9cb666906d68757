// The parts of a run, in their order.
//
// A part: `of(shapes)` = those that can be measured; `measure(shape, options, prepared)` = runs of one repetition, each
// `{ shape?, errors?, ...figures }`, or `steps(shape, options, prepared)` = functions that give some of them, where one that fails
// leaves the others alone; `line(run)` = how far it is; `table` = its figures `{ title, keys, labelOf? }`, a line for each
// kind of run, or `render(runs, options)` where a report shows them in another way; `before(shapes, options, progress)` and
// `after(prepared)` around all repetitions, where something has to be made once.
import * as Bulk from "./bulk.mjs"
import * as Catchup from "./catchup.mjs"
import * as Cells from "./cells.mjs"
import { clientsTitle } from "./comparison.mjs"
import * as Entries from "./entries.mjs"
import * as Lag from "./lag.mjs"
import * as Memory from "./memory.mjs"
import * as Nodes from "./nodes.mjs"
import * as Postgres from "./postgres.mjs"
import * as Reads from "./reads.mjs"
import { TRUST_CLIENTS } from "./report.mjs"
import * as Size from "./size.mjs"
import * as Start from "./start.mjs"
import * as Straggler from "./straggler.mjs"
import * as Telemetry from "./telemetry.mjs"
import * as Trust from "./trust.mjs"
import * as Unreachable from "./unreachable.mjs"
import * as Written from "./written.mjs"

const daemonsOf = (shapes) => shapes.filter(({ isDaemon }) => isDaemon)
const withLimitOf = (shapes) => shapes.filter(({ isDaemon, name }) => isDaemon || name === "grouped")

const perSecond = (key, unit) => (run) => `${run[key].toFixed(0)} ${unit}`
const writes = perSecond("writesPerSecond", "writes/s")
const millis = (key, what) => (run) => `${what} ${run[key].toFixed(1)} ms`
const CELL = ["writesPerSecond", "p50", "p99", "convergedPerSecond", "entryMicros", "peersMicros", "otherCores"]
const GROUPED = [...CELL.slice(0, -1), "rowsPerCommit", "operationsPerPush"]

const tabled = (title, keys, labelOf) => ({ table: { title, keys, labelOf } })

export const PARTS = {
  cells: {
    ...tabled("writes", GROUPED, ({ clients }) => clientsTitle(clients)),
    of: (shapes) => shapes,
    measure: Cells.measure,
    line: Cells.line,
    render: Cells.render
  },
  nodes: {
    ...tabled(`nodes, ${Nodes.CLIENTS} clients`, [...CELL, "entryPerPeerMicros"], ({ mesh }) => mesh),
    of: withLimitOf,
    steps: Nodes.steps,
    line: (run) => `${run.mesh}: ${writes(run)}`
  },
  entries: {
    ...tabled(`entry nodes, ${Entries.CLIENTS} clients`, CELL, ({ entries }) => entries),
    of: withLimitOf,
    measure: Entries.measure,
    line: (run) => `${run.entries} as entry: ${writes(run)}`
  },
  straggler: {
    ...tabled(`one peer, ${Straggler.CLIENTS} clients`, ["writesPerSecond", "p50", "p99"], ({ peer }) => peer),
    of: daemonsOf,
    measure: Straggler.measure,
    line: (run) => `one peer ${run.peer}: ${writes(run)}, ${millis("p99", "p99")(run)}`
  },
  unreachable: {
    ...tabled("no quorum, 1 client", ["firstMs", "p50", "p99"]),
    of: daemonsOf,
    measure: Unreachable.measure,
    line: millis("p99", "503, p99")
  },
  lag: {
    ...tabled("201 → last node, half load", ["writesPerSecond", "ofFull", "lagP50", "lagP99", "followed"]),
    of: daemonsOf,
    measure: Lag.measure,
    line: millis("lagP99", "201 → last node, p99")
  },
  bulk: {
    ...tabled(`bulk of ${Bulk.ROWS} rows, 1 client`, [
      "rowsPerSecond",
      "convergedPerSecond",
      "p50",
      "entryMicros",
      "peersMicros"
    ]),
    of: daemonsOf,
    measure: Bulk.measure,
    line: perSecond("rowsPerSecond", "rows/s")
  },
  "catch-up": {
    ...tabled("catch-up", ["missed", "operationsPerSecond", "quietP99", "freshP99", "p99Ratio"]),
    of: daemonsOf,
    measure: Catchup.measure,
    line: perSecond("operationsPerSecond", "operations/s")
  },
  size: {
    ...tabled(`memories held, ${Size.CLIENTS} clients`, CELL, ({ rows }) => String(rows)),
    of: daemonsOf,
    before: Size.before,
    steps: Size.steps,
    after: Size.after,
    line: (run) => `${run.rows} memories: ${writes(run)}`
  },
  reads: {
    ...tabled(
      `reads of ${Reads.ROWS} memories`,
      ["readsPerSecond", "p50", "p99", "ofBare"],
      ({ clients, read }) => `${read}, ${clientsTitle(clients)}`
    ),
    of: daemonsOf,
    measure: Reads.measure,
    line: (run) => `${run.read}, ${run.clients} clients: ${perSecond("readsPerSecond", "reads/s")(run)}`
  },
  trust: {
    ...tabled(`trust, ${TRUST_CLIENTS} clients`, GROUPED),
    of: Trust.of,
    measure: Trust.measure,
    line: Cells.line,
    render: Trust.render
  },
  telemetry: {
    ...tabled(`telemetry, ${Telemetry.CLIENTS} clients`, CELL, ({ telemetry }) => telemetry),
    of: daemonsOf,
    steps: Telemetry.steps,
    line: (run) => `telemetry ${run.telemetry}: ${writes(run)}`
  },
  written: {
    ...tabled(`written to the disk, 1 and ${Written.CLIENTS} clients`, [
      "entryPages",
      "peerPages",
      "entryBytes",
      "peerBytes",
      "entryPerStored",
      "peerPerStored"
    ]),
    of: withLimitOf,
    measure: Written.measure,
    line: (run) => `${run.entryPages.toFixed(1)} pages a write, ${run.entryPerStored.toFixed(1)} bytes a byte`
  },
  postgres: {
    ...tabled(`one store for many, ${Postgres.CLIENTS} clients`, CELL, ({ store }) => store),
    of: Postgres.of,
    before: Postgres.before,
    steps: Postgres.steps,
    after: Postgres.after,
    line: (run) => `${run.store}: ${writes(run)}`
  },
  memory: {
    ...tabled(`resident memory, ${Memory.CLIENTS} clients`, [
      "idleMegabytes",
      "entryMegabytes",
      "peerMegabytes",
      "busyMegabytes"
    ]),
    of: withLimitOf,
    measure: Memory.measure,
    line: (run) => `${run.idleMegabytes.toFixed(0)} MB idle, ${run.busyMegabytes.toFixed(0)} MB busy`
  },
  start: {
    ...tabled("start to ready", ["memories", "readyMs"]),
    of: daemonsOf,
    before: Start.before,
    measure: Start.measure,
    after: Start.after,
    line: millis("readyMs", "ready after")
  }
}

/** The part that asks one node alone, question by question in turn: it has a course of its own. */
export const RECALL = "recall"

export const names = [...Object.keys(PARTS), RECALL]
