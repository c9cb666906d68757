import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { mint, type Scope } from "../../src/access/ApiKey.js"
import { AgentId } from "../../src/domain/ids.js"
import { type Node, start } from "./node.js"

const made = (name: string, scopes: ReadonlyArray<Scope>, namespaces?: ReadonlyArray<string>, agent?: string) => {
  const { key, secret } = Effect.runSync(mint({
    name,
    scopes: new Set(scopes),
    agentId: Option.map(Option.fromNullable(agent), (id) => AgentId.make(id)),
    namespaces: Option.fromNullable(namespaces),
    expiresAt: Option.none()
  }))
  return { key, secret: Redacted.value(secret) }
}

const root = made("root", ["read", "write", "admin"])
const team = made("team", ["read", "write"], ["team/*"])
const alice = made("alice", ["read", "write"], ["team/*"], "alice")

/** What no answer to a limited key may have in it. */
const SECRET = "zebrafish"

describe("a key of some namespaces", () => {
  let node: Node
  let hidden = ""
  let gone = ""
  let shown = ""
  let pending = ""

  const call = async (key: { readonly secret: string }, route: string, body?: unknown) => {
    const [method = "", path = ""] = route.split(" ")
    const response = await fetch(`${node.url}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${key.secret}`,
        ...(body === undefined ? {} : { "content-type": "application/json" })
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    return { status: response.status, text: await response.text() }
  }
  const created = async (namespace: string, title: string, content: string) => {
    const { text } = await call(root, "POST /memories", { namespace, title, content })
    return String(JSON.parse(text).id)
  }

  beforeAll(async () => {
    node = await start({ apiKeys: Option.some([root, team, alice].map(({ key }) => key)) })
    shown = await created("team/a", "a plan for all", "what everybody in the team reads about plans")
    hidden = await created("secret/s", `a plan of a ${SECRET}`, `what nobody reads about plans of ${SECRET}`)
    const deep = await created("team/a/deep", `deeper ${SECRET}`, `plans below, of ${SECRET}`)
    gone = await created("secret/s", `archived plan ${SECRET}`, `plans that were, of ${SECRET}`)
    await call(root, "POST /archive", { ids: [gone] })
    await call(root, "POST /links", { source_id: shown, target_id: hidden, relation: "related_to" })
    await call(root, "POST /links", { source_id: deep, target_id: hidden, relation: "related_to" })
    await call(root, "POST /notify", { target_agent_id: "alice", title: "for alice", payload: "a word for alice" })
    await call(root, "POST /notify", { target_agent_id: "bob", title: "for bob", payload: `for bob: ${SECRET}` })
    const standard = await created("secret/s", "rules", "rules of the house")
    await call(root, "POST /namespaces/secret%2Fs/standard", {
      id: standard,
      governance: { write: "approve", promote: "any", delete: "owner", approver: "human" }
    })
    const { text } = await call(root, "POST /memories", {
      namespace: "secret/s",
      title: `queued ${SECRET}`,
      content: `queued, of ${SECRET}`
    })
    pending = String(JSON.parse(text).pending_id)
    assert.include((await call(root, "GET /pending")).text, SECRET)
  })
  afterAll(() => node.stop())

  const questions = (): ReadonlyArray<[route: string, body?: unknown]> => [
    ["GET /memories?limit=1000"],
    ["GET /memories?namespace=secret/s"],
    [`GET /memories/${hidden}`],
    [`GET /memories/${hidden.slice(0, 8)}`],
    ["GET /search?q=plan"],
    ["GET /recall?context=plan"],
    ["POST /recall", { context: `plans of the ${SECRET.slice(0, 4)}` }],
    ["GET /stats"],
    ["GET /archive"],
    ["GET /archive/stats"],
    ["GET /conflicts"],
    ["GET /namespaces"],
    ["GET /namespaces/secret%2Fs/standard"],
    ["GET /taxonomy"],
    ["GET /agents"],
    ["GET /inbox?agent_id=bob"],
    ["GET /pending"],
    ["GET /export"],
    ["GET /contradictions"],
    ["GET /federation/dlq"],
    [`GET /links/${shown}`],
    [`GET /links/${hidden}`],
    [`GET /memories/${hidden}/lineage`],
    [`GET /kg/timeline?source_id=${hidden}`],
    [`GET /kg/timeline?source_id=${shown}`],
    ["POST /kg/query", { source_id: shown, max_depth: 3 }],
    ["POST /kg/query", { source_id: hidden, max_depth: 3 }],
    ["POST /check_duplicate", { title: "a plan of a", content: "what nobody reads about plans" }],
    ["POST /session/start", { namespace: "secret/s" }],
    ["GET /capabilities"]
  ]

  it("reads nothing of what is elsewhere, whatever it asks", async () => {
    for (const [route, body] of questions()) {
      const { status, text } = await call(team, route, body)
      assert.isBelow(status, 500, `${route}: ${text}`)
      assert.notInclude(text, SECRET, route)
      const asked = `${route} ${JSON.stringify(body ?? {})}`
      if (!/secret(?:\/|%2F)s/.test(asked)) assert.notInclude(text, "secret/s\"", route)
      if (!asked.includes(hidden)) assert.notInclude(text, hidden, route)
    }
    const list = JSON.parse((await call(team, "GET /memories?limit=1000")).text)
    assert.deepStrictEqual(list.memories.map(({ id }: { id: string }) => id), [shown])
    assert.strictEqual(JSON.parse((await call(team, "GET /stats")).text).total, 1)
    assert.include((await call(team, "GET /recall?context=plan")).text, shown)
  })

  it("reads nothing of elsewhere where it is answered without a fiber", async () => {
    const untraced = await start(
      { apiKeys: Option.some([root, team].map(({ key }) => key)) },
      Layer.setTracerEnabled(false)
    )
    const ask = (key: { readonly secret: string }, path: string, body?: object) =>
      fetch(`${untraced.url}/api/v1/memories${path}`, {
        headers: { authorization: `Bearer ${key.secret}`, "content-type": "application/json" },
        ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) })
      })
    const made = await ask(root, "", { namespace: "secret/s", title: "alone", content: "without a link" })
    const { id } = JSON.parse(await made.text())
    const statuses = [(await ask(root, `/${id}`)).status, (await ask(team, `/${id}`)).status]
    await untraced.stop()
    assert.deepStrictEqual(statuses, [200, 404])
  })

  it("finds nothing by an id of elsewhere, as if it were not there", async () => {
    const routes: ReadonlyArray<[route: string, body?: unknown]> = [
      [`GET /memories/${hidden}`],
      [`PUT /memories/${hidden}`, { content: "mine" }],
      [`DELETE /memories/${hidden}`],
      [`POST /memories/${hidden}/promote`],
      [`POST /archive/${gone}/restore`],
      [`POST /pending/${pending}/approve`],
      [`POST /pending/${pending}/reject`]
    ]
    for (const [route, body] of routes) {
      const there = await call(team, route, body)
      const nowhere = await call(
        team,
        route.replace(hidden, NOWHERE).replace(gone, NOWHERE).replace(pending, NOWHERE),
        body
      )
      assert.deepStrictEqual([route, there.status], [route, 404])
      assert.strictEqual(
        there.text.replace(hidden, NOWHERE).replace(gone, NOWHERE).replace(pending, NOWHERE),
        nowhere.text
      )
    }
    assert.include((await call(root, `GET /memories/${hidden}`)).text, `what nobody reads about plans of ${SECRET}`)
  })

  it("writes nowhere else, and is told where it tried", async () => {
    const before = await node.contents()
    const elsewhere = await call(team, "POST /memories", { namespace: "other", title: "t", content: "c" })
    assert.strictEqual(elsewhere.status, 403)
    assert.include(elsewhere.text, "other")
    const moved = await call(team, `PUT /memories/${shown}`, { namespace: "other" })
    assert.deepStrictEqual([moved.status, moved.text.includes("other")], [403, true])
    const routes: ReadonlyArray<[route: string, body?: unknown]> = [
      ["POST /links", { source_id: shown, target_id: hidden, relation: "related_to" }],
      ["POST /agents", { agent_id: "somebody", agent_type: "ai:test" }],
      ["POST /notify", { target_agent_id: "bob", title: "t", payload: "p" }],
      ["POST /entities", { canonical_name: "e", namespace: "other" }],
      ["POST /memories/bulk", [{ namespace: "other", title: "t", content: "c" }]]
    ]
    for (const [route, body] of routes) {
      const { status, text } = await call(team, route, body)
      assert.notInclude(text, SECRET)
      assert.isTrue([403, 404].includes(status) || !text.includes("\"created\":1"), `${route}: ${status} ${text}`)
    }
    await call(team, "POST /forget", { pattern: SECRET })
    await call(team, "POST /archive", { ids: [hidden] })
    await call(team, "POST /consolidate", { ids: [shown, hidden], title: "t", summary: "s", namespace: "team/a" })
    assert.deepStrictEqual(await node.contents(), before)
    assert.strictEqual(
      (await call(team, "POST /memories", { namespace: "team/b", title: "t", content: "c" })).status,
      201
    )
    assert.strictEqual((await call(team, "GET /approvals/stream")).status, 403)
  })

  it("reads the inbox of its own agent, and of no other", async () => {
    assert.include((await call(alice, "GET /inbox")).text, "a word for alice")
    assert.notInclude((await call(team, "GET /inbox?agent_id=alice")).text, "a word for alice")
    assert.strictEqual((await call(alice, "GET /inbox?agent_id=bob")).status, 403)
  })
})

const NOWHERE = "00000000-0000-4000-8000-000000000000"
