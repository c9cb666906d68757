import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as api from "./node.js"

/* A node whose file is damaged, gone or without room: what it says, and that it acknowledges nothing that is lost. */

/** Runs a test with a folder of its own. */
const inFolder = async (body: (file: string) => Promise<void>) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-health-"))
  try {
    await body(path.join(folder, "node.db"))
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

/** Runs a node on a file, and stops it again. */
const withNode = async <A>(file: string, body: (node: Client) => Promise<A>): Promise<A> => {
  const node = await api.start({ db: file, embedder: "none" })
  try {
    return await body(clientOf(node))
  } finally {
    await node.stop()
  }
}

type Client = ReturnType<typeof clientOf>

const clientOf = ({ port }: api.Node) => ({
  get: (at: string) => api.exchange(port, api.request({ path: at })),
  store: (title: string, content = title) =>
    api.exchange(
      port,
      api.request({ method: "POST", path: "/api/v1/memories", body: JSON.stringify({ title, content, tier: "long" }) })
    )
})

const field = (value: unknown, ...names: ReadonlyArray<string>): unknown =>
  names.reduce<unknown>(
    (found, name) => typeof found === "object" && found !== null ? Reflect.get(found, name) : undefined,
    value
  )

const databaseOf = ({ json }: api.Answer) => ({
  ready: field(json, "ready"),
  ok: field(json, "checks", "database", "ok"),
  detail: String(field(json, "checks", "database", "detail"))
})

/** Overwrites a leaf page of the table with zeros, as a disk may. */
const zeroPageOf = (file: string, table: string) => {
  const db = new Database(file)
  const [page = 0] = db.prepare<[string], number>(
    "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY pageno DESC LIMIT 1"
  ).pluck().all(table)
  const size = Number(db.pragma("page_size", { simple: true }))
  db.close()
  const handle = fs.openSync(file, "r+")
  fs.writeSync(handle, Buffer.alloc(size), 0, size, (page - 1) * size)
  fs.closeSync(handle)
}

const assertRefuses = async (node: Client, said: RegExp) => {
  const ready = await node.get("/health/ready")
  assert.strictEqual(ready.status, 503)
  assert.deepInclude(databaseOf(ready), { ready: false, ok: false })
  assert.match(databaseOf(ready).detail, said)
  const refused = await node.store("refused")
  assert.deepStrictEqual([refused.status, field(refused.json, "error")], [503, "not_ready"], refused.text)
  assert.match(String(field(refused.json, "detail")), said)
  assert.strictEqual(refused.headers["retry-after"], "2")
  assert.match((await node.get("/metrics")).text, /^sqlite_file_unusable 1$/m)
}

describe("a node whose file is damaged", () => {
  it("is not ready once a read has met it, names the file, writes nothing, and reads what can be read", () =>
    inFolder(async (file) => {
      const ids = await withNode(file, async (node) => {
        const ids: Array<string> = []
        for (let at = 0; at < 40; at++) {
          const { headers, status } = await node.store(`t${at}`, "x".repeat(1500))
          assert.strictEqual(status, 201)
          ids.push(String(headers["location"]))
        }
        return ids
      })
      zeroPageOf(file, "memories")
      await withNode(file, async (node) => {
        assert.deepInclude(databaseOf(await node.get("/health/ready")), { ready: true, ok: true })
        assert.match((await node.get("/metrics")).text, /^sqlite_file_unusable 0$/m)
        for (const at of ["/api/v1/memories?limit=100", "/api/v1/memories?limit=100&tier=long"]) {
          const { headers, json, status } = await node.get(at)
          assert.deepStrictEqual([status, field(json, "error"), headers["retry-after"]], [503, "not_ready", "2"], at)
          assert.match(String(field(json, "detail")), /node\.db is damaged \(SQLITE_CORRUPT.*put back a backup/)
        }
        await assertRefuses(node, /node\.db is damaged \(SQLITE_CORRUPT.*put back a backup/)
        assert.strictEqual((await node.get(ids[0] ?? "")).status, 200)
        assert.strictEqual((await node.get("/api/v1/health")).status, 503)
        assert.strictEqual((await node.get("/health/live")).status, 200)
      })
    }))

  it("is not ready once a write has met it, and does not end", () =>
    inFolder(async (file) => {
      await withNode(file, async (node) => {
        for (let at = 0; at < 40; at++) await node.store(`t${at}`, "x".repeat(1500))
      })
      zeroPageOf(file, "memories")
      await withNode(file, async (node) => {
        const { json, status } = await node.store("one more", "x".repeat(1500))
        assert.deepStrictEqual([status, field(json, "error")], [503, "not_ready"])
        await assertRefuses(node, /node\.db is damaged \(SQLITE_CORRUPT/)
      })
    }))
})

describe("a node whose file is not in its place any more", () => {
  it("acknowledges nothing after it was removed, and goes on when it is put back", () =>
    inFolder(async (file) => {
      await withNode(file, async (node) => {
        const { headers } = await node.store("before")
        fs.renameSync(file, `${file}.away`)
        await assertRefuses(node, /node\.db was removed while this node ran/)
        assert.strictEqual((await node.get(String(headers["location"]))).status, 200)
        fs.renameSync(`${file}.away`, file)
        assert.strictEqual((await node.store("after")).status, 201)
        assert.strictEqual((await node.get("/health/ready")).status, 200)
        assert.match((await node.get("/metrics")).text, /^sqlite_file_unusable 0$/m)
      })
      await withNode(file, async (node) => {
        assert.strictEqual(field((await node.get("/api/v1/memories")).json, "count"), 2)
      })
    }))

  it("acknowledges nothing when its newest writes were removed, or another file stands there", () =>
    inFolder(async (file) => {
      await withNode(file, async (node) => {
        await node.store("before")
        fs.renameSync(`${file}-wal`, `${file}-away`)
        await assertRefuses(node, /node\.db-wal was removed/)
        fs.renameSync(`${file}-away`, `${file}-wal`)
        fs.copyFileSync(file, `${file}.copy`)
        fs.renameSync(`${file}.copy`, file)
        await assertRefuses(node, /another file stands in the place of .*node\.db since/)
      })
    }))
})
