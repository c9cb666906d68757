import { assert } from "@effect/vitest"
import { createHash, createHmac } from "node:crypto"
import * as api from "./api.js"
import * as Cluster from "./Cluster.js"

/** A write, and how to see on any node that it was made. */
export interface Mutation {
  /** As the contract names it. */
  readonly route: string
  readonly what: string
  /** Makes what the write needs, on `first`, in a namespace that no other write uses. */
  readonly prepare: (nodes: Nodes, namespace: string) => Promise<Prepared>
}

/** Two nodes that are up. */
export interface Nodes {
  readonly first: string
  readonly second: string
}

export type Headers = Readonly<Record<string, string>>

export interface Prepared {
  readonly send: (headers: Headers) => Promise<api.Json>
  /** Whether the node at the address shows the effect of the write that was answered so. */
  readonly shows: (url: string, answer: api.Json) => Promise<boolean>
}

/** Of the signed decisions. */
export const APPROVALS_SECRET = "a-secret-of-the-tests"

const always = "2020-01-01T00:00:00.000000000+00:00"

const gone = async (url: string, id: unknown) => await api.memory(url, id) === undefined
/** Whether this is the one action of its namespace, and undecided. */
const waiting = async (url: string, id: unknown, namespace: string, fields: api.Json) => {
  const [action, ...others] = api.rows(await api.ask(url, "GET /pending?limit=1000"), "pending")
    .filter((one) => one["namespace"] === namespace)
  return others.length === 0 && api.has(action, { id, status: "pending", ...fields })
}
const standardOf = (url: string, namespace: string) => api.ask(url, `GET /namespaces${api.query({ namespace })}`)

const policy = { write: "approve", promote: "approve", delete: "approve", approver: "human" }
const govern = (url: string, namespace: string, governance: api.Json = policy) =>
  api.ask(url, "POST /namespaces", { body: { namespace, governance }, status: 201 })

/** A namespace whose writes wait for approval, with a memory from before that. */
const governed = async (url: string, namespace: string, governance: api.Json = policy) => {
  const id = await api.create(url, { namespace, title: "older", tier: "mid" })
  await govern(url, namespace, governance)
  return id
}
const queueStore = async (url: string, namespace: string) =>
  String(
    (await api.ask(url, "POST /memories", {
      body: { namespace, title: "wanted", content: "when approved" },
      status: 202
    }))["pending_id"]
  )
const stored = async (url: string, namespace: string) =>
  (await api.titles(url, namespace)).filter((title) => title === "wanted").length

const pair = async (url: string, namespace: string) => ({
  source_id: await api.create(url, { namespace, title: "source" }),
  target_id: await api.create(url, { namespace, title: "target" })
})
const linked = async (url: string, namespace: string) => {
  const link = { ...await pair(url, namespace), relation: "derived_from" }
  await api.ask(url, "POST /links", { body: link, status: 201 })
  return link
}

const putAway = async (url: string, namespace: string) => {
  const id = await api.create(url, { namespace, title: "put away", metadata: { topic: "kept" } })
  await api.ask(url, "POST /archive", { body: { ids: [id] } })
  return id
}
const isWhole = (memory: api.Json | undefined) => api.has(api.record(memory?.["metadata"]), { topic: "kept" })
const inArchive = async (url: string, namespace: string, ids: ReadonlyArray<string>) =>
  api.same((await api.archived(url, namespace)).map(({ id }) => id), ids)

const row = (namespace: string, title: string): api.Json => ({
  id: `imported-${namespace}-${title}`,
  tier: "long",
  namespace,
  title,
  content: "from elsewhere",
  tags: ["old"],
  priority: 7,
  confidence: 0.5,
  source: "import",
  access_count: 3,
  created_at: always,
  updated_at: always,
  metadata: { agent_id: "importer" }
})

const signed = (body: string): Headers => {
  const seconds = Math.floor(Date.now() / 1000)
  const key = createHash("sha256").update(APPROVALS_SECRET).digest()
  return {
    "x-ai-memory-timestamp": String(seconds),
    "x-ai-memory-signature": `sha256=${createHmac("sha256", key).update(`${seconds}.${body}`).digest("hex")}`
  }
}

const subscribed = async (url: string, namespace: string) =>
  api.rows(await api.ask(url, `GET /subscriptions${api.query({ agent_id: `agent:${namespace}` })}`), "subscriptions")

/** What an agent of a namespace wrote and changed, in quarantine. */
const setAside = async (url: string, namespace: string) => {
  const agent = `agent:${namespace}`
  const changed = await api.create(url, { namespace, title: "good" })
  const id = await api.create(url, { namespace, title: "bad" }, { agent })
  await api.ask(url, `PUT /memories/${changed}`, { body: { content: "lies" }, agent })
  const { id: quarantined } = await api.ask(url, "POST /quarantines", { body: { agent, reason: "test" }, status: 201 })
  return { changed, stored: id, quarantined: String(quarantined) }
}

/** The ids of two memories of one title, each acknowledged before its node knew of the other: one is a shadow. */
const rivals = async ({ first, second }: Nodes, namespace: string) => {
  for (let round = 0; round < 20; round++) {
    const made = await Promise.all(
      [first, second].map((url, index) =>
        Cluster.call(url, "POST", "/api/v1/memories", {
          body: { namespace, title: `rivals ${round}`, content: `of node ${index + 1}` }
        })
      )
    )
    const ids = made.flatMap(({ body, status }) => status === 201 ? [String(body["id"])] : [])
    if (ids.length === 2) return ids
  }
  throw new Error("one of the two writes was always seen before the other was made")
}
const conflicts = async (url: string, namespace: string) =>
  api.rows(await api.ask(url, `GET /conflicts${api.query({ namespace })}`), "conflicts")

/**
 * Every write of the contract, in an order that lets each be sent while the effects of those before it stand: what purges
 * the whole archive comes before what fills it.
 */
export const mutations: ReadonlyArray<Mutation> = [
  {
    route: "POST /api/v1/archive/{id}/restore",
    what: "brings a memory back",
    prepare: async ({ first }, namespace) => {
      const id = await putAway(first, namespace)
      return {
        send: (headers) => api.ask(first, `POST /archive/${id}/restore`, { headers }),
        shows: async (url) =>
          isWhole(await api.memory(url, id)) &&
          api.same(await api.titles(url, namespace), ["put away"]) && inArchive(url, namespace, [])
      }
    }
  },
  {
    route: "DELETE /api/v1/archive",
    what: "purges the archive",
    prepare: async ({ first }, namespace) => {
      const id = await putAway(first, namespace)
      return {
        send: (headers) => api.ask(first, "DELETE /archive", { headers }),
        shows: async (url) => await inArchive(url, namespace, []) && gone(url, id)
      }
    }
  },
  {
    route: "POST /api/v1/archive",
    what: "puts memories away",
    prepare: async ({ first }, namespace) => {
      const ids = [
        await api.create(first, { namespace, title: "one" }),
        await api.create(first, { namespace, title: "two" })
      ]
      return {
        send: (headers) => api.ask(first, "POST /archive", { body: { ids, reason: "old" }, headers }),
        shows: async (url) =>
          await inArchive(url, namespace, ids) && (await api.listed(url, namespace)).length === 0 &&
          (await api.archived(url, namespace)).every((archived) => archived["archive_reason"] === "old")
      }
    }
  },
  {
    route: "POST /api/v1/forget",
    what: "forgets what a pattern finds",
    prepare: async ({ first }, namespace) => {
      const id = await api.create(first, { namespace, title: "an obsolete plan", metadata: { topic: "kept" } })
      await api.create(first, { namespace, title: "a good plan" })
      return {
        send: (headers) => api.ask(first, "POST /forget", { body: { namespace, pattern: "obsolete" }, headers }),
        shows: async (url, answer) =>
          answer["deleted"] === 1 && api.same(await api.titles(url, namespace), ["a good plan"]) &&
          await inArchive(url, namespace, [id]) && isWhole((await api.archived(url, namespace))[0]) &&
          api.has((await api.archived(url, namespace))[0], { archive_reason: "forget" })
      }
    }
  },
  {
    route: "POST /api/v1/forget",
    what: "forgets a namespace that the query names",
    prepare: async ({ first }, namespace) => {
      const { source_id, target_id } = await linked(first, namespace)
      return {
        send: (headers) => api.ask(first, `POST /forget${api.query({ namespace })}`, { headers }),
        shows: async (url, answer) =>
          answer["deleted"] === 2 && (await api.listed(url, namespace)).length === 0 &&
          await inArchive(url, namespace, [source_id, target_id])
      }
    }
  },
  {
    route: "POST /api/v1/gc",
    what: "archives what has expired",
    prepare: async ({ first }, namespace) => {
      const id = await api.create(first, { namespace, title: "expired" })
      await api.ask(first, `PUT /memories/${id}`, { body: { expires_at: always } })
      return {
        send: (headers) => api.ask(first, "POST /gc", { headers }),
        shows: async (url, answer) =>
          Number(answer["expired_deleted"]) >= 1 && await gone(url, id) && await inArchive(url, namespace, [id]) &&
          api.has((await api.archived(url, namespace))[0], { archive_reason: "ttl_expired" })
      }
    }
  },
  {
    route: "POST /api/v1/memories",
    what: "stores a memory",
    prepare: ({ first }, namespace) =>
      Promise.resolve({
        send: (headers) =>
          api.ask(first, "POST /memories", { body: { namespace, title: "new", content: "c" }, status: 201, headers }),
        shows: async (url, { id }) =>
          api.has(await api.memory(url, id), { namespace, title: "new", content: "c" }) &&
          api.same(await api.titles(url, namespace), ["new"])
      })
  },
  {
    route: "POST /api/v1/memories",
    what: "merges into the memory of the title",
    prepare: async ({ first }, namespace) => {
      const id = await api.create(first, { namespace, title: "t", content: "old", priority: 8 })
      const body = { namespace, title: "t", content: "new", priority: 2, on_conflict: "merge" }
      return {
        send: (headers) => api.ask(first, "POST /memories", { body, status: 201, headers }),
        shows: async (url) =>
          api.has(await api.memory(url, id), { content: "new", priority: 8 }) &&
          api.same(await api.titles(url, namespace), ["t"])
      }
    }
  },
  {
    route: "POST /api/v1/memories",
    what: "takes a free title",
    prepare: async ({ first }, namespace) => {
      await api.create(first, { namespace, title: "t" })
      const body = { namespace, title: "t", content: "new", on_conflict: "version" }
      return {
        send: (headers) => api.ask(first, "POST /memories", { body, status: 201, headers }),
        shows: async (url) => api.same(await api.titles(url, namespace), ["t", "t (2)"])
      }
    }
  },
  {
    route: "POST /api/v1/memories/bulk",
    what: "stores an array of memories",
    prepare: ({ first }, namespace) => {
      const body = ["a", "b", "c"].map((title) => ({ namespace, title, content: title }))
      return Promise.resolve({
        send: (headers) => api.ask(first, "POST /memories/bulk", { body, headers }),
        shows: async (url, answer) =>
          answer["created"] === 3 && api.same(answer["ids"], (await api.listed(url, namespace)).map(({ id }) => id)) &&
          api.same(await api.titles(url, namespace), ["a", "b", "c"])
      })
    }
  },
  {
    route: "POST /api/v1/memories/bulk",
    what: "stores an object of memories",
    prepare: ({ first }, namespace) =>
      Promise.resolve({
        send: (headers) =>
          api.ask(first, "POST /memories/bulk", {
            body: { memories: [{ namespace, title: "a", content: "a" }] },
            headers
          }),
        shows: async (url) => api.same(await api.titles(url, namespace), ["a"])
      })
  },
  {
    route: "POST /api/v1/memories/bulk",
    what: "merges rows of one title, and names the memory that is there",
    prepare: async ({ first }, namespace) => {
      const id = await api.create(first, { namespace, title: "a", content: "old" })
      const body = ["a", "b", "b"].map((title, index) => ({ namespace, title, content: `row ${index}` }))
      return {
        send: (headers) => api.ask(first, "POST /memories/bulk", { body, headers }),
        shows: async (url, answer) => {
          const [one, two, three] = Array.isArray(answer["ids"]) ? answer["ids"] : []
          return one === id && api.same(await api.titles(url, namespace), ["a", "b", "b (2)"]) &&
            api.has(await api.memory(url, one), { content: "row 0" }) &&
            api.has(await api.memory(url, two), { content: "row 1" }) &&
            api.has(await api.memory(url, three), { content: "row 2" })
        }
      }
    }
  },
  {
    route: "PUT /api/v1/memories/{id}",
    what: "changes fields, downwards too",
    prepare: async ({ first }, namespace) => {
      const id = await api.create(first, { namespace, title: "t", priority: 9, confidence: 1, tags: ["a"] })
      const body = { content: "changed", priority: 1, confidence: 0.25, tags: ["b"] }
      return {
        send: (headers) => api.ask(first, `PUT /memories/${id}`, { body, headers }),
        shows: async (url) => api.has(await api.memory(url, id), body)
      }
    }
  },
  {
    route: "PUT /api/v1/memories/{id}",
    what: "renames",
    prepare: async ({ first }, namespace) => {
      const id = await api.create(first, { namespace, title: "old name" })
      return {
        send: (headers) => api.ask(first, `PUT /memories/${id}`, { body: { title: "new name" }, headers }),
        shows: async (url) =>
          api.has(await api.memory(url, id), { title: "new name" }) &&
          api.same(await api.titles(url, namespace), ["new name"])
      }
    }
  },
  {
    route: "PUT /api/v1/memories/{id}",
    what: "moves to another namespace",
    prepare: async ({ first }, namespace) => {
      const id = await api.create(first, { namespace, title: "moving" })
      return {
        send: (headers) =>
          api.ask(first, `PUT /memories/${id}`, { body: { namespace: `${namespace}/other` }, headers }),
        shows: async (url) =>
          api.same(await api.titles(url, `${namespace}/other`), ["moving"]) &&
          (await api.listed(url, namespace)).length === 0
      }
    }
  },
  {
    route: "DELETE /api/v1/memories/{id}",
    what: "deletes, and its links with it",
    prepare: async ({ first }, namespace) => {
      const link = await linked(first, namespace)
      return {
        send: (headers) => api.ask(first, `DELETE /memories/${link.source_id}`, { headers }),
        shows: async (url) =>
          await gone(url, link.source_id) && api.same(await api.titles(url, namespace), ["target"]) &&
          (await api.links(url, link.target_id)).length === 0
      }
    }
  },
  {
    route: "POST /api/v1/memories/{id}/promote",
    what: "keeps a memory for good",
    prepare: async ({ first }, namespace) => {
      const id = await api.create(first, { namespace, title: "t", tier: "short" })
      return {
        send: (headers) => api.ask(first, `POST /memories/${id}/promote`, { headers }),
        shows: async (url) => {
          const found = await api.memory(url, id)
          return api.has(found, { tier: "long" }) && found?.["expires_at"] === undefined
        }
      }
    }
  },
  {
    route: "POST /api/v1/links",
    what: "links two memories",
    prepare: async ({ first }, namespace) => {
      const body = { ...await pair(first, namespace), relation: "supersedes" }
      return {
        send: (headers) => api.ask(first, "POST /links", { body, status: 201, headers }),
        shows: async (url) => {
          const [link, ...others] = await api.links(url, body.target_id)
          return others.length === 0 && api.has(link, body)
        }
      }
    }
  },
  {
    route: "DELETE /api/v1/links",
    what: "removes all links of a pair",
    prepare: async ({ first }, namespace) => {
      const { source_id, target_id } = await linked(first, namespace)
      await api.ask(first, "POST /links", { body: { source_id, target_id }, status: 201 })
      return {
        send: (headers) => api.ask(first, "DELETE /links", { body: { source_id, target_id }, headers }),
        shows: async (url, answer) => answer["deleted"] === true && (await api.links(url, source_id)).length === 0
      }
    }
  },
  {
    route: "POST /api/v1/kg/invalidate",
    what: "ends what a link says",
    prepare: async ({ first }, namespace) => {
      const link = await linked(first, namespace)
      const ends = "2024-05-06T07:08:09.000000000+00:00"
      return {
        send: (headers) => api.ask(first, "POST /kg/invalidate", { body: { ...link, valid_until: ends }, headers }),
        shows: async (url, answer) => {
          const timeline = await api.ask(url, `GET /kg/timeline${api.query({ source_id: link.source_id })}`)
          return answer["found"] === true &&
            api.has((await api.links(url, link.source_id))[0], { valid_until: ends }) &&
            api.has(api.rows(timeline, "events")[0], { target_id: link.target_id, valid_until: ends })
        }
      }
    }
  },
  {
    route: "POST /api/v1/consolidate",
    what: "puts one memory in the place of two",
    prepare: async ({ first }, namespace) => {
      const { source_id, target_id } = await pair(first, namespace)
      const body = { ids: [source_id, target_id], title: "whole", summary: "both", namespace }
      return {
        send: (headers) => api.ask(first, "POST /consolidate", { body, status: 201, headers }),
        shows: async (url, answer) =>
          api.has(await api.memory(url, answer["id"]), { content: "both", source: "consolidation" }) &&
          api.same(await api.titles(url, namespace), ["whole"])
      }
    }
  },
  {
    route: "POST /api/v1/consolidate",
    what: "takes over the title of a source, and its id",
    prepare: async ({ first }, namespace) => {
      const { source_id, target_id } = await pair(first, namespace)
      const body = { ids: [source_id, target_id], title: "source", summary: "both", namespace }
      return {
        send: (headers) => api.ask(first, "POST /consolidate", { body, status: 201, headers }),
        shows: async (url, answer) =>
          api.same((await api.listed(url, namespace)).map(({ id }) => id), [answer["id"]]) &&
          api.has(await api.memory(url, target_id), { id: answer["id"], title: "source", content: "both" })
      }
    }
  },
  {
    route: "POST /api/v1/entities",
    what: "names an entity",
    prepare: ({ first }, namespace) => {
      const body = { canonical_name: "The Moon", namespace, aliases: [`luna-${namespace}`] }
      return Promise.resolve({
        send: (headers) => api.ask(first, "POST /entities", { body, status: 201, headers }),
        shows: async (url, answer) => {
          const alias = api.query({ alias: `luna-${namespace}`, namespace })
          return api.has(await api.ask(url, `GET /entities/by_alias${alias}`), {
            found: true,
            entity_id: answer["entity_id"],
            canonical_name: "The Moon",
            namespace
          })
        }
      })
    }
  },
  {
    route: "POST /api/v1/entities",
    what: "adds an alias to an entity",
    prepare: async ({ first }, namespace) => {
      const entity = { canonical_name: "The Moon", namespace }
      const { entity_id } = await api.ask(first, "POST /entities", {
        body: { ...entity, aliases: ["luna"] },
        status: 201
      })
      return {
        send: (headers) => api.ask(first, "POST /entities", { body: { ...entity, aliases: ["selene"] }, headers }),
        shows: async (url, answer) => {
          const found = await Promise.all(
            ["luna", "selene"].map((alias) => api.ask(url, `GET /entities/by_alias${api.query({ alias, namespace })}`))
          )
          return answer["created"] === false && found.every((one) => api.has(one, { found: true, entity_id }))
        }
      }
    }
  },
  {
    route: "POST /api/v1/namespaces",
    what: "sets a standard that is there, with governance",
    prepare: async ({ first }, namespace) => {
      const id = await api.create(first, { namespace, title: "how we work here" })
      const governance = { write: "owner", promote: "any", delete: "owner", approver: { agent: "boss" } }
      return {
        send: (headers) =>
          api.ask(first, "POST /namespaces", { body: { namespace, id, governance }, status: 201, headers }),
        shows: async (url) => {
          const found = await standardOf(url, namespace)
          return api.has(found, { standard_id: id, title: "how we work here" }) &&
            api.has(api.record(found["governance"]), governance)
        }
      }
    }
  },
  {
    route: "POST /api/v1/namespaces",
    what: "sets a standard with a parent",
    prepare: async ({ first }, namespace) => {
      const parent = `parent-of-${namespace}`
      await govern(first, parent)
      const body = { namespace, standard: { parent } }
      return {
        send: (headers) => api.ask(first, "POST /namespaces", { body, status: 201, headers }),
        shows: async (url, answer) => {
          const found = await api.ask(url, `GET /namespaces${api.query({ namespace, inherit: "true" })}`)
          return api.same(found["chain"], ["*", parent, namespace]) &&
            api.has(await standardOf(url, namespace), { standard_id: answer["standard_id"] })
        }
      }
    }
  },
  {
    route: "POST /api/v1/namespaces/{namespace}/standard",
    what: "sets a standard by its path",
    prepare: ({ first }, namespace) =>
      Promise.resolve({
        send: (headers) => api.ask(first, `POST /namespaces/${namespace}/standard`, { body: {}, status: 201, headers }),
        shows: async (url, answer) =>
          api.has(await api.ask(url, `GET /namespaces/${namespace}/standard`), {
            standard_id: answer["standard_id"]
          }) &&
          api.has(await api.memory(url, answer["standard_id"]), { title: `_standard:${namespace}` })
      })
  },
  ...[
    { route: "DELETE /api/v1/namespaces", path: (namespace: string) => api.query({ namespace }) },
    {
      route: "DELETE /api/v1/namespaces/{namespace}/standard",
      path: (namespace: string) => `/${namespace}/standard`
    }
  ].map(({ path, route }): Mutation => ({
    route,
    what: "clears a standard",
    prepare: async ({ first }, namespace) => {
      await govern(first, namespace)
      return {
        send: (headers) => api.ask(first, `DELETE /namespaces${path(namespace)}`, { headers }),
        shows: async (url, answer) =>
          answer["cleared"] === true && api.has(await standardOf(url, namespace), { standard_id: null })
      }
    }
  })),
  {
    route: "POST /api/v1/memories",
    what: "waits for approval where the standard asks for it",
    prepare: async ({ first }, namespace) => {
      await governed(first, namespace)
      const body = { namespace, title: "wanted", content: "when approved" }
      return {
        send: (headers) => api.ask(first, "POST /memories", { body, status: 202, agent: "writer", headers }),
        shows: async (url, answer) =>
          await waiting(url, answer["pending_id"], namespace, { action_type: "store", requested_by: "writer" }) &&
          await stored(url, namespace) === 0
      }
    }
  },
  ...[
    { route: "DELETE /api/v1/memories/{id}", action: "delete", path: (id: string) => `DELETE /memories/${id}` },
    {
      route: "POST /api/v1/memories/{id}/promote",
      action: "promote",
      path: (id: string) => `POST /memories/${id}/promote`
    }
  ].map(({ action, path, route }): Mutation => ({
    route,
    what: "waits for approval where the standard asks for it",
    prepare: async ({ first }, namespace) => {
      const id = await governed(first, namespace)
      return {
        send: (headers) => api.ask(first, path(id), { status: 202, agent: "writer", headers }),
        shows: async (url, answer) =>
          await waiting(url, answer["pending_id"], namespace, { action_type: action, memory_id: id }) &&
          api.has(await api.memory(url, id), { tier: "mid" })
      }
    }
  })),
  {
    route: "POST /api/v1/pending/{id}/approve",
    what: "stores what was queued",
    prepare: async ({ first }, namespace) => {
      await governed(first, namespace)
      const id = await queueStore(first, namespace)
      return {
        send: (headers) => api.ask(first, `POST /pending/${id}/approve`, { agent: "boss", headers }),
        shows: async (url, answer) =>
          api.has(await api.pending(url, id), { status: "approved", decided_by: "boss" }) &&
          api.has(await api.memory(url, answer["memory_id"]), { title: "wanted", content: "when approved" }) &&
          await stored(url, namespace) === 1
      }
    }
  },
  {
    route: "POST /api/v1/pending/{id}/approve",
    what: "deletes what was to be deleted",
    prepare: async ({ first }, namespace) => {
      const id = await governed(first, namespace)
      const { pending_id: pending } = await api.ask(first, `DELETE /memories/${id}`, { status: 202 })
      return {
        send: (headers) => api.ask(first, `POST /pending/${String(pending)}/approve`, { agent: "boss", headers }),
        shows: async (url) => api.has(await api.pending(url, pending), { status: "approved" }) && gone(url, id)
      }
    }
  },
  {
    route: "POST /api/v1/pending/{id}/approve",
    what: "promotes what was to be promoted",
    prepare: async ({ first }, namespace) => {
      const id = await governed(first, namespace)
      const { pending_id: pending } = await api.ask(first, `POST /memories/${id}/promote`, { status: 202 })
      return {
        send: (headers) => api.ask(first, `POST /pending/${String(pending)}/approve`, { agent: "boss", headers }),
        shows: async (url) =>
          api.has(await api.pending(url, pending), { status: "approved" }) &&
          api.has(await api.memory(url, id), { tier: "long" })
      }
    }
  },
  {
    route: "POST /api/v1/pending/{id}/approve",
    what: "adds up votes of two nodes",
    prepare: async ({ first, second }, namespace) => {
      await governed(first, namespace, { ...policy, approver: { consensus: 2 } })
      for (const agent_id of ["juror-1", "juror-2"]) {
        await api.ask(first, "POST /agents", { body: { agent_id, agent_type: "human" }, status: 201 })
      }
      const id = await queueStore(first, namespace)
      const vote = (url: string, agent: string, status: number, headers: Headers) =>
        api.ask(url, `POST /pending/${id}/approve`, { agent, status, headers })
      return {
        send: async (headers) => {
          const isFirst = !api.has(await api.pending(first, id), { status: "approved" })
          const one = await vote(first, "juror-1", isFirst ? 202 : 200, {})
          assert.strictEqual(one["approved"], !isFirst, JSON.stringify(one))
          await Cluster.until("the second node has the vote", async () => {
            const { approvals } = await api.pending(second, id) ?? {}
            return Array.isArray(approvals) && approvals.length > 0
          })
          return vote(second, "juror-2", 200, headers)
        },
        shows: async (url) =>
          api.has(await api.pending(url, id), { status: "approved" }) && await stored(url, namespace) === 1
      }
    }
  },
  {
    route: "POST /api/v1/pending/{id}/reject",
    what: "stores nothing",
    prepare: async ({ first }, namespace) => {
      await governed(first, namespace)
      const id = await queueStore(first, namespace)
      return {
        send: (headers) => api.ask(first, `POST /pending/${id}/reject`, { agent: "boss", headers }),
        shows: async (url) =>
          api.has(await api.pending(url, id), { status: "rejected", decided_by: "boss" }) &&
          await stored(url, namespace) === 0
      }
    }
  },
  {
    route: "POST /api/v1/approvals/{id}",
    what: "approves by signature",
    prepare: async ({ first }, namespace) => {
      await governed(first, namespace)
      const id = await queueStore(first, namespace)
      const body = { decision: "approve", remember: "once" }
      return {
        send: async (headers) => {
          const decide = (text: string, status: number) =>
            api.ask(first, `POST /approvals/${id}`, { body, headers: { ...headers, ...signed(text) }, status })
          await decide("another body", 401)
          return decide(JSON.stringify(body), 200)
        },
        shows: async (url) =>
          api.has(await api.pending(url, id), { status: "approved" }) && await stored(url, namespace) === 1
      }
    }
  },
  {
    route: "POST /api/v1/agents",
    what: "registers an agent",
    prepare: ({ first }, namespace) => {
      const body = { agent_id: `agent-${namespace}`, agent_type: "ai:codex-5.4", capabilities: ["write"] }
      return Promise.resolve({
        send: (headers) => api.ask(first, "POST /agents", { body, status: 201, headers }),
        shows: async (url) =>
          api.rows(await api.ask(url, "GET /agents"), "agents").filter((agent) => api.has(agent, body)).length === 1
      })
    }
  },
  {
    route: "PUT /api/v1/agents/{id}/pubkey",
    what: "registers the key of an agent",
    prepare: async ({ first }, namespace) => {
      const agent = `signing-${namespace}`
      const { id } = await api.ask(first, "POST /agents", {
        body: { agent_id: agent, agent_type: "human" },
        status: 201
      })
      // The public key of the first vector of RFC 8032.
      const pubkey_b64 = Buffer.from("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "hex")
        .toString("base64url")
      return {
        send: (headers) => api.ask(first, `PUT /agents/${agent}/pubkey`, { body: { pubkey_b64 }, headers }),
        shows: async (url) => api.record((await api.memory(url, id))?.["metadata"])["agent_pubkey"] === pubkey_b64
      }
    }
  },
  {
    route: "POST /api/v1/notify",
    what: "puts a message into an inbox",
    prepare: ({ first }, namespace) => {
      const body = { target_agent_id: `target-${namespace}`, title: "news", payload: "text" }
      return Promise.resolve({
        send: (headers) => api.ask(first, "POST /notify", { body, agent: "sender", status: 201, headers }),
        shows: async (url, answer) => {
          const inbox = await api.ask(url, `GET /inbox${api.query({ agent_id: body.target_agent_id })}`)
          const [message, ...others] = api.rows(inbox, "messages")
          return others.length === 0 &&
            api.has(message, { id: answer["id"], from: "sender", title: "news", payload: "text", read: false })
        }
      })
    }
  },
  {
    route: "POST /api/v1/import",
    what: "takes rows and links, as they are",
    prepare: ({ first }, namespace) => {
      const memories = [row(namespace, "one"), row(namespace, "two")]
      const [source_id, target_id] = memories.map(({ id }) => String(id))
      const links = [{ source_id, target_id, relation: "related_to", created_at: always }]
      return Promise.resolve({
        send: (headers) => api.ask(first, "POST /import", { body: { memories, links }, headers }),
        shows: async (url, answer) => {
          const shown = await Promise.all(memories.map(({ id }) => api.memory(url, id)))
          const { access_count: _count, updated_at: _updated, metadata: _metadata, ...kept } = memories[0] ?? {}
          return api.has(answer, { imported: 2, errors: [] }) && api.has(shown[0], kept) && shown[1] !== undefined &&
            (await api.links(url, target_id)).length === 1
        }
      })
    }
  },
  {
    route: "POST /api/v1/import",
    what: "takes lines of an export",
    prepare: ({ first }, namespace) => {
      const lines = ["one", "two"].map((title) => JSON.stringify({ type: "memory", ...row(namespace, title) }))
      return Promise.resolve({
        send: async (headers) => {
          const response = await fetch(`${first}/api/v1/import`, {
            method: "POST",
            headers: { "content-type": "application/x-ndjson", ...headers },
            body: lines.join("\n")
          })
          return api.record(await response.json())
        },
        shows: async (url, answer) =>
          answer["imported"] === 2 && api.same(await api.titles(url, namespace), ["one", "two"])
      })
    }
  },
  {
    route: "POST /api/v1/subscriptions",
    what: "says to be there",
    prepare: ({ first }, namespace) =>
      Promise.resolve({
        send: (headers) =>
          api.ask(first, "POST /subscriptions", {
            body: { agent_id: `agent:${namespace}`, namespace },
            headers,
            status: 201
          }),
        shows: async (url) => (await subscribed(url, namespace)).length === 1
      })
  },
  {
    route: "DELETE /api/v1/subscriptions",
    what: "is there no more",
    prepare: async ({ first }, namespace) => {
      const agent_id = `agent:${namespace}`
      await api.ask(first, "POST /subscriptions", { body: { agent_id, namespace }, status: 201 })
      return {
        send: (headers) => api.ask(first, `DELETE /subscriptions${api.query({ agent_id, namespace })}`, { headers }),
        shows: async (url) => (await subscribed(url, namespace)).length === 0
      }
    }
  },
  {
    route: "DELETE /api/v1/subscriptions/{id}",
    what: "is there no more, by its id",
    prepare: async ({ first }, namespace) => {
      const { id } = await api.ask(first, "POST /subscriptions", {
        body: { agent_id: `agent:${namespace}`, namespace },
        status: 201
      })
      return {
        send: (headers) => api.ask(first, `DELETE /subscriptions/${String(id)}`, { headers }),
        shows: async (url) => (await subscribed(url, namespace)).length === 0
      }
    }
  },
  {
    route: "POST /api/v1/quarantines",
    what: "hides what an agent wrote",
    prepare: async ({ first }, namespace) => {
      const id = await api.create(first, { namespace, title: "bad" }, { agent: `agent:${namespace}` })
      return {
        send: (headers) =>
          api.ask(first, "POST /quarantines", {
            body: { agent: `agent:${namespace}`, reason: "test" },
            headers,
            status: 201
          }),
        shows: (url) => gone(url, id)
      }
    }
  },
  {
    route: "POST /api/v1/quarantines/{id}/release",
    what: "shows it again",
    prepare: async ({ first }, namespace) => {
      const { quarantined, stored: id } = await setAside(first, namespace)
      return {
        send: (headers) => api.ask(first, `POST /quarantines/${quarantined}/release`, { headers }),
        shows: async (url) => !await gone(url, id)
      }
    }
  },
  {
    route: "POST /api/v1/quarantines/{id}/revert",
    what: "writes what stood before",
    prepare: async ({ first }, namespace) => {
      const { changed, quarantined } = await setAside(first, namespace)
      return {
        send: (headers) => api.ask(first, `POST /quarantines/${quarantined}/revert`, { headers }),
        shows: async (url, answer) => {
          const provenance = await api.ask(url, `GET /provenance${api.query({ agent: "system", limit: 1000 })}`)
          return answer["reverted"] === true && api.has(await api.memory(url, changed), { content: "some content" }) &&
            api.rows(provenance, "operations").some(({ entity, stands }) => entity === changed && stands === "visible")
        }
      }
    }
  },
  ...["winner", "loser"].map((keep): Mutation => ({
    route: "POST /api/v1/conflicts/{id}/resolve",
    what: `keeps the ${keep} of two memories with one title`,
    prepare: async (nodes, namespace) => {
      const ids = await rivals(nodes, namespace)
      let loser = ""
      await Cluster.until("the conflict is listed", async () => {
        const [conflict] = await conflicts(nodes.first, namespace)
        loser = String(conflict?.["id"])
        return ids.includes(loser)
      })
      const kept = ids.filter((id) => (id === loser) === (keep === "loser"))
      return {
        send: (headers) => api.ask(nodes.first, `POST /conflicts/${loser}/resolve`, { body: { keep }, headers }),
        shows: async (url, answer) =>
          answer["resolved"] === true && (await conflicts(url, namespace)).length === 0 &&
          (await api.listed(url, namespace)).filter(({ id }) => ids.includes(String(id)))
            .every(({ id }) => kept.includes(String(id))) &&
          await api.memory(url, kept[0]) !== undefined
      }
    }
  }))
]

/** Routes with a method of a write that change nothing in the mesh, and why. */
export const readings: Readonly<Record<string, string>> = {
  "POST /api/v1/recall": "a reading; that it counts as a use belongs to the node alone",
  "POST /api/v1/check_duplicate": "a reading with its text in the body",
  "POST /api/v1/kg/query": "a reading with its question in the body",
  "POST /api/v1/session/start": "a reading with an id made up for the caller",
  "POST /api/v1/federation/dlq/{id}/retry": "about what a node could not send, which is its own affair",
  "DELETE /api/v1/federation/dlq/{id}": "about what a node could not send, which is its own affair",
  "POST /api/v1/subscriptions/{id}/replay": "about what a node could not deliver, which is its own affair",
  "POST /api/v1/subscriptions/dlq/{id}/replay": "about what a node could not deliver, which is its own affair",
  "DELETE /api/v1/subscriptions/dlq/{id}": "about what a node could not deliver, which is its own affair",
  "POST /api/v1/sync/vectors": "between nodes: asks for vectors",
  "POST /api/v1/sync/revocations": "between nodes: it tells which keys are revoked",
  "POST /api/v1/sync/push": "between nodes: it is how the writes of the table arrive",
  "POST /api/v1/sync/since": "between nodes: a read whose vector is too long for a request line"
}
