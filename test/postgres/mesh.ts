import { afterAll, assert, beforeAll, it } from "@effect/vitest"
import * as api from "../mesh/api.js"
import * as Cluster from "../mesh/Cluster.js"
import * as mutations from "../mesh/mutations.js"
import * as Pglite from "./pglite.js"
import * as Site from "./site.js"

/*
 * A mesh of three nodes: a site of three daemons, and two with files of their own, each of which knows one of the daemons. Every
 * write of the contract is made on the site and on one of the others, and read on all five.
 */

export const DAEMONS = 3
export const MEMBERS = DAEMONS + 2

/** How the members of the mesh speak to each other; clients ask all of them in plain text. */
export interface Ways {
  /** More flags of a member. */
  readonly flags: (index: number) => ReadonlyArray<string>
  /** Where the others reach each of them, by where clients do. */
  readonly addresses: (urls: ReadonlyArray<string>) => ReadonlyArray<string>
  /** What a member holds, in one text that is that of all others that hold the same. */
  readonly standing: (member: Cluster.Member) => Promise<string>
  readonly remove: () => void
}

const rows = mutations.mutations.map((mutation, index) =>
  [`${mutation.route}: ${mutation.what}`, mutation, index] as const
)

interface Running {
  readonly database: Pglite.Pglite
  readonly cluster: Awaited<ReturnType<typeof Cluster.make>>
  readonly ways: Ways
}

const memberOf = ({ cluster }: Running, index: number) => {
  const found = cluster.members[index]
  assert.isDefined(found)
  return found
}

const start = (running: Running, index: number) => {
  const store = index < DAEMONS ? ["--store", running.database.url("mesh")] : []
  return memberOf(running, index).start({ flags: [...store, ...running.ways.flags(index)] })
}

const begin = async (waysOf: () => Promise<Ways>): Promise<Running> => {
  const ways = await waysOf()
  const database = await Pglite.start()
  const cluster = await Cluster.make({
    size: MEMBERS,
    flags: ["--quorum-writes", "2", "--quorum-timeout-ms", "15000", "--catchup-interval-secs", "2"],
    environment: { QUORATE_APPROVALS_SECRET: mutations.APPROVALS_SECRET },
    peers: (urls, index) => {
      const addresses = ways.addresses(urls)
      const others = addresses.slice(DAEMONS)
      if (index < DAEMONS) return others
      return [addresses[index - DAEMONS] ?? "", ...others.filter((address) => address !== addresses[index])]
    }
  })
  const running = { database, cluster, ways }
  try {
    await Promise.all(cluster.members.map((_, index) => start(running, index)))
    for (const { url } of cluster.members) {
      await Cluster.until(`${url} is in touch`, async () => {
        const { body } = await Cluster.call(url, "GET", "/health/ready")
        return JSON.stringify(body).includes("\"2 of 2 answer\"")
      })
    }
    return running
  } catch (error) {
    await end(running)
    throw error
  }
}

const end = async ({ cluster, database, ways }: Running) => {
  await cluster.close()
  await database.stop()
  ways.remove()
}

const agreed = ({ cluster, ways }: Running, withinMillis?: number) =>
  Site.agreed(cluster.members, withinMillis, ways.standing)

const made = async (running: Running, nodes: mutations.Nodes, mutation: mutations.Mutation, name: string) => {
  const { members } = running.cluster
  const { send, shows } = await mutation.prepare(nodes, name)
  await agreed(running)
  assert.isFalse(await shows(nodes.first, {}), "what is there already shows nothing")
  const headers = { "idempotency-key": name }
  const answer = await send(headers)
  await api.everywhere(members, JSON.stringify(answer), (url) => shows(url, answer), 5_000)
  const again = await send(headers)
  assert.isTrue(await shows(nodes.first, again), `${JSON.stringify(again)} after ${JSON.stringify(answer)}`)
  assert.deepStrictEqual(again["id"], answer["id"])
}

/** Writes at all others while one is away. */
const without = async (running: Running, away: number) => {
  const { members } = running.cluster
  await memberOf(running, away).stop("SIGKILL")
  const ids = []
  for (const [index, { url }] of members.filter((_, index) => index !== away).entries()) {
    for (let turn = 0; turn < 3; turn++) {
      ids.push(await api.create(url, { namespace: "away", title: `${away} ${index} ${turn}` }))
    }
  }
  await start(running, away)
  await agreed(running, 20_000)
  for (const { url } of members) assert.deepStrictEqual(await Site.missing(url, ids), [], url)
}

/** What holds of such a mesh, whichever way its members speak to each other. Answers them, for what is asked of them besides. */
export const holds = (waysOf: () => Promise<Ways>): () => ReadonlyArray<Cluster.Member> => {
  let running: Running | undefined
  const started = () => running ?? assert.fail("it has not begun")
  beforeAll(async () => {
    running = await begin(waysOf)
  }, 120_000)
  afterAll(() => running === undefined ? undefined : end(running))

  it.each(rows)("%s", async (_name, mutation, index) => {
    // A daemon of the site and one of the others, in turns.
    const daemon = memberOf(started(), index % DAEMONS).url
    const other = memberOf(started(), DAEMONS + index % 2).url
    await made(started(), { first: daemon, second: other }, mutation, `site-${index}`)
    await made(started(), { first: other, second: daemon }, mutation, `other-${index}`)
  })

  it.each(Array.from({ length: MEMBERS }, (_, index) => [index] as const))(
    "goes on while member %i is away, which then comes to the same",
    (away) => without(started(), away),
    60_000
  )

  it("and in the end all show the same", async () => {
    const { members } = started().cluster
    await agreed(started())
    const all = await Promise.all(members.map(({ url }) => Site.shown(url)))
    assert.isAbove(api.rows(all[0] ?? {}, "memories").length, rows.length)
    for (const one of all) assert.deepStrictEqual(one, all[0])
  })
  return () => started().cluster.members
}
