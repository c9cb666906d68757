// The shapes under test: how a member is started, and where its row count and its counters are read.
//
// A shape: `args({ node, port, peerPort, file, peers, members, quorum })` = arguments for `program`, with `env(folder)` on top of
// a clean environment; `total(port)` = rows of that node; `counters(port)` = sums since the start
// `{ commits, rows, pushes, pushed }`, NaN where a node does not tell; `isReady(port)`; `first(text)` = the request of a first
// write `{ path, body, status }`; `work` = what the load sends it.
// `isDaemon`: it has all of Quorate's routes, and `alone({ port, file })` = arguments for a node without peers;
// `isTls`: it is asked by TLS; `prepare(folder, nodes)` makes what its members need before they start;
// `settle(members)` is awaited when all of them are ready; `isLenient`: it is another program, whose nodes need not be equal at
// the end, and whose refusals are counted, not a failure of the run.
import { execFileSync } from "node:child_process"
import fs from "node:fs"
import path from "node:path"
import { fileURLToPath } from "node:url"
import selfsigned from "selfsigned"
import { etcd } from "./etcd.mjs"
import { getOk, isReady } from "./http.mjs"
import { sumOf } from "./metricsText.mjs"
import { cleanEnvironment } from "./processes.mjs"

export { ask, isReady } from "./http.mjs"

const here = (path) => fileURLToPath(new URL(path, import.meta.url))

export const daemonFile = here("../../../dist/main.js")

/** A write as a client of Quorate makes it. */
export const memory = {
  work: { kind: "memory" },
  first: (text) => ({
    path: "/api/v1/memories",
    status: 201,
    body: JSON.stringify({
      title: text,
      content: "Hello, quorum.",
      namespace: "bench",
      tags: [],
      priority: 5,
      confidence: 1,
      source: "api",
      metadata: {}
    })
  })
}

const own = { ...memory, program: process.execPath, isLenient: false, env: () => ({}), settle: () => {} }

const makeRod = (kind) => ({
  ...own,
  name: kind,
  isDaemon: false,
  isTls: false,
  prepare: () => {},
  isReady: (port) => isReady({ isTls: false }, port),
  args: ({ file, node, peers, port, quorum }) => [
    here("./rod.mjs"),
    kind,
    node,
    String(port),
    file,
    String(quorum),
    ...peers
  ],
  total: async (port) => JSON.parse(await getOk(false, port, "/stats")).total,
  counters: async (port) => JSON.parse(await getOk(false, port, "/stats"))
})

/** Counts are made when they are asked for: a million rows take seconds, more where others write. */
const COUNTED_WITHIN_MS = 60_000

const PLAIN = { isTls: false, prepare: () => {}, trust: () => [] }

/** The daemon of a build: `main` is its `dist/main.js`. `trust({ folder, node })` = more arguments for a member. */
export const makeDaemon = (name, main, { isTls, prepare, trust } = PLAIN) => ({
  ...own,
  name,
  isDaemon: true,
  isTls,
  prepare,
  isReady: (port) => isReady({ isTls }, port),
  args: ({ file, node, peers, port, quorum }) => [
    main,
    "serve",
    "--port",
    String(port),
    "--db",
    file,
    "--quorum-writes",
    String(quorum),
    "--quorum-peers",
    peers.join(","),
    ...trust({ folder: path.dirname(file), node })
  ],
  alone: ({ file, port }) => [main, "serve", "--port", String(port), "--db", file],
  total: async (port) => JSON.parse(await getOk(isTls, port, "/api/v1/stats", { timeout: COUNTED_WITHIN_MS })).total,
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
  quorate: makeDaemon("quorate", daemonFile),
  etcd
}
