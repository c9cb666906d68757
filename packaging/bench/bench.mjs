// npm run bench: quorum writes of three daemons beside two plain-Node measuring rods, in one run, as ratios.
// It measures and does not judge: exit 0 whatever the ratios, 1 when the run itself failed, 2 on bad usage.
import fs from "node:fs"
import * as Comparison from "./lib/comparison.mjs"
import * as Conditions from "./lib/conditions.mjs"
import * as Goals from "./lib/goals.mjs"
import * as GoalsReport from "./lib/goalsReport.mjs"
import * as Groups from "./lib/groups.mjs"
import * as Markdown from "./lib/markdown.mjs"
import * as Options from "./lib/options.mjs"
import { PARTS, RECALL } from "./lib/parts.mjs"
import * as Processes from "./lib/processes.mjs"
import * as Recall from "./lib/recall.mjs"
import * as Report from "./lib/report.mjs"
import { shapes } from "./lib/shapes.mjs"

const SLACK_PER_MESH_MS = 60_000
const SLACK_PER_ROW_MS = 10
/** Of a part in one repetition and for one shape. */
const MOST_MESHES = 6
const MOST_CELLS = 6

const progress = (text) => process.stderr.write(`${text}\n`)

/**
 * Every repetition starts with another shape, so that a drift of the machine meets all of them alike, and every second one
 * takes the others the other way round, so that none always follows the same.
 */
const orderOf = (shapes, rep) => {
  const first = (rep - 1) % shapes.length
  const [start, ...others] = [...shapes.slice(first), ...shapes.slice(0, first)]
  return [start, ...(rep % 2 === 0 ? others.reverse() : others)]
}

/** All repetitions of one part, interleaved: `{ rep, shape, ... }` for all that was measured, by `take`. */
const repeat = async (part, shapes, options, prepared, take, fail) => {
  const stepsOf = part.steps ?? ((...given) => [() => part.measure(...given)])
  const all = Array.from({ length: options.reps }, (_, at) => at + 1).flatMap((rep) =>
    orderOf(shapes, rep).map((shape) => ({ rep, shape, steps: stepsOf(shape, { ...options, rep }, prepared) }))
  )
  for (const { rep, shape, steps } of all) {
    for (const step of steps) {
      try {
        for (const run of await step()) {
          progress(`${rep}/${options.reps} ${shape.name} ${part.line(run)}`)
          take({ rep, shape: shape.name, ...run })
          if (run.errors > 0) fail(shape, rep, `${run.errors} requests failed`)
        }
      } catch (error) {
        fail(shape, rep, error.message)
      }
    }
  }
}

/** A part, with what has to be made once for all of its repetitions. What fails in it leaves the others alone. */
const measurePart = async (name, options) => {
  const part = PARTS[name]
  const shapes = part.of(options.shapes)
  const measured = []
  const failures = []
  const note = (problem) => {
    failures.push(`${name}, ${problem}`)
    progress(`FAILED ${failures.at(-1)}`)
  }
  if (shapes.length === 0) return { measured, failures }
  let prepared
  try {
    prepared = await part.before?.(shapes, options, progress)
    await repeat(
      part,
      shapes,
      options,
      prepared,
      (run) => measured.push(run),
      (shape, rep, problem) => note(`${shape.name}, repetition ${rep}: ${problem}`)
    )
  } catch (error) {
    note(error.message)
  } finally {
    if (prepared !== undefined) part.after?.(prepared)
  }
  return { measured, failures }
}

/** Recall, on one node per daemon: filled once, and asked in every repetition. */
const measureRecall = async (options) => {
  const shapes = options.shapes.filter(({ isDaemon }) => isDaemon)
  if (!options.parts.includes(RECALL) || shapes.length === 0) return { recalled: [], sizes: [], failures: [] }
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
  const mesh = seconds * 1000 + SLACK_PER_MESH_MS
  const filled = [options.memories, options.missed, ...options.rows].reduce((a, b) => a + b)
  const limit = options.shapes.length *
    (options.reps * options.parts.length * MOST_MESHES * mesh + filled * SLACK_PER_ROW_MS)
  const timer = setTimeout(() => {
    progress(`the run did not end within ${Math.round(limit / 1000)} s`)
    process.exit(1)
  }, limit)
  timer.unref()
}

const compareWithAgainst = (options, measured) => {
  if (options.against === undefined) return []
  const names = [shapes.quorate.name, Options.AGAINST]
  const { cells = [], "catch-up": runs = [], reads = [], recall: recalled = [] } = measured
  const compared = Comparison.compare({ cells, runs, reads, recalled }, names, Groups.of(measured))
  if (compared.length > 0) console.log(`\n${Comparison.render(compared, names)}`)
  return compared
}

const show = (text) => console.log(`\n${text}`)

const showPart = (name, runs, options) => {
  const { render, table } = PARTS[name]
  if (runs.length > 0) show(render === undefined ? Report.renderRuns(table, runs) : render(runs, options))
}

const ratiosOf = ({ cells = [], trust = [] }, clients) => [
  ...Report.ratios(cells, clients),
  ...Report.ratios(trust, [Report.TRUST_CLIENTS], Report.TRUST_RATIOS)
]

const run = async (options) => {
  Processes.cleanUpAtExit()
  endAfter(options)
  const conditions = Conditions.measure(options)
  console.log(Report.conditionsLine(conditions))
  options.notes.forEach(show)
  const measured = {}
  const failures = []
  for (const name of Object.keys(PARTS).filter((name) => options.parts.includes(name))) {
    const part = await measurePart(name, options)
    measured[name] = part.measured
    failures.push(...part.failures)
    showPart(name, part.measured, options)
  }
  const { failures: notRecalled, recalled, sizes } = await measureRecall(options)
  failures.push(...notRecalled)
  measured[RECALL] = recalled
  if (recalled.length > 0) show(Report.renderRecall({ recalled, sizes }, options.memories))
  const compared = compareWithAgainst(options, measured)
  const goals = Goals.met(measured)
  if (goals.some(({ figure }) => figure !== undefined)) show(GoalsReport.render(goals))
  const report = {
    conditions,
    measured,
    sizes,
    ratios: ratiosOf(measured, options.clients),
    goals,
    compared,
    failures
  }
  if (options.json !== undefined) fs.writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`)
  if (options.table !== undefined) fs.writeFileSync(options.table, Markdown.render([report]))
  if (failures.length === 0) return 0
  console.error(`\nThe run is not whole:\n${failures.join("\n")}`)
  return 1
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
