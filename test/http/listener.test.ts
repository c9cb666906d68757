import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import * as http from "node:http"
import * as https from "node:https"
import * as net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type * as NodeConfig from "../../src/config/NodeConfig.js"
import { parseAllowlist } from "../../src/http/server/tls.js"
import * as Certificates from "../certificates.js"
import * as Node from "./node.js"

const MEMORIES = "/api/v1/memories"

const withNode = async (settings: Partial<NodeConfig.Settings>, body: (node: Node.Node) => Promise<void>) => {
  const node = await Node.start(settings)
  try {
    await body(node)
  } finally {
    await node.stop()
  }
}

const create = (title: string) =>
  Node.request({ method: "POST", path: MEMORIES, body: JSON.stringify({ title, content: "c" }) })

/** A connection that stays open, and what has arrived on it. */
const connect = async (port: number) => {
  const socket = net.connect({ port, host: "127.0.0.1" })
  let text = ""
  let closed = false
  socket.on("data", (chunk) => {
    text += chunk.toString()
  })
  socket.on("close", () => {
    closed = true
  })
  await new Promise((resolve, reject) => socket.once("connect", resolve).on("error", reject))
  return { socket, text: () => text, isClosed: () => closed }
}

const until = async (what: string, holds: () => boolean | Promise<boolean>) => {
  for (let i = 0; i < 400; i++) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  assert.fail(`not in time: ${what}`)
}

describe("bodies", () => {
  it("that are announced too large are refused before a byte of them is there", () =>
    withNode({}, async ({ port }) => {
      const { isClosed, socket, text } = await connect(port)
      socket.write(
        `POST ${MEMORIES} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 3000000\r\n\r\n`
      )
      await until("the answer", () => text().includes("\r\n\r\n{"))
      assert.match(text(), /^HTTP\/1\.1 413 /)
      await until("the connection is cut, since the body does not come", isClosed)
    }))

  it("that are refused reach a client that sends them all the same", () =>
    withNode({}, async ({ url }) => {
      const response = await fetch(`${url}${MEMORIES}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: Buffer.alloc(6 * 1024 * 1024, 0x20)
      })
      assert.strictEqual(response.status, 413)
    }))

  it("get their go-ahead when they are small enough", () =>
    withNode({}, async ({ port }) => {
      const { socket, text } = await connect(port)
      const body = JSON.stringify({ title: "asked first", content: "c" })
      socket.write(
        `POST ${MEMORIES} HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-type: application/json\r\n` +
          `content-length: ${body.length}\r\n\r\n`
      )
      await until("the go-ahead", () => text().startsWith("HTTP/1.1 100 "))
      socket.write(body)
      await until("the answer", () => text().includes("HTTP/1.1 201 "))
      socket.destroy()
    }))
})

describe("connections", () => {
  it("are kept for many requests, also refused ones", () =>
    withNode({}, async ({ port }) => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
      const status = (options: http.RequestOptions, body?: string) =>
        new Promise<number | undefined>((resolve, reject) => {
          const request = http.request({ port, host: "127.0.0.1", agent, ...options }, (response) => {
            response.resume()
            response.on("end", () => resolve(response.statusCode))
          })
          request.on("error", reject)
          request.end(body)
        })
      const headers = { "content-type": "application/json" }
      assert.strictEqual(await status({ path: "/nope" }), 404)
      assert.strictEqual(await status({ path: MEMORIES, method: "POST", headers }, "{"), 400)
      assert.strictEqual(await status({ path: MEMORIES, method: "POST", headers: {} }, "x".repeat(100_000)), 415)
      assert.strictEqual(await status({ path: "/api/v1/stats", method: "POST", headers }, "x".repeat(100_000)), 405)
      assert.strictEqual(
        await status({ path: MEMORIES, method: "POST", headers }, "{\"title\":\"a\",\"content\":\"b\"}"),
        201
      )
      assert.strictEqual(Object.values(agent.freeSockets).flat().length, 1)
      agent.destroy()
    }))

  it("that end before their answer leave the write to be made", () =>
    withNode({}, async ({ port, url }) => {
      for (const path of [MEMORIES, "/api/v1/%6demories"]) {
        const { socket } = await connect(port)
        const title = `left behind at ${path}`
        const body = JSON.stringify({ title, content: "c" })
        socket.end(Node.request({ method: "POST", path, body }), () => socket.destroy())
        await until("the memory is there", async () => {
          const found = await fetch(`${url}${MEMORIES}`)
          return (await found.text()).includes(title)
        })
      }
    }))
})

describe("shutdown", () => {
  it("answers what is open, closes what is idle, and accepts nothing new", async () => {
    const node = await Node.start({ shutdownGrace: Duration.seconds(20) })
    const idle = await connect(node.port)
    idle.socket.write(Node.request({ path: "/health/live" }))
    await until("the idle connection is kept", () => idle.text().includes("{\"status\":\"ok\"}"))

    const bytes = create("drained")
    const writing = await connect(node.port)
    writing.socket.write(bytes.subarray(0, bytes.length - 10))
    const asking = await connect(node.port)
    asking.socket.write("GET /health/ready HTTP/1.1\r\nhost: localhost\r\n")
    // Both requests have begun when a later one has been answered.
    await fetch(`${node.url}/health/live`, { headers: { connection: "close" } })

    let stopped = false
    const stopping = node.stop().then(() => {
      stopped = true
    })
    await until("the idle connection is closed", idle.isClosed)
    assert.strictEqual(await connect(node.port).then(() => "accepted", () => "refused"), "refused")
    asking.socket.write("\r\n")
    await until("the open question is answered", () => asking.text().includes("}}}"))
    assert.match(asking.text(), /^HTTP\/1\.1 503 [^]*connection: close[^]*draining/i)
    assert.isFalse(stopped, "an open write is waited for")
    writing.socket.write(bytes.subarray(bytes.length - 10))
    await stopping
    await until("the write's connection is closed", writing.isClosed)
    assert.match(writing.text(), /^HTTP\/1\.1 201 [^]*connection: close/i)
  })

  it("waits neither for connections that ask nothing nor for who waits for changes", async () => {
    const node = await Node.start({ shutdownGrace: Duration.seconds(60) })
    const [silent, half, waiting] = [await connect(node.port), await connect(node.port), await connect(node.port)]
    half.socket.write("GET /health/live HTTP/1.1\r\n")
    waiting.socket.write(Node.request({ path: "/api/v1/changes?since=start&wait=30" }))
    await fetch(`${node.url}/health/live`, { headers: { connection: "close" } })
    const begin = performance.now()
    await node.stop()
    assert.isBelow(performance.now() - begin, 20_000)
    for (const { isClosed } of [silent, half, waiting]) await until("the connection is closed", isClosed)
    assert.match(waiting.text(), /^HTTP\/1\.1 200 [^]*"events":\[\]/)
  })

  it("waits no longer than the grace", async () => {
    const node = await Node.start({ shutdownGrace: Duration.millis(300) })
    const { isClosed, socket } = await connect(node.port)
    socket.write(create("never whole").subarray(0, -5))
    await fetch(`${node.url}/health/live`, { headers: { connection: "close" } })
    const begin = performance.now()
    await node.stop()
    assert.isBelow(performance.now() - begin, 3_000)
    await until("the connection is cut", isClosed)
  })
})

describe("the API key", () => {
  const key = "k3y-of-the-test"
  const settings = { apiKey: Option.some(Redacted.make(key)) }
  const statusOf = async (url: string, headers: Record<string, string> = {}) => (await fetch(url, { headers })).status

  it("opens every route but the three that need none", () =>
    withNode(settings, async ({ port, url }) => {
      for (const path of ["/api/v1/health", "/health/live", "/health/ready"]) {
        assert.strictEqual(await statusOf(`${url}${path}`), 200, path)
      }
      const closed = [
        MEMORIES,
        "/api/v1/stats",
        "/metrics",
        "/docs",
        "/openapi.json",
        "/api/v1/sync/hello",
        "/nope",
        "/health/live/"
      ]
      for (const path of closed) {
        const refused = await fetch(`${url}${path}`)
        assert.strictEqual(refused.status, 401, path)
        assert.deepStrictEqual(await refused.json(), { error: "missing or invalid API key" })
        assert.notStrictEqual(await statusOf(`${url}${path}`, { "x-api-key": key }), 401, path)
      }
      const post = (headers: Record<string, string>, query = "") =>
        Node.exchange(port, Node.request({ method: "POST", path: `${MEMORIES}${query}`, headers, body: "{}" }))
      assert.strictEqual((await post({})).status, 401)
      assert.strictEqual((await post({ "x-api-key": `${key}x` })).status, 401)
      assert.strictEqual((await post({ "x-api-key": "" })).status, 401)
      assert.strictEqual((await post({ "x-api-key": key })).status, 422)
      assert.strictEqual((await post({}, `?api_key=${key}`)).status, 422)
      assert.strictEqual((await post({}, `?api_key=${encodeURIComponent(key).replace("k", "%6B")}`)).status, 422)
      assert.strictEqual((await post({}, "?api_key=nope")).status, 401)
      assert.strictEqual(await statusOf(`${url}/api/v1/stats?api_key=${key}`), 200)
    }))

  it("is asked for before a body is, and who has none does not send for ever", () =>
    withNode(settings, async ({ port }) => {
      const { socket, text } = await connect(port)
      let closed = false
      socket.on("close", () => {
        closed = true
      }).on("error", () => {})
      socket.write(
        `POST ${MEMORIES} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n` +
          "transfer-encoding: chunked\r\n\r\n"
      )
      const chunk = `10000\r\n${"x".repeat(0x10000)}\r\n`
      const sending = setInterval(() => closed || socket.write(chunk), 20)
      await until("the answer", () => text().includes("}"))
      assert.match(text(), /^HTTP\/1\.1 401 /)
      await until("it is cut", () => closed)
      clearInterval(sending)
    }))

  it("is asked for before a body is", () =>
    withNode(settings, async ({ port }) => {
      const { socket, text } = await connect(port)
      socket.write(
        `POST ${MEMORIES} HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-type: application/json\r\n` +
          "content-length: 100\r\n\r\n"
      )
      await until("the answer", () => text().includes("}"))
      assert.match(text(), /^HTTP\/1\.1 401 /)
      socket.destroy()
      const { text: unknown, socket: other } = await connect(port)
      other.write(`POST ${MEMORIES} HTTP/1.1\r\nhost: localhost\r\nexpect: wonders\r\n\r\n`)
      await until("the answer", () => unknown().includes("}"))
      assert.match(unknown(), /^HTTP\/1\.1 401 /)
      other.destroy()
    }))
})

describe("TLS", () => {
  type Identity = "server" | "client" | "stranger"
  let certificates: Awaited<ReturnType<typeof Certificates.make<Identity>>>
  beforeAll(async () => {
    certificates = await Certificates.make<Identity>(["server", "client", "stranger"])
  })
  afterAll(() => certificates.remove())

  const server = () => {
    const { cert, key } = certificates.of("server")
    return { tlsCert: Option.some(cert), tlsKey: Option.some(key) }
  }

  const fingerprint = () => certificates.of("client").fingerprint

  const status = (port: number, identity?: Identity) =>
    new Promise<number | undefined>((resolve, reject) => {
      const request = https.get({
        port,
        host: "127.0.0.1",
        path: "/health/live",
        agent: false,
        ca: readFileSync(certificates.of("server").cert),
        ...(identity === undefined ? {} : {
          cert: readFileSync(certificates.of(identity).cert),
          key: readFileSync(certificates.of(identity).key)
        })
      }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
      request.on("error", reject)
    })

  const withAllowlist = async (text: string, body: (path: string) => Promise<void>) => {
    const folder = mkdtempSync(join(tmpdir(), "quorate-tls-"))
    try {
      writeFileSync(join(folder, "allowed"), text)
      await body(join(folder, "allowed"))
    } finally {
      rmSync(folder, { recursive: true })
    }
  }

  it("is spoken where a certificate is given, and nothing else", () =>
    withNode(server(), async ({ port, url }) => {
      assert.match(url, /^https:/)
      assert.strictEqual(await status(port), 200)
      const plain = await Node.exchange(port, Node.request({ path: "/health/live" })).catch(() => undefined)
      assert.notStrictEqual(plain?.status, 200)
    }))

  it("lets in only the certificates of the list", () =>
    withAllowlist(
      `# peers\nsha256:${fingerprint().toLowerCase()} # one of ours\n`,
      (path) =>
        withNode({ ...server(), mtlsAllowlist: Option.some(path) }, async ({ port }) => {
          assert.strictEqual(await status(port, "client"), 200)
          for (const identity of ["stranger", undefined] as const) {
            const refused = await status(port, identity).then(() => "answered", () => "cut")
            assert.strictEqual(refused, "cut", identity)
          }
        })
    ))

  it("does not start with a list that is empty or malformed, or without its files", async () => {
    const failure = (settings: Partial<NodeConfig.Settings>) =>
      Node.start(settings).then(() => "started", (error: unknown) => String(error))
    await withAllowlist("# nobody\n", async (path) => {
      assert.match(await failure({ ...server(), mtlsAllowlist: Option.some(path) }), /no fingerprint/)
    })
    await withAllowlist(`${fingerprint()}\nnonsense\n`, async (path) => {
      assert.match(await failure({ ...server(), mtlsAllowlist: Option.some(path) }), /line 2/)
    })
    assert.match(await failure({ ...server(), tlsKey: Option.some("/nowhere/key.pem") }), /\/nowhere\/key\.pem/)
    assert.match(
      await failure({ ...server(), tlsKey: Option.some(certificates.of("client").key) }),
      /server\.cert\.pem: not a certificate with its key/
    )
  })

  it("reads fingerprints in every form that the original writes", () => {
    const known = certificates.of("client").fingerprint
    const hex = known.replaceAll(":", "")
    for (const line of [known, hex, hex.toLowerCase(), `SHA256:${hex}`, `  sha256:${known}  # comment`]) {
      assert.deepStrictEqual(parseAllowlist(`\r\n${line}\r\n`), new Set([hex.toLowerCase()]), line)
    }
    for (const text of ["", "\n#x\n"]) assert.match(String(parseAllowlist(text)), /no fingerprint/)
    for (const line of [hex.slice(1), `${hex}0`, `md5:${hex}`, "zz".repeat(32)]) {
      assert.match(String(parseAllowlist(`#1\n${line}`)), /line 2/, line)
    }
  })
})

describe("starting", () => {
  it("fails with the address when it is taken", () =>
    withNode({}, async ({ port }) => {
      const failure = await Node.start({ port }).then(() => "started", (error: unknown) => String(error))
      assert.match(failure, new RegExp(`127\\.0\\.0\\.1:${port}`))
    }))
})
