import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { mint, type Scope } from "../../src/access/ApiKey.js"
import { until } from "../mesh/Cluster.js"
import * as Call from "./call.js"
import * as Node from "./node.js"

type Event = Readonly<Record<string, unknown>>

describe("what is changed", () => {
  let node: Node.Node
  let send: Call.Send
  beforeAll(async () => {
    node = await Node.start()
    send = Call.to(node)
  })
  afterAll(() => node.stop())

  const page = async (query: string, status = 200) => {
    const answered = await send("GET", `/changes?${query}`)
    assert.strictEqual(answered.status, status, answered.text)
    return { events: Call.rows(answered, "events"), cursor: String(answered.body["cursor"]), body: answered.body }
  }
  const now = async () => (await page("")).cursor

  let made = 0
  const create = async (namespace: string, more: object = {}, headers: Record<string, string> = {}) => {
    const body = { namespace, title: `t${++made}`, content: "nobody is told of it", tier: "mid", ...more }
    const answered = await send("POST", "/memories", { body, headers })
    assert.strictEqual(answered.status, 201, answered.text)
    return String(answered.body["id"])
  }
  const named = (events: ReadonlyArray<Event>) => events.map(({ event, memory_id }) => [event, memory_id])

  it("is told in order, by what it was, and without a text", async () => {
    const since = await now()
    const id = await create("told", {}, { "x-agent-id": "alice" })
    const other = await create("told")
    await send("PUT", `/memories/${id}`, { body: { content: "nobody is told of it either" } })
    await send("POST", `/memories/${id}/promote`, { headers: { "x-agent-id": "bob" } })
    const link = { source_id: id, target_id: other, relation: "related_to" }
    await send("POST", "/links", { body: link })
    await send("POST", "/kg/invalidate", { body: link })
    await send("DELETE", "/links", { body: link })
    await send("POST", "/archive", { body: { ids: [other] } })
    await send("POST", `/archive/${other}/restore`)
    await send("DELETE", `/memories/${other}`, { headers: { "x-agent-id": "alice" } })
    const { events, body } = await page(`since=${since}`)
    assert.deepStrictEqual(named(events), [
      ["memory_store", id],
      ["memory_store", other],
      ["memory_store", id],
      ["memory_promote", id],
      ["memory_link_created", id],
      ["memory_link_invalidated", id],
      ["memory_link_invalidated", id],
      ["memory_delete", other],
      ["memory_store", other],
      ["memory_delete", other]
    ])
    const [first, , edited, promoted, linked, , , archived, restored, deleted] = events
    assert.deepInclude(first, { namespace: "told", agent_id: "alice", tier: "mid", created: true })
    assert.deepInclude(edited, { created: false })
    assert.deepInclude(promoted, { agent_id: "bob", tier: "long" })
    assert.deepInclude(linked, { ...link, namespace: "told" })
    assert.deepInclude(archived, { archived: true })
    assert.deepInclude(restored, { restored: true })
    assert.deepInclude(deleted, { agent_id: "alice", namespace: "told" })
    assert.isFalse("archived" in (deleted ?? {}))
    assert.notInclude(JSON.stringify(body), "nobody")
    const seqs = events.map(({ seq }) => Number(seq))
    assert.deepStrictEqual(seqs, seqs.toSorted((a, b) => a - b))
    assert.lengthOf(new Set(events.map(({ id }) => id)), events.length)
    assert.isFalse(body["more"])
  })

  it("is consolidated, asked for and stored by an approval", async () => {
    const since = await now()
    const ids = [await create("joined"), await create("joined")]
    await send("POST", "/consolidate", { body: { ids, title: "both", summary: "of two", namespace: "joined" } })
    await send("POST", "/namespaces", {
      body: { namespace: "asks", governance: { write: "approve", approver: "human" } }
    })
    const queued = await send("POST", "/memories", {
      body: { namespace: "asks", title: "t", content: "c", agent_id: "ann" }
    })
    assert.strictEqual(queued.status, 202, queued.text)
    const pending = queued.body["pending_id"]
    await send("POST", `/pending/${String(pending)}/approve`, { headers: { "x-agent-id": "boss" } })
    const { events } = await page(`since=${since}`)
    const consolidated = events.find(({ event }) => event === "memory_consolidated")
    assert.sameMembers(Array.isArray(consolidated?.["sources"]) ? consolidated["sources"] : [], ids)
    const requested = events.find(({ event }) => event === "approval_requested")
    assert.deepInclude(requested, { pending_id: pending, action_type: "store", requested_by: "ann", memory_id: null })
    assert.deepInclude(events.at(-1), { event: "memory_store", pending_id: pending, namespace: "asks" })
  })

  it("is told page by page, each event once", async () => {
    const since = await now()
    const ids: Array<string> = []
    for (let i = 0; i < 7; i++) ids.push(await create("pages"))
    const heard: Array<unknown> = []
    let at = since
    for (let more = true; more;) {
      const { body, cursor, events } = await page(`since=${at}&limit=3`)
      assert.isAtMost(events.length, 3)
      heard.push(...events.map(({ memory_id }) => memory_id))
      at = cursor
      more = body["more"] === true
    }
    assert.deepStrictEqual(heard, ids)
    assert.lengthOf((await page(`since=${at}`)).events, 0)
    assert.isAtLeast((await page("since=start&limit=1000")).events.length, ids.length)
  })

  it("is filtered by namespace, agent and event", async () => {
    const since = await now()
    const a = await create("f/a", {}, { "x-agent-id": "ann" })
    const b = await create("f/b", {}, { "x-agent-id": "bob" })
    await send("DELETE", `/memories/${a}`, { headers: { "x-agent-id": "bob" } })
    const of = async (query: string) => named((await page(`since=${since}&${query}`)).events)
    assert.deepStrictEqual(await of("namespace=f/b"), [["memory_store", b]])
    assert.deepStrictEqual(await of("namespace=f"), [])
    assert.lengthOf(await of("namespace=f/**"), 3)
    assert.deepStrictEqual(await of("agent=bob"), [["memory_store", b], ["memory_delete", a]])
    assert.deepStrictEqual(await of("event=memory_delete,memory_promote"), [["memory_delete", a]])
    assert.lengthOf(await of("event=*"), 3)
  })

  it("is no change while it has no effect", async () => {
    const since = await now()
    const fine = await create("void")
    await create("void", { agent_id: "poisoned" })
    await send("POST", "/quarantines", { body: { agent: "poisoned", reason: "led astray" } })
    assert.deepStrictEqual(named((await page(`since=${since}`)).events), [["memory_store", fine]])
  })

  it("is waited for", async () => {
    const since = await now()
    const waiting = page(`since=${since}&wait=20&namespace=waited`)
    await create("elsewhere")
    const id = await create("waited")
    assert.deepStrictEqual(named((await waiting).events), [["memory_store", id]])
    const empty = await page(`since=${await now()}&wait=1`)
    assert.lengthOf(empty.events, 0)
  })

  it("is refused to what is no cursor, and to filters that are none", async () => {
    const cursorOf = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
    const expired = "2026-01-05T09:00:00.000000000+00:00"
    const hostile = [
      "!",
      "AAAA",
      "%00",
      Buffer.from(`${JSON.stringify({ v: 1, held: {}, expired })}${" ".repeat(18_500)}`).toString("base64url"),
      cursorOf({ v: 2, held: {}, expired }),
      cursorOf({ v: 1, held: { "no origin": 1 }, expired }),
      cursorOf({ v: 1, held: { "a/1": -1 }, expired }),
      cursorOf({ v: 1, held: { "a/1": 1e300 }, expired }),
      cursorOf({ v: 1, held: { "a/1": [5, [3, 2]] }, expired }),
      cursorOf({ v: 1, held: { "a/1": "1" }, expired }),
      cursorOf({ v: 1, held: {}, expired: "yesterday" }),
      cursorOf([]),
      Buffer.from(`{"v":1,"held":${"[".repeat(5000)}`).toString("base64url")
    ]
    for (const since of hostile) {
      const answered = await send("GET", `/changes?since=${since}`)
      assert.strictEqual(answered.status, 400, `${since.slice(0, 40)}: ${answered.text}`)
      assert.strictEqual(answered.body["field"], "since")
    }
    // Of what this node never heard of there is nothing to tell, and it stays in the cursor.
    const ahead = cursorOf({ v: 1, held: { "elsewhere/1": Number.MAX_SAFE_INTEGER }, expired })
    const { cursor } = await page(`since=${ahead}&limit=1`)
    assert.include(Buffer.from(cursor, "base64url").toString(), `"elsewhere/1":${Number.MAX_SAFE_INTEGER}`)
    for (const query of ["event=memory_forgotten", "agent=a%20b", "namespace=a%20b", "limit=0", "wait=x"]) {
      await page(query, 400)
    }
  })

  describe("as server-sent events", () => {
    const listen = async (headers: Record<string, string>, query = "") => {
      const cancel = new AbortController()
      const response = await fetch(`${node.url}/api/v1/changes${query}`, {
        headers: { accept: "text/event-stream", ...headers },
        signal: cancel.signal
      })
      assert.strictEqual(response.status, 200)
      assert.strictEqual(response.headers.get("content-type"), "text/event-stream")
      let text = ""
      const ended = (async () => {
        const decoder = new TextDecoder()
        for await (const chunk of response.body ?? []) text += decoder.decode(chunk, { stream: true })
      })().catch(() => undefined)
      const blocks = () => text.split("\n\n").filter((block) => block.startsWith("event: "))
      return {
        names: () =>
          blocks().map((block) => /^data: (.*)$/m.exec(block)?.[1] ?? "{}").map((data): unknown => JSON.parse(data))
            .map((event) => Call.isRecord(event) ? event["memory_id"] : undefined),
        at: () => /^id: (.*)$/m.exec(blocks().at(-1) ?? "")?.[1] ?? "",
        stop: async () => {
          cancel.abort()
          await ended
        }
      }
    }

    it("go on where the last one was heard", async () => {
      const first = await listen({})
      const a = await create("stream")
      await until("the first event", () => Promise.resolve(first.names().length === 1))
      assert.deepStrictEqual(first.names(), [a])
      await first.stop()
      const b = await create("stream")
      const second = await listen({ "last-event-id": first.at() })
      await until("the second event", () => Promise.resolve(second.names().length === 1))
      assert.deepStrictEqual(second.names(), [b])
      await second.stop()
    })
  })
})

describe("a key that is kept to namespaces", () => {
  it("hears of what is in them alone", async () => {
    const minted = (name: string, namespaces?: ReadonlyArray<string>) =>
      Effect.runSync(mint({
        name,
        scopes: new Set<Scope>(["read", "write"]),
        agentId: Option.none(),
        namespaces: Option.fromNullable(namespaces),
        expiresAt: Option.none()
      }))
    const [root, team] = [minted("root"), minted("team", ["team/*"])]
    const node = await Node.start({ apiKeys: Option.some([root.key, team.key]) })
    const as = (secret: Redacted.Redacted) => ({ authorization: `Bearer ${Redacted.value(secret)}` })
    try {
      const send = Call.to(node)
      const create = async (namespace: string) =>
        String(
          (await send("POST", "/memories", { body: { namespace, title: "t", content: "c" }, headers: as(root.secret) }))
            .body["id"]
        )
      const [seen, hidden, gone] = [await create("team/a"), await create("secret"), await create("team/b")]
      const link = { source_id: seen, target_id: hidden, relation: "related_to" }
      await send("POST", "/links", { body: link, headers: as(root.secret) })
      for (const id of [hidden, gone]) await send("DELETE", `/memories/${id}`, { headers: as(root.secret) })
      const hear = async (secret: Redacted.Redacted) => {
        const answered = await send("GET", "/changes?since=start", { headers: as(secret) })
        assert.strictEqual(answered.status, 200, answered.text)
        return Call.rows(answered, "events").map(({ event, memory_id }) => [event, memory_id])
      }
      assert.lengthOf(await hear(root.secret), 6)
      assert.deepStrictEqual(await hear(team.secret), [
        ["memory_store", seen],
        ["memory_store", gone],
        ["memory_delete", gone]
      ])
    } finally {
      await node.stop()
    }
  })
})
