import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { bytesOf } from "../transfer/fixtures.js"
import * as Call from "./call.js"
import * as Node from "./node.js"

const NDJSON = "application/x-ndjson"

let node: Node.Node
let call: Call.Send

beforeAll(async () => {
  node = await Node.start()
  call = Call.to(node)
})
afterAll(() => node.stop())

const bring = (body: unknown, type = "application/json", query = "", send = call) =>
  send("POST", `/import${query}`, { body, headers: { "content-type": type } })

const listed = async (namespace: string, send = call) =>
  Call.rows(await send("GET", `/memories?limit=1000&namespace=${namespace}`), "memories")

const operations = async () => Number(Reflect.get(Object([await node.contents()].flat()[0]), "operations"))

const exported = async (send = call) => {
  const { text } = await send("GET", "/export", { headers: { accept: NDJSON } })
  return text.split("\n").filter((line) => line !== "").sort()
}

const FIXTURES = [
  { file: "quorate.ndjson", type: NDJSON, imported: 4, links: 1 },
  { file: "ai-memory.json", type: "application/json", imported: 2, links: 1 },
  { file: "mcp-memory.jsonl", type: NDJSON, imported: 4, links: 3 },
  { file: "mem0.json", type: "application/json", imported: 3, links: 0 },
  { file: "chatgpt.json", type: "application/json", imported: 3, links: 0 },
  { file: "claude.json", type: "application/json", imported: 2, links: 0 },
  { file: "letta.json", type: "application/json", imported: 4, links: 0 },
  { file: "letta-archival.json", type: "application/json", imported: 2, links: 0 },
  { file: "zep.json", type: "application/json", imported: 6, links: 2 },
  { file: "table.csv", type: "text/csv", imported: 3, links: 0, errors: ["line 5: it has no text"] },
  { file: "basic-memory/Coffee Brewing Methods.md", type: "text/markdown", imported: 1, links: 0 }
]

describe("an import of any format", () => {
  for (const { errors = [], file, imported, links, type } of FIXTURES) {
    it(`${file}: told, brought in, read back, taken out, brought in again`, async () => {
      const body = bytesOf(file).toString("utf8")
      const namespace = `moving/${file.replace(/[^a-z0-9]+/gi, "-")}`
      const query = `?namespace=${namespace}`
      const before = await operations()
      const told = await bring(body, type, `${query}&dry_run=true`)
      assert.strictEqual(told.status, 200, told.text)
      assert.deepInclude(told.body, { imported, created: imported, links_imported: links, errors, dry_run: true })
      assert.strictEqual(await operations(), before)

      const first = await bring(body, type, query)
      assert.deepInclude(first.body, { imported, created: imported, links_imported: links, errors }, first.text)
      assert.notProperty(first.body, "dry_run")
      const taken = await exported()

      const again = await bring(body, type, query)
      assert.deepInclude(
        again.body,
        { imported: 0, created: 0, links_imported: 0, unchanged: imported, errors },
        again.text
      )
      assert.deepStrictEqual(await exported(), taken)
    })
  }

  it("comes elsewhere as it was taken out", async () => {
    const other = await Node.start()
    const send = Call.to(other)
    const taken = await exported()
    const answer = await bring(taken.join("\n"), NDJSON, "", send)
    assert.deepInclude(answer.body, { errors: [], skipped: 0 }, answer.text)
    assert.deepStrictEqual(await exported(send), taken)
    await other.stop()
  })

  it("keeps dates, tier, tags and where it came from", async () => {
    await bring(bytesOf("mem0.json").toString("utf8"), "application/json", "?namespace=moving/dates")
    const [row] = (await listed("moving/dates")).filter(({ content }) => String(content).includes("vegetarian"))
    assert.deepInclude(row, {
      tier: "long",
      source: "import",
      title: "Is vegetarian and allergic to nuts",
      tags: ["food", "health"],
      created_at: "2024-07-20T08:30:36.275141000+00:00",
      updated_at: "2024-08-01T16:00:00.000000000+00:00"
    })
  })

  it("does not take an edit back that was made since", async () => {
    const query = "?namespace=moving/edited"
    const plain = { memories: [{ content: "Only a text.\nOf two lines." }, { content: "Only a text.\nAnother." }] }
    assert.deepInclude((await bring(plain, "application/json", query)).body, { created: 2, errors: [] })
    const rows = await listed("moving/edited")
    assert.deepStrictEqual(rows.map(({ title }) => title).sort(), ["Only a text.", "Only a text. (2)"])
    for (const { id } of rows) await call("PUT", `/memories/${String(id)}`, { body: { content: "edited" } })
    assert.deepInclude((await bring(plain, "application/json", query)).body, { imported: 0, unchanged: 2 })
    assert.deepStrictEqual((await listed("moving/edited")).map(({ content }) => content), ["edited", "edited"])
    // What is gone is wanted again.
    await call("DELETE", `/memories/${String(rows[0]?.["id"])}`)
    assert.deepInclude((await bring(plain, "application/json", query)).body, { created: 1, unchanged: 1 })
  })

  it("brings in what its source has changed since", async () => {
    const note = (text: string, day: number) => `---\npermalink: plan\nmodified: 2025-01-0${day}\n---\n${text}`
    const query = "?namespace=moving/note"
    await bring(note("first", 1), "text/markdown", query)
    assert.deepInclude((await bring(note("second", 2), "text/markdown", query)).body, { updated: 1, created: 0 })
    assert.deepStrictEqual((await listed("moving/note")).map(({ content }) => content), ["second"])
  })

  it("gives each a title of its own, unless it is told otherwise", async () => {
    const rows = [1, 2, 3].map((id) => ({ id: String(id), memory: `Same beginning\n${id}` }))
    const query = "?namespace=moving/titles"
    const answer = await bring(rows, "application/json", query)
    assert.deepStrictEqual(Call.rows(answer, "renamed").map(({ title }) => title), [
      "Same beginning (2)",
      "Same beginning (3)"
    ])
    assert.deepInclude((await bring(rows, "application/json", query)).body, { unchanged: 3 })
    const refused = await bring(rows, "application/json", "?namespace=moving/refused&on_conflict=error")
    assert.deepInclude(refused.body, { created: 1 })
    assert.lengthOf(Object(refused.body["errors"]), 2)
  })

  it("says under its line what is not understood, and refuses what it can not read at all", async () => {
    const answer = await bring(`{"memory":"fine","id":"1"}\n{"surprise":1}\n\n{"memory":"cut off`, NDJSON)
    assert.deepStrictEqual(answer.body["errors"], [
      "line 2: type must be one of memory, archived, conflict, link, standard, pending",
      "line 4: the body is not valid JSON"
    ])
    const known = await bring([{ memory: "fine" }, { surprise: 1, "\u001b[31m": 2 }], "application/json")
    assert.deepStrictEqual(known.body["errors"], ["line 1: it is not understood: an object with surprise, ?[31m"])
    const notes = ["[1, 2]", "null", "\"a note\"", "[\"a note\"]", "{}"]
    for (const body of notes) assert.strictEqual((await bring(body)).status, 422, body)
    const unknown = await bring({ surprise: [1] })
    assert.deepStrictEqual([unknown.status, unknown.body["field"]], [422, "memories"])
    assert.include(String(unknown.body["error"]), "an import is")
    assert.strictEqual((await bring("a,b\n\0", "text/csv", "?namespace=a%20b")).status, 400)
    assert.deepStrictEqual((await bring("", "text/markdown")).body["errors"], ["line 1: it has no text"])
  })
})
