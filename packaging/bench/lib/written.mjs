// What a write costs the disk: pages in the log of SQLite for one write at a time, and bytes sent to the disk, log and
// checkpoints together, for each byte that the database grows by under load.
import fs from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { untilEmbedded } from "./filling.mjs"
import { withMesh } from "./mesh.mjs"
import { writtenBytes } from "./processes.mjs"
import * as WalIndex from "./walIndex.mjs"

export const CLIENTS = 64
/** Short looks at single writes: one in which the log was begun anew does not count. */
const LOOKS = 8
const LOOK_SECONDS = 0.25
/** What else is done for a write after its answer is over by then. */
const AFTER_MS = 500

/** Until the nodes have done all that was left to do: vectors are made when writes leave room for them, and are written, too. */
const untilDone = async (shape, running) => {
  if (shape.isDaemon) await Promise.all(running.ports.map((port) => untilEmbedded(port)))
  await sleep(AFTER_MS)
}

const pagesOf = async (shape, running) => {
  const looks = []
  for (let look = 0; look < LOOKS; look++) {
    const before = running.files.map(WalIndex.read)
    const { errors, rows } = await running.load(1, LOOK_SECONDS)
    if (errors > 0) throw new Error(`${errors} single writes failed`)
    await untilDone(shape, running)
    looks.push({
      rows,
      frames: running.files.map((file, at) => WalIndex.framesBetween(before[at], WalIndex.read(file)))
    })
  }
  return running.files.map((_, at) => {
    const whole = looks.filter(({ frames }) => frames[at] !== undefined)
    const sum = (values) => values.reduce((a, b) => a + b, 0)
    return sum(whole.map(({ frames }) => frames[at])) / sum(whole.map(({ rows }) => rows))
  })
}

const diskOf = (running) =>
  running.files.map((file, at) => {
    const { pageBytes, pages } = WalIndex.read(file)
    return {
      sent: writtenBytes(running.pids()[at]),
      said: fs.statSync(running.logs[at]).size,
      stored: pages * pageBytes
    }
  })

/** What was written without the lines of the node's log of events. */
const between = (before, after) => ({
  sent: after.sent - before.sent - (after.said - before.said),
  stored: after.stored - before.stored
})

export const measure = (shape, options) =>
  withMesh(shape, options.dir, async (measure, running) => {
    await measure(CLIENTS, options.warmUp)
    await untilDone(shape, running)
    const before = diskOf(running)
    const { writes } = await measure(CLIENTS, options.seconds)
    await untilDone(shape, running)
    const [entry, peer] = diskOf(running).map((after, at) => between(before[at], after))
    const [entryPages, peerPages] = await pagesOf(shape, running)
    return [{
      entryPages,
      peerPages,
      entryBytes: entry.sent / writes,
      peerBytes: peer.sent / writes,
      entryPerStored: entry.sent / entry.stored,
      peerPerStored: peer.sent / peer.stored
    }]
  })
