import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import { randomUUID } from "node:crypto"
import { gzipSync } from "node:zlib"
import { MAX_PAGE_BYTES } from "../../src/domain/limits.js"
import * as Call from "./call.js"
import * as Node from "./node.js"

let node: Node.Node
let send: Call.Send
beforeAll(async () => {
  node = await Node.start()
  send = Call.to(node)
})
afterAll(() => node.stop())

const strict = { prefer: "respond-async, handling=strict" }

const warningsOf = ({ body }: Pick<Call.Answered, "body">) => body["warnings"]
const ignored = (what: string) => `${what} is not known here, and was ignored`

/** Sends a request that must be answered with the status. */
const ask = async (status: number, ...request: Parameters<Call.Send>) => {
  const answered = await send(...request)
  assert.strictEqual(answered.status, status, `${request.slice(0, 2).join(" ")}: ${answered.text}`)
  return answered
}

const create = async (body: object) => String((await ask(201, "POST", "/memories", { body })).body["id"])

describe("what a request says and nobody knows", () => {
  it("is told of fields, on the lean way and on the router's", async () => {
    const made = await ask(201, "POST", "/memories", { body: { title: "a", content: "c", titel: 1, ttl: 5 } })
    assert.deepStrictEqual(warningsOf(made), [ignored("the field titel"), ignored("the field ttl")])
    const path = `/memories/${String(made.body["id"])}`
    assert.deepStrictEqual(warningsOf(await ask(200, "PUT", path, { body: { titel: "b" } })), [
      ignored("the field titel")
    ])
    const recalled = await ask(200, "POST", "/recall", { body: { context: "a", top_k: 3 } })
    assert.deepStrictEqual(warningsOf(recalled), [ignored("the field top_k")])
    assert.notProperty((await ask(200, "POST", "/recall", { body: { context: "a" } })).body, "warnings")
  })

  it("is told of parameters, also where there are none", async () => {
    const id = await create({ title: "parameters", content: "c" })
    for (const path of ["/memories?tag=x", "/search?q=a&tag=x", `/memories/${id}?tag=x`, "/stats?tag=x"]) {
      assert.deepStrictEqual(warningsOf(await ask(200, "GET", path)), [ignored("the parameter tag")], path)
    }
    const made = await ask(201, "POST", "/memories?wait=1", { body: { title: "with a query", content: "c" } })
    assert.deepStrictEqual(warningsOf(made), [ignored("the parameter wait")])
    const exported = await ask(200, "GET", "/export?all=1")
    assert.strictEqual(exported.headers.get("x-warnings"), ignored("the parameter all"))
    // A key in the query is no parameter of a route.
    assert.notProperty((await ask(200, "GET", "/memories?api_key=x")).body, "warnings")
  })

  it("is told of rows, by their place, and of a request that was only queued", async () => {
    const rows = [{ title: "row 1", content: "c" }, { title: "row 2", content: "c", titel: 1 }]
    const bulk = await ask(200, "POST", "/memories/bulk", { body: { memories: rows, all: true } })
    assert.deepStrictEqual(warningsOf(bulk), [ignored("the field all"), ignored("the field memories[1].titel")])
    await ask(201, "POST", "/namespaces", { body: { namespace: "remarks/approve", governance: { write: "approve" } } })
    const body = { namespace: "remarks/approve", title: "t", content: "c", titel: 1 }
    assert.deepStrictEqual(warningsOf(await ask(202, "POST", "/memories", { body })), [ignored("the field titel")])
  })

  it("is told in bounds, and in letters that every log can take", async () => {
    const many = Object.fromEntries(Array.from({ length: 900 }, (_, at) => [`x${at}`, at]))
    const warnings = warningsOf(await ask(200, "POST", "/recall", { body: { context: "a", ...many } }))
    assert.lengthOf(Array.isArray(warnings) ? warnings : [], 21)
    const odd = { context: "a", [`\n${"ü".repeat(100)}`]: 1 }
    assert.deepStrictEqual(warningsOf(await ask(200, "POST", "/recall", { body: odd })), [
      ignored(`the field ${"?".repeat(64)}`)
    ])
  })

  it("is refused where the client asks for it, and nothing is written", async () => {
    const before = await node.contents()
    const body = { title: "strict", content: "c", titel: 1 }
    const refused = await ask(400, "POST", "/memories", { body, headers: strict })
    assert.deepStrictEqual(refused.body, { error: "the field titel is not known here", field: "titel" })
    const rows = await ask(400, "POST", "/memories/bulk", { body: [body], headers: strict })
    assert.strictEqual(rows.body["field"], "titel")
    for (const path of ["/memories?tag=x", "/memories/x?tag=x", "/export?tag=x", "/stats?tag=x"]) {
      assert.strictEqual((await ask(400, "GET", path, { headers: strict })).body["field"], "tag", path)
    }
    assert.deepStrictEqual(await node.contents(), before)
    await ask(201, "POST", "/memories", { body: { title: "strict", content: "c" }, headers: strict })
    await ask(200, "GET", "/memories?tags=x", { headers: strict })
  })
})

describe("pages", () => {
  it("are cut where they become large, say so, and go on after that", async () => {
    const content = `haystack ${"x".repeat(60_000)}`
    const metadata = { filling: "y".repeat(60_000) }
    for (let part = 0; part < 5; part++) {
      const rows = Array.from(
        { length: 9 },
        (_, at) => ({ namespace: "large", title: `${part} ${at}`, content, metadata })
      )
      await ask(200, "POST", "/memories/bulk", { body: rows })
    }
    const seen: Array<unknown> = []
    for (let page = 0; seen.length < 45 && page < 10; page++) {
      const answered = await ask(200, "GET", `/memories?namespace=large&limit=1000&offset=${seen.length}`)
      assert.isBelow(answered.text.length, MAX_PAGE_BYTES + 200_000)
      const rows = Call.rows(answered, "memories")
      assert.strictEqual(answered.body["count"], rows.length)
      seen.push(...rows.map(({ id }) => id))
      assert.strictEqual(answered.body["truncated"], seen.length < 45 ? true : undefined)
    }
    assert.strictEqual(new Set(seen).size, 45)
    const found = await ask(200, "GET", "/search?q=haystack&limit=1000")
    assert.isBelow(found.text.length, MAX_PAGE_BYTES + 200_000)
    assert.deepInclude(found.body, { truncated: true, count: Call.rows(found, "results").length })
    assert.notProperty((await ask(200, "GET", "/search?q=haystack&limit=5")).body, "truncated")
  })

  const FILLING = "y".repeat(60_000)
  const LARGE = 40
  /** Some 120 kB each, and no two alike. */
  const largeRows = (namespace: string) =>
    Array.from({ length: LARGE }, (_, at) => ({
      namespace,
      title: `large ${at}`,
      content: `${at} ${"x".repeat(60_000)}`,
      metadata: { topic: "size", filling: FILLING }
    }))
  const inParts = async (
    path: string,
    rows: ReadonlyArray<object>,
    bodyOf: (part: ReadonlyArray<object>) => unknown
  ) => {
    for (let at = 0; at < rows.length; at += 12) {
      await ask(200, "POST", path, { body: bodyOf(rows.slice(at, at + 12)) })
    }
  }

  /** Reads a list to its end, a page at a time; how many rows there are, once each. */
  const readAll = async (path: string, list: string, idOf: (row: Readonly<Record<string, unknown>>) => unknown) => {
    const seen: Array<unknown> = []
    let pages = 0
    for (let more = true; more && pages < 10; pages++) {
      const answered = await ask(200, "GET", `${path}&limit=500&offset=${seen.length}`)
      assert.isBelow(answered.text.length, MAX_PAGE_BYTES + 300_000, path)
      seen.push(...Call.rows(answered, list).map(idOf))
      more = answered.body["truncated"] === true
      if (!more) assert.notProperty(answered.body, "truncated")
    }
    assert.isAbove(pages, 1, `${path} was not cut`)
    assert.strictEqual(new Set(seen).size, seen.length)
    return seen.length
  }
  const id = (row: Readonly<Record<string, unknown>>) => row["id"]

  it("of the archive are cut, too", async () => {
    await inParts("/memories/bulk", largeRows("large/archive"), (rows) => rows)
    const ids = Call.rows(await ask(200, "GET", "/memories?namespace=large/archive&limit=20"), "memories").map(id)
    const rest = Call.rows(await ask(200, "GET", "/memories?namespace=large/archive&limit=20&offset=20"), "memories")
    await ask(200, "POST", "/archive", { body: { ids: [...ids, ...rest.map(id)] } })
    assert.strictEqual(await readAll("/archive?namespace=large/archive", "archived", id), LARGE)
  })

  it("of an inbox are cut, too", async () => {
    for (const { content, metadata, title } of largeRows("")) {
      await ask(201, "POST", "/notify", {
        body: { target_agent_id: "large-reader", title, payload: content, metadata: { filling: metadata.filling } }
      })
    }
    assert.strictEqual(await readAll("/inbox?agent_id=large-reader", "messages", id), LARGE)
  })

  it("of pending actions are cut, too", async () => {
    await ask(201, "POST", "/namespaces", { body: { namespace: "large/pending", governance: { write: "approve" } } })
    const before = Call.rows(await ask(200, "GET", "/pending?status=pending"), "pending").length
    for (const body of largeRows("large/pending")) await ask(202, "POST", "/memories", { body })
    assert.strictEqual(await readAll("/pending?status=pending", "pending", id), LARGE + before)
  })

  it("of conflicts are cut, too", async () => {
    const at = "2026-01-05T09:00:00.000000000+00:00"
    const whole = {
      tags: [],
      tier: "long",
      priority: 5,
      confidence: 1,
      source: "import",
      access_count: 0,
      created_at: at
    }
    const rows = largeRows("large/conflicts").map((row) => ({
      ...whole,
      ...row,
      id: randomUUID(),
      title: "one title",
      updated_at: at
    }))
    await inParts("/import", rows, (memories) => ({ memories }))
    const found = await readAll("/conflicts?namespace=large/conflicts", "conflicts", id)
    assert.strictEqual(found, LARGE - 1)
  })

  it("of contradictions are cut, too, and say so when there are more links", async () => {
    await inParts("/memories/bulk", largeRows("large/contradictions"), (rows) => rows)
    for (const asked of ["topic=size", "namespace=large/contradictions", "topic=size&namespace=large/contradictions"]) {
      const answered = await ask(200, "GET", `/contradictions?${asked}&limit=1000`)
      assert.isBelow(answered.text.length, MAX_PAGE_BYTES + 300_000, asked)
      assert.strictEqual(answered.body["truncated"], true, asked)
      assert.notProperty((await ask(200, "GET", `/contradictions?${asked}&limit=5`)).body, "truncated", asked)
    }
    const small = Array.from({ length: 46 }, (_, at) => ({
      namespace: "many",
      title: `many ${at}`,
      content: `${at}`,
      metadata: { topic: "many" }
    }))
    await inParts("/memories/bulk", small, (rows) => rows)
    const many = await ask(200, "GET", "/contradictions?namespace=many&limit=1000")
    assert.lengthOf(Call.rows(many, "links"), 1000)
    assert.strictEqual(many.body["truncated"], true)
    assert.notProperty((await ask(200, "GET", "/contradictions?namespace=many&limit=45")).body, "truncated")
  })

  it("of a search have each row once, under the name that the client reads", async () => {
    await create({ title: "needle", content: "c" })
    const { body } = await ask(200, "GET", "/search?q=needle")
    assert.sameMembers(Object.keys(body), ["results", "count", "query"])
    const headers = { "user-agent": "ai-memory-python/0.6.0-alpha.0" }
    const python = await ask(200, "GET", "/search?q=needle", { headers })
    assert.sameMembers(Object.keys(python.body), ["memories", "count", "query"])
    assert.deepStrictEqual(python.body["memories"], body["results"])
  })
})

describe("a change that changes nothing", () => {
  it("writes nothing, and says what is there", async () => {
    const id = await create({ title: "same", content: "c", tags: ["x"], metadata: { a: 1 }, agent_id: "ann" })
    const { headers, ...found } = await ask(200, "GET", `/memories/${id}`)
    const before = await node.contents()
    const memory = Object(found.body["memory"])
    for (
      const body of [{}, { titel: "b" }, { title: " same " }, {
        content: "c",
        tags: ["x"],
        priority: 5,
        metadata: { a: 1 }
      }]
    ) {
      const changed = await ask(200, "PUT", `/memories/${id}`, { body })
      assert.deepInclude(changed.body, memory)
      assert.strictEqual(changed.headers.get("etag"), headers.get("etag"))
      assert.strictEqual(changed.body["quorum_acks"], 1)
      // What is there was written by an operation, which it is known by.
      assert.match(String(changed.headers.get("x-op-id")), /^[0-9a-f-]{36}$/)
    }
    assert.deepStrictEqual(await node.contents(), before)
    await ask(412, "PUT", `/memories/${id}`, { body: {}, headers: { "if-match": "\"2020-01-01T00:00:00Z\"" } })
    const changed = await ask(200, "PUT", `/memories/${id}`, { body: { metadata: { a: 2 } } })
    assert.notStrictEqual(changed.headers.get("etag"), headers.get("etag"))
  })

  it("waits for the quorum of what is there", async () => {
    const alone = await Node.start({ quorumWrites: Option.some(2), quorumPeers: ["http://127.0.0.1:1"] })
    const there = Call.to(alone)
    const missed = await there("POST", "/memories", { body: { title: "t", content: "c" } })
    assert.strictEqual(missed.status, 503)
    const [memory] = Call.rows(await there("GET", "/memories"), "memories")
    const again = await there("PUT", `/memories/${String(memory?.["id"])}`, { body: { content: "c" } })
    assert.strictEqual(again.status, 503)
    assert.strictEqual(again.body["op_id"], missed.body["op_id"])
    await alone.stop()
  })
})

describe("bodies", () => {
  it("may begin with a byte order mark", async () => {
    await ask(201, "POST", "/memories", { body: `\ufeff{"title":"marked","content":"c"}` })
    const lines = `\ufeff{"type":"link"}\n`
    const answered = await ask(200, "POST", "/import", {
      body: lines,
      headers: { "content-type": "application/x-ndjson" }
    })
    assert.notInclude(answered.text, "not valid JSON")
  })

  it("have lines that end as they do here, titles without space around them, and no colours", async () => {
    const body = {
      title: "\t \u001b[31mred\u001b[0m title\r\n",
      content: "one\r\ntwo\rthree\n\u001b[1;32mfour\u001b[K"
    }
    const made = await ask(201, "POST", "/memories", { body: { namespace: "tidy", ...body } })
    assert.deepInclude(made.body, { title: "red title", content: "one\ntwo\nthree\nfour" })
    assert.deepStrictEqual(warningsOf(made), [
      "terminal codes were taken out of title",
      "terminal codes were taken out of content"
    ])
    const bulk = await ask(200, "POST", "/memories/bulk", { body: [{ ...body, namespace: "tidy/bulk" }] })
    assert.include(warningsOf(bulk), "terminal codes were taken out of title")
    const exported = { ...made.body, id: "tidied", namespace: "tidy/import", ...body }
    const coloured = { ...exported, title: "\u001b[31mred" }
    const brought = await ask(200, "POST", "/import", { body: { memories: [coloured, { ...coloured, id: "again" }] } })
    assert.include(warningsOf(brought), "terminal codes were taken out of title")
    const path = `/memories/${String(made.body["id"])}`
    const changed = await ask(200, "PUT", path, { body: { content: "a\r\nb", title: " c " } })
    assert.deepInclude(changed.body, { title: "c", content: "a\nb" })
    assert.notProperty(changed.body, "warnings")
    const ids = [String(made.body["id"]), await create({ namespace: "tidy", title: "other", content: "c" })]
    const merged = { ids, namespace: "tidy", title: " both\r\n", summary: "x\r\ny" }
    const { body: { id } } = await ask(201, "POST", "/consolidate", { body: merged })
    assert.deepInclude((await ask(200, "GET", `/memories/${String(id)}`)).body, { title: "both", content: "x\ny" })
    await ask(201, "POST", "/notify", { body: { to: "tidy", subject: " s ", body: "a\r\nb" } })
    const [message] = Call.rows(await ask(200, "GET", "/inbox?agent_id=tidy"), "messages")
    assert.deepInclude(message, { subject: "s", body: "a\nb" })
    const { memory: row } = (await ask(200, "GET", `/memories/${String(id)}`)).body
    const rows = [{ ...Object(row), id: "tidied", title: "imported", content: "a\r\nb" }]
    assert.deepInclude((await ask(200, "POST", "/import", { body: { memories: rows } })).body, { imported: 1 })
    assert.strictEqual((await ask(200, "GET", "/memories/tidied")).body["content"], "a\nb")
    // What is no line, no space and no colour is still refused.
    assert.strictEqual(
      (await ask(400, "POST", "/memories", { body: { title: "t", content: "a\u001b" } })).body["field"],
      "content"
    )
  })

  it("are sent as they are: what is compressed is refused with what is taken", async () => {
    const body = gzipSync(JSON.stringify({ title: "zipped", content: "c" }))
    for (const path of ["/api/v1/memories", "/api/v1/memories/bulk", "/api/v1/sync/push", "/api/v1/import"]) {
      const headers = { "content-type": "application/json", "content-encoding": "gzip" }
      const answer = await fetch(`${node.url}${path}`, { method: "POST", headers, body })
      assert.strictEqual(answer.status, 415, path)
      assert.strictEqual(answer.headers.get("accept-encoding"), "identity")
      assert.include(await answer.text(), "gzip")
    }
    const headers = { "content-encoding": "identity" }
    await ask(201, "POST", "/memories", { body: { title: "not zipped", content: "c" }, headers })
  })

  it("of an import are told what they should look like", async () => {
    for (const body of [[], { rows: [] }, { memories: {} }, null]) {
      const refused = await ask(422, "POST", "/import", { body: JSON.stringify(body) })
      assert.include(String(refused.body["error"]), `{"memories": [...], "links": [...]}`)
    }
    const other = await Node.start()
    const there = Call.to(other)
    await there("POST", "/memories", { body: { title: "exported", content: "c" } })
    const exported = await there("GET", "/export")
    const imported = await ask(200, "POST", "/import", { body: exported.text })
    assert.notProperty(imported.body, "warnings")
    assert.strictEqual(imported.body["imported"], 1)
    await other.stop()
  })
})
