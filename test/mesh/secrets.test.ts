import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as http from "node:http"
import * as os from "node:os"
import * as path from "node:path"
import { quorate } from "../cli/program.js"
import * as Cluster from "./Cluster.js"

/*
 * What is secret, and what people wrote, stands in no log, trace, metric, audit row or setting that is shown, at any level, whatever goes
 * wrong. Each has a text of its own here, that is looked for in all of them.
 */

const canary = (what: string) => `${what}${randomBytes(8).toString("hex")}`
const TEXTS = {
  title: canary("title"),
  content: canary("content"),
  tag: canary("tag"),
  field: canary("field"),
  question: canary("question"),
  message: canary("message"),
  broken: canary("broken")
}

/** A server that keeps what it is sent, and answers so. */
const stub = async (
  answer: (body: string, request: http.IncomingMessage) => readonly [status: number, body: string]
) => {
  const received: Array<string> = []
  const server = http.createServer((request, response) => {
    const parts: Array<Buffer> = []
    request.on("data", (part: Buffer) => parts.push(part))
    request.on("end", () => {
      const body = Buffer.concat(parts).toString("latin1")
      received.push(`${request.url} ${JSON.stringify(request.headers)} ${body}`)
      const [status, text] = answer(body, request)
      response.writeHead(status, { "content-type": "application/json" }).end(text)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  assert(address !== null && typeof address === "object")
  return { received, url: `http://127.0.0.1:${address.port}`, close: () => server.close() }
}

describe("secrets and texts", () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-secrets-"))
  const at = (name: string) => path.join(folder, name)
  const secrets: Record<string, string> = {
    embedder: canary("embedderkey"),
    approvals: canary("approvalssecret"),
    wrong: canary("wrongkey")
  }
  let cluster: Awaited<ReturnType<typeof Cluster.make>>
  let collector: Awaited<ReturnType<typeof stub>>
  let embedder: Awaited<ReturnType<typeof stub>>
  let flags: ReadonlyArray<string> = []
  const errors: Array<string> = []

  const run = async (...args: ReadonlyArray<string>) => {
    const { code, stderr, stdout } = await quorate(args)
    assert.strictEqual(code, 0, stderr)
    return stdout
  }
  const secretFile = (name: string, secret: string) => {
    fs.writeFileSync(at(name), secret, { mode: 0o600 })
    return at(name)
  }

  beforeAll(async () => {
    fs.chmodSync(folder, 0o700)
    collector = await stub(() => [200, "{}"])
    // It gives back all that it was sent, in an error.
    embedder = await stub((
      body,
      request
    ) => [500, JSON.stringify({ error: `${request.headers.authorization} ${body}` })])
    for (const [name, scopes] of [["all", "read,write,admin"], ["reader", "read"], ["nodes", "peer"]] as const) {
      secrets[name] = (await run("keys", "add", name, "--scopes", scopes, "--api-keys-file", at("keys.json"))).trim()
    }
    await run("identity", "generate", "--agent-id", "one", "--key-dir", at("identity"))
    const seed = fs.readFileSync(at("identity/one.priv"))
    Object.assign(secrets, {
      seedHex: seed.toString("hex"),
      seedBase64: seed.toString("base64").slice(0, 42),
      seedUrl: seed.toString("base64url").slice(0, 42)
    })
    flags = [
      ...["--api-keys-file", at("keys.json"), "--peer-api-key-file", secretFile("peer.key", secrets["nodes"] ?? "")],
      ...["--approvals-secret-file", secretFile("approvals", secrets["approvals"] ?? "")],
      ...[
        "--embedder",
        "openai",
        "--embedder-url",
        `${embedder.url}/v1`,
        "--embedder-model",
        "m",
        "--embedder-dimensions",
        "8"
      ],
      ...["--embedder-key-file", secretFile("embedder.key", secrets["embedder"] ?? "")],
      ...["--quorum-timeout-ms", "1500", "--catchup-interval-secs", "1"]
    ]
    cluster = await Cluster.make({
      size: 2,
      flags: [...flags, "--log-level", "all"],
      environment: {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
        OTEL_BSP_SCHEDULE_DELAY: "200",
        OTEL_METRIC_EXPORT_INTERVAL: "500"
      }
    })
    const [one, two] = cluster.members
    await one?.start({ flags: ["--node-id", "one", "--key-dir", at("identity")] })
    await two?.start({ flags: ["--node-id", "two"] })
  }, 60_000)
  afterAll(async () => {
    await cluster.close()
    collector.close()
    embedder.close()
    fs.rmSync(folder, { recursive: true })
  })

  /** A request with whatever goes wrong; answers its status. */
  const send = async (
    method: string,
    route: string,
    { body, key = secrets["all"] ?? "", headers = {}, node = 0 }: {
      readonly body?: unknown
      readonly key?: string
      readonly headers?: Record<string, string>
      readonly node?: number
    } = {}
  ): Promise<number> => {
    const response = await fetch(`${cluster.members[node]?.url}${route}`, {
      method,
      headers: { "x-api-key": key, "x-agent-id": "alice", "content-type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) })
    })
    const text = await response.text()
    if (response.status >= 400) errors.push(`${method} ${route.split("?")[0]}: ${text}`)
    return response.status
  }

  it("stand nowhere but in answers", async () => {
    const memory = {
      title: TEXTS.title,
      content: TEXTS.content,
      tags: [TEXTS.tag],
      metadata: { more: TEXTS.field },
      namespace: "team"
    }
    await Cluster.until(
      "a write has its quorum",
      async () => (await send("POST", "/api/v1/memories", { body: { ...memory, on_conflict: "merge" } })) === 201
    )
    const rpc = (name: string, given: object) => ({
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { name, arguments: given }
    })
    const mcp = { accept: "application/json, text/event-stream" }
    const expected: ReadonlyArray<readonly [status: ReadonlyArray<number>, ask: () => Promise<number>]> = [
      [[200], () => send("POST", "/api/v1/recall", { body: { context: TEXTS.question } })],
      [[200], () => send("GET", `/api/v1/search?q=${TEXTS.question}`)],
      [[200], () => send("GET", `/api/v1/recall?context=${TEXTS.question}`)],
      [
        [201],
        () =>
          send("POST", "/api/v1/notify", {
            body: { target_agent_id: "bob", title: TEXTS.message, payload: TEXTS.message }
          })
      ],
      [[409], () => send("POST", "/api/v1/memories", { body: memory })],
      [[400, 422], () => send("POST", "/api/v1/memories", { body: { ...memory, title: "t", tier: TEXTS.broken } })],
      [[400, 422], () => send("POST", "/api/v1/memories", { body: { ...memory, title: [TEXTS.broken] } })],
      [[400], () => send("POST", "/api/v1/memories", { body: `{"content":"${TEXTS.broken}` })],
      [
        [400],
        () =>
          send("POST", "/api/v1/memories", {
            body: { ...memory, title: "t", created_at: "x", signature: secrets["wrong"] }
          })
      ],
      [[413], () => send("POST", "/api/v1/memories", { body: { title: "t", content: TEXTS.content.repeat(100_000) } })],
      [[200, 207, 400], () => send("POST", "/api/v1/memories/bulk", { body: [memory, { title: TEXTS.broken }] })],
      [[200, 400], () => send("POST", "/api/v1/import", { body: { memories: [{ ...memory, tier: TEXTS.broken }] } })],
      [[401], () => send("POST", "/api/v1/memories", { body: memory, key: secrets["wrong"] ?? "" })],
      [[401], () => send("GET", `/api/v1/memories?api_key=${secrets["wrong"]}`, { key: "" })],
      [[200], () => send("GET", `/api/v1/memories?api_key=${secrets["all"]}`, { key: "" })],
      [
        [401],
        () => send("GET", "/api/v1/memories", { key: "", headers: { authorization: `Bearer ${secrets["wrong"]}` } })
      ],
      [[403], () => send("POST", "/api/v1/memories", { body: memory, key: secrets["reader"] ?? "" })],
      [[403], () => send("POST", "/api/v1/sync/push", { body: { sender_agent_id: "x", memories: [memory] } })],
      [[200, 400, 401, 422], () =>
        send("POST", "/api/v1/sync/push", {
          body: { sender_agent_id: "x", memories: [{ ...memory, id: TEXTS.broken }] },
          key: secrets["nodes"] ?? ""
        })],
      [[401], () =>
        send("POST", "/api/v1/sync/push", {
          body: { sender_agent_id: "one", memories: [memory] },
          key: secrets["nodes"] ?? "",
          headers: { "x-peer-id": "one", "x-memory-sig": `ed25519=${secrets["wrong"]}` }
        })],
      [[401], () =>
        send("POST", "/api/v1/approvals/x", {
          body: { decision: "approve" },
          headers: {
            "x-ai-memory-timestamp": "1",
            "x-ai-memory-signature": `sha256=${secrets["wrong"]}`
          }
        })],
      [
        [200],
        () =>
          send("POST", "/mcp", { body: rpc("memory_store", { ...memory, title: `${TEXTS.title} 2` }), headers: mcp })
      ],
      [[200], () => send("POST", "/mcp", { body: rpc("memory_store", { title: [TEXTS.broken] }), headers: mcp })],
      [[200, 404], () => send("POST", "/mcp", { body: rpc(TEXTS.broken, { title: TEXTS.broken }), headers: mcp })],
      [[404], () => send("GET", "/api/v1/memories/nothing")]
    ]
    for (const [index, [statuses, ask]] of expected.entries()) {
      assert.include(statuses, await ask(), `request ${index}: ${errors.at(-1)}`)
    }
    await cluster.members[1]?.stop()
    assert.strictEqual(await send("POST", "/api/v1/memories", { body: { ...memory, title: `${TEXTS.title} 3` } }), 503)
    await Cluster.until("the embedder was asked", async () => embedder.received.length > 2)
    const metrics =
      await (await fetch(`${cluster.members[0]?.url}/metrics`, { headers: { "x-api-key": secrets["all"] ?? "" } }))
        .text()
    await Cluster.until(
      "the collector has spans",
      async () => collector.received.some((each) => each.startsWith("/v1/traces"))
    )
    await cluster.members[0]?.stop("SIGTERM")

    const [one, two] = cluster.members
    assert.isDefined(one)
    assert.isDefined(two)
    const told: Record<string, string> = {
      "the log of one": fs.readFileSync(one.log, "utf8"),
      "the log of two": fs.readFileSync(two.log, "utf8"),
      "the collector": collector.received.join("\n"),
      "/metrics": metrics,
      "the audit log": await run("audit", "export", "--db", one.db),
      "config show": await run("config", "show", ...flags)
    }
    assert.isAbove(told["the log of one"]?.length ?? 0, 5_000)
    assert.include(told["the audit log"], "access.key_refused")
    for (const [where, text] of Object.entries(told)) {
      for (const [what, secret] of Object.entries({ ...secrets, ...TEXTS })) {
        const place = text.indexOf(secret)
        assert.isBelow(place, 0, `${what} in ${where}: …${text.slice(Math.max(0, place - 200), place + 80)}`)
      }
    }
    for (const error of errors) {
      for (const [what, secret] of Object.entries({ ...secrets, content: TEXTS.content, question: TEXTS.question })) {
        assert.notInclude(error, secret, what)
      }
    }
  }, 120_000)
})
