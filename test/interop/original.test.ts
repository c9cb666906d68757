import { afterEach, assert, describe, it } from "@effect/vitest"
import { once } from "node:events"
import { createServer } from "node:http"
import * as Cluster from "../mesh/Cluster.js"
import * as Original from "./Original.js"
import { stamp } from "./original/stamp.js"

const originals: Array<Original.Original> = []
afterEach(async () => {
  await Promise.all(originals.splice(0).map((node) => node.stop()))
})

/** As many originals that know each other; all start. */
const mesh = async (size: number, options: Partial<Original.Options> = {}) => {
  const ports = await Cluster.freePorts(size)
  const nodes = await Promise.all(ports.map((port, index) =>
    Original.start({
      name: `original-${index + 1}`,
      port,
      peers: ports.filter((other) => other !== port).map((other) => `http://127.0.0.1:${other}`),
      quorumWrites: size,
      quorumTimeoutMillis: 500,
      ...options
    })
  ))
  originals.push(...nodes)
  return nodes
}
const one = async (options: Partial<Original.Options> = {}) => {
  const [node] = await mesh(1, options)
  assert.isDefined(node)
  return node
}
const two = async (options: Partial<Original.Options> = {}) => {
  const [a, b] = await mesh(2, options)
  assert.isDefined(a)
  assert.isDefined(b)
  return [a, b] as const
}

const call = (node: Original.Original, method: string, path: string, body?: unknown, caller = "tester") =>
  Cluster.call(node.url, method, `/api/v1${path}`, {
    ...(body === undefined ? {} : { body }),
    headers: { "x-agent-id": caller }
  })
const store = async (node: Original.Original, title: string, changes: object = {}) => {
  const { body, status } = await call(node, "POST", "/memories", { title, content: "c", namespace: "n", ...changes })
  assert.strictEqual(status, 201, JSON.stringify(body))
  return String(body["id"])
}
const push = async (node: Original.Original, lists: object) => {
  const body = { sender_agent_id: "host:test", memories: [], ...lists }
  const answer = await call(node, "POST", "/sync/push", body)
  assert.strictEqual(answer.status, 200, JSON.stringify(answer.body))
  return answer.body
}
const AT = "2026-05-07T10:00:00"
const row = (id: string, changes: object = {}) => ({
  id,
  tier: "mid",
  namespace: "n",
  title: `title of ${id}`,
  content: `content of ${id}`,
  tags: ["t"],
  priority: 5,
  confidence: 1,
  source: "api",
  access_count: 0,
  created_at: `${AT}.1+00:00`,
  updated_at: `${AT}.1+00:00`,
  metadata: {},
  ...changes
})
const ids = (rows: ReadonlyArray<{ readonly id: string }>) => rows.map(({ id }) => id).sort()
const pushesTo = (node: Original.Original) => node.requests().filter(({ path }) => path === "/api/v1/sync/push")

describe("two originals, W = 2", () => {
  it("replicate what a client writes", async () => {
    const [a, b] = await two()
    const first = await store(a, "first")
    const second = await store(a, "second", { tier: "short" })
    assert.deepStrictEqual(b.memories(), a.memories())

    await call(a, "PUT", `/memories/${first.slice(0, 8)}`, { content: "changed" })
    assert.strictEqual((await call(a, "POST", `/memories/${second}/promote`)).body["tier"], "long")
    assert.deepStrictEqual(b.memories().map(({ content, expires_at }) => [content, expires_at === null]), [
      ["changed", false],
      ["c", true]
    ])

    assert.deepInclude((await call(a, "POST", "/archive", { ids: [first, "none"] })).body, {
      archived: [first],
      missing: ["none"],
      reason: "archive"
    })
    assert.deepStrictEqual(ids(b.memories()), [second])
    assert.deepInclude(b.archived()[0], { id: first, archive_reason: "sync_push" })
    assert.strictEqual((await call(a, "POST", `/archive/${first}/restore`)).status, 200)
    assert.deepStrictEqual(ids(b.memories()), [first, second].sort())
    assert.deepStrictEqual(b.archived(), [])

    assert.deepStrictEqual((await call(a, "DELETE", `/memories/${first}`)).body, { deleted: true })
    assert.deepStrictEqual(ids(b.memories()), [second])
    assert.strictEqual((await call(a, "DELETE", `/memories/${first}`)).status, 404)
  })

  it("replicate links, but not their end; a delete takes them along", async () => {
    const [a, b] = await two()
    const [source_id, target_id] = [await store(a, "source"), await store(a, "target")]
    const link = { source_id, target_id, relation: "supersedes" }
    assert.strictEqual((await call(a, "POST", "/links", link)).status, 201)
    assert.deepInclude(b.links()[0], { ...link, attest_level: "unsigned", valid_from: null })
    assert.strictEqual((await call(a, "POST", "/links", { source_id, target_id: "none" })).status, 500)

    assert.deepStrictEqual((await call(a, "DELETE", "/links", { source_id, target_id })).body, { deleted: true })
    assert.deepStrictEqual([a.links().length, b.links().length], [0, 1])
    await call(b, "DELETE", `/memories/${target_id}`)
    assert.deepStrictEqual(b.links(), [])
  })

  it("replicate a consolidation in one push", async () => {
    const [a, b] = await two()
    const sources = [await store(a, "one", { tags: ["x"] }), await store(a, "two", { priority: 8 })]
    const { body, status } = await call(a, "POST", "/consolidate", { ids: sources, title: "both", summary: "s" })
    assert.strictEqual(status, 201)
    assert.deepStrictEqual(ids(b.memories()), [String(body["id"])])
    assert.deepInclude(b.memories()[0], { source: "consolidation", priority: 8, tags: ["x"], namespace: "global" })
    const last = pushesTo(b).at(-1)?.body
    assert.isTrue(Cluster.isRecord(last))
    assert.deepInclude(last, { deletions: sources })
    const again = await call(a, "POST", "/consolidate", { ids: sources, title: "again", summary: "s" })
    assert.strictEqual(again.status, 500)
  })

  it("replicate agents, messages and standards", async () => {
    const [a, b] = await two()
    await call(a, "POST", "/agents", { agent_id: "bob", agent_type: "human" })
    await call(a, "POST", "/notify", { target_agent_id: "bob", title: "hello", payload: "there" })
    assert.deepInclude((await call(b, "GET", "/inbox?agent_id=bob")).body, { count: 1 })
    assert.strictEqual(b.memories().find(({ namespace }) => namespace === "_agents")?.title, "agent:bob")

    await call(a, "POST", "/namespaces", { namespace: "team", governance: { write: "any" } })
    const set = await call(a, "POST", "/namespaces/team-web/standard", {})
    const parents = b.namespaceMeta().map(({ namespace, parent_namespace }) => [namespace, parent_namespace])
    assert.deepStrictEqual(parents, [["team", null], ["team-web", "team"]])
    const shown = await call(b, "GET", "/namespaces?namespace=team-web&inherit=true")
    assert.deepStrictEqual(shown.body["chain"], ["*", "team", "team-web"])
    await call(a, "DELETE", "/namespaces?namespace=team")
    assert.deepStrictEqual(b.namespaceMeta().map(({ standard_id }) => standard_id), [set.body["standard_id"]])
    await call(b, "DELETE", `/memories/${String(set.body["standard_id"])}`)
    assert.deepStrictEqual(a.namespaceMeta(), [], "goes with its memory")
  })

  it("queue a governed write on both, and decide it on both, under ids that differ", async () => {
    const [a, b] = await two()
    await call(a, "POST", "/namespaces", { namespace: "g", standard: { governance: { write: "approve" } } })
    const queued = await call(a, "POST", "/memories", { title: "t", content: "c", namespace: "g" })
    assert.strictEqual(queued.status, 202)
    const id = String(queued.body["pending_id"])
    assert.deepInclude(queued.body, { status: "pending", action: "store", namespace: "g" })
    assert.deepStrictEqual(b.pendings(), a.pendings())

    const approved = await call(a, "POST", `/pending/${id}/approve`, undefined, "boss")
    assert.deepInclude(approved.body, { approved: true, id, decided_by: "boss", executed: true })
    assert.deepInclude(b.pendings()[0], { status: "approved", decided_by: "boss" })
    const made = [a, b].map((node) => node.memories().find(({ title }) => title === "t")?.id)
    assert.strictEqual(made[0], approved.body["memory_id"])
    assert.isDefined(made[1])
    assert.notStrictEqual(made[0], made[1])

    await call(a, "DELETE", `/memories/${String(made[0])}`, undefined, "tester")
    assert.deepStrictEqual(
      [a, b].map((node) => node.memories().some(({ title }) => title === "t")),
      [false, true],
      "the delete by the one id finds nothing under the other, and is acked"
    )
    assert.strictEqual((await call(a, "POST", `/pending/${id}/approve`)).status, 403)
    assert.strictEqual((await call(b, "POST", `/pending/${id}/reject`)).status, 404)
  })

  it("keep votes to themselves, and reject everywhere", async () => {
    const [a, b] = await two()
    for (const agent_id of ["x", "y"]) await call(a, "POST", "/agents", { agent_id, agent_type: "human" })
    const governance = { write: "approve", approver: { consensus: 2 } }
    await call(a, "POST", "/namespaces", { namespace: "g", governance })
    const queued = await call(a, "POST", "/memories", { title: "t", content: "c", namespace: "g" })
    const id = String(queued.body["pending_id"])
    assert.strictEqual((await call(a, "POST", `/pending/${id}/approve`, undefined, "nobody")).status, 403)
    for (const [node, agent] of [[a, "x"], [a, "X"], [b, "y"]] as const) {
      const { body, status } = await call(node, "POST", `/pending/${id}/approve`, undefined, agent)
      assert.strictEqual(status, 202)
      assert.deepInclude(body, { votes: 1, quorum: 2 })
    }
    assert.strictEqual((await call(b, "POST", `/pending/${id}/reject`)).status, 200)
    assert.strictEqual(a.pendings()[0]?.status, "rejected")
  })

  it("write a bulk row by row and once more in one push, with one stamp", async () => {
    const [a, b] = await two()
    const kept = await store(a, "taken")
    const items = ["taken", "new", "\r"].map((title) => ({ title, content: title, namespace: "n" }))
    const { body, status } = await call(a, "POST", "/memories/bulk", items)
    assert.strictEqual(status, 200)
    assert.strictEqual(body["created"], 2)
    assert.lengthOf(body["errors"] as ReadonlyArray<string>, 1)
    assert.lengthOf(new Set(a.memories().map(({ updated_at }) => updated_at)), 1)
    assert.include(ids(a.memories()), kept)
    assert.deepStrictEqual(pushesTo(b).map(({ headers }) => headers["x-catchup"]), [
      undefined,
      undefined,
      undefined,
      "bulk"
    ])
    assert.notInclude(pushesTo(b).slice(1).map(({ headers }) => headers["idempotency-key"]), kept)
  })

  it("send on the wire what the description says", async () => {
    const [a, b] = await two({ clock: () => 1_767_225_600_123_000_000n })
    const source = await store(a, "s", { tier: "long" })
    const target = await store(a, "t", { tier: "long" })
    await call(a, "POST", "/links", { source_id: source, target_id: target })
    const [first, , link] = pushesTo(b)
    assert.isDefined(first)
    assert.deepStrictEqual(first.body, {
      sender_agent_id: "host:original-1",
      memories: [{
        id: source,
        tier: "long",
        namespace: "n",
        title: "s",
        content: "c",
        tags: [],
        priority: 5,
        confidence: 1,
        source: "api",
        access_count: 0,
        created_at: "2026-01-01T00:00:00.123+00:00",
        updated_at: "2026-01-01T00:00:00.123+00:00",
        metadata: { agent_id: "tester" }
      }],
      dry_run: false
    })
    const { connection: _, host: __, ...headers } = first.headers
    assert.deepStrictEqual(Object.keys(headers).sort(), ["accept", "content-length", "content-type", "idempotency-key"])
    assert.strictEqual(headers["idempotency-key"], source)
    assert.strictEqual(
      Buffer.from(String(link?.headers["idempotency-key"]), "latin1").toString(),
      `${source}→${target}`
    )
    assert.deepStrictEqual(link?.body, {
      sender_agent_id: "host:original-1",
      memories: [],
      links: [{
        source_id: source,
        target_id: target,
        relation: "related_to",
        created_at: "2026-01-01T00:00:00.123+00:00"
      }],
      dry_run: false
    })
  })
})

describe("the quorum of an original", () => {
  it("says timeout when peers refuse, unreachable when they hang, and keeps the write", async () => {
    const [a, b] = await two()
    b.pause()
    const body = { title: "t", content: "c", namespace: "n" }
    const hanging = await Cluster.call(a.url, "POST", "/api/v1/memories", { body })
    assert.strictEqual(hanging.status, 503)
    assert.strictEqual(hanging.headers.get("retry-after"), "2")
    assert.deepStrictEqual(hanging.body, { error: "quorum_not_met", got: 1, needed: 2, reason: "unreachable" })
    const [kept] = a.memories()
    const again = await Cluster.call(a.url, "POST", "/api/v1/memories", { body })
    assert.strictEqual(again.status, 409)
    assert.deepInclude(again.body, { code: "CONFLICT", existing_id: kept?.id })
    b.resume()
    await Cluster.until("what the held process had received is there", async () => b.memories().length === 1)

    await b.stop()
    const begin = performance.now()
    const refused = await Cluster.call(a.url, "POST", "/api/v1/memories", { body: { ...body, title: "other" } })
    assert.deepInclude(refused.body, { reason: "timeout", got: 1 })
    assert.isAtLeast(performance.now() - begin, 240, "one retry after 250 ms")
    assert.isBelow(performance.now() - begin, 490)
  })

  it("answers at W and lets the late peers finish; with W = 1 waits for one of them", async () => {
    const [a, b, c] = await mesh(3, { quorumWrites: 2 })
    assert.isDefined(a)
    assert.isDefined(b)
    assert.isDefined(c)
    c.pause()
    const id = await store(a, "t")
    assert.deepStrictEqual([ids(b.memories()), ids(c.memories())], [[id], []])
    c.resume()
    await Cluster.until("the late one has it", async () => c.memories().length === 1)

    const [d, e] = await two({ quorumWrites: 1 })
    const write = async (title: string) =>
      (await call(d, "POST", "/memories", { title, content: "c" })).body["quorum_acks"]
    assert.strictEqual(await write("t"), 2)
    await e.stop()
    assert.strictEqual(await write("u"), 1)
  })
})

describe("POST /sync/push of an original", () => {
  it("counts every list, in this order", async () => {
    const node = await one()
    const link = { source_id: "a", target_id: "b", relation: "related_to", created_at: AT }
    const pending = { id: "p", action_type: "store", memory_id: null, namespace: "n", payload: row("made") }
    const asked = { requested_by: "x", requested_at: `${AT}+00:00`, status: "pending" }
    const answer = await push(node, {
      memories: [row("a"), row("b"), row("c"), row("d"), row("e", { content: "carriage\rreturn" })],
      deletions: ["c", "none"],
      archives: ["d", "none"],
      restores: ["d", "none"],
      links: [link, link, { ...link, target_id: "c" }, { ...link, relation: "reflects_on" }],
      pendings: [{ ...pending, ...asked }],
      pending_decisions: [{ id: "p", approved: true, decider: "x" }, { id: "p", approved: false, decider: "x" }],
      namespace_meta: [{ namespace: "n", standard_id: "a" }, { namespace: "m", standard_id: "none" }],
      namespace_meta_clears: ["n", "n"],
      sender_wall_clock: "unknown fields are ignored"
    })
    assert.deepStrictEqual(answer, {
      applied: 4,
      deleted: 1,
      archived: 1,
      restored: 1,
      links_applied: 2,
      pendings_applied: 1,
      pending_decisions_applied: 1,
      namespace_meta_applied: 1,
      namespace_meta_cleared: 1,
      noop: 5,
      skipped: 4,
      dry_run: false,
      receiver_agent_id: "tester",
      receiver_clock: { entries: { "host:test": `${AT}.1+00:00` } }
    })
    assert.deepInclude(node.pendings()[0], { status: "approved", decided_by: "x" })
    const made = node.memories().find(({ title }) => title === "title of made")
    assert.isDefined(made)
    assert.notStrictEqual(made.id, "made")
    assert.isAbove(node.memories().find(({ id }) => id === "d")?.updated_at.localeCompare(`${AT}.1+00:00`) ?? 0, 0)
  })

  it("only counts when asked to", async () => {
    const node = await one()
    const lists = { memories: [row("a"), row("b", { content: "" })], deletions: ["a"], dry_run: true }
    assert.deepInclude(await push(node, lists), { applied: 0, deleted: 0, noop: 2, skipped: 1, dry_run: true })
    assert.deepStrictEqual(node.memories(), [])
  })

  it("merges into the slot: newer wins, some columns only grow", async () => {
    const node = await one()
    const merged = async (changes: object) => {
      await push(node, { memories: [row("other", { title: "slot", ...changes })] })
      const [memory] = node.memories()
      assert.isDefined(memory)
      return memory
    }
    const mine = {
      title: "slot",
      tier: "mid",
      expires_at: "2026-05-14T10:00:00+00:00",
      updated_at: `${AT}.5+00:00`,
      metadata: { agent_id: "me", local: true }
    }
    await push(node, { memories: [row("local", mine)] })

    const older = {
      updated_at: `${AT}.4+00:00`,
      priority: 9,
      access_count: 3,
      expires_at: `${AT}+00:00`,
      tier: "short"
    }
    assert.deepInclude(await merged(older), {
      id: "local",
      content: "content of local",
      priority: 9,
      access_count: 3,
      tier: "mid",
      expires_at: `${AT}+00:00`,
      updated_at: `${AT}.5+00:00`,
      metadata: { agent_id: "me", local: true }
    })
    const same = { updated_at: `${AT}.5+00:00`, priority: 1, content: "the greater id", metadata: { agent_id: "you" } }
    assert.deepInclude(await merged(same), {
      id: "local",
      content: "the greater id",
      priority: 9,
      created_at: `${AT}.1+00:00`,
      metadata: { agent_id: "me" }
    })
    assert.strictEqual((await merged({ updated_at: `${AT}Z`, content: "later as a text" })).content, "later as a text")
    assert.strictEqual((await merged({ updated_at: `${AT}.9+00:00`, content: "earlier" })).content, "later as a text")
    assert.strictEqual((await merged({ tier: "long" })).expires_at, null)
    assert.strictEqual((await merged({ tier: "short", expires_at: `${AT}+00:00` })).expires_at, null)
  })

  it("refuses a whole batch for its shape or its size, and says nothing of ids", async () => {
    const node = await one()
    const { tags: _, ...untagged } = row("a")
    const cases: ReadonlyArray<readonly [unknown, number, string]> = [
      [{ sender_agent_id: "x" }, 422, ""],
      [{ sender_agent_id: "x", memories: [row("ok"), untagged] }, 422, ""],
      [{ sender_agent_id: "x", memories: [row("a", { tier: "eternal" })] }, 422, ""],
      [{ sender_agent_id: "x", memories: [row("a", { tags: null })] }, 422, ""],
      [{ sender_agent_id: "x", memories: [], pendings: [{ id: "p" }] }, 422, ""],
      [{ sender_agent_id: "not one", memories: [] }, 400, "invalid sender_agent_id"],
      [
        { sender_agent_id: "x", memories: [], restores: Array(1001).fill("a") },
        400,
        "sync_push limited to 1000 restores per request"
      ],
      [{ sender_agent_id: "x", memories: [row("a", { content: "\ud800" })] }, 400, ""]
    ]
    for (const [body, status, error] of cases) {
      const answer = await call(node, "POST", "/sync/push", body)
      assert.strictEqual(answer.status, status)
      assert.include(String(answer.body["error"] ?? ""), error)
    }
    assert.deepStrictEqual(node.memories(), [])
    const unlimited = { source_id: "a", target_id: "b", relation: "related_to", created_at: AT }
    assert.strictEqual((await push(node, { links: Array(1001).fill(unlimited) }))["skipped"], 1001)
    assert.notProperty(await push(node, { memories: [row("a")] }), "ids")

    const post = (headers: Record<string, string>, body: string) =>
      fetch(`${node.url}/api/v1/sync/push`, { method: "POST", headers, body }).then(({ status }) => status)
    assert.strictEqual(await post({ "content-type": "application/json" }, "{"), 400)
    assert.strictEqual(await post({ "content-type": "text/plain" }, "{}"), 415)
    assert.strictEqual(await post({ "content-type": "application/json" }, " ".repeat(2 * 1024 * 1024 + 1)), 413)
    assert.strictEqual((await call(node, "GET", "/sync/hello")).status, 404)
    assert.strictEqual((await call(node, "GET", "/sync/push")).status, 405)
  })
})

describe("GET /sync/since of an original", () => {
  it("pages by texts, strictly, and loses what shares a stamp with the end of a page", async () => {
    const node = await one()
    const stamps = [".1+00:00", ".2+00:00", ".2+00:00", ".3+00:00"]
    const memories = stamps.map((at, index) => row(`${index}`, { updated_at: `${AT}${at}` }))
    await push(node, { memories })
    const since = (query: string) => call(node, "GET", `/sync/since?${query}`).then(({ body }) => body)
    assert.deepInclude(await since(""), {
      count: 4,
      limit: 500,
      updated_since: null,
      earliest_updated_at: `${AT}.1+00:00`,
      latest_updated_at: `${AT}.3+00:00`
    })
    const page = await since("limit=2")
    assert.deepInclude(page, { count: 2, limit: 2 })
    const rest = await since(`since=${encodeURIComponent(String(page["latest_updated_at"]))}`)
    assert.deepInclude(rest, { count: 1, updated_since: `${AT}.2+00:00` })
    assert.deepInclude(await since("limit=0&since="), { count: 0, latest_updated_at: null, memories: [] })
    assert.deepInclude(await since("limit=99999"), { limit: 10_000 })
    const garbage = await call(node, "GET", "/sync/since?since=yesterday")
    assert.strictEqual(garbage.status, 400)
    assert.include(String(garbage.body["error"]), "since")
  })
})

describe("what an original gets wrong", () => {
  it("misses in an outage all but memories, and resurrects what was deleted meanwhile", async () => {
    const [a, b] = await two({ quorumWrites: 1 })
    const [deleted, source, target] = [await store(a, "deleted"), await store(a, "s"), await store(a, "t")]
    await b.stop()
    await call(a, "DELETE", `/memories/${deleted}`)
    await call(a, "POST", "/links", { source_id: source, target_id: target })
    const missed = await store(a, "missed")
    await b.restart()
    await b.catchUp()
    assert.include(ids(b.memories()), missed)
    assert.include(ids(b.memories()), deleted)
    assert.deepStrictEqual(b.links(), [])
    await a.catchUp()
    assert.include(ids(a.memories()), deleted)
  })

  it("acks a rename that it skips, and never gets it later", async () => {
    const [a, b] = await two()
    const id = await store(a, "old name")
    const renamed = await call(a, "PUT", `/memories/${id}`, { title: "new name" })
    assert.strictEqual(renamed.status, 200)
    assert.strictEqual(b.memories()[0]?.title, "old name")
    await b.catchUp()
    assert.strictEqual(b.memories()[0]?.title, "old name")
    await b.catchUp()
    const pulls = a.requests().filter(({ path }) => path.startsWith("/api/v1/sync/since"))
    const renamedAt = encodeURIComponent(String(a.memories()[0]?.updated_at))
    assert.deepStrictEqual(pulls.map(({ path }) => path), [
      "/api/v1/sync/since?peer=host:original-2",
      `/api/v1/sync/since?since=${renamedAt}&peer=host:original-2`
    ])
  })

  it("takes a push that is skipped for an ack, and any 2xx, but for one with other ids", async () => {
    const [a, b] = await two()
    const source_id = await store(a, "s")
    const target_id = await store(a, "t")
    await push(b, { deletions: [target_id] })
    assert.strictEqual((await call(a, "POST", "/links", { source_id, target_id })).status, 201)
    assert.deepStrictEqual(b.links(), [])

    const answers = ["<html>please log in</html>", "{\"ids\":[]}", "{\"ids\":[\"other\"]}"]
    const portal = createServer((request, response) => {
      request.resume().once("end", () => response.end(answers.shift()))
    }).listen(0, "127.0.0.1")
    await once(portal, "listening")
    const address = portal.address()
    const port = typeof address === "object" ? address?.port : undefined
    const c = await one({ peers: [`http://127.0.0.1:${port}`], quorumWrites: 2 })
    const statuses = []
    for (const title of ["one", "two", "three"]) {
      statuses.push((await call(c, "POST", "/memories", { title, content: "c" })).status)
    }
    portal.close()
    assert.deepStrictEqual(statuses, [201, 201, 503])
  })

  it("opens a decided action again when its push comes late", async () => {
    const node = await one()
    const pending = {
      id: "p",
      action_type: "delete",
      memory_id: "m",
      namespace: "n",
      payload: { id: "m", title: "t" },
      requested_by: "x",
      requested_at: `${AT}+00:00`,
      status: "pending"
    }
    const decision = { pending_decisions: [{ id: "p", approved: false, decider: "x" }] }
    assert.deepInclude(await push(node, decision), { noop: 1, pending_decisions_applied: 0 })
    await push(node, { pendings: [pending] })
    await push(node, decision)
    assert.strictEqual(node.pendings()[0]?.status, "rejected")
    await push(node, { pendings: [pending] })
    assert.strictEqual(node.pendings()[0]?.status, "pending")
  })
})

it("an original that stops keeps its data, and its loop catches up", async () => {
  const [a, b] = await two({ quorumWrites: 1, catchupMillis: 50 })
  await store(a, "before")
  await b.stop()
  const missed = await store(a, "missed")
  assert.lengthOf(b.memories(), 1)
  await b.restart()
  await Cluster.until("the loop has pulled", async () => ids(b.memories()).includes(missed))
})

it("stamps have 0, 3, 6 or 9 digits", () => {
  const second = 1_767_225_600_000_000_000n
  assert.deepStrictEqual([0n, 120_000_000n, 120_000n, 1n].map((nanos) => stamp(second + nanos)), [
    "2026-01-01T00:00:00+00:00",
    "2026-01-01T00:00:00.120+00:00",
    "2026-01-01T00:00:00.000120+00:00",
    "2026-01-01T00:00:00.000000001+00:00"
  ])
})
