// Many memories in few requests, before anything is measured.
import { BODY_BYTES, makeBodies, writeNumbered } from "./bodies.mjs"
import { getOk } from "./http.mjs"
import { poll } from "./poll.mjs"

const ROWS_PER_REQUEST = 1_000
const FILL_WITHIN_MS = 60_000
/** A node makes the vectors of some thousand memories in a second. */
const EMBEDDED_WITHIN_MS = 300_000
const EMBEDDED_PER_ROW_MS = 2

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
        `memories were not stored: ${response.status} ${JSON.stringify(answer.errors ?? answer).slice(0, 300)}`
      )
    }
    ids.push(...answer.ids)
  }
  return ids
}

const bodies = makeBodies(512)

/** The JSON of `count` memories as the load stores them, the first with the number `from`. */
export const numbered = (from, count) => {
  const target = Buffer.alloc(BODY_BYTES)
  return Array.from({ length: count }, (_, index) => {
    writeNumbered(bodies[(from + index) % bodies.length], from + index, target, 0)
    return target.latin1Slice()
  })
}

/** Stores the memories `from` to `to`, of which only a request's worth is in this process at a time. */
export const fillNumbered = async (port, from, to, progress = () => {}) => {
  for (let first = from; first <= to; first += ROWS_PER_REQUEST) {
    await fill(port, numbered(first, Math.min(ROWS_PER_REQUEST, to - first + 1)))
    if ((first - from) % (100 * ROWS_PER_REQUEST) === 0 && first > from) progress(first - from)
  }
}

/** Until a node has the vectors of all its memories: what it does for them is not to be in what is measured. */
export const untilEmbedded = (port, memories = 0) =>
  poll("memories not embedded", EMBEDDED_WITHIN_MS + memories * EMBEDDED_PER_ROW_MS, async () => {
    const { embeddings } = JSON.parse(await getOk(false, port, "/api/v1/capabilities"))
    return embeddings === undefined || embeddings.embedded + embeddings.passed_over >= embeddings.memories
      ? true
      : undefined
  })
