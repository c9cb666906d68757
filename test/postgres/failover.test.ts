import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as api from "../mesh/api.js"
import * as Cluster from "../mesh/Cluster.js"
import * as Postgres from "./cluster.js"
import * as ConnectionCut from "./ConnectionCut.js"
import * as Site from "./site.js"

/* Daemons on a PostgreSQL whose primary dies. More rounds of that: `ROUNDS=20`. */

const ROUNDS = Number(process.env["ROUNDS"] ?? 3)
const CLIENTS = 16
const SYNCHRONOUS = "ANY 1 (s1, s2)"
const TIMEOUT_MILLIS = 3000
/** To have two commits wait at once. */
const ATTEMPTS = 5

/** What 16 clients wrote, and what they were answered otherwise. */
const loading = (urls: ReadonlyArray<string>, namespace: string) => {
  const acknowledged = new Set<string>()
  const failures = new Map<string, number>()
  let last = performance.now()
  let longest = 0
  let ends = false
  const told = (answer: Cluster.Answer | null) => {
    if (answer?.status === 201) {
      longest = Math.max(longest, performance.now() - last)
      last = performance.now()
      acknowledged.add(String(answer.body["id"]))
      return
    }
    const words = answer === null ? "no answer" : `${answer.status} ${String(answer.body["error"])}`
    const why = answer === null || "detail" in answer.body || "reason" in answer.body ? "" : " without a reason"
    failures.set(`${words}${why}`, (failures.get(`${words}${why}`) ?? 0) + 1)
  }
  const client = async (index: number) => {
    for (let turn = 0; !ends; turn++) {
      const url = urls[(index + turn) % urls.length] ?? ""
      told(await Site.write(url, { namespace, title: `${namespace} ${index}-${turn}` }))
    }
  }
  const all = Promise.all(Array.from({ length: CLIENTS }, (_, index) => client(index)))
  return {
    acknowledged,
    failures,
    longestMillis: () => Math.max(longest, performance.now() - last),
    more: (count: number, withinMillis = 15_000) => {
      const wanted = acknowledged.size + count
      return Cluster.until(`${count} more writes`, async () => acknowledged.size >= wanted, withinMillis)
    },
    end: async () => {
      ends = true
      await all
    }
  }
}

/** A cluster, and a site on it. */
const within = async (
  { daemons, synchronous = SYNCHRONOUS, w = 2 }: {
    readonly daemons: number
    readonly synchronous?: string | null
    readonly w?: number
  },
  body: (cluster: Postgres.Cluster, site: Site.Site) => Promise<void>
) => {
  const cluster = await Postgres.start({ standbys: 2, synchronous })
  try {
    const flags = ["--quorum-writes", String(w), "--quorum-timeout-ms", String(TIMEOUT_MILLIS)]
    const site = await Site.make(daemons, cluster.multiHostUrl, flags)
    try {
      await body(cluster, site)
    } finally {
      await site.close()
    }
  } finally {
    await cluster.stop()
  }
}

/** What a client is told while no server takes its write, or none is known to hold it with a standby. */
const TRUE_WORDS = ["503 not_ready", "503 quorum_not_met"]

const fails = () => {
  for (let round = 1; round <= ROUNDS; round++) {
    it(
      `loses nothing that was answered when the primary is killed under load, round ${round}`,
      () =>
        within({ daemons: 3 }, async (cluster, site) => {
          const running = site.members.slice(0, 2)
          await Promise.all(running.map((member) => member.start()))
          const load = loading(running.map(({ url }) => url), "failover")
          await load.more(60)
          await cluster.killPrimary()
          const furthest = await cluster.furthest()
          await cluster.promote(furthest, furthest === 0 ? "s2" : "s1")
          await load.more(60)
          await load.end()
          const told = JSON.stringify(Object.fromEntries(load.failures))
          const longest = load.longestMillis().toFixed(0)
          console.info(
            `round ${round}: ${load.acknowledged.size} acknowledged, ${longest} ms without one, else ${told}`
          )
          assert.isBelow(load.longestMillis(), 15_000)
          const failures = [...load.failures.keys()].sort()
          assert.deepStrictEqual(failures.filter((words) => !TRUE_WORDS.includes(words)), [], JSON.stringify(failures))
          await site.daemon(2).start()
          for (const { url } of site.members) {
            assert.deepStrictEqual(await Site.missing(url, load.acknowledged), [], url)
          }
          await Site.agreed(site.members)
        }),
      90_000
    )
  }

  it("asks for synchronous standbys, and says that there are none", async () => {
    const cluster = await Postgres.start({ standbys: 0, synchronous: null })
    try {
      const said = await Site.refused(["--db", ":memory:", "--store", cluster.url(), "--quorum-writes", "2"])
      assert.include(said, "--quorum-writes asks the store for 1 synchronous standbys, and it has none")
    } finally {
      await cluster.stop()
    }
  }, 120_000)
}

/** The servers go on with less than the daemons were shown: nobody brings in anything on top of that. */
const lacks = () =>
  it(
    "is not written to by daemons that hold more than it, which say so",
    () =>
      within({ daemons: 3, synchronous: null, w: 1 }, async (cluster, site) => {
        const two = site.members.slice(0, 2)
        await Promise.all(two.map((member) => member.start()))
        const first = site.daemon(0).url
        await api.create(first, { namespace: "lost", title: "everywhere" })
        await Promise.all([cluster.stopStandby(0), cluster.stopStandby(1)])
        await api.create(first, { namespace: "lost", title: "on the primary alone" })
        const both = ["everywhere", "on the primary alone"]
        await api.everywhere(two, "it", async (url) => api.same(await api.titles(url, "lost"), both))
        await cluster.killPrimary()
        await Promise.all([cluster.startStandby(0), cluster.startStandby(1)])
        await cluster.promote(0, "s2")
        await site.daemon(2).start()
        await api.create(site.daemon(2).url, { namespace: "lost", title: "of one that lacks nothing" })
        for (const { url } of two) {
          await Cluster.until("it says what is wrong", async () => {
            const answer = await Site.write(url, { namespace: "lost", title: "on top of that" })
            assert.strictEqual(answer?.status, 503, JSON.stringify(answer?.body))
            return String(answer?.body["detail"]).includes("the store lacks what it had")
          })
        }
        for (const member of two) {
          await member.stop("SIGTERM")
          Site.removeFile(member.db)
          await member.start()
        }
        await Site.agreed(site.members)
        const shown = await Promise.all(site.members.map(({ url }) => api.titles(url, "lost")))
        for (const titles of shown) assert.deepStrictEqual(titles, ["everywhere", "of one that lacks nothing"])
      }),
    90_000
  )

const isInDoubt = (answer: Cluster.Answer | null) =>
  answer?.status === 503 && String(answer.body["detail"]).includes("it may be held there or not")

const doubts = () => {
  let cluster: Postgres.Cluster
  let site: Site.Site
  beforeAll(async () => {
    cluster = await Postgres.start({ standbys: 2, synchronous: SYNCHRONOUS })
    const flags = ["--quorum-writes", "2", "--quorum-timeout-ms", String(TIMEOUT_MILLIS)]
    site = await Site.make(2, cluster.multiHostUrl, flags)
    await Promise.all(site.members.map((member) => member.start()))
  }, 120_000)
  afterAll(async () => {
    await site.close()
    await cluster.stop()
  })

  it("is in doubt without its standbys, and one memory when one is back", async () => {
    const urls = site.members.map(({ url }) => url)
    const [first = "", second = ""] = urls
    await Promise.all([cluster.stopStandby(0), cluster.stopStandby(1)])
    const body = { namespace: "doubt", title: "held or not", content: "in doubt" }
    const headers = { "idempotency-key": "in-doubt" }
    const begin = performance.now()
    const answer = await Site.write(first, body, headers)
    const took = performance.now() - begin
    assert.isTrue(isInDoubt(answer), JSON.stringify(answer?.body))
    const { detail: _, ...missed } = answer?.body ?? {}
    assert.deepStrictEqual(missed, {
      error: "quorum_not_met",
      got: 0,
      needed: 2,
      reason: "timeout",
      acked_by: [],
      committed_locally: false
    })
    assert.isBelow(took, TIMEOUT_MILLIS + 1000)
    // Nobody is told that it is held while it is not.
    for (const url of [first, second, first]) {
      const again = await Site.write(url, body, headers)
      assert.strictEqual(again?.status, 503, JSON.stringify(again?.body))
      assert.strictEqual(again?.body["error"], "quorum_not_met", JSON.stringify(again?.body))
    }
    await cluster.startStandby(1)
    const statuses = new Set<number | undefined>()
    const ids = new Set<string>()
    await Cluster.until("it is answered", async () => {
      const answers = await Promise.all(urls.map((url) => Site.write(url, body, headers)))
      for (const one of answers) {
        statuses.add(one?.status)
        if (one?.status === 201) ids.add(String(one.body["id"]))
      }
      return answers.every((one) => one?.status === 201)
    })
    assert.isTrue([...statuses].every((status) => status === 201 || status === 503), JSON.stringify([...statuses]))
    assert.lengthOf([...ids], 1)
    assert.strictEqual(await Site.logged(cluster.url(), "in doubt"), 1)
    assert.deepStrictEqual(await Promise.all(urls.map(async (url) => (await api.listed(url, "doubt")).length)), [1, 1])
    await cluster.startStandby(0)
    await Site.agreed(site.members)
  }, 120_000)

  it("says by what it is held, and takes nothing from who no longer has that asked of the standbys", async () => {
    const { url } = site.daemon(0)
    const durability = { engine: "postgresql", synchronous: "ANY 1 of 2" }
    const held = await Site.write(url, { namespace: "held", title: "by two", content: "c" })
    assert.deepStrictEqual(held?.body["durability"], durability)
    assert.deepStrictEqual((await api.ask(url, "GET /capabilities"))["durability"], durability)
    await cluster.synchronous(null)
    await Cluster.until("it is not taken", async () => {
      const answer = await Site.write(url, { namespace: "held", title: "by one", content: "of one alone" })
      if (answer?.status === 201) return false
      assert.deepStrictEqual([answer?.status, answer?.body["error"]], [503, "quorum_not_met"])
      assert.include(String(answer?.body["detail"]), "asks the store for 1 synchronous standbys, and it has none")
      return true
    })
    const before = await Site.logged(cluster.url(), "of one alone")
    assert.strictEqual(
      (await Site.write(url, { namespace: "held", title: "none", content: "of one alone" }))?.status,
      503
    )
    assert.strictEqual(await Site.logged(cluster.url(), "of one alone"), before)
    await cluster.synchronous("FIRST 1 (s2, s1)")
    await Cluster.until("it is taken", async () => {
      const answer = await Site.write(url, { namespace: "held", title: "again", content: "c" })
      return answer?.status === 201 && api.record(answer.body["durability"])["synchronous"] === "FIRST 1 of 2"
    })
    await cluster.synchronous(SYNCHRONOUS)
    await Cluster.until("what is asked of them now is shown", async () => {
      const { durability: shown } = await api.ask(url, "GET /capabilities")
      return api.record(shown)["synchronous"] === durability.synchronous
    })
  }, 60_000)

  /**
   * Two writes, with a key and without one, whose commits wait for standbys. Not each attempt comes to that: a lease waits as well, and a daemon
   * whose lease does takes another connection, which waits before it is used.
   */
  const bothWait = async (first: string, second: string) => {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const key = { "idempotency-key": `waits-${attempt}` }
      const body = { namespace: "waits", title: `with a key, ${attempt}`, content: "waits" }
      for (const url of [first, second]) {
        await api.create(url, { namespace: "waits", title: `before ${attempt}, at ${url}` })
      }
      await Promise.all([cluster.stopStandby(0), cluster.stopStandby(1)])
      let doWait = false
      let isAnswered = false
      const answers = [
        Site.write(first, body, key),
        Site.write(second, { ...body, title: `without one, ${attempt}` })
      ].map((answer) => answer.finally(() => (isAnswered = true)))
      await Cluster.until("both commits wait, or one is answered", async () => {
        const waits = `SELECT DISTINCT pid FROM pg_stat_activity JOIN pg_locks USING (pid)
          WHERE wait_event = 'SyncRep' AND relation = 'quorate_entries'::regclass`
        doWait = (await Site.select(cluster.url(), waits)).length >= 2
        return doWait || isAnswered
      })
      if (doWait) return { answers, body, key }
      await Promise.all([...answers, cluster.startStandby(0), cluster.startStandby(1)])
      await Site.agreed(site.members)
    }
    return assert.fail(`two commits never waited at once, ${ATTEMPTS} times`)
  }

  it("is not acknowledged where what it waits for is taken back meanwhile", async () => {
    const [first = "", second = ""] = site.members.map(({ url }) => url)
    const { answers: waiting, body, key } = await bothWait(first, second)
    await cluster.synchronous(null)
    for (const answer of await Promise.all(waiting)) assert.isTrue(isInDoubt(answer), JSON.stringify(answer?.body))
    // Nor is it when it is seen, by who asks again.
    for (const url of [first, second]) {
      const again = await Site.write(url, body, key)
      assert.deepStrictEqual(
        [again?.status, again?.body["error"]],
        [503, "quorum_not_met"],
        JSON.stringify(again?.body)
      )
    }
    await cluster.synchronous(SYNCHRONOUS)
    const still = await Site.write(first, body, key)
    assert.strictEqual(still?.status, 503, "no standby has it yet")
    await Promise.all([cluster.startStandby(0), cluster.startStandby(1)])
    await Cluster.until("it is answered", async () => (await Site.write(first, body, key))?.status === 201)
    assert.strictEqual(await Site.logged(cluster.url(), body.title), 1)
    await Site.agreed(site.members)
  }, 120_000)

  it("writes once what it was not told of that it is written", async () => {
    const { port } = new URL(cluster.url())
    const cut = await ConnectionCut.make(Number(port))
    const through = await Site.make(1, `postgres://postgres@127.0.0.1:${cut.port}/postgres`, [
      "--quorum-timeout-ms",
      String(TIMEOUT_MILLIS)
    ])
    try {
      const one = through.daemon(0)
      await one.start()
      for (let round = 1; round <= 5; round++) {
        cut.swallow(1)
        const body = { namespace: "cut", title: `cut ${round}`, content: `cut off (${round})` }
        const headers = round % 2 === 0 ? {} : { "idempotency-key": `cut-${round}` }
        const answer = await Site.write(one.url, body, headers)
        assert.strictEqual(cut.swallowed(), round)
        assert.include([201, 503], answer?.status, JSON.stringify(answer?.body))
        if (answer?.status === 503) assert.isTrue(isInDoubt(answer), JSON.stringify(answer.body))
        assert.strictEqual(await Site.logged(cluster.url(), `cut off (${round})`), 1)
        if ("idempotency-key" in headers) {
          const again = await Site.write(one.url, body, headers)
          assert.strictEqual(again?.status, 201)
        }
        assert.strictEqual(await Site.logged(cluster.url(), `cut off (${round})`), 1)
      }
      assert.lengthOf(await api.listed(one.url, "cut"), 5)
      await Site.agreed([...site.members, one])
    } finally {
      await through.close()
      await cut.close()
    }
  }, 120_000)
}

if (Postgres.binaries() !== null) {
  describe("a site on a PostgreSQL with standbys", fails)
  describe("a store that lacks what it had", lacks)
  describe("a write whose outcome nobody tells", doubts)
}
