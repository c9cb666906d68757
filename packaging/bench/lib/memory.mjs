// What a node needs of the machine's memory: when nobody has asked it anything yet, and at most while clients write.
import { setTimeout as sleep } from "node:timers/promises"
import { withMesh } from "./mesh.mjs"
import { residentBytes } from "./processes.mjs"

export const CLIENTS = 64
/** A node that nobody asks gives memory back within half a minute. */
const IDLE_MS = 45_000
const LOOK_EVERY_MS = 200
const MEGABYTE = 1e6

/** The most that each process had at any look until `done` settles. */
const mostMeanwhile = async (pids, done) => {
  let isDone = false
  void done.then(() => (isDone = true), () => (isDone = true))
  const most = pids.map(() => 0)
  while (!isDone) {
    for (const [at, pid] of pids.entries()) most[at] = Math.max(most[at], residentBytes(pid))
    await sleep(LOOK_EVERY_MS)
  }
  return most
}

export const measure = (shape, options) =>
  withMesh(shape, options.dir, async (measure, running) => {
    const working = measure(CLIENTS, options.warmUp + options.seconds)
    const [entry, ...peers] = await mostMeanwhile(running.pids(), working)
    await working
    return [{
      idleMegabytes: Math.max(...running.idleBytes) / MEGABYTE,
      entryMegabytes: entry / MEGABYTE,
      peerMegabytes: Math.max(...peers) / MEGABYTE,
      busyMegabytes: Math.max(entry, ...peers) / MEGABYTE
    }]
  }, { beforeFirst: () => sleep(IDLE_MS) })
