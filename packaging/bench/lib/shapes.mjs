// The shapes under test: how a member is started, and where its row count and its counters are read.
//
// A shape: `args({ node, port, file, peers })` = arguments for node; `total(port)` = rows of that node;
// `counters(port)` = sums since the start `{ commits, rows, pushes, pushed }`, NaN where a node does not tell;
// `isDaemon`: it has all of Quorate's routes, and `alone({ port, file })` = arguments for a node without peers;
// `isTls`: it is asked by TLS; `prepare(folder, nodes)` makes what its members need before they start.
import { execFileSync } from "node:child_process"
import fs from "node:fs"
import http from "node:http"
import https from "node:https"
import path from "node:path"
import { fileURLToPath } from "node:url"
import selfsigned from "selfsigned"
import { cleanEnvironment } from "./processes.mjs"

const CONTROL_TIMEOUT_MS = 10_000

const here = (path) => fileURLToPath(new URL(path, import.meta.url))

export const daemonFile = here("../../../dist/main.js")

/** Asks a member; with a body it posts that as JSON. Whose certificate it has is not looked at. */
export const ask = (isTls, port, path, { body, timeout = CONTROL_TIMEOUT_MS } = {}) =>
  new Promise((resolve, reject) => {
    const request = (isTls ? https : http).request({
      host: "127.0.0.1",
      port,
      path,
      agent: false,
      rejectUnauthorized: false,
      method: body === undefined ? "GET" : "POST",
      headers: body === undefined ? {} : { "content-type": "application/json" },
      signal: AbortSignal.timeout(timeout)
    }, (response) => {
      let text = ""
      response.setEncoding("utf8").on("data", (part) => (text += part)).on("error", reject)
      response.on("end", () => resolve({ status: response.statusCode, text }))
    })
    request.on("error", reject)
    request.end(body)
  })

const getOk = async (isTls, port, path) => {
  const { status, text } = await ask(isTls, port, path)
  if (status !== 200) throw new Error(`GET ${path} answered ${status}`)
  return text
}

export const isReady = async ({ isTls }, port) => {
  try {
    const { status, text } = await ask(isTls, port, "/health/ready")
    // A daemon is ready before it is in touch with its peers; the first write is to find its quorum.
    return status === 200 && (JSON.parse(text).checks?.peers?.ok ?? true)
  } catch {
    return false
  }
}

const makeRod = (kind) => ({
  name: kind,
  isDaemon: false,
  isTls: false,
  prepare: () => {},
  args: ({ file, node, peers, port }) => [here("./rod.mjs"), kind, node, String(port), file, ...peers],
  total: async (port) => JSON.parse(await getOk(false, port, "/stats")).total,
  counters: async (port) => JSON.parse(await getOk(false, port, "/stats"))
})

/** The sum of all series of one sample name in Prometheus text, whatever their labels. */
const sumOf = (text, name) => {
  const series = text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)`, "gm"))
  const values = Array.from(series, (match) => Number(match[1]))
  return values.length === 0 ? NaN : values.reduce((a, b) => a + b)
}

const PLAIN = { isTls: false, prepare: () => {}, trust: () => [] }

/** The daemon of a build: `main` is its `dist/main.js`. `trust({ folder, node })` = more arguments for a member. */
export const makeDaemon = (name, main, { isTls, prepare, trust } = PLAIN) => ({
  name,
  isDaemon: true,
  isTls,
  prepare,
  args: ({ file, node, peers, port }) => [
    main,
    "serve",
    "--port",
    String(port),
    "--db",
    file,
    "--quorum-writes",
    "2",
    "--quorum-peers",
    peers.join(","),
    ...trust({ folder: path.dirname(file), node })
  ],
  alone: ({ file, port }) => [main, "serve", "--port", String(port), "--db", file],
  total: async (port) => JSON.parse(await getOk(isTls, port, "/api/v1/stats")).total,
  counters: async (port) => {
    const text = await getOk(isTls, port, "/metrics")
    return {
      commits: sumOf(text, "sqlite_commit_rows_count"),
      rows: sumOf(text, "sqlite_commit_rows_sum"),
      pushes: sumOf(text, "federation_push_operations_count"),
      pushed: sumOf(text, "federation_push_operations_sum")
    }
  }
})

/** A key for each member, all of them enrolled on all. */
const makeKeys = (folder, nodes) => {
  for (const node of nodes) {
    const generate = ["identity", "generate", "--agent-id", node, "--key-dir", path.join(folder, "keys")]
    execFileSync(process.execPath, [daemonFile, ...generate], { env: cleanEnvironment(folder), stdio: "ignore" })
  }
}

const signing = ({ folder, node }) => [
  "--node-id",
  node,
  "--key-dir",
  path.join(folder, "keys"),
  "--require-signatures",
  "all"
]

/** One certificate for all members: what it costs is the same. */
const makeCertificate = async (folder) => {
  const { cert, private: key } = await selfsigned.generate([{ name: "commonName", value: "bench" }], {
    keyType: "ec",
    extensions: [
      { name: "basicConstraints", cA: true },
      { name: "subjectAltName", altNames: [{ type: 7, ip: "127.0.0.1" }] }
    ]
  })
  fs.writeFileSync(path.join(folder, "cert.pem"), cert)
  fs.writeFileSync(path.join(folder, "key.pem"), key, { mode: 0o600 })
}

const encrypting = ({ folder }) => [
  "--tls-cert",
  path.join(folder, "cert.pem"),
  "--tls-key",
  path.join(folder, "key.pem"),
  "--quorum-ca-cert",
  path.join(folder, "cert.pem")
]

/** The daemon as it is in a mesh whose nodes do not trust each other blindly, and beside it, as it is without. */
export const trusting = [
  makeDaemon("quorate", daemonFile),
  makeDaemon("signed", daemonFile, { isTls: false, prepare: makeKeys, trust: signing }),
  makeDaemon("tls, signed", daemonFile, {
    isTls: true,
    prepare: async (folder, nodes) => {
      makeKeys(folder, nodes)
      await makeCertificate(folder)
    },
    trust: (member) => [...signing(member), ...encrypting(member)]
  })
]

export const shapes = {
  naive: makeRod("naive"),
  grouped: makeRod("grouped"),
  quorate: makeDaemon("quorate", daemonFile)
}
