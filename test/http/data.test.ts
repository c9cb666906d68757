import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Client from "../../src/http/Client.js"
import * as Call from "./call.js"
import * as Node from "./node.js"

const PAST = "2020-01-01T00:00:00.000000000+00:00"
const NDJSON = "application/x-ndjson"

let node: Node.Node
let call: Call.Send

beforeAll(async () => {
  node = await Node.start()
  call = Call.to(node)
})
afterAll(() => node.stop())

const create = async (fields: Record<string, unknown>, send = call): Promise<string> => {
  const answer = await send("POST", "/memories", { body: { content: "c", ...fields } })
  assert.strictEqual(answer.status, 201, answer.text)
  return String(answer.body["id"])
}

const listed = async (namespace: string, send = call) =>
  Call.rows(await send("GET", `/memories?limit=1000&namespace=${namespace}`), "memories")

const archived = async (namespace: string, send = call) =>
  Call.rows(await send("GET", `/archive?limit=1000&namespace=${namespace}`), "archived")

const read = async (id: string, send = call) => (await send("GET", `/memories/${id}`)).body

const operations = async () => {
  const [row] = [await node.contents()].flat()
  return Number(Reflect.get(Object(row), "operations"))
}

/** What the request adds to the log. */
const written = async (request: () => Promise<Call.Answered>) => {
  const before = await operations()
  const answer = await request()
  return { answer, count: await operations() - before }
}

const refused = (answer: Call.Answered, status: number, field: string, says: string) => {
  assert.strictEqual(answer.status, status, answer.text)
  assert.strictEqual(answer.body["field"], field, answer.text)
  assert.include(String(answer.body["error"]), says)
}

const strings = (answer: Call.Answered, field: string): ReadonlyArray<string> => {
  const list = answer.body[field]
  return Array.isArray(list) ? list.map(String) : []
}

/** A whole memory as it stands in an export. */
const row = (fields: Record<string, unknown>) => ({
  id: "imported",
  tier: "long",
  namespace: "import",
  title: "t",
  content: "c",
  tags: [],
  priority: 5,
  confidence: 1,
  source: "import",
  access_count: 0,
  created_at: PAST,
  updated_at: PAST,
  metadata: {},
  ...fields
})

describe("gc", () => {
  const gc = (headers: Record<string, string> = {}) => call("POST", "/gc", { headers })
  const expired = async (namespace: string, count: number) => {
    for (let at = 0; at < count; at++) {
      const id = await create({ namespace, title: `${at}`, metadata: { at } })
      await call("PUT", `/memories/${id}`, { body: { expires_at: PAST } })
    }
  }

  it("archives what has expired, and nothing else", async () => {
    await expired("gc/1", 3)
    await create({ namespace: "gc/1", title: "alive" })
    await create({ namespace: "gc/1", title: "for good", tier: "long" })
    const answer = await gc()
    assert.strictEqual(answer.status, 200, answer.text)
    assert.deepStrictEqual([answer.body["expired_deleted"], answer.body["quorum_acks"]], [3, 1])
    assert.deepStrictEqual((await listed("gc/1")).map(({ title }) => title).sort(), ["alive", "for good"])
    const rows = await archived("gc/1")
    assert.deepStrictEqual(rows.map(({ archive_reason }) => archive_reason), Array(3).fill("ttl_expired"))
    assert.deepStrictEqual(rows.map(({ metadata }) => Object(metadata).at).sort(), [0, 1, 2])
    assert.deepStrictEqual(rows.map(({ expires_at }) => expires_at), Array(3).fill(PAST))
    assert.strictEqual((await gc()).body["expired_deleted"], 0)
  })

  it("answers the same to the same key", async () => {
    await expired("gc/2", 1)
    const key = { "idempotency-key": "gc key" }
    assert.strictEqual((await gc(key)).body["expired_deleted"], 1)
    const { answer, count } = await written(() => gc(key))
    assert.deepStrictEqual([answer.body["expired_deleted"], count], [1, 0])
  })

  it("deletes where nothing is to be kept", async () => {
    const careless = await Node.start({ archiveOnGc: false })
    const send = Call.to(careless)
    const id = await create({ title: "t" }, send)
    await send("PUT", `/memories/${id}`, { body: { expires_at: PAST } })
    assert.strictEqual((await send("POST", "/gc")).body["expired_deleted"], 1)
    assert.lengthOf(await archived("global", send), 0)
    assert.strictEqual((await send("GET", `/memories/${id}`)).status, 404)
    await careless.stop()
  })
})

describe("consolidate", () => {
  const consolidate = (body: unknown, headers: Record<string, string> = {}) =>
    call("POST", "/consolidate", { body, headers })
  const pair = async (namespace: string) => [
    await create({
      namespace,
      title: "a",
      tags: ["x", "y"],
      priority: 2,
      agent_id: "ann",
      metadata: { a: 1, both: "a" }
    }),
    await create({ namespace, title: "b", tags: ["y", "z"], priority: 8, agent_id: "bob", metadata: { both: "b" } })
  ]

  it("puts one memory in the place of several", async () => {
    const ids = await pair("con/1")
    await call("PUT", `/memories/${ids[0]}`, { body: { confidence: 0.5 } })
    const body = { ids, title: "ab", summary: "both", namespace: "con/1", agent_id: "carl" }
    const answer = await consolidate(body)
    assert.strictEqual(answer.status, 201, answer.text)
    const id = String(answer.body["id"])
    assert.deepStrictEqual([answer.body["consolidated"], answer.body["quorum_acks"]], [2, 1])
    assert.strictEqual(answer.headers.get("location"), `/api/v1/memories/${id}`)
    assert.deepStrictEqual((await listed("con/1")).map((memory) => memory["id"]), [id])
    const { created_at, updated_at, ...memory } = (await listed("con/1"))[0] ?? {}
    assert.strictEqual(created_at, updated_at)
    assert.strictEqual(answer.headers.get("etag"), `"${String(updated_at)}"`)
    assert.deepStrictEqual(memory, {
      id,
      tier: "long",
      namespace: "con/1",
      title: "ab",
      content: "both",
      tags: ["x", "y", "z"],
      priority: 8,
      confidence: 1,
      source: "consolidation",
      access_count: 0,
      metadata: { a: 1, both: "b", agent_id: "carl", derived_from: ids, consolidated_from_agents: ["ann", "bob"] }
    })
    for (const source of ids) assert.strictEqual((await read(source))["id"], id, "its id stands for the new one")
    assert.lengthOf(await archived("con/1"), 0)
  })

  it("takes the slot of a source, of an expired memory, but of no other", async () => {
    const ids = await pair("con/2")
    const other = await create({ namespace: "con/2", title: "taken" })
    const body = { ids, title: "taken", summary: "s", namespace: "con/2", tier: "short" }
    const before = await operations()
    const conflict = await consolidate(body)
    assert.strictEqual(conflict.status, 409, conflict.text)
    assert.strictEqual(conflict.body["existing_id"], other)
    assert.strictEqual(await operations(), before)
    const made = await consolidate({ ...body, title: "a" })
    assert.strictEqual(made.status, 201, made.text)
    const memory = await read(String(made.body["id"]))
    assert.strictEqual(memory["title"], "a")
    assert.closeTo(Date.parse(String(memory["expires_at"])) - Date.now(), 6 * 3_600_000, 60_000)
    await call("PUT", `/memories/${other}`, { body: { expires_at: PAST } })
    const again = [made.body["id"], await create({ namespace: "con/2", title: "c" })]
    assert.strictEqual((await consolidate({ ...body, ids: again })).status, 201)
    assert.deepStrictEqual((await listed("con/2")).map(({ title }) => title), ["taken"])
    assert.lengthOf(Object((await listed("con/2"))[0]?.["metadata"]).derived_from, 2)
  })

  it("names a source that is missing, or given twice", async () => {
    const ids = await pair("con/3")
    const body = { title: "t", summary: "s", namespace: "con/3" }
    const missing = await consolidate({ ...body, ids: [...ids, "nothing"] })
    assert.strictEqual(missing.status, 404)
    assert.deepStrictEqual(missing.body, { error: "ids[2] not found" })
    assert.strictEqual((await consolidate({ ...body, ids: [ids[0]?.slice(0, 20), ids[1]] })).status, 404)
    const made = String((await consolidate({ ...body, ids })).body["id"])
    refused(await consolidate({ ...body, ids: [made, ids[0]] }), 400, "ids[1]", "same memory")
    const third = await create({ namespace: "con/3", title: "c" })
    assert.strictEqual((await consolidate({ ...body, ids: [ids[0], third] })).status, 201, "an old id stands for it")
  })

  it("refuses what is out of bounds", async () => {
    const body = { ids: ["a", "b"], title: "t", summary: "s" }
    refused(await consolidate({ ...body, ids: ["a"] }), 400, "ids", "2 to 100")
    refused(
      await consolidate({ ...body, ids: Array.from({ length: 101 }, (_, at) => `${at}`) }),
      400,
      "ids",
      "2 to 100"
    )
    refused(await consolidate({ ...body, ids: ["a", "a"] }), 400, "ids", "differ")
    refused(await consolidate({ ...body, ids: ["a", ""] }), 400, "ids[1]", "ids[1]")
    refused(await consolidate({ ...body, title: " " }), 400, "title", "blank")
    refused(await consolidate({ ...body, summary: "" }), 400, "summary", "summary must not be blank")
    refused(await consolidate({ ...body, namespace: "a//b" }), 400, "namespace", "level")
    refused(await consolidate({ ...body, agent_id: "a b" }), 400, "agent_id", "agent_id")
    refused(await consolidate({ ids: ["a", "b"], title: "t" }), 422, "summary", "required")
    refused(await consolidate({ ...body, tier: "forever" }), 422, "tier", "tier")
    const large = { text: "x".repeat(40_000) }
    const ids = [
      await create({ namespace: "con/4", title: "a", metadata: { a: large } }),
      await create({ namespace: "con/4", title: "b", metadata: { b: large } })
    ]
    refused(await consolidate({ ...body, ids, namespace: "con/4" }), 400, "metadata", "65536 bytes")
    assert.lengthOf(await listed("con/4"), 2)
  })

  it("answers the same to the same key", async () => {
    const body = { ids: await pair("con/5"), title: "t", summary: "s", namespace: "con/5" }
    const key = { "idempotency-key": "consolidate key" }
    const first = await consolidate(body, key)
    const { answer, count } = await written(() => consolidate(body, key))
    assert.deepStrictEqual([answer.status, answer.body, count], [201, first.body, 0])
    assert.strictEqual((await consolidate({ ...body, summary: "other" }, key)).status, 422)
  })
})

describe("export and import", () => {
  /** The objects of lines, each with its type. */
  const linesOf = (text: string): ReadonlyArray<Record<string, unknown>> =>
    text.split("\n").filter((line) => line !== "").map((line) => {
      const value: unknown = JSON.parse(line)
      return Call.isRecord(value) ? value : {}
    })
  const bring = (body: unknown, headers: Record<string, string> = {}, send = call) =>
    send("POST", "/import", { body, headers })

  it("takes everything out, and brings it in elsewhere", async () => {
    const [from, into] = [await Node.start(), await Node.start()]
    const [source, target] = [Call.to(from), Call.to(into)]
    // More than a page of memories and of links.
    const rows = Array.from({ length: 130 }, (_, at) => ({
      title: `${at}`,
      content: `content ${at}\nof many lines \u2028`,
      tags: ["t"],
      metadata: { at },
      agent_id: "ann"
    }))
    const ids = strings(await source("POST", "/memories/bulk", { body: rows }), "ids")
    for (const [at, id] of ids.entries()) {
      if (at > 0) await source("POST", "/links", { body: { source_id: ids[0], target_id: id, relation: "supersedes" } })
    }
    await source("PUT", `/memories/${ids[7]}`, { body: { expires_at: PAST } })
    await source("POST", "/archive", { body: { ids: [ids[8]], reason: "old" } })

    const json = await source("GET", "/export")
    assert.strictEqual(json.headers.get("content-type"), "application/json")
    const sorted = ids.filter((id) => id !== ids[8]).sort()
    assert.deepStrictEqual(Call.rows(json, "memories").map(({ id }) => id), sorted)
    assert.strictEqual(json.body["count"], 129)
    assert.lengthOf(Call.rows(json, "links"), 129)
    assert.closeTo(Date.parse(String(json.body["exported_at"])), Date.now(), 60_000)
    assert.strictEqual(Call.rows(json, "memories").find(({ id }) => id === ids[7])?.["expires_at"], PAST)
    assert.deepStrictEqual(
      Call.rows(json, "memories").find(({ id }) => id === ids[3]),
      Object((await read(String(ids[3]), source))["memory"])
    )

    const lines = await source("GET", "/export?archived=true", { headers: { accept: NDJSON } })
    assert.strictEqual(lines.headers.get("content-type"), NDJSON)
    const typed = linesOf(lines.text)
    assert.deepStrictEqual(
      typed.map(({ type }) => type),
      [...Array(129).fill("memory"), "archived", ...Array(129).fill("link")]
    )
    assert.deepStrictEqual(typed.slice(0, 129).map(({ type: _, ...memory }) => memory), Call.rows(json, "memories"))
    assert.deepStrictEqual(typed[129]?.["tags"], ["t"])
    assert.strictEqual(linesOf((await source("GET", "/export?format=ndjson&archived=false")).text).length, 258)

    const answer = await bring(lines.text, { "content-type": NDJSON }, target)
    assert.strictEqual(answer.status, 200, answer.text)
    const { acked_by: _, ...counts } = answer.body
    assert.deepStrictEqual(counts, {
      imported: 130,
      created: 130,
      updated: 0,
      unchanged: 0,
      renamed: [],
      links_imported: 129,
      standards_imported: 0,
      pendings_imported: 0,
      skipped: 0,
      errors: [],
      quorum_acks: 1
    })
    const copied = (await target("GET", "/export")).body
    assert.deepStrictEqual({ ...copied, exported_at: 0 }, { ...json.body, exported_at: 0 })
    const [put] = await archived("global", target)
    assert.deepStrictEqual([put?.["id"], put?.["archive_reason"]], [ids[8], "old"])
    assert.strictEqual(put?.["archived_at"], typed[129]?.["archived_at"])

    const again = await bring(lines.text, { "content-type": NDJSON }, target)
    assert.deepStrictEqual(
      [again.body["imported"], again.body["links_imported"], again.body["skipped"]],
      [0, 0, 259]
    )
    await Promise.all([from.stop(), into.stop()])
  })

  it("exports an empty node, and refuses what it does not know", async () => {
    const empty = await Node.start()
    const send = Call.to(empty)
    const { exported_at: _, ...rest } = (await send("GET", "/export?format=json", { headers: { accept: NDJSON } })).body
    assert.deepStrictEqual(rest, {
      memories: [],
      links: [],
      archived: [],
      conflicts: [],
      standards: [],
      pendings: [],
      count: 0
    })
    assert.strictEqual((await send("GET", "/export?format=ndjson&archived=true")).text, "")
    assert.strictEqual((await send("HEAD", "/export")).status, 200)
    refused(await send("GET", "/export?format=xml"), 400, "format", "json, ndjson")
    refused(await send("GET", "/export?archived=maybe&format=ndjson"), 400, "archived", "true or false")
    await empty.stop()
  })

  it("cuts the connection when it can not read on", async () => {
    const folder = mkdtempSync(join(tmpdir(), "quorate-export-"))
    const db = join(folder, "quorate.db")
    const broken = await Node.start({ db })
    const send = Call.to(broken)
    const rows = Array.from({ length: 200 }, (_, at) => ({ title: `${at}`, content: "c" }))
    const ids = strings(await send("POST", "/memories/bulk", { body: rows }), "ids").toSorted()
    const file = new Database(db)
    file.prepare("UPDATE memories SET tags = 'no JSON' WHERE id = ?").run(ids[150])
    file.close()
    for (const format of ["json", "ndjson"]) {
      const response = await fetch(`${broken.url}/api/v1/export?format=${format}`)
      const read = await response.text().then(() => "all of it", () => "a part")
      assert.strictEqual(read, "a part", format)
    }
    assert.strictEqual((await send("GET", "/health")).status, 200)
    await broken.stop()
    rmSync(folder, { recursive: true })
  })

  it("takes out and brings in all that clients know: rules, actions, votes, decisions, archive, conflicts", async () => {
    const [from, ...into] = [await Node.start(), await Node.start(), await Node.start()]
    const source = Call.to(from)
    const as = (agent: string) => ({ headers: { "x-agent-id": agent } })
    for (const agent_id of ["one", "two"]) {
      await source("POST", "/agents", { body: { agent_id, agent_type: "human" } })
    }
    const governance = { write: "approve", delete: "owner", approver: { consensus: 2 } }
    await source("POST", "/namespaces", { body: { namespace: "ruled/in", parent: "else", governance } })
    const queue = async (title: string) => {
      const body = { namespace: "ruled/in", title, content: title }
      return String((await source("POST", "/memories", { body, ...as("writer") })).body["pending_id"])
    }
    const [open, approved, rejected] = [await queue("open"), await queue("approved"), await queue("rejected")]
    await source("POST", `/pending/${open}/approve`, as("one"))
    for (const agent of ["one", "two"]) await source("POST", `/pending/${approved}/approve`, as(agent))
    await source("POST", `/pending/${rejected}/reject`, as("two"))
    const put = await create({ title: "put away" }, source)
    await source("POST", "/archive", { body: { ids: [put], reason: "old" } })
    const id = await create({ title: "twice", content: "newest", tier: "long" }, source)
    const hidden = [
      row({ namespace: "global", id: "shadow", title: "twice", content: "shadow" }),
      row({ namespace: "global", id, title: "twice", content: "older", updated_at: CLASH })
    ]
    await bring({ memories: hidden }, {}, source)

    const seen = async (send: Call.Send) => {
      const pending = Call.rows(await send("GET", "/pending"), "pending")
      const conflicts = Call.rows(await send("GET", "/conflicts"), "conflicts")
      const { exported_at: _, ...exported } = (await send("GET", "/export")).body
      return {
        exported,
        archived: await archived("global", send),
        standard: (await send("GET", "/namespaces?namespace=ruled/in&inherit=true")).body,
        pending: pending.toSorted((a, b) => String(a["id"]) < String(b["id"]) ? -1 : 1),
        conflicts: conflicts.map(({ kind, memory }) => [kind, Object(memory).content])
      }
    }
    const there = await seen(source)
    assert.deepStrictEqual(there.pending.map(({ status }) => status).sort(), ["approved", "pending", "rejected"])
    assert.deepStrictEqual(there.conflicts, [["shadow", "shadow"], ["version", "older"]])
    const bodies = [
      [JSON.stringify((await source("GET", "/export")).body), "application/json"],
      [(await source("GET", "/export?format=ndjson")).text, NDJSON]
    ] as const
    for (const [index, [body, type]] of bodies.entries()) {
      const target = Call.to(into[index] ?? from)
      const answer = await bring(body, { "content-type": type }, target)
      assert.include(answer.body, { standards_imported: 1, pendings_imported: 3 }, answer.text)
      assert.deepStrictEqual(answer.body["errors"], [])
      const here = await seen(target)
      const archivedAt = here.archived.map(({ updated_at: _, ...memory }) => memory)
      assert.deepStrictEqual(archivedAt, there.archived.map(({ updated_at: _, ...memory }) => memory))
      assert.deepStrictEqual(here, there)
      const again = await bring(body, { "content-type": type }, target)
      assert.include(again.body, { imported: 0, standards_imported: 0, pendings_imported: 0, links_imported: 0 })
      // Its rules hold, and what waits goes on from the votes that it has.
      const asked = { namespace: "ruled/in", title: "later", content: "c" }
      assert.strictEqual((await target("POST", "/memories", { body: asked, ...as("writer") })).status, 202)
      const decided = await target("POST", `/pending/${open}/approve`, as("two"))
      assert.deepInclude(decided.body, { approved: true, decided_by: "two" })
      assert.strictEqual((await target("POST", `/pending/${rejected}/approve`, as("one"))).status, 403)
    }
    await Promise.all([from, ...into].map((each) => each.stop()))
  })

  const CLASH = "2024-05-06T07:08:09.000000000+00:00"
  const LATER = "2024-05-06T07:08:10.000000000+00:00"
  const conflictsOf = async (namespace: string, send = call) =>
    Call.rows(await send("GET", `/conflicts?namespace=${namespace}`), "conflicts")
  const counts = (answer: Call.Answered) => {
    const { created, errors, renamed, unchanged, updated } = answer.body
    return { created, updated, unchanged, renamed, errors }
  }
  const none = { created: 0, updated: 0, unchanged: 0, renamed: [], errors: [] }
  /** What it changes when it is run again. */
  const again = async (body: unknown, query = "") => {
    const { answer, count } = await written(() => call("POST", `/import${query}`, { body }))
    assert.strictEqual(count, 0, answer.text)
    return counts(answer)
  }

  it("keeps the ids of rows with one title: the newer is visible, the others are conflicts", async () => {
    const of = (id: string, content: string, updated_at: string) =>
      row({ namespace: "import/title", id, content, updated_at })
    const memories = [of("it-1", "one", CLASH), of("it-2", "two", LATER), of("it-3", "three", PAST)]
    assert.deepStrictEqual(counts(await bring({ memories })), { ...none, created: 3 })
    assert.deepStrictEqual((await listed("import/title")).map(({ content, id }) => [id, content]), [["it-2", "two"]])
    const lost = async () =>
      (await conflictsOf("import/title")).map(({ id, memory, kind }) => [kind, id, Object(memory).content]).sort()
    assert.deepStrictEqual(await lost(), [["shadow", "it-1", "one"], ["shadow", "it-3", "three"]])
    for (const { content, id } of memories) assert.strictEqual((await read(id))["content"], content)
    assert.deepStrictEqual(await again({ memories }), { ...none, unchanged: 3 })
    assert.lengthOf(await lost(), 2)
  })

  it("keeps both ids of rows that say the same, one of them visible, whatever the mode", async () => {
    const of = (id: string) => row({ namespace: "import/same", id, content: "same", updated_at: CLASH })
    const memories = [of("is-1"), of("is-2")]
    const answer = await call("POST", "/import?on_conflict=rename", { body: { memories } })
    assert.deepStrictEqual(counts(answer), { ...none, created: 2 })
    assert.lengthOf(await listed("import/same"), 1)
    assert.lengthOf(await conflictsOf("import/same"), 1)
    assert.deepStrictEqual(await again({ memories }, "?on_conflict=rename"), { ...none, unchanged: 2 })
  })

  it("stands beside what had the title before: newer in front of it, older behind it", async () => {
    const namespace = "import/held"
    const held = await create({ namespace, title: "t", content: "here", agent_id: "ann", priority: 3 })
    const older = row({ namespace, id: "ih-1", content: "older", updated_at: CLASH, metadata: { agent_id: "bob" } })
    assert.deepStrictEqual(counts(await bring({ memories: [older] })), { ...none, created: 1 })
    assert.deepStrictEqual((await listed(namespace)).map(({ id }) => id), [held])
    assert.strictEqual((await read("ih-1"))["content"], "older")
    const later = new Date(Date.now() + 10_000).toISOString()
    const newer = row({ namespace, id: "ih-2", content: "newer", updated_at: later, metadata: { agent_id: "bob" } })
    assert.deepStrictEqual(counts(await bring({ memories: [newer] })), { ...none, created: 1 })
    const [memory, ...others] = await listed(namespace)
    assert.deepStrictEqual([memory?.["id"], memory?.["content"], others], ["ih-2", "newer", []])
    assert.deepStrictEqual((await conflictsOf(namespace)).map(({ id }) => id).sort(), [held, "ih-1"].sort())
    assert.strictEqual((await read(held))["content"], "here")
    assert.deepStrictEqual(await again({ memories: [older, newer] }), { ...none, unchanged: 2 })
  })

  it("compares an id that is here with what it says: the newer text counts, the other is a conflict", async () => {
    const namespace = "import/id"
    const id = await create({ namespace, title: "t", content: "here", agent_id: "ann", tier: "long" })
    const [here] = await listed(namespace)
    assert.deepStrictEqual(counts(await bring({ memories: [here] })), { ...none, unchanged: 1 })
    const later = new Date(Date.now() + 10_000).toISOString()
    const metadata = { agent_id: "bob", topic: "x" }
    const newer = row({ namespace, id, content: "newer", updated_at: later, metadata })
    assert.deepStrictEqual(counts(await bring({ memories: [newer] })), { ...none, updated: 1 })
    const memory = await read(id)
    assert.strictEqual(memory["content"], "newer")
    assert.deepStrictEqual(memory["metadata"], { agent_id: "ann", topic: "x" }, "the owner stays")
    const older = row({ namespace, id, content: "older", updated_at: CLASH })
    const answer = await bring({ memories: [older] })
    assert.deepStrictEqual(counts(answer), none)
    assert.strictEqual(answer.body["imported"], 1)
    assert.strictEqual((await read(id))["content"], "newer")
    assert.deepStrictEqual(
      (await conflictsOf(namespace)).map(({ kind, memory }) => [kind, Object(memory).content]).sort(),
      [["version", "here"], ["version", "older"]]
    )
    assert.deepStrictEqual(await again({ memories: [newer, older] }), { ...none, unchanged: 2 })
  })

  it("tells apart two texts of one id and one moment", async () => {
    const of = (content: string) => row({ namespace: "import/moment", id: "im", content, updated_at: CLASH })
    const memories = [of("one"), of("two"), of("three")]
    assert.deepStrictEqual(counts(await bring({ memories })), { ...none, created: 1, updated: 2 })
    assert.lengthOf(await conflictsOf("import/moment"), 2)
    assert.deepStrictEqual(await again({ memories }), { ...none, unchanged: 3 })
  })

  it("renames what has a taken title, or refuses it by name, when it is asked to", async () => {
    const of = (id: string, content: string, updated_at: string) =>
      row({ namespace: "import/rename", id, content, updated_at })
    const memories = [of("ir-1", "one", CLASH), of("ir-2", "two", LATER), of("ir-3", "three", PAST)]
    const refusal = "a memory with this title already exists in namespace import/rename"
    const refused = await call("POST", "/import?on_conflict=error", { body: { memories } })
    const errors = [`ir-2: ${refusal}`, `ir-3: ${refusal}`]
    assert.deepStrictEqual(counts(refused), { ...none, created: 1, errors })
    assert.deepStrictEqual(await again({ memories }, "?on_conflict=error"), { ...none, unchanged: 1, errors })
    const answer = await call("POST", "/import?on_conflict=rename", { body: { memories } })
    const renamed = [{ id: "ir-2", title: "t (2)" }, { id: "ir-3", title: "t (3)" }]
    assert.deepStrictEqual(counts(answer), { ...none, created: 2, unchanged: 1, renamed })
    assert.deepStrictEqual(
      (await listed("import/rename")).map(({ content, title }) => [title, content]).sort(),
      [["t (2)", "two"], ["t (3)", "three"], ["t", "one"]]
    )
    assert.lengthOf(await conflictsOf("import/rename"), 0)
    const turned = memories.toReversed()
    assert.deepStrictEqual(await again({ memories: turned }, "?on_conflict=rename"), { ...none, unchanged: 3 })
    const { body, status } = await call("POST", "/import?on_conflict=merge", { body: { memories } })
    assert.deepStrictEqual([status, body["field"]], [400, "on_conflict"])
  })

  it("does not bring back beside a memory what that had taken the place of", async () => {
    const namespace = "import/ended"
    const ids = [
      await create({ namespace, title: "a", content: "before" }),
      await create({ namespace, title: "b" }),
      await create({ namespace, title: "c" })
    ]
    const memories = await listed(namespace)
    await call("PUT", `/memories/${ids[0]}`, { body: { content: "after" } })
    const both = await call("POST", "/consolidate", {
      body: { ids: ids.slice(1), title: "bc", summary: "both", namespace }
    })
    const { count } = await written(() => bring({ memories }))
    assert.strictEqual(count, 0)
    assert.strictEqual((await read(String(ids[0])))["content"], "after")
    assert.strictEqual((await read(String(ids[1])))["id"], both.body["id"])
    assert.lengthOf(await conflictsOf(namespace), 0)
  })

  it("brings a new row in as it is", async () => {
    const given = row({
      id: "not a uuid",
      namespace: "import/2",
      updated_at: "2021-05-06T07:08:09Z",
      last_accessed_at: PAST,
      access_count: 2_000_000,
      metadata: { agent_id: "ann", deep: [1, { a: null }] }
    })
    assert.strictEqual((await bring({ memories: [given] })).body["imported"], 1)
    const [memory] = await listed("import/2")
    assert.deepStrictEqual(memory, {
      ...given,
      updated_at: "2021-05-06T07:08:09.000000000+00:00",
      access_count: 1_000_000
    })
  })

  it("brings back what was deleted or archived", async () => {
    const ids = [
      await create({ namespace: "import/3", title: "a" }),
      await create({ namespace: "import/3", title: "b" })
    ]
    const memories = await listed("import/3")
    await call("DELETE", `/memories/${ids[0]}`)
    await call("POST", "/archive", { body: { ids: [ids[1]] } })
    const answer = await bring({ memories })
    assert.deepStrictEqual(counts(answer), { ...none, created: 1, updated: 1 })
    const back = await listed("import/3")
    const plain = (list: typeof back) =>
      list.map((memory) => ({ ...memory, updated_at: 0, id: String(memory["id"]) })).sort((a, b) =>
        a.id < b.id ? -1 : 1
      )
    assert.deepStrictEqual(plain(back), plain(memories))
    assert.lengthOf(await archived("import/3"), 0)
    assert.deepStrictEqual(await again({ memories }), { ...none, unchanged: 2 })
  })

  it("brings what was deleted or archived back behind what has its title now", async () => {
    const namespace = "import/behind"
    const ids = [await create({ namespace, title: "a" }), await create({ namespace, title: "b" })]
    const memories = await listed(namespace)
    await call("DELETE", `/memories/${ids[0]}`)
    await call("POST", "/archive", { body: { ids: [ids[1]] } })
    const now = [
      await create({ namespace, title: "a", content: "now" }),
      await create({ namespace, title: "b", content: "now" })
    ]
    const kept = `${
      ids[1]
    }: it is in the archive, and a memory with this title already exists in namespace ${namespace}`
    assert.deepStrictEqual(counts(await bring({ memories })), { ...none, created: 1, errors: [kept] })
    assert.deepStrictEqual((await listed(namespace)).map(({ id }) => id).sort(), now.sort())
    assert.deepStrictEqual((await conflictsOf(namespace)).map(({ id }) => id), [ids[0]])
    const renamed = [{ id: ids[1], title: "b (2)" }]
    const answer = await call("POST", "/import?on_conflict=rename", { body: { memories } })
    assert.deepStrictEqual(counts(answer), { ...none, updated: 1, unchanged: 1, renamed })
    assert.lengthOf(await archived(namespace), 0)
  })

  it("tells what is wrong with a row under its id, and brings the others in", async () => {
    const { tags: _, ...tagless } = row({ id: "tagless" })
    const answer = await bring({
      memories: [
        row({ id: "good", namespace: "import/4" }),
        row({ id: "blank", title: " " }),
        tagless,
        row({ id: "future", title: "future", updated_at: "2099-01-01T00:00:00Z" }),
        row({ id: 7 }),
        row({ id: "" }),
        "text"
      ],
      links: [
        { source_id: "good", target_id: "elsewhere", relation: "related_to", created_at: PAST },
        { source_id: "good", target_id: "good", relation: "related_to", created_at: PAST },
        { source_id: "good", target_id: "x", relation: "likes", created_at: PAST },
        {}
      ]
    })
    assert.strictEqual(answer.status, 200, answer.text)
    assert.deepStrictEqual(strings(answer, "errors"), [
      "blank: title must not be blank",
      "tagless: tags is required",
      "memories[4]: id must be a string",
      "memories[5]: id must be 1 to 128 bytes of UTF-8 and not blank",
      "memories[6]: the value must be an object",
      "links[1]: target_id must not be the source_id: no link to itself",
      "links[2]: relation must be one of related_to, supersedes, contradicts, derived_from",
      "links[3]: source_id is required"
    ])
    assert.deepStrictEqual([answer.body["imported"], answer.body["links_imported"], answer.body["skipped"]], [2, 1, 0])
    // Its other end is not here: it counts when that comes.
    assert.strictEqual((await call("GET", "/stats")).body["links_count"], 0)
  })

  it("takes what a wrong clock stamped in the future as of its creation, and takes back nothing when it comes again", async () => {
    const memories = [
      row({ id: "fast", title: "fast", namespace: "import/fast", updated_at: "2099-01-01T00:00:00Z" }),
      row({
        id: "faster",
        title: "faster",
        namespace: "import/fast",
        created_at: "2099-01-01T00:00:00Z",
        updated_at: "2099-01-01T00:00:00Z"
      })
    ]
    assert.deepInclude((await bring({ memories })).body, { created: 2, errors: [] })
    const stamps = new Map((await listed("import/fast")).map(({ id, updated_at }) => [id, updated_at]))
    assert.deepStrictEqual([...stamps].sort(), [["fast", PAST], ["faster", "1970-01-01T00:00:00.000000000+00:00"]])
    for (const id of stamps.keys()) await call("PUT", `/memories/${String(id)}`, { body: { content: "edited" } })
    assert.deepInclude((await bring({ memories })).body, { created: 0, updated: 0, unchanged: 2, errors: [] })
    const contents = (await listed("import/fast")).map(({ content }) => content)
    assert.deepStrictEqual(contents, ["edited", "edited"])
  })

  it("takes lines, and tells of those that are none", async () => {
    const lines = [
      JSON.stringify({ type: "memory", ...row({ id: "line", namespace: "import/5" }) }),
      "",
      "{",
      JSON.stringify({ type: "entity" }),
      "[]",
      `${"[".repeat(200)}${"]".repeat(200)}`,
      JSON.stringify({ type: "archived", ...row({ id: "put away", namespace: "import/5", title: "u" }) }),
      JSON.stringify({
        type: "archived",
        ...row({ id: "put away too", namespace: "import/5", title: "u" }),
        archived_at: "2099-01-01T00:00:00Z",
        archive_reason: "because"
      })
    ].join("\r\n")
    const answer = await bring(lines, { "content-type": `${NDJSON}; charset=utf-8` })
    assert.strictEqual(answer.status, 200, answer.text)
    assert.deepStrictEqual(strings(answer, "errors"), [
      "line 3: the body is not valid JSON",
      "line 4: type must be one of memory, archived, conflict, link, standard, pending",
      "line 5: type must be one of memory, archived, conflict, link, standard, pending",
      "line 6: the JSON may be nested 128 levels deep at most",
      "put away: archived_at is required"
    ])
    assert.strictEqual(answer.body["imported"], 2)
    const [put] = await archived("import/5")
    assert.strictEqual(put?.["archive_reason"], "because")
    assert.isBelow(Date.parse(String(put?.["archived_at"])), Date.now() + 60_000)
  })

  it("refuses what is out of bounds", async () => {
    const many = (count: number, make: (at: number) => unknown) => Array.from({ length: count }, (_, at) => make(at))
    refused(await bring({ memories: many(1001, () => 1) }), 400, "memories", "1000")
    refused(await bring({ memories: [], links: many(1001, () => 1) }), 400, "links", "1000")
    refused(await bring({}), 422, "memories", "required")
    refused(await bring({ memories: {} }), 422, "memories", "array")
    refused(await bring({ memories: [], links: 1 }), 422, "links", "links")
    assert.strictEqual((await bring({ memories: [], links: null })).status, 200)
    assert.strictEqual((await bring("x".repeat(2 * 1024 * 1024 + 1), { "content-type": NDJSON })).status, 413)
    assert.strictEqual((await bring("{}", { "content-type": "text/plain" })).status, 415)
  })

  it("answers the same to the same key", async () => {
    const body = {
      memories: [row({ id: "keyed", namespace: "import/6" }), row({ id: "wrong", priority: 11 })],
      links: [{ source_id: "keyed", target_id: "b", relation: "related_to", created_at: PAST }]
    }
    const key = { "idempotency-key": "import key" }
    const first = await bring(body, key)
    assert.strictEqual(first.body["imported"], 1)
    const { answer, count } = await written(() => bring(body, key))
    assert.deepStrictEqual([answer.body, count], [first.body, 0])
    assert.strictEqual((await bring({ memories: [] }, key)).status, 422)
  })
})

describe("contradictions", () => {
  const find = (query: string) => call("GET", `/contradictions${query}`)

  it("finds memories that say different things of one topic", async () => {
    const moon = { namespace: "contra", metadata: { topic: "the moon" } }
    const older = await create({ ...moon, title: "a", content: "it is made of cheese" })
    const same = await create({ ...moon, title: "b", content: "it is made of cheese" })
    const newer = await create({ namespace: moon.namespace, title: "the moon", content: "it is made of rock" })
    const other = await create({ namespace: moon.namespace, title: "the sun", content: "is far away" })
    const elsewhere = await create({ namespace: "elsewhere", title: "the moon", content: "nobody knows" })
    const link = { relation: "contradicts", synthesized: true }
    const byTopic = await find(`?topic=the%20moon&namespace=${moon.namespace}`)
    assert.deepStrictEqual(Call.rows(byTopic, "memories").map(({ id }) => id), [newer, same, older])
    assert.deepStrictEqual(Call.rows(byTopic, "links"), [
      { source_id: newer, target_id: same, ...link },
      { source_id: newer, target_id: older, ...link }
    ])
    const everywhere = await find("?topic=the%20moon")
    assert.deepStrictEqual(Call.rows(everywhere, "memories").map(({ id }) => id), [elsewhere, newer, same, older])
    assert.lengthOf(Call.rows(everywhere, "links"), 5)
    const byNamespace = await find(`?namespace=${moon.namespace}`)
    assert.deepStrictEqual(Call.rows(byNamespace, "memories").map(({ id }) => id), [other, newer, same, older])
    assert.lengthOf(Call.rows(byNamespace, "links"), 2)
    assert.deepStrictEqual((await find("?topic=moon")).body, { memories: [], links: [] })
    assert.lengthOf(Call.rows(await find("?topic=the%20moon&limit=2"), "memories"), 2)
    assert.deepStrictEqual((await find("?topic=the%20moon&limit=0")).body, { memories: [], links: [] })

    await call("POST", "/links", { body: { source_id: older, target_id: newer, relation: "contradicts" } })
    await call("POST", "/links", { body: { source_id: older, target_id: same, relation: "related_to" } })
    assert.deepStrictEqual(Call.rows(await find(`?topic=the%20moon&namespace=${moon.namespace}`), "links"), [
      { source_id: older, target_id: newer, relation: "contradicts", synthesized: false },
      { source_id: newer, target_id: same, ...link }
    ])
  })

  it("gives a thousand links at most", async () => {
    const rows = Array.from({ length: 60 }, (_, at) => ({
      namespace: "many",
      title: `${at}`,
      content: `${at}`,
      metadata: { topic: "everything" }
    }))
    await call("POST", "/memories/bulk", { body: rows })
    assert.lengthOf(Call.rows(await find("?topic=everything&limit=1000"), "links"), 1000)
    assert.lengthOf(Call.rows(await find("?topic=everything&limit=100000"), "memories"), 60)
    assert.lengthOf(Call.rows(await find("?topic=everything"), "memories"), 50)
  })

  it("wants something to go by", async () => {
    refused(await find(""), 400, "topic", "at least one")
    refused(await find("?topic=%20"), 400, "topic", "required")
    refused(await find("?namespace=a//b"), 400, "namespace", "level")
    refused(await find("?topic=a&limit=-1"), 400, "limit", "limit")
    refused(await find("?topic=a&topic=b"), 400, "topic", "once")
  })
})

describe("session start", () => {
  const start = (body?: unknown, headers: Record<string, string> = {}) =>
    call("POST", "/session/start", { body, headers })

  it("gives what there is to know, under a new id", async () => {
    await create({ namespace: "session", title: "low", priority: 1 })
    await create({ namespace: "session", title: "high", priority: 9 })
    const before = await operations()
    const answer = await start({ namespace: "session", limit: 1, agent_id: "ann" }, { "x-agent-id": "header" })
    assert.strictEqual(answer.status, 200, answer.text)
    const { memories: _, session_id, ...rest } = answer.body
    assert.deepStrictEqual(rest, { count: 1, mode: "session_start", agent_id: "ann" })
    assert.deepStrictEqual(Call.rows(answer, "memories").map(({ title }) => title), ["high"])
    assert.match(String(session_id), /^[0-9a-f]{8}-[0-9a-f-]{27}$/)
    const other = await start(undefined, { "x-agent-id": "header" })
    assert.strictEqual(other.status, 200, other.text)
    assert.strictEqual(other.body["agent_id"], "header")
    assert.strictEqual(other.body["count"], 10)
    assert.notStrictEqual(other.body["session_id"], session_id)
    assert.notProperty((await start({})).body, "agent_id")
    assert.strictEqual((await start({ limit: 1000 })).body["count"], 50)
    assert.strictEqual(await operations(), before)
    assert.strictEqual((await listed("session"))[0]?.["access_count"], 0)
  })

  it("gives the standards that apply", async () => {
    await call("POST", "/namespaces", { body: { namespace: "session/s" } })
    await create({ namespace: "session/s", title: "another", priority: 1 })
    const started = await start({ namespace: "session/s", limit: 1 })
    const one = started.body
    // The memory itself, which is no second time among the others.
    const memory = Object(one["standard"])
    assert.deepStrictEqual(memory, Object((await call("GET", `/memories/${String(memory.id)}`)).body["memory"]))
    assert.deepStrictEqual(memory.tags, ["_namespace_standard"])
    assert.deepStrictEqual(Call.rows(started, "memories").map(({ title }) => title), ["another"])
    assert.notProperty(one, "standards")
    await call("POST", "/namespaces", { body: { namespace: "session" } })
    const two = await start({ namespace: "session/s" })
    assert.deepStrictEqual(Call.rows(two, "standards").map(({ namespace }) => namespace), ["session", "session/s"])
    assert.notProperty(two.body, "standard")
  })

  it("refuses what is out of bounds", async () => {
    refused(await start({ limit: -1 }), 400, "limit", "limit")
    refused(await start({ limit: 1.5 }), 422, "limit", "limit")
    refused(await start({ namespace: "a b" }), 400, "namespace", "namespace")
    refused(await start({ agent_id: "a b" }), 400, "agent_id", "agent_id")
    assert.strictEqual((await start("[]")).status, 422)
    assert.strictEqual((await start({}, { "x-agent-id": "a b" })).status, 400)
  })
})

describe("recall", () => {
  const recallAll = async (namespace: string) => call("POST", "/recall", { body: { context: "plan", namespace } })
  /** Memories are touched after the answer that gives them. */
  const used = async (id: string, times: number) => {
    for (let left = 500; left > 0; left--) {
      const memory = await read(id)
      if (memory["access_count"] === times) return memory
      await new Promise((done) => setTimeout(done, 5))
    }
    throw new Error(`not used ${times} times`)
  }
  const minutes = (memory: Record<string, unknown>) => (Date.parse(String(memory["expires_at"])) - Date.now()) / 60_000

  it("tells the other nodes of a longer life only when they would soon lose the memory", async () => {
    const soon = await create({ namespace: "touch/1", title: "plan", tier: "short", ttl_secs: 20 * 60 })
    const before = await operations()
    await recallAll("touch/1")
    const once = await used(soon, 1)
    assert.closeTo(minutes(once), 60, 1)
    while (await operations() === before) await new Promise((done) => setTimeout(done, 5))
    assert.strictEqual(await operations(), before + 1)
    const { metadata: _, updated_at: version } = await read(soon)
    const [exported] = Call.rows(await call("GET", "/sync/since"), "memories").filter(({ id }) => id === soon)
    assert.closeTo(minutes(exported ?? {}), 60, 1, "it is what replicates")
    await recallAll("touch/1")
    await used(soon, 2)
    assert.strictEqual((await read(soon))["updated_at"], version)
    assert.strictEqual(await operations(), before + 1)
  })

  it("keeps a longer life to itself otherwise", async () => {
    const later = await create({ namespace: "touch/2", title: "plan", tier: "short", ttl_secs: 40 * 60 })
    const { updated_at: version } = await read(later)
    const before = await operations()
    await recallAll("touch/2")
    const once = await used(later, 1)
    assert.closeTo(minutes(once), 60, 1)
    assert.strictEqual(once["updated_at"], version)
    assert.strictEqual(await operations(), before)
  })
})

describe("the typed client", () => {
  it.live("reads every answer as the contract says", () =>
    Effect.gen(function*() {
      const { archive, data, memories } = yield* Client.make({ baseUrl: node.url })
      const headers = {}
      const namespace = "typed"
      const bulk = yield* archive.bulk({
        headers,
        payload: [
          { title: "a", content: "one", namespace, metadata: { topic: "typing" } },
          { title: "b", content: "two", namespace, metadata: { topic: "typing" } },
          { title: "", content: "three", namespace }
        ]
      })
      assert.deepStrictEqual([bulk.created, bulk.errors.length], [2, 1])
      const [a = "", b = ""] = bulk.ids
      assert.strictEqual((yield* archive.bulk({ headers, payload: { memories: [] } })).created, 0)
      const found = yield* data.contradictions({ urlParams: { topic: "typing" } })
      assert.deepStrictEqual(found.links.map(({ source_id, target_id }) => [source_id, target_id]), [[b, a]])
      const session = yield* data.sessionStart({ headers, payload: { namespace, agent_id: "ann" } })
      assert.strictEqual(session.count, 2)
      const put = yield* archive.archive({ headers, payload: { ids: [a] } })
      assert.deepStrictEqual(put.archived, [a])
      const listed = yield* archive.list({ urlParams: { namespace } })
      assert.strictEqual(listed.archived[0]?.tags, "[]")
      assert.isAtLeast((yield* archive.stats()).archived_total, 1)
      assert.isTrue((yield* archive.restore({ headers, path: { id: a } })).restored)
      const missing = yield* Effect.flip(archive.restore({ headers, path: { id: "a/b c" } }))
      assert.strictEqual(missing._tag, "Missing")
      const made = yield* data.consolidate({ headers, payload: { ids: [a, b], title: "ab", summary: "s", namespace } })
      assert.strictEqual(made.consolidated, 2)
      const conflict = yield* memories.create({ headers, payload: { title: "c", content: "c", namespace } }).pipe(
        Effect.flatMap(({ id }) =>
          data.consolidate({ headers, payload: { ids: [id, "x"], title: "t", summary: "s", namespace } })
        ),
        Effect.flip
      )
      assert.strictEqual(conflict._tag, "Missing")
      const exported = yield* data.export({ urlParams: {} })
      assert.strictEqual(exported.count, exported.memories.length)
      const imported = yield* data.import({
        headers,
        urlParams: {},
        payload: { memories: exported.memories.slice(0, 5) }
      })
      assert.strictEqual(imported.skipped, 5)
      assert.strictEqual((yield* archive.forget({ headers, urlParams: {}, payload: { namespace } })).deleted, 2)
      assert.isAtLeast((yield* archive.purge({ headers, urlParams: { older_than_days: 0 } })).purged, 2)
      assert.isAtLeast((yield* data.gc({ headers })).expired_deleted, 0)
    }).pipe(Effect.provide(NodeHttpClient.layerUndici)))
})
