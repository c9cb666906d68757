import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { createServer } from "node:net"
import * as api from "../mesh/api.js"
import * as Cluster from "../mesh/Cluster.js"
import * as folded from "./folded.js"
import * as hot from "./hot.js"
import * as MuteServer from "./MuteServer.js"
import * as Pglite from "./pglite.js"
import * as Site from "./site.js"

/* Daemons on one database: whichever of them is asked, it is one memory, and no file of theirs matters. */

const DAEMONS = 4
const ROUNDS = 12

let database: Pglite.Pglite

beforeAll(async () => {
  database = await Pglite.start()
}, 70_000)
afterAll(() => database.stop())

/** A site by itself, of which the first so many daemons are started, for as long as the test lasts. */
const within = async (
  name: string,
  { size = DAEMONS, started = size }: { readonly size?: number; readonly started?: number },
  body: (site: Site.Site, store: string) => Promise<void>
) => {
  const store = database.url(name)
  const site = await Site.make(size, store, ["--quorum-timeout-ms", "15000"])
  try {
    await Promise.all(site.members.slice(0, started).map((member) => member.start()))
    await body(site, store)
  } finally {
    await site.close()
  }
}

/** Whether a daemon answers a memory, lists it among so many, and recalls it. */
const shows = async (url: string, wanted: api.Json, count: number) => {
  const namespace = String(wanted["namespace"])
  const context = `${String(wanted["title"])} ${String(wanted["content"])}`
  const [one, all, found] = await Promise.all([
    Site.read(url, `/memories/${String(wanted["id"])}`),
    Site.read(url, `/memories${api.query({ namespace, limit: 1000 })}`),
    Site.read(url, `/recall${api.query({ context, namespace, limit: 50 })}`)
  ])
  assert.isTrue(api.has(api.record(one.body["memory"]), wanted), `${url} answers ${JSON.stringify(one.body)}`)
  assert.lengthOf(api.rows(all.body, "memories"), count, `${url} lists all`)
  for (const list of [all, found]) {
    assert.include(api.rows(list.body, "memories").map(({ id }) => id), wanted["id"], `${url} has it in its list`)
  }
}

describe("four daemons on one database", () => {
  let site: Site.Site
  let store: string
  const four = () => site.members.slice(0, DAEMONS)

  beforeAll(async () => {
    store = database.url("four")
    site = await Site.make(DAEMONS + 1, store, ["--quorum-timeout-ms", "15000"])
    await Promise.all(four().map((member) => member.start()))
  }, 120_000)
  afterAll(() => site.close())

  it("are one node", async () => {
    const nodes = await Promise.all(four().map(async ({ url }) => (await api.ask(url, "GET /sync/hello"))["node_id"]))
    assert.lengthOf([...new Set(nodes)], 1)
  })

  it("show at once, each of them, what was written on another", async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const body = { namespace: "fresh", title: `heron ${round}`, content: `wades ${round}` }
      const id = await api.create(site.daemon(round % DAEMONS).url, body)
      await Promise.all(four().map(({ url }) => shows(url, { ...body, id }, round + 1)))
      const change = { content: `flies ${round}` }
      await api.ask(site.daemon((round + 1) % DAEMONS).url, `PUT /memories/${id}`, { body: change })
      await Promise.all(four().map(({ url }) => shows(url, { ...body, ...change, id }, round + 1)))
    }
  }, 120_000)

  it("make one memory of one Idempotency-Key, whichever of them gets it", async () => {
    for (let round = 0; round < ROUNDS / 2; round++) await sameKey(site, store, round)
    await Site.agreed(four())
  }, 120_000)

  it(
    "come to one state under load on few titles, and so does one that begins with nothing: that of the model",
    async () => {
      const chance = Site.chanceOf("hot")
      const { acknowledged, unexpected } = await hot.load(four(), { clients: 64, seconds: 4, chance })
      assert.deepStrictEqual(unexpected, [])
      for (const kind of hot.KINDS) assert.isAbove(acknowledged.get(kind) ?? 0, 0, kind)
      await Site.agreed(four())
      const all = await Promise.all(four().map(({ url }) => Site.shown(url)))
      for (const one of all) assert.deepStrictEqual(one, all[0])
      const fifth = site.daemon(DAEMONS)
      await fifth.start()
      await Site.agreed(site.members)
      assert.deepStrictEqual(await Site.shown(fifth.url), all[0])
      const operations = await folded.agrees(store, site.members)
      assert.isAbove(operations, Array.from(acknowledged.values()).reduce((sum, count) => sum + count, 0) / 2)
    },
    120_000
  )
})

/** One key at all daemons at once, of which one may be killed meanwhile, and at all of them once more. */
const sameKey = async ({ daemon, members }: Site.Site, store: string, round: number) => {
  const urls = members.slice(0, DAEMONS).map(({ url }) => url)
  const body = { namespace: "keys", title: `once ${round}`, content: `only once (${round})` }
  const headers = { "idempotency-key": `once-${round}` }
  const send = (to: ReadonlyArray<string>) => Promise.all(to.map((url) => Site.write(url, body, headers)))
  const isKilling = round % 3 === 2
  const killed = daemon(round % DAEMONS)
  const together = send([...urls, ...urls])
  if (isKilling) {
    await new Promise((resolve) => setTimeout(resolve, 10 * round))
    await killed.stop("SIGKILL")
  }
  const first = (await together).filter((answer) => answer !== null)
  assert.isAbove(first.length, 0, `round ${round}: somebody was answered`)
  if (isKilling) await killed.start()
  const answers = [...first, ...(await send(urls))]
  for (const answer of answers) assert.strictEqual(answer?.status, 201, JSON.stringify(answer?.body))
  const told = new Set(answers.map((answer) => `${String(answer?.body["id"])} ${answer?.headers.get("x-op-id") ?? ""}`))
  assert.lengthOf([...told], 1, `round ${round}: ${JSON.stringify([...told])}`)
  assert.strictEqual(await Site.logged(store, `only once (${round})`), 1)
}

/** Writes memories of titles of their own, until it is ended; the ids of those that were answered. */
const writing = (urls: ReadonlyArray<string>, namespace: string, clients: number) => {
  const acknowledged = new Set<string>()
  let ends = false
  const client = async (index: number) => {
    for (let turn = 0; !ends; turn++) {
      const url = urls[(index + turn) % urls.length] ?? ""
      const answer = await Site.write(url, { namespace, title: `${namespace} ${index}-${turn}` })
      if (answer?.status === 201) acknowledged.add(String(answer.body["id"]))
    }
  }
  const all = Promise.all(Array.from({ length: clients }, (_, index) => client(index)))
  return {
    acknowledged,
    enough: (count: number) => Cluster.until(`${count} writes`, async () => acknowledged.size >= count),
    end: async () => {
      ends = true
      await all
    }
  }
}

/** All is on every daemon, and they hold the same. */
const nothingIsLost = async (members: ReadonlyArray<Cluster.Member>, acknowledged: ReadonlySet<string>) => {
  for (const { url } of members) assert.deepStrictEqual(await Site.missing(url, acknowledged), [], url)
  await Site.agreed(members)
}

describe("a daemon that is killed, and its file", () => {
  it(
    "loses nothing that was answered, and comes back with its file, and without it",
    () =>
      within("killed", { size: 3 }, async ({ daemon, members }) => {
        const load = writing(members.map(({ url }) => url), "killed", 12)
        await load.enough(30)
        await daemon(0).stop("SIGKILL")
        const before = [...load.acknowledged]
        for (const { url } of members.slice(1)) assert.deepStrictEqual(await Site.missing(url, before), [], url)
        await load.enough(before.length + 15)
        await daemon(0).start()
        await load.enough(load.acknowledged.size + 15)
        await load.end()
        await nothingIsLost(members, load.acknowledged)
        await daemon(0).stop("SIGKILL")
        Site.removeFile(daemon(0).db)
        await daemon(0).start()
        await nothingIsLost(members, load.acknowledged)
      }),
    60_000
  )

  it(
    "may have its file put back from an older copy",
    () =>
      within("older", { size: 2 }, async ({ daemon, members }) => {
        const [one, two] = [daemon(0), daemon(1)]
        const acknowledged = new Set<string>()
        const fill = async (urls: ReadonlyArray<string>, count: number) => {
          const load = writing(urls, `older${acknowledged.size}`, 4)
          await load.enough(count)
          await load.end()
          for (const id of load.acknowledged) acknowledged.add(id)
        }
        await fill([one.url, two.url], 10)
        await one.stop("SIGTERM")
        Site.copyFile(one.db, `${one.db}.copy`)
        await one.start()
        await fill([one.url, two.url], 15)
        await one.stop("SIGKILL")
        Site.copyFile(`${one.db}.copy`, one.db)
        await one.start()
        await fill([one.url, two.url], 10)
        await nothingIsLost(members, acknowledged)
      }),
    60_000
  )

  it(
    "may be copied, and two daemons write at once on the copies",
    () =>
      within("copies", { size: 3, started: 2 }, async ({ daemon, members }) => {
        const urls = members.map(({ url }) => url)
        const first = writing(urls.slice(0, 2), "copied", 4)
        await first.enough(20)
        await first.end()
        await daemon(0).stop("SIGTERM")
        Site.copyFile(daemon(0).db, daemon(2).db)
        await Promise.all([daemon(0).start(), daemon(2).start()])
        const load = writing(urls, "both", 12)
        await load.enough(60)
        await load.end()
        await nothingIsLost(members, new Set([...first.acknowledged, ...load.acknowledged]))
      }),
    60_000
  )
})

describe("a server that is gone without a word", () => {
  it("is left for the next one, by who has it and by who begins", async () => {
    const direct = database.url("mute")
    const port = Number(new URL(direct).port)
    const first = await MuteServer.make(port)
    const site = await Site.make(2, direct.replace(`:${port}`, `:${first.port},127.0.0.1:${port}`))
    try {
      await site.daemon(0).start()
      assert.strictEqual((await Site.write(site.daemon(0).url, { title: "before" }))?.status, 201)
      first.mute()
      await Cluster.until(
        "it writes again",
        async () => (await Site.write(site.daemon(0).url, { title: "after" }))?.status === 201,
        40_000
      )
      await site.daemon(1).start()
      await Site.agreed(site.members)
    } finally {
      await site.close()
      first.close()
    }
  }, 90_000)
})

describe("a file and a database that do not belong together", () => {
  it(
    "are refused with the reason, and nothing is made",
    () =>
      within("files", { size: 1 }, async ({ daemon }, store) => {
        const site = daemon(0)
        await api.create(site.url, { namespace: "files", title: "of the site" })
        await site.stop("SIGTERM")
        const alone = await Cluster.make({ size: 1, peers: () => [] })
        const [own] = alone.members
        assert.isDefined(own)
        try {
          await own.start()
          await api.create(own.url, { namespace: "files", title: "of its own" })
          await own.stop("SIGTERM")
          assert.include(await Site.refused(["--db", own.db, "--store", store]), "it has a memory of its own")
          assert.include(await Site.refused(["--db", site.db]), "the memory of a site")
        } finally {
          await alone.close()
        }
        const empty = database.url("nothing")
        assert.include(await Site.refused(["--db", site.db, "--store", empty]), "the store does not have the memory")
        assert.deepStrictEqual(await tablesOf(empty), [])
        assert.isAbove((await tablesOf(store)).length, 3)
      }),
    120_000
  )

  it("nor is a file taken for that of another site", () =>
    within("this", { size: 1 }, async ({ daemon }) => {
      const one = daemon(0)
      await one.stop("SIGTERM")
      await within("that", { size: 1 }, async (_, that) => {
        assert.include(await Site.refused(["--db", one.db, "--store", that]), "the store does not have the memory")
      })
    }), 120_000)

  it("an address with a password is refused, and not repeated", async () => {
    for (const address of ["postgres://me:hunter2@127.0.0.1/x", "postgres://me@127.0.0.1/x?password=hunter2"]) {
      const said = await Site.refused(["--db", ":memory:", "--store", address])
      assert.include(said, "expected no password in it")
      assert.notInclude(said, "hunter2")
    }
  })

  it("a database that is not there, or is silent, is said to be so", async () => {
    const [closed] = await Cluster.freePorts(1)
    const gone = await Site.refused(["--db", ":memory:", "--store", `postgres://me@127.0.0.1:${closed ?? 0}/x`])
    assert.include(gone, "the store can not be asked")
    const silent = createServer(() => undefined)
    const port = await new Promise<number>((resolve) =>
      silent.listen(0, "127.0.0.1", () => {
        const address = silent.address()
        resolve(typeof address === "object" && address !== null ? address.port : 0)
      })
    )
    try {
      const mute = await Site.refused(["--db", ":memory:", "--store", `postgres://me@127.0.0.1:${port}/x`])
      assert.match(mute, /the store (?:can not be asked|does not answer)/)
    } finally {
      silent.close()
    }
  })
})

const tablesOf = async (url: string) =>
  (await Site.select(url, "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"))
    .map((row) => row["table_name"])
