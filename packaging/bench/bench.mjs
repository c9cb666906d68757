// npm run bench: quorum writes of three daemons beside two plain-Node measuring rods, in one run, as ratios.
// It measures and does not judge: exit 0 whatever the ratios, 1 when the run itself failed, 2 on bad usage.
import fs from "node:fs"
import * as Catchup from "./lib/catchup.mjs"
import * as Conditions from "./lib/conditions.mjs"
import { withMesh } from "./lib/mesh.mjs"
import * as Options from "./lib/options.mjs"
import * as Processes from "./lib/processes.mjs"
import * as Report from "./lib/report.mjs"

const SLACK_PER_MESH_MS = 60_000

const progress = (text) => process.stderr.write(`${text}\n`)

/** One mesh of one shape: warm-up, then a cell per client count. */
const measureShape = (shape, rep, options) =>
  withMesh(shape, options.dir, async (measure) => {
    const cells = []
    await measure(Math.max(...options.clients), options.warmUp)
    for (const clients of options.clients) {
      const cell = { rep, shape: shape.name, clients, ...(await measure(clients, options.seconds)) }
      progress(`${rep}/${options.reps} ${shape.name} ${clients} clients: ${cell.writesPerSecond.toFixed(0)} writes/s`)
      cells.push(cell)
    }
    return cells
  })

/** Every repetition starts with another shape, so that a drift of the machine meets all of them alike. */
const measureAll = async (options) => {
  const cells = []
  const failures = []
  for (let rep = 1; rep <= options.reps; rep++) {
    const first = (rep - 1) % options.shapes.length
    for (const shape of [...options.shapes.slice(first), ...options.shapes.slice(0, first)]) {
      try {
        cells.push(...(await measureShape(shape, rep, options)))
      } catch (error) {
        failures.push(`${shape.name}, repetition ${rep}: ${error.message}`)
        progress(`FAILED ${failures.at(-1)}`)
      }
    }
  }
  return { cells, failures }
}

/** What a returned node costs, once per repetition. */
const measureCatchup = async (options) => {
  const runs = []
  const failures = []
  for (let rep = 1; rep <= options.reps; rep++) {
    try {
      const run = await Catchup.measure(options)
      progress(`${rep}/${options.reps} catch-up: ${run.operationsPerSecond.toFixed(0)} operations/s`)
      runs.push({ rep, ...run })
      if (run.errors > 0) failures.push(`catch-up, repetition ${rep}: ${run.errors} fresh writes failed`)
    } catch (error) {
      failures.push(`catch-up, repetition ${rep}: ${error.message}`)
      progress(`FAILED ${failures.at(-1)}`)
    }
  }
  return { runs, failures }
}

/** A run that hangs in spite of every bound below ends here. */
const endAfter = (options) => {
  const mesh = (options.warmUp + options.clients.length * options.seconds) * 1000 + SLACK_PER_MESH_MS
  const limit = options.reps * (options.shapes.length + 2) * mesh
  const timer = setTimeout(() => {
    progress(`the run did not end within ${Math.round(limit / 1000)} s`)
    process.exit(1)
  }, limit)
  timer.unref()
}

const run = async (options) => {
  Processes.cleanUpAtExit()
  endAfter(options)
  const conditions = Conditions.measure(options)
  console.log(`${Report.conditionsLine(conditions)}\n`)
  const nothing = { cells: [], runs: [], failures: [] }
  const { cells, ...measured } = options.parts.includes("cells") ? await measureAll(options) : nothing
  if (cells.length > 0) {
    console.log(Report.render(cells, options.clients, options.shapes.map((shape) => shape.name)))
  }
  const { runs, ...caughtUp } = options.parts.includes("catch-up") ? await measureCatchup(options) : nothing
  if (runs.length > 0) console.log(`\n${Report.renderCatchup(runs)}`)
  const failures = [...measured.failures, ...caughtUp.failures]
  if (options.json !== undefined) {
    const ratios = Report.ratios(cells, options.clients)
    fs.writeFileSync(
      options.json,
      `${JSON.stringify({ conditions, cells, ratios, catchup: runs, failures }, null, 2)}\n`
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
