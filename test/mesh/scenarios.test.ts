import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as api from "./api.js"
import * as Cluster from "./Cluster.js"

/* What the original's users rely on, seen from outside: a write on one of three real nodes, readings on all of them. */

describe("the scenarios of the original, on three real nodes", () => {
  let cluster: Awaited<ReturnType<typeof Cluster.make>>
  const url = (index: number) => {
    const member = cluster.members[index]
    assert.isDefined(member)
    return member.url
  }
  const everywhere = (what: string, shows: (url: string) => Promise<boolean>) =>
    api.everywhere(cluster.members, what, shows)
  const chain = async (at: string, namespace: string) =>
    (await api.ask(at, `GET /namespaces${api.query({ namespace, inherit: "true" })}`))["chain"]
  const standard = (at: string, namespace: string) => api.ask(at, `GET /namespaces${api.query({ namespace })}`)
  const known = (namespace: string) =>
    everywhere(`the standard of ${namespace}`, async (at) => {
      const { standard_id: id } = await standard(at, namespace)
      return await api.memory(at, id) !== undefined
    })

  beforeAll(async () => {
    cluster = await Cluster.make({ size: 3, flags: ["--quorum-writes", "2", "--quorum-timeout-ms", "15000"] })
    await Promise.all(cluster.members.map((member) => member.start()))
    await Cluster.inTouch(cluster.members)
  }, 60_000)
  afterAll(() => cluster.close())

  it("S5: a consolidated memory takes the place of its sources and names who wrote them", async () => {
    const namespace = "s5"
    const ids = [
      await api.create(url(0), { namespace, title: "one", tags: ["a", "b"], priority: 3 }, { agent: "alice" }),
      await api.create(url(0), { namespace, title: "two", tags: ["b", "c"], priority: 8 }, { agent: "bob" })
    ]
    const made = await api.ask(url(0), "POST /consolidate", {
      body: { ids, title: "both", summary: "one and two", namespace },
      agent: "carol",
      status: 201
    })
    assert.strictEqual(made["consolidated"], 2)
    await everywhere("the whole, and no part", async (at) => {
      const found = await api.memory(at, made["id"])
      const { agent_id: agent, consolidated_from_agents: agents, derived_from: sources } = api.record(
        found?.["metadata"]
      )
      const [only, ...others] = await api.titles(at, namespace)
      return only === "both" && others.length === 0 && agent === "carol" &&
        api.has(found, { content: "one and two", source: "consolidation", tier: "long", priority: 8 }) &&
        api.same(found?.["tags"], ["a", "b", "c"]) &&
        api.same(agents, ["alice", "bob"]) && api.same(sources, ids)
    })
  })

  it("S6: two memories of one topic that differ are reported", async () => {
    const namespace = "s6"
    const metadata = { topic: "the moon" }
    const ids = [
      await api.create(url(0), { namespace, title: "one", content: "it is made of cheese", metadata }),
      await api.create(url(1), { namespace, title: "two", content: "it is made of stone", metadata })
    ]
    await everywhere("the contradiction", async (at) => {
      const found = await api.ask(at, `GET /contradictions${api.query({ topic: "the moon", namespace })}`)
      const [link, ...others] = api.rows(found, "links")
      return api.same(api.rows(found, "memories").map(({ id }) => id), ids) && others.length === 0 &&
        api.has(link, { relation: "contradicts", synthesized: true }) &&
        api.same([link?.["source_id"], link?.["target_id"]], ids)
    })
  })

  it("S10: a deleted memory disappears", async () => {
    const id = await api.create(url(0), { namespace: "s10", title: "short-lived" })
    await everywhere("the memory", async (at) => await api.memory(at, id) !== undefined)
    assert.strictEqual((await api.ask(url(0), `DELETE /memories/${id}`))["deleted"], true)
    await everywhere(
      "no memory",
      async (at) => await api.memory(at, id) === undefined && (await api.titles(at, "s10")).length === 0
    )
  })

  it("S11: a link is seen from both of its ends", async () => {
    const namespace = "s11"
    const source = await api.create(url(0), { namespace, title: "source" })
    const target = await api.create(url(0), { namespace, title: "target" })
    const body = { source_id: source, target_id: target, relation: "supersedes" }
    assert.strictEqual((await api.ask(url(0), "POST /links", { body, status: 201 }))["linked"], true)
    for (const end of [source, target]) {
      await everywhere("the link", async (at) => {
        const [link, ...others] = await api.links(at, end)
        return others.length === 0 && api.has(link, body)
      })
    }
  })

  it("S12: a registered agent is known", async () => {
    const agent = { agent_id: "ai:agent-12", agent_type: "ai:claude-opus-4.7", capabilities: ["read", "write"] }
    const registered = await api.ask(url(0), "POST /agents", { body: agent, status: 201 })
    assert.isTrue(api.has(registered, { registered: true, ...agent }))
    await everywhere("the agent", async (at) => {
      const found = api.rows(await api.ask(at, "GET /agents"), "agents").filter((one) => api.has(one, agent))
      return found.length === 1 && typeof found[0]?.["registered_at"] === "string"
    })
  })

  it("S14: a peer that was stopped during 20 writes sees all 20", async () => {
    cluster.members[2]?.signal("SIGSTOP")
    try {
      for (let index = 0; index < 20; index++) {
        await api.create(url(index % 2), { namespace: "s14", title: `write ${index}` })
      }
    } finally {
      cluster.members[2]?.signal("SIGCONT")
    }
    await everywhere("all 20", async (at) => (await api.titles(at, "s14")).length === 20)
  })

  it("S18: memories that came from a peer are recalled by their words and their meaning", async () => {
    const namespace = "s18"
    const id = await api.create(url(0), { namespace, title: "orchard", content: "The apples ripen in September." })
    await api.create(url(0), { namespace, title: "harbour", content: "The ships are painted in spring." })
    await everywhere("the memory of the apples, first", async (at) => {
      const body = { context: "when do apples ripen", namespace }
      const found = await api.ask(at, "POST /recall", { body })
      return found["mode"] === "hybrid" && api.rows(found, "memories")[0]?.["id"] === id
    })
    for (const member of cluster.members) {
      const { features } = await api.ask(member.url, "GET /capabilities")
      assert.isTrue(
        api.has(api.record(features), {
          embedder_loaded: true,
          keyword_search: true,
          semantic_search: true,
          recall_mode_active: "hybrid"
        }),
        JSON.stringify(features)
      )
    }
  })

  it("S28: a hyphenated word is found", async () => {
    const id = await api.create(url(0), { namespace: "s28", title: "a well-known fact" })
    await api.create(url(0), { namespace: "s28", title: "known to be well" })
    await everywhere("the one memory with the word", async (at) => {
      const found = await api.ask(at, `GET /search${api.query({ q: "well-known", namespace: "s28" })}`)
      const [first, ...others] = api.rows(found, "results")
      return first?.["id"] === id && first["matched"] === "all" && others.every(({ matched }) => matched === "some")
    })
  })

  it("S29: what is archived on one node leaves the lists of all, and comes back from another", async () => {
    const namespace = "s29"
    const body = { namespace, title: "put away", tags: ["a"], metadata: { topic: "kept" } }
    const id = await api.create(url(0), body, { agent: "alice" })
    const metadata = (await api.memory(url(0), id))?.["metadata"]
    assert.isTrue(api.has(api.record(metadata), { topic: "kept", agent_id: "alice" }))
    const missing = "00000000-0000-4000-8000-000000000000"
    const answer = await api.ask(url(0), "POST /archive", { body: { ids: [id, missing], reason: "done with it" } })
    assert.isTrue(api.has(answer, { archived: [id], missing: [missing], count: 1, reason: "done with it" }))
    await everywhere("in the archive", async (at) => {
      const [row, ...others] = await api.archived(at, namespace)
      return others.length === 0 && api.has(row, { id, archive_reason: "done with it", tags: "[\"a\"]", metadata }) &&
        (await api.titles(at, namespace)).length === 0
    })
    const stamps = await Promise.all(
      cluster.members.map(async (member) => (await api.archived(member.url, namespace))[0]?.["archived_at"])
    )
    assert.strictEqual(new Set(stamps).size, 1, "one stamp on every node")

    const restored = await api.ask(url(1), `POST /archive/${id}/restore`)
    assert.isTrue(api.has(restored, { restored: true, id }))
    await everywhere("in the list again", async (at) => {
      const [row, ...others] = await api.listed(at, namespace)
      return others.length === 0 && api.has(row, { id, tags: ["a"], metadata }) &&
        (await api.archived(at, namespace)).length === 0
    })
    await api.ask(url(2), `POST /archive/${id}/restore`, { status: 404 })
  })

  it("S30: every node tells what it can do, in the version that the client reads", async () => {
    for (const member of cluster.members) {
      const latest = await api.ask(member.url, "GET /capabilities")
      assert.isTrue(api.has(latest, { schema_version: "3", tier: "semantic" }))
      assert.isString(latest["version"])
      assert.containsAllKeys(latest, [
        ...["summary", "to_describe_to_user", "tools", "features", "models", "permissions", "hooks", "compaction"],
        ...["approval", "transcripts", "hnsw"]
      ])
      assert.strictEqual(api.record(latest["permissions"])["mode"], "enforce")
      const second = await api.ask(member.url, "GET /capabilities", { headers: { "accept-capabilities": "v2" } })
      assert.strictEqual(second["schema_version"], "2")
      assert.notProperty(second, "tools")
      const first = await api.ask(member.url, "GET /capabilities", { headers: { "accept-capabilities": "v1" } })
      assert.hasAllKeys(first, ["tier", "version", "features", "models"])
      assert.isBoolean(api.record(first["features"])["memory_reflection"])
    }
  })

  it("S32: a message is in the inbox of its target, from its sender, and two of one title are two", async () => {
    for (const payload of ["the first", "the second"]) {
      const sent = await api.ask(url(0), "POST /notify", {
        body: { target_agent_id: "bob-32", title: "news", payload },
        agent: "alice-32",
        status: 201
      })
      assert.isTrue(api.has(sent, { from: "alice-32", to: "bob-32", namespace: "_messages/bob-32" }))
    }
    await everywhere("two messages", async (at) => {
      const found = await api.ask(at, `GET /inbox${api.query({ agent_id: "bob-32" })}`)
      const messages = api.rows(found, "messages")
      return api.has(found, { agent_id: "bob-32", namespace: "_messages/bob-32", count: 2 }) &&
        api.same(messages.map(({ payload }) => payload), ["the first", "the second"]) &&
        messages.every((message) => api.has(message, { from: "alice-32", title: "news", read: false }))
    })
  })

  describe("S34: where writes need an approval", () => {
    const namespace = "s34"
    const governance = { write: "approve", promote: "any", delete: "owner", approver: "human" }
    const queue = async (title: string) => {
      const queued = await api.ask(url(0), "POST /memories", {
        body: { namespace, title, content: `content of ${title}` },
        agent: "writer",
        status: 202
      })
      assert.isTrue(api.has(queued, { status: "pending", action: "store", namespace }))
      const id = String(queued["pending_id"])
      await everywhere("the pending action", async (at) => {
        const waiting = await api.ask(at, "GET /pending?status=pending&limit=1000")
        return api.rows(waiting, "pending").some((action) =>
          api.has(action, { id, action_type: "store", memory_id: null, requested_by: "writer", approvals: [] })
        )
      })
      return id
    }
    const decided = (id: string, status: string, decider: string) =>
      everywhere(`${id} is ${status}`, async (at) => {
        const action = await api.pending(at, id)
        return api.has(action, { status, decided_by: decider }) && typeof action?.["decided_at"] === "string"
      })

    beforeAll(async () => {
      await api.ask(url(0), "POST /namespaces", { body: { namespace, governance }, status: 201 })
      await known(namespace)
    })

    it("an approval on another node makes one memory, with one id, on all", async () => {
      const id = await queue("wanted")
      const approved = await api.ask(url(1), `POST /pending/${id}/approve`, { agent: "boss" })
      assert.isTrue(api.has(approved, { approved: true, id, decided_by: "boss", executed: true }))
      await decided(id, "approved", "boss")
      await everywhere("the memory", async (at) => {
        const held = (await api.listed(at, namespace)).filter(({ title }) => title === "wanted")
        return held.length === 1 && api.has(held[0], { id: approved["memory_id"], content: "content of wanted" }) &&
          api.record(held[0]?.["metadata"])["agent_id"] === "writer"
      })
      // Who approved it may have missed the answer; to anybody else it is decided.
      const again = await api.ask(url(1), `POST /pending/${id}/approve`, { agent: "boss" })
      assert.strictEqual(again["memory_id"], approved["memory_id"])
      await api.ask(url(2), `POST /pending/${id}/approve`, { agent: "too-late", status: 403 })
      await api.ask(url(2), `POST /pending/${id}/reject`, { agent: "too-late", status: 404 })
    })

    it("a rejection on another node makes none", async () => {
      const id = await queue("unwanted")
      const rejected = await api.ask(url(2), `POST /pending/${id}/reject`, { agent: "boss" })
      assert.isTrue(api.has(rejected, { rejected: true, id, decided_by: "boss" }))
      await decided(id, "rejected", "boss")
      for (const member of cluster.members) {
        assert.notInclude(await api.titles(member.url, namespace), "unwanted")
      }
    })

    it("decisions of two nodes at once come to one result", async () => {
      const id = await queue("disputed")
      const verdicts = await Promise.all([
        Cluster.call(url(1), "POST", `/api/v1/pending/${id}/approve`, { headers: { "x-agent-id": "boss" } }),
        Cluster.call(url(2), "POST", `/api/v1/pending/${id}/reject`, { headers: { "x-agent-id": "boss" } })
      ])
      assert.isTrue(verdicts.some(({ status }) => status === 200), JSON.stringify(verdicts))
      await api.settled(cluster.members)
      const seen = await Promise.all(cluster.members.map(async (member) => ({
        status: (await api.pending(member.url, id))?.["status"],
        stored: (await api.titles(member.url, namespace)).includes("disputed")
      })))
      assert.include(["approved", "rejected"], seen[0]?.status)
      for (const one of seen) {
        assert.deepStrictEqual(one, { status: seen[0]?.status, stored: seen[0]?.status === "approved" })
      }
    })

    it("votes that were cast on different nodes add up", async () => {
      const voters = ["voter-1", "voter-2"]
      for (const agent_id of voters) {
        await api.ask(url(0), "POST /agents", { body: { agent_id, agent_type: "human" }, status: 201 })
      }
      const consensus = { ...governance, approver: { consensus: 2 } }
      const body = { namespace: "s34/votes", governance: consensus }
      await api.ask(url(0), "POST /namespaces", { body, status: 201 })
      await known("s34/votes")
      await api.settled(cluster.members)
      const { pending_id: id } = await api.ask(url(0), "POST /memories", {
        body: { namespace: "s34/votes", title: "agreed", content: "by both" },
        status: 202
      })
      await everywhere("the pending action", async (at) => await api.pending(at, id) !== undefined)
      await api.ask(url(0), `POST /pending/${String(id)}/approve`, { agent: "a-stranger", status: 403 })
      const answers = await Promise.all(
        voters.map((agent, index) =>
          Cluster.call(url(index + 1), "POST", `/api/v1/pending/${String(id)}/approve`, {
            headers: { "x-agent-id": agent }
          })
        )
      )
      for (const { body, status } of answers) assert.include([200, 202], status, JSON.stringify(body))
      await everywhere(
        "approved, by two at once, and executed",
        async (at) =>
          api.has(await api.pending(at, id), { status: "approved" }) &&
          (await api.titles(at, "s34/votes")).includes("agreed")
      )
    })
  })

  it("S34: a policy holds on every node, for who may write and who may delete", async () => {
    const namespace = "s34-rules"
    const governance = { write: "registered", promote: "any", delete: "owner", approver: "human" }
    await api.ask(url(0), "POST /namespaces", { body: { namespace, governance }, status: 201 })
    const agent = "registered-34"
    await api.ask(url(0), "POST /agents", { body: { agent_id: agent, agent_type: "human" }, status: 201 })
    await api.settled(cluster.members)
    for (const { url: at } of cluster.members) {
      const body = { namespace, title: `by ${at}`, content: "governed" }
      await api.ask(at, "POST /memories", { body, agent: "a-stranger", status: 403 })
      const id = await api.create(at, body, { agent })
      await api.ask(at, `DELETE /memories/${id}`, { agent: "a-stranger", status: 403 })
      await api.ask(at, `DELETE /memories/${id}`, { agent })
    }
  })

  it("S35: a standard with a parent resolves the same chain, and its end is seen", async () => {
    const [parent, child] = ["s35-root", "s35-leaf"]
    const governance = { write: "owner", promote: "any", delete: "owner", approver: "human" }
    await api.ask(url(0), "POST /namespaces", { body: { namespace: parent, governance }, status: 201 })
    const set = await api.ask(url(0), "POST /namespaces", { body: { namespace: child, parent }, status: 201 })
    assert.isTrue(api.has(set, { set: true, namespace: child, parent }))
    await everywhere("the chain", async (at) => {
      const inherited = await api.ask(at, `GET /namespaces${api.query({ namespace: child, inherit: "true" })}`)
      return api.has(inherited, { chain: ["*", parent, child] }) && api.rows(inherited, "standards").length === 2 &&
        api.has(await standard(at, child), { standard_id: set["standard_id"] }) &&
        api.has(api.record((await standard(at, parent))["governance"]), governance)
    })
    const cleared = await api.ask(url(1), `DELETE /namespaces${api.query({ namespace: child })}`)
    assert.isTrue(api.has(cleared, { cleared: true, namespace: child }))
    await everywhere("no standard", async (at) =>
      api.has(await standard(at, child), { standard_id: null }) &&
      api.same(await chain(at, child), ["*", child]))
  })

  it("S36: a session starts with an id and what there is to know", async () => {
    const id = await api.create(url(0), { namespace: "s36", title: "to know" })
    await everywhere("a session", async (at) => {
      const started = await api.ask(at, "POST /session/start", {
        body: { namespace: "s36", limit: 5, agent_id: "carl" }
      })
      assert.isTrue(api.has(started, { mode: "session_start", agent_id: "carl" }), JSON.stringify(started))
      assert.isString(started["session_id"])
      assert.isAbove(String(started["session_id"]).length, 0)
      return api.same(api.rows(started, "memories").map((memory) => memory["id"]), [id])
    })
  })

  it("S39: after a checkpoint /sync/since has what was written since, on every node", async () => {
    const namespace = "s39"
    const before = await api.create(url(0), { namespace, title: "before" })
    await api.settled(cluster.members)
    const checkpoint = String((await api.memory(url(0), before))?.["updated_at"])
    const ids = [
      await api.create(url(0), { namespace, title: "after 1" }),
      await api.create(url(1), { namespace, title: "after 2" }),
      await api.create(url(2), { namespace, title: "after 3" })
    ]
    await everywhere("the three rows since", async (at) => {
      const page = await api.ask(at, `GET /sync/since${api.query({ since: checkpoint })}`)
      const found = api.rows(page, "memories")
      const stamps = found.map((memory) => String(memory["updated_at"]))
      return api.same(found.map(({ id }) => id), ids) &&
        api.has(page, {
          updated_since: checkpoint,
          count: ids.length,
          limit: 500,
          earliest_updated_at: stamps[0],
          latest_updated_at: stamps.at(-1)
        }) && JSON.stringify(stamps) === JSON.stringify([...stamps].sort())
    })
  })

  it("S40: of a bulk of 500 rows exactly 500 are visible", async () => {
    const body = Array.from(
      { length: 500 },
      (_, index) => ({ namespace: "s40", title: `row ${index}`, content: "bulk" })
    )
    const answer = await api.ask(url(0), "POST /memories/bulk", { body })
    assert.isTrue(api.has(answer, { created: 500, errors: [] }), JSON.stringify(answer).slice(0, 500))
    await everywhere("500 rows", async (at) => (await api.titles(at, "s40")).length === 500)
    for (const member of cluster.members) {
      assert.deepStrictEqual(
        await Cluster.contents(member, "s40"),
        await Cluster.contents(cluster.members[0] ?? member, "s40")
      )
      assert.strictEqual((await api.titles(member.url, "s40")).length, 500)
    }
  })
})
