// What reading costs on a node with some thousand memories: by id, a page of a list, and a recall.
import { fileURLToPath } from "node:url"
import { fill, numbered } from "./filling.mjs"
import { getOk } from "./http.mjs"
import { PATIENT, withMesh } from "./mesh.mjs"
import * as Processes from "./processes.mjs"

export const ROWS = 5_000
export const CLIENTS = [1, 16, 64]
/** Clients by which one read is judged, beside a bare server of the same answers. */
export const BARE_CLIENTS = 64

const PAGE = 20
/** Answers that the bare server has: it is asked for those alone. */
const BARE_ANSWERS = 512

const getOf = (port) => (path) => `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n\r\n`

export const postOf = (port, path) => (text) =>
  `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\ncontent-type: application/json\r\n` +
  `content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`

/** Two words of a title, without its number. */
const contextOf = (row) => JSON.parse(row).title.split(" ").slice(2).join(" ")

/** The kinds of reads, each with the requests that are sent in turn. */
const readsOf = (port, rows, ids) => ({
  get: ids.map((id) => `/api/v1/memories/${id}`).map(getOf(port)),
  list: Array.from({ length: ROWS / PAGE }, (_, page) => `/api/v1/memories?limit=${PAGE}&offset=${page * PAGE}`)
    .map(getOf(port)),
  recall: rows.slice(0, 512).map((row) => JSON.stringify({ context: contextOf(row) })).map(
    postOf(port, "/api/v1/recall")
  )
})

const checked = ({ errors, samples, ...load }, read) => {
  if (errors > 0) throw new Error(`${errors} reads failed (${read}): ${samples.join(" | ")}`)
  return load
}

const started = (child, message) =>
  new Promise((resolve) => {
    child.once("message", resolve)
    child.send(message)
  })

/** Reads/s of Node's own HTTP server that has the answers at hand which the node gives. */
const bareReads = async (running, ids, options) => {
  const [port] = running.ports
  const paths = ids.slice(0, BARE_ANSWERS).map((id) => `/api/v1/memories/${id}`)
  const answers = []
  for (const path of paths) answers.push([path, await getOk(false, port, path)])
  const child = Processes.forkModule(fileURLToPath(new URL("./bareServer.mjs", import.meta.url)))
  try {
    const bare = await started(child, { answers })
    const how = { ports: [bare.port], requests: paths.map(getOf(bare.port)) }
    checked(await running.load(BARE_CLIENTS, options.warmUp / 4, how), "bare server")
    return checked(await running.load(BARE_CLIENTS, options.seconds, how), "bare server").perSecond
  } finally {
    await Processes.kill(child)
  }
}

/** One mesh, filled; then each kind of read is warmed up and measured, recalls last because they count as uses. */
export const measure = (shape, options) =>
  withMesh(shape, options.dir, async (_, running) => {
    const [port] = running.ports
    const rows = numbered(1, ROWS)
    const ids = await fill(port, rows)
    await running.untilEqual(ROWS)
    const reads = Object.entries(readsOf(port, rows, ids))
    const cells = []
    for (const [read, requests] of reads) {
      await running.ask(requests, Math.max(...CLIENTS), options.warmUp / reads.length)
      for (const clients of CLIENTS) {
        const { p50, p99, perSecond } = checked(await running.ask(requests, clients, options.seconds), read)
        const bare = read === "get" && clients === BARE_CLIENTS ? await bareReads(running, ids, options) : NaN
        cells.push({ read, clients, readsPerSecond: perSecond, p50, p99, ofBare: perSecond / bare })
      }
    }
    return cells
  }, { env: PATIENT })
