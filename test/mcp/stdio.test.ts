import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Certificates from "../certificates.js"
import { daemon } from "../daemon.js"
import * as Node from "../http/node.js"
import * as Cluster from "../mesh/Cluster.js"
import { call, ERAS, overStdio } from "./clients.js"

/* The bridge as a real process, before real daemons. */

const withDaemon = async (
  run: (member: Cluster.Member) => Promise<void>,
  flags: ReadonlyArray<string> = [],
  environment = {}
) => {
  const cluster = await Cluster.make({ size: 1, flags, environment })
  try {
    const [member] = cluster.members
    if (member === undefined) throw new Error("no member")
    await member.start()
    await run(member)
  } finally {
    await cluster.close()
  }
}

/** The bridge with lines of our own. */
const bridge = (args: ReadonlyArray<string>, environment: Record<string, string> = {}) => {
  const child = spawn(process.execPath, [daemon, "mcp", ...args], {
    env: { PATH: process.env["PATH"], ...environment },
    stdio: ["pipe", "pipe", "pipe"]
  })
  const out: Array<string> = []
  let stderr = ""
  let rest = ""
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const parts = `${rest}${text}`.split("\n")
    rest = parts.pop() ?? ""
    out.push(...parts)
  })
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text
  })
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve))
  return {
    child,
    send: (...messages: ReadonlyArray<unknown>) => {
      for (const each of messages) child.stdin.write(`${typeof each === "string" ? each : JSON.stringify(each)}\n`)
    },
    end: () => {
      child.stdin.end()
      return ended
    },
    ended,
    lines: () => out.map((line): Record<string, unknown> => JSON.parse(line)),
    stderr: () => stderr,
    answerTo: async (id: number): Promise<Record<string, unknown>> => {
      const find = () => out.map((line): Record<string, unknown> => JSON.parse(line)).find((line) => line["id"] === id)
      await Cluster.until(`an answer to ${id}`, async () => find() !== undefined)
      return find() ?? {}
    }
  }
}

const list = (id: number) => ({ jsonrpc: "2.0", id, method: "tools/list" })
const store = (id: number, title: string) => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name: "memory_store", arguments: { title, content: "what it says" } }
})

describe("quorate mcp", () => {
  it.each(ERAS)(
    "brings the tools of a daemon to a client of %s, by a key from a file or the environment",
    (era) =>
      withDaemon(
        async ({ url }) => {
          const { client } = await overStdio(["--url", url, "--agent-id", "alice"], {
            era,
            environment: { QUORATE_API_KEY: "k3y" }
          })
          assert.strictEqual(client.getNegotiatedProtocolVersion(), era)
          assert.lengthOf((await client.listTools()).tools, 8)
          const { fields } = await call(client, "memory_store", {
            title: "Grüße",
            content: "Über die Brücke, \u2028 und weiter."
          })
          const read = await call(client, "memory_get", { id: fields["id"] })
          assert.strictEqual(read.fields["content"], "Über die Brücke, \u2028 und weiter.")
          assert.deepInclude(read.fields["metadata"], { agent_id: "alice" })
          assert.lengthOf((await client.listResources()).resources, 1)
          await client.readResource({ uri: `memory://global/${String(fields["id"])}` })
          await client.close()
          const full = await overStdio(["--url", url, "--mcp-profile", "full"], {
            era,
            environment: { QUORATE_API_KEY: "k3y" }
          })
          assert.lengthOf((await full.client.listTools()).tools, 16)
          await full.client.close()
        },
        [],
        { QUORATE_API_KEY: "k3y" }
      )
  )

  it("writes nothing but the protocol, and ends well when its input does, after what is under way", () =>
    withDaemon(async ({ url }) => {
      const { end, lines, send, stderr } = bridge(["--url", url])
      send(list(1), store(2, "the last words"), { jsonrpc: "2.0", method: "notifications/initialized" }, "", {
        jsonrpc: "2.0",
        id: 9,
        result: {}
      })
      assert.strictEqual(await end(), 0)
      assert.deepStrictEqual(lines().map(({ id }) => id).sort(), [1, 2])
      assert.isTrue(lines().every(({ jsonrpc, result }) => jsonrpc === "2.0" && result !== undefined))
      assert.strictEqual(stderr(), "")
    }))

  it("ends when its client is gone, or tells it to", () =>
    withDaemon(async ({ url }) => {
      const gone = bridge(["--url", url])
      gone.child.stdout.destroy()
      gone.send(list(1))
      assert.strictEqual(await Promise.race([gone.ended, later(10_000)]), 0)
      const told = bridge(["--url", url])
      told.send(list(1))
      await told.answerTo(1)
      told.child.kill("SIGTERM")
      assert.strictEqual(await Promise.race([told.ended, later(10_000)]), 0)
    }))

  it("answers what is no message, and goes on", () =>
    withDaemon(async ({ url }) => {
      const { answerTo, end, lines, send } = bridge(["--url", url])
      send("{", "[]", "5", `"${"x".repeat(3_000_000)}"`, JSON.stringify([list(1)]), {
        jsonrpc: "2.0",
        id: 2,
        method: "nothing/here"
      })
      send({ jsonrpc: "1.0", id: 3, method: "tools/list" })
      assert.property(await answerTo(2), "error")
      send(list(4))
      assert.property(await answerTo(4), "result")
      assert.strictEqual(await end(), 0)
      assert.lengthOf(lines().filter(({ error, id }) => id === null && error !== undefined), 5)
    }))

  it("says that no daemon answers, and that a key is missing, and exits badly where it is used badly", async () => {
    const [port] = await Cluster.freePorts(1)
    const none = bridge(["--url", `http://127.0.0.1:${port}`])
    none.send(list(1))
    assert.match(JSON.stringify(await none.answerTo(1)), /nothing was done. Start one with quorate serve/)
    assert.strictEqual(await none.end(), 0)
    await withDaemon(
      async ({ url }) => {
        const keyless = bridge(["--url", url])
        keyless.send(list(1))
        assert.match(JSON.stringify(await keyless.answerTo(1)), /API key.*--api-key-file/)
        await keyless.end()
      },
      [],
      { QUORATE_API_KEY: "k3y" }
    )
    for (
      const args of [
        ["--url", "ftp://x"],
        ["--url", "http://a/b"],
        ["--mcp-profile", "none"],
        ["--api-key-file", "/none"],
        ["--ensure", "--url", "http://192.0.2.1:9077"],
        ["--agent-id", "a b"],
        ["--nonsense"]
      ]
    ) {
      const bad = bridge(args)
      assert.strictEqual(await bad.ended, 2, args.join(" "))
      assert.match(bad.stderr(), /^quorate: .*\n$/)
      assert.lengthOf(bad.lines(), 0)
    }
  })

  it("lives on when its daemon is stopped and started: a clear error, and the next call works", () =>
    withDaemon(async ({ start, stop, url }) => {
      const { client } = await overStdio(["--url", url])
      await call(client, "memory_store", { title: "before", content: "c" })
      await stop("SIGKILL")
      await call(client, "memory_list").then(
        () => assert.fail(),
        (error: unknown) => assert.match(String(error), /no daemon answers/)
      )
      await start()
      assert.strictEqual((await call(client, "memory_list")).fields["count"], 1)
      await client.close()
    }))

  it("shows its certificate where a daemon asks for one, and trusts that of the daemon alone which it is told of", async () => {
    const certificates = await Certificates.make(["node", "agent", "stranger"])
    const [node, agent, stranger] = [certificates.of("node"), certificates.of("agent"), certificates.of("stranger")]
    const allowed = join(certificates.folder, "allowed")
    writeFileSync(allowed, agent.fingerprint)
    const { stop, url } = await Node.start({
      tlsCert: Option.some(node.cert),
      tlsKey: Option.some(node.key),
      mtlsAllowlist: Option.some(allowed)
    })
    try {
      const trusted = ["--url", url, "--ca-cert", node.cert]
      const { client } = await overStdio([...trusted, "--client-cert", agent.cert, "--client-key", agent.key])
      assert.isFalse((await call(client, "memory_store", { title: "t", content: "c" })).isError)
      await client.close()
      for (
        const args of [
          [...trusted, "--client-cert", stranger.cert, "--client-key", stranger.key],
          trusted,
          ["--url", url, "--client-cert", agent.cert, "--client-key", agent.key]
        ]
      ) {
        const refused = bridge(args)
        refused.send(list(1))
        assert.property(await refused.answerTo(1), "error")
        assert.strictEqual(await refused.end(), 0)
      }
    } finally {
      await stop()
      certificates.remove()
    }
  })

  it("stops to wait for what its client has cancelled", async () => {
    const { createServer } = await import("node:http")
    let [asked, closed] = [0, 0]
    const silent = createServer((request) => {
      asked++
      request.socket.once("close", () => closed++)
    })
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve))
    const address = silent.address()
    const port = address !== null && typeof address === "object" ? address.port : 0
    const { end, lines, send } = bridge(["--url", `http://127.0.0.1:${port}`])
    send(list(1))
    await Cluster.until("the request is there", async () => asked === 1)
    send({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1, reason: "enough" } })
    await Cluster.until("the request is dropped", async () => closed === 1)
    assert.strictEqual(await end(), 0)
    assert.lengthOf(lines(), 0)
    silent.closeAllConnections()
    silent.close()
  })
})

const later = (millis: number) => new Promise<"late">((resolve) => setTimeout(() => resolve("late"), millis))

describe("quorate mcp --ensure", () => {
  it("starts one daemon, however many want one, and never a second one on its file", async () => {
    const folder = mkdtempSync(join(tmpdir(), "quorate-ensure-"))
    const db = join(folder, "deep", "memories.db")
    const [port] = await Cluster.freePorts(1)
    const args = ["--url", `http://127.0.0.1:${port}`, "--ensure", "--db", db]
    const environment = { HOME: folder }
    try {
      const bridges = Array.from({ length: 6 }, () => bridge(args, environment))
      for (const [at, each] of bridges.entries()) each.send(store(1, `fact ${at}`))
      for (const each of bridges) assert.property(await each.answerTo(1), "result")
      for (const each of bridges) assert.strictEqual(await each.end(), 0)
      assert.lengthOf(daemonsOf(db), 1)
      assert.isFalse(existsSync(`${db}.starting`))

      const [first = ""] = daemonsOf(db)
      const again = bridge(args, environment)
      again.send(list(1))
      await again.answerTo(1)
      assert.deepStrictEqual(daemonsOf(db), [first])
      process.kill(Number(first), "SIGKILL")
      await Cluster.until("it is gone", () => isDeaf(Number(port)))
      again.send({ jsonrpc: "2.0", id: 2, method: "tools/call", params: { name: "memory_list", arguments: {} } })
      const listed = JSON.stringify(await again.answerTo(2))
      assert.match(listed, /count\W+6/)
      assert.strictEqual(await again.end(), 0)
      assert.lengthOf(daemonsOf(db), 1)
      assert.include(readFileSync(`${db}.log`, "utf8"), "quorate listening on")
    } finally {
      for (const pid of daemonsOf(db)) process.kill(Number(pid), "SIGKILL")
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

/** A process that is being killed takes connections for a moment still. */
const isDeaf = (port: number) =>
  fetch(`http://127.0.0.1:${port}/health/live`).then(
    () => false,
    (error: unknown) => error instanceof Error && JSON.stringify(error.cause).includes("ECONNREFUSED")
  )

/** The processes that serve this file. */
const daemonsOf = (db: string): ReadonlyArray<string> =>
  readdirSync("/proc").filter((name) => {
    if (!/^\d+$/.test(name)) return false
    try {
      const args = readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0")
      return args.includes("serve") && args.includes(db)
    } catch {
      return false
    }
  })
