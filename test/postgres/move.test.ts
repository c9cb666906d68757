import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { type ChildProcess, spawn } from "node:child_process"
import { daemon } from "../daemon.js"
import * as api from "../mesh/api.js"
import * as Cluster from "../mesh/Cluster.js"
import * as Pglite from "./pglite.js"
import * as Site from "./site.js"

/* A memory goes from a file to a database and back, whatever breaks it off, and is the same. */

const MEMORIES = 3_000

let database: Pglite.Pglite

beforeAll(async () => {
  database = await Pglite.start()
}, 70_000)
afterAll(() => database.stop())

interface Ended {
  readonly code: number | null
  readonly said: string
}

/** Runs `quorate move`; `onBegun` has the process. */
const move = (from: string, to: string, onBegun: (child: ChildProcess) => void = () => {}): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [daemon, "move", "--from", from, "--to", to, "--json"])
    let said = ""
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (said += String(chunk)))
    child.once("error", reject)
    child.once("close", (code) => resolve({ code, said }))
    onBegun(child)
  })

const moved = async (from: string, to: string): Promise<api.Json> => {
  const { code, said } = await move(from, to)
  assert.strictEqual(code, 0, said)
  const answer: unknown = JSON.parse(said)
  return api.record(answer)
}

const fill = async (url: string) => {
  const rows = Array.from({ length: MEMORIES }, (_, at) => ({ title: `memory ${at}`, content: `it says ${at * 7919}` }))
  for (let from = 0; from < MEMORIES; from += 1000) {
    await api.ask(url, "POST /memories/bulk", { body: rows.slice(from, from + 1000), timeoutMillis: 60_000 })
  }
  const [first] = api.rows(await api.ask(url, "GET /memories?limit=1"), "memories")
  await api.ask(url, `DELETE /memories/${String(first?.["id"])}`)
}

const questions = ["it says 7919", "memory 2999", "what is said about 15838"]

const answersOf = (url: string) =>
  Promise.all(
    questions.map(async (context) =>
      api.rows(await api.ask(url, `GET /recall${api.query({ context, limit: 10 })}`), "memories").map(({ id }) => id)
    )
  )

/** What a node of a file or a site holds and answers; it is started for that alone. */
const looked = async (member: Cluster.Member, flags: ReadonlyArray<string>) => {
  await member.start({ flags })
  const found = { standing: JSON.parse(await Site.standing(member.url)), answers: await answersOf(member.url) }
  await member.stop()
  return found
}

describe("a memory", () => {
  it(
    "goes to a database and back, also when each way is broken off, and is the same",
    { timeout: 180_000 },
    async () => {
      const store = database.url("there_and_back")
      const nodes = await Cluster.make({ size: 2, peers: () => [] })
      const [node, other] = nodes.members
      assert.isDefined(node)
      assert.isDefined(other)
      try {
        await node.start()
        await fill(node.url)
        await node.stop()
        const before = await looked(node, [])

        // What was brought by then stands there, and nobody takes the half for the whole.
        const broken = await move(node.db, store, (child) => setTimeout(() => child.kill("SIGKILL"), 900))
        if (broken.code === null) {
          assert.include(
            await Site.refused(["--db", node.db, "--store", store]),
            "quorate move"
          )
        }
        assert.strictEqual((await moved(node.db, store))["operations"], MEMORIES + 1)
        assert.strictEqual((await moved(node.db, store))["brought"], 0)
        assert.strictEqual((await Site.select(store, "SELECT place FROM quorate_entries")).length, MEMORIES + 1)
        assert.deepStrictEqual(await looked(node, ["--store", store]), before)

        await move(store, other.db, (child) => setTimeout(() => child.kill("SIGKILL"), 1_200))
        await moved(store, other.db)
        assert.deepStrictEqual(await looked(other, []), before)
      } finally {
        await nodes.close()
      }
    }
  )

  it("goes nowhere where there is another one", { timeout: 60_000 }, async () => {
    const store = database.url("another")
    const nodes = await Cluster.make({ size: 2, peers: () => [] })
    try {
      for (const { db, start, stop, url } of nodes.members) {
        await start()
        await api.ask(url, "POST /memories", { body: { title: db, content: "its own" }, status: 201 })
        await stop()
      }
      const [node, other] = nodes.members
      await moved(node?.db ?? "", store)
      const refused = await move(other?.db ?? "", store)
      assert.strictEqual(refused.code, 1)
      assert.include(refused.said, "the store has a memory already")
      const third = database.url("third")
      assert.strictEqual((await moved(store, third))["operations"], 1)
      assert.strictEqual((await moved(store, third))["brought"], 0)
      const fourth = database.url("fourth")
      await moved(other?.db ?? "", fourth)
      assert.include((await move(fourth, third)).said, "the store is that of node")
      assert.include((await move(node?.db ?? "", other?.db ?? "")).said, "from a file to a file")
      assert.include((await move(database.url("empty"), "never.db")).said, "does not have the memory")
    } finally {
      await nodes.close()
    }
  })
})

describe("the background work", () => {
  it("is taken over within ten seconds from a daemon that is gone", { timeout: 60_000 }, async () => {
    const store = database.url("lease")
    const site = await Site.make(2, store)
    const holder = async () => {
      const [row] = await Site.select(store, "SELECT holder, fence FROM quorate_lease WHERE expires_at > now()")
      return row
    }
    try {
      await site.daemon(0).start()
      await site.daemon(1).start()
      const first = await holder()
      assert.isDefined(first)
      await site.daemon(0).stop("SIGKILL")
      await Cluster.until("another one has it", async () => {
        const now = await holder()
        return now !== undefined && now["holder"] !== first["holder"] &&
          Number(now["fence"]) === Number(first["fence"]) + 1
      }, 10_000)
      // Who ends in order gives it up, and nobody waits for the end of it.
      await site.daemon(1).stop("SIGTERM")
      assert.isUndefined(await holder())
    } finally {
      await site.close()
    }
  })
})
