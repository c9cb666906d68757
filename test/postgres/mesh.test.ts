import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as api from "../mesh/api.js"
import * as Cluster from "../mesh/Cluster.js"
import * as mutations from "../mesh/mutations.js"
import * as Pglite from "./pglite.js"
import * as Site from "./site.js"

/*
 * A mesh of three nodes: a site of three daemons, and two with files of their own, each of which knows one of the daemons. Every
 * write of the contract is made on the site and on one of the others, and read on all five.
 */

const DAEMONS = 3
const MEMBERS = DAEMONS + 2

const rows = mutations.mutations.map((mutation, index) =>
  [`${mutation.route}: ${mutation.what}`, mutation, index] as const
)

describe("a site in a mesh", () => {
  let database: Pglite.Pglite
  let cluster: Awaited<ReturnType<typeof Cluster.make>>
  const member = (index: number) => {
    const found = cluster.members[index]
    assert.isDefined(found)
    return found
  }
  const start = (index: number) =>
    member(index).start(index < DAEMONS ? { flags: ["--store", database.url("mesh")] } : {})
  /** A daemon of the site and one of the others, in turns. */
  const nodesOf = (index: number) => {
    const daemon = member(index % DAEMONS).url
    const other = member(DAEMONS + index % 2).url
    return { daemon, other }
  }

  beforeAll(async () => {
    database = await Pglite.start()
    cluster = await Cluster.make({
      size: MEMBERS,
      flags: ["--quorum-writes", "2", "--quorum-timeout-ms", "15000", "--catchup-interval-secs", "2"],
      environment: { QUORATE_APPROVALS_SECRET: mutations.APPROVALS_SECRET },
      peers: (urls, index) => {
        const others = urls.slice(DAEMONS)
        if (index < DAEMONS) return others
        return [urls[index - DAEMONS] ?? "", ...others.filter((url) => url !== urls[index])]
      }
    })
    await Promise.all(cluster.members.map((_, index) => start(index)))
    for (const { url } of cluster.members) {
      await Cluster.until(`${url} is in touch`, async () => {
        const { body } = await Cluster.call(url, "GET", "/health/ready")
        return JSON.stringify(body).includes("\"2 of 2 answer\"")
      })
    }
  }, 120_000)
  afterAll(async () => {
    await cluster.close()
    await database.stop()
  })

  const made = async (nodes: mutations.Nodes, mutation: mutations.Mutation, name: string) => {
    const { send, shows } = await mutation.prepare(nodes, name)
    await Site.agreed(cluster.members)
    assert.isFalse(await shows(nodes.first, {}), "what is there already shows nothing")
    const headers = { "idempotency-key": name }
    const answer = await send(headers)
    await api.everywhere(cluster.members, JSON.stringify(answer), (url) => shows(url, answer), 5_000)
    const again = await send(headers)
    assert.isTrue(await shows(nodes.first, again), `${JSON.stringify(again)} after ${JSON.stringify(answer)}`)
    assert.deepStrictEqual(again["id"], answer["id"])
  }

  it.each(rows)("%s", async (_name, mutation, index) => {
    const { daemon, other } = nodesOf(index)
    await made({ first: daemon, second: other }, mutation, `site-${index}`)
    await made({ first: other, second: daemon }, mutation, `other-${index}`)
  })

  it.each(Array.from({ length: MEMBERS }, (_, index) => [index] as const))(
    "goes on while member %i is away, which then comes to the same",
    async (away) => {
      await member(away).stop("SIGKILL")
      const running = cluster.members.filter((_, index) => index !== away)
      const ids = []
      for (const [index, { url }] of running.entries()) {
        for (let turn = 0; turn < 3; turn++) {
          ids.push(await api.create(url, { namespace: "away", title: `${away} ${index} ${turn}` }))
        }
      }
      await start(away)
      await Site.agreed(cluster.members, 20_000)
      for (const { url } of cluster.members) assert.deepStrictEqual(await Site.missing(url, ids), [], url)
    },
    60_000
  )

  it("and in the end all show the same", async () => {
    await Site.agreed(cluster.members)
    const all = await Promise.all(cluster.members.map(({ url }) => Site.shown(url)))
    assert.isAbove(api.rows(all[0] ?? {}, "memories").length, rows.length)
    for (const one of all) assert.deepStrictEqual(one, all[0])
  })
})
