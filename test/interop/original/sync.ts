import * as Schema from "effect/Schema"
import { type Call, callerOf, invalid, limitOf, type Node, Reply, route } from "./http.js"
import * as push from "./push.js"
import * as shapes from "./shapes.js"
import * as validate from "./validate.js"

/** What peers ask for. There is no `hello`: it is an unknown route here. */
export const routes = (node: Node) => [
  route("POST", "/sync/push", (call) => {
    const body = call.json(shapes.PushRequest)
    const sender = validate.agentId(body.sender_agent_id)
    if (sender !== null) throw invalid(`invalid sender_agent_id: ${sender}`)
    const receiver = callerOf(call)
    const list = push.overCap(body)
    if (list !== undefined) throw invalid(`sync_push limited to 1000 ${list} per request`)
    return new Reply(200, push.receive(node.store, body, receiver))
  }),
  route("GET", "/sync/since", (call) => since(node, call)),
  route("GET", "/health", () =>
    new Reply(200, {
      status: "ok",
      service: "ai-memory",
      version: "0.6.4",
      embedder_ready: false,
      federation_enabled: node.fanout.isEnabled
    }))
]

/** Stamps compare as texts, strictly; rows of one stamp have no order, and a page may end between them. */
const since = ({ store }: Node, call: Call) => {
  const asked = call.query.get("since")
  if (asked !== null && asked !== "" && validate.stamp(asked) !== null) throw invalid("invalid since parameter")
  const limit = limitOf(call, 500, 10_000)
  const rows = store.memories("updated_at > ? ORDER BY updated_at ASC LIMIT ?", asked ?? "", limit)
  const peer = call.query.get("peer")
  const latest = rows.at(-1)?.updated_at ?? null
  if (peer !== null && latest !== null && validate.agentId(peer) === null) store.saw(callerOf(call), peer, latest)
  return new Reply(200, {
    count: rows.length,
    limit,
    updated_since: asked,
    earliest_updated_at: rows[0]?.updated_at ?? null,
    latest_updated_at: latest,
    memories: rows.map(shapes.wireMemory)
  })
}

const Page = Schema.Struct({ memories: Schema.Array(Schema.Unknown) })

/**
 * One turn of the catch-up loop: one page of every peer. The cursor belongs to the peer's place in the list, and passes
 * also rows that could not be inserted.
 */
export const catchUp = async ({ fanout, name, store }: Node): Promise<void> => {
  const local = `host:${name}`
  for (const { id, url } of fanout.peers) {
    const cursor = store.clockOf(local)[id]
    const from = cursor === undefined ? "" : `since=${encodeURIComponent(cursor)}&`
    const page = Schema.decodeUnknownOption(Page)(await fanout.get(`${url}/api/v1/sync/since?${from}peer=${local}`))
    if (page._tag === "None") continue
    for (const item of page.value.memories) {
      const row = Schema.decodeUnknownOption(shapes.Memory)(item)
      if (row._tag === "None" || validate.memory(row.value) !== null) continue
      push.outcome("applied", () => store.insertIfNewer(row.value))
      store.saw(local, id, row.value.updated_at)
    }
  }
}
