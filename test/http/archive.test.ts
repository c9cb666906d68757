import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Call from "./call.js"
import * as Node from "./node.js"

const PAST = "2020-01-01T00:00:00.000000000+00:00"
const FUTURE = "2099-01-01T00:00:00.000000000+00:00"
const HOUR = 3_600_000

let node: Node.Node
let call: Call.Send
/** Its only peer is not there, and it needs it. */
let alone: Node.Node

beforeAll(async () => {
  node = await Node.start()
  call = Call.to(node)
  alone = await Node.start({
    quorumPeers: ["http://127.0.0.1:1"],
    quorumWrites: Option.some(2),
    // What commits there is no faster for having no quorum.
    quorumTimeout: Duration.seconds(2)
  })
})
afterAll(async () => {
  await Promise.all([node.stop(), alone.stop()])
})

const create = async (fields: Record<string, unknown>, send = call): Promise<string> => {
  const answer = await send("POST", "/memories", { body: { content: "c", ...fields } })
  assert.strictEqual(answer.body["quorum_acks"] ?? answer.body["got"], 1, answer.text)
  if (answer.status === 201) return String(answer.body["id"])
  const [row] = Call.rows(await send("GET", `/memories?namespace=${String(fields["namespace"])}`), "memories")
  return String(row?.["id"])
}

const expire = (id: string, send = call) => send("PUT", `/memories/${id}`, { body: { expires_at: PAST } })

const listed = async (namespace: string, send = call) =>
  Call.rows(await send("GET", `/memories?limit=1000&namespace=${namespace}`), "memories")

const titles = async (namespace: string) => (await listed(namespace)).map(({ title }) => title).sort()

const archived = async (query: string, send = call) => Call.rows(await send("GET", `/archive?${query}`), "archived")

const operations = async (of = node) => {
  const [row] = [await of.contents()].flat()
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

describe("bulk", () => {
  const bulk = (body: unknown, headers: Record<string, string> = {}) =>
    call("POST", "/memories/bulk", { body, headers })

  it("stores an array, or an object with one, each row as an operation of its own", async () => {
    const rows = [
      {
        namespace: "bulk/1",
        title: "a",
        content: "a",
        agent_id: "ann",
        scope: "team",
        metadata: { agent_id: "not me" }
      },
      { namespace: "bulk/1", title: "b", content: "b", tier: "short", priority: 9, ttl_secs: 60 }
    ]
    const { answer, count } = await written(() => bulk(rows, { "x-agent-id": "header" }))
    assert.strictEqual(answer.status, 200, answer.text)
    assert.strictEqual(count, 2)
    const { created, errors, ids } = answer.body
    assert.deepStrictEqual({ created, errors }, { created: 2, errors: [] })
    const [b, a] = await listed("bulk/1")
    assert.deepStrictEqual(ids, [a?.["id"], b?.["id"]])
    assert.deepStrictEqual(a?.["metadata"], { agent_id: "ann", scope: "team" })
    assert.deepStrictEqual(b?.["metadata"], { agent_id: "header" })
    assert.isTrue(String(b?.["created_at"]) > String(a?.["created_at"]), "each row has a stamp of its own")
    assert.closeTo(Date.parse(String(b?.["expires_at"])), Date.parse(String(b?.["created_at"])) + 60_000, 1)
    assert.closeTo(Date.parse(String(a?.["expires_at"])), Date.parse(String(a?.["created_at"])) + 7 * 24 * HOUR, 1)
    const object = await bulk({ memories: [{ namespace: "bulk/2", title: "a", content: "a" }], more: 1 })
    assert.strictEqual(object.body["created"], 1)
    assert.deepStrictEqual((await bulk([])).body, {
      created: 0,
      count: 0,
      ids: [],
      updated: 0,
      unchanged: 0,
      duplicates: [],
      renamed: [],
      errors: []
    })
  })

  it("gives one owner to the rows of a caller without a name", async () => {
    await bulk([{ namespace: "bulk/anonymous", title: "a", content: "a" }, {
      namespace: "bulk/anonymous",
      title: "b",
      content: "b"
    }])
    const owners = (await listed("bulk/anonymous")).map(({ metadata }) => Reflect.get(Object(metadata), "agent_id"))
    assert.match(String(owners[0]), /^anonymous:req-[0-9a-f]{8}$/)
    assert.strictEqual(owners[0], owners[1])
  })

  it("merges into what was there before, unless a row says otherwise", async () => {
    const held = await create({ namespace: "bulk/merge", title: "t", priority: 8, agent_id: "first" })
    const row = { namespace: "bulk/merge", title: "t" }
    const answer = await bulk([
      { ...row, content: "merged", agent_id: "second" },
      { ...row, content: "refused", on_conflict: "error" },
      { ...row, content: "beside", on_conflict: "version" }
    ])
    const { created, duplicates, errors, ids, renamed, unchanged, updated } = answer.body
    assert.deepStrictEqual({ created, updated, unchanged, duplicates }, {
      created: 1,
      updated: 1,
      unchanged: 0,
      duplicates: []
    })
    assert.deepStrictEqual(errors, ["memories[1]: a memory with this title already exists in namespace bulk/merge"])
    const found = Object.fromEntries((await listed("bulk/merge")).map((memory) => [memory["title"], memory]))
    assert.deepStrictEqual(Object.keys(found).sort(), ["t", "t (2)"])
    const beside = found["t (2)"]?.["id"]
    assert.deepStrictEqual(ids, [held, beside])
    assert.deepStrictEqual(renamed, [{ index: 2, id: beside, title: "t (2)" }])
    assert.strictEqual(found["t"]?.["content"], "merged")
    assert.strictEqual(found["t"]?.["priority"], 8)
    assert.deepStrictEqual(found["t"]?.["metadata"], { agent_id: "first" })
  })

  it("keeps every text of rows with one title, and changes nothing when it is run again", async () => {
    const namespace = "bulk/title"
    const tier = "long"
    const of = (content: string, more = {}) => ({ namespace, title: "t", content, tier, ...more })
    const rows = [of("one"), of("two"), of("one"), of("three", { tags: ["x"] }), of("two")]
    const first = await bulk(rows)
    const texts = async () =>
      Object.fromEntries((await listed(namespace)).map(({ content, title }) => [String(title), String(content)]))
    const expected = { t: "one", "t (2)": "two", "t (3)": "three" }
    assert.deepStrictEqual(await texts(), expected)
    const idOf = Object.fromEntries((await listed(namespace)).map(({ id, title }) => [String(title), id]))
    assert.deepStrictEqual(first.body, {
      created: 3,
      count: 5,
      ids: ["t", "t (2)", "t", "t (3)", "t (2)"].map((title) => idOf[title]),
      updated: 0,
      unchanged: 0,
      duplicates: [{ index: 2, id: idOf["t"] }, { index: 4, id: idOf["t (2)"] }],
      renamed: [
        { index: 1, id: idOf["t (2)"], title: "t (2)" },
        { index: 3, id: idOf["t (3)"], title: "t (3)" }
      ],
      errors: []
    })
    const { answer, count } = await written(() => bulk(rows))
    assert.strictEqual(count, 0, answer.text)
    assert.deepStrictEqual(answer.body, { ...first.body, created: 0, unchanged: 3, renamed: [] })
    assert.deepStrictEqual(await texts(), expected)
  })

  it("counts what merged as updated, and gives a row that says how long it lives that time anew", async () => {
    const row = { namespace: "bulk/counted", title: "t", content: "c" }
    await create({ ...row, content: "before" })
    assert.include((await bulk([row])).body, { created: 0, updated: 1, unchanged: 0 })
    assert.include((await bulk([row])).body, { created: 0, updated: 0, unchanged: 1 })
    assert.include((await bulk([{ ...row, tags: ["new"] }])).body, { created: 0, updated: 1, unchanged: 0 })
    assert.include((await bulk([{ ...row, tags: ["new"], ttl_secs: 60 }])).body, { updated: 1, unchanged: 0 })
    assert.lengthOf(await listed("bulk/counted"), 1)
  })

  it("refuses a row by name whose title an earlier one has, when it asks for that", async () => {
    const row = { namespace: "bulk/refused", title: "t", on_conflict: "error" }
    const answer = await bulk([{ ...row, content: "one" }, { ...row, content: "two" }, { ...row, content: "one" }])
    const why = "a memory with this title already exists in namespace bulk/refused"
    assert.deepStrictEqual(answer.body["errors"], [`memories[1]: ${why}`, `memories[2]: ${why}`])
    assert.deepStrictEqual((await listed("bulk/refused")).map(({ content }) => content), ["one"])
  })

  const mixed = [
    { namespace: "bulk/mixed", title: "good", content: "c" },
    { namespace: "bulk/mixed", title: "bad", content: " " },
    { namespace: "bulk/mixed", title: "shapeless" },
    { namespace: "bulk/mixed", title: "late", content: "c", expires_at: PAST },
    null,
    { namespace: "bulk/mixed", title: "wrong", content: "c", tier: "forever" },
    { namespace: "bulk/mixed", title: "nobody", content: "c", agent_id: "a b" },
    { namespace: "bulk/mixed", title: "also good", content: "c" }
  ]
  const complaints = [
    "content must not be blank",
    "content is required",
    "expires_at must be in the future",
    "the value must be an object",
    "tier must be one of short, mid, long",
    "agent_id must be 1 to 128 characters of A-Z a-z 0-9 _ : @ . / -"
  ]

  it("tells what is wrong with a row, and stores the others", async () => {
    const answer = await bulk(mixed)
    assert.strictEqual(answer.status, 200)
    assert.strictEqual(answer.body["created"], 2)
    assert.deepStrictEqual(answer.body["errors"], complaints.map((text, at) => `memories[${at + 1}]: ${text}`))
    assert.deepStrictEqual(await titles("bulk/mixed"), ["also good", "good"])
  })

  it("tells it in objects to the SDK for Python", async () => {
    const answer = await bulk(mixed, { "user-agent": "ai-memory-python/0.6.0-alpha.0" })
    assert.deepStrictEqual(answer.body["errors"], complaints.map((error, at) => ({ index: at + 1, error })))
  })

  it("takes a thousand rows and no more", async () => {
    const rows = Array.from({ length: 1001 }, (_, at) => ({ namespace: "bulk/many", title: `${at}`, content: "c" }))
    refused(await bulk(rows), 400, "memories", "1000")
    assert.lengthOf(await listed("bulk/many"), 0)
    const answer = await bulk(rows.slice(1))
    assert.strictEqual(answer.body["created"], 1000)
    assert.deepStrictEqual(answer.body["errors"], [])
    assert.lengthOf(await listed("bulk/many"), 1000)
  })

  it("refuses what is no list of rows", async () => {
    for (const body of [{}, { memories: 1 }, "\"text\"", "1", "null"]) {
      const answer = await bulk(body)
      assert.strictEqual(answer.status, 422, `${JSON.stringify(body)} ${answer.text}`)
    }
    assert.strictEqual((await bulk("[")).status, 400)
    assert.strictEqual((await bulk("[]", { "content-type": "text/plain" })).status, 415)
    assert.strictEqual((await bulk("[]", { "x-agent-id": "a b" })).status, 400)
  })

  it("answers the same to the same key, and writes nothing more", async () => {
    await create({ namespace: "bulk/key", title: "taken" })
    const held = await create({ namespace: "bulk/key", title: "merged", content: "before" })
    const row = { namespace: "bulk/key", content: "c" }
    const rows = [
      { ...row, title: "taken", on_conflict: "error" },
      { ...row, title: "merged" },
      { ...row, title: "" },
      { ...row, title: "new" },
      { ...row, title: "new", content: "again" },
      { ...row, title: "new" },
      { ...row, title: "taken", content: "other", on_conflict: "version" },
      { ...row, title: "there", content: "c" }
    ]
    await create({ namespace: "bulk/key", title: "there" })
    const key = { "idempotency-key": "bulk key" }
    const first = await bulk(rows, key)
    assert.include(first.body, { created: 3, updated: 1, unchanged: 1 })
    assert.strictEqual(Array.isArray(first.body["ids"]) ? first.body["ids"][0] : undefined, held)
    await call("DELETE", `/memories/${held}`)
    const { answer, count } = await written(() => bulk(rows, key))
    assert.deepStrictEqual(answer.body, first.body)
    assert.strictEqual(count, 0)
    assert.strictEqual((await bulk(rows.slice(1), key)).status, 422)
  })

  it("counts a row that misses its quorum as created, and says so under its id", async () => {
    const send = Call.to(alone)
    const rows = [{ namespace: "bulk/alone", title: "a", content: "a", tier: "long" }, { title: "" }]
    const answer = await send("POST", "/memories/bulk", { body: rows })
    assert.strictEqual(answer.status, 200)
    const [memory] = await listed("bulk/alone", send)
    const counts = { count: 1, ids: [memory?.["id"]], updated: 0, duplicates: [], renamed: [] }
    assert.deepStrictEqual(answer.body, {
      ...counts,
      created: 1,
      unchanged: 0,
      errors: [
        `${String(memory?.["id"])}: quorum not met (got 1, needed 2, reason unreachable)`,
        "memories[1]: content is required"
      ]
    })
    // Nothing is left to be written, and still it is on one node only.
    const again = await send("POST", "/memories/bulk", { body: rows.slice(0, 1) })
    assert.deepStrictEqual(again.body, {
      ...counts,
      created: 0,
      unchanged: 1,
      errors: [`${String(memory?.["id"])}: quorum not met (got 1, needed 2, reason unreachable)`]
    })
  })
})

describe("archive", () => {
  const archive = (body: unknown, headers: Record<string, string> = {}) => call("POST", "/archive", { body, headers })

  it("puts memories away with all they have, and hides them", async () => {
    const id = await create({
      namespace: "archive/1",
      title: "zebra crossing",
      tags: ["x", "y\"z"],
      metadata: { topic: "streets" },
      tier: "long",
      agent_id: "ann"
    })
    const other = await create({ namespace: "archive/1", title: "other" })
    const answer = await archive({ ids: [id, "missing", id, other.slice(0, 20)], reason: "done with it" })
    assert.strictEqual(answer.status, 200, answer.text)
    const { acked_by, ...rest } = answer.body
    assert.isTrue(Array.isArray(acked_by) && acked_by.length === 1)
    assert.deepStrictEqual(rest, {
      archived: [id],
      missing: ["missing", other.slice(0, 20)],
      count: 1,
      reason: "done with it",
      quorum_acks: 1
    })
    assert.deepStrictEqual(await titles("archive/1"), ["other"])
    assert.strictEqual((await call("GET", `/memories/${id}`)).status, 404)
    assert.strictEqual((await call("PUT", `/memories/${id}`, { body: { content: "d" } })).status, 404)
    assert.strictEqual((await call("DELETE", `/memories/${id}`)).status, 404)
    assert.strictEqual((await call("GET", "/search?q=zebra")).body["count"], 0)
    const recalled = await call("POST", "/recall", { body: { context: "zebra", limit: 50 } })
    assert.notInclude(recalled.text, id)
    const [row, ...others] = await archived("namespace=archive/1")
    assert.lengthOf(others, 0)
    const { archived_at, created_at, updated_at, ...fields } = row ?? {}
    assert.isTrue(String(archived_at) > String(created_at))
    assert.strictEqual(updated_at, archived_at)
    assert.deepStrictEqual(fields, {
      id,
      tier: "long",
      namespace: "archive/1",
      title: "zebra crossing",
      content: "c",
      tags: "[\"x\",\"y\\\"z\"]",
      priority: 5,
      confidence: 1,
      source: "api",
      access_count: 0,
      last_accessed_at: null,
      expires_at: null,
      metadata: { topic: "streets", agent_id: "ann" },
      archive_reason: "done with it"
    })
    // Its slot is free.
    await create({ namespace: "archive/1", title: "zebra crossing" })
  })

  it("says of what is archived already that it is missing, and leaves it as it is", async () => {
    const id = await create({ namespace: "archive/2", title: "t" })
    assert.strictEqual((await archive({ ids: [id] })).body["reason"], "archive")
    const { answer, count } = await written(() => archive({ ids: [id, "nothing"], reason: "again" }))
    assert.deepStrictEqual([answer.body["archived"], answer.body["missing"]], [[], [id, "nothing"]])
    assert.strictEqual(answer.body["count"], 0)
    assert.strictEqual(count, 0)
    assert.strictEqual((await archived("namespace=archive/2"))[0]?.["archive_reason"], "archive")
    assert.strictEqual((await archive({ ids: [] })).body["count"], 0)
  })

  it("takes ids that a memory took over", async () => {
    const ids = [
      await create({ namespace: "archive/3", title: "a" }),
      await create({ namespace: "archive/3", title: "b" })
    ]
    const body = { ids, title: "ab", summary: "both", namespace: "archive/3" }
    const merged = String((await call("POST", "/consolidate", { body })).body["id"])
    const answer = await archive({ ids: [ids[1], ids[0]] })
    assert.deepStrictEqual(answer.body["archived"], [ids[1], ids[0]])
    assert.deepStrictEqual((await archive({ ids: [ids[1], merged] })).body["missing"], [ids[1], merged])
    assert.deepStrictEqual((await archived("namespace=archive/3")).map(({ id }) => id), [merged])
    const restored = await call("POST", `/archive/${ids[0]}/restore`)
    assert.strictEqual(restored.body["id"], merged, restored.text)
  })

  it("answers the same to the same key", async () => {
    const id = await create({ namespace: "archive/4", title: "t" })
    const key = { "idempotency-key": "archive key" }
    const first = await archive({ ids: [id, "no such"] }, key)
    assert.deepStrictEqual(first.body["archived"], [id])
    assert.deepStrictEqual((await archive({ ids: [id, "no such"] }, key)).body, first.body)
    await call("POST", `/archive/${id}/restore`)
    const { answer, count } = await written(() => archive({ ids: [id, "no such"] }, key))
    assert.deepStrictEqual(answer.body, first.body)
    assert.strictEqual(count, 0)
    assert.deepStrictEqual(await titles("archive/4"), ["t"])
    assert.strictEqual((await archive({ ids: [id] }, key)).status, 422)
  })

  it("refuses what is out of bounds", async () => {
    refused(await archive({ ids: Array.from({ length: 1001 }, (_, at) => `${at}`) }), 400, "ids", "1000")
    refused(await archive({ ids: ["a", " "] }), 400, "ids[1]", "ids[1]")
    refused(await archive({ ids: ["a"], reason: " " }), 400, "reason", "blank")
    refused(await archive({ ids: ["a"], reason: "a\u0007" }), 400, "reason", "control")
    refused(await archive({ ids: ["a"], reason: "é".repeat(257) }), 400, "reason", "512 bytes")
    refused(await archive({}), 422, "ids", "required")
    refused(await archive({ ids: "a" }), 422, "ids", "array")
    assert.strictEqual((await archive({ ids: ["a"], reason: "é".repeat(256) })).status, 200)
  })

  it("is 503 when the quorum is missed, and done all the same", async () => {
    const send = Call.to(alone)
    const id = await create({ namespace: "archive/alone", title: "t" }, send)
    const answer = await send("POST", "/archive", { body: { ids: [id] } })
    assert.strictEqual(answer.status, 503)
    assert.strictEqual(answer.headers.get("retry-after"), "2")
    const { error, got, needed } = answer.body
    assert.deepStrictEqual({ error, got, needed }, { error: "quorum_not_met", got: 1, needed: 2 })
    assert.lengthOf(await archived("namespace=archive/alone", send), 1)
    const restored = await send("POST", `/archive/${id}/restore`)
    assert.strictEqual(restored.status, 503)
    assert.lengthOf(await listed("archive/alone", send), 1)
    await send("POST", "/archive", { body: { ids: [id] } })
    assert.strictEqual((await send("DELETE", "/archive")).status, 503)
    assert.lengthOf(await archived("namespace=archive/alone", send), 0)
  })

  it("lists the latest first, in pages", async () => {
    const ids: Array<string> = []
    for (let at = 0; at < 60; at++) ids.push(await create({ namespace: "archive/list", title: `${at}` }))
    for (const id of ids) await archive({ ids: [id] })
    const newestFirst = ids.toReversed()
    const page = async (query: string) => (await archived(`namespace=archive/list${query}`)).map(({ id }) => id)
    assert.deepStrictEqual(await page(""), newestFirst.slice(0, 50))
    assert.deepStrictEqual(await page("&limit=100000"), newestFirst)
    assert.deepStrictEqual(await page("&limit=3&offset=58"), newestFirst.slice(58))
    assert.strictEqual((await call("GET", "/archive?namespace=archive/list")).body["count"], 50)
    assert.deepStrictEqual((await archived("limit=60")).map(({ id }) => id), newestFirst)
    refused(await call("GET", "/archive?limit=0"), 400, "limit", "from 1")
    refused(await call("GET", "/archive?offset=-1"), 400, "offset", "offset")
    refused(await call("GET", "/archive?namespace=a//b"), 400, "namespace", "namespace")
    const counts = (await call("GET", "/archive/stats")).body
    const byNamespace = Array.isArray(counts["by_namespace"]) ? counts["by_namespace"] : []
    assert.deepStrictEqual(byNamespace[0], { namespace: "archive/list", count: 60 })
    assert.strictEqual(byNamespace.reduce((sum, { count }) => sum + count, 0), counts["archived_total"])
  })
})

describe("restore", () => {
  const away = async (fields: Record<string, unknown>) => {
    const id = await create(fields)
    await call("POST", "/archive", { body: { ids: [id] } })
    return id
  }
  const restore = (id: string, headers: Record<string, string> = {}) =>
    call("POST", `/archive/${id}/restore`, { headers })

  it("brings a memory back as it was, with a new version", async () => {
    const id = await create({ namespace: "restore/1", title: "t", tags: ["a"], tier: "short", expires_at: FUTURE })
    const [before] = await listed("restore/1")
    await call("POST", "/archive", { body: { ids: [id] } })
    const answer = await restore(id)
    assert.strictEqual(answer.status, 200, answer.text)
    const { acked_by: _, ...rest } = answer.body
    assert.deepStrictEqual(rest, { restored: true, id, quorum_acks: 1 })
    const [after] = await listed("restore/1")
    assert.deepStrictEqual({ ...after, updated_at: 0 }, { ...before, updated_at: 0 })
    assert.isTrue(String(after?.["updated_at"]) > String(before?.["updated_at"]))
    assert.strictEqual(answer.headers.get("etag"), `"${String(after?.["updated_at"])}"`)
    assert.isNotNull(answer.headers.get("x-op-id"))
    assert.lengthOf(await archived("namespace=restore/1"), 0)
    assert.strictEqual((await call("GET", `/search?q=t&namespace=restore/1`)).body["count"], 1)
  })

  it("is 404 for what is not in the archive", async () => {
    const live = await create({ namespace: "restore/2", title: "t" })
    const id = await away({ namespace: "restore/2", title: "u" })
    for (const wrong of ["nothing", live, id.slice(0, 12)]) {
      const answer = await restore(wrong)
      assert.strictEqual(answer.status, 404)
      assert.deepStrictEqual(answer.body, { error: "not found in archive" })
    }
    await restore(id)
    assert.strictEqual((await restore(id)).status, 404)
    assert.strictEqual((await restore("%20")).status, 400)
  })

  it("is 409 while another memory has the title, unless that one has expired", async () => {
    const id = await away({ namespace: "restore/3", title: "t", content: "first" })
    const rival = await create({ namespace: "restore/3", title: "t", content: "second" })
    const answer = await restore(id)
    assert.strictEqual(answer.status, 409)
    assert.strictEqual(answer.body["existing_id"], rival)
    assert.strictEqual(answer.body["code"], "CONFLICT")
    await expire(rival)
    assert.strictEqual((await restore(id)).status, 200)
    assert.deepStrictEqual((await listed("restore/3")).map(({ content }) => content), ["first"])
    assert.strictEqual((await call("GET", `/memories/${rival}`)).body["id"], id, "the id of the expired one leads on")
  })

  it("gives what has expired the time of its tier anew", async () => {
    for (const [tier, hours] of [["short", 6], ["mid", 168], ["long", undefined]] as const) {
      const id = await create({ namespace: `restore/${tier}`, title: "t", tier, expires_at: FUTURE })
      await expire(id)
      await call("POST", "/archive", { body: { ids: [id] } })
      assert.strictEqual((await restore(id)).status, 200)
      const [memory] = await listed(`restore/${tier}`)
      const lives = Date.parse(String(memory?.["expires_at"])) - Date.now()
      if (hours === undefined) assert.isUndefined(memory?.["expires_at"])
      else assert.closeTo(lives, hours * HOUR, 60_000)
    }
  })

  it("answers the same to the same key", async () => {
    const id = await away({ namespace: "restore/4", title: "t" })
    const key = { "idempotency-key": "restore key" }
    const first = await restore(id, key)
    const { answer, count } = await written(() => restore(id, key))
    assert.deepStrictEqual(answer.body, first.body)
    assert.strictEqual(count, 0)
    assert.strictEqual((await restore("another", key)).status, 422)
  })

  it("finds the archive again after a restart", async () => {
    const folder = mkdtempSync(join(tmpdir(), "quorate-archive-"))
    const db = join(folder, "quorate.db")
    const before = await Node.start({ db })
    const id = await create({ namespace: "restart", title: "t", metadata: { kept: true } }, Call.to(before))
    await Call.to(before)("POST", "/archive", { body: { ids: [id], reason: "over night" } })
    await before.stop()
    const after = await Node.start({ db })
    const send = Call.to(after)
    const [row] = await archived("", send)
    assert.deepStrictEqual([row?.["id"], row?.["archive_reason"]], [id, "over night"])
    assert.strictEqual((await send("POST", `/archive/${id}/restore`)).status, 200)
    assert.deepStrictEqual(Object((await listed("restart", send))[0]?.["metadata"]).kept, true)
    await after.stop()
    rmSync(folder, { recursive: true })
  })
})

describe("purge", () => {
  const purge = (query = "", headers: Record<string, string> = {}) => call("DELETE", `/archive${query}`, { headers })
  const fill = async (namespace: string, count: number) => {
    const rows = Array.from({ length: count }, (_, at) => ({ namespace, title: `${at}`, content: "c" }))
    const { ids } = (await call("POST", "/memories/bulk", { body: rows })).body
    assert.strictEqual((await call("POST", "/archive", { body: { ids } })).body["count"], count)
    return Array.isArray(ids) ? ids.map(String) : []
  }

  it("deletes the whole archive, whatever its size", async () => {
    const [first = ""] = await fill("purge/1", 600)
    const total = Number((await call("GET", "/archive/stats")).body["archived_total"])
    assert.isAtLeast(total, 600)
    const answer = await purge()
    assert.strictEqual(answer.status, 200, answer.text)
    assert.strictEqual(answer.body["purged"], total)
    assert.strictEqual(answer.body["quorum_acks"], 1)
    assert.lengthOf(await archived("limit=1000"), 0)
    assert.strictEqual((await call("POST", `/archive/${first}/restore`)).status, 404)
    assert.strictEqual((await purge()).body["purged"], 0)
  })

  it("spares what is younger than it was asked for", async () => {
    await fill("purge/2", 3)
    assert.strictEqual((await purge("?older_than_days=1")).body["purged"], 0)
    assert.strictEqual((await purge("?older_than_days=36500")).body["purged"], 0)
    assert.strictEqual((await purge("?older_than_days=0")).body["purged"], 3)
    for (const wrong of ["-1", "1.5", "x", "", "36501", "1&older_than_days=2"]) {
      refused(await purge(`?older_than_days=${wrong}`), 400, "older_than_days", "older_than_days")
    }
  })

  it("purges for a repeated key what was there the first time", async () => {
    await fill("purge/3", 300)
    const key = { "idempotency-key": "purge key" }
    assert.strictEqual((await purge("", key)).body["purged"], 300)
    await fill("purge/4", 2)
    const { answer, count } = await written(() => purge("", key))
    assert.strictEqual(answer.body["purged"], 300)
    assert.strictEqual(count, 0)
    assert.lengthOf(await archived("namespace=purge/4"), 2)
    assert.strictEqual((await purge("?older_than_days=1", key)).status, 422)
  })
})

describe("forget", () => {
  const forget = (body: unknown, headers: Record<string, string> = {}) => call("POST", "/forget", { body, headers })

  it("archives what matches all that is given, and keeps what it has", async () => {
    const id = await create({ namespace: "forget/1", title: "old plan", tier: "long", metadata: { topic: "plans" } })
    const short = await create({ namespace: "forget/1", title: "an obsolete idea", tier: "short", tags: ["plan"] })
    await create({ namespace: "forget/1", title: "keep this", tier: "long" })
    await create({ namespace: "forget/other", title: "old plan", tier: "long" })
    const answer = await forget({ namespace: "forget/1", pattern: "PLAN nothing", tier: "long", more: 1 })
    assert.strictEqual(answer.status, 200, answer.text)
    assert.deepStrictEqual([answer.body["deleted"], answer.body["quorum_acks"]], [1, 1])
    const [row] = await archived("namespace=forget/1")
    assert.deepStrictEqual([row?.["id"], row?.["archive_reason"]], [id, "forget"])
    assert.strictEqual(Object(row?.["metadata"]).topic, "plans")
    assert.deepStrictEqual(await titles("forget/1"), ["an obsolete idea", "keep this"])
    assert.strictEqual((await forget({ namespace: "forget/1", pattern: "plan" })).body["deleted"], 1)
    assert.deepStrictEqual((await archived("namespace=forget/1")).map(({ id: each }) => each), [short, id])
    assert.strictEqual((await forget({ namespace: "forget/1", pattern: "plan" })).body["deleted"], 0)
    assert.deepStrictEqual(await titles("forget/other"), ["old plan"])
  })

  it("takes the query when there is no body", async () => {
    await create({ namespace: "forget/2", title: "a+b" })
    await create({ namespace: "forget/2", title: "long one", tier: "long" })
    const query = (text: string) => call("POST", `/forget?${text}`)
    assert.strictEqual((await query("namespace=forget/2&tier=short")).body["deleted"], 0)
    assert.strictEqual((await query("namespace=forget/2&tier=long")).body["deleted"], 1)
    assert.strictEqual((await query("namespace=forget/2&pattern=ab")).body["deleted"], 0)
    assert.strictEqual((await query("namespace=forget/2")).body["deleted"], 1)
    refused(await query("tier=forever"), 400, "tier", "tier must be")
    refused(await query("namespace=a&namespace=b"), 400, "namespace", "once")
  })

  it("wants something to go by", async () => {
    const before = await operations()
    refused(await forget({}), 400, "namespace", "at least one")
    refused(await forget({ namespace: null, pattern: null }), 400, "namespace", "at least one")
    refused(await call("POST", "/forget"), 400, "namespace", "at least one")
    refused(await forget({ pattern: " " }), 400, "pattern", "required")
    refused(await forget({ pattern: "AND * OR" }), 400, "pattern", "word")
    refused(await forget({ pattern: "the!" }), 400, "pattern", "word")
    refused(await forget({ pattern: "x".repeat(4097) }), 400, "pattern", "4096")
    refused(await forget({ namespace: "a b" }), 400, "namespace", "namespace")
    refused(await forget({ tier: "forever" }), 422, "tier", "tier")
    assert.strictEqual((await forget("[]")).status, 422)
    assert.strictEqual(await operations(), before)
  })

  it("ends what has the very words, and not what has others of the same stem", async () => {
    await create({ namespace: "forget/stems", title: "deploying on Friday", content: "x" })
    await create({ namespace: "forget/stems", title: "how we deploy", content: "x" })
    await create({ namespace: "forget/stems", title: "DÉPLOY by hand", content: "x" })
    assert.strictEqual((await forget({ namespace: "forget/stems", pattern: "deployed" })).body["deleted"], 0)
    assert.strictEqual((await forget({ namespace: "forget/stems", pattern: "deploy the" })).body["deleted"], 2)
    assert.strictEqual((await forget({ namespace: "forget/stems", pattern: "Deploying" })).body["deleted"], 1)
  })

  it("takes a pattern of very many words, and a word that stands in words", async () => {
    await create({ namespace: "forget/3", title: "needle", content: "in a haystack" })
    await create({ namespace: "forget/3", title: "pin", content: "well-known cushion" })
    const many = Array.from({ length: 800 }, (_, at) => `w${at}`).join(" ")
    assert.strictEqual((await forget({ namespace: "forget/3", pattern: `${many} needle` })).body["deleted"], 1)
    assert.strictEqual((await forget({ namespace: "forget/3", pattern: "know" })).body["deleted"], 0)
    assert.strictEqual((await forget({ namespace: "forget/3", pattern: "well-known" })).body["deleted"], 1)
  })

  it("forgets any number, expired ones too", async () => {
    const rows = Array.from({ length: 700 }, (_, at) => ({ namespace: "forget/4", title: `${at}`, content: "c" }))
    await call("POST", "/memories/bulk", { body: rows })
    await expire(String((await listed("forget/4"))[0]?.["id"]))
    assert.lengthOf(await listed("forget/4"), 699)
    assert.strictEqual((await forget({ namespace: "forget/4" })).body["deleted"], 700)
    assert.lengthOf(await archived("namespace=forget/4&limit=1000"), 700)
  })

  it("forgets for a repeated key what was there the first time", async () => {
    await create({ namespace: "forget/5", title: "before" })
    const key = { "idempotency-key": "forget key" }
    const first = await forget({ namespace: "forget/5" }, key)
    assert.strictEqual(first.body["deleted"], 1)
    await create({ namespace: "forget/5", title: "after" })
    const { answer, count } = await written(() => forget({ namespace: "forget/5" }, key))
    assert.deepStrictEqual(answer.body, first.body)
    assert.strictEqual(count, 0)
    assert.deepStrictEqual(await titles("forget/5"), ["after"])
    assert.strictEqual((await forget({ namespace: "forget/other" }, key)).status, 422)
  })

  it("deletes where nothing is to be kept", async () => {
    const careless = await Node.start({ archiveOnGc: false })
    const send = Call.to(careless)
    const id = await create({ namespace: "n", title: "t" }, send)
    assert.strictEqual((await send("POST", "/forget?namespace=n")).body["deleted"], 1)
    assert.strictEqual((await send("GET", `/memories/${id}`)).status, 404)
    assert.lengthOf(await archived("", send), 0)
    await careless.stop()
  })
})
