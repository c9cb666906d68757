// What the figures of a run ought to be: what must be reached, and what is aimed at. A run is measured by them, and not judged.
import { ratio, summary } from "./statistics.mjs"

const LIMIT = "grouped"
const OURS = "quorate"

const hasAll = (run, where) => Object.entries(where).every(([key, value]) => run[key] === value)

/** The values of one figure in the runs of a part that are as `where` says, one of each repetition. */
const series = (measured, part, where, key) =>
  (measured[part] ?? []).filter((run) => hasAll(run, where)).toSorted((a, b) => a.rep - b.rep).map((run) =>
    run[key] ?? NaN
  )

const figure = (part, where, key) => (measured) => summary(series(measured, part, { shape: OURS, ...where }, key))

/** One figure of two kinds of runs of a part; nothing where a repetition has only one of them. */
const quotient = (part, top, bottom, key) => (measured) => {
  const of = (where) => series(measured, part, { shape: OURS, ...where }, key)
  const [tops, bottoms] = [of(top), of(bottom)]
  return tops.length === bottoms.length ? ratio(tops, bottoms) : undefined
}

const beside = (shape, clients, key) => quotient("cells", { clients }, { clients, shape }, key)

const least = (title, must, aim, of) => ({ title, way: "≥", must, aim, of })
const most = (title, must, aim, of) => ({ title, way: "≤", must, aim, of })

const nodes = (count) => ({ mesh: `N=${count} W=${Math.floor(count / 2) + 1}` })
const stopped = (peer, key) => quotient("straggler", { peer }, { peer: "healthy" }, key)
const stores = (top, bottom) => quotient("postgres", { store: top }, { store: bottom }, "writesPerSecond")
const of100k = (measured) => summary(series(measured, "start", { shape: OURS, memories: 100_000 }, "readyMs"))
const missed100k = (measured) =>
  summary(
    (measured["catch-up"] ?? []).filter(({ missed, shape }) => shape === OURS && missed >= 100_000)
      .map(({ operationsPerSecond }) => operationsPerSecond)
  )
const recalled100k = (key) => (measured) =>
  summary(series(measured, "recall", { shape: OURS, recall: "meaning", memories: 100_000 }, key))

export const GOALS = [
  least("writes/s, 64 clients / the limit", 0.7, 0.9, beside(LIMIT, 64, "writesPerSecond")),
  least("writes/s, 256 clients / the limit", 0.7, 0.9, beside(LIMIT, 256, "writesPerSecond")),
  most("p50, 1 client / the limit", 1.6, 1.2, beside(LIMIT, 1, "p50")),
  most("p99, 64 clients / the limit", 1.6, 1.2, beside(LIMIT, 64, "p99")),
  least("writes/s, 64 clients / the daemon of --peer", 10, 15, beside("peer", 64, "writesPerSecond")),
  least("writes/s, 8 clients / the daemon of --peer", 4, 6, beside("peer", 8, "writesPerSecond")),
  least("writes/s, 1 client / the daemon of --peer", 1, 1.5, beside("peer", 1, "writesPerSecond")),
  least("writes/s, 1 client / etcd", 0.35, 0.6, beside("etcd", 1, "writesPerSecond")),
  least("writes/s, 8 clients / etcd", 0.6, 0.9, beside("etcd", 8, "writesPerSecond")),
  least("writes/s, 64 clients / etcd", 0.8, 1.05, beside("etcd", 64, "writesPerSecond")),
  most("WAL pages per single write", 12, 8, figure("written", {}, "entryPages")),
  most("bytes written per byte stored", 3.5, 2.5, figure("written", {}, "entryPerStored")),
  most("CPU per write at the entry / the limit", 1.7, 1.2, beside(LIMIT, 64, "entryMicros")),
  most("CPU per write at the peers / the limit", 1.7, 1.2, beside(LIMIT, 64, "peersMicros")),
  least("rows per commit, 64 clients", 20, undefined, figure("cells", { clients: 64 }, "rowsPerCommit")),
  least("operations per push, 64 clients", 20, undefined, figure("cells", { clients: 64 }, "operationsPerPush")),
  least(
    "writes/s, all three nodes as entry / one",
    1,
    1.1,
    quotient("entries", { entries: "all" }, { entries: "one" }, "writesPerSecond")
  ),
  least("converged / answered, 64 clients", 0.95, 0.98, figure("cells", { clients: 64 }, "convergedShare")),
  least("writes/s, one peer stopped / healthy", 0.95, 1, stopped("stopped", "writesPerSecond")),
  most("p99, one peer stopped / healthy", 1.2, 1.1, stopped("stopped", "p99")),
  least("writes/s, one peer killed / healthy", 0.95, 1, stopped("killed", "writesPerSecond")),
  most("p99, one peer killed / healthy", 1.2, 1.1, stopped("killed", "p99")),
  most("503 when W is unreachable, p99 ms", 20, 5, figure("unreachable", {}, "p99")),
  most("201 → last node at half load, p99 ms", 150, 60, figure("lag", {}, "lagP99")),
  least("catch-up of 100,000 operations, a second", 8_000, 15_000, missed100k),
  least("bulk of 1,000 rows, rows/s", 5_000, 8_000, figure("bulk", {}, "rowsPerSecond")),
  most("recall of 100,000 memories, p50 ms", 10, 4, recalled100k("p50")),
  most("recall of 100,000 memories, p99 ms", 40, 15, recalled100k("p99")),
  least("get by id, 64 clients / bare node:http", 0.4, 0.7, figure("reads", { read: "get", clients: 64 }, "ofBare")),
  least(
    "writes/s, 1,000,000 memories / 10,000",
    0.8,
    0.95,
    quotient("size", { rows: 1_000_000 }, { rows: 10_000 }, "writesPerSecond")
  ),
  least("writes/s, N = 5 / N = 3", 0.6, 0.75, quotient("nodes", nodes(5), nodes(3), "writesPerSecond")),
  most("entry CPU per peer, N = 5 / N = 3", 1, undefined, quotient("nodes", nodes(5), nodes(3), "entryPerPeerMicros")),
  least(
    "writes/s, signed / plain",
    0.85,
    0.95,
    quotient("trust", { shape: "signed" }, {}, "writesPerSecond")
  ),
  least(
    "writes/s, TLS and signed / plain",
    0.75,
    0.88,
    quotient("trust", { shape: "tls, signed" }, {}, "writesPerSecond")
  ),
  least(
    "writes/s, telemetry on / off",
    0.85,
    0.95,
    quotient("telemetry", { telemetry: "on" }, { telemetry: "off" }, "writesPerSecond")
  ),
  least(
    "writes/s, one daemon of a site / plain inserts of its rows",
    0.5,
    undefined,
    stores("site of 1", "plain inserts")
  ),
  least("writes/s, four daemons of a site / one", 1, undefined, stores("site of 4", "site of 1")),
  most("resident memory, idle, MB", 130, 90, figure("memory", {}, "idleMegabytes")),
  most("resident memory, 64 clients, MB", 260, 180, figure("memory", {}, "busyMegabytes")),
  most("start to ready with 100,000 memories, ms", 1_500, 800, of100k)
]

const reaches = (way, value, bound) => bound !== undefined && (way === "≥" ? value >= bound : value <= bound)

/** How far a goal is reached by a median: "aim", "must", or "missed". */
export const reached = ({ aim, must, way }, median) => {
  if (reaches(way, median, aim)) return "aim"
  return reaches(way, median, must) ? "must" : "missed"
}

/** Every goal with its figure `{ median, min, max }` and how far it is reached; undefined and "not measured" where there is none. */
export const met = (measured) =>
  GOALS.map(({ of, ...goal }) => {
    const figure = of(measured)
    return { ...goal, figure, met: figure === undefined ? "not measured" : reached(goal, figure.median) }
  })
