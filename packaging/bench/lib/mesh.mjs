// Three members of one shape and the load against the first of them.
import fs from "node:fs"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { poll } from "./poll.mjs"
import * as Processes from "./processes.mjs"
import { ask, isReady } from "./shapes.mjs"

const NODES = 3
const START_WITHIN_MS = 20_000
const FIRST_WRITE_WITHIN_MS = 15_000
const EQUAL_WITHIN_MS = 30_000
const LAST_ANSWER_WITHIN_MS = 30_000

const nameOf = (index) => `n${index + 1}`

const startMember = (shape, folder, ports, index) => {
  const node = nameOf(index)
  const log = path.join(folder, `${node}.log`)
  const peers = ports.filter((_, other) => other !== index).map((port) =>
    `${shape.isTls ? "https" : "http"}://127.0.0.1:${port}`
  )
  const args = shape.args({ node, port: ports[index], file: path.join(folder, `${node}.db`), peers })
  const child = Processes.startNode(args, { cwd: folder, env: Processes.cleanEnvironment(folder), log })
  return { node, port: ports[index], log, child }
}

const untilReady = (shape, members) =>
  poll("members not ready", START_WITHIN_MS, async () => {
    members.forEach(Processes.checkAlive)
    const ready = await Promise.all(members.map(({ port }) => isReady(shape, port)))
    return ready.every(Boolean) ? true : undefined
  })

/** Ready members may not have met yet: the load starts when one write has found its quorum. */
const firstWrite = async ({ isTls }, entry) => {
  let attempts = 0
  await poll("no write reached its quorum", FIRST_WRITE_WITHIN_MS, async () => {
    const { status } = await ask(isTls, entry.port, "/api/v1/memories", {
      body: JSON.stringify({
        title: `first write, attempt ${++attempts}`,
        content: "Hello, quorum.",
        namespace: "bench",
        tags: [],
        priority: 5,
        confidence: 1,
        source: "api",
        metadata: {}
      }),
      timeout: FIRST_WRITE_WITHIN_MS
    })
    return status === 201 ? true : undefined
  })
}

/** Waits until all nodes hold the same number of rows, at least `expected`; gives that number. */
const untilEqual = (shape, members, expected) => {
  let seen = []
  return poll("nodes not equal", EQUAL_WITHIN_MS, async () => {
    members.forEach(Processes.checkAlive)
    seen = await Promise.all(members.map(({ port }) => shape.total(port)))
    return seen.every((total) => total === seen[0] && total >= expected) ? seen[0] : undefined
  }).catch((error) => {
    throw new Error(`${error.message}: rows ${seen.join(", ")}, expected ${expected}`)
  })
}

const askLoad = (load, request) =>
  new Promise((resolve, reject) => {
    const giveUp = () => settle(new Error("the load did not answer"))
    const timer = setTimeout(giveUp, request.seconds * 1000 + LAST_ANSWER_WITHIN_MS)
    const onExit = () => settle(new Error("the load process has ended"))
    const onMessage = (result) => settle(result.failure === undefined ? undefined : new Error(result.failure), result)
    const settle = (error, result) => {
      clearTimeout(timer)
      load.off("message", onMessage)
      load.off("exit", onExit)
      if (error === undefined) resolve(result)
      else reject(error)
    }
    load.once("message", onMessage)
    load.once("exit", onExit)
    load.send(request)
  })

const cpuOf = (members) => {
  const [entry, ...peers] = members.map(({ child }) => Processes.cpuMicros(child.pid))
  return { entry, peers: peers.reduce((a, b) => a + b), machine: Processes.machineMicros() }
}

/** One measurement, from the first request until all nodes are equal. See the README for the meaning of each figure. */
const measure = async (mesh, clients, seconds) => {
  const [entry] = mesh.members
  const before = { counters: await mesh.shape.counters(entry.port), cpu: cpuOf(mesh.members) }
  const load = await askLoad(mesh.load, { port: entry.port, isTls: mesh.shape.isTls, clients, seconds })
  if (load.errors > 0) throw new Error(`${load.errors} of the load's requests failed: ${load.samples.join(" | ")}`)
  const total = await untilEqual(mesh.shape, mesh.members, mesh.total + load.accepted)
  const equalAt = performance.timeOrigin + performance.now()
  if (total !== mesh.total + load.accepted) {
    throw new Error(`${total - mesh.total} rows were added by ${load.accepted} acknowledged writes`)
  }
  mesh.total = total
  const after = { counters: await mesh.shape.counters(entry.port), cpu: cpuOf(mesh.members) }
  return figures(load, equalAt, before, after)
}

const figures = (load, equalAt, before, after) => {
  const counted = (name) => after.counters[name] - before.counters[name]
  const spent = (name) => after.cpu[name] - before.cpu[name]
  const answering = load.endedAt - load.startedAt
  const converging = equalAt - load.startedAt
  const ours = spent("entry") + spent("peers") + load.loadMicrosPerRequest * load.accepted
  return {
    writes: load.accepted,
    writesPerSecond: load.perSecond,
    p50: load.p50,
    p99: load.p99,
    convergedPerSecond: (load.accepted / converging) * 1000,
    convergedShare: answering / converging,
    rowsPerCommit: counted("rows") / counted("commits"),
    operationsPerPush: counted("pushed") / counted("pushes"),
    entryMicros: spent("entry") / load.accepted,
    peersMicros: spent("peers") / load.accepted,
    loadMicros: load.loadMicrosPerRequest,
    otherCores: Math.max(0, spent("machine") - ours) / (converging * 1000)
  }
}

const makeRunning = (mesh, folder, ports) => ({
  ports,
  /** Keeps `clients` requests in flight for `seconds` and gives what the load saw; nothing else is waited for. */
  load: (clients, seconds) => askLoad(mesh.load, { port: ports[0], isTls: mesh.shape.isTls, clients, seconds }),
  /** The same with the whole HTTP requests of `requests` in turn, each answered with 200. */
  ask: (requests, clients, seconds) =>
    askLoad(mesh.load, { port: ports[0], isTls: mesh.shape.isTls, clients, seconds, requests }),
  untilEqual: (expected) => untilEqual(mesh.shape, mesh.members, expected),
  stop: (index) => Processes.kill(mesh.members[index].child),
  start: (index) => {
    mesh.members[index] = startMember(mesh.shape, folder, ports, index)
  }
})

/**
 * Starts three members in a folder of their own below `parent`, brings the mesh to its first quorum write and calls
 * `use(measure, running)` with `measure(clients, seconds)`. Members, load and folder are gone when the promise settles.
 */
export const withMesh = async (shape, parent, use) => {
  const folder = Processes.makeFolder(parent)
  const mesh = { shape, members: [], load: undefined, total: 0 }
  try {
    const ports = await Processes.freePorts(NODES)
    await shape.prepare(folder, ports.map((_, index) => nameOf(index)))
    mesh.members = ports.map((_, index) => startMember(shape, folder, ports, index))
    await untilReady(shape, mesh.members)
    await firstWrite(shape, mesh.members[0])
    mesh.total = await untilEqual(shape, mesh.members, 1)
    mesh.load = Processes.forkModule(fileURLToPath(new URL("./load.mjs", import.meta.url)))
    return await use((clients, seconds) => measure(mesh, clients, seconds), makeRunning(mesh, folder, ports))
  } catch (error) {
    throw withLog(error, mesh.members)
  } finally {
    const started = [mesh.load, ...mesh.members.map(({ child }) => child)]
    await Promise.all(started.filter((child) => child !== undefined).map(Processes.kill))
    Processes.removeFolder(folder)
  }
}

const withLog = (error, [entry]) => {
  const lines = entry === undefined ? "" : Processes.lastLines(entry.log)
  if (lines === "" || error.message.includes(lines)) return error
  return new Error(`${error.message}\nlast lines of n1:\n${lines}`)
}
