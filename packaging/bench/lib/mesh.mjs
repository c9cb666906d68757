// Members of one shape and the load against them.
import path from "node:path"
import { fileURLToPath } from "node:url"
import { ask } from "./http.mjs"
import { poll } from "./poll.mjs"
import * as Processes from "./processes.mjs"

const START_WITHIN_MS = 40_000
const FIRST_WRITE_WITHIN_MS = 15_000
const EQUAL_WITHIN_MS = 30_000
/** Of a shape that need not become equal. */
const LENIENT_WITHIN_MS = 5_000
const LAST_ANSWER_WITHIN_MS = 30_000

/** How a mesh is laid out, unless a part says otherwise: N = 3, W = 2, of a folder that is empty. */
export const USUAL = { nodes: 3, quorum: 2, held: 0, nextNumber: 1, env: {} }

/** Of a mesh in which bulk is stored: how long that takes is measured, or does not matter, and no failure. */
export const PATIENT = { QUORATE_QUORUM_TIMEOUT_MS: "60000" }

/** The nodes that have to hold a write so that any two such sets meet. */
export const majorityOf = (nodes) => Math.floor(nodes / 2) + 1

const startMember = ({ arrangement, folder, layout, shape }, index) => {
  const { file, log, node, peerPort, port } = layout[index]
  const peers = layout.filter((_, other) => other !== index).map((other) =>
    `${shape.isTls ? "https" : "http"}://127.0.0.1:${other.port}`
  )
  const args = shape.args({ node, port, peerPort, file, peers, members: layout, quorum: arrangement.quorum })
  const env = { ...Processes.cleanEnvironment(folder), ...shape.env(folder), ...arrangement.env }
  return { node, port, file, log, child: Processes.start(shape.program, args, { cwd: folder, env, log }) }
}

const layoutOf = (folder, ports, nodes) =>
  Array.from({ length: nodes }, (_, index) => {
    const node = `n${index + 1}`
    const at = (ending) => path.join(folder, `${node}.${ending}`)
    return { node, port: ports[index], peerPort: ports[nodes + index], file: at("db"), log: at("log") }
  })

const untilReady = (shape, members) =>
  poll("members not ready", START_WITHIN_MS, async () => {
    members.forEach(Processes.checkAlive)
    const ready = await Promise.all(members.map(({ port }) => shape.isReady(port)))
    return ready.every(Boolean) ? true : undefined
  })

/** Ready members may not have met yet: the load starts when one write has found its quorum. */
const firstWrite = async ({ first, isTls }, entry) => {
  let attempts = 0
  let seen
  await poll("no write reached its quorum", FIRST_WRITE_WITHIN_MS, async () => {
    const { body, path, status } = first(`first write of ${Date.now()}, attempt ${++attempts}`)
    seen = await ask(isTls, entry.port, path, { body, timeout: FIRST_WRITE_WITHIN_MS })
    return seen.status === status ? true : undefined
  }).catch((error) => {
    throw new Error(`${error.message}: ${seen?.status} ${seen?.text}`)
  })
}

/** Waits until all nodes hold the same number of rows, at least `expected`; gives that number. */
const untilEqual = (shape, members, expected, within = EQUAL_WITHIN_MS) => {
  let seen = []
  return poll("nodes not equal", within, async () => {
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
  return { entry, peers: peers.reduce((a, b) => a + b, 0), machine: Processes.machineMicros() }
}

const stateOf = async ({ members, shape }) => ({
  counters: await shape.counters(members[0].port),
  cpu: cpuOf(members)
})

/** `how.through`: the members that are written to, the first alone unless it says so; the rest is for the load. */
const requestOf = ({ arrangement, members, shape }, clients, seconds, { through = [0], ...how } = {}) => ({
  ports: through.map((index) => members[index].port),
  isTls: shape.isTls,
  from: arrangement.nextNumber,
  ...shape.work,
  ...how,
  clients,
  seconds
})

const loadWith = async (mesh, clients, seconds, how) => {
  const load = await askLoad(mesh.load, requestOf(mesh, clients, seconds, how))
  mesh.nextNumber = load.next
  return load
}

/** When all nodes held the same, and how many rows that were: NaN where a lenient shape's did not come to that. */
const settled = async ({ members, shape, total: before }, rows) => {
  const now = () => performance.timeOrigin + performance.now()
  if (shape.isLenient) {
    const total = await untilEqual(shape, members, before + rows, LENIENT_WITHIN_MS).catch(() => undefined)
    return { equalAt: total === undefined ? NaN : now(), total: total ?? (await shape.total(members[0].port)) }
  }
  const total = await untilEqual(shape, members, before + rows)
  const equalAt = now()
  if (total !== before + rows) throw new Error(`${total - before} rows were added by ${rows} acknowledged writes`)
  return { equalAt, total }
}

/** One measurement, from the first request until all nodes are equal. See the README for the meaning of each figure. */
const measure = async (mesh, clients, seconds, how) => {
  const before = await stateOf(mesh)
  const load = await loadWith(mesh, clients, seconds, how)
  if (load.errors > 0 && !mesh.shape.isLenient) {
    throw new Error(`${load.errors} of the load's requests failed: ${load.samples.join(" | ")}`)
  }
  const { equalAt, total } = await settled(mesh, load.rows)
  mesh.total = total
  return { ...figures(load, equalAt, before, await stateOf(mesh)), refused: load.errors }
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
    rowsPerSecond: (load.rows / answering) * 1000,
    convergedPerSecond: (load.rows / converging) * 1000,
    convergedShare: answering / converging,
    rowsPerCommit: counted("rows") / counted("commits"),
    operationsPerPush: counted("pushed") / counted("pushes"),
    entryMicros: spent("entry") / load.rows,
    peersMicros: spent("peers") / load.rows,
    loadMicros: load.loadMicrosPerRequest,
    otherCores: Math.max(0, spent("machine") - ours) / (converging * 1000)
  }
}

const makeRunning = (mesh) => ({
  ports: mesh.layout.map(({ port }) => port),
  files: mesh.layout.map(({ file }) => file),
  logs: mesh.layout.map(({ log }) => log),
  pids: () => mesh.members.map(({ child }) => child.pid),
  /** Of each member when all were ready, and nobody had asked them anything but that. */
  idleBytes: mesh.idleBytes,
  nextNumber: () => mesh.nextNumber,
  /** Keeps `clients` requests in flight for `seconds` and gives what the load saw; nothing else is waited for. */
  load: (clients, seconds, how) => loadWith(mesh, clients, seconds, how),
  /** The same with the whole HTTP requests of `requests` in turn, each answered with 200. */
  ask: (requests, clients, seconds) => loadWith(mesh, clients, seconds, { requests }),
  untilEqual: (expected, within) => untilEqual(mesh.shape, mesh.members, expected, within),
  /** As many rows as all nodes have come to: what is measured next begins with that. */
  rest: async (within) => {
    mesh.total = await untilEqual(mesh.shape, mesh.members, mesh.total, within)
    return mesh.total
  },
  pause: (index) => Processes.pause(mesh.members[index].child),
  goOn: (index) => Processes.goOn(mesh.members[index].child),
  stop: (index) => Processes.kill(mesh.members[index].child),
  start: (index) => {
    mesh.members[index] = startMember(mesh, index)
  }
})

const idle = async ({ arrangement, members }) => {
  await arrangement.beforeFirst?.()
  return members.map(({ child }) => Processes.residentBytes(child.pid))
}

const open = async (mesh) => {
  const { arrangement, layout, shape } = mesh
  await shape.prepare(mesh.folder, layout.map(({ node }) => node))
  for (const index of layout.keys()) mesh.members.push(startMember(mesh, index))
  await untilReady(shape, mesh.members)
  await shape.settle(mesh.members)
  mesh.idleBytes = await idle(mesh)
  await firstWrite(shape, mesh.members[0])
  mesh.total = await untilEqual(shape, mesh.members, arrangement.held + 1)
  mesh.load = Processes.forkModule(fileURLToPath(new URL("./load.mjs", import.meta.url)))
}

const withLog = (error, [entry]) => {
  const lines = entry === undefined ? "" : Processes.lastLines(entry.log)
  if (lines === "" || error.message.includes(lines)) return error
  return new Error(`${error.message}\nlast lines of n1:\n${lines}`)
}

/**
 * Starts members on what lies in `folder`, brings the mesh to its first quorum write and calls `use(measure, running)` with
 * `measure(clients, seconds, how)`. Members and load are gone when the promise settles, what they stored is there.
 * `arrangement`: what differs from USUAL. `end(child)`: how the members end.
 */
export const withMembers = async (shape, folder, use, { end = Processes.kill, ...different } = {}) => {
  const arrangement = { ...USUAL, ...different }
  const ports = await Processes.freePorts(2 * arrangement.nodes)
  const layout = layoutOf(folder, ports, arrangement.nodes)
  const mesh = { arrangement, folder, layout, shape, members: [], load: undefined, total: 0 }
  try {
    await open(mesh)
    return await use((clients, seconds, how) => measure(mesh, clients, seconds, how), makeRunning(mesh))
  } catch (error) {
    throw withLog(error, mesh.members)
  } finally {
    if (mesh.load !== undefined) await Processes.kill(mesh.load)
    await Promise.all(mesh.members.map(({ child }) => end(child)))
  }
}

/** The same in a new folder below `parent`, which is gone at the end, too. */
export const withMesh = async (shape, parent, use, arrangement) => {
  const folder = Processes.makeFolder(parent)
  try {
    return await withMembers(shape, folder, use, arrangement)
  } finally {
    Processes.removeFolder(folder)
  }
}
