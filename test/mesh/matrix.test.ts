import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as api from "./api.js"
import * as Cluster from "./Cluster.js"
import * as mutations from "./mutations.js"

/* Every write of the contract with the third node up, and with it down and back: the effect is read on every node. */

const rows = mutations.mutations.map((mutation, index) =>
  [`${mutation.route}: ${mutation.what}`, mutation, index] as const
)

describe("every write is on every node", () => {
  let cluster: Awaited<ReturnType<typeof Cluster.make>>
  const member = (index: number) => {
    const found = cluster.members[index]
    assert.isDefined(found)
    return found
  }
  const nodes = () => ({ first: member(0).url, second: member(1).url })

  beforeAll(async () => {
    cluster = await Cluster.make({
      size: 3,
      flags: ["--quorum-writes", "2", "--quorum-timeout-ms", "15000"],
      environment: { QUORATE_APPROVALS_SECRET: mutations.APPROVALS_SECRET }
    })
    await Promise.all(cluster.members.map((one) => one.start()))
    await Cluster.inTouch(cluster.members)
  }, 60_000)
  afterAll(() => cluster.close())

  it("the table has every route of the contract that writes, and no other", async () => {
    const { body } = await Cluster.call(member(0).url, "GET", "/openapi.json")
    const served = Object.entries(api.record(body["paths"])).flatMap(([path, methods]) =>
      Object.keys(api.record(methods))
        .filter((method) => ["post", "put", "patch", "delete"].includes(method))
        .map((method) => `${method.toUpperCase()} ${path}`)
    )
    const walked = new Set(rows.map(([, { route }]) => route))
    assert.deepStrictEqual(served.sort(), [...walked, ...Object.keys(mutations.readings)].sort())
  })

  describe("with its peers up", () => {
    it.each(rows)("%s", async (_name, mutation, index) => {
      const { send, shows } = await mutation.prepare(nodes(), `up-${index}`)
      await api.settled(cluster.members)
      assert.isFalse(await shows(nodes().first, {}), "what is there already shows nothing")
      const headers = { "idempotency-key": `up-${index}` }
      const answer = await send(headers)
      await api.everywhere(cluster.members, JSON.stringify(answer), (url) => shows(url, answer), 5_000)
      // The same request again is the same write: whoever missed the answer gets it.
      const again = await send(headers)
      assert.isTrue(await shows(nodes().first, again), `${JSON.stringify(again)} after ${JSON.stringify(answer)}`)
      assert.deepStrictEqual(again["id"], answer["id"])
    })
  })

  describe("with a peer down, which comes back and is told without a new write", () => {
    const outcomes = new Map<
      number,
      { readonly shows: (url: string) => Promise<boolean> } | { readonly error: unknown }
    >()

    /** One outage for all: what was prepared is everywhere before it, and every write is sent in it. */
    beforeAll(async () => {
      const prepared = []
      for (const [, mutation, index] of rows) {
        const one = await mutation.prepare(nodes(), `down-${index}`).catch((error: unknown) => ({ error }))
        prepared.push({ index, one })
      }
      await api.settled(cluster.members)
      await member(2).stop("SIGKILL")
      for (const { index, one } of prepared) {
        outcomes.set(
          index,
          "error" in one ? one : await one.send({}).then(
            (answer) => ({ shows: (url: string) => one.shows(url, answer) }),
            (error: unknown) => ({ error })
          )
        )
      }
      await member(2).start()
    }, 120_000)

    it.each(rows)("%s", async (_name, _mutation, index) => {
      const outcome = outcomes.get(index) ?? { error: new Error("not sent") }
      if ("error" in outcome) throw outcome.error
      await api.everywhere(cluster.members, "the effect", outcome.shows, 5_000)
    })
  })

  it("and in the end all nodes show the same", async () => {
    await api.settled(cluster.members)
    const [first, ...others] = await Promise.all(cluster.members.map(({ url }) => everything(url)))
    assert.isAbove(api.rows(first ?? {}, "memories").length, rows.length)
    for (const other of others) assert.deepStrictEqual(other, first)
  })
})

/** All that a node shows, without what belongs to that node alone. */
const everything = async (url: string): Promise<api.Json> => {
  const { links, ...exported } = await api.ask(url, "GET /export")
  const { conflicts } = await api.ask(url, "GET /conflicts?limit=1000")
  const { archived } = await api.ask(url, "GET /archive?limit=1000")
  const { pending } = await api.ask(url, "GET /pending?limit=1000")
  const { namespaces } = await api.ask(url, "GET /namespaces")
  const { agents } = await api.ask(url, "GET /agents")
  const memories = api.rows(exported, "memories").map(({ access_count: _count, last_accessed_at: _at, ...rest }) =>
    rest
  )
  return { memories, links, archived, pending, namespaces, agents, conflicts }
}
