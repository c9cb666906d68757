import * as Schema from "effect/Schema"
import * as bodies from "./bodies.js"
import { fresh } from "./fresh.js"
import * as governance from "./governance.js"
import { absent, type Call, callerOf, expectValid, invalid, limitOf, type Node, Reply, route } from "./http.js"
import * as shapes from "./shapes.js"
import { higher, Refused, type Store } from "./Store.js"
import * as validate from "./validate.js"

/** Memories, links and archive. */
export const routes = (node: Node) => [
  route("POST", "/memories", (call) => create(node, call)),
  route("POST", "/memories/bulk", (call) => bulk(node, call)),
  route("GET", "/memories", (call) => list(node, call)),
  route("GET", "/search", (call) => search(node, call)),
  route("GET", "/memories/{}", (call) => {
    const memory = named(node.store, call)
    return new Reply(200, { memory: shapes.wireMemory(memory), links: linksOf(node.store, memory.id) })
  }),
  route("PUT", "/memories/{}", (call) => update(node, call)),
  route("DELETE", "/memories/{}", (call) => remove(node, call)),
  route("POST", "/memories/{}/promote", (call) => promote(node, call)),
  route("POST", "/consolidate", (call) => consolidate(node, call)),
  route("POST", "/links", (call) => link(node, call)),
  route("DELETE", "/links", (call) => {
    const { source_id, target_id } = call.json(bodies.Link)
    return new Reply(200, { deleted: node.store.unlink(source_id, target_id) })
  }),
  route("GET", "/links/{}", ({ parts }) => new Reply(200, { links: linksOf(node.store, parts[0] ?? "") })),
  route("GET", "/archive", (call) => archiveList(node, call)),
  route("POST", "/archive", (call) => archive(node, call)),
  route("POST", "/archive/{}/restore", async ({ parts: [id = ""] }) => {
    if (!node.store.restore(id)) throw absent("not found in archive")
    await node.replicate({ restores: [id] }, id)
    return new Reply(200, { restored: true, id })
  })
]

const create = async (node: Node, call: Call) => {
  const { now, store } = node
  const input = call.json(shapes.CreateMemory)
  const asked = fresh(input, now())
  expectValid(validate.create(input, asked))
  const caller = callerOf(call, input.agent_id)
  const scope = input.scope === null ? {} : { scope: input.scope }
  const row = {
    ...asked,
    title: input.on_conflict === "version" ? freeTitle(store, asked) : asked.title,
    metadata: { ...shapes.recordOf(asked.metadata), agent_id: caller, ...scope }
  }
  const { namespace, tier, title } = row
  const holder = store.bySlot(row)
  if (holder !== undefined && input.on_conflict !== "merge") {
    const error = `'${title}' already exists in namespace '${namespace}'`
    throw new Reply(409, { code: "CONFLICT", error, existing_id: holder.id })
  }
  await governance.gate(node, { action: "store", namespace, caller, payload: shapes.wireMemory(row) })
  // What is pushed is the row as it came in, under the id that survived here.
  const id = store.upsert(row)
  const acks = await node.replicateRow({ ...row, id }, node.embed)
  const counted = acks === undefined ? {} : { quorum_acks: acks }
  return new Reply(201, { id, tier, namespace, title, agent_id: caller, ...counted })
}

const freeTitle = (store: Store, { namespace, title }: shapes.Memory): string => {
  let free = title
  for (let n = 2; store.bySlot({ namespace, title: free }) !== undefined; n++) free = `${title} (${n})`
  return free
}

/** All rows of one call have one stamp; a row whose slot is taken is pushed under an id that nobody has. */
const bulk = async ({ fanout, now, store }: Node, call: Call) => {
  const inputs = call.json(Schema.Array(shapes.CreateMemory))
  if (inputs.length > 1000) throw invalid("bulk limited to 1000 memories per request")
  const at = now()
  const errors: Array<string> = []
  const rows: Array<shapes.Memory> = []
  for (const input of inputs) {
    const row = fresh(input, at)
    const problem = validate.create(input, row)
    if (problem === null) rows.push(row)
    else errors.push(`${input.title}: ${problem}`)
  }
  for (const row of rows) store.upsert(row)
  const waiting = [...rows]
  await Promise.all(Array.from({ length: 8 }, async () => {
    for (let row = waiting.shift(); row !== undefined; row = waiting.shift()) {
      const verdict = await fanout.replicate({ memories: [shapes.wireMemory(row)] }, row.id)
      if (verdict?.met === false) errors.push(`${row.id}: quorum not met (${verdict.got} of ${verdict.needed})`)
    }
  }))
  if (rows.length > 0) errors.push(...await fanout.catchUpBulk(rows.map(shapes.wireMemory)))
  return new Reply(200, { created: rows.length, errors })
}

/** The memory that the path names, by id or by a prefix of one only. */
const named = (store: Store, { parts: [wanted = ""] }: Call): shapes.Memory => {
  const exact = store.byId(wanted)
  if (exact !== undefined) return exact
  const [match, another] = store.memories("substr(id, 1, length(?)) = ?", wanted, wanted)
  if (another !== undefined) throw invalid(`ambiguous ID prefix: ${wanted}`)
  if (match === undefined) throw absent()
  return match
}

const linksOf = (store: Store, id: string) => store.links("? IN (source_id, target_id)", id).map(shapes.wireLink)

/** The rows that the query's filters leave, best first. */
const listed = ({ now, store }: Node, { query }: Call) => {
  const rows = store.memories("expires_at IS NULL OR expires_at > ? ORDER BY priority DESC, updated_at DESC", now())
  const asked = (name: string, holds: (value: string) => boolean) => holds(query.get(name) ?? "") || !query.has(name)
  return rows.filter((row) =>
    asked("namespace", (namespace) => row.namespace === namespace) &&
    asked("tier", (tier) => row.tier === tier) &&
    asked("min_priority", (priority) => row.priority >= Number(priority)) &&
    asked("since", (since) => row.created_at >= since) &&
    asked("until", (until) => row.created_at <= until) &&
    asked("tags", (tag) => row.tags.includes(tag)) &&
    asked("agent_id", (agentId) => shapes.ownerOf(row) === agentId)
  )
}

const list = (node: Node, call: Call) => {
  const offset = Number(call.query.get("offset") ?? 0)
  const memories = listed(node, call).slice(offset, offset + limitOf(call, 20, 1000))
  return new Reply(200, { memories: memories.map(shapes.wireMemory), count: memories.length })
}

const search = (node: Node, call: Call) => {
  const query = call.query.get("q") ?? ""
  if (query.trim() === "") throw invalid("query is required")
  const words = query.toLowerCase().split(/\s+/)
  const results = listed(node, call).filter((row) => {
    const text = [row.title, row.content, ...row.tags].join(" ").toLowerCase()
    return words.every((word) => text.includes(word))
  }).slice(0, limitOf(call, 20, 1000))
  return new Reply(200, { results: results.map(shapes.wireMemory), count: results.length, query })
}

/** Keeps the id also under a new title or namespace. */
const update = async (node: Node, call: Call) => {
  const { now, store } = node
  const input = call.json(shapes.UpdateMemory)
  const local = named(store, call)
  const row: shapes.Memory = {
    ...local,
    title: input.title ?? local.title,
    content: input.content ?? local.content,
    namespace: input.namespace ?? local.namespace,
    tier: higher(local.tier, input.tier ?? local.tier),
    tags: input.tags ?? local.tags,
    priority: input.priority ?? local.priority,
    confidence: input.confidence ?? local.confidence,
    expires_at: input.expires_at ?? local.expires_at,
    metadata: shapes.keepOwner(input.metadata ?? local.metadata, local),
    updated_at: now()
  }
  expectValid(validate.memory(row))
  try {
    store.put(row)
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    throw new Reply(409, { error: `'${row.title}' already exists in namespace '${row.namespace}'` })
  }
  await node.replicateRow(row)
  return new Reply(200, shapes.wireMemory(row))
}

const remove = async (node: Node, call: Call) => {
  const local = named(node.store, call)
  const { id, namespace, title } = local
  const caller = callerOf(call)
  await governance.gate(node, { action: "delete", namespace, caller, memory: local, payload: { id, title } })
  node.store.remove(id)
  await node.replicate({ deletions: [id] }, id)
  return new Reply(200, { deleted: true })
}

const promote = async (node: Node, call: Call) => {
  const local = named(node.store, call)
  const { id, namespace } = local
  const caller = callerOf(call)
  await governance.gate(node, { action: "promote", namespace, caller, memory: local, payload: { id } })
  await node.replicateRow(node.store.promote(id))
  return new Reply(200, { promoted: true, id, tier: "long" })
}

/** One plain insert and hard deletes, in one transaction: a missing source or a taken slot is a 500. */
const consolidate = async (node: Node, call: Call) => {
  const { now, store } = node
  const { agent_id, ids, namespace, summary, tier, title } = call.json(bodies.Consolidate)
  if (ids.length < 2 || ids.length > 100 || new Set(ids).size < ids.length) throw invalid("2 to 100 different ids")
  const owner = callerOf(call, agent_id)
  const row = store.transaction(() => {
    const sources = ids.map((id) => store.byId(id)).filter((source) => source !== undefined)
    if (sources.length < ids.length) throw new Refused("memory not found")
    const merged = Object.assign({}, ...sources.map(({ metadata }) => metadata))
    const made = fresh({ title, content: summary, namespace, tier, source: "consolidation" }, now(), {
      tags: [...new Set(sources.flatMap(({ tags }) => tags))],
      priority: Math.max(5, ...sources.map(({ priority }) => priority)),
      access_count: sources.reduce((sum, { access_count }) => sum + access_count, 0),
      expires_at: null,
      metadata: { ...merged, derived_from: ids, consolidated_from_agents: ids, agent_id: owner }
    })
    expectValid(validate.memory(made))
    store.add(made)
    for (const id of ids) store.remove(id)
    return made
  })
  await node.replicate({ memories: [shapes.wireMemory(row)], deletions: ids }, row.id)
  return new Reply(201, { id: row.id, consolidated: ids.length })
}

/** What is pushed has a stamp of its own, no signature and no validity. */
const link = async ({ now, replicate, store }: Node, call: Call) => {
  const triple = call.json(bodies.Link)
  expectValid(validate.link(triple))
  const at = now()
  const bare = { ...triple, signature: null, observed_by: null, valid_until: null }
  store.link({ ...bare, created_at: at, valid_from: at, attest_level: "unsigned" })
  const { relation, source_id, target_id } = triple
  await replicate({ links: [{ source_id, target_id, relation, created_at: now() }] }, `${source_id}→${target_id}`)
  return new Reply(201, { linked: true, attest_level: "unsigned" })
}

const archiveList = ({ store }: Node, call: Call) => {
  const limit = limitOf(call, 50, 1000)
  if (limit === 0) throw invalid("limit must be between 1 and 1000")
  const namespace = call.query.get("namespace")
  const rows = store.archived("? IS NULL OR namespace = ?", namespace, namespace)
  const archived = rows.slice(0, limit).map(({ original_expires_at: _, original_tier: __, ...row }) => ({
    ...row,
    tags: JSON.stringify(row.tags)
  }))
  return new Reply(200, { archived, count: archived.length })
}

/** One push per id, one after the other; the first that misses its quorum ends it. */
const archive = async (node: Node, call: Call) => {
  const { ids, reason: given } = call.json(bodies.Archive)
  if (ids.length > 1000) throw invalid("archive limited to 1000 ids per request")
  const reason = given ?? "archive"
  const archived: Array<string> = []
  const missing: Array<string> = []
  for (const id of ids) {
    if (!node.store.archive(id, reason)) missing.push(id)
    else {
      archived.push(id)
      await node.replicate({ archives: [id] }, id)
    }
  }
  return new Reply(200, { archived, missing, count: archived.length, reason })
}
