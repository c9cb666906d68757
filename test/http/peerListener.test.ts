import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import { X509Certificate } from "node:crypto"
import * as fs from "node:fs"
import * as https from "node:https"
import * as path from "node:path"
import * as tls from "node:tls"
import * as NodeConfig from "../../src/config/NodeConfig.js"
import { HttpListener } from "../../src/http/server/Server.js"
import * as MemoryNode from "../../src/MemoryNode.js"
import * as Certificates from "../certificates.js"

const HEALTH = ["/api/v1/health", "/health/live", "/health/ready"]
const OF_PEERS = ["/api/v1/sync/hello", "/api/v1/sync/digests"]
const OF_CLIENTS = ["/api/v1/memories", "/api/v1/stats", "/metrics", "/openapi.json", "/docs", "/nowhere"]

describe("a listener for nodes", () => {
  let certificates: Awaited<ReturnType<typeof Certificates.make<"clients" | "peers" | "next">>>
  beforeAll(async () => {
    certificates = await Certificates.make(["clients", "peers", "next"])
  })
  afterAll(() => certificates.remove())

  const serving = async (
    settings: Partial<NodeConfig.Settings>,
    run: (listener: HttpListener["Type"], log: () => string) => Promise<void>
  ) => {
    const lines: Array<string> = []
    const logger = Logger.make(({ message }) => void lines.push(String(message)))
    const runtime = ManagedRuntime.make(
      MemoryNode.layerDaemon.pipe(
        Layer.provide(NodeConfig.layerWith({ port: 0, db: ":memory:", ...settings })),
        Layer.provide(Logger.replace(Logger.defaultLogger, logger))
      )
    )
    try {
      await run(await runtime.runPromise(HttpListener), () => lines.join("\n"))
    } finally {
      await runtime.dispose()
    }
  }
  const peerListen = Option.some({ host: "127.0.0.1", port: 0 })
  const urlOfPeers = (listener: HttpListener["Type"]) => Option.getOrThrow(listener.peerUrl)
  const statusesOf = async (url: string, paths: ReadonlyArray<string>) => {
    const found = await Promise.all(paths.map((each) => fetch(`${url}${each}`)))
    return found.map(({ status }) => status)
  }

  it("has what nodes ask, and nothing of what clients do; and the other way round", () =>
    serving({ peerListen }, async (listener) => {
      const peers = urlOfPeers(listener)
      assert.notStrictEqual(peers, listener.url)
      assert.deepStrictEqual(await statusesOf(peers, HEALTH), [200, 200, 200])
      assert.deepStrictEqual(await statusesOf(listener.url, HEALTH), [200, 200, 200])
      assert.deepStrictEqual(await statusesOf(peers, OF_PEERS), [200, 200])
      assert.deepStrictEqual(await statusesOf(listener.url, OF_PEERS), [404, 404])
      assert.deepStrictEqual(await statusesOf(peers, OF_CLIENTS), OF_CLIENTS.map(() => 404))
      const body = JSON.stringify({ sender_agent_id: "a", memories: [], dry_run: false })
      const headers = { "content-type": "application/json" }
      const push = (url: string) => fetch(`${url}/api/v1/sync/push`, { method: "POST", headers, body })
      assert.strictEqual((await push(listener.url)).status, 404)
      assert.strictEqual((await push(peers)).status, 200)
      const create = (url: string) =>
        fetch(`${url}/api/v1/memories`, { method: "POST", headers, body: JSON.stringify({ title: "t", content: "c" }) })
      assert.strictEqual((await create(peers)).status, 404)
      assert.strictEqual((await create(listener.url)).status, 201)
    }))

  it("is the listener of clients where none is given", () =>
    serving({}, async (listener) => {
      assert.isTrue(Option.isNone(listener.peerUrl))
      assert.deepStrictEqual(await statusesOf(listener.url, OF_PEERS), [200, 200])
    }))

  /** The certificate that is shown there. */
  const shown = (url: string) =>
    new Promise<string>((resolve, reject) => {
      const { hostname, port } = new URL(url)
      const socket = tls.connect({ host: hostname, port: Number(port), rejectUnauthorized: false }, () => {
        resolve(new X509Certificate(socket.getPeerCertificate().raw).fingerprint256)
        socket.destroy()
      })
      socket.on("error", reject)
    })

  const until = async (what: string, holds: () => Promise<boolean> | boolean) => {
    const end = Date.now() + 10_000
    while (!(await holds())) {
      if (Date.now() > end) assert.fail(`${what} did not come true`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  it("has a certificate of its own, which is read again when it is another one", async () => {
    const [cert, key] = [path.join(certificates.folder, "used.cert"), path.join(certificates.folder, "used.key")]
    const use = (name: "peers" | "next") => {
      fs.copyFileSync(certificates.of(name).key, key)
      fs.copyFileSync(certificates.of(name).cert, cert)
    }
    use("peers")
    const settings = {
      peerListen,
      tlsCert: Option.some(certificates.of("clients").cert),
      tlsKey: Option.some(certificates.of("clients").key),
      peerTlsCert: Option.some(cert),
      peerTlsKey: Option.some(key)
    }
    await serving(settings, async (listener, log) => {
      const peers = urlOfPeers(listener)
      assert.match(peers, /^https:/)
      assert.strictEqual(await shown(listener.url), certificates.of("clients").fingerprint)
      assert.strictEqual(await shown(peers), certificates.of("peers").fingerprint)
      use("next")
      await until("the other one is shown", async () => await shown(peers) === certificates.of("next").fingerprint)
      assert.strictEqual(await shown(listener.url), certificates.of("clients").fingerprint)
      fs.writeFileSync(cert, "no certificate")
      await until("what is wrong is told", () => log().includes("what was read before holds"))
      assert.strictEqual(await shown(peers), certificates.of("next").fingerprint)
    })
  })

  const metricsOf = (url: string) =>
    new Promise<string>((resolve, reject) => {
      https.get(`${url}/metrics`, { rejectUnauthorized: false, agent: false }, (response) => {
        response.setEncoding("utf8").on("data", (text: string) => {
          all += text
        }).on("end", () => resolve(all))
        let all = ""
      }).on("error", reject)
    })

  it("says how long a certificate is good, and in time that it is not", async () => {
    const soon = await Certificates.make(["soon"], { days: 6 })
    try {
      const { cert, key } = soon.of("soon")
      await serving(
        { tlsCert: Option.some(cert), tlsKey: Option.some(key), openMetrics: true },
        async ({ url }, log) => {
          assert.match(await metricsOf(url), /^tls_certificate_expiry_seconds\{listener="clients"\} 51[0-9]{4}/m)
          await until("it is told", () => /ends in (5\.9|6\.0) day\(s\)/.test(log()))
          assert.lengthOf(log().match(/ends in/g) ?? [], 1)
        }
      )
    } finally {
      soon.remove()
    }
  })

  it("is refused where it makes no sense", () => {
    const problem = (values: Record<string, string>) =>
      Effect.runSync(
        Effect.flip(
          NodeConfig.read.pipe(Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(values)))))
        )
      )
    assert.match(String(problem({ "peer-mtls-allowlist": "a" })), /without peer-listen/)
    assert.match(String(problem({ "peer-listen": "127.0.0.1:1", "peer-tls-cert": "a" })), /both are needed/)
    assert.match(
      String(problem({ "peer-listen": "127.0.0.1:1", "peer-mtls-allowlist": "a" })),
      /client certificates need TLS/
    )
    assert.match(String(problem({ "peer-listen": "127.0.0.1:9077" })), /is where clients come/)
    assert.match(
      String(problem({ "peer-listen": "10.0.0.1:9078" })),
      /peer-listen 10\.0\.0\.1 can be reached from outside/
    )
  })
})
