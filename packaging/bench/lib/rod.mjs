// One member of a plain-Node mesh, without validation, spans, authentication or retries: a measuring rod, no product.
// Arguments: naive|grouped <node name> <port> <database file> <quorum> <peer url> <peer url> …
import http from "node:http"
import * as Operation from "./rodOperation.mjs"
import { track } from "./rodPeer.mjs"
import * as Store from "./rodStore.mjs"

const [kind, node, port, file, quorum, ...peerUrls] = process.argv.slice(2)
const mesh = { nodes: 1 + peerUrls.length, quorum: Number(quorum) }
const shape = kind === "naive" ? await import("./rodNaive.mjs") : await import("./rodGrouped.mjs")

const counters = { commits: 0, rows: 0, pushes: 0, pushed: 0 }
const store = Store.open(file, shape.fullText)
const member = shape.make(store, peerUrls, counters)

const answer = (response) => (status, text) => {
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) })
  response.end(text)
}

const onMemory = (bytes, reply) => {
  const entry = Operation.fromBody(bytes, node)
  if (entry === undefined) reply(400, "{\"error\":\"not a memory\"}")
  else member.write(track(entry, mesh, reply))
}

const onPush = (bytes, reply) => {
  const entries = Operation.fromPush(bytes)
  if (entries === undefined) reply(400, "{\"error\":\"not an operation\"}")
  else member.receive(entries, () => reply(200, JSON.stringify({ acks: entries.map(() => 1) })))
}

const onGet = (path, reply) => {
  if (path === "/health/ready") reply(200, "{\"status\":\"ready\"}")
  else if (path === "/stats") reply(200, JSON.stringify({ total: store.total(), ...counters }))
  else reply(404, "{\"error\":\"not found\"}")
}

const routes = { "/api/v1/memories": onMemory, "/api/v1/sync/push": onPush }

const server = http.createServer({ keepAliveTimeout: 65_000 }, (request, response) => {
  const reply = answer(response)
  const route = routes[request.url]
  if (request.method === "GET" || route === undefined) return onGet(request.url, reply)
  const chunks = []
  request.on("data", (chunk) => chunks.push(chunk))
  request.on("end", () => route(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks), reply))
})
server.listen(Number(port), "127.0.0.1")

// The runner holds the other end: a member never outlives it, however it ends.
process.stdin.resume().on("end", () => process.exit(0))
