import { assert, describe, it } from "@effect/vitest"
import * as api from "../mesh/api.js"
import * as Cluster from "../mesh/Cluster.js"
import * as Postgres from "./cluster.js"
import * as MuteServer from "./MuteServer.js"
import * as Site from "./site.js"

const titles = async (url: string, headers: Record<string, string> = {}) => {
  const answer = await Site.read(url, "/memories?namespace=standby&limit=1000", headers)
  assert.strictEqual(answer.status, 200, JSON.stringify(answer.body))
  return api.rows(answer.body, "memories").map(({ title }) => String(title)).sort()
}

const write = async (url: string, title: string): Promise<string> => {
  const answer = await Site.write(url, { namespace: "standby", title, content: "c" })
  assert.strictEqual(answer?.status, 201, JSON.stringify(answer?.body))
  return answer?.headers.get("x-op-id") ?? ""
}

/** A daemon that writes, and one that reads from the first of two standbys; which repeats nothing while it is told to wait. */
const reads = () => {
  it("are behind as far as the standby is, but not of what their client has written", async () => {
    const cluster = await Postgres.start({ standbys: 2, synchronous: null })
    try {
      const [writes, reader] = await Promise.all([
        Site.make(1, cluster.url()),
        Site.make(1, cluster.url(), ["--read-store", cluster.urlOf(0)])
      ])
      try {
        const [first, second] = [writes.daemon(0), reader.daemon(0)]
        await first.start()
        await second.start()
        await write(first.url, "before")
        await Cluster.until("the standby has it", async () => (await titles(second.url)).length === 1)
        await Site.select(cluster.urlOf(0), "SELECT pg_wal_replay_pause()")
        const written = ["before"]
        // A standby that is too slow once is passed over for a while.
        await Cluster.until("a read is as far behind as the standby", async () => {
          const title = `meanwhile ${written.length}`
          const opId = await write(first.url, title)
          const shown = await titles(second.url)
          written.push(title)
          assert.deepStrictEqual(await titles(second.url, { "x-op-id": opId }), [...written].sort())
          return !shown.includes(title)
        })
        await write(first.url, "later")
        // Its own write is decided by all that there is, and shown at once.
        await write(second.url, "own")
        assert.deepStrictEqual(await titles(second.url), [...written, "later", "own"].sort())
        await write(first.url, "last")
        await Site.select(cluster.urlOf(0), "SELECT pg_wal_replay_resume()")
        await Cluster.until("the standby has all", async () => (await titles(second.url)).includes("last"))
        await cluster.stopStandby(0)
        await write(first.url, "without")
        assert.include(await titles(second.url), "without", "where no standby is there, the other server is asked")
        await Site.agreed([first, second])
      } finally {
        await Promise.all([writes.close(), reader.close()])
      }
    } finally {
      await cluster.stop()
    }
  }, 120_000)

  it(
    "are those of the other server where the standby is gone without a word, and wait no longer for that",
    async () => {
      const cluster = await Postgres.start({ standbys: 0, synchronous: null })
      const mute = await MuteServer.make(Number(new URL(cluster.url()).port))
      const [writes, reader] = await Promise.all([
        Site.make(1, cluster.url()),
        Site.make(1, cluster.url(), ["--read-store", `postgres://postgres@127.0.0.1:${mute.port}/postgres`])
      ])
      try {
        const [first, second] = [writes.daemon(0), reader.daemon(0)]
        await Promise.all([first.start(), second.start()])
        await write(first.url, "before")
        assert.deepStrictEqual(await titles(second.url), ["before"])
        mute.mute()
        await titles(second.url)
        for (const title of ["one", "two", "three"]) {
          await write(first.url, title)
          const answer = await Cluster.call(second.url, "GET", "/api/v1/memories?namespace=standby&limit=1000")
          assert.isNull(answer.headers.get("x-store"), title)
          assert.include(api.rows(answer.body, "memories").map((row) => row["title"]), title)
        }
      } finally {
        await Promise.all([writes.close(), reader.close()])
        mute.close()
        await cluster.stop()
      }
    },
    120_000
  )

  it(
    "are not taken from a server that has another memory, and asked for without a store they are refused",
    async () => {
      const cluster = await Postgres.start({ standbys: 0, synchronous: null })
      try {
        await cluster.createDatabase("other")
        const [here, there] = await Promise.all([
          Site.make(1, cluster.url(), ["--read-store", cluster.url("other")]),
          Site.make(1, cluster.url("other"))
        ])
        try {
          await Promise.all([here.daemon(0).start(), there.daemon(0).start()])
          await write(there.daemon(0).url, "of another memory")
          await write(here.daemon(0).url, "of this one")
          assert.deepStrictEqual(await titles(here.daemon(0).url), ["of this one"])
        } finally {
          await Promise.all([here.close(), there.close()])
        }
        const said = await Site.refused(["--db", ":memory:", "--read-store", cluster.url()])
        assert.include(said, "--read-store is for a site: give --store, too")
      } finally {
        await cluster.stop()
      }
    },
    120_000
  )
}

if (Postgres.binaries() !== null) describe("reads from a standby", reads)
