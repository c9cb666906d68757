import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Call from "../http/call.js"
import * as Node from "../http/node.js"

/*
 * What the two client libraries of the original send, method by method, and what they read of the answer: the requests are
 * theirs, with their headers, and the fields are those that they fail without.
 */

let node: Node.Node
let call: Call.Send
beforeAll(async () => {
  node = await Node.start()
  call = Call.to(node)
})
afterAll(() => node.stop())

/** A client as its library makes it; a status of 400 and above is an error there. */
const client = (headers: Record<string, string>) => async (method: string, path: string, body?: unknown) => {
  const answered = await call(method, path, {
    headers: { accept: "application/json", ...headers },
    ...(body === undefined ? {} : { body })
  })
  const said = answered.body["error"] ?? answered.body["message"]
  if (answered.status >= 400) throw new Error(`${answered.status} ${String(said)}`)
  return answered
}

const typescript = client({ "x-agent-id": "sdk-test-agent" })
const python = client({ "user-agent": "ai-memory-python/0.6.0-alpha.0", "x-agent-id": "sdk-test-agent" })

const failing = async (sent: Promise<unknown>): Promise<string> =>
  sent.then(() => "no error", (error: unknown) => String(error))

/** Every field that the model of a memory of the libraries has to have, with its type. */
const isMemory = (memory: unknown): void => {
  assert.isTrue(Call.isRecord(memory), JSON.stringify(memory))
  const fields = Object(memory)
  for (const name of ["id", "tier", "namespace", "title", "content", "source", "created_at", "updated_at"]) {
    assert.isString(fields[name], name)
  }
  for (const name of ["priority", "confidence", "access_count"]) assert.isNumber(fields[name], name)
  assert.isTrue(Array.isArray(fields.tags))
  assert.isTrue(Call.isRecord(fields.metadata))
}

const store = async (send: typeof python, title: string, more: object = {}) =>
  String((await send("POST", "/memories", { title, content: "c", namespace: "sdk", ...more })).body["id"])

describe("the TypeScript library", () => {
  it("health, stats, metrics", async () => {
    assert.include(["ok", "error"], (await typescript("GET", "/health")).body["status"])
    const stats = (await typescript("GET", "/stats")).body
    assert.isNumber(stats["total"])
    assert.isTrue(Array.isArray(stats["by_tier"]))
    assert.include((await typescript("GET", "/metrics")).text, "# HELP")
  })

  it("store, get, update, promote, delete", async () => {
    const created =
      (await typescript("POST", "/memories", { title: "ts", content: "c", tags: ["x"], priority: 5 })).body
    for (const name of ["id", "tier", "namespace", "title", "agent_id"]) assert.isString(created[name], name)
    const path = `/memories/${String(created["id"])}`
    const fetched = (await typescript("GET", path)).body
    assert.deepInclude(fetched, { id: created["id"], title: "ts" })
    isMemory(fetched)
    isMemory((await typescript("PUT", path, { content: "d" })).body)
    const promoted = (await typescript("POST", `${path}/promote`)).body
    isMemory(promoted)
    assert.strictEqual(promoted["tier"], "long")
    assert.strictEqual((await typescript("DELETE", path)).body["deleted"], true)
    assert.match(await failing(typescript("GET", path)), /404/)
    assert.match(await failing(typescript("POST", "/memories", { title: "", content: "c" })), /400/)
    await store(typescript, "twice")
    assert.match(await failing(store(typescript, "twice")), /409/)
  })

  it("storeBulk", async () => {
    const memories = [{ title: "bulk 1", content: "c" }, { title: "bulk 2", content: "c" }]
    const { body } = await typescript("POST", "/memories/bulk", { memories })
    assert.deepInclude(body, { created: 2, count: 2, errors: [] })
  })

  it("list, recall, search, forget", async () => {
    await store(typescript, "recall test fixture")
    const listed = await typescript("GET", "/memories?namespace=sdk&limit=5&tags=x")
    assert.strictEqual(listed.body["count"], Call.rows(listed, "memories").length)
    const recalled = await typescript("POST", "/recall", { context: "test fixture", limit: 3 })
    assert.isNumber(recalled.body["tokens_used"])
    Call.rows(recalled, "memories").forEach(isMemory)
    const found = await typescript("GET", "/search?q=fixture")
    assert.strictEqual(found.body["query"], "fixture")
    assert.isNotEmpty(Call.rows(found, "results"))
    await store(typescript, "to forget", { namespace: "sdk/forget" })
    assert.strictEqual((await typescript("POST", "/forget", { namespace: "sdk/forget" })).body["deleted"], 1)
  })

  it("link, getLinks", async () => {
    const [source_id, target_id] = [await store(typescript, "link a"), await store(typescript, "link b")]
    const linked = (await typescript("POST", "/links", { source_id, target_id, relation: "supersedes" })).body
    assert.deepInclude(linked, { source_id, target_id, relation: "supersedes" })
    assert.isString(linked["created_at"])
    const links = await typescript("GET", `/links/${source_id}`)
    assert.strictEqual(links.body["count"], Call.rows(links, "links").length)
  })

  it("notify, inbox", async () => {
    const message = { to: "ts-reader", subject: "hello", body: "text", payload: { a: 1 }, memory_id: "m" }
    assert.strictEqual((await typescript("POST", "/notify", message)).body["sent"], true)
    const inbox = await typescript("GET", "/inbox?agent_id=ts-reader&unread=true&limit=5")
    assert.isNumber(inbox.body["unread"])
    const [received] = Call.rows(inbox, "messages")
    assert.deepInclude(received, { ...message, from: "sdk-test-agent" })
    assert.isString(received?.["received_at"])
  })

  it("registerAgent, agents, namespaces", async () => {
    const agent = { agent_id: "ts-agent", agent_type: "ai:claude-opus-4.7", capabilities: ["read"] }
    const registered = (await typescript("POST", "/agents", agent)).body
    assert.deepInclude(registered, agent)
    for (const name of ["registered_at", "last_seen_at"]) assert.isString(registered[name])
    assert.isNotEmpty(Call.rows(await typescript("GET", "/agents"), "agents"))
    assert.isNotEmpty(Call.rows(await typescript("GET", "/namespaces"), "namespaces"))
  })

  it("requireProfile", async () => {
    const { families } = (await typescript("GET", "/capabilities")).body
    // Without families the library warns, and goes on.
    if (families !== undefined) assert.isTrue(Array.isArray(Object(families).families))
  })
})

describe("the Python library", () => {
  it("health, metrics, stats, namespaces", async () => {
    assert.strictEqual((await python("GET", "/health")).body["status"], "ok")
    assert.include((await python("GET", "/metrics")).text, "# HELP")
    const stats = (await python("GET", "/stats")).body
    for (const name of ["total", "expiring_soon", "links_count", "db_size_bytes"]) assert.isNumber(stats[name], name)
    assert.isTrue(Array.isArray((await python("GET", "/namespaces")).body["namespaces"]))
  })

  it("store, get, update, promote, delete: with every default in the body", async () => {
    const whole = { tier: "mid", tags: [], priority: 5, confidence: 1, source: "api", metadata: {} }
    const id = await store(python, "py", whole)
    const path = `/memories/${id}`
    const memory = (await python("GET", path)).body
    isMemory(memory)
    assert.deepInclude(memory, { namespace: "sdk", title: "py" })
    isMemory((await python("PUT", path, { content: "d" })).body)
    assert.strictEqual((await python("POST", `${path}/promote`)).body["promoted"], true)
    assert.strictEqual((await python("DELETE", path)).body["deleted"], true)
    assert.match(await failing(python("GET", path)), /404/)
  })

  it("bulk_store: ids, and errors that are objects", async () => {
    const rows = [{ title: "py bulk", content: "c" }, { title: "", content: "c" }]
    const { body } = await python("POST", "/memories/bulk", rows)
    assert.strictEqual(body["created"], 1)
    assert.isTrue(Array.isArray(body["ids"]) && body["ids"].every((id) => typeof id === "string"))
    assert.lengthOf(Call.rows({ body }, "errors"), 1)
  })

  it("list, search, recall: lists of memories", async () => {
    await store(python, "zebra crossing")
    for (const path of ["/memories?namespace=sdk", "/search?q=zebra"]) {
      const found = Call.rows(await python("GET", path), "memories")
      assert.isNotEmpty(found, path)
      found.forEach(isMemory)
    }
    const recalled = await python("POST", "/recall", { context: "zebra", limit: 10 })
    assert.isNotEmpty(Call.rows(recalled, "memories"))
    assert.isNumber(recalled.body["count"])
  })

  it("forget: by the query, without a body", async () => {
    await store(python, "to forget", { namespace: "sdk/py/forget" })
    const path = "/forget?namespace=sdk%2Fpy%2Fforget"
    assert.strictEqual((await python("POST", path)).body["deleted"], 1)
  })

  it("link, get_links, lineage", async () => {
    const [source_id, target_id] = [await store(python, "py a"), await store(python, "py b")]
    await python("POST", "/links", { source_id, target_id, relation: "derived_from" })
    assert.lengthOf(Call.rows(await python("GET", `/links/${source_id}`), "links"), 1)
    const lineage = await python("GET", `/memories/${source_id}/lineage?direction=ancestors`)
    assert.deepStrictEqual(Call.rows(lineage, "nodes"), [
      { id: target_id, cid: null, relation: "derived_from", depth: 1 }
    ])
    assert.deepInclude(lineage.body, { id: source_id, direction: "ancestors", count: 1 })
  })

  it("gc, export, import_: what was taken out comes back in without a word", async () => {
    assert.isNumber((await python("POST", "/gc")).body["expired_deleted"])
    const exported = (await python("GET", "/export")).body
    const imported = (await python("POST", "/import", exported)).body
    assert.deepInclude(imported, { errors: [] })
    assert.notProperty(imported, "warnings")
  })

  it("notify, inbox: with the metadata that it always sends", async () => {
    const message = { to: "py-reader", subject: "hello", body: "text", metadata: {} }
    assert.notProperty((await python("POST", "/notify", message)).body, "warnings")
    const [received] = Call.rows(await python("GET", "/inbox?agent_id=py-reader&unread_only=true"), "messages")
    assert.deepInclude(received, { ...message, from: "sdk-test-agent", read: false })
    assert.isString(received?.["received_at"])
    assert.isTrue(Array.isArray((await python("GET", "/inbox")).body["messages"]))
  })

  it("register_agent, agents", async () => {
    await python("POST", "/agents", { agent_id: "py-agent", agent_type: "human", capabilities: [] })
    const agents = Call.rows(await python("GET", "/agents"), "agents")
    assert.isNotEmpty(agents)
    for (const agent of agents) for (const name of ["registered_at", "last_seen_at"]) assert.isString(agent[name])
  })

  it("subscribes in the words of both libraries, is answered lists of events, and unsubscribes by the path", async () => {
    const wish = { events: ["memory_store"], secret: "a secret", namespace: "sdk" }
    const sent = {
      typescript: await typescript("POST", "/subscriptions", { callback_url: "https://example.org/ts", ...wish }),
      python: await python("POST", "/subscriptions", { url: "https://example.org/py", filter: {}, ...wish })
    }
    for (const { body } of Object.values(sent)) assert.deepInclude(body, { events: ["memory_store"], namespace: "sdk" })
    const listed = await python("GET", "/subscriptions?agent_id=sdk-test-agent")
    assert.deepStrictEqual(
      Call.rows(listed, "subscriptions").map(({ events, url }) => [url, events]),
      [["https://example.org/ts", ["memory_store"]], ["https://example.org/py", ["memory_store"]]]
    )
    for (const { body } of Object.values(sent)) {
      const gone = await typescript("DELETE", `/subscriptions/${String(body["id"])}`)
      assert.deepInclude(gone.body, { deleted: true, removed: true })
    }
  })

  it("refuses what never existed by a 404", async () => {
    for (
      const [method, path] of [
        ["POST", "/memories/x/grant"],
        ["POST", "/memories/x/revoke"],
        ["POST", "/cluster"]
      ] as const
    ) {
      assert.match(await failing(python(method, path, {})), /404 no such route/, path)
    }
  })
})
