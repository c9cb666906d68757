// What a figure cannot be read without.
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { BODY_BYTES } from "./bodies.mjs"
import { median } from "./statistics.mjs"

const SYNCS = 40
const TMPFS = 0x01021994

/** Median µs of appending a page and syncing it: what one durable commit waits for at the least. */
const syncMicros = (folder) => {
  const file = path.join(folder, `quorate-bench-sync-${process.pid}`)
  const fd = fs.openSync(file, "w")
  try {
    const page = Buffer.alloc(4096, 1)
    const micros = Array.from({ length: SYNCS }, () => {
      const start = performance.now()
      fs.writeSync(fd, page)
      fs.fdatasyncSync(fd)
      return (performance.now() - start) * 1000
    })
    return median(micros)
  } finally {
    fs.closeSync(fd)
    fs.rmSync(file)
  }
}

export const measure = ({ against, dir, peer, reps, seconds, warmUp }) => ({
  date: new Date().toISOString(),
  node: process.version,
  processors: os.cpus().length,
  processor: os.cpus()[0]?.model.trim() ?? "unknown",
  nodes: 3,
  quorum: 2,
  synchronous: "FULL",
  bodyBytes: BODY_BYTES,
  reps,
  seconds,
  warmUp,
  dir,
  ...(against === undefined ? {} : { against }),
  ...(peer === undefined ? {} : { peer }),
  inMemory: fs.statfsSync(dir).type === TMPFS,
  syncMicros: Math.round(syncMicros(dir))
})
