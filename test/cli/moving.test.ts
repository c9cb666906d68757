import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { progress } from "../../src/cli/moving/progress.js"
import { daemon } from "../daemon.js"
import { type Node, start } from "../http/node.js"
import * as api from "../mesh/api.js"
import { bytesOf, folder as fixtures } from "../transfer/fixtures.js"
import { quorate } from "./program.js"

describe("quorate import and export", () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-moving-"))
  let node: Node
  let other: Node
  beforeAll(async () => {
    node = await start()
    other = await start()
  })
  afterAll(async () => {
    await Promise.all([node.stop(), other.stop()])
    fs.rmSync(folder, { recursive: true })
  })

  const run = (...args: ReadonlyArray<string>) => quorate([...args, "--url", node.url])
  const elsewhere = (...args: ReadonlyArray<string>) => quorate([...args, "--url", other.url])
  const json = ({ stdout }: { readonly stdout: string }) => api.record(JSON.parse(stdout))
  const file = (name: string, content: string | Buffer) => {
    const place = path.join(folder, name)
    fs.mkdirSync(path.dirname(place), { recursive: true })
    fs.writeFileSync(place, content)
    return place
  }
  const sorted = (name: string) => fs.readFileSync(name, "utf8").split("\n").sort()

  it("takes files and folders, once, and says what came of them", async () => {
    for (
      const [name, imported, links] of [
        ["mcp-memory.jsonl", 4, 3],
        ["chatgpt.json", 3, 0],
        ["zep.json", 6, 2],
        ["obsidian", 3, 4],
        ["basic-memory", 3, 3]
      ] as const
    ) {
      const args = ["import", path.join(fixtures, name), "--namespace", `cli/${name}`, "--json"]
      const told = await run(...args, "--dry-run")
      assert.deepInclude(json(told), { imported, links_imported: links, dry_run: true }, told.stderr)
      assert.lengthOf(await api.listed(node.url, `cli/${name}`), 0)
      const first = await run(...args)
      assert.strictEqual(first.code, 0, first.stderr)
      assert.deepInclude(json(first), { imported, created: imported, links_imported: links, dry_run: false })
      assert.deepInclude(json(await run(...args)), { imported: 0, unchanged: imported, links_imported: 0 })
      assert.lengthOf(await api.listed(node.url, `cli/${name}`), imported)
    }
    const [note] = await api.listed(node.url, "cli/basic-memory")
    assert.match(String(note?.["created_at"]), /^20/)
  })

  it("names what is wrong with its file and its line, and ends with 1", async () => {
    const done = await run("import", path.join(fixtures, "table.csv"), "--namespace", "cli/table")
    assert.deepStrictEqual([done.code, done.stderr], [1, "line 5: it has no text\n"])
    assert.strictEqual(done.stdout, "3 memories imported (3 new, 0 changed), 1 not imported\n")
    const rows = [
      { content: "fine" },
      { content: "x".repeat(70_000) },
      { id: "known", title: "t", content: "c" },
      { content: "namespace", namespace: "a b" }
    ]
    const lines = file("rows.ndjson", rows.map((row) => JSON.stringify(row)).join("\n") + "\n{\"content\":\n")
    const told = await run("import", lines, "--namespace", "cli/rows")
    assert.strictEqual(told.code, 1)
    assert.deepStrictEqual(told.stderr.trim().split("\n").sort(), [
      "line 2: content must be at most 65536 bytes of UTF-8",
      "line 3: tier is required",
      "line 4: namespace must not contain a space, a backslash or a control character",
      "line 5: it is not valid JSON"
    ])
    const folderOfMany = path.dirname(file("many/a.md", "A note."))
    file("many/b.json", "[{\"surprise\": 1}]")
    const many = await run("import", folderOfMany, "--namespace", "cli/many", "--json")
    assert.deepNestedInclude(json(many), {
      "problems.count": 1,
      "problems.first[0].file": "b.json",
      "problems.first[0].line": 1
    })
  })

  it("reads nothing but the files of a folder, and no file that is no text", async () => {
    const outside = file("outside.md", "Not in the folder.")
    const within = path.dirname(file("vault/note.md", "In the folder."))
    file("vault/.hidden/secret.md", "Hidden.")
    file("vault/picture.png", Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 1, 2, 255]))
    file("vault/nul.txt", "a\0b")
    fs.symlinkSync(outside, path.join(within, "link.md"))
    fs.symlinkSync(path.dirname(file("outside/far.md", "Far outside.")), path.join(within, "far"))
    const done = await run("import", within, "--namespace", "cli/vault")
    assert.strictEqual(done.code, 0, done.stderr)
    assert.deepStrictEqual((await api.listed(node.url, "cli/vault")).map(({ content }) => content), ["In the folder."])
    for (const name of ["link.md", "far", "picture.png", "nul.txt"]) {
      assert.include(done.stderr, `note: ${name}: passed over`)
    }
    assert.notInclude(done.stderr, "hidden")
  })

  it("says why it does nothing", async () => {
    const cases: ReadonlyArray<readonly [ReadonlyArray<string>, number, string]> = [
      [["import", path.join(folder, "nowhere")], 1, "it does not exist"],
      [
        ["import", file("a.zip", Buffer.from("PK\u0003\u0004\u00ff\u00fe", "latin1"))],
        1,
        "it is a ZIP archive: unpack it"
      ],
      [["import", file("empty.json", "\n")], 1, "there is nothing in it"],
      [["import", fixtures, "--format", "docx"], 2, "--format must be one of quorate, mcp-memory"],
      [["import", fixtures, "--namespace", "a b"], 2, "--namespace: namespace must not contain a space"],
      [["export", "--format", "markdown"], 2, "--format markdown needs --out"],
      [["export", "--format", "markdown", "--out", fixtures], 2, "is not empty"],
      [["export", "--out", "/nowhere/at/all"], 1, "it can not be written"]
    ]
    for (const [args, code, says] of cases) {
      const ended = await run(...args)
      assert.deepStrictEqual([ended.code, ended.stdout], [code, ""], ended.stderr)
      assert.include(ended.stderr, says)
    }
    const away = await quorate(["import", path.join(fixtures, "mem0.json"), "--url", "http://127.0.0.1:1"])
    assert.deepStrictEqual([away.code, away.stdout], [1, ""])
    assert.include(away.stderr, "no daemon answers at http://127.0.0.1:1")
  })

  it("takes out what comes elsewhere as it was: as lines, and as notes", async () => {
    const all = path.join(folder, "all.ndjson")
    const out = await run("export", "--out", all)
    assert.strictEqual(out.code, 0, out.stderr)
    assert.match(out.stdout, /^\d+ rows are in /)
    assert.strictEqual(fs.statSync(all).mode & 0o077, 0)
    assert.strictEqual((await run("export")).stdout, fs.readFileSync(all, "utf8"))

    const notes = path.join(folder, "notes")
    assert.strictEqual((await run("export", "--format", "markdown", "--out", notes)).code, 0)
    const [memories, links] = ["\"type\":\"memory\"", "\"type\":\"link\""].map((type) =>
      sorted(all).filter((line) => line.includes(type)).length
    )
    const first = json(await elsewhere("import", notes, "--json"))
    assert.deepInclude(first, { created: memories, links_imported: links })
    assert.deepNestedInclude(first, { "problems.count": 0 })
    // The notes say all that the lines say.
    const again = json(await elsewhere("import", all, "--json"))
    assert.deepInclude(again, { imported: 0, unchanged: memories, links_imported: 0 })
    const there = path.join(folder, "there.ndjson")
    await elsewhere("export", "--out", there)
    assert.deepStrictEqual(sorted(there), sorted(all))
  })

  it("takes what comes in, cut into any pieces, and shows no progress where there is no terminal", async () => {
    const child = spawn(process.execPath, [
      daemon,
      "import",
      "-",
      "--namespace",
      "cli/stdin",
      "--json",
      "--url",
      node.url
    ], {
      env: { PATH: process.env["PATH"], HOME: folder }
    })
    let [stdout, stderr] = ["", ""]
    child.stdout.on("data", (text: Buffer) => stdout += text.toString())
    child.stderr.on("data", (text: Buffer) => stderr += text.toString())
    const ended = new Promise((resolve) => child.on("close", resolve))
    const source = Buffer.from("[{\"memory\": \"Grüße, 世界\", \"id\": \"1\"},\n {\"memory\": \"two\", \"id\": \"2\"}]")
    for (const byte of source) {
      child.stdin.write(Buffer.from([byte]))
      if (byte > 127) await new Promise((resolve) => setTimeout(resolve, 5))
    }
    child.stdin.end()
    assert.strictEqual(await ended, 0, stderr)
    assert.deepInclude(api.record(JSON.parse(stdout)), { created: 2, resumed_after: 0 })
    assert.strictEqual(stderr, "")
    assert.include((await api.listed(node.url, "cli/stdin")).map(({ content }) => content), "Grüße, 世界")
    assert.isFalse(fs.existsSync(path.join(folder, ".local")))
  })

  describe("many thousands that begin alike", () => {
    const rows = Array.from({ length: 10_200 }, (_, row) => JSON.stringify({ content: `Begins alike\n${row}` }))
    const imported = async () =>
      json(await run("import", file("alike.ndjson", rows.join("\n")), "--namespace", "cli/alike", "--json"))

    it("have a title each", async () => {
      assert.deepNestedInclude(await imported(), { created: rows.length, "problems.count": 0 })
    }, 60_000)

    it("have the same again", async () => {
      assert.deepNestedInclude(await imported(), { created: 0, unchanged: rows.length, "problems.count": 0 })
    }, 60_000)
  })

  it("shows on a terminal how far it has come, and takes that away again", () => {
    const shown: Array<string> = []
    const terminal = { isTTY: true, columns: 60, write: (text: string) => shown.push(text) > 0 }
    const bar = progress(terminal)
    bar.update({ rows: 500, share: 0.5 })
    bar.clear()
    assert.match(shown[0] ?? "", /^\r\u001b\[K\[#{12}-{12}\]  50 %  500 rows, \d+\/s$/)
    assert.deepStrictEqual(shown.slice(1), ["\r\u001b[K"])
    const piped: Array<string> = []
    progress({ isTTY: false, columns: 60, write: (text: string) => piped.push(text) > 0 }).update({ rows: 1, share: 1 })
    assert.deepStrictEqual(piped, [])
  })

  it("gives the graph of the memory server back as it came", async () => {
    const third = await start()
    const name = path.join(fixtures, "mcp-memory.jsonl")
    await quorate(["import", name, "--url", third.url])
    const { stdout } = await quorate(["export", "--format", "mcp-jsonl", "--url", third.url])
    await third.stop()
    const parsed = (text: string) =>
      text.trim().split("\n").map((line) => JSON.stringify(Object.entries(JSON.parse(line)).sort())).sort()
    assert.deepStrictEqual(parsed(stdout), parsed(bytesOf("mcp-memory.jsonl").toString("utf8")))
  })
})
