// Nodes of both kinds that know each other's keys, by the commands that the manual shows, and agents that sign what they store.
import { encode } from "cborg"
import { execFileSync } from "node:child_process"
import { createHash, createPrivateKey, createPublicKey, sign } from "node:crypto"
import path from "node:path"
import { fileURLToPath } from "node:url"

export const main = fileURLToPath(new URL("../../../dist/main.js", import.meta.url))

/** The ids of nodes: what a signature is in the name of. */
export const idOf = ({ kind, name }) => kind === "o" ? `host:${name}` : name

/** Agents of this run: a list of peers at an original names those whose writes a peer may pass on. */
export const AGENTS = ["alice", "bob"]

const run = (command, args) => execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] })

/** Each node makes its key, and gets the public ones of all others. */
export const enrolAll = (nodes, original) => {
  const identity = ({ folder, kind, keys }, ...args) =>
    kind === "o"
      ? run("env", [`HOME=${folder}`, original, "identity", ...args, "--key-dir", keys])
      : run(process.execPath, [main, "identity", ...args, "--key-dir", keys])
  for (const node of nodes) identity(node, "generate", "--agent-id", idOf(node))
  for (const node of nodes) {
    for (const other of nodes.filter((one) => one !== node)) {
      identity(node, "import", "--agent-id", idOf(other), "--pub", path.join(other.keys, `${idOf(other)}.pub`))
    }
  }
}

const listOf = (others) =>
  JSON.stringify(Object.fromEntries(others.map((other) => [idOf(other), {
    allowed_namespaces: ["**"],
    allowed_sender_agent_ids: [...AGENTS, ...others.map(idOf)]
  }])))

/** What an original is started with that has all others enrolled: a list of them, or its trust in whoever is enrolled. */
export const originalOpenTo = ({ keys }, others, gates) => ({
  AI_MEMORY_KEY_DIR: keys,
  ...(gates === "listed"
    ? { AI_MEMORY_FED_PEER_ATTESTATION: listOf(others) }
    : { AI_MEMORY_FED_SYNC_TRUST_PEER: "1" })
})

/** What one of ours is started with. */
export const oursOpenTo = ({ keys }, others) => [
  "--key-dir",
  keys,
  "--require-signatures",
  "all",
  "--unsigned-pull",
  others.filter((other) => other.kind === "o").map(idOf).join(",")
]

const keyOf = (agent) =>
  createPrivateKey({
    format: "der",
    type: "pkcs8",
    key: Buffer.concat([
      Buffer.from("302e020100300506032b657004220420", "hex"),
      createHash("sha256").update(`agent ${agent}`).digest()
    ])
  })

/** Tells an original the public key of an agent that is registered there. */
export const bindKey = ({ db, folder }, original, agent) => {
  const { x } = createPublicKey(keyOf(agent)).export({ format: "jwk" })
  run("env", [`HOME=${folder}`, original, "agents", "bind-key", "--agent-id", agent, "--pubkey", x, "--db", db])
}

/** A body of `POST /memories` with the signature of its agent, in the form of 0.10.0. */
export const signedWrite = (agent, body) => {
  const created_at = new Date().toISOString().replace("Z", "+00:00")
  const envelope = {
    _dst: "ai-memory/write/v1",
    agent_id: agent,
    content_sha256: createHash("sha256").update(body.content).digest(),
    created_at,
    kind: "observation",
    namespace: body.namespace,
    title: body.title
  }
  return { ...body, created_at, signature: sign(null, encode(envelope), keyOf(agent)).toString("base64") }
}
