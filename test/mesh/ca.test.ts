import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import { type ChildProcess, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as tls from "node:tls"
import { Agent, request } from "undici"
import { daemon } from "../daemon.js"
import * as documents from "../documents/documents.js"
import * as Shell from "../documents/shell.js"
import { freePorts, isRecord, until } from "./Cluster.js"

const NAMES = ["node-1", "node-2", "node-3"] as const
type Name = (typeof NAMES)[number]
const USUAL_PORT = 9077

/** The commands of the manual in their order, each in one line. */
const commandsOfManual = (): ReadonlyArray<string> => {
  const page = documents.guides.find((each) => each.path.endsWith("manual/certificates.md"))
  assert.isDefined(page)
  return documents.blocks(page).filter(({ language }) => language === "sh").flatMap(({ text }) =>
    text.replaceAll(/\\\n\s*/g, "").split("\n").filter((line) => line !== "")
  )
}

describe("a mesh that is made by the commands of the manual", () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-ca-"))
  const at = (...parts: ReadonlyArray<string>) => path.join(folder, ...parts)
  const commands = commandsOfManual()
  const daemons = new Map<Name, ChildProcess>()
  const agents: Array<Agent> = []
  let ports: ReadonlyArray<number> = []
  let key = ""

  const portOf = (name: Name) => ports[NAMES.indexOf(name)] ?? 0
  const argsOf = (line: string) =>
    line.replaceAll(/\b90(7[789])\b/g, (port) => String(ports[Number(port) - USUAL_PORT])).split(/\s+/).slice(2)
  const run = async (line: string) => {
    const { code, stderr, stdout } = await Shell.run(process.execPath, [daemon, ...argsOf(line)], { folder })
    assert.strictEqual(code, 0, `${line}\n${stderr}`)
    return stdout
  }
  const runs = async (what: RegExp) => {
    const found = commands.filter((line) => what.test(line))
    assert.isNotEmpty(found, String(what))
    const out: Array<string> = []
    for (const line of found) out.push(await run(line))
    return out
  }

  const agentOf = (show?: Name) => {
    const own = show === undefined
      ? {}
      : { cert: fs.readFileSync(at(show, "tls.pem")), key: fs.readFileSync(at(show, "tls.key")) }
    const agent = new Agent({ connect: { ca: fs.readFileSync(at("ca", "ca.pem")), ...own } })
    agents.push(agent)
    return agent
  }
  const ask = async (
    name: Name,
    to: string,
    how: { readonly body?: unknown; readonly headers?: Record<string, string>; readonly agent: Agent }
  ) => {
    const response = await request(`https://127.0.0.1:${portOf(name)}${to}`, {
      method: how.body === undefined ? "GET" : "POST",
      dispatcher: how.agent,
      headers: { "content-type": "application/json", ...how.headers },
      ...(how.body === undefined ? {} : { body: JSON.stringify(how.body) })
    })
    const body: unknown = await response.body.json()
    return { status: response.statusCode, body: isRecord(body) ? body : {} }
  }
  let client: Agent
  const write = (name: Name, title: string) =>
    ask(name, "/api/v1/memories", { agent: client, body: { title, content: "c" }, headers: { "x-api-key": key } })
  const titlesOn = async (name: Name) => {
    const { body } = await ask(name, "/api/v1/memories?limit=200", { agent: client, headers: { "x-api-key": key } })
    return JSON.stringify(body)
  }
  /** What a node says to one that shows the certificate of another. */
  const helloTo = (name: Name, as: Name, agent = agentOf(as)) =>
    ask(name, "/api/v1/sync/hello", { agent, headers: { "x-peer-id": as } })

  beforeAll(async () => {
    ports = await freePorts(NAMES.length)
    await runs(/ ca init /)
    const first = commands.findIndex((line) => line.includes(" ca revoke "))
    for (const line of commands.slice(0, first).filter((each) => each.includes(" ca issue "))) await run(line)
    const [shown] = await runs(/ ca show /)
    for (const name of NAMES) assert.match(shown ?? "", new RegExp(`^${name}  good `, "m"))
    const [made] = await runs(/ keys add /)
    key = (made ?? "").trim()
    client = agentOf()
    const serving = commands.filter((line) => line.includes(" serve "))
    assert.lengthOf(serving, NAMES.length)
    NAMES.forEach((name, index) => {
      const log = fs.openSync(at(`${name}.log`), "a")
      const child = spawn(process.execPath, [
        daemon,
        ...argsOf(serving[index] ?? ""),
        "--quorum-timeout-ms",
        "3000",
        "--log-format",
        "json"
      ], { cwd: folder, stdio: ["ignore", "ignore", log] })
      daemons.set(name, child)
    })
    for (const name of NAMES) {
      await until(`${name} answers`, async () => {
        if (daemons.get(name)?.exitCode !== null) {
          throw new Error(fs.readFileSync(at(`${name}.log`), "utf8").slice(-2000))
        }
        return (await ask(name, "/health/live", { agent: client }).catch(() => undefined))?.status === 200
      }, 30_000)
    }
  }, 90_000)
  afterAll(async () => {
    for (const child of daemons.values()) {
      const gone = new Promise((done) => child.once("exit", done))
      if (child.exitCode !== null || child.signalCode !== null) continue
      child.kill("SIGKILL")
      await gone
    }
    await Promise.all(agents.map((agent) => agent.destroy()))
    fs.rmSync(folder, { recursive: true, force: true })
  })

  it("stores with a quorum over TLS 1.3, and lets in who is a node by its certificate alone", async () => {
    for (const name of NAMES) {
      await until(`${name} writes`, async () => (await write(name, `first of ${name}`)).status === 201)
    }
    const socket = tls.connect({
      host: "127.0.0.1",
      port: portOf("node-1"),
      ca: fs.readFileSync(at("ca", "ca.pem")),
      cert: fs.readFileSync(at("node-2", "tls.pem")),
      key: fs.readFileSync(at("node-2", "tls.key"))
    })
    await new Promise((done) => socket.once("secureConnect", done))
    assert.strictEqual(socket.getProtocol(), "TLSv1.3")
    socket.destroy()

    const unsigned = await helloTo("node-1", "node-2")
    assert.strictEqual(unsigned.status, 401)
    assert.strictEqual(unsigned.body["error"], "peer_not_enrolled")
    const bare = await ask("node-1", "/api/v1/sync/hello", { agent: client, headers: { "x-peer-id": "node-2" } })
    assert.strictEqual(bare.body["error"], "peer_cert_missing")
    const other = await ask("node-1", "/api/v1/sync/hello", {
      agent: agentOf("node-2"),
      headers: { "x-peer-id": "node-3" }
    })
    assert.strictEqual(other.body["error"], "peer_id_cert_mismatch")
    assert.strictEqual((await ask("node-1", "/api/v1/memories", { agent: client })).status, 401)
  }, 60_000)

  it("renews a node without a refused write", async () => {
    const before = fs.readFileSync(at("node-2", "tls.pem"), "utf8")
    const fingerprint = () =>
      new Promise<string>((done, failed) => {
        const socket = tls.connect({
          host: "127.0.0.1",
          port: portOf("node-2"),
          ca: fs.readFileSync(at("ca", "ca.pem"))
        })
        socket.once("error", failed)
        socket.once("secureConnect", () => {
          done(socket.getPeerX509Certificate()?.toString() ?? "")
          socket.destroy()
        })
      })
    assert.strictEqual((await fingerprint()).trim(), before.trim())
    await runs(/ ca renew /)
    const after = fs.readFileSync(at("node-2", "tls.pem"), "utf8").trim()
    assert.notStrictEqual(after, before.trim())
    let count = 0
    await until("it shows the new one", async () => {
      assert.strictEqual((await write("node-2", `renewed ${count++}`)).status, 201)
      return (await fingerprint()).trim() === after
    })
    assert.strictEqual((await write("node-2", "renewed")).status, 201)
  }, 60_000)

  it(
    "shuts out the one node that is revoked within 5 s, tells its clients why, and takes it back when it is issued anew",
    async () => {
      const stolen = agentOf("node-3")
      await runs(/ ca revoke /)
      const begin = Date.now()
      await until("the others refuse it", async () => {
        const answers = await Promise.all(
          (["node-1", "node-2"] as const).map((name) => helloTo(name, "node-3", stolen))
        )
        return answers.every(({ body }) => body["error"] === "x_memory_cert_revoked")
      }, 5_000)
      await until("its writes are refused", async () => (await write("node-3", "meanwhile 0")).status === 503, 5_000)
      assert.isBelow(Date.now() - begin, 5_000)

      for (let count = 1; count < 4; count++) {
        const { body, status } = await write("node-3", `meanwhile ${count}`)
        assert.strictEqual(status, 503)
        assert.strictEqual(body["reason"], "refused")
        assert.match(JSON.stringify(body["peers"]), /x_memory_(?:cert_revoked|sig_revoked_key).* revoked/)
      }
      for (const name of ["node-1", "node-2"] as const) {
        assert.strictEqual((await write(name, `goes on ${name}`)).status, 201)
        assert.notInclude(await titlesOn(name), "meanwhile 1")
      }

      const again = commands.slice(commands.findIndex((line) => line.includes(" ca revoke ")))
        .filter((line) => line.includes(" ca issue "))
      assert.lengthOf(again, 1)
      await run(again[0] ?? "")
      let tries = 0
      await until(
        "it writes again",
        async () => (await write("node-3", `it is back ${tries++}`)).status === 201,
        30_000
      )
      const titles = [
        ...NAMES.map((name) => `first of ${name}`),
        ...[0, 1, 2, 3].map((count) => `meanwhile ${count}`),
        "goes on node-1",
        "goes on node-2",
        ...Array.from({ length: tries }, (_, count) => `it is back ${count}`)
      ]
      await until("nothing is lost", async () => {
        const all = await Promise.all(NAMES.map(titlesOn))
        return all.every((found) => titles.every((title) => found.includes(`"${title}"`)))
      }, 30_000)
      // All of it is sealed with the new key, on every node, and the node goes on under a new name.
      const now = fs.readFileSync(at("node-3", "keys", "node-3.pub")).toString("hex")
      await until("it is endorsed", async () =>
        NAMES.every((name) => {
          const db = new Database(at(`${name}.db`), { readonly: true })
          try {
            const keys = db.prepare("SELECT seal_key FROM version_vector WHERE origin LIKE 'node-3/%'").pluck().all()
            return keys.length > 1 && keys.every((each) => each === now)
          } finally {
            db.close()
          }
        }), 45_000)
      // The old certificate stays shut out.
      const late = await helloTo("node-1", "node-3", stolen)
      assert.strictEqual(late.body["error"], "x_memory_cert_revoked")
      const [shown] = await runs(/ ca show /)
      assert.match(shown ?? "", /^node-3 {2}revoked /m)
      assert.match(shown ?? "", /^node-3 {2}good /m)
    },
    120_000
  )
})
