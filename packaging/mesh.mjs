// `npm run mesh`: three nodes on this machine, W=2. Ctrl-C ends them all.
//   --data DIR   keep the databases there; without it they live in a temporary directory and are removed at the end
//   --port PORT  the first of three ports, 9077 where nothing is said
import { spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"

const NODES = 3
const READY_WITHIN_MILLIS = 20_000
/** A little more than a node gives its open requests. */
const ENDED_WITHIN_MILLIS = 15_000
const main = fileURLToPath(new URL("../dist/main.js", import.meta.url))

const refuse = (problem) => {
  console.error(`mesh: ${problem}`)
  process.exit(2)
}

const options = { data: { type: "string" }, port: { type: "string", default: "9077" } }
const parse = () => {
  try {
    return parseArgs({ options }).values
  } catch (error) {
    return refuse(error.message)
  }
}

const values = parse()
const first = Number(values.port)
if (!Number.isInteger(first) || first < 1 || first > 65_535 - NODES) {
  refuse(`--port: expected a whole number 1..${65_535 - NODES}, got "${values.port}"`)
}
const directory = values.data === undefined ? mkdtempSync(join(tmpdir(), "quorate-mesh-")) : resolve(values.data)
mkdirSync(directory, { recursive: true })

const ports = Array.from({ length: NODES }, (_, index) => first + index)
const urlOf = (port) => `http://127.0.0.1:${port}`
let ending = false

const nodes = ports.map((port, index) => {
  const name = `node${index + 1}`
  const peers = ports.filter((other) => other !== port).map(urlOf)
  const child = spawn(process.execPath, [
    main,
    "serve",
    ...["--port", String(port), "--db", join(directory, `${name}.db`), "--node-id", name],
    ...["--quorum-writes", "2", "--quorum-peers", peers.join(",")],
    ...["--shutdown-grace-secs", "10", "--log-level", "warn"]
    // A process group of its own, so that Ctrl-C in a terminal reaches this script alone, and the nodes end in order.
  ], { stdio: ["ignore", "ignore", "pipe"], detached: true })
  const node = { name, port, child, ended: undefined }
  node.ended = new Promise((done) => {
    child.on("error", (error) => done(`cannot be started: ${error.message}`))
    child.on("exit", (code, signal) => done(signal === null ? `ended with code ${code}` : `was ended by ${signal}`))
  })
  let rest = ""
  child.stderr.setEncoding("utf8").on("data", (text) => {
    const lines = (rest + text).split("\n")
    rest = lines.pop()
    for (const line of lines) console.error(`${name} ${line}`)
  })
  void node.ended.then((how) => {
    if (!ending) console.error(`mesh: ${name} ${how}; the others go on, its port ${port} is silent`)
  })
  return node
})

/** Ready, and in touch with its peers: the first write is to find its quorum. */
const isReady = async ({ port }) => {
  try {
    const answer = await fetch(`${urlOf(port)}/health/ready`, { signal: AbortSignal.timeout(1_000) })
    const { checks } = await answer.json()
    return answer.status === 200 && checks.peers.ok
  } catch {
    return false
  }
}

const untilReady = async (node) => {
  const until = Date.now() + READY_WITHIN_MILLIS
  let gone
  void node.ended.then((how) => gone = how)
  while (!(await isReady(node))) {
    if (gone !== undefined) throw new Error(`${node.name} ${gone}`)
    if (Date.now() > until) throw new Error(`${node.name} is not ready after ${READY_WITHIN_MILLIS / 1000} s`)
    await sleep(50)
  }
  // A node of someone else on this port would answer as well.
  if (gone !== undefined) throw new Error(`${node.name} ${gone}`)
}

const end = async (code) => {
  if (ending) return
  ending = true
  for (const { child } of nodes) child.kill("SIGTERM")
  const ended = Promise.all(nodes.map((node) => node.ended))
  if (await Promise.race([ended, sleep(ENDED_WITHIN_MILLIS, "late")]) === "late") {
    console.error("mesh: not all nodes ended in time, they are killed")
    for (const { child } of nodes) child.kill("SIGKILL")
    await ended
  }
  if (values.data === undefined) rmSync(directory, { recursive: true, force: true })
  process.exit(code)
}

process.on("SIGINT", () => void end(0))
process.on("SIGTERM", () => void end(0))
process.on("SIGHUP", () => void end(0))

try {
  await Promise.all(nodes.map(untilReady))
  for (const { name, port } of nodes) {
    const memories = `${urlOf(port)}/api/v1/memories`
    const body = JSON.stringify({ title: `hello from ${name}`, content: "kept by two of three" })
    console.log(
      `${name}  write: curl -s ${memories} -H 'content-type: application/json' -d '${body}'  read: curl -s ${memories}`
    )
  }
  console.log(`three nodes, W=2, databases in ${directory}; Ctrl-C ends all`)
} catch (error) {
  console.error(`mesh: ${error.message}`)
  await end(1)
}
// When every node has gone there is nothing left to wait for.
await Promise.all(nodes.map((node) => node.ended))
await end(1)
