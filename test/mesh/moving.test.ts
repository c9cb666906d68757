import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { daemon } from "../daemon.js"
import * as api from "./api.js"
import * as Cluster from "./Cluster.js"

/** As many as a test of every day can wait for; with `QUORATE_TEST_ROWS=200000` it takes some minutes. */
const ROWS = Number(process.env["QUORATE_TEST_ROWS"] ?? 6_000)
const WITHIN_MILLIS = 60_000 + ROWS * 5

describe("an import that is broken off", () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-broken-off-"))
  const file = path.join(folder, "rows.ndjson")
  let cluster: Awaited<ReturnType<typeof Cluster.make>>
  beforeAll(async () => {
    cluster = await Cluster.make({ size: 1 })
    await cluster.members[0]?.start()
    const out = fs.openSync(file, "w")
    for (let row = 0; row < ROWS; row++) {
      fs.writeSync(out, `${JSON.stringify({ content: `Row ${row} says something of its own.`, tags: ["row"] })}\n`)
    }
    fs.closeSync(out)
  }, WITHIN_MILLIS)
  afterAll(async () => {
    await cluster.close()
    fs.rmSync(folder, { recursive: true })
  })

  const member = () => {
    const [first] = cluster.members
    if (first === undefined) throw new Error("there is no node")
    return first
  }

  const importing = (namespace: string) => {
    const child = spawn(process.execPath, [
      daemon,
      "import",
      file,
      "--namespace",
      namespace,
      "--json",
      "--url",
      member().url
    ], {
      env: { PATH: process.env["PATH"], HOME: folder, XDG_STATE_HOME: path.join(folder, "state") }
    })
    let stdout = ""
    let stderr = ""
    child.stdout.on("data", (text: Buffer) => stdout += text.toString())
    child.stderr.on("data", (text: Buffer) => stderr += text.toString())
    const ended = new Promise<{ readonly code: number | null; readonly json: api.Json; readonly stderr: string }>((
      resolve
    ) =>
      child.on("close", (code) => resolve({ code, stderr, json: stdout === "" ? {} : api.record(JSON.parse(stdout)) }))
    )
    return { child, ended }
  }

  const count = async (namespace: string): Promise<number> => {
    const { namespaces } = await api.ask(member().url, "GET /stats").then(({ by_namespace }) => ({
      namespaces: by_namespace
    }))
    const row = Array.isArray(namespaces)
      ? namespaces.map(api.record).find((each) => each["namespace"] === namespace)
      : undefined
    return Number(row?.["count"] ?? 0)
  }

  const reached = (namespace: string, share: number) =>
    Cluster.until(`${share} of the rows`, async () => await count(namespace) >= ROWS * share, WITHIN_MILLIS)

  it("goes on where it was, when the client was killed, and sends little again", async () => {
    const first = importing("client")
    await reached("client", 0.3)
    first.child.kill("SIGKILL")
    await first.ended
    const before = await count("client")
    assert.isBelow(before, ROWS)
    const second = await importing("client").ended
    assert.strictEqual(second.code, 0, second.stderr)
    assert.strictEqual(await count("client"), ROWS)
    const { created, resumed_after, unchanged } = second.json
    assert.strictEqual(Number(created) + Number(unchanged), ROWS)
    assert.isAbove(Number(resumed_after), 0)
    assert.isAtLeast(Number(resumed_after), before - 3_000)
    // Nothing is left of it: the next is an import of its own.
    assert.deepInclude((await importing("client").ended).json, { resumed_after: 0, created: 0, unchanged: ROWS })
    assert.deepStrictEqual(fs.readdirSync(path.join(folder, "state/quorate/imports")), [])
  }, 3 * WITHIN_MILLIS)

  it("waits for a daemon that was killed, and comes to every row once", async () => {
    const { ended } = importing("daemon")
    await reached("daemon", 0.3)
    await member().stop("SIGKILL")
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    await member().start()
    const { code, json, stderr } = await ended
    assert.strictEqual(code, 0, stderr)
    assert.strictEqual(Number(json["created"]) + Number(json["unchanged"]), ROWS)
    assert.strictEqual(await count("daemon"), ROWS)
  }, 3 * WITHIN_MILLIS)

  it("sends all of it to a daemon that has lost what it had", async () => {
    const first = importing("lost")
    await reached("lost", 0.3)
    first.child.kill("SIGKILL")
    await first.ended
    await member().stop()
    for (const ending of ["", "-wal", "-shm"]) fs.rmSync(`${member().db}${ending}`, { force: true })
    await member().start()
    const { code, json, stderr } = await importing("lost").ended
    assert.strictEqual(code, 0, stderr)
    assert.strictEqual(await count("lost"), ROWS)
    assert.deepInclude(json, { resumed_after: 0 })
  }, 3 * WITHIN_MILLIS)
})
