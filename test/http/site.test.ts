import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as NodeConfig from "../../src/config/NodeConfig.js"
import * as Site from "../../src/http/server/Site.js"
import * as Node from "./node.js"

const MEMORIES = "/api/v1/memories"
const FORGET = "/api/v1/forget?namespace=global"
const memory = JSON.stringify({ title: "kept", content: "c" })

describe("a page of another site", () => {
  let node: Node.Node
  beforeAll(async () => {
    node = await Node.start()
    assert.strictEqual((await ask("POST", MEMORIES, {}, memory)).status, 201)
  })
  afterAll(() => node.stop())

  const ask = (method: string, path: string, headers: Record<string, string>, body?: string) =>
    Node.exchange(node.port, Node.request({ method, path, headers, ...(body === undefined ? {} : { body }) }))

  it.each([
    ["another origin", { origin: "https://evil.example" }],
    ["another port of this machine", { origin: "http://127.0.0.1:3000" }],
    ["an origin that hides", { origin: "null" }],
    ["a cross-site request without an origin", { "sec-fetch-site": "cross-site" }]
  ])("changes nothing here: %s", async (_, headers: Record<string, string>) => {
    const before = await node.contents()
    for (
      const [method, path, body] of [
        ["POST", FORGET],
        ["POST", MEMORIES, memory],
        ["DELETE", `${MEMORIES}/x`],
        ["PUT", `${MEMORIES}/x`, "{}"],
        ["POST", "/api/v1/sync/push", "{}"]
      ] as const
    ) {
      const { json, status } = await ask(method, path, headers, body)
      assert.strictEqual(status, 403, `${method} ${path}`)
      assert.match(JSON.stringify(json), /--allowed-origins/)
    }
    assert.deepStrictEqual(await node.contents(), before)
  })

  it("can not read what it is answered", async () => {
    const { headers, status } = await ask("GET", MEMORIES, { origin: "https://evil.example" })
    assert.strictEqual(status, 200)
    assert.notProperty(headers, "access-control-allow-origin")
    const preflight = await ask("OPTIONS", FORGET, {
      origin: "https://evil.example",
      "access-control-request-method": "POST"
    })
    assert.notProperty(preflight.headers, "access-control-allow-origin")
  })

  it("is told from the page of this node itself, and from programs", async () => {
    const host = `127.0.0.1:${node.port}`
    const own = { host, origin: `http://${host}`, "sec-fetch-site": "same-origin" }
    for (const headers of [own, { "sec-fetch-site": "none" }, {}]) {
      assert.strictEqual((await ask("DELETE", `${MEMORIES}/unknown-id`, headers)).status, 404)
    }
  })

  it("under a name that it gave this machine gets nothing at all", async () => {
    for (const host of ["evil.example", `evil.example:${node.port}`, "10.0.0.1", "127.0.0.1.evil.example"]) {
      for (const [method, path] of [["GET", MEMORIES], ["POST", FORGET], ["GET", "/health/live"]] as const) {
        const { json, status } = await ask(method, path, { host, origin: `http://${host}` })
        assert.strictEqual(status, 421, `${host}: ${method} ${path}`)
        assert.match(JSON.stringify(json), /--allowed-hosts/)
      }
    }
    for (const host of ["localhost", "LOCALHOST:1", "127.0.0.1", "127.1.2.3:80", "[::1]", "[::1]:9077", "localhost."]) {
      assert.strictEqual((await ask("GET", MEMORIES, { host })).status, 200, host)
    }
  })
})

describe("pages and names that are allowed", () => {
  it("write, and read with what a browser needs to be told", async () => {
    const node = await Node.start({
      allowedOrigins: ["https://app.example"],
      allowedHosts: ["memory.example"],
      apiKey: Option.some(Redacted.make("key"))
    })
    try {
      const ask = (method: string, path: string, headers: Record<string, string>, body?: string) =>
        Node.exchange(
          node.port,
          Node.request({
            method,
            path,
            headers: { host: "memory.example", origin: "https://app.example", ...headers },
            ...(body === undefined ? {} : { body })
          })
        )
      const preflight = await ask("OPTIONS", MEMORIES, { "access-control-request-method": "POST" })
      assert.strictEqual(preflight.status, 204)
      assert.deepInclude(preflight.headers, {
        "access-control-allow-origin": "https://app.example",
        vary: "Origin",
        "access-control-max-age": "600"
      })
      assert.include(preflight.headers["access-control-allow-methods"] ?? "", "DELETE")
      assert.include((preflight.headers["access-control-allow-headers"] ?? "").toLowerCase(), "x-api-key")
      assert.strictEqual((await ask("POST", MEMORIES, {}, memory)).status, 401)
      for (const sec of ["cross-site", "same-site"]) {
        const written = await ask(
          "POST",
          MEMORIES,
          { "x-api-key": "key", "sec-fetch-site": sec },
          JSON.stringify({ title: sec, content: "c" })
        )
        assert.strictEqual(written.status, 201)
        assert.strictEqual(written.headers["access-control-allow-origin"], "https://app.example")
        assert.match(written.headers["access-control-expose-headers"] ?? "", /ETag.*X-Op-Id/)
      }
      assert.strictEqual((await ask("GET", "/api/v1/stats", { "x-api-key": "key", host: "localhost" })).status, 200)
      assert.strictEqual((await ask("GET", "/api/v1/stats", { "x-api-key": "key", host: "other.example" })).status, 421)
      const foreign = await ask("POST", FORGET, { "x-api-key": "key", origin: "https://app.example.evil" })
      assert.strictEqual(foreign.status, 403)
    } finally {
      await node.stop()
    }
  })

  it("are any where that is said, and names are any where others reach the node", () => {
    const refusal = (settings: Partial<NodeConfig.Settings>, headers: Record<string, string>) =>
      Site.make({ ...NodeConfig.defaults, ...settings }).refusal({ method: "POST", headers })?.status
    assert.strictEqual(refusal({ host: "0.0.0.0" }, { host: "memory.example" }), undefined)
    assert.strictEqual(refusal({ host: "0.0.0.0", allowedHosts: ["a"] }, { host: "memory.example" }), 421)
    assert.strictEqual(refusal({ allowedHosts: ["*"] }, { host: "memory.example" }), undefined)
    const foreign = { host: "localhost", origin: "https://b.example" }
    assert.strictEqual(refusal({}, foreign), 403)
    assert.strictEqual(refusal({ allowedOrigins: ["*"] }, foreign), undefined)
    assert.strictEqual(refusal({ allowedOrigins: ["https://a.example"] }, foreign), 403)
  })
})
