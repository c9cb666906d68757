import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Option from "effect/Option"
import { randomUUID } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { EVENTS } from "../../src/domain/Change.js"
import { until } from "../mesh/Cluster.js"
import * as Call from "./call.js"
import * as Node from "./node.js"

const as = (agent: string) => ({ headers: { "x-agent-id": agent } })

const fieldOf = ({ body }: Call.Answered) => body["field"]

describe("agents", () => {
  let node: Node.Node
  let send: Call.Send
  beforeAll(async () => {
    node = await Node.start()
    send = Call.to(node)
  })
  afterAll(() => node.stop())

  /** Sends a request that must be answered with the status; what it was answered. */
  const ask = async (status: number, ...request: Parameters<Call.Send>) => {
    const answered = await send(...request)
    assert.strictEqual(answered.status, status, `${request.slice(0, 2).join(" ")}: ${answered.text}`)
    return answered
  }

  const agents = async (query = "") => Call.rows(await ask(200, "GET", `/agents${query}`), "agents")

  describe("registration", () => {
    it("keeps since when, and when last", async () => {
      const body = { agent_id: "alice@host/1", agent_type: "ai:claude-opus-4.7", capabilities: ["read", "write"] }
      const first = await ask(201, "POST", "/agents", { body })
      const { acked_by, id, registered_at } = first.body
      assert.isString(registered_at)
      const times = { registered_at, last_seen_at: registered_at }
      assert.deepStrictEqual(first.body, { registered: true, id, ...body, ...times, quorum_acks: 1, acked_by })
      assert.isString(first.headers.get("x-op-id"))
      const [registered] = (await agents()).filter(({ agent_id }) => agent_id === body.agent_id)
      assert.deepInclude(registered, body)
      assert.strictEqual(registered?.["registered_at"], registered?.["last_seen_at"])

      const changed = { ...body, agent_type: "human", capabilities: null }
      const again = await ask(201, "POST", "/agents", { body: changed })
      assert.deepInclude(again.body, { id, agent_type: "human", capabilities: [], registered_at })
      assert.isTrue(String(again.body["last_seen_at"]) > String(registered_at))
      const seen = (await agents()).filter(({ agent_id }) => agent_id === body.agent_id)
      assert.lengthOf(seen, 1)
      assert.strictEqual(seen[0]?.["registered_at"], registered?.["registered_at"])
      assert.isAbove(String(seen[0]?.["last_seen_at"]).localeCompare(String(registered?.["last_seen_at"])), 0)

      const memory = Object((await ask(200, "GET", `/memories/${String(id)}`)).body["memory"])
      assert.deepInclude(memory, {
        namespace: "_agents",
        title: "agent:alice@host/1",
        tier: "long",
        source: "system",
        tags: ["agent-registration"]
      })
      assert.deepStrictEqual(JSON.parse(memory.content), memory.metadata)
      assert.strictEqual(memory.metadata.agent_id, "alice@host/1")
    })

    it("happens once for one key", async () => {
      const request = {
        body: { agent_id: "keyed", agent_type: "human" },
        headers: { "idempotency-key": randomUUID() }
      }
      const first = await ask(201, "POST", "/agents", request)
      const before = await node.contents()
      assert.deepStrictEqual((await ask(201, "POST", "/agents", request)).body, first.body)
      assert.deepStrictEqual(await node.contents(), before)
    })

    it("finds the agent again after its memory was deleted", async () => {
      const body = { agent_id: "phoenix", agent_type: "human" }
      const first = await ask(201, "POST", "/agents", { body })
      await ask(200, "DELETE", `/memories/${String(first.body["id"])}`)
      assert.isFalse((await agents()).some(({ agent_id }) => agent_id === "phoenix"))
      await ask(201, "POST", "/agents", { body })
      assert.isTrue((await agents()).some(({ agent_id }) => agent_id === "phoenix"))
    })

    it("does not take a memory that was renamed for its own", async () => {
      const body = { agent_id: "renamed", agent_type: "human" }
      const first = await ask(201, "POST", "/agents", { body })
      const path = `/memories/${String(first.body["id"])}`
      await ask(200, "PUT", path, { body: { title: "kept", namespace: "elsewhere" } })
      const second = await ask(201, "POST", "/agents", { body })
      assert.notStrictEqual(second.body["id"], first.body["id"])
      assert.strictEqual((await ask(200, "GET", path)).body["title"], "kept")
    })

    it("is listed in pages, the last seen first; other memories of its namespace are no agents", async () => {
      for (const agent_id of ["page-1", "page-2"]) {
        await ask(201, "POST", "/agents", { body: { agent_id, agent_type: "system" } })
      }
      await ask(201, "POST", "/memories", { body: { namespace: "_agents", title: "note", content: "c" } })
      await ask(201, "POST", "/memories", {
        body: { namespace: "_agents", title: "odd", content: "c", metadata: { agent_type: 5 } }
      })
      assert.deepStrictEqual((await agents("?limit=2")).map(({ agent_id }) => agent_id), ["page-2", "page-1"])
      assert.deepStrictEqual((await agents("?limit=1&offset=1")).map(({ agent_id }) => agent_id), ["page-1"])
      assert.deepStrictEqual(await agents("?limit=0"), [])
      assert.isFalse((await agents()).some(({ agent_id }) => agent_id === undefined))
      const all = await ask(200, "GET", "/agents?limit=99999")
      assert.strictEqual(all.body["count"], Call.rows(all, "agents").length)
      for (const name of ["limit", "offset"]) {
        assert.strictEqual(fieldOf(await ask(400, "GET", `/agents?${name}=-1`)), name)
      }
    })

    it("is refused with the field that is wrong", async () => {
      const good = { agent_id: "a", agent_type: "human" }
      const cases: ReadonlyArray<readonly [number, unknown, string]> = [
        [422, {}, "agent_id"],
        [422, { agent_id: "a" }, "agent_type"],
        [422, { ...good, capabilities: "read" }, "capabilities"],
        [422, { ...good, capabilities: [1] }, "capabilities[0]"],
        [422, [], ""],
        [400, { ...good, agent_id: "" }, "agent_id"],
        [400, { ...good, agent_id: "a b" }, "agent_id"],
        [400, { ...good, agent_type: "robot" }, "agent_type"],
        [400, { ...good, agent_type: `ai:${"x".repeat(62)}` }, "agent_type"],
        [400, { ...good, capabilities: Array.from({ length: 51 }, () => "x") }, "capabilities"],
        [400, { ...good, capabilities: ["x".repeat(129)] }, "capabilities"]
      ]
      const before = await node.contents()
      for (const [status, body, field] of cases) {
        assert.strictEqual(fieldOf(await ask(status, "POST", "/agents", { body })), field, JSON.stringify(body))
      }
      await ask(415, "POST", "/agents", { body: "{}", headers: { "content-type": "text/plain" } })
      assert.deepStrictEqual(await node.contents(), before)
    })
  })

  describe("messages", () => {
    const inbox = async (agent: string, query = "") =>
      Call.rows(await ask(200, "GET", `/inbox?agent_id=${encodeURIComponent(agent)}${query}`), "messages")

    it("reach the inbox from their sender", async () => {
      const body = { target_agent_id: "bob", title: "hello", payload: "how are you", priority: 7, tier: "short" }
      const sent = await ask(201, "POST", "/notify", { body, ...as("alice") })
      const { acked_by, delivered_at, id } = sent.body
      assert.deepStrictEqual(sent.body, {
        sent: true,
        id,
        from: "alice",
        to: "bob",
        namespace: "_messages/bob",
        tier: "short",
        delivered_at,
        quorum_acks: 1,
        acked_by
      })
      const answered = await ask(200, "GET", "/inbox", as("bob"))
      assert.deepStrictEqual(answered.body, {
        agent_id: "bob",
        namespace: "_messages/bob",
        count: 1,
        unread: 1,
        unread_only: false,
        messages: [{
          id,
          from: "alice",
          to: "bob",
          title: "hello",
          subject: "hello",
          payload: "how are you",
          body: "how are you",
          memory_id: null,
          metadata: {},
          priority: 7,
          tier: "short",
          created_at: delivered_at,
          received_at: delivered_at,
          read: false,
          unread: true,
          access_count: 0
        }]
      })
      const memory = Object((await ask(200, "GET", `/memories/${String(id)}`)).body["memory"])
      assert.deepInclude(memory, {
        source: "notify",
        namespace: "_messages/bob",
        tags: ["_message"],
        metadata: { agent_id: "alice", recipient_agent_id: "bob", message_kind: "notify" }
      })
      assert.isString(memory.expires_at)
    })

    it("have the names of the SDKs as well, and text or JSON in them", async () => {
      const payload = { task: "build", steps: [1, 2] }
      for (
        const body of [
          { to: "carl", subject: "one", body: "text" },
          { to: "carl", subject: "two", payload, agent_id: "in-the-body" },
          { target_agent_id: "carl", to: "ignored", title: "three", subject: "ignored", content: ["a"], payload: null }
        ]
      ) {
        await ask(201, "POST", "/notify", { body, ...as("alice") })
      }
      const found = await inbox("carl")
      assert.deepStrictEqual(
        found.map(({ body, from, payload: given, subject }) => [subject, from, body, given]),
        [
          ["three", "alice", "[\"a\"]", ["a"]],
          ["two", "in-the-body", JSON.stringify(payload), payload],
          ["one", "alice", "text", "text"]
        ]
      )
      assert.deepStrictEqual(await inbox("ignored"), [])
    })

    it("keep what goes with their text in the SDKs' own shape, and give it back", async () => {
      const sent = {
        to: "cleo",
        subject: "handover",
        body: "the text itself",
        payload: { steps: [1, { two: null }] },
        memory_id: "m-1",
        metadata: { urgent: true }
      }
      const answered = await ask(201, "POST", "/notify", { body: sent, ...as("alice") })
      const [message, ...others] = await inbox("cleo")
      assert.lengthOf(others, 0)
      assert.deepInclude(message, { ...sent, title: "handover", received_at: answered.body["delivered_at"] })
      // As text, too, for whoever finds it by its words.
      const memory = Object((await ask(200, "GET", `/memories/${String(answered.body["id"])}`)).body["memory"])
      assert.strictEqual(memory.content, "the text itself")
      // A text may have a text beside it, and metadata may be empty: the SDK for Python always sends it.
      await ask(201, "POST", "/notify", { body: { to: "cleo", subject: "s", body: "b", payload: "p", metadata: {} } })
      assert.deepInclude((await inbox("cleo"))[0], { body: "b", payload: "p", memory_id: null, metadata: {} })
    })

    it("are read once they were read by their id", async () => {
      const { body } = await ask(201, "POST", "/notify", { body: { to: "gabi", subject: "s", body: "b" } })
      await inbox("gabi")
      assert.lengthOf(await inbox("gabi", "&unread_only=true"), 1)
      await ask(200, "GET", `/memories/${String(body["id"])}`)
      let unread = await inbox("gabi", "&unread_only=true")
      for (let tries = 0; unread.length > 0 && tries < 100; tries++) {
        await new Promise((resolve) => setTimeout(resolve, 20))
        unread = await inbox("gabi", "&unread_only=true")
      }
      assert.deepStrictEqual(unread, [])
      assert.deepInclude((await inbox("gabi"))[0], { read: true, unread: false })
    })

    it("are none for nobody: an inbox without an agent is empty", async () => {
      const { body } = await ask(200, "GET", "/inbox")
      assert.match(String(body["agent_id"]), /^anonymous:req-[0-9a-f]{8}$/)
      assert.deepInclude(body, { count: 0, unread: 0, messages: [] })
    })

    it("of one title are all there, as they were sent", async () => {
      const title = "x".repeat(512)
      for (const payload of ["1", "2", "3"]) {
        await ask(201, "POST", "/notify", { body: { to: "dora", title, payload }, ...as("alice") })
      }
      assert.deepStrictEqual(
        (await inbox("dora")).map((message) => [message["title"] === title, message["payload"]]),
        [[true, "3"], [true, "2"], [true, "1"]]
      )
    })

    it("are sent once for one key", async () => {
      const request = {
        body: { to: "emil", title: "t", payload: "p" },
        headers: { "idempotency-key": randomUUID() }
      }
      const first = await ask(201, "POST", "/notify", request)
      assert.match(String(first.body["from"]), /^anonymous:req-[0-9a-f]{8}$/)
      assert.deepStrictEqual((await ask(201, "POST", "/notify", request)).body, first.body)
      assert.lengthOf(await inbox("emil"), 1)
      await ask(422, "POST", "/notify", { ...request, body: { ...request.body, payload: "q" } })
    })

    it("are read once they were recalled", async () => {
      for (const title of ["urgent zebra", "later"]) {
        await ask(201, "POST", "/notify", { body: { to: "fred", title, payload: "p" }, ...as("alice") })
      }
      await ask(200, "GET", "/inbox", as("fred"))
      assert.lengthOf(await inbox("fred", "&unread_only=true"), 2)
      await ask(200, "POST", "/recall", { body: { context: "zebra", namespace: "_messages/fred" } })
      let unread = await inbox("fred", "&unread_only=true")
      for (let tries = 0; unread.length > 1 && tries < 100; tries++) {
        await new Promise((resolve) => setTimeout(resolve, 20))
        unread = await inbox("fred", "&unread=1")
      }
      assert.deepStrictEqual(unread.map(({ title }) => title), ["later"])
      const all = await ask(200, "GET", "/inbox?agent_id=fred")
      assert.deepInclude(all.body, { count: 2, unread: 1 })
      assert.deepStrictEqual(Call.rows(all, "messages").map(({ read }) => read), [false, true])
    })

    it("are given in pages, the newest first, and since a moment", async () => {
      const sent: Array<Readonly<Record<string, unknown>>> = []
      for (const payload of ["1", "2", "3"]) {
        sent.push((await ask(201, "POST", "/notify", { body: { to: "gina", title: payload, payload } })).body)
      }
      const payloads = async (query: string) => (await inbox("gina", query)).map(({ payload }) => payload)
      assert.deepStrictEqual(await payloads("&limit=2"), ["3", "2"])
      assert.deepStrictEqual(await payloads("&limit=0"), [])
      assert.deepStrictEqual(await payloads("&limit=99999"), ["3", "2", "1"])
      assert.deepStrictEqual(await payloads(`&since=${encodeURIComponent(String(sent[1]?.["delivered_at"]))}`), [
        "3",
        "2"
      ])
    })

    it("are not governed: whoever may write elsewhere may send", async () => {
      await ask(201, "POST", "/namespaces", { body: { namespace: "_messages", governance: { write: "owner" } } })
      await ask(201, "POST", "/notify", { body: { to: "hans", title: "t", payload: "p" } })
      await ask(403, "POST", "/memories", { body: { namespace: "_messages/hans", title: "u", content: "c" } })
      await ask(200, "DELETE", "/namespaces?namespace=_messages")
    })

    it("are refused with the field that is wrong", async () => {
      const good = { target_agent_id: "a", title: "t", payload: "p" }
      const cases: ReadonlyArray<readonly [number, unknown, string]> = [
        [422, {}, "target_agent_id"],
        [422, { to: "a" }, "title"],
        [400, { to: "a", title: "t" }, "payload"],
        [400, { ...good, memory_id: " " }, "memory_id"],
        [400, { ...good, metadata: [] }, "metadata"],
        [400, { ...good, metadata: { deep: JSON.parse("[".repeat(31) + "]".repeat(31)) } }, "metadata"],
        [422, { ...good, to: 5 }, "to"],
        [422, { ...good, priority: "high" }, "priority"],
        [422, { ...good, tier: "huge" }, "tier"],
        [422, [], ""],
        [400, { ...good, target_agent_id: "a b" }, "target_agent_id"],
        [400, { ...good, target_agent_id: "a//b" }, "target_agent_id"],
        [400, { ...good, target_agent_id: ".." }, "target_agent_id"],
        [400, { ...good, title: " " }, "title"],
        [400, { ...good, payload: "" }, "payload"],
        [400, { ...good, payload: "x".repeat(65_537) }, "payload"],
        [400, { ...good, payload: "a\u0007b" }, "payload"],
        [400, { ...good, priority: 11 }, "priority"],
        [400, { ...good, agent_id: "a b" }, "agent_id"]
      ]
      const before = await node.contents()
      for (const [status, body, field] of cases) {
        assert.strictEqual(
          fieldOf(await ask(status, "POST", "/notify", { body })),
          field,
          JSON.stringify(body).slice(0, 80)
        )
      }
      assert.deepStrictEqual(await node.contents(), before)
      const queries: ReadonlyArray<readonly [string, string]> = [
        ["?agent_id=a%20b", "agent_id"],
        ["?agent_id=a&limit=-1", "limit"],
        ["?agent_id=a&unread_only=maybe", "unread_only"],
        ["?agent_id=a&unread=2", "unread"],
        ["?agent_id=a&since=yesterday", "since"]
      ]
      for (const [query, field] of queries) {
        assert.strictEqual(fieldOf(await ask(400, "GET", `/inbox${query}`)), field, query)
      }
    })
  })

  describe("capabilities", () => {
    const told = async (version?: string) =>
      (await ask(
        200,
        "GET",
        "/capabilities",
        version === undefined ? {} : { headers: { "accept-capabilities": version } }
      )).body

    it("are told in the words that the client knows", async () => {
      await until("nothing is embedded meanwhile", async () => {
        const { embedded, memories } = Object((await told())["embeddings"])
        return embedded === memories
      })
      const newest = await told()
      assert.sameMembers(Object.keys(newest), [
        ...[
          "schema_version",
          "summary",
          "to_describe_to_user",
          "tools",
          "tier",
          "version",
          "durability",
          "features",
          "models"
        ],
        ...["embeddings", "permissions", "hooks", "compaction", "approval", "transcripts", "hnsw"]
      ])
      assert.deepInclude(newest, { schema_version: "3", tier: "semantic", version: "0.2.0" })
      assert.deepStrictEqual(await told("v3"), newest)
      assert.deepStrictEqual(await told("v9"), newest)
      const { durability: _, summary: __, to_describe_to_user: ___, tools: ____, ...older } = newest
      assert.deepStrictEqual(await told("v2"), { ...older, schema_version: "2" })
      const { features, models, tier, version } = newest
      const oldest = { ...Object(features), memory_reflection: false }
      assert.deepStrictEqual(await told("v1"), { tier, version, models, features: oldest })
    })

    it("are those of a node with the embedder that is built in", async () => {
      const { embeddings, features, hnsw, hooks, models, summary } = await told()
      assert.deepInclude(features, {
        keyword_search: true,
        semantic_search: true,
        hybrid_recall: true,
        embedder_loaded: true,
        recall_mode_active: "hybrid",
        reranker_active: "off"
      })
      assert.deepInclude(models, { embedding_dim: 256, llm: "none", cross_encoder: "none" })
      assert.match(String(Object(models).embedding), /^static-minilm-l6-v2/)
      assert.sameMembers(Object.keys(Object(embeddings)), ["memories", "embedded", "passed_over", "failure"])
      assert.deepInclude(embeddings, { passed_over: 0, failure: null })
      assert.include(String(summary), "by words and by meaning")
      assert.deepStrictEqual(hooks, { registered_count: 0, webhook_events: [...EVENTS] })
      assert.deepStrictEqual(hnsw, { evictions_total: 0, evicted_recently: false })
    })

    it("are those of a node without an embedder", async () => {
      const member = await Node.start({ embedder: "none" })
      try {
        const { body } = await Call.to(member)("GET", "/capabilities")
        assert.deepInclude(body["features"], {
          keyword_search: true,
          semantic_search: false,
          hybrid_recall: false,
          embedder_loaded: false,
          recall_mode_active: "keyword_only"
        })
        assert.deepInclude(body, {
          tier: "keyword",
          models: { embedding: "none", embedding_dim: 0, llm: "none", cross_encoder: "none" }
        })
        assert.isUndefined(body["embeddings"])
      } finally {
        await member.stop()
      }
    })

    it("name no tool of a server that is not here, and no family that a profile could be looked for in", async () => {
      for (const version of ["v1", "v2", "v3"]) {
        const { families, tools } = await told(version)
        assert.isUndefined(families, version)
        assert.deepStrictEqual(tools, version === "v3" ? [] : undefined)
      }
    })

    it("say how many nodes hold a write: one, where there is no other", async () => {
      const { summary, to_describe_to_user } = await told()
      assert.match(String(summary), /^A memory on one node: a write is acknowledged when it is durable there\./)
      assert.include(String(to_describe_to_user), "kept on one machine")
      const member = await Node.start({ quorumPeers: ["http://127.0.0.1:1"], quorumWrites: Option.some(2) })
      try {
        const { body } = await Call.to(member)("GET", "/capabilities")
        assert.include(String(body["summary"]), "2 of 2 nodes hold a write durably before it is acknowledged")
        assert.include(String(body["to_describe_to_user"]), "kept on 2 machines")
      } finally {
        await member.stop()
      }
    })

    it("say that search is off when the index of words does not answer", async () => {
      const folder = mkdtempSync(join(tmpdir(), "quorate-capabilities-"))
      const db = join(folder, "quorate.db")
      const broken = await Node.start({ db })
      try {
        const file = new Database(db)
        file.exec("DROP TABLE memory_words")
        file.close()
        const { features } = (await Call.to(broken)("GET", "/capabilities")).body
        assert.deepInclude(features, { keyword_search: false, recall_mode_active: "degraded" })
      } finally {
        await broken.stop()
        rmSync(folder, { recursive: true })
      }
    })

    it("tell the rules that are set, and what waits", async () => {
      const before = await told()
      await ask(201, "POST", "/namespaces", {
        body: { namespace: "ruled", governance: { write: "approve", approver: { consensus: 2 } } }
      })
      await ask(201, "POST", "/namespaces", { body: { namespace: "unruled" } })
      await ask(202, "POST", "/memories", { body: { namespace: "ruled", title: "t", content: "c" } })
      const after = await told()
      assert.deepStrictEqual(before["approval"], { pending_requests: 0 })
      assert.deepStrictEqual(after["approval"], { pending_requests: 1 })
      const { active_rules, decision_counts, mode, rule_summary } = Object(after["permissions"])
      assert.strictEqual(mode, "enforce")
      assert.strictEqual(active_rules, 1)
      assert.deepStrictEqual(rule_summary, [
        "ruled: write approve, promote any, delete owner; approved by 2 registered agents"
      ])
      assert.strictEqual(decision_counts.queued, Object(before["permissions"]).decision_counts.queued + 1)
    })
  })
})
