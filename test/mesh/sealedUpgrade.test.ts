import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Either from "effect/Either"
import { execFileSync } from "node:child_process"
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import * as keyDirectory from "../../src/access/keyDirectory.js"
import * as api from "./api.js"
import * as Cluster from "./Cluster.js"

/*
 * A mesh of 0.2.0, which knows no keys, goes over to one that takes nothing without a signature and a seal, node by node and while it
 * is written to. A node that joins then gets everything, also what was written in the beginning.
 */

const JOINER = "joiner"

describe("an upgrade from a mesh without keys to one that asks them of all", () => {
  const folder = mkdtempSync(join(tmpdir(), "quorate-sealed-"))
  const main = join(folder, "package/dist/main.js")
  let cluster: Awaited<ReturnType<typeof Cluster.make>>
  let ids: ReadonlyArray<string> = []

  const member = (index: number) => cluster.members[index] ?? assert.fail(`no node ${index}`)
  const old = () => cluster.members.slice(0, 3)
  const keyDir = (index: number) => join(folder, `keys-${index}`)
  const makeKey = (index: number) => {
    mkdirSync(keyDir(index), { mode: 0o700 })
    Either.getOrThrow(keyDirectory.generate(keyDir(index), ids[index] ?? "", { replace: false }))
  }
  const enrol = (owner: number, at: number) =>
    copyFileSync(join(keyDir(owner), `${ids[owner]}.pub`), join(keyDir(at), `${ids[owner]}.pub`))
  const flags = (index: number, ...more: ReadonlyArray<string>) => ({
    flags: ["--key-dir", keyDir(index), "--catchup-interval-secs", "1", ...more]
  })
  const hello = async ({ url }: Cluster.Member) => (await Cluster.call(url, "GET", "/api/v1/sync/hello")).body

  beforeAll(async () => {
    execFileSync("tar", ["xzf", "test/fixtures/0.2.0/quorate-0.2.0.tgz", "-C", folder])
    symlinkSync(resolve("node_modules"), join(folder, "package/node_modules"))
    cluster = await Cluster.make({
      size: 4,
      flags: ["--quorum-writes", "2", "--quorum-timeout-ms", "15000"],
      // Those that are there need not know who joins.
      peers: (urls, index) => urls.slice(0, 3).filter((_, other) => other !== index)
    })
    for (const one of old()) await one.start({ main })
    await Cluster.inTouch(old())
    ids = [...await Promise.all(old().map(async (one) => String((await hello(one))["node_id"]))), JOINER]
  }, 90_000)
  afterAll(async () => {
    await cluster.close()
    rmSync(folder, { recursive: true, force: true })
  })

  let written = 0
  /** Does something while nodes are written to in turn: each write finds its quorum. */
  const whileWriting = async (through: ReadonlyArray<number>, what: () => Promise<void>) => {
    let isDone = false
    const writer = (async () => {
      for (let turn = 0; !isDone; turn++) {
        const { url } = member(through[turn % through.length] ?? 0)
        await api.create(url, { namespace: "sealed", title: `write ${written++}` })
      }
    })()
    try {
      await what()
    } finally {
      isDone = true
    }
    await writer
  }
  const replace = (index: number, ...more: ReadonlyArray<string>) =>
    whileWriting([0, 1, 2].filter((other) => other !== index), async () => {
      await member(index).stop("SIGTERM")
      await member(index).start(flags(index, ...more))
      await Cluster.inTouch(old())
    })
  const pause = (millis: number) => new Promise<void>((done) => setTimeout(done, millis))
  /** What a node holds, and what of it has seals: by its file, as it says so to nodes that sign alone. */
  const heldAt = ({ db }: Cluster.Member) => {
    const file = new Database(db, { readonly: true })
    try {
      const rows = file.prepare("SELECT origin, entry, sealed FROM version_vector ORDER BY origin").all()
      return rows.map(api.record)
    } finally {
      file.close()
    }
  }
  const converged = async (members: ReadonlyArray<Cluster.Member>) => {
    await Cluster.until("all hold the same, and with seals", () => {
      const all = members.map(heldAt)
      const isSealed = all.every((rows) => rows.every(({ entry, sealed }) => entry === sealed))
      return Promise.resolve(isSealed && new Set(all.map((rows) => JSON.stringify(rows))).size === 1)
    }, 30_000)
    for (const { url } of members) {
      await Cluster.until(`no operation waits at ${url}`, async () => {
        const letters = api.rows(await api.ask(url, "GET /federation/dlq"), "dead_letters")
        return letters.length === 0
      }, 60_000)
    }
  }

  it("writes go on while each node is replaced by one with a key, and enrolled where that is known", async () => {
    await whileWriting([0, 1, 2], () => pause(1_000))
    makeKey(0)
    await replace(0)
    makeKey(1)
    await replace(1)
    // The third one still knows nothing of all this.
    await whileWriting([0, 1, 2], async () => {
      enrol(0, 1)
      enrol(1, 0)
      await pause(3_000)
    })
    makeKey(2)
    await replace(2)
    await whileWriting([0, 1, 2], async () => {
      for (const at of [0, 1]) {
        enrol(at, 2)
        enrol(2, at)
      }
      await pause(3_000)
    })
    await converged(old())
  }, 150_000)

  it("writes go on while signatures are asked of all by one setting on each node", async () => {
    for (const index of [0, 1, 2]) await replace(index, "--require-signatures", "all")
    await converged(old())
  }, 120_000)

  it("a node that joins with that setting gets everything, with seals", async () => {
    makeKey(3)
    for (const at of [0, 1, 2]) {
      enrol(3, at)
      enrol(at, 3)
    }
    await member(3).start(flags(3, "--node-id", JOINER, "--require-signatures", "all"))
    await converged(cluster.members)
    assert.isAbove(written, 30)
    assert.lengthOf(await api.titles(member(3).url, "sealed"), Math.min(written, 1_000))
  }, 90_000)
})
