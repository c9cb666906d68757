import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as dns from "node:dns"
import { readFileSync, writeFileSync } from "node:fs"
import * as http from "node:http"
import * as https from "node:https"
import * as net from "node:net"
import { join } from "node:path"
import { TLSSocket } from "node:tls"
import type { Dispatcher } from "undici"
import * as Revocations from "../../src/access/Revocations.js"
import * as rules from "../../src/access/rules.js"
import * as trustBundle from "../../src/access/trustBundle.js"
import * as dispatcher from "../../src/federation/wire/dispatcher.js"
import * as certificates from "../certificates.js"
import { until } from "../mesh/Cluster.js"

const allow = (): rules.Decision => ({ decision: "allow" })

describe("the files of a node's identity towards peers", () => {
  let made: Awaited<ReturnType<typeof certificates.make<"one" | "two">>>
  beforeAll(async () => {
    made = await certificates.make(["one", "two"])
  })
  afterAll(() => made.remove())

  const none = { cert: Option.none(), key: Option.none(), ca: Option.none() }
  const started = (tls: Partial<dispatcher.PeerTls>) =>
    Effect.runPromise(
      Effect.either(Effect.scoped(Layer.build(dispatcher.layer({ ...none, ...tls }, { judge: allow }))))
    )
  const refusal = async (tls: Partial<dispatcher.PeerTls>) => {
    const answer = await started(tls)
    return answer._tag === "Left" ? answer.left.message : "started"
  }

  it("stop the start when they hold something else", async () => {
    const { cert, key } = made.of("one")
    const garbage = join(made.folder, "garbage.pem")
    writeFileSync(garbage, "-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n")
    const empty = join(made.folder, "empty.pem")
    writeFileSync(empty, "# nothing\n")
    for (const file of [garbage, empty]) {
      assert.match(await refusal({ ca: Option.some(file) }), /^--quorum-ca-cert: .*pem cannot be used \(/)
      assert.match(
        await refusal({ cert: Option.some(file), key: Option.some(key) }),
        /^--quorum-client-cert: .*pem cannot be used \(/
      )
      assert.match(
        await refusal({ cert: Option.some(cert), key: Option.some(file) }),
        /^--quorum-client-key: .*pem cannot be used \(/
      )
    }
    const other = made.of("two").key
    assert.match(await refusal({ cert: Option.some(cert), key: Option.some(other) }), /^--quorum-client-key: /)
    const bundle = join(made.folder, "bundle.pem")
    writeFileSync(bundle, `${readFileSync(cert, "utf8")}\n${readFileSync(garbage, "utf8")}`)
    assert.match(await refusal({ ca: Option.some(bundle) }), /^--quorum-ca-cert: /)
  })

  it("are taken when they are right, several authorities in one file, too", async () => {
    const [one, two] = [made.of("one"), made.of("two")]
    const bundle = join(made.folder, "both.pem")
    writeFileSync(bundle, `one\n${readFileSync(one.cert, "utf8")}\ntwo\n${readFileSync(two.cert, "utf8")}`)
    assert.strictEqual(await refusal({}), "started")
    const all = { ca: Option.some(bundle), cert: Option.some(one.cert), key: Option.some(one.key) }
    assert.strictEqual(await refusal(all), "started")
  })
})

describe("the connections to peers", () => {
  /** A resolver that says another thing each time. */
  const saying = (...answers: ReadonlyArray<ReadonlyArray<string>>) => {
    let asked = 0
    const resolve = (_: string, options: object, callback: (error: Error | null, found: unknown) => void) => {
      const found = answers[Math.min(asked++, answers.length - 1)] ?? []
      assert.propertyVal(options, "all", true)
      callback(null, found.map((address) => ({ address, family: net.isIP(address) })))
    }
    return { asked: () => asked, resolve: Object.assign(resolve, dns.lookup) }
  }

  const withServer = async (run: (port: number, connections: () => number) => Promise<void>) => {
    let connections = 0
    const server = http.createServer((_, response) => response.writeHead(200, { connection: "close" }).end("{}"))
    server.on("connection", () => connections++)
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const address = server.address()
    try {
      await run(typeof address === "object" ? address?.port ?? 0 : 0, () => connections)
    } finally {
      await new Promise((resolve) => server.close(resolve))
    }
  }

  const asking = (
    resolve: typeof dns.lookup,
    ask: (agent: Dispatcher) => Promise<void>,
    judge: Parameters<typeof dispatcher.layer>[1]["judge"] = allow
  ) =>
    Effect.runPromise(Effect.scoped(Effect.gen(function*() {
      const built = yield* Layer.build(
        dispatcher.layer({ cert: Option.none(), key: Option.none(), ca: Option.none() }, { judge, resolve })
      )
      yield* Effect.promise(() => ask(Context.get(built, NodeHttpClient.Dispatcher)))
    })))

  const failure = (answered: Promise<unknown>) => answered.then(() => "answered", (error: Error) => error.message)

  it("go to the address that was looked at, and to none when a name leads elsewhere the next time", () =>
    withServer(async (port, connections) => {
      const resolver = saying(["127.0.0.1"], ["169.254.169.254"])
      await asking(resolver.resolve, async (agent) => {
        const request = async () => {
          const { body, statusCode } = await agent.request({
            origin: `http://peer.test:${port}`,
            path: "/",
            method: "GET"
          })
          await body.text()
          return statusCode
        }
        assert.strictEqual(await request(), 200)
        assert.match(await failure(request()), /peer\.test leads to 169\.254\.169\.254, which is link-local/)
        assert.strictEqual(resolver.asked(), 2)
        assert.strictEqual(connections(), 1)
      })
    }))

  it("go nowhere when one of several addresses is forbidden, in whatever form", () =>
    withServer(async (port, connections) => {
      for (const forbidden of ["::ffff:169.254.169.254", "0.0.0.0", "::", "fe80::1", "ff02::1", "64:ff9b::a9fe:a9fe"]) {
        await asking(saying(["127.0.0.1", forbidden]).resolve, async (agent) => {
          const asked = agent.request({ origin: `http://peer.test:${port}`, path: "/", method: "GET" })
          assert.match(await failure(asked), /no peer can be there/)
        })
      }
      assert.strictEqual(connections(), 0)
    }))

  it("go to no address that a rule names, whatever name leads there", () =>
    withServer(async (port, connections) => {
      const rule: rules.Rule = {
        id: "R1",
        kind: "network_request",
        matcher: "{\"host\":\"127.0.0.1\"}",
        severity: "refuse",
        reason: "not there",
        namespace: "_global",
        createdBy: "operator",
        createdAt: 0,
        enabled: true,
        signature: null,
        attestLevel: "unsigned"
      }
      for (const address of ["127.0.0.1", "::ffff:127.0.0.1"]) {
        await asking(saying([address]).resolve, async (agent) => {
          const asked = agent.request({ origin: `http://peer.test:${port}`, path: "/", method: "GET" })
          assert.match(await failure(asked), /governance refused outbound to .*127\.0\.0\.1: not there/)
        }, (host) => rules.judge([rule], host))
      }
      assert.strictEqual(connections(), 0)
    }))

  it("follow no redirect", () =>
    withServer(async (port) => {
      const elsewhere = http.createServer((_, response) =>
        response.writeHead(307, { location: `http://127.0.0.1:${port}/`, connection: "close" }).end()
      )
      await new Promise<void>((resolve) => elsewhere.listen(0, "127.0.0.1", resolve))
      const address = elsewhere.address()
      const at = typeof address === "object" ? address?.port ?? 0 : 0
      await asking(dns.lookup, async (agent) => {
        const { body, statusCode } = await agent.request({ origin: `http://127.0.0.1:${at}`, path: "/", method: "GET" })
        await body.text()
        assert.strictEqual(statusCode, 307)
      })
      await new Promise((resolve) => elsewhere.close(resolve))
    }))
})

describe("the certificates of connections to peers", () => {
  let made: Awaited<ReturnType<typeof certificates.make<"server" | "first" | "second">>>
  beforeAll(async () => {
    made = await certificates.make(["server", "first", "second"])
  })
  afterAll(() => made.remove())

  /** A server that answers with the certificate that it was shown; a connection stays for the next request. */
  const withServer = async (run: (origin: string) => Promise<void>) => {
    const { cert, key } = made.of("server")
    const server = https.createServer({
      cert: readFileSync(cert),
      key: readFileSync(key),
      requestCert: true,
      rejectUnauthorized: false
    }, ({ socket }, response) => {
      const shown = socket instanceof TLSSocket ? socket.getPeerX509Certificate()?.fingerprint256 : undefined
      response.end(shown ?? "none")
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const address = server.address()
    try {
      await run(`https://127.0.0.1:${typeof address === "object" ? address?.port : 0}`)
    } finally {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
  const asking = (
    trust: NonNullable<Parameters<typeof dispatcher.layer>[1]["trust"]>,
    ask: (get: (origin: string) => Promise<string>) => Promise<void>
  ) =>
    Effect.runPromise(Effect.scoped(Effect.gen(function*() {
      const [cert, key] = ["cert.pem", "key.pem"].map((name) => Option.some(join(made.folder, `own.${name}`)))
      const ca = Option.some(made.of("server").cert)
      const tls = { cert: cert ?? Option.none(), key: key ?? Option.none(), ca }
      const built = yield* Layer.build(dispatcher.layer(tls, { judge: allow, trust }))
      const agent = Context.get(built, NodeHttpClient.Dispatcher)
      yield* Effect.promise(() =>
        ask(async (origin) => (await agent.request({ origin, path: "/", method: "GET" })).body.text())
      )
    })))
  const own = (name: "first" | "second") => {
    const { cert, key } = made.of(name)
    writeFileSync(join(made.folder, "own.cert.pem"), readFileSync(cert))
    writeFileSync(join(made.folder, "own.key.pem"), readFileSync(key))
  }
  const noRevocations = Revocations.make(() => trustBundle.none)

  it("are read again when they change, and when that is asked for", () =>
    withServer(async (origin) => {
      own("first")
      const reloads: Array<Effect.Effect<string, Error>> = []
      const trust = {
        revocations: noRevocations,
        alsoReload: (reload: Effect.Effect<string, Error>) => void reloads.push(reload)
      }
      await asking(trust, async (get) => {
        assert.strictEqual(await get(origin), made.of("first").fingerprint)
        own("second")
        assert.lengthOf(reloads, 1)
        for (const reload of reloads) assert.strictEqual(await Effect.runPromise(reload), "certificates towards peers")
        assert.strictEqual(await get(origin), made.of("second").fingerprint)
        own("first")
        await until("the change is seen", async () => await get(origin) === made.of("first").fingerprint)
        // What is no good changes nothing.
        writeFileSync(join(made.folder, "own.cert.pem"), "nothing")
        const [reload] = reloads
        assert.isDefined(reload)
        assert.isTrue(Either.isLeft(await Effect.runPromise(Effect.either(reload))))
        assert.strictEqual(await get(origin), made.of("first").fingerprint)
      })
    }))

  it("that are revoked are no peer's, also on a connection that is open", () =>
    withServer(async (origin) => {
      own("first")
      let revoked = false
      const trust = {
        revocations: {
          ...noRevocations,
          digest: () => String(revoked),
          isCertificate: (fingerprint: string) => revoked && fingerprint === made.of("server").fingerprint
        },
        alsoReload: () => {}
      }
      await asking(trust, async (get) => {
        assert.strictEqual(await get(origin), made.of("first").fingerprint)
        revoked = true
        const failure = await get(origin).then(() => "answered", (error: Error) => error.message)
        assert.strictEqual(failure, "the certificate of 127.0.0.1 is revoked")
      })
    }))
})
