import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { mint, type Scope } from "../../src/access/ApiKey.js"
import { AgentId } from "../../src/domain/ids.js"
import * as api from "../mesh/api.js"
import { type Node, start } from "./node.js"

/** What an agent did, and how it is taken back, on one node. */

const GOOD = "good"
const BAD = "poisoned"
const ADMIN = "root"

let node: Node
beforeAll(async () => {
  node = await start()
})
afterAll(() => node.stop())

const ask = (request: string, options: api.Ask = {}) => api.ask(node.url, request, options)
const ns = "work"
const stamp = () => new Date().toISOString()
const contentOf = async (id: string) => (await api.memory(node.url, id))?.["content"]
const relationsOf = async (id: string) => (await api.links(node.url, id)).map(({ relation }) => relation).sort()
const writtenBy = async (parameters: Record<string, string | number>) => {
  const found: Array<api.Json> = []
  let cursor: unknown = null
  do {
    const page = await ask(
      `GET /provenance${api.query({ ...parameters, ...typeof cursor === "string" ? { cursor } : {} })}`
    )
    found.push(...api.rows(page, "operations"))
    cursor = page["cursor"]
  } while (cursor !== null)
  return found
}

/** Good things, and what the bad agent makes of them. */
const spoil = async (namespace: string) => {
  const create = (title: string, agent: string) =>
    api.create(node.url, { namespace, title, content: `${title} of ${agent}` }, { agent })
  const overwritten = await create("overwritten", GOOD)
  const deleted = await create("deleted", GOOD)
  const kept = await create("kept", GOOD)
  const own = await create("its own of before", BAD)
  await ask("POST /links", { body: { source_id: kept, target_id: overwritten }, agent: GOOD, status: 201 })
  const since = stamp()
  await new Promise((resolve) => setTimeout(resolve, 5))
  const added = await create("added", BAD)
  const change = { body: { content: "lies" }, agent: BAD }
  await ask(`PUT /memories/${overwritten}`, change)
  await ask(`PUT /memories/${own}`, change)
  await ask(`DELETE /memories/${deleted}`, { agent: BAD })
  await ask("POST /links", {
    body: { source_id: kept, target_id: own, relation: "contradicts" },
    agent: BAD,
    status: 201
  })
  await ask("DELETE /links", { body: { source_id: kept, target_id: overwritten, relation: "related_to" }, agent: BAD })
  return { overwritten, deleted, kept, own, added, since }
}

describe("undo", () => {
  it("lists what an agent wrote, by pages, with what became of it", async () => {
    const { added, deleted, overwritten, own, since } = await spoil("listed")
    const all = await writtenBy({ agent: BAD, since, limit: 2 })
    assert.deepStrictEqual(
      all.map(({ kind, stands, title }) => [kind, title, stands]),
      [
        ["store", "added", "visible"],
        ["store", "overwritten", "visible"],
        ["store", "its own of before", "visible"],
        ["delete", null, null],
        ["link", null, "counts"],
        ["unlink", null, null]
      ]
    )
    assert.deepStrictEqual(all.slice(0, 4).map(({ entity }) => entity), [added, overwritten, own, deleted])
    assert.isTrue(all.every(({ agent }) => agent === BAD))
    assert.deepStrictEqual(await writtenBy({ agent: BAD, since, until: "2001-01-01T00:00:00Z" }), [])
    const peer = String(all[0]?.["origin"]).split("/")[0] ?? ""
    assert.isAbove((await writtenBy({ peer, limit: 3 })).length, all.length)
    assert.lengthOf(await writtenBy({ peer: peer.slice(0, -1) }), 0)
  })

  it("refuses what names nobody, and cursors that it did not give", async () => {
    for (
      const query of [
        "",
        "?since=2026-01-01T00:00:00Z",
        "?origin=x",
        "?agent=a%20b",
        "?agent=a&cursor=x",
        "?agent=a&limit=0"
      ]
    ) await ask(`GET /provenance${query}`, { status: 400 })
    await ask("POST /quarantines", { body: { reason: "r" }, status: 400 })
    await ask("POST /quarantines", { body: { agent: "a", reason: " " }, status: 400 })
    await ask("POST /quarantines/none/release", { status: 404 })
    await ask("POST /quarantines/none/revert", { status: 404 })
  })

  it("hides what an agent wrote, whoever owns it, and shows it again", async () => {
    const { added, deleted, kept, overwritten, own, since } = await spoil(ns)
    const set = await ask("POST /quarantines", {
      body: { agent: BAD, since, reason: "led astray" },
      agent: ADMIN,
      status: 201
    })
    const before = async () => {
      assert.isUndefined(await contentOf(added))
      assert.strictEqual(await contentOf(overwritten), `overwritten of ${GOOD}`)
      assert.strictEqual(await contentOf(own), `its own of before of ${BAD}`)
      assert.strictEqual(await contentOf(deleted), `deleted of ${GOOD}`)
      assert.deepStrictEqual(await relationsOf(kept), ["related_to"])
    }
    await before()
    const listed = api.rows(await ask("GET /quarantines"), "quarantines")
    assert.isTrue(api.has(listed[0], { id: set["id"], by: ADMIN, reason: "led astray", agent: BAD, operations: 6 }))
    const hidden = await writtenBy({ agent: BAD, since })
    assert.deepStrictEqual(
      hidden.map(({ quarantined_by: by, void: why }) => [why, by]),
      Array.from({ length: 6 }, () => [`quarantined by ${String(set["id"])}`, [set["id"]]])
    )
    // What it goes on to write has no effect, and it is told so.
    const more = { body: { namespace: ns, title: "more", content: "c" }, agent: BAD, status: 403 }
    assert.include(String((await ask("POST /memories", more))["error"]), `quarantined by ${String(set["id"])}`)
    // Others go on to write, also what it owns.
    await ask(`PUT /memories/${own}`, { body: { tags: ["seen"] }, agent: GOOD })
    assert.strictEqual(await contentOf(own), `its own of before of ${BAD}`)

    await ask(`POST /quarantines/${String(set["id"])}/release`, { agent: ADMIN })
    assert.strictEqual(await contentOf(added), `added of ${BAD}`)
    assert.strictEqual(await contentOf(overwritten), "lies")
    assert.isUndefined(await contentOf(deleted))
    assert.deepStrictEqual(await relationsOf(kept), ["contradicts"])
    assert.deepStrictEqual(api.rows(await ask("GET /quarantines"), "quarantines"), [])
    await ask(`POST /quarantines/${String(set["id"])}/release`, { status: 404 })
  })

  it("writes what stood before, for good and once", async () => {
    const { added, deleted, kept, overwritten, own, since } = await spoil("reverted")
    const { id } = await ask("POST /quarantines", { body: { agent: BAD, since, reason: "r" }, status: 201 })
    const done = await ask(`POST /quarantines/${String(id)}/revert`)
    assert.isTrue(
      api.has(done, { reverted: true, restored: 3, deleted: 1, archived: 0, links: 2, standards: 0, left: 0 })
    )
    const again = await ask(`POST /quarantines/${String(id)}/revert`)
    assert.isTrue(api.has(again, { restored: 0, deleted: 0, archived: 0, links: 0 }), JSON.stringify(again))
    await ask(`POST /quarantines/${String(id)}/release`)
    assert.isUndefined(await contentOf(added))
    assert.strictEqual(await contentOf(overwritten), `overwritten of ${GOOD}`)
    assert.strictEqual(await contentOf(own), `its own of before of ${BAD}`)
    assert.strictEqual(await contentOf(deleted), `deleted of ${GOOD}`)
    assert.deepStrictEqual(await relationsOf(kept), ["related_to"])
  })

  it("puts away what was not there where deletions take an approval", async () => {
    const namespace = "kept"
    const governance = { write: "any", promote: "any", delete: "approve", approver: "human" }
    await ask("POST /namespaces", { body: { namespace, governance }, status: 201 })
    const since = stamp()
    const added = await api.create(node.url, { namespace, title: "added" }, { agent: BAD })
    const { id } = await ask("POST /quarantines", { body: { agent: BAD, since, reason: "r" }, status: 201 })
    assert.isTrue(api.has(await ask(`POST /quarantines/${String(id)}/revert`), { archived: 1, deleted: 0 }))
    await ask(`POST /quarantines/${String(id)}/release`)
    assert.isUndefined(await api.memory(node.url, added))
    assert.deepStrictEqual((await api.archived(node.url, namespace)).map(({ archive_reason: why }) => why), ["revert"])
  })

  it("does not keep others from tidying up what an agent wrote before", async () => {
    const namespace = "tidied"
    for (const title of ["forgotten", "expired"]) {
      await api.create(node.url, { namespace, title, ...title === "expired" ? { ttl_secs: 1 } : {} }, { agent: BAD })
    }
    const since = stamp()
    const { id } = await ask("POST /quarantines", { body: { agent: BAD, since, reason: "r" }, status: 201 })
    await ask("POST /forget", { body: { namespace, pattern: "forgotten" } })
    await new Promise((resolve) => setTimeout(resolve, 1100))
    await ask("POST /gc")
    assert.sameMembers((await api.archived(node.url, namespace)).map(({ title }) => title), ["forgotten", "expired"])
    await ask(`POST /quarantines/${String(id)}/release`)
  })

  it("rejects what an agent asked for", async () => {
    const namespace = "asked"
    const governance = { write: "approve", promote: "any", delete: "any", approver: "human" }
    await ask("POST /namespaces", { body: { namespace, governance }, status: 201 })
    const since = stamp()
    const asked = await ask("POST /memories", {
      body: { namespace, title: "asked for", content: "c" },
      agent: BAD,
      status: 202
    })
    const { id } = await ask("POST /quarantines", { body: { agent: BAD, since, reason: "r" }, status: 201 })
    assert.isTrue(api.has(await ask(`POST /quarantines/${String(id)}/revert`), { rejected: 1 }))
    assert.isTrue(api.has(await ask(`POST /quarantines/${String(id)}/revert`), { rejected: 0 }))
    await ask(`POST /quarantines/${String(id)}/release`)
    assert.isTrue(api.has(await api.pending(node.url, asked["pending_id"]), { status: "rejected" }))
  })

  it("asks for a key of an admin who may see and touch everything, and says by whom it was done", async () => {
    const made = (
      name: string,
      scopes: ReadonlyArray<Scope>,
      of: { agent?: string; namespaces?: ReadonlyArray<string> }
    ) => {
      const { key, secret } = Effect.runSync(mint({
        name,
        scopes: new Set(scopes),
        agentId: Option.map(Option.fromNullable(of.agent), (id) => AgentId.make(id)),
        namespaces: Option.fromNullable(of.namespaces),
        expiresAt: Option.none()
      }))
      return { key, headers: { "x-api-key": Redacted.value(secret) } }
    }
    const writer = made("writer", ["read", "write"], {})
    const limited = made("limited", ["read", "write", "admin"], { namespaces: ["team/*"] })
    const root = made("root", ["admin"], { agent: "chief" })
    const guarded = await start({ apiKeys: Option.some([writer.key, limited.key, root.key]) })
    const body = { agent: BAD, reason: "r" }
    for (const { headers } of [writer, limited]) {
      const refused = (request: string, more = {}) => api.ask(guarded.url, request, { headers, status: 403, ...more })
      await refused(`GET /provenance?agent=${BAD}`)
      await refused("GET /quarantines")
      await refused("POST /quarantines", { body })
      await refused("POST /quarantines/q/release")
      await refused("POST /quarantines/q/revert")
    }
    const { headers } = root
    const set = await api.ask(guarded.url, "POST /quarantines", { body, headers, status: 201 })
    assert.strictEqual(set["by"], "chief")
    await api.ask(guarded.url, "POST /quarantines", { body, headers, agent: "another", status: 403 })
    const own = api.rows(await api.ask(guarded.url, "GET /provenance?agent=chief", { headers }), "operations")
    assert.deepStrictEqual(own.map(({ entity, kind }) => [kind, entity]), [["quarantine", set["id"]]])
    await guarded.stop()
  })

  it("sets nothing aside as long as a member may be of a version that knows no quarantines", async () => {
    const alone = await start({ quorumPeers: ["http://127.0.0.1:1"], quorumWrites: Option.some(1) })
    const body = { agent: BAD, reason: "r" }
    const refused = await api.ask(alone.url, "POST /quarantines", { body, status: 503 })
    assert.strictEqual(refused["error"], "not_ready")
    assert.include(String(refused["detail"]), "knows no quarantines")
    assert.deepStrictEqual(api.rows(await api.ask(alone.url, "GET /quarantines"), "quarantines"), [])
    await alone.stop()
  })

  it("does not revert by who is set aside", async () => {
    const { id } = await ask("POST /quarantines", { body: { agent: ADMIN, reason: "r" }, status: 201, agent: GOOD })
    const refused = await ask(`POST /quarantines/${String(id)}/revert`, { agent: ADMIN, status: 403 })
    assert.include(String(refused["error"]), "revert on another node or as another agent")
    await ask(`POST /quarantines/${String(id)}/release`, { agent: GOOD })
  })
})
