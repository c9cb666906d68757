// This build beside another one, figure by figure, with a verdict for each.
import { ratio, summary } from "./statistics.mjs"
import { table, withRange } from "./tables.mjs"
import { LEAST_RUNS, TOLERANCE, verdict } from "./verdict.mjs"

const WRITES = [
  ["writes/s", "writesPerSecond", "higher"],
  ["p50 ms", "p50", "lower"],
  ["p99 ms", "p99", "lower"],
  ["converged/s", "convergedPerSecond", "higher"],
  ["entry µs", "entryMicros", "lower"],
  ["peers µs", "peersMicros", "lower"]
]
const CATCH_UP = [
  ["operations/s", "operationsPerSecond", "higher"],
  ["p99 ms, quiet", "quietP99", "lower"],
  ["p99 ms, meanwhile", "freshP99", "lower"]
]
const READS = [
  ["reads/s", "readsPerSecond", "higher"],
  ["p50 ms", "p50", "lower"],
  ["p99 ms", "p99", "lower"]
]

const RECALL = [
  ["p50 ms", "p50", "lower"],
  ["p99 ms", "p99", "lower"]
]

export const clientsTitle = (clients) => `${clients} client${clients === 1 ? "" : "s"}`

/** What was measured of one build, as groups of comparable runs. */
const groupsOf = ({ cells, reads, recalled, runs }) => [
  ...cells.map((cell) => ({ title: clientsTitle(cell.clients), figures: WRITES, run: cell })),
  ...runs.map((run) => ({ title: "catch-up", figures: CATCH_UP, run })),
  ...reads.map((cell) => ({ title: `${cell.read}, ${clientsTitle(cell.clients)}`, figures: READS, run: cell })),
  ...recalled.map((cell) => ({ title: `recall, ${cell.recall}`, figures: RECALL, run: cell }))
]

const seriesOf = (runs, shape, key, reps) =>
  runs.filter((run) => run.shape === shape && reps.has(run.rep)).map((run) => run[key])

/** The repetitions in which both were measured: only runs of the same repetition are interleaved. */
const repsOf = (runs, [ours, theirs]) => {
  const of = (shape) => runs.filter((run) => run.shape === shape).map(({ rep }) => rep)
  const others = new Set(of(theirs))
  return new Set(of(ours).filter((rep) => others.has(rep)))
}

const compareFigure = ({ key, reps, runs, title, way }, [ours, theirs]) => {
  const one = seriesOf(runs, ours, key, reps)
  const other = seriesOf(runs, theirs, key, reps)
  return {
    title,
    runs: reps.size,
    ours: summary(one),
    theirs: summary(other),
    ratio: ratio(one, other),
    verdict: verdict(one, other, way)
  }
}

/**
 * `{ title, runs, ours, theirs, ratio, verdict }` for every figure of `names` = [ours, theirs] that both have; `more`: groups of
 * comparable runs besides, `{ title, figures, run }`.
 */
export const compare = (measured, names, more = []) => {
  const groups = [...groupsOf(measured), ...more]
  return [...new Set(groups.map(({ title }) => title))].flatMap((group) => {
    const members = groups.filter(({ title }) => title === group)
    const runs = members.map(({ run }) => run)
    const reps = repsOf(runs, names)
    if (reps.size === 0) return []
    return members[0].figures.map(([title, key, way]) =>
      compareFigure({ title: `${group}, ${title}`, key, reps, runs, way }, names)
    )
  })
}

const figure = (found) => found === undefined ? "n/a" : withRange(found)

const summaryLine = (compared) => {
  const of = (word) => compared.filter(({ verdict }) => verdict === word)
  const worse = of("worse")
  const rule = `medians of ${LEAST_RUNS} runs or more that differ by more than ${TOLERANCE * 100} %, ranges apart`
  if (of("too few runs").length > 0) return `no verdict on all: it needs ${rule}`
  const names = worse.length === 0 ? "" : `: ${worse.map(({ title }) => title).join("; ")}`
  return `worse in ${worse.length} of ${compared.length} figures, better in ${of("better").length} (${rule})${names}`
}

/** A line per figure, and one that counts the verdicts. */
export const render = (compared, [ours, theirs]) =>
  [
    table([
      [`${ours} / ${theirs}`, ours, theirs, "ratio", `${ours} is`],
      ...compared.map((each) => [
        each.title,
        figure(each.ours),
        figure(each.theirs),
        figure(each.ratio),
        each.verdict
      ])
    ]),
    summaryLine(compared)
  ].join("\n")
