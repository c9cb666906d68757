// `npm run test:postgres`: what npm test runs on two engines, on three: SQLite, a PGlite, and a PostgreSQL of its own on
// loopback; then the tests that only a real server can be asked. Ends with the counts of each engine, and badly where they
// are not equal. What follows names files, as for vitest: `npm run test:postgres -- test/http`. The programs of the server are
// those of PATH, else Debian's; as root they run under the account postgres.
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import { bundled } from "./bundled.mjs"
import { root } from "./tools.mjs"

const vitest = join(root, "node_modules/vitest/vitest.mjs")

const folder = mkdtempSync(join(tmpdir(), "quorate-test-postgres-"))
process.on("exit", () => rmSync(folder, { recursive: true, force: true }))

/** Runs tests before the eyes of whoever waits; answers what came of each file, and how long all took. */
const tested = async (name, args, environment = {}) => {
  const outputFile = join(folder, `${name}.json`)
  const begin = performance.now()
  console.log(`\n${name}: vitest run ${args.join(" ")}`)
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${outputFile}`]
  const code = await new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [vitest, "run", "--config", "test/vitest.config.ts", ...reporters, ...args], {
      cwd: root,
      stdio: "inherit",
      env: { ...process.env, ...environment }
    })
    child.on("error", reject)
    child.on("close", (code) => resolve(code ?? 1))
  })
  const { testResults } = JSON.parse(readFileSync(outputFile, "utf8"))
  return { name, code, seconds: (performance.now() - begin) / 1000, files: new Map(testResults.map(ofFile)) }
}

const ofFile = ({ assertionResults, name }) => {
  const count = (...statuses) => assertionResults.filter(({ status }) => statuses.includes(status)).length
  const answered = assertionResults.find(({ meta }) => meta?.answered !== undefined)?.meta
  return [relative(root, name), {
    tests: assertionResults.length,
    passed: count("passed"),
    failed: count("failed"),
    skipped: assertionResults.length - count("passed", "failed"),
    answered
  }]
}

const total = ({ files }, what) => [...files.values()].reduce((sum, file) => sum + file[what], 0)
const answeredOf = ({ files }) => {
  const told = [...files.values()].find(({ answered }) => answered !== undefined)?.answered
  return told === undefined ? "none" : `${told.answered} of ${told.operations} at ${told.paths} paths`
}

const row = (cells) => cells.map((cell, at) => at === 0 ? cell.padEnd(18) : cell.padStart(8)).join(" ").trimEnd()
const show = (runs) => {
  console.log(`\n${row(["engine", "files", "tests", "passed", "failed", "skipped", "minutes"])}  operations answered`)
  for (const run of runs) {
    const counts = ["tests", "passed", "failed", "skipped"].map((what) => String(total(run, what)))
    const cells = [run.name, String(run.files.size), ...counts, (run.seconds / 60).toFixed(1)]
    console.log(`${row(cells)}  ${answeredOf(run)}`)
  }
}

/** What one of them has and another one has not, a line for each. */
const differences = (runs) => {
  const files = [...new Set(runs.flatMap(({ files }) => [...files.keys()]))].sort()
  return files.flatMap((file) => {
    const told = runs.map(({ files }) => JSON.stringify(files.get(file) ?? "is not run"))
    return told.every((each) => each === told[0]) ? [] : [`${file}: ${told.join(" | ")}`]
  })
}

const { binaries, start } = await bundled("cluster", "test/postgres/cluster.ts")
if (binaries() === null) {
  console.error(
    "test:postgres: there is no PostgreSQL here: initdb, pg_ctl, pg_basebackup and postgres are needed, in PATH or below" +
      " /usr/lib/postgresql, and for root an account postgres (Debian: apt-get install postgresql)"
  )
  process.exit(1)
}

const SECOND = ["--project", "* on postgresql"]
/** The files that the second engine has, on the first one. */
const FIRST = ["--project", "quick", "--project", "thorough"]
const filesOf = ({ files }) => [...files.keys()]

const cluster = await start({ standbys: 0, synchronous: null, settings: { max_connections: "300" } })
const ended = (signal) => cluster.stop().then(() => process.exit(signal === "SIGINT" ? 130 : 143))
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void ended(signal))
try {
  const wanted = process.argv.slice(2).filter((argument) => argument !== "--")
  const pglite = await tested("PGlite", [...SECOND, ...wanted])
  const sqlite = await tested("SQLite", [...FIRST, ...filesOf(pglite)])
  const postgres = await tested("PostgreSQL", [...SECOND, ...wanted], { QUORATE_TEST_STORE: cluster.url() })
  const engines = [sqlite, pglite, postgres]
  const alone = wanted.length > 0 ? [] : [await tested("servers alone", ["--project", "thorough", "test/postgres/"])]
  show([...engines, ...alone])
  const wrong = differences(engines)
  for (const line of wrong) console.log(line)
  if (wrong.length > 0) console.log("the engines differ")
  if ([...engines, ...alone].some(({ code }) => code !== 0) || wrong.length > 0) process.exitCode = 1
} finally {
  await cluster.stop()
}
