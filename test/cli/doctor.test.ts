import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Schema from "effect/Schema"
import * as fs from "node:fs"
import * as net from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import { version } from "../../src/domain/version.js"
import { engine } from "../http/engine.js"
import { exchange, type Node, request, start } from "../http/node.js"
import { quorate } from "./program.js"

const Document = Schema.Struct({
  status: Schema.Literal("ok", "warning", "fault"),
  version: Schema.String,
  database: Schema.String,
  checks: Schema.Array(Schema.Struct({
    name: Schema.String,
    status: Schema.Literal("ok", "warning", "fault"),
    detail: Schema.String
  }))
})
const decode = Schema.decodeUnknownSync(Schema.parseJson(Document))

/** What the doctor says of a database: how it ended, and each check by its name. */
const examined = async (db: string, ...args: ReadonlyArray<string>) => {
  const { code, stderr, stdout } = await quorate(["doctor", "--json", "--db", db, ...args])
  assert.strictEqual(stderr, "")
  const document = decode(stdout)
  assert.strictEqual(document.version, version)
  assert.strictEqual(document.database, db)
  const checks = new Map(document.checks.map(({ detail, name, status }) => [name, `${status}: ${detail}`]))
  return { code, status: document.status, checks, names: [...checks.keys()] }
}

/** A port where nobody listens. */
const freePort = () =>
  new Promise<number>((resolve) => {
    const probe = net.createServer().listen(0, "127.0.0.1", () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === "object" ? address?.port ?? 0 : 0))
    })
  })

const LOOKED_AT = [
  "settings",
  "file",
  "schema",
  "integrity",
  "rows",
  "sums",
  "words",
  "vectors",
  "name",
  "clock",
  "permissions",
  "room",
  ...(engine === "sqlite" ? [] : ["store", "site", "log"])
]

describe.concurrent("quorate doctor", () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-doctor-"))
  const kept = path.join(folder, "kept")
  let nobody = "0"

  /** A database of a node that was stopped, with all that lies beside it, of which a test may do what it likes. */
  const stopped = (name: string) => {
    const into = path.join(folder, name)
    fs.mkdirSync(into)
    // Moved and not copied, so that they are the same files; each test has one of its own.
    for (const each of fs.readdirSync(path.join(kept, name))) {
      fs.renameSync(path.join(kept, name, each), path.join(into, each))
    }
    return path.join(into, "node.db")
  }

  const written = async (name: string) => {
    fs.mkdirSync(path.join(kept, name), { recursive: true })
    const node = await start({ db: path.join(kept, name, "node.db") })
    for (let at = 0; at < 30; at++) await store(node, `t${at}`)
    await node.stop()
  }

  const store = async (node: Node, title: string) => {
    const body = JSON.stringify({ title, content: "x".repeat(1500), tier: "long" })
    const { status } = await exchange(node.port, request({ method: "POST", path: "/api/v1/memories", body }))
    assert.strictEqual(status, 201)
  }

  beforeAll(async () => {
    nobody = String(await freePort())
    for (const name of ["well", "running", "other", "hand", "page", "modes", "mark"]) await written(name)
  })
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

  it("finds a stopped node well, says what it looked at, ends with 0, and the node goes on under its name", async () => {
    const db = stopped("well")
    const { checks, code, names, status } = await examined(db, "--port", nobody)
    assert.deepStrictEqual([code, status], [0, "ok"], [...checks].join("\n"))
    assert.deepStrictEqual(names, [...LOOKED_AT, "daemon"])
    assert.match(checks.get("rows") ?? "", /^ok: \d+ rows are as the log says$/)
    assert.match(
      checks.get("vectors") ?? "",
      /^ok: of 30 rows (none has vectors|\d+ have vectors of static-minilm-l6-v2\S+)$/
    )
    assert.match(checks.get("name") ?? "", /^ok: \S+\/\d+, 30 operations of its own$/)
    assert.strictEqual(checks.get("daemon"), "ok: none holds the database")
    const shown = await quorate(["doctor", "--db", db, "--port", nobody])
    assert.deepStrictEqual([shown.code, shown.stderr], [0, ""])
    assert.match(shown.stdout, /^ok {7}file {9}\S+node\.db, \d+ KiB$/m)
    assert.match(shown.stdout, /^faults: 0, warnings: 0$/m)
    const lines: Array<string> = []
    await quorate(["serve", "--port", "0", "--db", db], {
      onLog: (text, child) => {
        lines.push(text)
        if (text.includes("listening on")) child.kill("SIGTERM")
      }
    })
    assert.include(lines.join(), "listening on")
    assert.notInclude(lines.join(), "new incarnation")
  })

  it("looks at a node that runs, and hears from it how it is", async () => {
    const db = stopped("running")
    const node = await start({ db })
    try {
      await store(node, "while it runs")
      const well = await examined(db, "--port", String(node.port))
      assert.deepStrictEqual([well.code, well.status], [0, "ok"], [...well.checks].join("\n"))
      assert.deepStrictEqual(well.names, [...LOOKED_AT, "daemon", "readiness"])
      assert.strictEqual(well.checks.get("readiness"), "ok: it is ready")
      await store(node, "and goes on")

      const elsewhere = await examined(db, "--port", nobody)
      assert.strictEqual(elsewhere.code, 2)
      assert.match(
        elsewhere.checks.get("daemon") ?? "",
        /^fault: one holds the database, and says nothing .*ECONNREFUSED/
      )

      const other = stopped("other")
      const held = await start({ db: other })
      try {
        const wrong = await examined(db, "--port", String(held.port))
        assert.strictEqual(wrong.code, 2)
        assert.match(
          wrong.checks.get("daemon") ?? "",
          /^fault: one holds the database, and another one answers at \S+: it has another database$/
        )
      } finally {
        await held.stop()
      }

      fs.renameSync(db, `${db}.away`)
      fs.copyFileSync(`${db}.away`, db)
      const replaced = await examined(db, "--port", String(node.port))
      assert.strictEqual(replaced.code, 2)
      assert.match(replaced.checks.get("readiness") ?? "", /^fault: it is not ready: database: another file stands/)
      assert.match(replaced.checks.get("name") ?? "", /^warning: .*the mark beside it is that of another file/)
    } finally {
      await node.stop()
    }
  })

  it("finds what was changed by hand, names it, and ends with 2", async () => {
    const db = stopped("hand")
    const changing = new Database(db)
    const id = changing.prepare<[], string>("SELECT min(id) FROM memories").pluck().get() ?? ""
    changing.prepare("UPDATE memories SET content = 'forged' WHERE id = ?").run(id)
    changing.exec("UPDATE digest_sums SET sum = sum + 1 WHERE bucket = 7")
    changing.close()
    const { checks, code, status } = await examined(db, "--port", nobody)
    assert.deepStrictEqual([code, status], [2, "fault"])
    assert.strictEqual(checks.get("rows"), `fault: memories ${id}: not as the log says: content`)
    assert.match(checks.get("sums") ?? "", /^fault: digests 7: /)
  })

  it("finds a damaged page, and goes on looking", async () => {
    const db = stopped("page")
    const looking = new Database(db)
    const page = looking.prepare<[], number>(
      "SELECT max(pageno) FROM dbstat WHERE name = 'memories' AND pagetype = 'leaf'"
    ).pluck().get() ?? 0
    looking.close()
    const handle = fs.openSync(db, "r+")
    fs.writeSync(handle, Buffer.alloc(4096), 0, 4096, (page - 1) * 4096)
    fs.closeSync(handle)
    const { checks, code } = await examined(db, "--port", nobody)
    assert.strictEqual(code, 2)
    assert.match(checks.get("integrity") ?? "", /^fault: /)
    assert.match(checks.get("rows") ?? "", /^fault: it is damaged; put back a backup/)
    assert.match(checks.get("name") ?? "", /^ok: /)
  })

  it("warns of files that others can read, of a mark that is gone, and of a name that is not known, with 1", async () => {
    const db = stopped("modes")
    fs.chmodSync(db, 0o644)
    const open = await examined(db, "--port", nobody)
    assert.deepStrictEqual([open.code, open.status], [1, "warning"], [...open.checks].join("\n"))
    assert.match(open.checks.get("permissions") ?? "", /^warning: others can get at node\.db \(644\); .*chmod 600/)

    const marked = stopped("mark")
    fs.rmSync(`${marked}-mark`)
    const unmarked = await examined(marked, "--port", nobody)
    assert.strictEqual(unmarked.code, 1)
    assert.match(
      unmarked.checks.get("name") ?? "",
      /^warning: .*the next start takes a new incarnation: no mark beside it/
    )

    const old = path.join(folder, "old.db")
    fs.copyFileSync("test/fixtures/0.2.0/node-a.db", old)
    fs.chmodSync(old, 0o600)
    const older = await examined(old, "--port", nobody)
    assert.strictEqual(older.code, 1)
    assert.match(older.checks.get("schema") ?? "", /^warning: 2; the next start brings it to \d/)
  })

  it("ends with 2 for what is no database of a node, and for bad usage", async () => {
    const none = await examined(path.join(folder, "none.db"), "--port", nobody)
    assert.strictEqual(none.code, 2)
    assert.match(none.checks.get("file") ?? "", /^fault: .*none\.db does not exist/)
    assert.isFalse(fs.existsSync(path.join(folder, "none.db")))
    const text = path.join(folder, "text.db")
    fs.writeFileSync(text, "no database, but a text that is long enough to be looked at ".repeat(50))
    assert.match((await examined(text, "--port", nobody)).checks.get("file") ?? "", /^fault: it is no SQLite database/)
    const foreign = path.join(folder, "foreign.db")
    new Database(foreign).exec("CREATE TABLE theirs (x)").close()
    const theirs = await examined(foreign, "--port", nobody)
    assert.deepStrictEqual(theirs.names, ["settings", "file", "permissions", "room", "daemon"])
    assert.match(theirs.checks.get("file") ?? "", /not one of Quorate's/)
    const usage = await quorate(["doctor", "--prot", "1"])
    assert.strictEqual(usage.code, 2)
    assert.match(usage.stderr, /^quorate: there is no flag --prot/)
  })
})
