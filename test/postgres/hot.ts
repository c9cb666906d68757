import * as api from "../mesh/api.js"
import * as Cluster from "../mesh/Cluster.js"
import type { Prng } from "../simulation/prng.js"

/* A load in which all clients want the same few titles. */

const NAMESPACE = "hot"
const GOVERNED = "hot-governed"
const TITLES = Array.from({ length: 8 }, (_, index) => `title ${index}`)

/** What clients do. */
export const KINDS = ["create", "update", "delete", "consolidate", "queue", "decide", "upvote"] as const
type Kind = typeof KINDS[number]

/** Statuses that are right for somebody who comes too late, or whom somebody else was faster than. */
const RIGHT: ReadonlyArray<number> = [200, 201, 202, 204, 400, 404, 409, 412]

interface Load {
  readonly clients: number
  readonly seconds: number
  readonly chance: Prng
}

interface Client {
  readonly chance: Prng
  readonly send: (method: string, path: string, body?: unknown) => Promise<Cluster.Answer>
}

const ids = (answer: Cluster.Answer, list: string): ReadonlyArray<string> =>
  answer.status === 200 ? api.rows(answer.body, list).map(({ id }) => String(id)) : []

const known = async ({ send }: Client) =>
  ids(await send("GET", `/memories?namespace=${NAMESPACE}&limit=50`), "memories")

/** Each answers whether it was told that something was written. */
const doing: Record<Kind, (client: Client) => Promise<ReadonlyArray<Cluster.Answer>>> = {
  create: async ({ chance, send }) => [
    await send("POST", "/memories", {
      namespace: NAMESPACE,
      title: chance.pick(TITLES),
      content: `content ${chance.int(0, 1e6)}`
    })
  ],
  update: async (client) => {
    const all = await known(client)
    if (all.length === 0) return []
    const change = client.chance.chance(0.3)
      ? { title: client.chance.pick(TITLES) }
      : { content: `changed ${client.chance.int(0, 1e6)}` }
    return [await client.send("PUT", `/memories/${client.chance.pick(all)}`, change)]
  },
  delete: async (client) => {
    const all = await known(client)
    return all.length === 0 ? [] : [await client.send("DELETE", `/memories/${client.chance.pick(all)}`)]
  },
  consolidate: async (client) => {
    const [one, two] = (await known(client)).toSorted(() => client.chance.next() - 0.5)
    if (one === undefined || two === undefined) return []
    const title = client.chance.pick(TITLES)
    return [
      await client.send("POST", "/consolidate", { ids: [one, two], title, summary: "both", namespace: NAMESPACE })
    ]
  },
  queue: async ({ chance, send }) => [
    await send("POST", "/memories", {
      namespace: GOVERNED,
      title: chance.pick(TITLES),
      content: `wanted ${chance.int(0, 1e6)}`
    })
  ],
  decide: async ({ chance, send }) => {
    const open = ids(await send("GET", "/pending?status=pending&limit=50"), "pending")
    if (open.length === 0) return []
    return [await send("POST", `/pending/${chance.pick(open)}/${chance.chance(0.7) ? "approve" : "reject"}`)]
  },
  upvote: async (client) => {
    const all = await known(client)
    return all.length === 0 ? [] : [await client.send("POST", `/memories/${client.chance.pick(all)}/promote`)]
  }
}

/** Each client asks any of the nodes. Answers how many writes of each kind were answered, and what should not be answered. */
export const load = async (members: ReadonlyArray<Cluster.Member>, { chance, clients, seconds }: Load) => {
  const acknowledged = new Map<Kind, number>()
  const unexpected: Array<string> = []
  const [first] = members
  if (first === undefined) throw new Error("there is no node")
  const governance = { write: "approve", promote: "any", delete: "any", approver: "human" }
  await api.ask(first.url, "POST /namespaces", { body: { namespace: GOVERNED, governance }, status: 201 })
  const end = performance.now() + seconds * 1000
  const run = async (index: number) => {
    const own = chance.fork(`client ${index}`)
    const send: Client["send"] = (method, path, body) =>
      Cluster.call(own.pick(members).url, method, `/api/v1${path}`, {
        ...(body === undefined ? {} : { body }),
        headers: { "x-agent-id": `client-${index}` },
        timeoutMillis: 30_000
      })
    while (performance.now() < end) {
      const kind = own.pick(KINDS)
      for (const { body, status } of await doing[kind]({ chance: own, send })) {
        const isLate = status === 403 && String(body["error"]).includes("already decided")
        if (!isLate && !RIGHT.includes(status)) {
          unexpected.push(`${kind}: ${status} ${JSON.stringify(body).slice(0, 200)}`)
        }
        if (status < 300) acknowledged.set(kind, (acknowledged.get(kind) ?? 0) + 1)
      }
    }
  }
  await Promise.all(Array.from({ length: clients }, (_, index) => run(index)))
  return { acknowledged, unexpected }
}
