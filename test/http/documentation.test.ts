import * as HttpApi from "@effect/platform/HttpApi"
import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { createHash, createHmac } from "node:crypto"
import { Api, document } from "../../src/http/contract/Api.js"
import { bodies } from "../../src/http/contract/examples.js"
import * as Node from "./node.js"

interface Documented {
  readonly operation: string
  readonly method: string
  readonly path: string
  readonly payload: Option.Option<Schema.Schema.All>
  readonly successes: ReadonlyArray<number>
}

const documented: ReadonlyArray<Documented> = (() => {
  const found: Array<Documented> = []
  HttpApi.reflect(Api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint: { method, name, path, payloadSchema }, group, successes }) => {
      found.push({
        operation: `${group.identifier}.${name}`,
        method,
        path,
        payload: method === "GET" ? Option.none() : payloadSchema,
        successes: Array.from(successes.keys())
      })
    }
  })
  return found
})()

const withBody = documented.filter(({ payload }) => Option.isSome(payload))

describe("the examples of the document", () => {
  it("are of every body, and of nothing else", () => {
    assert.sameMembers(Object.keys(bodies), withBody.map(({ operation }) => operation))
    for (const { method, operation, path } of withBody) {
      const shown = Object(document().paths[path.replace(/:(\w+)/g, "{$1}")])[method.toLowerCase()]
      assert.deepStrictEqual(shown.requestBody.content["application/json"].example, bodies[operation], operation)
    }
  })

  it.each(withBody)("$operation: is read by its own schema, without anything that is not known", (one) => {
    const schema = Schema.make<unknown, unknown, never>(Option.getOrThrow(one.payload).ast)
    Schema.decodeUnknownSync(schema, { onExcessProperty: "error" })(bodies[one.operation])
  })

  const SECRET = "a secret of the approvals"
  const signed = (body: string) => {
    const at = String(Math.floor(Date.now() / 1000))
    const key = createHash("sha256").update(SECRET).digest()
    return {
      "x-ai-memory-timestamp": at,
      "x-ai-memory-signature": `sha256=${createHmac("sha256", key).update(`${at}.${body}`).digest("hex")}`
    }
  }

  it.each(withBody)("$operation: is answered with success as it stands", async (one) => {
    const node = await Node.start({ approvalsSecret: Option.some(Redacted.make(SECRET)) })
    try {
      const post = (path: string, body: unknown, method = "POST", headers: Record<string, string> = {}) =>
        Node.exchange(
          node.port,
          Node.request({
            method,
            path,
            body: JSON.stringify(body),
            // As the page of this node sends it.
            headers: { host: `127.0.0.1:${node.port}`, origin: node.url, "sec-fetch-site": "same-origin", ...headers }
          })
        )
      const id = one.operation === "data.import" ? "" : await prepare(one.operation, post)
      const path = one.path.replace(":id", id).replace(":namespace", encodeURIComponent("team/ops"))
      const example = bodies[one.operation]
      const headers = one.operation === "governance.decide" ? signed(JSON.stringify(example)) : {}
      const answer = await post(path, example, one.method, headers)
      assert.include(one.successes, answer.status, answer.text)
      assert.notProperty(Object(answer.json), "warnings")
    } finally {
      await node.stop()
    }
  })

  type Post = (path: string, body: unknown) => Promise<Node.Answer>

  /** What an example is about is there; the id that stands in the path. */
  const prepare = async (operation: string, post: Post): Promise<string> => {
    const { memories: [memory] } = Object(bodies["data.import"])
    const [, other] = Object(bodies["data.consolidate"]).ids
    const memories = [memory, { ...memory, id: other, title: "Another" }]
    if (operation === "federation.resolveConflict") {
      memories[1] = { ...memories[1], title: memory.title, updated_at: "2026-01-04T09:00:00.000000000+00:00" }
    }
    assert.strictEqual((await post("/api/v1/import", { memories })).status, 200)
    if (operation === "graph.unlink" || operation === "graph.kgInvalidate") {
      assert.strictEqual((await post("/api/v1/links", bodies["graph.link"])).status, 201)
    }
    if (operation === "federation.resolveConflict") return other
    if (operation === "agents.bindKey") {
      const agent = Object(bodies["agents.register"])
      assert.strictEqual((await post("/api/v1/agents", agent)).status, 201)
      return agent.agent_id
    }
    if (operation !== "governance.decide") return memory.id
    await post("/api/v1/namespaces", { namespace: "asks", governance: { write: "approve" } })
    const { json } = await post("/api/v1/memories", { namespace: "asks", title: "t", content: "c" })
    return Object(json).pending_id
  }
})

describe("the document of a node", () => {
  const told = async (settings: Parameters<typeof Node.start>[0], key = "") => {
    const node = await Node.start(settings)
    try {
      const response = await fetch(`${node.url}/openapi.json?api_key=${key}`)
      const page = await (await fetch(`${node.url}/docs?api_key=${key}`)).text()
      const [, shown = ""] = /<script id="swagger-spec" type="application\/json">([^<]*)<\/script>/.exec(page) ?? []
      const document = Object(await response.json())
      assert.deepStrictEqual(JSON.parse(shown), document)
      return document
    } finally {
      await node.stop()
    }
  }

  it("is the same where the page was asked for first", async () => {
    const node = await Node.start({})
    try {
      await (await fetch(`${node.url}/docs`)).text()
      const text = await (await fetch(`${node.url}/openapi.json`)).text()
      assert.include(text, "\"additionalProperties\":true")
      assert.notInclude(text, "\"additionalProperties\":false")
    } finally {
      await node.stop()
    }
  })

  const operationsOf = (document: object) =>
    Object.entries(Object(document).paths).flatMap(([path, methods]) =>
      Object.values(Object(methods)).map((operation) => ({ path, security: Object(operation).security }))
    )

  const OPEN = ["/api/v1/health", "/health/live", "/health/ready"]

  it("has no lock where no key is set", async () => {
    const document = await told({})
    assert.notProperty(document.components, "securitySchemes")
    assert.deepStrictEqual(document.security, [])
    for (const { path, security } of operationsOf(document)) assert.deepStrictEqual(security, [], path)
  })

  it("has one on all that asks for the key where one is set", async () => {
    const document = await told({ apiKey: Option.some(Redacted.make("k")) }, "k")
    assert.hasAllKeys(document.components.securitySchemes, ["header", "bearer", "query"])
    for (const { path, security } of operationsOf(document)) {
      const [{ header } = { header: [] }] = security
      assert.deepStrictEqual(
        security,
        OPEN.includes(path) ? [] : [{ header }, { bearer: header }, { query: header }],
        path
      )
      if (!OPEN.includes(path)) assert.include([["read"], ["write"], ["admin"], ["peer"]].join(), header.join())
      if (path.startsWith("/api/v1/sync/")) assert.deepStrictEqual(header, ["peer"])
    }
  })

  it("names its licence by its identifier, and itself as the server", async () => {
    const { info, servers } = await told({})
    assert.deepStrictEqual(info.license, { name: "Apache License 2.0", identifier: "Apache-2.0" })
    assert.deepStrictEqual(servers, [{ url: "/" }])
  })
})
