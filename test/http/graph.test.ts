import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { NodeId } from "../../src/domain/ids.js"
import * as Client from "../../src/http/Client.js"
import * as Node from "./node.js"

describe("the graph of a node", () => {
  let node: Node.Node
  beforeAll(async () => {
    node = await Node.start({ nodeId: Option.some(NodeId.make("graph")) })
  })
  afterAll(() => node.stop())

  const send = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const answer = await Node.exchange(
      node.port,
      Node.request({
        method,
        path: `/api/v1${path}`,
        headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body) })
      })
    )
    return { status: answer.status, headers: answer.headers, body: Object(answer.json) }
  }
  let counter = 0
  /** A new memory. */
  const memory = async (fields: Record<string, unknown> = {}): Promise<string> => {
    const { body, status } = await send("POST", "/memories", { title: `memory ${counter++}`, content: "c", ...fields })
    assert.strictEqual(status, 201, JSON.stringify(body))
    return String(body.id)
  }
  const memories = (count: number) => Promise.all(Array.from({ length: count }, () => memory()))
  const link = async (source_id: string, target_id: string, fields: Record<string, unknown> = {}) => {
    const { body, status } = await send("POST", "/links", { source_id, target_id, ...fields })
    assert.strictEqual(status, 201, JSON.stringify(body))
    return body
  }
  /** The links of a memory, each as text. */
  const linksOf = async (id: string) => {
    const { body, status } = await send("GET", `/links/${encodeURIComponent(id)}`)
    assert.strictEqual(status, 200)
    assert.strictEqual(body.count, body.links.length)
    return body.links.map(textOf)
  }
  const textOf = (one: Record<string, unknown>) => `${one["source_id"]} ${one["relation"]} ${one["target_id"]}`
  /** What a node of the original would send. */
  const push = async (items: Record<string, unknown>) => {
    const { body, status } = await send("POST", "/sync/push", { sender_agent_id: "original", memories: [], ...items })
    assert.strictEqual(status, 200, JSON.stringify(body))
    return body
  }

  describe("links", () => {
    it("are made once for each source, target and relation", async () => {
      const [a = "", b = ""] = await memories(2)
      const first = await send("POST", "/links", { source_id: a, target_id: b })
      assert.strictEqual(first.status, 201)
      assert.match(first.headers["x-op-id"] ?? "", /^[0-9a-f-]{36}$/)
      const { acked_by, created_at, ...rest } = first.body
      assert.deepStrictEqual(rest, {
        linked: true,
        attest_level: "unsigned",
        source_id: a,
        target_id: b,
        relation: "related_to",
        quorum_acks: 1
      })
      assert.deepStrictEqual(acked_by, ["graph"])
      assert.match(created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}\+00:00$/)
      const before = await node.contents()
      const again = await send("POST", "/links", { source_id: a, target_id: b, relation: "related_to" })
      assert.strictEqual(again.status, 201)
      assert.deepStrictEqual(again.body, first.body)
      assert.strictEqual(again.headers["x-op-id"], first.headers["x-op-id"])
      assert.deepStrictEqual(await node.contents(), before, "nothing new was written")
      await link(a, b, { relation: "supersedes" })
      await link(b, a)
      const all = [`${a} related_to ${b}`, `${a} supersedes ${b}`, `${b} related_to ${a}`]
      assert.deepStrictEqual(await linksOf(a), all)
      assert.deepStrictEqual(await linksOf(b), all)
    })

    it("keep what is said of them", async () => {
      const [a = "", b = ""] = await memories(2)
      const signature = Array.from({ length: 64 }, (_, index) => index)
      const made = await link(a, b, {
        relation: "derived_from",
        observed_by: "agent:7",
        valid_from: "2026-01-01T00:00:00Z",
        valid_until: "2026-02-01T00:00:00.5+01:00",
        signature
      })
      const said = {
        source_id: a,
        target_id: b,
        relation: "derived_from",
        created_at: made.created_at,
        signature,
        observed_by: "agent:7",
        valid_from: "2026-01-01T00:00:00.000000000+00:00",
        valid_until: "2026-01-31T23:00:00.500000000+00:00"
      }
      const { links } = (await send("GET", `/links/${a}`)).body
      assert.deepStrictEqual(links, [said])
      const found = (await send("GET", `/memories/${b}`)).body
      assert.deepStrictEqual(found.links, [said])
      assert.deepStrictEqual((await send("GET", `/memories/${await memory()}`)).body.links, [])
    })

    it("are refused where a value is wrong or an end is not there", async () => {
      const [a = "", b = ""] = await memories(2)
      const refused: ReadonlyArray<readonly [body: unknown, status: number, field: string | undefined]> = [
        [{ source_id: a, target_id: a }, 400, "target_id"],
        [{ source_id: a, target_id: b, relation: "likes" }, 400, "relation"],
        [{ source_id: " ", target_id: b }, 400, "source_id"],
        [{ source_id: a, target_id: "x".repeat(129) }, 400, "target_id"],
        [{ source_id: a, target_id: b, observed_by: "a b" }, 400, "observed_by"],
        [{ source_id: a, target_id: b, valid_from: "yesterday" }, 400, "valid_from"],
        [{ source_id: a, target_id: b, valid_until: "2026-13-01T00:00:00Z" }, 400, "valid_until"],
        [{ source_id: a, target_id: b, signature: [1, 2, 3] }, 400, "signature"],
        [{ source_id: a, target_id: b, signature: Array(64).fill(256) }, 422, "signature[0]"],
        [{ source_id: a }, 422, "target_id"],
        [{ source_id: a, target_id: 7 }, 422, "target_id"],
        [[], 422, ""],
        [{ source_id: a, target_id: "not here" }, 404, undefined],
        [{ source_id: "not here", target_id: b }, 404, undefined],
        [{ source_id: a.slice(0, 20), target_id: b }, 404, undefined]
      ]
      const before = await node.contents()
      for (const [body, status, field] of refused) {
        const answer = await send("POST", "/links", body)
        assert.deepStrictEqual([answer.status, answer.body.field], [status, field], JSON.stringify(body))
        assert.isString(answer.body.error)
      }
      const missing = await send("POST", "/links", { source_id: a, target_id: "not here" })
      assert.deepStrictEqual(missing.body, { error: "target_id not found" })
      assert.deepStrictEqual(await node.contents(), before)
      assert.strictEqual(
        (await send("POST", "/links", { source_id: a, target_id: b }, { "x-agent-id": "a b" })).status,
        400
      )
    })

    it("are one write under one key", async () => {
      const [a = "", b = ""] = await memories(2)
      const key = { "idempotency-key": "link once" }
      const first = await send("POST", "/links", { source_id: a, target_id: b }, key)
      assert.strictEqual((await send("DELETE", "/links", { source_id: a, target_id: b })).body.deleted, true)
      const again = await send("POST", "/links", { source_id: a, target_id: b }, key)
      assert.deepStrictEqual(again.body, first.body)
      assert.deepStrictEqual(await linksOf(a), [], "a repetition makes no second link")
      assert.strictEqual((await send("POST", "/links", { source_id: b, target_id: a }, key)).status, 422)
    })

    it("are removed by direction, all of them or by relation, and can be made again", async () => {
      const [a = "", b = ""] = await memories(2)
      for (const relation of ["related_to", "supersedes", "contradicts"]) await link(a, b, { relation })
      await link(b, a)
      const one = await send("DELETE", "/links", { source_id: a, target_id: b, relation: "supersedes" })
      assert.strictEqual(one.status, 200)
      assert.deepStrictEqual(one.body, { deleted: true, quorum_acks: 1, acked_by: ["graph"] })
      assert.isDefined(one.headers["x-op-id"])
      assert.deepStrictEqual(await linksOf(a), [
        `${a} related_to ${b}`,
        `${a} contradicts ${b}`,
        `${b} related_to ${a}`
      ])
      const key = { "idempotency-key": "unlink" }
      assert.isTrue((await send("DELETE", "/links", { source_id: a, target_id: b }, key)).body.deleted)
      assert.deepStrictEqual(await linksOf(a), [`${b} related_to ${a}`])
      assert.isTrue((await send("DELETE", "/links", { source_id: a, target_id: b }, key)).body.deleted, "repeated")
      const nothing = await send("DELETE", "/links", { source_id: a, target_id: b })
      assert.strictEqual(nothing.status, 200)
      assert.strictEqual(nothing.body.deleted, false)
      assert.isUndefined(nothing.headers["x-op-id"])
      assert.strictEqual((await send("DELETE", "/links", { source_id: "no", target_id: "where" })).body.deleted, false)
      await link(a, b, { relation: "supersedes" })
      assert.deepStrictEqual(await linksOf(b), [`${b} related_to ${a}`, `${a} supersedes ${b}`])
      for (
        const [body, status] of [
          [{ source_id: a }, 422],
          [{ source_id: a, target_id: b, relation: "likes" }, 400],
          [{ source_id: a, target_id: a }, 400],
          [{ source_id: "", target_id: a }, 400]
        ] as const
      ) assert.strictEqual((await send("DELETE", "/links", body)).status, status, JSON.stringify(body))
    })

    it("wait for an end that is not here, and come back with one that was put away", async () => {
      const [a = "", b = ""] = await memories(2)
      await link(a, b)
      const later = "memory-of-later"
      const stamp = "2026-01-01T00:00:00Z"
      await push({ links: [{ source_id: a, target_id: later, relation: "related_to", created_at: stamp }] })
      assert.deepStrictEqual(await linksOf(a), [`${a} related_to ${b}`], "its end has not arrived")
      assert.deepStrictEqual(await linksOf(later), [])
      const row = {
        id: later,
        tier: "long",
        namespace: "global",
        title: later,
        content: "c",
        tags: [],
        priority: 5,
        confidence: 1,
        source: "api",
        access_count: 0,
        created_at: stamp,
        updated_at: stamp
      }
      await push({ memories: [row] })
      assert.sameMembers(await linksOf(a), [`${a} related_to ${b}`, `${a} related_to ${later}`])
      await push({ archives: [b] })
      assert.deepStrictEqual(await linksOf(a), [`${a} related_to ${later}`])
      assert.deepStrictEqual(await linksOf(b), [])
      assert.strictEqual((await send("POST", "/links", { source_id: b, target_id: a })).status, 404, "archived")
      await push({ restores: [b] })
      assert.sameMembers(await linksOf(b), [`${a} related_to ${b}`])
      await send("DELETE", `/memories/${later}`)
      assert.deepStrictEqual(await linksOf(a), [`${a} related_to ${b}`])
      assert.strictEqual((await send("POST", "/links", { source_id: a, target_id: later })).status, 404, "deleted")
      assert.isTrue(
        (await send("DELETE", "/links", { source_id: a, target_id: later })).body.deleted,
        "though not shown"
      )
      await push({ memories: [{ ...row, updated_at: "2026-01-02T00:00:00Z" }] })
    })

    it("follow a memory that another one took over", async () => {
      const [a = "", c = ""] = await memories(2)
      const old = await memory({ title: "taken over" })
      await link(a, old)
      await link(old, c, { relation: "supersedes" })
      await send("PUT", `/memories/${old}`, { expires_at: "2020-01-01T00:00:00Z" })
      const heir = await memory({ title: "taken over" })
      assert.notStrictEqual(heir, old)
      const moved = [`${a} related_to ${heir}`, `${heir} supersedes ${c}`]
      assert.deepStrictEqual(await linksOf(heir), moved)
      assert.deepStrictEqual(await linksOf(old), moved, "the old id means the new memory")
      assert.deepStrictEqual(await linksOf(a), [`${a} related_to ${heir}`])
      const found = (await send("GET", `/memories/${old}`)).body
      assert.deepStrictEqual([found.id, found.links.map(textOf)], [heir, moved])
      const before = await node.contents()
      const again = await link(a, old)
      assert.strictEqual(again.target_id, heir)
      assert.deepStrictEqual(await node.contents(), before, "that link is there")
      await link(heir, a)
      assert.deepStrictEqual(await linksOf(heir), [...moved, `${heir} related_to ${a}`])
      assert.strictEqual((await send("POST", "/links", { source_id: old, target_id: heir })).body.field, "target_id")
      assert.isTrue(
        (await send("DELETE", "/links", { source_id: a, target_id: heir })).body.deleted,
        "under its new id"
      )
      assert.deepStrictEqual(await linksOf(a), [`${heir} related_to ${a}`])
    })

    it("of what became one are shown once, and not to itself", async () => {
      const a = await memory()
      const first = await memory({ title: "one of two" })
      await link(a, first)
      await send("PUT", `/memories/${first}`, { expires_at: "2020-01-01T00:00:00Z" })
      const second = await memory({ title: "one of two" })
      await send("DELETE", "/links", { source_id: a, target_id: second })
      // Written where the two were not yet one.
      const stamp = "2026-01-01T00:00:00Z"
      const raw = { relation: "related_to", created_at: stamp }
      await push({
        links: [
          { ...raw, source_id: a, target_id: first },
          { ...raw, source_id: a, target_id: second, observed_by: "later" },
          { ...raw, source_id: first, target_id: second }
        ]
      })
      const { links } = (await send("GET", `/links/${second}`)).body
      assert.deepStrictEqual(links.map(textOf), [`${a} related_to ${second}`])
      assert.strictEqual(links[0].observed_by, "later")
      assert.isTrue((await send("DELETE", "/links", { source_id: a, target_id: second })).body.deleted)
      assert.deepStrictEqual(await linksOf(a), [], "removed under every id")
    })

    it("are given page by page", async () => {
      const [a = "", ...others] = await memories(6)
      for (const other of others) await link(a, other)
      const page = async (query: string) => (await send("GET", `/links/${a}${query}`)).body.links.map(textOf)
      const all = others.map((other) => `${a} related_to ${other}`)
      assert.deepStrictEqual(await page(""), all)
      assert.deepStrictEqual(await page("?limit=2&offset=1"), all.slice(1, 3))
      assert.deepStrictEqual(await page("?limit=0"), [])
      assert.deepStrictEqual(await page("?limit=100000&offset=4"), all.slice(4))
      assert.strictEqual((await send("GET", `/links/${a}?limit=x`)).body.field, "limit")
      assert.strictEqual((await send("GET", `/links/${"x".repeat(200)}`)).status, 400)
      assert.deepStrictEqual(await linksOf("no such memory"), [])
      assert.deepStrictEqual(await linksOf(a.slice(0, 20)), [], "a prefix is no id")
    })
  })

  describe("/kg/query", () => {
    const query = async (body: Record<string, unknown>) => {
      const answer = await send("POST", "/kg/query", body)
      assert.strictEqual(answer.status, 200, JSON.stringify(answer.body))
      assert.strictEqual(answer.body.count, answer.body.memories.length)
      assert.deepStrictEqual(answer.body.paths, answer.body.memories.map(({ path }: { path: string }) => path))
      return answer.body
    }

    it("follows links breadth first, and ends in circles", async () => {
      const [a = "", b = "", c = "", d = "", e = ""] = await memories(5)
      await link(a, b, { observed_by: "x" })
      await link(a, c, { relation: "supersedes" })
      await link(b, d)
      await link(c, d)
      await link(d, a)
      await link(d, e)
      await link(e, b)
      const near = await query({ source_id: a })
      assert.strictEqual(near.max_depth, 1)
      assert.strictEqual(near.source_id, a)
      assert.deepStrictEqual(near.paths, [`${a} -> ${b}`, `${a} -> ${c}`])
      const [first] = near.memories
      const { title } = (await send("GET", `/memories/${b}`)).body
      assert.deepStrictEqual(first, {
        target_id: b,
        relation: "related_to",
        valid_from: null,
        valid_until: null,
        observed_by: "x",
        title,
        target_namespace: "global",
        depth: 1,
        path: `${a} -> ${b}`
      })
      const far = await query({ source_id: a, max_depth: 5 })
      assert.deepStrictEqual(far.paths, [
        `${a} -> ${b}`,
        `${a} -> ${c}`,
        `${a} -> ${b} -> ${d}`,
        `${a} -> ${c} -> ${d}`,
        `${a} -> ${b} -> ${d} -> ${e}`
      ])
      assert.deepStrictEqual(far.memories.map(({ depth }: { depth: number }) => depth), [1, 1, 2, 2, 3])
      const limited = await query({ source_id: a, max_depth: 5, limit: 3 })
      assert.deepStrictEqual(limited.paths, far.paths.slice(0, 3))
      assert.deepStrictEqual((await query({ source_id: a, limit: 0 })).paths, [])
      assert.deepStrictEqual((await query({ source_id: a, limit: 1_000_000 })).paths, near.paths)
    })

    it("goes five links deep and no deeper", async () => {
      const chain = await memories(8)
      for (const [index, id] of chain.slice(1).entries()) await link(chain[index] ?? "", id)
      const { memories: reached } = await query({ source_id: chain[0], max_depth: 5 })
      assert.deepStrictEqual(reached.map(({ target_id }: { target_id: string }) => target_id), chain.slice(1, 6))
    })

    it("asks for a moment, and for observers", async () => {
      const [a = "", old = "", now = "", always = ""] = await memories(4)
      await link(a, old, { valid_from: "2024-01-01T00:00:00Z", valid_until: "2025-01-01T00:00:00Z", observed_by: "x" })
      await link(a, now, { valid_from: "2025-01-01T00:00:00Z", observed_by: "y" })
      await link(a, always)
      const targets = async (body: Record<string, unknown>) =>
        (await query({ source_id: a, ...body })).memories.map(({ target_id }: { target_id: string }) => target_id)
      assert.deepStrictEqual(await targets({}), [old, now, always], "by when they are valid from")
      assert.deepStrictEqual(await targets({ valid_at: "2024-06-01T00:00:00Z" }), [old, always])
      assert.deepStrictEqual(await targets({ valid_at: "2025-01-01T00:00:00Z" }), [now, always], "the end is not in it")
      assert.deepStrictEqual(await targets({ valid_at: "2023-01-01T00:00:00Z" }), [always])
      assert.deepStrictEqual(await targets({ allowed_agents: ["x", "z"] }), [old])
      assert.deepStrictEqual(await targets({ allowed_agents: ["x", "y"], valid_at: "2026-01-01T00:00:00Z" }), [now])
      assert.deepStrictEqual(await targets({ allowed_agents: [] }), [])
    })

    it("does not go through what is not there", async () => {
      const [a = "", b = "", c = ""] = await memories(3)
      await link(a, b)
      await link(b, c)
      await push({ archives: [b] })
      assert.deepStrictEqual((await query({ source_id: a, max_depth: 3 })).paths, [])
      await push({ restores: [b] })
      assert.deepStrictEqual((await query({ source_id: a, max_depth: 3 })).paths, [
        `${a} -> ${b}`,
        `${a} -> ${b} -> ${c}`
      ])
      assert.deepStrictEqual((await query({ source_id: "not here" })).paths, [])
    })

    it("refuses what is out of bounds", async () => {
      const refused: ReadonlyArray<readonly [body: unknown, status: number, field: string]> = [
        [{}, 422, "source_id"],
        [{ source_id: "a", max_depth: 0 }, 422, "max_depth"],
        [{ source_id: "a", max_depth: 6 }, 422, "max_depth"],
        [{ source_id: "a", max_depth: 1.5 }, 422, "max_depth"],
        [{ source_id: "a", allowed_agents: "x" }, 422, "allowed_agents"],
        [{ source_id: "a", allowed_agents: Array(257).fill("x") }, 400, "allowed_agents"],
        [{ source_id: "a", allowed_agents: ["x", "y z"] }, 400, "allowed_agents[1]"],
        [{ source_id: "a", valid_at: "now" }, 400, "valid_at"],
        [{ source_id: "a", limit: -1 }, 400, "limit"],
        [{ source_id: "" }, 400, "source_id"]
      ]
      for (const [body, status, field] of refused) {
        const answer = await send("POST", "/kg/query", body)
        assert.deepStrictEqual([answer.status, answer.body.field], [status, field], JSON.stringify(body))
      }
    })
  })

  describe("/kg/timeline", () => {
    it("tells the links of a memory in the order in which they began to hold", async () => {
      const [a = "", b = "", c = "", d = ""] = await memories(4)
      const late = await link(a, b)
      await link(a, c, { valid_from: "2025-01-01T00:00:00Z", valid_until: "2025-02-01T00:00:00Z", observed_by: "x" })
      await link(a, d, { valid_from: "2024-01-01T00:00:00Z" })
      const events = async (query: string) => {
        const { body, status } = await send("GET", `/kg/timeline?source_id=${a}${query}`)
        assert.strictEqual(status, 200)
        assert.strictEqual(body.source_id, a)
        assert.strictEqual(body.count, body.events.length)
        return body.events
      }
      const targets = async (query: string) =>
        (await events(query)).map(({ target_id }: { target_id: string }) => target_id)
      assert.deepStrictEqual(await targets(""), [d, c, b])
      const [, second, third] = await events("")
      assert.strictEqual(third.created_at, late.created_at)
      const { created_at: _, title: __, ...said } = second
      assert.deepStrictEqual(said, {
        target_id: c,
        relation: "related_to",
        valid_from: "2025-01-01T00:00:00.000000000+00:00",
        valid_until: "2025-02-01T00:00:00.000000000+00:00",
        observed_by: "x",
        target_namespace: "global"
      })
      assert.deepStrictEqual(await targets("&since=2025-01-01T00:00:00Z"), [c, b])
      assert.deepStrictEqual(await targets("&until=2025-01-01T00:00:00Z"), [d, c])
      assert.deepStrictEqual(await targets("&limit=1"), [d])
      assert.deepStrictEqual(await targets("&limit=0"), [])
      assert.deepStrictEqual((await send("GET", "/kg/timeline?source_id=nothing")).body.events, [])
      for (
        const [query, field] of [
          ["", "source_id"],
          ["source_id=a&limit=x", "limit"],
          ["source_id=a&since=x", "since"],
          ["source_id=", "source_id"]
        ]
      ) {
        const answer = await send("GET", `/kg/timeline?${query}`)
        assert.deepStrictEqual([answer.status, answer.body.field], [400, field], query)
      }
    })
  })

  describe("/kg/invalidate", () => {
    it("says until when a link held", async () => {
      const [a = "", b = ""] = await memories(2)
      await link(a, b, { relation: "contradicts" })
      const ends = { source_id: a, target_id: b, relation: "contradicts" }
      const key = { "idempotency-key": "invalidate" }
      const first = await send("POST", "/kg/invalidate", { ...ends, valid_until: "2026-03-01T00:00:00+01:00" }, key)
      assert.strictEqual(first.status, 200)
      const until = "2026-02-28T23:00:00.000000000+00:00"
      const expected = { found: true, ...ends, valid_until: until, quorum_acks: 1, acked_by: ["graph"] }
      assert.deepStrictEqual(first.body, { ...expected, previous_valid_until: null })
      assert.isDefined(first.headers["x-op-id"])
      const repeated = await send("POST", "/kg/invalidate", { ...ends, valid_until: "2026-03-01T00:00:00+01:00" }, key)
      assert.deepStrictEqual(repeated.body, expected)
      const [shown] = (await send("GET", `/links/${a}`)).body.links
      assert.strictEqual(shown.valid_until, until)
      const second = await send("POST", "/kg/invalidate", ends)
      assert.strictEqual(second.body.previous_valid_until, until)
      assert.isAbove(Date.parse(second.body.valid_until), Date.now() - 60_000)
      const before = await node.contents()
      for (const wrong of [{ ...ends, relation: "supersedes" }, { ...ends, source_id: b, target_id: a }]) {
        const missing = await send("POST", "/kg/invalidate", wrong)
        assert.deepStrictEqual([missing.status, missing.body], [404, { found: false, error: "not found" }])
      }
      const refused: ReadonlyArray<readonly [body: unknown, status: number, field: string]> = [
        [{ source_id: a, target_id: b }, 422, "relation"],
        [{ ...ends, relation: "likes" }, 400, "relation"],
        [{ ...ends, valid_until: "soon" }, 400, "valid_until"],
        [{ ...ends, target_id: a }, 400, "target_id"]
      ]
      for (const [body, status, field] of refused) {
        const answer = await send("POST", "/kg/invalidate", body)
        assert.deepStrictEqual([answer.status, answer.body.field], [status, field], JSON.stringify(body))
      }
      assert.deepStrictEqual(await node.contents(), before)
    })
  })

  describe("/taxonomy", () => {
    it("is the tree of namespaces", async () => {
      const place = async (namespace: string, count: number) => {
        for (let index = 0; index < count; index++) await memory({ namespace })
      }
      await place("tree", 1)
      await place("tree/a", 2)
      await place("tree/a/x/deep", 3)
      await place("tree/b", 1)
      await place("treehouse", 1)
      await memory({ namespace: "tree/b", title: "gone" }).then((id) => send("DELETE", `/memories/${id}`))
      const taxonomy = async (query: string) => (await send("GET", `/taxonomy${query}`)).body
      const leaf = (namespace: string, count: number) => ({
        namespace,
        name: namespace.slice(namespace.lastIndexOf("/") + 1),
        count,
        subtree_count: count,
        children: []
      })
      assert.deepStrictEqual(await taxonomy("?prefix=tree"), {
        tree: {
          namespace: "tree",
          name: "tree",
          count: 1,
          subtree_count: 7,
          children: [
            {
              namespace: "tree/a",
              name: "a",
              count: 2,
              subtree_count: 5,
              children: [{
                namespace: "tree/a/x",
                name: "x",
                count: 0,
                subtree_count: 3,
                children: [leaf("tree/a/x/deep", 3)]
              }]
            },
            leaf("tree/b", 1)
          ]
        },
        total_count: 7,
        truncated: false
      })
      const whole = await taxonomy("")
      assert.deepStrictEqual([whole.tree.namespace, whole.tree.name, whole.tree.count], ["", "", 0])
      assert.includeMembers(whole.tree.children.map(({ name }: { name: string }) => name), [
        "global",
        "tree",
        "treehouse"
      ])
      assert.strictEqual(whole.total_count, (await send("GET", "/stats")).body.total)
      const flat = await taxonomy("?prefix=tree&depth=1")
      assert.deepStrictEqual(flat.tree.children, [{ ...leaf("tree/a", 2), subtree_count: 5 }, leaf("tree/b", 1)])
      assert.isFalse(flat.truncated)
      assert.deepStrictEqual((await taxonomy("?prefix=tree&depth=0")).tree, { ...leaf("tree", 1), subtree_count: 7 })
      const cut = await taxonomy("?prefix=tree&limit=3")
      assert.strictEqual(cut.tree.subtree_count, 7)
      assert.isTrue(cut.truncated)
      assert.deepStrictEqual(cut.tree.children.map(({ namespace }: { namespace: string }) => namespace), ["tree/a"])
      assert.deepStrictEqual(await taxonomy("?prefix=tree/none"), {
        tree: leaf("tree/none", 0),
        total_count: 0,
        truncated: false
      })
      assert.deepStrictEqual(await taxonomy("?prefix=tree&depth=99&limit=99999"), await taxonomy("?prefix=tree"))
      for (const [query, field] of [["prefix=a//b", "prefix"], ["depth=x", "depth"], ["limit=0", "limit"]]) {
        const answer = await send("GET", `/taxonomy?${query}`)
        assert.deepStrictEqual([answer.status, answer.body.field], [400, field], query)
      }
    })
  })

  describe("/entities", () => {
    const byAlias = async (query: string) => {
      const { body, status } = await send("GET", `/entities/by_alias?${query}`)
      assert.strictEqual(status, 200, JSON.stringify(body))
      return body
    }
    const nothing = { found: false, entity_id: null, canonical_name: null, namespace: null, aliases: null }

    it("are registered once under their name, and get further names", async () => {
      const namespace = "people"
      const ada = { canonical_name: "Ada Lovelace", namespace, aliases: ["Ada", "Ada", "Countess of Lovelace"] }
      const first = await send("POST", "/entities", { ...ada, metadata: { born: 1815 }, agent_id: "historian" })
      assert.strictEqual(first.status, 201, JSON.stringify(first.body))
      const { entity_id, ...rest } = first.body
      assert.deepStrictEqual(rest, {
        canonical_name: "Ada Lovelace",
        namespace,
        aliases: ["Ada", "Countess of Lovelace"],
        created: true,
        quorum_acks: 1,
        acked_by: ["graph"]
      })
      const again = await send("POST", "/entities", {
        ...ada,
        aliases: ["Ada", "A. A. L."],
        metadata: { died: 1852 },
        agent_id: "another"
      })
      assert.strictEqual(again.status, 200)
      assert.deepStrictEqual([again.body.entity_id, again.body.created], [entity_id, false])
      assert.deepStrictEqual(again.body.aliases, ["Ada", "Countess of Lovelace", "A. A. L."])
      const { memory } = (await send("GET", `/memories/${entity_id}`)).body
      assert.deepStrictEqual(memory.metadata, {
        born: 1815,
        died: 1852,
        kind: "entity",
        aliases: ["Ada", "Countess of Lovelace", "A. A. L."],
        agent_id: "historian"
      })
      assert.deepStrictEqual([memory.title, memory.tier, memory.tags], ["Ada Lovelace", "long", ["entity"]])
      assert.strictEqual(again.headers["etag"], `"${memory.updated_at}"`)
      const found = {
        found: true,
        entity_id,
        canonical_name: "Ada Lovelace",
        namespace,
        aliases: memory.metadata.aliases
      }
      for (const name of ["Ada Lovelace", "Ada", "Countess of Lovelace", "A. A. L."]) {
        assert.deepStrictEqual(await byAlias(`alias=${encodeURIComponent(name)}`), found, name)
        assert.deepStrictEqual(await byAlias(`alias=${encodeURIComponent(name)}&namespace=people`), found, name)
      }
      for (const name of ["Lovelace", "ada", "Nobody", "AND"]) {
        assert.deepStrictEqual(await byAlias(`alias=${name}`), nothing, name)
      }
      assert.deepStrictEqual(await byAlias("alias=Ada&namespace=elsewhere"), nothing)
    })

    it("are found by names without a word, and after somebody wrote over their text", async () => {
      const { body: { entity_id } } = await send("POST", "/entities", {
        canonical_name: "plus",
        namespace: "signs",
        aliases: ["+", "AND"]
      })
      assert.strictEqual((await byAlias("alias=%2B")).entity_id, entity_id)
      assert.strictEqual((await byAlias("alias=AND")).entity_id, entity_id)
      await send("PUT", `/memories/${entity_id}`, { content: "something else", title: "sum" })
      assert.strictEqual((await byAlias("alias=%2B")).entity_id, entity_id)
      assert.strictEqual((await byAlias("alias=sum")).entity_id, entity_id)
      await send("POST", "/entities", { canonical_name: "+", namespace: "signs" })
      assert.strictEqual((await byAlias("alias=%2B")).canonical_name, "+", "a canonical name goes first")
    })

    it("are one write under one key", async () => {
      const body = { canonical_name: "once", namespace: "keys" }
      const key = { "idempotency-key": "entity once" }
      const first = await send("POST", "/entities", body, key)
      assert.strictEqual(first.status, 201)
      const again = await send("POST", "/entities", body, key)
      assert.deepStrictEqual([again.status, again.body], [201, first.body])
      assert.strictEqual((await send("POST", "/entities", { ...body, aliases: ["x"] }, key)).status, 422)
    })

    it("leave other memories alone, and keep within bounds", async () => {
      const plain = await memory({ title: "a plain memory", namespace: "plain" })
      const many = Array.from({ length: 50 }, (_, index) => `name ${index}`)
      const named = { canonical_name: "of many names", namespace: "plain" }
      assert.strictEqual((await send("POST", "/entities", { ...named, aliases: many })).status, 201)
      const refused: ReadonlyArray<readonly [body: unknown, status: number, field: string | undefined]> = [
        [{ canonical_name: "a plain memory", namespace: "plain" }, 409, undefined],
        [{ namespace: "plain" }, 422, "canonical_name"],
        [{ canonical_name: "x" }, 422, "namespace"],
        [{ canonical_name: " ", namespace: "plain" }, 400, "canonical_name"],
        [{ canonical_name: "x", namespace: "a//b" }, 400, "namespace"],
        [{ canonical_name: "x", namespace: "plain", aliases: [...many, "one more"] }, 400, "aliases"],
        [{ ...named, aliases: ["one more"] }, 400, "aliases"],
        [{ canonical_name: "x", namespace: "plain", aliases: "y" }, 422, "aliases"],
        [{ canonical_name: "x", namespace: "plain", metadata: [] }, 400, "metadata"],
        [{ canonical_name: "x", namespace: "plain", agent_id: "a b" }, 400, "agent_id"]
      ]
      const before = await node.contents()
      for (const [body, status, field] of refused) {
        const answer = await send("POST", "/entities", body)
        assert.deepStrictEqual([answer.status, answer.body.field], [status, field], JSON.stringify([body, answer.body]))
      }
      assert.deepStrictEqual(await node.contents(), before)
      assert.strictEqual(
        (await send("POST", "/entities", { ...named, namespace: "plain", canonical_name: "a plain memory" })).body
          .existing_id,
        plain
      )
      const blanks = { canonical_name: "blanks", namespace: "plain", aliases: ["", "y", " \t"] }
      assert.deepStrictEqual((await send("POST", "/entities", blanks)).body.aliases, ["y"])
      for (const [query, field] of [["", "alias"], ["alias=", "alias"], ["alias=x&namespace=a//b", "namespace"]]) {
        const answer = await send("GET", `/entities/by_alias?${query}`)
        assert.deepStrictEqual([answer.status, answer.body.field], [400, field], query)
      }
    })
  })

  describe("/memories/{id}/lineage", () => {
    const lineage = async (id: string, query = "") => (await send("GET", `/memories/${id}/lineage${query}`)).body

    it("tells what a memory was made of, and what was made of it", async () => {
      const [a = "", b = "", c = "", other = ""] = await memories(4)
      for (const [source_id, target_id] of [[a, b], [b, c]]) {
        await send("POST", "/links", { source_id, target_id, relation: "derived_from" })
      }
      await send("POST", "/links", { source_id: a, target_id: other, relation: "related_to" })
      const node = (id: string, depth: number) => ({ id, cid: null, relation: "derived_from", depth })
      assert.deepStrictEqual(await lineage(a), {
        id: a,
        direction: "ancestors",
        nodes: [node(b, 1), node(c, 2)],
        count: 2
      })
      assert.deepStrictEqual((await lineage(a, "?max_depth=1")).nodes, [node(b, 1)])
      assert.deepStrictEqual((await lineage(c, "?direction=descendants")).nodes, [node(b, 1), node(a, 2)])
      assert.deepStrictEqual((await lineage(other)).nodes, [])
      // In circles every memory comes once.
      await send("POST", "/links", { source_id: c, target_id: a, relation: "derived_from" })
      assert.deepStrictEqual((await lineage(a)).nodes, [node(b, 1), node(c, 2)])
    })

    it("knows of sources that are gone", async () => {
      const ids = await memories(2)
      const merged =
        (await send("POST", "/consolidate", { ids, title: "of two", summary: "s", namespace: "lineage" })).body.id
      assert.deepStrictEqual((await lineage(merged)).nodes.map(({ id }: { id: string }) => id), ids)
      assert.deepStrictEqual((await lineage(ids[0] ?? "", "?direction=descendants")).nodes, [
        { id: merged, cid: null, relation: "derived_from", depth: 1 }
      ])
    })

    it("refuses what is wrong", async () => {
      for (
        const [path, status, field] of [
          ["/memories/nothing/lineage", 404, undefined],
          ["/memories/x/lineage?direction=up", 400, "direction"],
          ["/memories/x/lineage?max_depth=6", 400, "max_depth"],
          ["/memories/x/lineage?max_depth=0", 400, "max_depth"]
        ] as const
      ) {
        const answer = await send("GET", path)
        assert.deepStrictEqual([answer.status, answer.body.field], [status, field], path)
      }
    })
  })

  describe("/check_duplicate", () => {
    it("finds what says the same, in its namespace, and what comes nearest", async () => {
      const held = {
        title: "Backups of the orders",
        content: "The orders database is backed up every night.",
        namespace: "dup"
      }
      const stored = await send("POST", "/memories", held)
      const ask = (body: object) => send("POST", "/check_duplicate", { ...held, ...body })
      const known = async () => (await ask({})).body.candidates_scanned > 0
      for (let tries = 0; tries < 500 && !(await known()); tries += 1) await new Promise((go) => setTimeout(go, 10))
      const { body: same } = await ask({ namespace: " " })
      assert.deepStrictEqual([same.is_duplicate, same.threshold, same.suggested_merge], [true, 0.85, stored.body.id])
      assert.deepInclude(same.nearest, { id: stored.body.id, title: held.title, namespace: "dup" })
      assert.isAbove(same.nearest.similarity, 0.99)
      const { body: other } = await ask({ title: "Lunch", content: "The canteen has soup on Mondays.", threshold: 0.1 })
      assert.deepStrictEqual([other.is_duplicate, other.threshold, other.suggested_merge], [false, 0.5, null])
      assert.strictEqual(other.nearest.id, stored.body.id)
      const { body: elsewhere } = await ask({ namespace: "elsewhere" })
      assert.deepInclude(elsewhere, { is_duplicate: false, nearest: null, candidates_scanned: 0 })
      const asked = { title: "t", content: "c" }
      const refused: ReadonlyArray<readonly [body: unknown, status: number, field: string]> = [
        [{ title: "t" }, 422, "content"],
        [{ ...asked, title: " " }, 400, "title"],
        [{ ...asked, threshold: 2 }, 400, "threshold"],
        [{ ...asked, namespace: "a b" }, 400, "namespace"]
      ]
      for (const [body, status, field] of refused) {
        const refusal = await send("POST", "/check_duplicate", body)
        assert.deepStrictEqual([refusal.status, refusal.body.field], [status, field], JSON.stringify(body))
      }
    })
  })

  it.live("is driven by the typed client", () =>
    Effect.gen(function*() {
      const client = yield* Client.make({ baseUrl: node.url })
      const [a = "", b = ""] = yield* Effect.promise(() => memories(2))
      const ends = { source_id: a, target_id: b }
      const headers = { "idempotency-key": "typed link" }
      const made = yield* client.graph.link({ payload: { ...ends, relation: "contradicts" }, headers })
      assert.strictEqual(made.quorum_acks, 1)
      const { links } = yield* client.graph.links({ path: { id: a }, urlParams: { limit: 5 } })
      assert.deepStrictEqual(links.map(({ created_at }) => created_at), [made.created_at])
      assert.deepStrictEqual((yield* client.memories.get({ path: { id: b } })).links, links)
      const walked = yield* client.graph.kgQuery({ payload: { source_id: a, max_depth: 2 } })
      assert.deepStrictEqual(walked.paths, [`${a} -> ${b}`])
      const told = yield* client.graph.kgTimeline({ urlParams: { source_id: a } })
      assert.strictEqual(told.events[0]?.target_id, b)
      const ended = yield* client.graph.kgInvalidate({ payload: { ...ends, relation: "contradicts" }, headers: {} })
      assert.isNull(ended.previous_valid_until)
      const missing = yield* Effect.flip(
        client.graph.kgInvalidate({ payload: { ...ends, relation: "supersedes" }, headers: {} })
      )
      assert.strictEqual(missing._tag, "LinkMissing")
      assert.isTrue((yield* client.graph.unlink({ payload: ends, headers: {} })).deleted)
      const { tree } = yield* client.graph.taxonomy({ urlParams: { depth: 1 } })
      assert.isAbove(tree.children.length, 0)
      const entity = { canonical_name: "typed", namespace: "typed" }
      const registered = yield* client.graph.registerEntity({ payload: entity, headers: {} })
      const again = yield* client.graph.registerEntity({ payload: { ...entity, aliases: ["t"] }, headers: {} })
      assert.deepStrictEqual([registered.created, again.created], [true, false])
      const found = yield* client.graph.entityByAlias({ urlParams: { alias: "t" } })
      assert.strictEqual(found.entity_id, registered.entity_id)
      const checked = yield* client.graph.checkDuplicate({ payload: { title: "t", content: "c" } })
      assert.isFalse(checked.is_duplicate)
      assert.deepStrictEqual(yield* client.federation.conflicts({ urlParams: {} }), { conflicts: [], count: 0 })
      const nothing = yield* Effect.flip(
        client.federation.resolveConflict({ path: { id: a }, payload: { keep: "winner" }, headers: {} })
      )
      assert.strictEqual(nothing._tag, "Missing")
      assert.lengthOf((yield* client.sync.digests()).buckets, 1024)
    }).pipe(Effect.provide(NodeHttpClient.layerUndici)))
})
