import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as fs from "node:fs"
import * as https from "node:https"
import * as os from "node:os"
import * as path from "node:path"
import type * as tls from "node:tls"
import type * as NodeConfig from "../../src/config/NodeConfig.js"
import * as Pki from "../pki.js"
import * as Node from "./node.js"

const HELLO = "/api/v1/sync/hello"
const uri = (id: string, domain = "fleet.example") => `spiffe://${domain}/${id}`

/** What a client shows, and how it asks. */
interface Client {
  readonly cert?: string
  readonly key?: string
  readonly as?: string
  readonly path?: string
  readonly versions?: { readonly minVersion: tls.SecureVersion; readonly maxVersion: tls.SecureVersion }
}

/** The status and the error of an answer, or `cut`. */
const ask = (port: number, { as = "one", cert, key, path: of = HELLO, versions }: Client) =>
  new Promise<string>((resolve) => {
    const request = https.get({
      port,
      host: "127.0.0.1",
      path: of,
      agent: false,
      rejectUnauthorized: false,
      headers: { "x-peer-id": as },
      ...versions,
      // The client is as careless as can be: it is the node that refuses.
      ciphers: "DEFAULT:@SECLEVEL=0",
      ...(cert === undefined ? {} : { cert, key })
    }, (response) => {
      let body = ""
      response.on("data", (chunk) => {
        body += String(chunk)
      })
      response.on("end", () => {
        const error = /"error":"([a-z_]+)"/.exec(body)?.[1]
        resolve([response.statusCode, ...(error === undefined ? [] : [error])].join(" "))
      })
    })
    request.on("error", () => resolve("cut"))
  })

describe("certificates of nodes", () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-zoo-"))
  const file = (name: string, text: string) => {
    const at = path.join(folder, name)
    fs.writeFileSync(at, text)
    return at
  }
  let made: {
    readonly [Name in "root" | "other" | "between" | "server" | "good" | "spare" | "chained" | "strangers"]: Pki.Made
  }
  beforeAll(async () => {
    const root = await Pki.make({ name: "root", isAuthority: true })
    const other = await Pki.make({ name: "other", isAuthority: true })
    const between = await Pki.make({ name: "between", isAuthority: true, by: root })
    made = {
      root,
      other,
      between,
      server: await Pki.make({ name: "server", by: root }),
      good: await Pki.make({ by: root, uris: [uri("one")] }),
      spare: await Pki.make({ by: root, uris: [uri("one")] }),
      chained: await Pki.make({ by: between, uris: [uri("one")] }),
      strangers: await Pki.make({ by: other, uris: [uri("one")] })
    }
  })
  afterAll(() => fs.rmSync(folder, { recursive: true }))

  const settings = (): Partial<NodeConfig.Settings> => ({
    tlsCert: Option.some(file("server.pem", made.server.pem)),
    tlsKey: Option.some(file("server.key", made.server.key)),
    mtlsClientCa: Option.some(file("ca.pem", made.root.pem))
  })
  const withNode = async (own: Partial<NodeConfig.Settings>, body: (node: Node.Node) => Promise<void>) => {
    const node = await Node.start({ ...settings(), ...own })
    try {
      await body(node)
    } finally {
      await node.stop()
    }
  }
  const shown = async (wanted: Parameters<typeof Pki.make>[0]): Promise<Client> => {
    const { key, pem } = await Pki.make({ by: made.root, uris: [uri("one")], ...wanted })
    return { cert: pem, key }
  }
  const of = ({ key, pem }: Pki.Made): Client => ({ cert: pem, key })

  /** What is shown, and what becomes of it. */
  const zoo: ReadonlyArray<readonly [what: string, show: () => Promise<Client>, outcome: string]> = [
    ["a good one", async () => of(made.good), "200"],
    ["none", async () => ({}), "cut"],
    ["one that has expired", () => shown({ days: [-2, -1] }), "cut"],
    ["one whose time has not come", () => shown({ days: [1, 2] }), "cut"],
    ["one of another authority", async () => of(made.strangers), "cut"],
    ["one that signed itself", async () => of(await Pki.make({ uris: [uri("one")] })), "cut"],
    ["an authority", () => shown({ isAuthority: true, usages: Pki.CLIENT }), "cut"],
    ["the authority itself", async () => of(made.root), "cut"],
    ["one for servers alone", () => shown({ usages: Pki.SERVER }), "cut"],
    ["one that does not say what it is for", () => shown({ usages: [] }), "cut"],
    ["one with a key of RSA of 1024 bits", () => shown({ algorithm: Pki.RSA_1024 }), "cut"],
    ["one of an issuer between that is not shown", async () => of(made.chained), "cut"],
    [
      "one with the issuer between",
      async () => ({ ...of(made.chained), cert: `${made.chained.pem}\n${made.between.pem}` }),
      "200"
    ],
    [
      "two of nodes: the first one counts",
      async () => ({ ...of(made.good), cert: `${made.good.pem}\n${made.strangers.pem}` }),
      "200"
    ],
    [
      "two of nodes, the stranger's first",
      async () => ({ ...of(made.strangers), cert: `${made.strangers.pem}\n${made.good.pem}` }),
      "cut"
    ],
    ["one of a node by its name alone", () => shown({ name: "one", uris: [] }), "401 peer_id_cert_unbound"],
    ["one that names nobody", () => shown({ uris: [] }), "401 peer_id_cert_unbound"],
    ["one that names two", () => shown({ uris: [uri("one"), uri("two")] }), "401 peer_id_cert_unbound"],
    ["one with another kind of URI", () => shown({ uris: ["https://fleet.example/one"] }), "401 peer_id_cert_unbound"],
    ["one without a node in its URI", () => shown({ uris: [uri("")] }), "401 peer_id_cert_unbound"],
    ["one of another domain", () => shown({ uris: [uri("one", "else.example")] }), "401 peer_id_cert_unbound"],
    ["one of another node", () => shown({ uris: [uri("two")] }), "401 peer_id_cert_mismatch"],
    [
      "a good one, by who says to be another",
      async () => ({ ...of(made.good), as: "two" }),
      "401 peer_id_cert_mismatch"
    ],
    [
      "a good one over TLS 1.1",
      async () => ({ ...of(made.good), versions: { minVersion: "TLSv1.1", maxVersion: "TLSv1.1" } }),
      "cut"
    ],
    [
      "a good one over TLS 1.2",
      async () => ({ ...of(made.good), versions: { minVersion: "TLSv1.2", maxVersion: "TLSv1.2" } }),
      "200"
    ]
  ]

  it(
    "open what they say, and nothing else",
    () =>
      withNode({ trustDomain: Option.some("fleet.example") }, async ({ port }) => {
        for (const [what, show, outcome] of zoo) {
          assert.strictEqual(await ask(port, await show()), outcome, what)
        }
      }),
    60_000
  )

  it("signed with SHA-1 open nothing", async () => {
    const root = await Pki.make({ name: "root of RSA", isAuthority: true, algorithm: Pki.RSA_2048 })
    await withNode({ mtlsClientCa: Option.some(file("rsa.pem", root.pem)) }, async ({ port }) => {
      const by = { by: root, uris: [uri("one")] }
      assert.strictEqual(await ask(port, of(await Pki.make({ ...by, signed: Pki.RSA_2048 }))), "200")
      const sha1 = { ...root, keys: await Pki.rehashed(root, "SHA-1") }
      assert.strictEqual(await ask(port, of(await Pki.make({ ...by, by: sha1, signed: Pki.RSA_SHA1 }))), "cut")
    })
  })

  it("are asked of nodes alone where that is said", () =>
    withNode({ mtlsScope: "peers", insecureBind: true }, async ({ port }) => {
      assert.strictEqual(await ask(port, { path: "/api/v1/memories" }), "200")
      assert.strictEqual(await ask(port, {}), "401 peer_cert_missing")
      assert.strictEqual(await ask(port, of(made.strangers)), "401 peer_cert_missing")
      assert.strictEqual(await ask(port, of(made.good)), "200")
      assert.strictEqual(await ask(port, { ...of(made.good), as: "two" }), "401 peer_id_cert_mismatch")
    }))

  it("stand for the API key of nodes, and of nobody else", () =>
    withNode({ apiKey: Option.some(Redacted.make("the-key")) }, async ({ port }) => {
      assert.strictEqual(await ask(port, of(made.good)), "200")
      assert.match(await ask(port, { ...of(made.good), path: "/api/v1/memories" }), /^401/)
    }))

  it("may be of a list as well, which says nothing of who it is", async () => {
    const allowed = file("allowed", await Pki.fingerprintOf(made.strangers))
    await withNode({ mtlsAllowlist: Option.some(allowed) }, async ({ port }) => {
      assert.strictEqual(await ask(port, { ...of(made.strangers), as: "whoever" }), "200")
      assert.strictEqual(await ask(port, of(made.good)), "200")
      assert.strictEqual(await ask(port, { ...of(made.good), as: "two" }), "401 peer_id_cert_mismatch")
    })
  })

  it(
    "are checked by another authority as soon as it is there, and what is no good changes nothing",
    () =>
      withNode({}, async ({ port }) => {
        const becomes = async (client: Client, outcome: string) => {
          for (let tries = 0; tries < 60 && await ask(port, client) !== outcome; tries++) {
            await new Promise((resolve) => setTimeout(resolve, 50))
          }
          assert.strictEqual(await ask(port, client), outcome)
        }
        file("ca.pem", "garbage")
        await new Promise((resolve) => setTimeout(resolve, 1_500))
        await becomes(of(made.good), "200")
        file("ca.pem", made.other.pem)
        await becomes(of(made.good), "cut")
        await becomes(of(made.strangers), "200")
      }),
    20_000
  )

  it.effect(
    "of no use keep the node from starting, and it says which setting named them",
    () =>
      Effect.gen(function*() {
        const problemOf = (own: Partial<NodeConfig.Settings>) =>
          Effect.promise(() =>
            Node.start({ ...settings(), ...own }).then(() => "started", (error: unknown) => String(error))
          )
        const no = (name: string, text: string) => Option.some(file(name, text))
        const garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        for (const text of ["", "garbage", garbage, made.good.pem, `${made.root.pem}\n${garbage}`, made.root.key]) {
          assert.match(yield* problemOf({ mtlsClientCa: no("useless", text) }), /--mtls-client-ca: .*useless: no cert/)
        }
        for (const text of ["", "garbage", garbage, made.server.key]) {
          assert.match(yield* problemOf({ tlsCert: no("useless", text) }), /--tls-cert: .*useless: no certificate/)
        }
        for (const text of ["", "garbage", made.server.pem]) {
          assert.match(yield* problemOf({ tlsKey: no("useless", text) }), /--tls-key: .*useless: no key/)
        }
        assert.match(
          yield* problemOf({ tlsKey: no("useless", made.good.key) }),
          /--tls-cert: .*server\.pem: not a certificate with its key/
        )
        assert.match(
          yield* problemOf({ mtlsAllowlist: no("useless", "") }),
          /--mtls-allowlist: .*useless: no fingerprint/
        )
        const ofPeers = {
          peerListen: Option.some({ host: "127.0.0.1", port: 0 }),
          peerTlsCert: no("useless", garbage),
          peerTlsKey: no("server.key", made.server.key)
        }
        assert.match(yield* problemOf(ofPeers), /--peer-tls-cert: .*useless: no certificate/)
      }),
    60_000
  )
})
