import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import * as api from "./api.js"
import * as Cluster from "./Cluster.js"
import { type Mutation, mutations } from "./mutations.js"

/* A mesh of 0.2.0 as it was packed, whose nodes are replaced by this version one after the other while it is written to. */

/** What can not be asked here, and what 0.2.0 answers otherwise than this version. */
const LEFT_OUT = [
  // Its preparation makes a conflict by chance.
  "POST /api/v1/conflicts/{id}/resolve",
  // Needs a secret, and takes everything that the others archived.
  "POST /api/v1/approvals/{id}",
  "DELETE /api/v1/archive",
  // It knows none, and neither does a mesh with a node of it.
  "POST /api/v1/subscriptions",
  "DELETE /api/v1/subscriptions",
  "DELETE /api/v1/subscriptions/{id}",
  "POST /api/v1/quarantines",
  "POST /api/v1/quarantines/{id}/release",
  "POST /api/v1/quarantines/{id}/revert",
  "PUT /api/v1/agents/{id}/pubkey"
]
const MERGED_BULK = "merges rows of one title, and names the memory that is there"

const KINDS = mutations.filter(({ route, what }) => !LEFT_OUT.includes(route) && what !== MERGED_BULK)

describe("a rolling upgrade from 0.2.0", () => {
  const folder = mkdtempSync(join(tmpdir(), "quorate-0.2.0-"))
  const main = join(folder, "package/dist/main.js")
  let cluster: Awaited<ReturnType<typeof Cluster.make>>

  const member = (index: number) => {
    const found = cluster.members[index % 3]
    if (found === undefined) throw new Error(`no node ${index}`)
    return found
  }

  beforeAll(async () => {
    execFileSync("tar", ["xzf", "test/fixtures/0.2.0/quorate-0.2.0.tgz", "-C", folder])
    symlinkSync(resolve("node_modules"), join(folder, "package/node_modules"))
    cluster = await Cluster.make({ size: 3, flags: ["--quorum-writes", "2", "--quorum-timeout-ms", "15000"] })
    for (const one of cluster.members) await one.start({ main })
    await Cluster.inTouch(cluster.members)
  }, 90_000)
  afterAll(async () => {
    await cluster.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const hello = async ({ url }: Cluster.Member) => (await Cluster.call(url, "GET", "/api/v1/sync/hello")).body

  /** Every kind of write through a node; each effect is on all nodes. */
  const writeAll = async (label: string, through: number) => {
    const nodes = { first: member(through).url, second: member(through + 1).url }
    for (const [index, mutation] of KINDS.entries()) {
      await seen(mutation, nodes, `${label}-${index}`)
    }
    await converged()
  }
  const seen = async (mutation: Mutation, nodes: { first: string; second: string }, namespace: string) => {
    const { send, shows } = await mutation.prepare(nodes, namespace)
    const answer = await send({})
    const what = `${mutation.route} ${mutation.what} in ${namespace}: ${JSON.stringify(answer)}`
    await api.everywhere(cluster.members, what, (url) => shows(url, answer))
  }

  const converged = async () => {
    await api.settled(cluster.members)
    await Cluster.until("the digests are equal", async () => {
      const [first, ...others] = await Promise.all(cluster.members.map(async (one) => (await hello(one))["digest"]))
      return others.every((digest) => digest === first)
    })
    for (const { url } of cluster.members) {
      const letters = api.rows(await api.ask(url, "GET /federation/dlq"), "dead_letters")
      assert.deepStrictEqual(letters, [])
    }
  }

  /** Replaces a node while the others are written to, one write after the other: all of them find their quorum. */
  const replace = async (index: number) => {
    const ids: Array<string> = []
    let isDone = false
    const writer = (async () => {
      for (let turn = 0; !isDone; turn++) {
        const title = `write ${turn}`
        ids.push(await api.create(member(index + 1 + turn % 2).url, { namespace: `during-${index}`, title }))
      }
    })()
    assert.strictEqual(await member(index).stop("SIGTERM"), 0)
    await member(index).start()
    await Cluster.inTouch(cluster.members)
    isDone = true
    await writer
    assert.isAbove(ids.length, 5)
    await api.everywhere(
      cluster.members,
      "what was written meanwhile",
      async (url) => api.same((await api.listed(url, `during-${index}`)).map(({ id }) => id), ids)
    )
    await converged()
  }

  const formats = ({ db }: Pick<Cluster.Member, "db">) => {
    const file = new Database(db, { readonly: true })
    try {
      return file.prepare("SELECT DISTINCT format FROM oplog ORDER BY format").pluck().all()
    } finally {
      file.close()
    }
  }

  it("the mesh of 0.2.0 takes every kind of write", () => writeAll("old", 0), 90_000)

  it("a first node is replaced, and both versions take every kind", async () => {
    await replace(0)
    await writeAll("one-new", 0)
    await writeAll("one-old", 1)
    assert.deepStrictEqual(formats(member(0)), [1])
  }, 120_000)

  it("a second node is replaced, and the last of 0.2.0 takes every kind", async () => {
    await replace(1)
    await writeAll("two-old", 2)
    assert.deepStrictEqual(formats(member(0)), [1])
  }, 120_000)

  it("the last node is replaced, and from then on format 2 is written", async () => {
    await replace(2)
    await writeAll("all-new", 2)
    for (const { db, url } of cluster.members) {
      const title = `of ${url}`
      await api.create(url, { namespace: "new-format", title })
      await converged()
      assert.deepStrictEqual(formats({ db }), [1, 2])
    }
  }, 120_000)
})
