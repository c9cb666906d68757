// Every kind of write: how it is prepared and made through one node, and what of it each node shows.
import { randomUUID } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import { AGENTS, bindKey } from "./enrolling.mjs"
import { request } from "./nodes.mjs"

/** A write that was not taken. */
export class NotTaken extends Error {}

const ask = async (url, line, options) => {
  const { body, status } = await request(url, line, options)
  if (status < 200 || status > 299) {
    throw new NotTaken(
      `${line.replaceAll(/[0-9a-f-]{36}/g, "{id}").split("?")[0]} is answered ${status} ${
        JSON.stringify(body.error ?? body).slice(0, 90)
      }`
    )
  }
  return body
}
const read = async (url, line, options) => {
  const { body, status } = await request(url, line, options)
  return status === 200 ? body : { status }
}
const query = (parameters) => `?${new URLSearchParams(parameters)}`

const store = async (url, namespace, more = {}) =>
  (await ask(url, "POST /memories", { body: { namespace, title: "a", content: "text", tier: "mid", ...more } })).id
const pair = async (url, namespace) => [await store(url, namespace), await store(url, namespace, { title: "b" })]
const linkBody = ([source_id, target_id]) => ({ source_id, target_id, relation: "supersedes" })
const linked = async (url, namespace) => {
  const ids = await pair(url, namespace)
  await ask(url, "POST /links", { body: linkBody(ids) })
  return ids
}
const govern = (url, namespace, governance) => ask(url, "POST /namespaces", { body: { namespace, governance } })
const queue = (governance) => async (url, namespace) => {
  await govern(url, namespace, { promote: "any", delete: "any", approver: "human", ...governance })
  return (await ask(url, "POST /memories", { body: { namespace, title: "wanted", content: "waits" } })).pending_id
}
const queueStore = queue({ write: "approve" })
const queueOther = (verb, send) => async (url, namespace) => {
  const id = await store(url, namespace)
  await govern(url, namespace, { write: "any", promote: "any", delete: "any", approver: "human", [verb]: "approve" })
  return (await send(url, id)).pending_id
}

const list = (body, name) => Array.isArray(body[name]) ? body[name] : undefined
const shown = (items, show) => items === undefined ? "no answer" : items.map(show).sort().join(", ") || "nothing"
const listed = async (url, namespace) =>
  list(await read(url, `GET /memories${query({ namespace, limit: "200" })}`), "memories")
    ?.filter(({ title }) => !String(title).startsWith("_standard"))

/** Views: what a node shows, as text. */
const titles = async (url, namespace) => shown(await listed(url, namespace), ({ title }) => title)
const texts = async (url, namespace) =>
  shown(await listed(url, namespace), ({ content, title }) => `${title}: ${content}`)
const tiers = async (url, namespace) => shown(await listed(url, namespace), ({ tier, title }) => `${title} ${tier}`)
const ranks = async (url, namespace) =>
  shown(
    await listed(url, namespace),
    ({ priority, tags }) => `priority ${priority}, tags ${[...tags].sort().join(" ")}`
  )
const counted = async (url, namespace) => `${(await listed(url, namespace))?.length} memories`
const archive = async (url, namespace) => {
  const archived = list(await read(url, `GET /archive${query({ namespace, limit: "200" })}`), "archived")
  // Original nodes of later releases put there what was merged, too.
  const ids = new Set(archived?.filter((row) => row.archive_reason !== "federation_merge").map(({ id }) => id))
  return `live ${await titles(url, namespace)}; archived ${ids.size}`
}
const links = async (url, _, [source]) =>
  shown(
    list(await read(url, `GET /links/${source}`), "links"),
    ({ relation, valid_until: ended }) => (ended ?? null) === null ? relation : `${relation} ended`
  )
const standard = async (url, namespace, id) => {
  const found = await read(url, `GET /namespaces${query({ namespace })}`)
  return (found.standard_id ?? null) === null ? "none" : found.standard_id === id ? "this one" : "another"
}
const policy = async (url, namespace) => {
  const { governance } = await read(url, `GET /namespaces${query({ namespace })}`)
  return `write ${governance?.write ?? "of no policy"}`
}
const action = async (url, namespace, id) => {
  const found = list(await read(url, "GET /pending?limit=1000"), "pending")
    ?.find((row) => id === undefined ? row.namespace === namespace : row.id === id)
  return found === undefined ? "no action" : `${found.status}, ${found.approvals?.length ?? 0} votes`
}
const decided = async (url, namespace, id) =>
  `${(await action(url, namespace, id)).split(",")[0]}; ${await tiers(url, namespace)}`

const decide = (verb) => (url, _, id) => ask(url, `POST /pending/${id}/${verb}`, { agent: "bob" })

const imported = (namespace) => ({
  id: randomUUID(),
  tier: "long",
  namespace,
  title: "imported",
  content: "text",
  tags: [],
  priority: 5,
  confidence: 1,
  source: "import",
  access_count: 0,
  created_at: "2026-01-01T00:00:00.000000000+00:00",
  updated_at: "2026-01-01T00:00:00.000000000+00:00",
  metadata: { agent_id: "alice" }
})

/** By name: `prepare(url, namespace)`, `write(url, namespace, prepared)`, `view(url, namespace, prepared)` and the view `wanted`. */
export const kinds = [
  { name: "store", write: store, view: texts, wanted: "a: text" },
  {
    name: "store, the title is taken (`merge`)",
    prepare: store,
    write: (url, namespace) => store(url, namespace, { content: "newer", on_conflict: "merge" }),
    view: texts,
    wanted: "a: newer"
  },
  {
    name: "bulk of 20",
    write: (url, namespace) =>
      ask(url, "POST /memories/bulk", {
        body: Array.from({ length: 20 }, (_, row) => ({ namespace, title: `row ${row}`, content: "text" }))
      }),
    view: counted,
    wanted: "20 memories"
  },
  {
    name: "edit",
    prepare: store,
    write: (url, _, id) => ask(url, `PUT /memories/${id}`, { body: { content: "edited" } }),
    view: texts,
    wanted: "a: edited"
  },
  {
    name: "edit: lower priority, other tags",
    prepare: (url, namespace) => store(url, namespace, { priority: 8, tags: ["old"] }),
    write: (url, _, id) => ask(url, `PUT /memories/${id}`, { body: { priority: 2, tags: ["new"] } }),
    view: ranks,
    wanted: "priority 2, tags new"
  },
  {
    name: "rename",
    prepare: store,
    write: (url, _, id) => ask(url, `PUT /memories/${id}`, { body: { title: "renamed" } }),
    view: titles,
    wanted: "renamed"
  },
  {
    name: "promote",
    prepare: store,
    write: (url, _, id) => ask(url, `POST /memories/${id}/promote`),
    view: tiers,
    wanted: "a long"
  },
  {
    name: "delete",
    prepare: store,
    write: (url, _, id) => ask(url, `DELETE /memories/${id}`),
    view: titles,
    wanted: "nothing"
  },
  {
    name: "archive",
    prepare: store,
    write: (url, _, id) => ask(url, "POST /archive", { body: { ids: [id] } }),
    view: archive,
    wanted: "live nothing; archived 1"
  },
  {
    name: "restore",
    prepare: async (url, namespace) => {
      const id = await store(url, namespace)
      await ask(url, "POST /archive", { body: { ids: [id] } })
      return id
    },
    write: (url, _, id) => ask(url, `POST /archive/${id}/restore`),
    view: archive,
    wanted: "live a; archived 0"
  },
  {
    name: "forget",
    prepare: store,
    write: (url, namespace) => ask(url, "POST /forget", { body: { namespace } }),
    view: titles,
    wanted: "nothing"
  },
  {
    name: "expiry",
    write: async (url, namespace) => {
      await store(url, namespace, { ttl_secs: 1 })
      await sleep(1200)
      return ask(url, "POST /gc")
    },
    view: titles,
    wanted: "nothing"
  },
  {
    name: "link",
    prepare: pair,
    write: (url, _, ids) => ask(url, "POST /links", { body: linkBody(ids) }),
    view: links,
    wanted: "supersedes"
  },
  {
    name: "end of a link's validity",
    prepare: linked,
    write: (url, _, ids) => ask(url, "POST /kg/invalidate", { body: linkBody(ids) }),
    view: links,
    wanted: "supersedes ended"
  },
  {
    name: "removal of a link",
    prepare: linked,
    write: (url, _, [source_id, target_id]) => ask(url, "DELETE /links", { body: { source_id, target_id } }),
    view: links,
    wanted: "nothing"
  },
  {
    name: "consolidate",
    prepare: pair,
    write: (url, namespace, ids) =>
      ask(url, "POST /consolidate", { body: { ids, title: "whole", summary: "both", namespace } }),
    view: titles,
    wanted: "whole"
  },
  {
    name: "standard",
    prepare: store,
    write: (url, namespace, id) => ask(url, "POST /namespaces", { body: { namespace, id } }),
    view: standard,
    wanted: "this one"
  },
  {
    name: "policy",
    write: (url, namespace) =>
      govern(url, namespace, { write: "owner", promote: "any", delete: "owner", approver: "human" }),
    view: policy,
    wanted: "write owner"
  },
  {
    name: "clearing of a standard",
    prepare: async (url, namespace) => {
      const id = await store(url, namespace)
      await ask(url, "POST /namespaces", { body: { namespace, id } })
      return id
    },
    write: (url, namespace) => ask(url, `DELETE /namespaces${query({ namespace })}`),
    view: standard,
    wanted: "none"
  },
  {
    name: "pending action",
    write: queueStore,
    view: (url, namespace) => action(url, namespace),
    wanted: "pending, 0 votes"
  },
  {
    name: "approved store",
    prepare: queueStore,
    write: decide("approve"),
    view: decided,
    wanted: "approved; wanted mid"
  },
  { name: "rejected store", prepare: queueStore, write: decide("reject"), view: decided, wanted: "rejected; nothing" },
  {
    name: "approved delete",
    prepare: queueOther("delete", (url, id) => ask(url, `DELETE /memories/${id}`)),
    write: decide("approve"),
    view: decided,
    wanted: "approved; nothing"
  },
  {
    name: "approved promotion",
    prepare: queueOther("promote", (url, id) => ask(url, `POST /memories/${id}/promote`)),
    write: decide("approve"),
    view: decided,
    wanted: "approved; a long"
  },
  {
    name: "vote of two",
    prepare: queue({ write: "approve", approver: { consensus: 2 } }),
    write: decide("approve"),
    view: action,
    wanted: "pending, 1 votes"
  },
  {
    name: "agent",
    write: (url, namespace) => ask(url, "POST /agents", { body: { agent_id: `of:${namespace}`, agent_type: "human" } }),
    view: async (url, namespace) =>
      shown(
        list(await read(url, "GET /agents"), "agents")?.filter(({ agent_id: id }) => id === `of:${namespace}`),
        () => "registered"
      ),
    wanted: "registered"
  },
  {
    name: "message",
    write: (url, namespace) =>
      ask(url, "POST /notify", { body: { target_agent_id: `to:${namespace}`, title: "hello", payload: "you" } }),
    view: async (url, namespace) =>
      shown(
        list(
          await read(url, `GET /inbox${query({ agent_id: `to:${namespace}` })}`, { agent: `to:${namespace}` }),
          "messages"
        ),
        ({ payload, title }) => `${title}: ${payload}`
      ),
    wanted: "hello: you"
  },
  {
    name: "entity",
    write: (url, namespace) =>
      ask(url, "POST /entities", { body: { canonical_name: "Ada", namespace, aliases: [`ada of ${namespace}`] } }),
    view: async (url, namespace) => {
      const found = await read(url, `GET /entities/by_alias${query({ alias: `ada of ${namespace}`, namespace })}`)
      return String(found.canonical_name ?? "nothing")
    },
    wanted: "Ada"
  },
  {
    name: "import",
    write: (url, namespace) => ask(url, "POST /import", { body: { memories: [imported(namespace)] } }),
    view: titles,
    wanted: "imported"
  }
]

/** Takes everything in the archive of its node, so it comes by itself, after the others. */
export const purge = {
  name: "purge of the archive",
  prepare: async (url, namespace) => {
    const id = await store(url, namespace)
    await ask(url, "POST /archive", { body: { ids: [id] } })
    return id
  },
  write: (url) => ask(url, "DELETE /archive"),
  view: archive,
  wanted: "live nothing; archived 0"
}

/** Whoever decides must be known to the later releases, and whoever stores has a key there. */
export const register = async (mesh) => {
  for (const agent of AGENTS) {
    const body = { agent_id: agent, agent_type: "human" }
    await ask(mesh.nodes.at(-1).url, "POST /agents", { agent, body })
    if (mesh.gates === "open") continue
    for (const node of mesh.nodes.filter(({ kind }) => kind === "o")) {
      await ask(node.url, "POST /agents", { agent, body })
      bindKey(node, mesh.original, agent)
    }
  }
}
