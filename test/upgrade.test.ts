import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Call from "./http/call.js"
import { start } from "./http/node.js"

const FIXTURES = "test/fixtures/0.2.0"

const record = (value: unknown): Record<string, unknown> => Call.isRecord(value) ? value : {}

const list = (value: unknown, key: string) => Call.rows({ body: record(value) }, key)

const seen = record(JSON.parse(fs.readFileSync(`${FIXTURES}/seen.json`, "utf8")))

/** What a list holds whatever the day is: what expires, or was worked out from "now", is left out. */
const lasting = (rows: ReadonlyArray<Record<string, unknown>>) => rows.filter((row) => row["expires_at"] === undefined)

describe("a database that 0.2.0 wrote", () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-upgrade-"))
  const db = path.join(folder, "quorate.db")
  let node: Awaited<ReturnType<typeof start>> | undefined

  beforeAll(async () => {
    fs.copyFileSync(`${FIXTURES}/node-a.db`, db)
    node = await start({ db })
  })
  afterAll(async () => {
    await node?.stop()
    fs.rmSync(folder, { recursive: true, force: true })
  })

  const send: Call.Send = (...request) => Call.to({ url: node?.url ?? "" })(...request)
  const get = async (at: string) => (await send("GET", at)).body

  it("opens, with the same operations in the same state", async () => {
    const hello = record(await get("/sync/hello"))
    const before = record(seen["hello"])
    assert.deepStrictEqual(hello["vector"], before["vector"])
    assert.strictEqual(hello["digest"], before["digest"])
    assert.strictEqual(hello["node_id"], "node-a")
    // The copy came without its lock file, so its numbers may have been used elsewhere.
    assert.notStrictEqual(hello["incarnation"], before["incarnation"])
  })

  it("serves what it served", async () => {
    assert.deepStrictEqual(
      lasting(list(await get("/memories?limit=1000"), "memories")),
      lasting(list({ memories: seen["memories"] }, "memories"))
    )
    for (const [at, key] of [["/archive", "archived"], ["/conflicts", "conflicts"], ["/agents", "agents"]] as const) {
      const before = list(seen[at.slice(1)], key)
      assert.isAbove(before.length, 0, at)
      assert.deepStrictEqual(list(await get(at), key), before, at)
    }
    assert.deepStrictEqual(await get("/namespaces/ruled/standard"), seen["standard"])
    const [first] = list(seen["links"], "links")
    assert.deepStrictEqual(await get(`/links/${String(first?.["source_id"])}`), seen["links"])
    assert.sameMembers(
      list(await get("/pending"), "pending").map(({ id }) => id),
      list(seen["pending"], "pending").map(({ id }) => id)
    )
  })

  it("finds by an id what was consolidated twice", async () => {
    const { id, to } = record(seen["aliased"])
    assert.strictEqual(record(await get(`/memories/${String(id)}`))["id"], to)
  })

  it("takes writes, recalls, and holds all of it at the next start", async () => {
    const created = await send("POST", "/memories", {
      body: { title: "after the upgrade", content: "written by this version" }
    })
    assert.strictEqual(created.status, 201)
    const { id } = record(created.body)
    const [held] = list({ memories: seen["memories"] }, "memories").filter((row) => row["namespace"] === "home")
    const changed = await send("PUT", `/memories/${String(held?.["id"])}`, {
      body: { content: "edited by this version" }
    })
    assert.strictEqual(changed.status, 200)
    const recalled = await send("POST", "/recall", { body: { context: "apples", limit: 3 } })
    assert.isAbove(list(recalled.body, "memories").length, 0)
    await node?.stop()
    node = await start({ db })
    assert.strictEqual(record(await get(`/memories/${String(id)}`))["content"], "written by this version")
    assert.strictEqual(record(await get(`/memories/${String(held?.["id"])}`))["content"], "edited by this version")
  })
})
