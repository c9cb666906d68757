import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as dns from "node:dns"
import { createServer, type Server } from "node:http"
import { notPublic } from "../../src/access/addresses.js"
import type { Decision } from "../../src/access/rules.js"
import { whyNotAddress, whyNotUrl } from "../../src/access/webhooks.js"
import * as NodeConfig from "../../src/config/NodeConfig.js"
import type { AuditEvent } from "../../src/domain/AuditEvent.js"
import * as Webhooks from "../../src/operations/subscriptions/Webhooks.js"
import { OutboundRules } from "../../src/store/OutboundRules.js"
import { AuditLog } from "../../src/telemetry/AuditLog.js"
import { freePorts } from "../mesh/Cluster.js"

/** All names lead to this address. */
const resolving = (address: string | undefined): typeof dns.lookup => {
  if (address === undefined) return dns.lookup
  const resolve = (_: string, __: object, done: (error: Error | null, found: unknown) => void) =>
    done(null, [{ address, family: address.includes(":") ? 6 : 4 }])
  return Object.assign(resolve, dns.lookup)
}

describe("where a webhook goes", () => {
  let server: Server
  let port = 0
  const asked: Array<string> = []
  beforeAll(async () => {
    server = createServer((request, response) => {
      asked.push(request.url ?? "")
      if (request.url === "/hangs") return
      if (request.url === "/endless") {
        response.writeHead(200)
        const piece = Buffer.alloc(65_536)
        const more = () => {
          while (!response.destroyed && response.write(piece)) { /* As much as there is room for. */ }
        }
        response.on("drain", more)
        return more()
      }
      const status = request.url === "/moved" ? 302 : request.url === "/no" ? 503 : 204
      response.writeHead(status, status === 302 ? { location: "/taken" } : {}).end()
    })
    const [free = 0] = await freePorts(1)
    port = free
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve))
  })
  afterAll(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })

  const post = (url: string, options: {
    readonly loopback: boolean
    readonly judge?: (host: string) => Decision
    /** Where its name leads. */
    readonly address?: string
  }) => {
    const events: Array<AuditEvent> = []
    const layer = Webhooks.layerWith(resolving(options.address)).pipe(
      Layer.provide(NodeConfig.layerWith({ allowLoopbackWebhooks: options.loopback })),
      Layer.provide(Layer.succeed(OutboundRules, { judge: options.judge ?? (() => ({ decision: "allow" })) })),
      Layer.provide(Layer.mock(AuditLog, { note: (event) => events.push(event) }))
    )
    return Effect.runPromise(
      Effect.flatMap(Webhooks.Webhooks, ({ post }) => post(url, { headers: {}, body: "{}" })).pipe(
        Effect.either,
        Effect.provide(layer)
      )
    ).then((outcome) => ({ events, why: Either.isLeft(outcome) ? outcome.left.reason : null }))
  }
  const here = (path: string) => `http://127.0.0.1:${port}${path}`

  it("takes 2xx for an answer, and follows nothing", async () => {
    assert.strictEqual((await post(here("/taken"), { loopback: true })).why, null)
    asked.length = 0
    assert.strictEqual((await post(here("/moved"), { loopback: true })).why, "the receiver answered 302")
    assert.deepStrictEqual(asked, ["/moved"])
    assert.strictEqual((await post(here("/no"), { loopback: true })).why, "the receiver answered 503")
  })

  it("waits 5 s, and does not read an answer to its end", async () => {
    const begin = performance.now()
    const [hung, endless] = await Promise.all([
      post(here("/hangs"), { loopback: true }),
      post(here("/endless"), { loopback: true })
    ])
    assert.strictEqual(hung.why, "no answer within 5 s")
    assert.isBelow(performance.now() - begin, 8_000)
    assert.isTrue(
      endless.why === null || endless.why.startsWith("the receiver can not be reached"),
      String(endless.why)
    )
  }, 20_000)

  it("is not this machine, by name or address, unless that is allowed", async () => {
    asked.length = 0
    for (
      const url of [here("/x"), `https://localhost:${port}/x`, `https://127.1:${port}/x`, `https://[::1]:${port}/x`]
    ) {
      assert.include((await post(url, { loopback: false })).why, "nothing is sent there")
    }
    assert.deepStrictEqual(asked, [])
  })

  it("is not what a name leads to when it is connected to", async () => {
    asked.length = 0
    // It is somewhere else when somebody subscribes, and here when it is connected to.
    const leads = (address: string) => post(`https://moves.example.org:${port}/x`, { loopback: false, address })
    assert.strictEqual(
      (await leads("127.0.0.1")).why,
      "nothing is sent there: its name leads to an address that is loopback"
    )
    assert.strictEqual(
      (await leads("10.0.0.1")).why,
      "nothing is sent there: its name leads to an address that is private"
    )
    assert.include((await leads("::ffff:169.254.169.254")).why, "link-local")
    const refused = await post(`https://moves.example.org:${port}/x`, {
      loopback: true,
      address: "127.0.0.1",
      judge: (host) =>
        host === "127.0.0.1" ? { decision: "refuse", reason: "not there", ruleId: "r" } : { decision: "allow" }
    })
    assert.strictEqual(refused.why, "governance refused outbound to 127.0.0.1: not there")
    assert.deepStrictEqual(asked, [])
    for (
      const [address, kind] of [
        ["10.0.0.1", "private"],
        ["::ffff:192.168.1.1", "private"],
        ["64:ff9b::a9fe:a9fe", "link-local"],
        ["fd12::1", "private"],
        ["127.8.9.10", "loopback"],
        ["100.64.1.1", "private"],
        ["2001:db8::1", "of no host"]
      ] as const
    ) {
      assert.strictEqual(notPublic(address), kind, address)
      assert.isDefined(whyNotAddress(address, { loopback: false }), address)
    }
    for (const address of ["1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8"]) {
      assert.isUndefined(notPublic(address), address)
    }
    assert.isUndefined(whyNotAddress("127.0.0.1", { loopback: true }))
    assert.isDefined(whyNotAddress("10.0.0.1", { loopback: true }))
    assert.isDefined(whyNotUrl(new URL("http://example.org/"), { loopback: true }))
  })

  it("is asked of the rules of the operator before each attempt, and a refusal is in the audit log", async () => {
    asked.length = 0
    const { events, why } = await post(here("/x"), {
      loopback: true,
      judge: (host) =>
        host === "127.0.0.1" ? { decision: "refuse", reason: "not there", ruleId: "r" } : { decision: "allow" }
    })
    assert.strictEqual(why, "governance refused outbound to 127.0.0.1: not there")
    assert.deepStrictEqual(events.map(({ type }) => type), ["governance.refusal"])
    assert.deepStrictEqual(asked, [])
  })
})
