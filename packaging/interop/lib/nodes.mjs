// Real processes, nodes of the original and ours, that are killed whatever happens, and what is asked of them.
import { spawn } from "node:child_process"
import { createHash, createHmac } from "node:crypto"
import fs from "node:fs"
import { createServer } from "node:net"
import os from "node:os"
import path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { enrolAll, idOf, main, originalOpenTo, oursOpenTo, signedWrite } from "./enrolling.mjs"
import { API_KEY, configOf, OPENED, ROOM, SECRET } from "./opened.mjs"

/** A machine that is busy with other things is to lose no push: an original says a deletion once. */
const QUORUM_TIMEOUT_MILLIS = 5000
const ANSWERS_WITHIN_MILLIS = 30_000

const children = new Set()
const folders = new Set()

/** However this process ends, no child and no folder stays. */
export const cleanUpAtExit = () => {
  process.on("exit", () => {
    for (const child of children) child.kill("SIGKILL")
    for (const folder of folders) fs.rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  })
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => process.exit(128 + os.constants.signals[signal]))
  }
}

const freePorts = async (count) => {
  const servers = await Promise.all(
    Array.from({ length: count }, () =>
      new Promise((resolve, reject) => {
        const server = createServer()
        server.once("error", reject)
        server.listen(0, "127.0.0.1", () => resolve(server))
      }))
  )
  const ports = servers.map((server) => server.address().port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

const signed = (method, at) => {
  const [, id] = /^\/pending\/([^/]+)\/(?:approve|reject)$/.exec(at) ?? []
  if (id === undefined) return {}
  const seconds = Math.floor(Date.now() / 1000)
  const key = createHash("sha256").update(SECRET).digest()
  const signature = createHmac("sha256", key).update(`${seconds}.${method}.${id}.`).digest("hex")
  return { "x-ai-memory-timestamp": String(seconds), "x-ai-memory-signature": `sha256=${signature}` }
}

/** One request below `/api/v1`: its status, and its JSON. An answer that does not come has status 0. */
export const request = async (url, line, { agent = "alice", body } = {}) => {
  const [method, at] = line.split(" ")
  try {
    const response = await fetch(`${url}/api/v1${at}`, {
      method,
      headers: {
        "x-agent-id": agent,
        "x-api-key": API_KEY,
        ...signed(method, at),
        ...(body === undefined ? {} : { "content-type": "application/json" })
      },
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(line === "POST /memories" ? signedWrite(agent, body) : body) }),
      signal: AbortSignal.timeout(2 * QUORUM_TIMEOUT_MILLIS)
    })
    const text = await response.text()
    return { status: response.status, body: /^[{[]/.test(text) ? JSON.parse(text) : { text } }
  } catch (error) {
    return { status: 0, body: { error: error.message } }
  }
}

const commandOf = (node, mesh) => {
  const { db, folder, kind, port } = node
  const others = mesh.nodes.filter((other) => other !== node)
  const peers = others.map(({ url }) => url).join(",")
  const flags = ["serve", "--port", String(port), "--quorum-writes", "2", "--quorum-peers", peers]
  flags.push("--quorum-timeout-ms", String(QUORUM_TIMEOUT_MILLIS), "--catchup-interval-secs", "1", "--db", db)
  const isOpen = mesh.gates === "open"
  if (kind === "o") {
    const env = isOpen ? OPENED : originalOpenTo(node, others, mesh.gates)
    return [mesh.original, flags, { ...ROOM, ...env, HOME: folder, AI_MEMORY_FED_IDENTITY: idOf(node) }]
  }
  const more = isOpen ? [] : oursOpenTo(node, others)
  return [
    process.execPath,
    [main, ...flags, ...more, "--node-id", idOf(node), "--log-level", "warn"],
    isOpen ? {} : { QUORATE_API_KEY: API_KEY }
  ]
}

const start = async (node, mesh) => {
  const [command, args, env] = commandOf(node, mesh)
  const log = fs.openSync(node.log, "a")
  node.child = spawn(command, args, { stdio: ["ignore", log, log], env: { ...process.env, ...env } })
  fs.closeSync(log)
  const { child } = node
  children.add(child)
  node.ended = new Promise((resolve) => {
    child.once("error", resolve)
    child.once("exit", resolve)
  })
  void node.ended.then(() => children.delete(child))
  const until = Date.now() + ANSWERS_WITHIN_MILLIS
  while ((await request(node.url, "GET /memories?limit=1")).status !== 200) {
    if (!children.has(child) || Date.now() > until) {
      throw new Error(`${node.name} does not answer:\n${fs.readFileSync(node.log, "utf8").slice(-2000)}`)
    }
    await sleep(100)
  }
}

const stop = async (node) => {
  node.child?.kill("SIGKILL")
  await node.ended
}

/**
 * A mesh by the letters of its nodes, `o` an original and `q` ours, each the peer of all the others, W = 2. A node of a kind
 * of which there are more has a number: `q1`, `q2`.
 */
export const makeMesh = async (letters, { gates, original }) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-interop-"))
  folders.add(folder)
  const ports = await freePorts(letters.length)
  fs.mkdirSync(path.join(folder, ".config/ai-memory"), { recursive: true })
  fs.writeFileSync(path.join(folder, ".config/ai-memory/config.toml"), configOf(gates))
  const nodes = [...letters].map((kind, index) => {
    const same = [...letters].filter((other) => other === kind).length
    const name = same === 1
      ? kind
      : `${kind}${[...letters].slice(0, index + 1).filter((other) => other === kind).length}`
    const at = (ending) => path.join(folder, `${name}.${ending}`)
    return {
      kind,
      name,
      port: ports[index],
      url: `http://127.0.0.1:${ports[index]}`,
      folder,
      db: at("db"),
      keys: at("keys"),
      log: at("log")
    }
  })
  if (gates !== "open") enrolAll(nodes, original)
  const mesh = {
    gates,
    original,
    nodes,
    start: (node) => start(node, mesh),
    stop,
    close: async () => {
      await Promise.all(nodes.map(stop))
      fs.rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
      folders.delete(folder)
    }
  }
  for (const node of nodes) await mesh.start(node)
  return mesh
}
