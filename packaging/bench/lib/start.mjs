// How long a node that holds many memories takes from its start until it is ready. It is filled once, and ended in good order.
import path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fillNumbered, untilEmbedded } from "./filling.mjs"
import { isReady } from "./http.mjs"
import * as Processes from "./processes.mjs"

const READY_WITHIN_MS = 60_000
const POLL_MS = 5

/** Starts a node without peers and gives it with the milliseconds until it was ready. */
const startAlone = async (shape, folder) => {
  const [port] = await Processes.freePorts(1)
  const log = path.join(folder, "alone.log")
  const args = shape.alone({ port, file: path.join(folder, "alone.db") })
  const startedAt = performance.now()
  const child = Processes.startNode(args, { cwd: folder, env: Processes.cleanEnvironment(folder), log })
  const node = { node: "alone", port, log, child }
  while (!(await isReady({ isTls: false }, port))) {
    Processes.checkAlive(node)
    if (performance.now() - startedAt > READY_WITHIN_MS) throw new Error("a node is not ready")
    await sleep(POLL_MS)
  }
  return { ...node, readyMs: performance.now() - startedAt }
}

const fillNode = async (shape, options, progress) => {
  const folder = Processes.makeFolder(options.dir)
  progress(`${shape.name}: a node of ${options.memories} memories is filled`)
  const { child, port } = await startAlone(shape, folder)
  await fillNumbered(port, 1, options.memories)
  await untilEmbedded(port, options.memories)
  await Processes.stop(child)
  return { shape: shape.name, folder }
}

export const before = async (shapes, options, progress) => {
  const nodes = []
  for (const shape of shapes) nodes.push(await fillNode(shape, options, progress))
  return nodes
}

export const after = (nodes) => nodes.forEach(({ folder }) => Processes.removeFolder(folder))

export const measure = async (shape, options, nodes) => {
  const { folder } = nodes.find((node) => node.shape === shape.name)
  const { child, readyMs } = await startAlone(shape, folder)
  await Processes.stop(child)
  return [{ memories: options.memories, readyMs }]
}
