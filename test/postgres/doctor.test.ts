import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { join } from "node:path"
import { quorate } from "../cli/program.js"
import * as api from "../mesh/api.js"
import * as Cluster from "../mesh/Cluster.js"
import * as Postgres from "./cluster.js"
import * as Pglite from "./pglite.js"
import * as Site from "./site.js"

/* The doctor looks at the store of a site, and at whether the file is of it, and writes nothing there. */

const decode = Schema.decodeUnknownSync(Schema.parseJson(Schema.Struct({
  checks: Schema.Array(Schema.Struct({ name: Schema.String, status: Schema.String, detail: Schema.String }))
})))

/** What it says of the store, by the names of the checks, and what else it does not find well. */
const examined = async (...args: ReadonlyArray<string>) => {
  const { stderr, stdout } = await quorate(["doctor", "--json", "--port", "0", ...args])
  assert.strictEqual(stderr, "")
  const { checks } = decode(stdout)
  const of = (name: string) => checks.find((check) => check.name === name)
  const told = (name: string) => `${of(name)?.status}: ${of(name)?.detail}`
  return {
    ...{ store: told("store"), site: told("site"), log: told("log"), standbys: told("standbys") },
    ...{ readStore: told("read store"), names: checks.map(({ name }) => name) },
    amiss: checks.filter(({ status }) => status !== "ok").map(({ name }) => name)
  }
}

const TITLES = ["one", "two", "three"]
const memory = (title: string) => ({ namespace: "doctor", title, content: "c" })

describe("quorate doctor of a site", () => {
  let database: Pglite.Pglite
  let site: Site.Site
  const store = () => database.url("looked_at")
  beforeAll(async () => {
    database = await Pglite.start()
    site = await Site.make(1, store())
    await site.daemon(0).start()
    for (const title of TITLES) await api.create(site.daemon(0).url, memory(title))
  }, 90_000)
  afterAll(async () => {
    await site.close()
    await database.stop()
  })

  const TABLES = ["site", "writers", "entries", "keys", "lease", "migrations"]
  const all = async () =>
    JSON.stringify(
      await Promise.all(TABLES.map((table) => Site.select(store(), `SELECT xmin, * FROM quorate_${table} ORDER BY 2`)))
    )

  it("finds it well, while a daemon runs and when none does, and changes nothing", async () => {
    const { db, stop } = site.daemon(0)
    const running = await examined("--db", db, "--store", store())
    assert.match(running.store, /^ok: 127\.0\.0\.1:\d+ takes writes$/)
    assert.match(running.site, /^ok: it is node \S+; a daemon has its background work, as number 1$/)
    assert.match(running.log, /^ok: \d+ entries of 1 daemon\(s\); the file has all of them$/)
    assert.notInclude(running.names, "standbys")
    await stop("SIGTERM")
    const before = await all()
    const stopped = await examined("--db", db, "--store", store())
    assert.deepStrictEqual(stopped.amiss, [])
    assert.match(stopped.site, /no daemon has its background work$/)
    const without = await examined("--db", join(db, "..", "gone.db"), "--store", store())
    assert.deepStrictEqual(without.amiss, ["file"])
    assert.match(without.log, /the file has all but \d+, which it follows/)
    assert.match((await examined("--db", ":memory:", "--store", store())).log, /^ok: /)
    assert.strictEqual(await all(), before)
  }, 120_000)

  it("finds a file and a store that do not belong together, and makes nothing", async () => {
    const { db } = site.daemon(0)
    const alone = await examined("--db", db)
    assert.deepStrictEqual(alone.amiss, ["store"])
    assert.match(alone.store, /^fault: the file has the memory of a site: give the database .* with --store$/)
    const empty = database.url("nothing_yet")
    assert.match((await examined("--db", db, "--store", empty)).site, /^fault: it is new, and the file is of one/)
    assert.match((await examined("--db", ":memory:", "--store", empty)).site, /^ok: it is new/)
    const made = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
    assert.deepStrictEqual(await Site.select(empty, made), [])
    const named = await examined("--db", db, "--store", store(), "--node-id", "another")
    assert.match(named.site, /^fault: it is node \S+, and --node-id says another/)
    const other = await Site.make(1, database.url("other"))
    try {
      await other.daemon(0).start()
      await other.daemon(0).stop("SIGTERM")
      const mixed = await examined("--db", other.daemon(0).db, "--store", store())
      assert.match(mixed.site, /^fault: it has another memory than the one that the file is of$/)
      const read = await examined("--db", db, "--store", store(), "--read-store", database.url("other"))
      assert.match(read.readStore, /^warning: .* does not have the memory of the store$/)
    } finally {
      await other.close()
    }
  }, 120_000)

  it("finds what was taken out of the log, or put back", async () => {
    const { db } = site.daemon(0)
    await Site.select(store(), "CREATE TABLE away AS SELECT * FROM quorate_entries WHERE place = 2")
    await Site.select(store(), "DELETE FROM quorate_entries WHERE place = 2")
    assert.match(
      (await examined("--db", db, "--store", store())).log,
      /^fault: of the \d+ entries of \S+ some are not there; put back a backup$/
    )
    await Site.select(store(), "INSERT INTO quorate_entries SELECT * FROM away")
    await Site.select(store(), "UPDATE quorate_writers SET place = place - 1")
    assert.match(
      (await examined("--db", db, "--store", store())).log,
      /^fault: it lacks what it had, .* it has \d+ entries, and the file \d+; an older state was put in its place$/
    )
    await Site.select(store(), "UPDATE quorate_writers SET place = place + 1")
    assert.match((await examined("--db", db, "--store", store())).log, /^ok: /)
  }, 120_000)

  it("says of a store that is not there which one, and why", async () => {
    const [closed = 0] = await Cluster.freePorts(1)
    const { names, store } = await examined("--db", ":memory:", "--store", `postgres://me@127.0.0.1:${closed}/x`)
    assert.match(store, new RegExp(`^fault: none takes writes: 127\\.0\\.0\\.1:${closed}: connect ECONNREFUSED`))
    assert.notInclude(names, "log")
  }, 60_000)
})

const real = () => {
  it("tells the servers apart, finds two that take writes, and fewer standbys than W asks for", async () => {
    const cluster = await Postgres.start({ standbys: 2, synchronous: "ANY 1 (s1, s2)" })
    const site = await Site.make(1, cluster.url())
    try {
      const { db, start, stop, url } = site.daemon(0)
      await start()
      for (const title of TITLES) await api.create(url, memory(title))
      await stop("SIGTERM")
      const of = (...args: ReadonlyArray<string>) => examined("--db", db, "--store", cluster.multiHostUrl, ...args)
      await Cluster.until(
        "the standby has all",
        async () => (await of("--read-store", cluster.urlOf(0))).readStore.endsWith("is 0 entries behind")
      )
      const well = await of("--quorum-writes", "2")
      assert.deepStrictEqual(well.amiss, [])
      assert.match(well.store, /^ok: \S+ takes writes; \S+ only repeats another one; \S+ only repeats another one$/)
      assert.strictEqual(well.standbys, "ok: ANY 1 of 2")
      assert.match(
        (await of("--quorum-writes", "3")).standbys,
        /^fault: --quorum-writes asks the store for 2 synchronous standbys, and it has 1, by ANY 1 \(s1, s2\)$/
      )
      await Site.select(cluster.urlOf(0), "SELECT pg_wal_replay_pause()")
      await Site.select(cluster.url(), "UPDATE quorate_writers SET place = place + 1")
      assert.match((await of("--read-store", cluster.urlOf(0))).readStore, /^ok: \S+ is 1 entries behind$/)
      await Site.select(cluster.url(), "UPDATE quorate_writers SET place = place - 1")
      await Site.select(cluster.urlOf(0), "SELECT pg_wal_replay_resume()")
      await cluster.stopStandby(1)
      const reduced = await of()
      assert.match(reduced.store, /^warning: .*; \S+: .*(?:ECONNREFUSED|refused|starting up|shutting down)/)
      await cluster.startStandby(1)
      await Site.select(cluster.urlOf(1), "SELECT pg_promote(true, 30)")
      assert.match((await of()).store, /^fault: more than one takes writes, and all but one must be stopped: /)
    } finally {
      await site.close()
      await cluster.stop()
    }
  }, 180_000)
}
if (Postgres.binaries() !== null) describe("quorate doctor of a real server and its standbys", real)
