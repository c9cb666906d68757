// What reading costs on a node with some thousand memories: by id, a page of a list, and a recall.
import { BODY_BYTES, makeBodies, writeNumbered } from "./bodies.mjs"
import { withMesh } from "./mesh.mjs"

export const ROWS = 5_000
export const CLIENTS = [1, 16]

const ROWS_PER_REQUEST = 1_000
const PAGE = 20
const FILL_WITHIN_MS = 30_000

/** The JSON of `ROWS` memories with titles of their own: the same in every run. */
const makeRows = () => {
  const bodies = makeBodies(512)
  const target = Buffer.alloc(BODY_BYTES)
  return Array.from({ length: ROWS }, (_, index) => {
    // The load numbers from 1 on, and has stored nothing in this mesh.
    writeNumbered(bodies[index % bodies.length], index + 1, target, 0)
    return target.latin1Slice()
  })
}

/** Stores memories, given as JSON, and gives their ids. */
export const fill = async (port, rows) => {
  const ids = []
  for (let from = 0; from < rows.length; from += ROWS_PER_REQUEST) {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/memories/bulk`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: `[${rows.slice(from, from + ROWS_PER_REQUEST).join(",")}]`,
      signal: AbortSignal.timeout(FILL_WITHIN_MS)
    })
    const answer = await response.json()
    if (response.status !== 200 || answer.errors.length > 0) {
      throw new Error(
        `the memories to read were not stored: ${response.status} ${JSON.stringify(answer).slice(0, 300)}`
      )
    }
    ids.push(...answer.ids)
  }
  return ids
}

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

/** One mesh, filled; then each kind of read is warmed up and measured, recalls last because they count as uses. */
export const measure = (shape, options) =>
  withMesh(shape, options.dir, async (_, running) => {
    const [port] = running.ports
    const rows = makeRows()
    const ids = await fill(port, rows)
    await running.untilEqual(ROWS)
    const reads = Object.entries(readsOf(port, rows, ids))
    const cells = []
    for (const [read, requests] of reads) {
      await running.ask(requests, Math.max(...CLIENTS), options.warmUp / reads.length)
      for (const clients of CLIENTS) {
        const { errors, p50, p99, perSecond, samples } = await running.ask(requests, clients, options.seconds)
        if (errors > 0) throw new Error(`${errors} reads failed (${read}): ${samples.join(" | ")}`)
        cells.push({ read, clients, readsPerSecond: perSecond, p50, p99 })
      }
    }
    return cells
  })
