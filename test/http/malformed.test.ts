import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Node from "./node.js"

/** Stands in values that a caller sent, and so may not stand in any answer. */
const SECRET = "s3cr3t-value"
const MIB = 1024 * 1024

/** A request that is wrong in one way, and what it gets. The answer is JSON with `error`; `field` where one is to blame. */
interface Case {
  readonly name: string
  readonly bytes: ReadonlyArray<string | Buffer>
  readonly status: number
  readonly field?: string
  readonly says?: RegExp
  readonly allow?: string
}

const memory = { title: "t", content: "c" }

const raw = (name: string, status: number, bytes: ReadonlyArray<string | Buffer>, says?: RegExp): Case => ({
  name,
  status,
  bytes,
  ...(says === undefined ? {} : { says })
})

const sent = (
  name: string,
  status: number,
  options: Parameters<typeof Node.request>[0],
  more: Pick<Case, "field" | "says" | "allow"> = {}
): Case => ({ name, status, bytes: [Node.request(options)], ...more })

const MEMORIES = "/api/v1/memories"

const post = (
  name: string,
  status: number,
  body: string | Buffer,
  headers: Record<string, string> = {},
  field?: string
) =>
  sent(
    `POST: ${name}`,
    status,
    { method: "POST", path: MEMORIES, headers, body },
    field === undefined ? {} : { field }
  )

/** A creation that is right but for some fields. */
const fields = (status: number, field: string, wrong: Record<string, unknown>, name = JSON.stringify(wrong)) =>
  post(name.slice(0, 60), status, JSON.stringify({ ...memory, ...wrong }), {}, field)

const get = (path: string, status: number, field?: string) =>
  sent(`GET ${path.slice(0, 60)}`, status, { path }, field === undefined ? {} : { field })

const nested = (levels: number, open: string, close: string) => open.repeat(levels) + "1" + close.repeat(levels)

const nestedObject = (levels: number): unknown => levels === 0 ? 1 : { a: nestedObject(levels - 1) }

const notHttp: ReadonlyArray<Case> = [
  raw("bytes that are no HTTP", 400, ["\u0000\u0001\u0002\r\n\r\n"]),
  raw("a method that does not exist", 400, ["FROBNICATE / HTTP/1.1\r\nhost: localhost\r\n\r\n"]),
  raw("a version that does not exist", 400, ["GET /health/live HTTP/9.9\r\nhost: localhost\r\n\r\n"]),
  raw("no Host header", 400, ["GET /health/live HTTP/1.1\r\n\r\n"], /Host/),
  raw("two Host headers", 400, ["GET /health/live HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n\r\n"], /Host/),
  ...[["a coding without chunks", "gzip"], ["a coding before chunks", "gzip, chunked"], [
    "a coding after chunks",
    "chunked, gzip"
  ]]
    .map(([name = "", coding = ""]) =>
      raw(name, 501, [
        `POST ${MEMORIES} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: ${coding}\r\n\r\n0\r\n\r\n`
      ], /chunked/)
    ),
  raw("a space in a header's name", 400, ["GET /health/live HTTP/1.1\r\nhost: localhost\r\nx y: z\r\n\r\n"]),
  raw("two content lengths", 400, [
    `POST ${MEMORIES} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}`
  ]),
  raw("a content length and chunks", 400, [
    `POST ${MEMORIES} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`
  ]),
  raw("a negative content length", 400, [`POST ${MEMORIES} HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n`]),
  raw("a chunk without a size", 400, [
    `POST ${MEMORIES} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n`
  ]),
  raw("too many headers", 431, [`GET /health/live HTTP/1.1\r\nhost: localhost\r\nx: ${"y".repeat(40_000)}\r\n\r\n`]),
  raw("an expectation nobody knows", 417, [`POST ${MEMORIES} HTTP/1.1\r\nhost: localhost\r\nexpect: wonders\r\n\r\n`])
]

const tooLarge: ReadonlyArray<Case> = [
  raw("a huge content length without a body", 413, [
    `POST ${MEMORIES} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n`
  ]),
  raw("one byte too many announced", 413, [
    `POST ${MEMORIES} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${
      2 * MIB + 1
    }\r\n\r\n`
  ]),
  raw("too much announced, with a go-ahead wanted", 413, [
    `POST ${MEMORIES} HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: ${3 * MIB}\r\n\r\n`
  ]),
  raw("too much announced to a route that reads no body", 413, [
    `GET /api/v1/stats HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${3 * MIB}\r\n\r\n`
  ]),
  ...["POST /api/v1/memories", "PUT /api/v1/memories/x", "POST /api/v1/recall", "POST /api/v1/sync/push"].map((route) =>
    raw(`too many chunks: ${route}`, 413, [
      `${route} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`,
      ...Array.from({ length: 3 }, () => `${MIB.toString(16)}\r\n${"x".repeat(MIB)}\r\n`)
    ])
  ),
  post("too large, sent whole", 413, " ".repeat(2 * MIB + 1))
]

const wrongTypes: ReadonlyArray<Case> = [
  raw("no content type", 415, [`POST ${MEMORIES} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}`]),
  ...["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "multipart/form-data; boundary=x", ""]
    .map(
      (type) => post(`content type "${type}"`, 415, JSON.stringify(memory), { "content-type": type })
    ),
  ...["/api/v1/recall", "/api/v1/sync/push"].map((path) =>
    sent(`${path}: text/plain`, 415, { method: "POST", path, body: "{}", headers: { "content-type": "text/plain" } })
  ),
  sent("PUT: text/plain", 415, {
    method: "PUT",
    path: `${MEMORIES}/x`,
    body: "{}",
    headers: { "content-type": "text/plain" }
  })
]

const badJson: ReadonlyArray<Case> = [
  post("empty body", 400, ""),
  post("cut JSON", 400, `{"title":"${SECRET}","conte`),
  post("a trailing comma", 400, `{"title":"t","content":"c",}`),
  post("single quotes", 400, `{'title':'t','content':'c'}`),
  post("NaN", 400, `{"title":"t","content":"c","confidence":NaN}`),
  post("two values", 400, `{"title":"t","content":"c"} {}`),
  post("a byte order mark that does not begin the body", 400, `{"title":\uFEFF"t","content":"c"}`),
  post(
    "bytes that are no UTF-8",
    400,
    Buffer.concat([Buffer.from(`{"title":"`), Buffer.of(0xff, 0xfe), Buffer.from(`"}`)])
  ),
  post("arrays 100 000 deep", 400, nested(100_000, "[", "]")),
  post("objects 100 000 deep", 400, nested(100_000, "{\"a\":", "}")),
  post("129 levels", 400, `{"title":"t","content":"c","metadata":${nested(128, "{\"a\":", "}")}}`),
  sent("PUT: cut JSON", 400, { method: "PUT", path: `${MEMORIES}/x`, body: "{" }),
  sent("recall: cut JSON", 400, { method: "POST", path: "/api/v1/recall", body: "{" }),
  sent("push: cut JSON", 400, { method: "POST", path: "/api/v1/sync/push", body: "{" })
]

const wrongShapes: ReadonlyArray<Case> = [
  ...["[]", "\"text\"", "null", "1"].map((body) => post(body, 422, body, {}, "")),
  post("no title", 422, `{"content":"c"}`, {}, "title"),
  post("no content", 422, `{"title":"t"}`, {}, "content"),
  ...[1, null, [], {}].map((title) => fields(422, "title", { title })),
  ...[1, null, []].map((content) => fields(422, "content", { content })),
  ...["forever", "LONG", 1, null].map((tier) => fields(422, "tier", { tier })),
  ...[1, null].map((namespace) => fields(422, "namespace", { namespace })),
  ...[SECRET, null, {}].map((tags) => fields(422, "tags", { tags })),
  fields(422, "tags[1]", { tags: ["a", 1] }),
  ...["5", 5.5, null, true].map((priority) => fields(422, "priority", { priority })),
  ...["1", null].map((confidence) => fields(422, "confidence", { confidence })),
  ...[7, null].map((source) => fields(422, "source", { source })),
  fields(422, "expires_at", { expires_at: 5 }),
  ...["10", 1.5].map((ttl_secs) => fields(422, "ttl_secs", { ttl_secs })),
  fields(422, "agent_id", { agent_id: 7 }),
  fields(422, "scope", { scope: [] }),
  ...["replace", 1].map((on_conflict) => fields(422, "on_conflict", { on_conflict }))
]

const brokenRules: ReadonlyArray<Case> = [
  ...["", " \n\t ", "a\u001bb", `a\u0000${SECRET}`, "x".repeat(513), "\u{1F600}".repeat(513), "a\u007f"].map((title) =>
    fields(400, "title", { title })
  ),
  post("half a surrogate pair", 400, `{"title":"\\ud800","content":"c"}`, {}, "title"),
  ...["", "  ", "a\u001b]b", "a\u0000", "x".repeat(65_537), "\u20ac".repeat(21_846)].map((content) =>
    fields(400, "content", { content })
  ),
  ...["", "a b", "a\\b", "/a", "a/", "a//b", "a/../b", ".", "1/2/3/4/5/6/7/8/9", "x".repeat(513), "a\u0000b"].map(
    (namespace) => fields(400, "namespace", { namespace })
  ),
  fields(400, "tags", { tags: Array.from({ length: 51 }, (_, i) => `t${i}`) }, "51 tags"),
  ...["", "x".repeat(129), "\u20ac".repeat(43), "a\rb"].map((tag) => fields(400, "tags[0]", { tags: [tag] })),
  ...[0, 11, -1].map((priority) => fields(400, "priority", { priority })),
  ...[1.5, -0.1].map((confidence) => fields(400, "confidence", { confidence })),
  post("a confidence beyond all numbers", 400, `{"title":"t","content":"c","confidence":1e999}`, {}, "confidence"),
  ...["elsewhere", "", "API"].map((source) => fields(400, "source", { source })),
  ...["tomorrow", "2026-13-01T00:00:00Z", "2020-01-01T00:00:00Z", ""].map((expires_at) =>
    fields(400, "expires_at", { expires_at })
  ),
  ...[0, -1, 31_536_001].map((ttl_secs) => fields(400, "ttl_secs", { ttl_secs })),
  fields(400, "metadata", { metadata: { a: "x".repeat(65_536) } }, "metadata too large"),
  fields(400, "metadata", { metadata: nestedObject(33) }, "metadata too deep"),
  post(
    "metadata with a number that can not be kept",
    400,
    `{"title":"t","content":"c","metadata":{"n":9007199254740993}}`,
    {},
    "metadata"
  ),
  ...["a b", "x".repeat(129), "\u00e9", ""].map((agent_id) => fields(400, "agent_id", { agent_id })),
  fields(400, "scope", { scope: "world" })
]

const badHeaders: ReadonlyArray<Case> = [
  ...["", "k".repeat(256), "caf\u00e9", "tab\tbed"].map((key) =>
    post(
      `Idempotency-Key "${key.slice(0, 20)}"`,
      400,
      JSON.stringify(memory),
      { "idempotency-key": key },
      "Idempotency-Key"
    )
  ),
  ...["", "a b", "x".repeat(129), "caf\u00e9"].map((id) =>
    post(`X-Agent-Id "${id.slice(0, 20)}"`, 400, JSON.stringify(memory), { "x-agent-id": id }, "X-Agent-Id")
  ),
  {
    ...raw("X-Agent-Id twice", 400, [
      `POST ${MEMORIES} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nx-agent-id: a\r\nx-agent-id: b\r\n` +
      "content-length: 27\r\n\r\n{\"title\":\"t\",\"content\":\"c\"}"
    ]),
    field: "X-Agent-Id"
  },
  ...["a b", "\"a\", \"b\"", "a,b", "\"a", "W/a", ""].flatMap((tag) =>
    ["PUT", "DELETE"].map((method) =>
      sent(`${method}: If-Match ${tag}`, 400, {
        method,
        path: `${MEMORIES}/x`,
        headers: { "if-match": tag },
        ...(method === "PUT" ? { body: "{}" } : {})
      }, { field: "If-Match" })
    )
  )
]

const badIds: ReadonlyArray<Case> = [
  ...["%00", "%0d", "%20", "x".repeat(129), "%61".repeat(129), "%E2%82%AC".repeat(43), "%zz", "%ff", "x".repeat(600)]
    .flatMap(
      (id) => [
        get(`${MEMORIES}/${id}`, 400, "id"),
        sent(`DELETE ${id.slice(0, 30)}`, 400, { method: "DELETE", path: `${MEMORIES}/${id}` }, { field: "id" }),
        sent(`PUT ${id.slice(0, 30)}`, 400, { method: "PUT", path: `${MEMORIES}/${id}`, body: "{}" }, { field: "id" }),
        sent(`promote ${id.slice(0, 30)}`, 400, { method: "POST", path: `${MEMORIES}/${id}/promote` }, { field: "id" })
      ]
    ),
  get(`${MEMORIES}/`, 400, "id"),
  ...["%2e%2e", "..", "a%2Fb", SECRET, "0123456789", "x".repeat(128)].flatMap((id) => [
    get(`${MEMORIES}/${id}`, 404),
    sent(`DELETE ${id.slice(0, 30)}`, 404, { method: "DELETE", path: `${MEMORIES}/${id}` }),
    sent(`PUT ${id.slice(0, 30)}`, 404, { method: "PUT", path: `${MEMORIES}/${id}`, body: "{\"priority\":1}" }),
    sent(`promote ${id.slice(0, 30)}`, 404, { method: "POST", path: `${MEMORIES}/${id}/promote` })
  ])
]

const badQueries: ReadonlyArray<Case> = [
  ...["x", "-1", "1.5", "", "1e3", "%2B1", "1%00", "99999999999999999999"].map((limit) =>
    get(`${MEMORIES}?limit=${limit}`, 400, "limit")
  ),
  get(`${MEMORIES}?limit=1&limit=2`, 400, "limit"),
  get(`${MEMORIES}?offset=-1`, 400, "offset"),
  ...["x", "", "1.5"].map((value) => get(`${MEMORIES}?min_priority=${value}`, 400, "min_priority")),
  ...["huge", "", "Long"].map((tier) => get(`${MEMORIES}?tier=${tier}`, 400, "tier")),
  ...["since", "until"].flatMap((name) =>
    ["yesterday", "", "2026-02-30T00:00:00Z", "1700000000", SECRET].map((value) =>
      get(`${MEMORIES}?${name}=${value}`, 400, name)
    )
  ),
  get(`${MEMORIES}?namespace=a&namespace=b`, 400, "namespace"),
  get("/api/v1/search", 400, "q"),
  get("/api/v1/search?q=", 400, "q"),
  get("/api/v1/search?q=%20%09", 400, "q"),
  get("/api/v1/search?q=a&limit=x", 400, "limit"),
  get("/api/v1/recall", 400, "context"),
  get("/api/v1/recall?context=%20", 400, "context"),
  get("/api/v1/recall?context=a&limit=x", 400, "limit"),
  get("/api/v1/recall?context=a&budget_tokens=-1", 400, "budget_tokens"),
  get("/api/v1/recall?context=a&since=x", 400, "since"),
  get("/api/v1/sync/since?since=yesterday", 400, "since"),
  get("/api/v1/sync/since?limit=x", 400, "limit"),
  get("/api/v1/sync/since?vv=%7B", 400, "vv")
]

const recall = (status: number, field: string, body: unknown) =>
  sent(`recall ${JSON.stringify(body)}`, status, {
    method: "POST",
    path: "/api/v1/recall",
    body: JSON.stringify(body)
  }, { field })

const badRecalls: ReadonlyArray<Case> = [
  recall(422, "", []),
  recall(422, "context", {}),
  recall(422, "context", { context: 5 }),
  recall(400, "context", { context: "  " }),
  recall(422, "limit", { context: "a", limit: "5" }),
  recall(422, "namespace", { context: "a", namespace: 1 }),
  recall(400, "since", { context: "a", since: "yesterday" }),
  recall(422, "budget_tokens", { context: "a", budget_tokens: "all" })
]

const put = (status: number, field: string, body: unknown) =>
  sent(`PUT ${JSON.stringify(body).slice(0, 40)}`, status, {
    method: "PUT",
    path: `${MEMORIES}/x`,
    body: JSON.stringify(body)
  }, { field })

const badChanges: ReadonlyArray<Case> = [
  put(422, "", []),
  put(422, "title", { title: 1 }),
  put(422, "tier", { tier: "forever" }),
  put(422, "tags", { tags: "a" }),
  put(422, "priority", { priority: 1.5 }),
  put(422, "expected_version", { expected_version: 1 }),
  put(400, "title", { title: " " }),
  put(400, "content", { content: "\r" }),
  put(400, "priority", { priority: 99 }),
  put(400, "expires_at", { expires_at: "" }),
  put(400, "metadata", { metadata: nestedObject(33) })
]

const push = (status: number, field: string, body: Record<string, unknown> | ReadonlyArray<unknown>) =>
  sent(`push ${JSON.stringify(body).slice(0, 60)}`, status, {
    method: "POST",
    path: "/api/v1/sync/push",
    body: JSON.stringify(body)
  }, { field })

const badPushes: ReadonlyArray<Case> = [
  push(422, "sender_agent_id", { memories: [] }),
  push(422, "memories", { sender_agent_id: "a" }),
  push(422, "sender_agent_id", { sender_agent_id: 1, memories: [] }),
  push(400, "sender_agent_id", { sender_agent_id: "a b", memories: [] }),
  push(422, "memories", { sender_agent_id: "a", memories: {} }),
  push(422, "memories[0].id", { sender_agent_id: "a", memories: [{ title: "t" }] }),
  push(400, "deletions", { sender_agent_id: "a", memories: [], deletions: Array.from({ length: 1001 }, () => "x") }),
  push(422, "dry_run", { sender_agent_id: "a", memories: [], dry_run: "yes" })
]

const offRoutes: ReadonlyArray<Case> = [
  ...["/", "/nope", "/api/v1", "/api/v1/memories/x/y", "/API/V1/stats", "/health", "/%2e%2e/etc/passwd", "/%zz"]
    .map((path) => get(path, 404)),
  sent("PATCH memories", 405, { method: "PATCH", path: MEMORIES }, { allow: "POST, GET, HEAD, OPTIONS" }),
  sent("PUT memories", 405, { method: "PUT", path: MEMORIES, body: "{}" }, { allow: "POST, GET, HEAD, OPTIONS" }),
  sent("POST a memory", 405, { method: "POST", path: `${MEMORIES}/x`, body: "{}" }, {
    allow: "GET, HEAD, PUT, DELETE, OPTIONS"
  }),
  sent("GET promote", 405, { path: `${MEMORIES}/x/promote` }, { allow: "POST, OPTIONS" }),
  sent("DELETE stats", 405, { method: "DELETE", path: "/api/v1/stats" }, { allow: "GET, HEAD, OPTIONS" }),
  sent("POST health", 405, { method: "POST", path: "/health/live", body: "{}" }, { allow: "GET, HEAD, OPTIONS" }),
  sent("GET push", 405, { path: "/api/v1/sync/push" }, { allow: "POST, OPTIONS" }),
  sent("PUT recall", 405, { method: "PUT", path: "/api/v1/recall", body: "{}" }, { allow: "GET, HEAD, POST, OPTIONS" }),
  sent("TRACE docs", 405, { method: "TRACE", path: "/docs" }, { allow: "GET, HEAD, OPTIONS" })
]

const cases: ReadonlyArray<Case> = [
  ...notHttp,
  ...tooLarge,
  ...wrongTypes,
  ...badJson,
  ...wrongShapes,
  ...brokenRules,
  ...badHeaders,
  ...badIds,
  ...badQueries,
  ...badRecalls,
  ...badChanges,
  ...badPushes,
  ...offRoutes
]

describe("malformed requests", () => {
  let node: Node.Node
  let before: unknown

  const create = (body: unknown, headers: Record<string, string> = {}) =>
    Node.exchange(node.port, Node.request({ method: "POST", path: MEMORIES, headers, body: JSON.stringify(body) }))

  beforeAll(async () => {
    node = await Node.start()
    // Seventeen ids have two with the same first digit.
    for (let i = 0; i < 17; i++) assert.strictEqual((await create({ title: `seed ${i}`, content: "c" })).status, 201)
    before = await node.contents()
  })
  afterAll(() => node.stop())

  it("are at least sixty", () => assert.isAtLeast(cases.length, 60))

  it.each(cases)("$name: $status", async ({ allow, bytes, field, says, status }) => {
    const answer = await Node.exchange(node.port, ...bytes)
    assert.strictEqual(answer.status, status, answer.text)
    assert.match(answer.headers["content-type"] ?? "", /^application\/json/)
    assert.notInclude(answer.text, SECRET)
    const body = answer.json
    assert.isObject(body)
    assert.isString(Reflect.get(Object(body), "error"), answer.text)
    if (field !== undefined) assert.strictEqual(Reflect.get(Object(body), "field"), field, answer.text)
    if (says !== undefined) assert.match(String(Reflect.get(Object(body), "error")), says)
    if (allow !== undefined) assert.strictEqual(answer.headers["allow"], allow)
  })

  it("a prefix of several ids: 400", async () => {
    const prefixes = await Promise.all(
      Array.from(
        "0123456789abcdef",
        (digit) => Node.exchange(node.port, Node.request({ path: `${MEMORIES}/${digit}` }))
      )
    )
    const ambiguous = prefixes.find(({ status }) => status === 400)
    assert.match(ambiguous?.text ?? "", /ambiguous ID prefix/)
  })

  it("a taken title: 409 with the id of its holder", async () => {
    const taken = await create({ title: "seed 0", content: "other" })
    assert.strictEqual(taken.status, 409)
    const body = Object(taken.json)
    assert.strictEqual(Reflect.get(body, "code"), "CONFLICT")
    assert.strictEqual(
      (await Node.exchange(node.port, Node.request({ path: `${MEMORIES}/${Reflect.get(body, "existing_id")}` })))
        .status,
      200
    )
  })

  it("leave the database as it was, and the node serving", async () => {
    assert.deepStrictEqual(await node.contents(), before)
    const created = await create({ title: "after all that", content: "still here" })
    assert.strictEqual(created.status, 201, created.text)
    assert.strictEqual((await Node.exchange(node.port, Node.request({ path: "/health/ready" }))).status, 200)
  })
})
