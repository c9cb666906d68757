// The shapes under test: how a member is started, and where its row count and its counters are read.
//
// A shape: `args({ node, port, file, peers })` = arguments for node; `total(port)` = rows of that node;
// `counters(port)` = sums since the start `{ commits, rows, pushes, pushed }`, NaN where a node does not tell;
// `isDaemon`: it has all of Quorate's routes, and `alone({ port, file })` = arguments for a node without peers.
import { fileURLToPath } from "node:url"

const CONTROL_TIMEOUT_MS = 10_000

const here = (path) => fileURLToPath(new URL(path, import.meta.url))

export const daemonFile = here("../../../dist/main.js")

const get = async (port, path) => {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(CONTROL_TIMEOUT_MS) })
  const text = await response.text()
  return { status: response.status, text }
}

const getOk = async (port, path) => {
  const { status, text } = await get(port, path)
  if (status !== 200) throw new Error(`GET ${path} answered ${status}`)
  return text
}

export const isReady = async (port) => {
  try {
    const { status, text } = await get(port, "/health/ready")
    // A daemon is ready before it is in touch with its peers; the first write is to find its quorum.
    return status === 200 && (JSON.parse(text).checks?.peers?.ok ?? true)
  } catch {
    return false
  }
}

const makeRod = (kind) => ({
  name: kind,
  isDaemon: false,
  args: ({ file, node, peers, port }) => [here("./rod.mjs"), kind, node, String(port), file, ...peers],
  total: async (port) => JSON.parse(await getOk(port, "/stats")).total,
  counters: async (port) => JSON.parse(await getOk(port, "/stats"))
})

/** The sum of all series of one sample name in Prometheus text, whatever their labels. */
const sumOf = (text, name) => {
  const series = text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)`, "gm"))
  const values = Array.from(series, (match) => Number(match[1]))
  return values.length === 0 ? NaN : values.reduce((a, b) => a + b)
}

/** The daemon of a build: `main` is its `dist/main.js`. */
export const makeDaemon = (name, main) => ({
  name,
  isDaemon: true,
  args: ({ file, peers, port }) => [
    main,
    "serve",
    "--port",
    String(port),
    "--db",
    file,
    "--quorum-writes",
    "2",
    "--quorum-peers",
    peers.join(",")
  ],
  alone: ({ file, port }) => [main, "serve", "--port", String(port), "--db", file],
  total: async (port) => JSON.parse(await getOk(port, "/api/v1/stats")).total,
  counters: async (port) => {
    const text = await getOk(port, "/metrics")
    return {
      commits: sumOf(text, "sqlite_commit_rows_count"),
      rows: sumOf(text, "sqlite_commit_rows_sum"),
      pushes: sumOf(text, "federation_push_operations_count"),
      pushed: sumOf(text, "federation_push_operations_sum")
    }
  }
})

export const shapes = {
  naive: makeRod("naive"),
  grouped: makeRod("grouped"),
  quorate: makeDaemon("quorate", daemonFile)
}
