import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Client } from "pg"
import { until } from "../mesh/Cluster.js"
import * as Cluster from "./cluster.js"
import * as Pglite from "./pglite.js"

/* The databases that other tests run against do what those rely on. */

const CLIENTS = 6
const ROUNDS = 10

const open = async (url: string): Promise<Client> => {
  const client = new Client({ connectionString: url })
  client.on("error", () => undefined)
  await client.connect()
  return client
}

const rowsOf = async (client: Client, sql: string, values: Array<unknown> = []): Promise<ReadonlyArray<unknown>> =>
  (await client.query(sql, values)).rows

/** Reads and writes in a transaction, so that one between the two would be lost. */
const countUp = async (client: Client) => {
  await client.query("BEGIN ISOLATION LEVEL SERIALIZABLE")
  const [row] = await rowsOf(client, "SELECT n + $1::int AS next FROM counter", [1])
  await client.query("UPDATE counter SET n = $1", [new Map(Object.entries(row ?? {})).get("next")])
  await client.query("COMMIT")
}

/** The connection is gone without a word, as that of a killed process. */
const cut = (client: Client) => {
  client.connection.stream.destroy()
}

describe("PGlite", () => {
  let pglite: Pglite.Pglite
  const open2 = (schema: string) => open(pglite.url(schema))

  beforeAll(async () => {
    pglite = await Pglite.start()
  }, 60_000)
  afterAll(() => pglite.stop())

  it("gives each schema tables of its own", async () => {
    const [one, two] = await Promise.all([open2("one"), open2("two")])
    for (const client of [one, two]) await client.query("CREATE TABLE memories (id int)")
    await one.query("INSERT INTO memories VALUES ($1)", [1])
    assert.deepStrictEqual(await rowsOf(one, "SELECT id FROM memories"), [{ id: 1 }])
    assert.deepStrictEqual(await rowsOf(two, "SELECT id FROM memories"), [])
    await Promise.all([one.end(), two.end()])
  })

  it("lets connections take turns by the transaction", async () => {
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => open2("turns")))
    const [first] = clients
    assert.isDefined(first)
    await first.query("CREATE TABLE counter AS SELECT 0 AS n")
    await Promise.all(clients.map(async (client) => {
      for (let round = 0; round < ROUNDS; round++) await countUp(client)
    }))
    assert.deepStrictEqual(await rowsOf(first, "SELECT n FROM counter"), [{ n: CLIENTS * ROUNDS }])
    await Promise.all(clients.map((client) => client.end()))
  })

  it("undoes the transaction of a connection that is cut, and lets the next one in", async () => {
    const [one, two] = await Promise.all([open2("cut"), open2("cut")])
    await one.query("CREATE TABLE memories (id int)")
    await one.query("BEGIN")
    await one.query("INSERT INTO memories VALUES (1)")
    const read = rowsOf(two, "SELECT id FROM memories")
    cut(one)
    assert.deepStrictEqual(await read, [])
    await two.end()
  })

  it("keeps what a connection set, and tells who listens", async () => {
    const [one, two] = await Promise.all([open2("one"), open2("two")])
    const heard: Array<string | undefined> = []
    one.on("notification", ({ payload }) => heard.push(payload))
    await one.query("SET lock_timeout = '7s'")
    await one.query("LISTEN told")
    assert.deepStrictEqual(await rowsOf(two, "SHOW lock_timeout"), [{ lock_timeout: "0" }])
    assert.deepStrictEqual(await rowsOf(one, "SHOW lock_timeout"), [{ lock_timeout: "7s" }])
    await two.query("NOTIFY told, 'of the other'")
    await until("it is heard", async () => heard.includes("of the other"))
    await Promise.all([one.end(), two.end()])
  })
})

const failsOver = () => {
  let cluster: Cluster.Cluster
  const ask = async (url: string, sql: string) => {
    const client = await open(url)
    return rowsOf(client, sql).finally(() => client.end())
  }

  beforeAll(async () => {
    cluster = await Cluster.start({ standbys: 2, synchronous: "ANY 1 (s1, s2)", settings: { max_connections: "50" } })
  }, 60_000)
  afterAll(() => cluster.stop())

  it("has standbys that commits wait for", async () => {
    await ask(cluster.url(), "CREATE TABLE memories AS SELECT 1 AS id")
    for (const index of [0, 1]) {
      await until(
        "the standby shows it",
        async () =>
          (await ask(
            cluster.urlOf(index),
            "SELECT to_regclass('memories') AS x WHERE to_regclass('memories') IS NOT NULL"
          ))
            .length > 0
      )
    }
    assert.deepStrictEqual(await ask(cluster.url(), "SHOW max_connections"), [{ max_connections: "50" }])
    assert.deepStrictEqual(
      await ask(cluster.url(), "SELECT application_name AS a, sync_state AS s FROM pg_stat_replication ORDER BY a"),
      [{ a: "s1", s: "quorum" }, { a: "s2", s: "quorum" }]
    )
  })

  it("waits while no standby runs, and goes on when one does", async () => {
    await Promise.all([cluster.stopStandby(0), cluster.stopStandby(1)])
    let written = false
    const write = ask(cluster.url(), "INSERT INTO memories VALUES (2)").then(() => {
      written = true
    })
    await new Promise((resolve) => setTimeout(resolve, 500))
    assert.isFalse(written)
    await cluster.startStandby(1)
    await write
    await cluster.startStandby(0)
  })

  it("keeps what was acknowledged when the primary is killed and a standby promoted", async () => {
    await cluster.createDatabase("other")
    assert.lengthOf(await ask(cluster.url("other"), "SELECT 1"), 1)
    const before = cluster.url()
    await cluster.killPrimary()
    assert.isTrue(await ask(before, "SELECT 1").then(() => false, () => true))
    const index = await cluster.furthest()
    await cluster.promote(index, index === 0 ? "s2" : "s1")
    assert.strictEqual(cluster.url(), cluster.urlOf(index))
    await ask(cluster.url(), "INSERT INTO memories VALUES (3)")
    assert.lengthOf(await ask(cluster.url(), "SELECT id FROM memories"), 3)
    await until(
      "the other standby shows it",
      async () => (await ask(cluster.urlOf(1 - index), "SELECT id FROM memories")).length === 3
    )
  })
}
if (Cluster.binaries() !== null) describe("a cluster of PostgreSQL", failsOver)
