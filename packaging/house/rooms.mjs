// The rooms that one create enters on its node: the modules of ours of which a function runs between the request and the
// answer. Measured on a real daemon, once warm; what only happens to run meanwhile (a timer, the answer of a peer to
// something else) is left out by taking what runs in every one of many creates.
import { fork } from "node:child_process"
import fs from "node:fs"
import { SourceMap } from "node:module"
import net from "node:net"
import os from "node:os"
import path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath, pathToFileURL } from "node:url"

const WARM_UP = 200
const CREATES = 40
const READY_WITHIN_MS = 30_000

const inside = fileURLToPath(new URL("./roomsInside.mjs", import.meta.url))

const freePort = () =>
  new Promise((resolve, reject) => {
    const server = net.createServer()
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })

/** Default settings: nothing of the caller's environment reaches a node. */
const cleanEnvironment = (folder) => {
  const kept = Object.entries(process.env).filter(([name]) => !/^(QUORATE_|OTEL_|NODE_OPTIONS$)/.test(name))
  return { ...Object.fromEntries(kept), XDG_CONFIG_HOME: folder }
}

const startNode = (dir, folder, ports, index) => {
  const peers = ports.filter((_, other) => other !== index).map((port) => `http://127.0.0.1:${port}`)
  const log = fs.openSync(path.join(folder, `n${index}.log`), "a")
  const child = fork(path.resolve(dir, "dist/main.js"), [
    "serve",
    ...["--port", String(ports[index]), "--db", path.join(folder, `n${index}.db`)],
    ...(peers.length === 0 ? [] : ["--quorum-writes", "2", "--quorum-peers", peers.join(",")])
  ], {
    cwd: folder,
    env: cleanEnvironment(folder),
    execArgv: index === 0 ? ["--import", pathToFileURL(inside).href] : [],
    stdio: ["ignore", log, log, "ipc"]
  })
  fs.closeSync(log)
  return child
}

const untilReady = async (port) => {
  for (const start = performance.now(); performance.now() - start < READY_WITHIN_MS; await sleep(50)) {
    try {
      const response = await fetch(`http://127.0.0.1:${port}/health/ready`)
      const { checks } = await response.json()
      if (response.status === 200 && (checks?.peers?.ok ?? true)) return
    } catch {
      // Not listening yet.
    }
  }
  throw new Error(`the node at ${port} is not ready`)
}

const create = async (port, number) => {
  const response = await fetch(`http://127.0.0.1:${port}/api/v1/memories`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ title: `note ${number}`, content: "the rooms that a create enters", tags: ["a", "b"] })
  })
  await response.text()
  if (response.status !== 201) throw new Error(`a create was answered with ${response.status}`)
}

/** The coverage of each of `CREATES` creates, one after another. */
const cover = async (node, port) => {
  const taken = []
  node.on("message", (scripts) => taken.push(scripts))
  for (let number = 0; number < WARM_UP + CREATES; number++) {
    await create(port, number)
    // What goes on behind the answer is over before the next request.
    if (number >= WARM_UP) await sleep(20)
  }
  await sleep(100)
  return taken.slice(-CREATES)
}

const withNodes = async (dir, count, use) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-house-"))
  const ports = await Promise.all(Array.from({ length: count }, freePort))
  const nodes = ports.map((_, index) => startNode(dir, folder, ports, index))
  try {
    await Promise.all(ports.map(untilReady))
    return await use(nodes[0], ports[0])
  } finally {
    await Promise.all(nodes.map((node) =>
      new Promise((resolve) => {
        if (node.exitCode !== null || node.signalCode !== null) return resolve()
        node.once("exit", resolve)
        node.kill("SIGKILL")
      })
    ))
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

/** Where the line of each offset begins, to go from an offset to a line and a column. */
const positionsOf = (text) => {
  const starts = [0]
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1)
  return (offset) => {
    const line = starts.findLastIndex((start) => start <= offset)
    return { line, column: offset - starts[line] }
  }
}

/** From an offset in a built file to the source of ours that stands there, by its source map: also in a bundle. */
const sourcesOf = (dir, url) => {
  const file = fileURLToPath(url)
  const relative = (absolute) => path.relative(path.resolve(dir), absolute).split(path.sep).join("/")
  if (!fs.existsSync(`${file}.map`)) return () => relative(file)
  const map = new SourceMap(JSON.parse(fs.readFileSync(`${file}.map`, "utf8")))
  const positionOf = positionsOf(fs.readFileSync(file, "utf8"))
  return (offset) => {
    const { column, line } = positionOf(offset)
    const { originalSource } = map.findEntry(line, column)
    return originalSource === undefined ? relative(file) : relative(path.resolve(path.dirname(file), originalSource))
  }
}

const roomsOf = (dir, taken) => {
  const sources = new Map()
  const sourceOf = (url, offset) => {
    if (!sources.has(url)) sources.set(url, sourcesOf(dir, url))
    return sources.get(url)(offset)
  }
  const each = taken.map((scripts) =>
    new Set(scripts.flatMap(({ functions, url }) => functions.map((offset) => sourceOf(url, offset))))
  )
  const [first = new Set()] = each
  return [...first].filter((room) => room.startsWith("src/") && each.every((rooms) => rooms.has(room))).sort()
}

/** The rooms of a create on a node with `peers` peers. */
export const measure = (dir, peers) =>
  withNodes(dir, peers + 1, async (node, port) => {
    const taken = await cover(node, port)
    if (taken.length < CREATES) throw new Error(`${taken.length} of ${CREATES} creates were seen`)
    return roomsOf(dir, taken)
  })
