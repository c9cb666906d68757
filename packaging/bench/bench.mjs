// npm run bench: quorum writes of three daemons beside two plain-Node measuring rods, in one run, as ratios.
// It measures and does not judge: exit 0 whatever the ratios, 1 when the run itself failed, 2 on bad usage.
import fs from "node:fs"
import * as Catchup from "./lib/catchup.mjs"
import * as Comparison from "./lib/comparison.mjs"
import * as Conditions from "./lib/conditions.mjs"
import { withMesh } from "./lib/mesh.mjs"
import * as Options from "./lib/options.mjs"
import * as Processes from "./lib/processes.mjs"
import * as Reads from "./lib/reads.mjs"
import * as Recall from "./lib/recall.mjs"
import * as Report from "./lib/report.mjs"
import { shapes, trusting } from "./lib/shapes.mjs"

const SLACK_PER_MESH_MS = 60_000
const SLACK_PER_MEMORY_MS = 10
/** Of a part that does not ask --clients: an outage of ten thousand writes, or reads. */
const MOST_CELLS = 6

const progress = (text) => process.stderr.write(`${text}\n`)

const daemonsOf = (all) => all.filter(({ isDaemon }) => isDaemon)

/** One mesh of one shape: warm-up, then a cell per client count. */
const measureCells = (shape, options) =>
  withMesh(shape, options.dir, async (measure) => {
    const cells = []
    await measure(Math.max(...options.clients), options.warmUp)
    for (const clients of options.clients) cells.push({ clients, ...(await measure(clients, options.seconds)) })
    return cells
  })

/** What a returned node costs. A fresh write that fails is a failure of the run, and the run is kept. */
const measureCatchup = async (shape, options) => [await Catchup.measure(shape, options)]

const cellLine = ({ clients, writesPerSecond }) => `${clients} clients: ${writesPerSecond.toFixed(0)} writes/s`
const catchupLine = ({ operationsPerSecond }) => `catch-up: ${operationsPerSecond.toFixed(0)} operations/s`
const readLine = ({ clients, read, readsPerSecond }) =>
  `${read}, ${clients} clients: ${readsPerSecond.toFixed(0)} reads/s`

/** The cells of the client count by which trust is judged. */
const measureTrust = (shape, options) => measureCells(shape, { ...options, clients: [Report.TRUST_CLIENTS] })

/** The parts of a run, in their order: how a mesh of one shape is measured, and which shapes can be. */
const PARTS = {
  cells: { measure: measureCells, line: cellLine, of: (shapes) => shapes },
  "catch-up": { measure: measureCatchup, line: catchupLine, of: daemonsOf },
  reads: { measure: Reads.measure, line: readLine, of: daemonsOf },
  trust: { measure: measureTrust, line: cellLine, of: (shapes) => daemonsOf(shapes).length === 0 ? [] : trusting }
}

/**
 * Every repetition starts with another shape, so that a drift of the machine meets all of them alike, and every second one
 * takes the others the other way round, so that none always follows the same.
 */
const orderOf = (shapes, rep) => {
  const first = (rep - 1) % shapes.length
  const [start, ...others] = [...shapes.slice(first), ...shapes.slice(0, first)]
  return [start, ...(rep % 2 === 0 ? others.reverse() : others)]
}

/** One part, interleaved: `{ rep, shape, ... }` for all that was measured. */
const measurePart = async (name, options) => {
  const { line, measure, of } = PARTS[name]
  const shapes = of(options.shapes)
  const measured = []
  const failures = []
  const fail = (shape, rep, problem) => {
    failures.push(`${name}, ${shape.name}, repetition ${rep}: ${problem}`)
    progress(`FAILED ${failures.at(-1)}`)
  }
  for (let rep = 1; rep <= (shapes.length === 0 ? 0 : options.reps); rep++) {
    for (const shape of orderOf(shapes, rep)) {
      try {
        for (const each of await measure(shape, options)) {
          progress(`${rep}/${options.reps} ${shape.name} ${line(each)}`)
          measured.push({ rep, shape: shape.name, ...each })
          if (each.errors > 0) fail(shape, rep, `${each.errors} fresh writes failed`)
        }
      } catch (error) {
        fail(shape, rep, error.message)
      }
    }
  }
  return { measured, failures }
}

/** Recall, on one node per daemon: filled once, and asked in every repetition. */
const measureRecall = async (options) => {
  const shapes = daemonsOf(options.shapes)
  if (!options.parts.includes("recall") || shapes.length === 0) return { recalled: [], sizes: [], failures: [] }
  try {
    return { ...(await Recall.measure({ ...options, shapes }, progress)), failures: [] }
  } catch (error) {
    progress(`FAILED recall: ${error.message}`)
    return { recalled: [], sizes: [], failures: [`recall: ${error.message}`] }
  }
}

/** A run that hangs in spite of every bound below ends here. */
const endAfter = (options) => {
  const seconds = options.warmUp + Math.max(options.clients.length, MOST_CELLS) * options.seconds
  const recall = options.shapes.length * options.memories * SLACK_PER_MEMORY_MS
  const limit = options.reps * options.shapes.length * options.parts.length * (seconds * 1000 + SLACK_PER_MESH_MS) +
    recall
  const timer = setTimeout(() => {
    progress(`the run did not end within ${Math.round(limit / 1000)} s`)
    process.exit(1)
  }, limit)
  timer.unref()
}

const compareWithAgainst = (options, measured) => {
  if (options.against === undefined) return []
  const names = [shapes.quorate.name, Options.AGAINST]
  const compared = Comparison.compare(measured, names)
  if (compared.length > 0) console.log(`\n${Comparison.render(compared, names)}`)
  return compared
}

const run = async (options) => {
  Processes.cleanUpAtExit()
  endAfter(options)
  const conditions = Conditions.measure(options)
  console.log(`${Report.conditionsLine(conditions)}\n`)
  const part = (name) => options.parts.includes(name) ? measurePart(name, options) : { measured: [], failures: [] }
  const daemons = daemonsOf(options.shapes).map(({ name }) => name)
  const { measured: cells, failures } = await part("cells")
  if (cells.length > 0) {
    console.log(Report.render(cells, options.clients, options.shapes.map((shape) => shape.name)))
  }
  const { measured: runs, ...caughtUp } = await part("catch-up")
  if (runs.length > 0) console.log(`\n${Report.renderCatchup(runs, daemons)}`)
  const { measured: reads, ...read } = await part("reads")
  if (reads.length > 0) console.log(`\n${Report.renderReads(reads, daemons)}`)
  const { measured: trusted, ...trust } = await part("trust")
  if (trusted.length > 0) console.log(`\n${Report.renderTrust(trusted, trusting.map(({ name }) => name))}`)
  const { failures: notRecalled, ...recall } = await measureRecall(options)
  if (recall.recalled.length > 0) console.log(`\n${Report.renderRecall(recall, options.memories)}`)
  const compared = compareWithAgainst(options, { cells, runs, reads, recalled: recall.recalled })
  failures.push(...caughtUp.failures, ...read.failures, ...trust.failures, ...notRecalled)
  if (options.json !== undefined) {
    const ratios = [
      ...Report.ratios(cells, options.clients),
      ...Report.ratios(trusted, [Report.TRUST_CLIENTS], Report.TRUST_RATIOS)
    ]
    fs.writeFileSync(
      options.json,
      `${
        JSON.stringify(
          { conditions, cells, ratios, catchup: runs, reads, trusted, ...recall, compared, failures },
          null,
          2
        )
      }\n`
    )
  }
  for (const failure of failures) console.error(`\nfailed: ${failure}`)
  return failures.length === 0 ? 0 : 1
}

const main = async () => {
  try {
    const options = Options.fromArguments(process.argv.slice(2))
    if (!options.help) return await run(options)
    console.log(Options.usage)
    return 0
  } catch (error) {
    if (!(error instanceof Options.UsageError)) throw error
    console.error(`${error.message}\n\n${Options.usage}`)
    return 2
  }
}

process.exit(await main())
