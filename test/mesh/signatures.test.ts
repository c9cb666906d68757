import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as http from "node:http"
import * as os from "node:os"
import * as path from "node:path"
import type { Signer } from "../../src/access/ed25519.js"
import * as keyDirectory from "../../src/access/keyDirectory.js"
import * as messages from "../../src/access/messages.js"
import * as NodeConfig from "../../src/config/NodeConfig.js"
import { NodeId } from "../../src/domain/ids.js"
import * as Stamp from "../../src/domain/Stamp.js"
import * as PeerApi from "../../src/federation/wire/PeerApi.js"
import { document } from "../../src/http/contract/Api.js"
import { HttpListener } from "../../src/http/server/Server.js"
import * as MemoryNode from "../../src/MemoryNode.js"
import { getMemory } from "../../src/operations/memories/getMemory.js"
import { remember } from "../../src/operations/memories/remember.js"
import { writtenElsewhere } from "../store/elsewhere.js"
import { freePorts, until } from "./Cluster.js"

const NAMES = ["one", "two", "three"] as const
type Name = (typeof NAMES)[number]

describe("a mesh whose nodes sign what they say", () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-signatures-"))
  const signers = new Map<string, Signer>()
  /** The keys that a node has: its own, and those of these others. */
  const keysOf = (name: Name, ...others: ReadonlyArray<Name>) => {
    const own = fs.mkdtempSync(path.join(folder, `${name}-`))
    const secrets = path.join(folder, "secrets")
    fs.copyFileSync(path.join(secrets, `${name}.priv`), path.join(own, `${name}.priv`))
    for (const each of [name, ...others]) {
      fs.copyFileSync(path.join(secrets, `${each}.pub`), path.join(own, `${each}.pub`))
    }
    return own
  }
  beforeAll(() => {
    const secrets = path.join(folder, "secrets")
    for (const name of [...NAMES, "stranger"]) {
      const { signer } = Either.getOrThrow(keyDirectory.generate(secrets, name, { replace: false }))
      signers.set(name, Option.getOrThrow(signer))
    }
  })
  afterAll(() => fs.rmSync(folder, { recursive: true }))

  const start = (name: Name, ports: ReadonlyArray<number>, settings: Partial<NodeConfig.Settings>) =>
    ManagedRuntime.make(
      MemoryNode.layerDaemon.pipe(
        Layer.provide(NodeConfig.layerWith({
          port: ports[NAMES.indexOf(name)] ?? 0,
          db: ":memory:",
          nodeId: Option.some(NodeId.make(name)),
          quorumPeers: ports.flatMap((port, at) => NAMES[at] === name ? [] : [`http://127.0.0.1:${port}`]),
          quorumWrites: Option.some(ports.length),
          quorumTimeout: Duration.seconds(2),
          catchupInterval: Duration.seconds(1),
          shutdownGrace: Duration.seconds(1),
          requireSignatures: "all",
          ...settings
        })),
        Layer.provide(Logger.replace(Logger.defaultLogger, logger))
      )
    )
  const logged: Array<string> = []
  const logger = Logger.make(({ message }) => {
    logged.push(String(message))
  })
  const anonymous = { agentId: Option.none(), idempotencyKey: Option.none() }
  const write = (title: string) => remember({ title, content: "c" }, anonymous).pipe(Effect.either)

  const withNodes = async (
    given: ReadonlyArray<readonly [Name, Partial<NodeConfig.Settings>]>,
    body: (nodes: ReadonlyArray<ReturnType<typeof start>>) => Promise<void>
  ) => {
    const ports = await freePorts(given.length)
    const nodes = given.map(([name, settings]) => start(name, ports, settings))
    try {
      await Promise.all(nodes.map((node) => node.runPromise(Effect.void)))
      await body(nodes)
    } finally {
      await Promise.all(nodes.map((node) => node.dispose()))
    }
  }

  it("writes with a quorum where every node has the keys of the others, and catches up", () =>
    withNodes(
      NAMES.map((name) =>
        [name, { keyDir: Option.some(keysOf(name, ...NAMES.filter((other) => other !== name))) }] as const
      ),
      async ([one, two, three]) => {
        assert.isDefined(one)
        assert.isDefined(two)
        assert.isDefined(three)
        // Not all of them are there when the first one is.
        let count = 0
        await until("a write has its quorum", () =>
          one.runPromise(Effect.map(write(`signed ${count++}`), Either.isRight)))
        const back = await three.runPromise(write("back"))
        assert.isTrue(Either.isRight(back), JSON.stringify(back))
        const { id } = Either.getOrThrow(back).memory
        await until("the second node has it", () =>
          two.runPromise(Effect.map(Effect.either(getMemory(id)), Either.isRight)))
      }
    ), 30_000)

  it("says at the start where nobody can speak to a node, and not where somebody can", async () => {
    const warnings = () => logged.filter((line) => line.includes("none can speak to this one"))
    logged.length = 0
    await withNodes([["one", { keyDir: Option.some(keysOf("one", "two")) }]], async () => {})
    assert.lengthOf(warnings(), 0)
    await withNodes([["one", { keyDir: Option.some(keysOf("one")) }]], async () => {})
    assert.lengthOf(warnings(), 1)
  }, 30_000)

  it("says once what is wrong with a key, whatever it is asked for", async () => {
    const keyDir = keysOf("one")
    fs.writeFileSync(path.join(keyDir, "two.pub"), "no key")
    logged.length = 0
    await withNodes([["one", { keyDir: Option.some(keyDir) }]], async ([one]) => {
      assert.isDefined(one)
      const { url } = await one.runPromise(HttpListener)
      const line = { method: "POST", path: PUSH, query: "" }
      const operation = PeerApi.encodeCarrier([PeerApi.write(
        writtenElsewhere(
          { kind: "delete", entity: "m" },
          Stamp.fromMillis(Date.now()),
          { node: "two" }
        ).operation
      )])
      assert.strictEqual((await fetch(`${url}${PUSH}`, signed("two", line, JSON.stringify(push)))).status, 401)
      const relayed = `{"sender_agent_id":"one",${operation},"dry_run":false}`
      await fetch(`${url}${PUSH}`, signed("one", line, relayed))
      const memory = { title: "t", content: "c", signature: Buffer.alloc(64).toString("base64") }
      const body = JSON.stringify({ ...memory, created_at: new Date().toISOString() })
      const headers = { "content-type": "application/json", "x-agent-id": "two" }
      await fetch(`${url}/api/v1/memories`, { method: "POST", headers, body })
    })
    assert.lengthOf(logged.filter((each) => each.includes("a key is not used")), 1)
  }, 30_000)

  it("takes nothing of a node whose key is not there, and says so to who writes", () =>
    withNodes(
      [["one", { keyDir: Option.some(keysOf("one", "two")) }], ["two", { keyDir: Option.some(keysOf("two")) }]],
      async ([one, two]) => {
        assert.isDefined(one)
        assert.isDefined(two)
        const missed = Either.flip(await one.runPromise(write("none"))).pipe(Either.getOrThrow)
        assert.strictEqual(missed._tag, "QuorumNotMet")
        assert.match(JSON.stringify(missed), /x_memory_sig_no_enrolled_key/)
        assert.strictEqual(await two.runPromise(Effect.map(Effect.either(getMemory("none")), Either.isRight)), false)
      }
    ), 30_000)

  it("goes on writing with all of its nodes while their keys are made and enrolled one by one", () => {
    const dirs = NAMES.map((name) => [name, fs.mkdtempSync(path.join(folder, `${name}-`))] as const)
    return withNodes(
      dirs.map(([name, keyDir]) => [name, { keyDir: Option.some(keyDir), requireSignatures: "enrolled" }] as const),
      async (nodes) => {
        let count = 0
        const writeEverywhere = async (after: string) => {
          // A folder is looked at again after a second.
          for (let round = 0; round < 4; round++) {
            const written = await Promise.all(nodes.map((node) => node.runPromise(write(`${after} ${count++}`))))
            assert.isTrue(written.every(Either.isRight), `${after}: ${JSON.stringify(written.find(Either.isLeft))}`)
            await new Promise((resolve) => setTimeout(resolve, 400))
          }
        }
        const [first] = nodes
        assert.isDefined(first)
        await until(
          "a write has its quorum",
          () => first.runPromise(Effect.map(write(`first ${count++}`), Either.isRight))
        )
        await writeEverywhere("before")
        const give = (name: Name, owner: Name, file: "priv" | "pub") => {
          const [, dir] = dirs[NAMES.indexOf(owner)] ?? []
          assert.isDefined(dir)
          fs.copyFileSync(path.join(folder, "secrets", `${name}.${file}`), path.join(dir, `${name}.${file}`))
        }
        for (const name of NAMES) {
          give(name, name, "pub")
          give(name, name, "priv")
          await writeEverywhere(`key of ${name}`)
        }
        for (const name of NAMES) {
          for (const owner of NAMES.filter((other) => other !== name)) give(name, owner, "pub")
          await writeEverywhere(`${name} enrolled`)
        }
      }
    )
  }, 60_000)

  const PUSH = "/api/v1/sync/push"
  const push = { sender_agent_id: "two", memories: [], deletions: [], dry_run: false }
  const nonceNow = () =>
    `${Date.now().toString(16).padStart(12, "0").replace(/^(.{8})/, "$1-")}-7000-8000-${
      Math.random().toString(16).slice(2, 14).padEnd(12, "0")
    }`
  const signed = (
    as: string,
    message: Pick<messages.Message, "method" | "path" | "query">,
    body: string,
    nonce = nonceNow()
  ) => {
    const signer = signers.get(as)
    assert.isDefined(signer)
    return {
      method: message.method,
      headers: {
        "content-type": "application/json",
        "x-peer-id": as,
        ...messages.signed({ ...message, body: Buffer.from(body) }, signer, nonce)
      },
      ...(message.method === "GET" ? {} : { body })
    }
  }
  const answered = async (response: Promise<Response>) => {
    const { headers, status } = await response
    const body: unknown = await (await response).json()
    return {
      status,
      headers,
      error: typeof body === "object" && body !== null && "error" in body ? body.error : undefined
    }
  }

  /** What stands in place of a header's value. */
  type Changed = (value: string) => ReadonlyArray<string>
  /** Another letter at the end of the first half. */
  const altered = (value: string) => {
    const at = value.length >> 1
    return `${value.slice(0, at)}${value[at] === "1" ? "2" : "1"}${value.slice(at + 1)}`
  }
  /** Headers as they are given: a client of the platform would make one of two. */
  const statusOf = (
    target: string,
    { body, headers, method }: {
      readonly method: string
      readonly headers: ReadonlyArray<string>
      readonly body: string
    }
  ) =>
    new Promise<number>((resolve, reject) => {
      const length = body === "" ? [] : ["content-length", String(Buffer.byteLength(body))]
      const { host } = new URL(target)
      const request = http.request(target, { method, headers: ["host", host, ...headers, ...length] }, (response) => {
        response.resume()
        resolve(response.statusCode ?? 0)
      })
      request.once("error", reject)
      request.end(body)
    })

  /** Every route of nodes, with what may be asked there. */
  const routesOf = (url: string) => {
    const routes = Object.entries(document().paths).flatMap(([route, methods]) =>
      route.includes("/sync/") ? Object.keys(methods).map((method) => ({ method: method.toUpperCase(), route })) : []
    )
    assert.isAtLeast(routes.length, 5)
    return routes.map(({ method, route }) => {
      const query = method === "GET" ? "since=2026-01-01T00%3A00%3A00Z&peer=two" : ""
      return {
        method,
        route,
        query,
        target: `${url}${route}${query === "" ? "" : `?${query}`}`,
        body: method === "GET" ? "" : JSON.stringify(push)
      }
    })
  }

  it("takes a message once, also after a restart, and only from who it says to be", async () => {
    const keyDir = Option.some(keysOf("one", "two"))
    const db = path.join(folder, "restarted.db")
    const run = (body: (url: string) => Promise<void>) =>
      withNodes([["one", { keyDir, db, requireSignatures: "enrolled" }]], async ([one]) => {
        assert.isDefined(one)
        await body((await one.runPromise(HttpListener)).url)
      })
    const line = { method: "POST", path: PUSH, query: "" }
    const once = signed("two", line, JSON.stringify(push))
    await run(async (url) => {
      const post = (init: RequestInit) => answered(fetch(`${url}${PUSH}`, init))
      assert.strictEqual((await post(once)).status, 200)
      assert.deepInclude(await post(once), { status: 401, error: "x_memory_nonce_replay" })
      const forged = signed("two", line, JSON.stringify({ ...push, sender_agent_id: "one" }))
      assert.deepInclude(await post(forged), { status: 403, error: "sender_agent_id_mismatch" })
      const late = signed("two", line, JSON.stringify(push), nonceNow().replace(/^....../, "018000"))
      assert.deepInclude(await post(late), { status: 401, error: "x_memory_nonce_outside_window" })
      const unsigned = {
        method: "POST",
        headers: { "content-type": "application/json", "x-peer-id": "two" },
        body: JSON.stringify(push)
      }
      assert.deepInclude(await post(unsigned), { status: 401, error: "x_memory_sig_missing" })
      // Whoever says so in the body alone.
      for (const as of [{}, { "x-peer-id": "stranger" }, { "x-peer-id": "./two" }]) {
        const nameless = { ...unsigned, headers: { "content-type": "application/json", ...as } }
        assert.deepInclude(await post(nameless), { status: 401, error: "x_memory_sig_missing" })
      }
      // Another spelling of an id is no other node, to which nothing was sent yet.
      const again = { ...once, headers: { ...once.headers, "x-peer-id": "./two" } }
      assert.deepInclude(await post(again), { status: 401, error: "x_memory_sig_missing" })
      assert.deepInclude(await post(signed("stranger", line, JSON.stringify(push))), {
        status: 401,
        error: "x_memory_sig_missing"
      })
    })
    await run(async (url) => {
      assert.deepInclude(await answered(fetch(`${url}${PUSH}`, once)), { status: 401, error: "x_memory_nonce_replay" })
    })
  }, 30_000)

  it(
    "is asked for a signature on every route of nodes",
    () =>
      withNodes([["one", { keyDir: Option.some(keysOf("one", "two")) }]], async ([one]) => {
        assert.isDefined(one)
        const { url } = await one.runPromise(HttpListener)
        for (const { body, method, query, route, target } of routesOf(url)) {
          const bare = { method, headers: { "content-type": "application/json" }, ...(body === "" ? {} : { body }) }
          assert.deepInclude(
            await answered(fetch(`${url}${route}`, bare)),
            { status: 401, error: "peer_not_enrolled" },
            route
          )
          const good = signed("two", { method, path: route, query }, body)
          assert.notStrictEqual((await fetch(target, good)).status, 401, `${method} ${route}`)
          const other = signed("two", { method, path: route, query: `${query}&x=1` }, body)
          if (method === "GET") {
            assert.deepInclude(await answered(fetch(target, other)), {
              status: 401,
              error: "x_memory_sig_bad_signature"
            })
          }
        }
        const twice = await fetch(`${url}${PUSH}`, {
          method: "POST",
          headers: [["content-type", "application/json"], ["x-peer-id", "two"], ["x-peer-id", "one"]],
          body: JSON.stringify(push)
        })
        assert.include([400, 401], twice.status)
      }),
    30_000
  )

  it(
    "takes none of its headers missing, doubled or altered, on any route of nodes",
    () =>
      withNodes([["one", { keyDir: Option.some(keysOf("one", "two")) }]], async ([one]) => {
        assert.isDefined(one)
        const { url } = await one.runPromise(HttpListener)
        let rows = 0
        for (const { body, method, query, route, target } of routesOf(url)) {
          const good = () => {
            const { headers } = signed("two", { method, path: route, query }, body)
            return Object.entries<string>(headers)
          }
          for (const header of ["x-memory-sig", "x-memory-nonce", "x-peer-id"]) {
            const changes: ReadonlyArray<readonly [string, Changed, number]> = [
              ["missing", () => [], 401],
              ["doubled", (value) => [value, value], 400],
              ["doubled, another first", (value) => [altered(value), value], 400],
              ["doubled, another last", (value) => [value, altered(value)], 400],
              ["altered", (value) => [altered(value)], 401],
              ["cut short", (value) => [value.slice(0, -1)], 401],
              ["empty", () => [""], 401]
            ]
            for (const [name, change, status] of changes) {
              const sent = good().flatMap(([key, value]) =>
                (key === header ? change(value) : [value]).flatMap((each) => [key, each])
              )
              const row = `${method} ${route}: ${header} ${name}`
              assert.strictEqual(await statusOf(target, { method, headers: sent, body }), status, row)
              rows++
            }
          }
          const whole = good().flat()
          assert.notStrictEqual(await statusOf(target, { method, headers: whole, body }), 401, route)
          assert.strictEqual(await statusOf(target, { method, headers: whole, body }), 401, `${route}: once more`)
          const other = { method, headers: good().flat(), body: body === "" ? "" : body.replace("two", "twp") }
          assert.strictEqual(
            await statusOf(body === "" ? `${target}&x=1` : target, other),
            401,
            `${route}: another text`
          )
        }
        assert.isAtLeast(rows, 5 * 21)
      }),
    60_000
  )

  it(
    "lets a node ask without a signature that is named for that, and push with one alone",
    () =>
      withNodes([["one", { keyDir: Option.some(keysOf("one", "two")), unsignedPull: ["two"] }]], async ([one]) => {
        assert.isDefined(one)
        const { url } = await one.runPromise(HttpListener)
        const headers = { "content-type": "application/json", "x-peer-id": "two" }
        const pull = await fetch(`${url}/api/v1/sync/since?since=&peer=two`, { headers })
        assert.strictEqual(pull.status, 200)
        const pushed = await answered(fetch(`${url}${PUSH}`, { method: "POST", headers, body: JSON.stringify(push) }))
        assert.deepInclude(pushed, { status: 401, error: "x_memory_sig_missing" })
      }),
    30_000
  )
})
