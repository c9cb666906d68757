import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { mint, type Scope } from "../../src/access/ApiKey.js"
import * as Call from "./call.js"
import * as Node from "./node.js"

const SECRET = "nobody-is-shown-this"

describe("subscriptions", () => {
  let node: Node.Node
  let send: Call.Send
  beforeAll(async () => {
    node = await Node.start()
    send = Call.to(node)
  })
  afterAll(() => node.stop())

  const subscribe = async (body: object, status = 201, headers: Record<string, string> = {}) => {
    const answered = await send("POST", "/subscriptions", { body, headers })
    assert.strictEqual(answered.status, status, answered.text)
    return answered.body
  }
  const listed = async (agent: string, headers: Record<string, string> = {}) => {
    const answered = await send("GET", `/subscriptions?agent_id=${agent}`, { headers })
    assert.strictEqual(answered.status, 200, answered.text)
    assert.notInclude(answered.text, SECRET)
    return Call.rows(answered, "subscriptions")
  }

  it("are made in the forms of all clients, listed without their secret, and ended", async () => {
    const url = "https://example.org/hook"
    const rust = await subscribe(
      { url, events: "memory_store,memory_delete", secret: SECRET, agent_filter: "bob" },
      201,
      {
        "x-agent-id": "ann"
      }
    )
    assert.deepInclude(rust, {
      url,
      events: "memory_store,memory_delete",
      namespace_filter: null,
      agent_filter: "bob",
      agent_id: "ann",
      created_by: "ann"
    })
    const script = await subscribe({
      callback_url: url,
      events: ["memory_store"],
      secret: SECRET,
      namespace: "a/b",
      agent_id: "ann"
    })
    assert.deepInclude(script, { url, events: ["memory_store"], namespace: "a/b", namespace_filter: "a/b" })
    const python = await subscribe({ url, events: ["*"], secret: SECRET, filter: { namespace: "n" }, agent_id: "ann" })
    assert.deepInclude(python, { events: ["*"], namespace_filter: "n" })
    for (const made of [rust, script, python]) assert.notInclude(JSON.stringify(made), SECRET)

    const all = await listed("ann")
    assert.deepStrictEqual(all.map(({ id }) => id), [rust["id"], script["id"], python["id"]])
    assert.deepInclude(all[1], {
      events: "memory_store",
      signed: true,
      dispatch_count: 0,
      failure_count: 0,
      namespace: "a/b"
    })
    const [first] = await listed("ann", { "user-agent": "ai-memory-python/0.6.0-alpha.0" })
    assert.deepStrictEqual(first?.["events"], ["memory_store", "memory_delete"])

    const gone = await send("DELETE", `/subscriptions/${String(rust["id"])}`)
    assert.deepInclude(gone.body, { id: rust["id"], removed: true, deleted: true })
    const byId = await send("DELETE", `/subscriptions?id=${String(script["id"])}`)
    assert.deepInclude(byId.body, { id: script["id"], removed: true })
    const again = await send("DELETE", `/subscriptions?id=${String(script["id"])}`)
    assert.strictEqual(again.status, 200)
    assert.deepInclude(again.body, { id: "", removed: false, deleted: false })
    assert.lengthOf(await listed("ann"), 1)
  })

  it("without a URL say that somebody is there", async () => {
    const made = await subscribe({ agent_id: "there", namespace: "team/ops" })
    assert.deepInclude(made, { agent_id: "there", namespace: "team/ops", events: "*" })
    const [found] = await listed("there")
    assert.deepInclude(found, { id: made["id"], url: made["url"] })
    const other = await send("DELETE", "/subscriptions?agent_id=there&namespace=other")
    assert.deepInclude(other.body, { removed: false })
    const gone = await send("DELETE", "/subscriptions?agent_id=there&namespace=team/ops")
    assert.deepInclude(gone.body, { id: made["id"], removed: true })
    assert.lengthOf(await listed("there"), 0)
  })

  it("are refused for URLs inside, and for what is none", async () => {
    const hostile = [
      "http://example.org/",
      "ftp://example.org/",
      "https://user:word@example.org/",
      "https://example.org/#part",
      "https://localhost/",
      "https://a.localhost./",
      "https://127.0.0.1/",
      "https://2130706433/",
      "https://0x7f.1/",
      "https://0/",
      "https://[::1]/",
      "https://[::]/",
      "https://[::ffff:127.0.0.1]/",
      "https://[::ffff:10.0.0.1]/",
      "https://[64:ff9b::10.0.0.1]/",
      "https://[2002:a00:1::]/",
      "https://[fe80::1]/",
      "https://[fd00::1]/",
      "https://10.1.2.3/",
      "https://172.31.255.255/",
      "https://192.168.0.1/",
      "https://100.64.0.1/",
      "https://169.254.169.254/latest/meta-data",
      "https://224.0.0.1/",
      "https://255.255.255.255/",
      "https://exa mple.org/",
      "javascript:alert(1)",
      "",
      `https://example.org/${"a".repeat(2048)}`
    ]
    for (const url of hostile) {
      const body = await subscribe({ url }, 400)
      assert.strictEqual(body["field"], "url", url)
    }
    for (
      const body of [
        { secret: "" },
        { secret: "s".repeat(257) },
        { events: "memory_forgotten" },
        { events: ["memory_store", "x"] },
        { namespace_filter: "a b" },
        { agent_filter: "a b" }
      ]
    ) {
      await subscribe({ url: "https://example.org/", ...body }, 400)
    }
    assert.strictEqual((await send("DELETE", "/subscriptions")).status, 400)
  })

  it("of one agent are bounded", async () => {
    for (let i = 0; i < 32; i++) await subscribe({ agent_id: "many", namespace: "n" })
    const body = await subscribe({ agent_id: "many", namespace: "n" }, 400)
    assert.include(String(body["error"]), "32")
  })

  it("of an agent that is set aside are none, and after a revert there is none either", async () => {
    const made = await subscribe({ url: "https://example.org/hook", agent_id: "poisoned" })
    const kept = await subscribe({ url: "https://example.org/hook" }, 201, { "x-agent-id": "good" })
    // What the poisoned one ended stands again.
    await send("DELETE", `/subscriptions/${String(kept["id"])}`, { headers: { "x-agent-id": "poisoned" } })
    const { body: set } = await send("POST", "/quarantines", { body: { agent: "poisoned", reason: "led astray" } })
    assert.lengthOf(await listed("poisoned"), 0)
    assert.deepStrictEqual((await listed("good")).map(({ id }) => id), [kept["id"]])
    await send("POST", `/quarantines/${String(set["id"])}/release`)
    assert.deepStrictEqual((await listed("poisoned")).map(({ id }) => id), [made["id"]])
    assert.lengthOf(await listed("good"), 0)
    const { body: again } = await send("POST", "/quarantines", { body: { agent: "poisoned", reason: "again" } })
    const reverted = await send("POST", `/quarantines/${String(again["id"])}/revert`, {
      headers: { "x-agent-id": "root" }
    })
    assert.strictEqual(reverted.status, 200, reverted.text)
    await send("POST", `/quarantines/${String(again["id"])}/release`)
    assert.lengthOf(await listed("poisoned"), 0)
    assert.deepStrictEqual((await listed("good")).map(({ id }) => id), [kept["id"]])
  })

  it("are in no export", async () => {
    await subscribe({ url: "https://example.org/exported", secret: SECRET, agent_id: "exporting" })
    for (const path of ["/export", "/export?format=ndjson", "/stats", "/capabilities", "/changes?since=start"]) {
      const { text } = await send("GET", path)
      assert.notInclude(text, SECRET)
      assert.notInclude(text, "example.org/exported")
    }
  })
})

describe("a key that is kept to namespaces", () => {
  it("can not subscribe", async () => {
    const { key, secret } = Effect.runSync(mint({
      name: "team",
      scopes: new Set<Scope>(["read", "write", "admin"]),
      agentId: Option.none(),
      namespaces: Option.some(["team/*"]),
      expiresAt: Option.none()
    }))
    const node = await Node.start({ apiKeys: Option.some([key]) })
    try {
      const headers = { authorization: `Bearer ${Redacted.value(secret)}` }
      const answered = await Call.to(node)("POST", "/subscriptions", {
        body: { agent_id: "a", namespace: "team/a" },
        headers
      })
      assert.strictEqual(answered.status, 403, answered.text)
      assert.include(answered.text, "it may follow /api/v1/changes")
    } finally {
      await node.stop()
    }
  })
})
