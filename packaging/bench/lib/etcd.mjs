// Three members of etcd, the store of keys and values that agrees by Raft, asked through its HTTP gateway: the same values, each
// in a key of its own, synced to the disks of a majority before they are answered, as ours are. Writes go to the leader.
import { spawnSync } from "node:child_process"
import { answers, getOk } from "./http.mjs"
import { poll } from "./poll.mjs"

export const HOW_TO_INSTALL = "etcd is left out, since it is not here: apt-get install etcd-server"

const LEADER_WITHIN_MS = 10_000
const base64 = (text) => Buffer.from(text).toString("base64")
const url = (port) => `http://127.0.0.1:${port}`

export const isInstalled = () => spawnSync("etcd", ["--version"], { stdio: "ignore" }).status === 0

const post = async (port, path, body = {}) => JSON.parse(await getOk(false, port, path, { body: JSON.stringify(body) }))

/** All keys, as that member has them. */
const everything = { key: base64("\0"), range_end: base64("\0"), count_only: true, serializable: true }

/** Makes the first member the leader: a write that a follower gets makes one way more. */
const lead = (members) =>
  poll("etcd: the first member does not lead", LEADER_WITHIN_MS, async () => {
    const states = await Promise.all(members.map(({ port }) => post(port, "/v3/maintenance/status")))
    const [{ header, leader }] = states
    if (leader === header.member_id) return true
    const leading = members.find((_, index) => states[index].header.member_id === leader)
    if (leading === undefined) return undefined
    await post(leading.port, "/v3/maintenance/transfer-leadership", { targetID: header.member_id })
    return undefined
  })

export const etcd = {
  name: "etcd",
  program: "etcd",
  isDaemon: false,
  isLenient: false,
  isTls: false,
  work: { kind: "put" },
  first: (text) => ({
    path: "/v3/kv/put",
    status: 200,
    body: JSON.stringify({ key: base64(text), value: base64("Hello, quorum.") })
  }),
  env: () => ({}),
  prepare: () => {},
  settle: lead,
  args: ({ file, members, node, peerPort, port }) => [
    "--name",
    node,
    "--data-dir",
    `${file}.etcd`,
    "--listen-client-urls",
    url(port),
    "--advertise-client-urls",
    url(port),
    "--listen-peer-urls",
    url(peerPort),
    "--initial-advertise-peer-urls",
    url(peerPort),
    "--initial-cluster",
    members.map((member) => `${member.node}=${url(member.peerPort)}`).join(","),
    "--initial-cluster-state",
    "new"
  ],
  isReady: (port) => answers(port, "/health"),
  total: async (port) => Number((await post(port, "/v3/kv/range", everything)).count ?? 0),
  counters: () => ({ commits: NaN, rows: NaN, pushes: NaN, pushed: NaN })
}
