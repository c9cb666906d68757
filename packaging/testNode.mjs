// `npm run test:node -- 22`: the tests on another Node, of the newest release of that line that npm has for this machine.
// What follows goes to vitest: `npm run test:node -- 22 -- test/store`, or `-- 24 -- --project "quick*"`.
// They run in a copy of this folder, with the better-sqlite3 that needs Node 22 and brings its binaries: it is installed
// without a compiler. Nothing in this folder changes.
import { spawn } from "node:child_process"
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import { root, shared } from "./tools.mjs"

const LINES = ["22", "24", "26"]
const SQLITE = "better-sqlite3@13"
const NOT_COPIED = [".git", "dist", "node_modules/.cache", "node_modules/.vite"].map((name) => join(root, name))

const [line, ...rest] = process.argv.slice(2).filter((argument) => argument !== "--")
if (!LINES.includes(line)) {
  console.error(`test:node: expected ${LINES.join(", ")}, got "${line ?? ""}"`)
  process.exit(2)
}

/** Runs it to its end, before the eyes of whoever waits. */
const run = (command, args, options) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: "inherit", ...options })
    child.on("error", reject)
    child.on("close", (code) => resolve(code ?? 1))
  })

const isWindows = process.platform === "win32"
const platform = `node-${isWindows ? "win" : process.platform}-${process.arch}`
const tools = join(shared, `node-${line}`)
const node = join(tools, "node_modules", platform, "bin", isWindows ? "node.exe" : "node")
if (!existsSync(node)) {
  console.log(`installing Node ${line} and ${SQLITE} …`)
  mkdirSync(tools, { recursive: true })
  const packages = [`${platform}@${line}`, SQLITE]
  const quiet = ["--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
  const code = await run("npm", ["install", ...quiet, "--prefix", tools, ...packages], { shell: isWindows })
  if (code !== 0) process.exit(code)
}

const copy = realpathSync(mkdtempSync(join(tmpdir(), "quorate-node-")))
process.on("exit", () => rmSync(copy, { recursive: true, force: true }))
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1))

console.log("copying the project …")
cpSync(root, copy, { recursive: true, verbatimSymlinks: true, filter: (file) => !NOT_COPIED.includes(file) })
const sqlite = "node_modules/better-sqlite3"
rmSync(join(copy, sqlite), { recursive: true })
cpSync(join(tools, sqlite), join(copy, sqlite), { recursive: true })

const versionOf = (file) => JSON.parse(readFileSync(join(file, "package.json"), "utf8")).version
const versions = `Node ${versionOf(dirname(dirname(node)))}, better-sqlite3 ${versionOf(join(copy, sqlite))}`
console.log(versions)
const vitest = ["node_modules/vitest/vitest.mjs", "run", "--config", "test/vitest.config.ts", ...rest]
const environment = { ...process.env, PATH: [dirname(node), process.env.PATH].join(delimiter) }
const code = await run(node, vitest, { cwd: copy, env: environment })
console.log(`${versions}: ${code === 0 ? "passes" : "FAILS"}`)
process.exit(code)
