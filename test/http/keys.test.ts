import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import { once } from "node:events"
import * as fs from "node:fs"
import * as http from "node:http"
import * as os from "node:os"
import * as path from "node:path"
import * as keyDocument from "../../src/access/keyDocument.js"
import type { Settings } from "../../src/config/NodeConfig.js"
import { AgentId } from "../../src/domain/ids.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { needOf } from "../../src/http/contract/access.js"
import { document } from "../../src/http/contract/Api.js"
import * as Rates from "../../src/http/server/Rates.js"
import { type Made, made } from "../access/made.js"
import { exchange, type Node, request, start } from "./node.js"

const reader = made("reader", ["read"])
const writer = made("writer", ["write"])
const admin = made("admin", ["admin"])
const peer = made("peer", ["peer"])
const alice = made("alice", ["read", "write"], { agentId: Option.some(AgentId.make("alice")) })
const past = made("past", ["read"], { expiresAt: Option.some(Stamp.fromMillis(Date.now() - 1)) })
const soon = made("soon", ["read"], { expiresAt: Option.some(Stamp.fromMillis(Date.now() + 3_600_000)) })
const all = [reader, writer, admin, peer, alice, past, soon]

const settings: Partial<Settings> = { apiKeys: Option.some(all.map(({ key }) => key)) }

const withNode = async (given: Partial<Settings>, run: (node: Node) => Promise<void>) => {
  const node = await start(given)
  try {
    await run(node)
  } finally {
    await node.stop()
  }
}

const MEMORIES = "/api/v1/memories"
const json = { "content-type": "application/json" }
const memory = (title: string, more: object = {}) => JSON.stringify({ title, content: `what ${title} says`, ...more })

const split = (operationId: string): [group: string, name: string] => {
  const [group = "", name = ""] = operationId.split(".")
  return [group, name]
}

/** Every operation of the contract, with its parameters filled in. */
const operations = Object.entries(document().paths).flatMap(([pattern, methods]) =>
  Object.entries(methods).map(([method, { operationId = "" }]) => ({
    method: method.toUpperCase(),
    need: needOf(...split(operationId)),
    path: pattern.replaceAll(/\{\w+\}/g, "00000000-0000-4000-8000-000000000000")
  }))
)
const NO_KEY = new Set(["/api/v1/health", "/health/live", "/health/ready"])

describe("keys that open one thing each", () => {
  it("let nobody in who has none, on every route that there is", () =>
    withNode(settings, async ({ contents, url }) => {
      const before = await contents()
      for (const { method, path } of operations) {
        const { headers, status } = await fetch(`${url}${path}`, {
          method,
          ...(method === "GET" || method === "DELETE" ? {} : { headers: json, body: "{}" })
        })
        assert.strictEqual(status, NO_KEY.has(path) ? 200 : 401, `${method} ${path}`)
        if (!NO_KEY.has(path)) assert.strictEqual(headers.get("www-authenticate"), "Bearer")
      }
      assert.deepStrictEqual(await contents(), before)
    }))

  it("open what their scope says, and nothing else", () =>
    withNode(settings, async ({ contents, url }) => {
      const before = await contents()
      const opened = new Map<string, Array<string>>()
      for (const { method, path } of operations) {
        const openedBy = []
        for (const { key, secret } of [reader, writer, admin, peer]) {
          // A body that none takes: what comes in is told so, and changes nothing.
          const answered = await fetch(`${url}${path}`, {
            method,
            headers: { ...json, "x-api-key": secret },
            signal: AbortSignal.timeout(5_000),
            ...(method === "GET" || method === "DELETE" ? {} : { body: "[" })
          })
          await answered.body?.cancel()
          if (answered.status !== 403) openedBy.push(key.name)
        }
        opened.set(`${method} ${path}`, openedBy)
      }
      assert.deepStrictEqual(await contents(), before)
      for (const [operation, by] of opened) {
        const isOpen = [...NO_KEY].some((path) => operation.endsWith(` ${path}`))
        assert.strictEqual(by.length, isOpen ? 4 : 1, `${operation}: ${by.join(", ")}`)
      }
      const names = (name: string) =>
        [...opened].flatMap(([operation, by]) => by.length === 1 && by[0] === name ? [operation] : [])
      assert.deepStrictEqual(names("peer").filter((operation) => !operation.includes("/sync/")), [])
      assert.strictEqual(names("peer").length, operations.filter(({ path }) => path.includes("/sync/")).length)
      for (
        const operation of [
          `POST ${MEMORIES}`,
          "POST /api/v1/forget",
          `DELETE ${MEMORIES}/00000000-0000-4000-8000-000000000000`
        ]
      ) {
        assert.deepStrictEqual(opened.get(operation), ["writer"], operation)
      }
      for (
        const operation of [
          "POST /api/v1/import",
          "POST /api/v1/gc",
          "DELETE /api/v1/archive",
          "POST /api/v1/namespaces"
        ]
      ) {
        assert.deepStrictEqual(opened.get(operation), ["admin"], operation)
      }
      for (const operation of ["POST /api/v1/recall", "GET /api/v1/search", "GET /api/v1/export", "GET /metrics"]) {
        assert.deepStrictEqual(opened.get(operation), ["reader"], operation)
      }
    }))

  it("open nothing more where a path is spelled otherwise", () =>
    withNode(settings, async ({ contents, port }) => {
      const before = await contents()
      const escaped = (path: string) =>
        path.replace(/[a-z](?=[a-z_.]*$)/, (letter) => `%${letter.charCodeAt(0).toString(16)}`)
      for (const { method, need, path } of operations) {
        if (need === "open" || need === "page" || need === "metrics" || need === "any") continue
        const [first = ""] = [...path.matchAll(/[a-z]+/g)].map(([word]) => word)
        const spelled = [
          escaped(path),
          path.replace(first, escaped(first)),
          `${path};x`,
          `${path}#x`,
          `${path}/`,
          path.replace("/", "//"),
          `http://other${escaped(path)}`
        ]
        for (const target of spelled.filter((each) => each !== path)) {
          for (const { key, secret } of [reader, writer, admin, peer].filter(({ key }) => !key.scopes.has(need))) {
            const { status } = await exchange(
              port,
              request({
                method,
                path: target,
                headers: { "x-api-key": secret },
                ...(method === "GET" || method === "DELETE" ? {} : { body: "{}" })
              })
            )
            assert.include([403, 404, 405], status, `${method} ${target} by ${key.name}`)
          }
        }
      }
      assert.deepStrictEqual(await contents(), before)
    }))

  it("open a memory by a name that another route has, too", () =>
    withNode(settings, async ({ url }) => {
      const remove = (by: Made) =>
        fetch(`${url}${MEMORIES}/bulk`, { method: "DELETE", headers: { "x-api-key": by.secret } })
      assert.strictEqual((await remove(reader)).status, 403)
      assert.strictEqual((await remove(writer)).status, 404)
      const other = await fetch(`${url}${MEMORIES}/bulk;/promote`, {
        method: "POST",
        headers: { ...json, "x-api-key": writer.secret },
        body: "[]"
      })
      assert.deepStrictEqual(await other.json(), { error: "no such route" })
    }))

  it("are read from three places, and say why they do not open", () =>
    withNode(settings, async ({ url }) => {
      const stats = (headers: Record<string, string>, query = "") => fetch(`${url}/api/v1/stats${query}`, { headers })
      assert.strictEqual((await stats({ "x-api-key": reader.secret })).status, 200)
      assert.strictEqual((await stats({ authorization: `Bearer ${reader.secret}` })).status, 200)
      assert.strictEqual((await stats({ authorization: `bearer ${reader.secret}` })).status, 200)
      assert.strictEqual((await stats({}, `?api_key=${reader.secret}`)).status, 200)
      assert.strictEqual((await stats({ authorization: `Basic ${reader.secret}` })).status, 401)
      assert.strictEqual((await stats({ "x-api-key": soon.secret })).status, 200)
      // One of them that opens it is enough.
      assert.strictEqual(
        (await stats({ "x-api-key": writer.secret, authorization: `Bearer ${reader.secret}` })).status,
        200
      )

      const expired = await stats({ "x-api-key": past.secret })
      assert.strictEqual(expired.status, 401)
      assert.deepStrictEqual(await expired.json(), { error: "this API key has expired" })
      const lacking = await fetch(`${url}${MEMORIES}`, {
        method: "POST",
        headers: { ...json, "x-api-key": reader.secret },
        body: memory("none")
      })
      assert.strictEqual(lacking.status, 403)
      assert.deepStrictEqual(await lacking.json(), {
        error: "this API key does not open this: it would need the scope write"
      })
      const digest = reader.key.digest.toString("hex")
      for (
        const wrong of [
          digest,
          `sha256:${digest}`,
          reader.secret.slice(0, -1),
          `${reader.secret}x`,
          reader.secret.toUpperCase()
        ]
      ) {
        assert.strictEqual((await stats({ "x-api-key": wrong })).status, 401)
      }
    }))

  it("are asked of metrics, unless these are open", async () => {
    await withNode({ ...settings, openMetrics: true }, async ({ url }) => {
      assert.strictEqual((await fetch(`${url}/metrics`)).status, 200)
      assert.strictEqual((await fetch(`${url}/api/v1/metrics`)).status, 200)
      assert.strictEqual((await fetch(`${url}/api/v1/stats`)).status, 401)
    })
  })
})

describe("a key that speaks for an agent", () => {
  const post = (url: string, path: string, body: string, headers: Record<string, string> = {}) =>
    fetch(`${url}${path}`, { method: "POST", headers: { ...json, "x-api-key": alice.secret, ...headers }, body })

  it("makes what is written that agent's, whoever it says to be", () =>
    withNode(settings, async ({ contents, url }) => {
      const created = await post(url, MEMORIES, memory("one"))
      assert.strictEqual(created.status, 201)
      assert.include(await created.json(), { agent_id: "alice" })
      assert.include(await (await post(url, MEMORIES, memory("two", { agent_id: "alice" }))).json(), {
        agent_id: "alice"
      })
      const inMetadata = await post(url, MEMORIES, memory("three", { metadata: { agent_id: "bob" } }))
      assert.include(await inMetadata.json(), { agent_id: "alice" })

      const before = await contents()
      const refused: ReadonlyArray<readonly [field: string, answer: Promise<Response>]> = [
        ["agent_id", post(url, MEMORIES, memory("four", { agent_id: "bob" }))],
        ["X-Agent-Id", post(url, MEMORIES, memory("four"), { "x-agent-id": "bob" })],
        [
          "memories[1].agent_id",
          post(url, `${MEMORIES}/bulk`, `{"memories":[${memory("a")},${memory("b", { agent_id: "bob" })}]}`)
        ],
        ["memories[0].agent_id", post(url, `${MEMORIES}/bulk`, `[${memory("b", { agent_id: "bob" })}]`)],
        ["agent_id", post(url, "/api/v1/agents", JSON.stringify({ agent_id: "bob", agent_type: "human" }))],
        [
          "agent_id",
          post(url, "/api/v1/notify", JSON.stringify({ agent_id: "bob", to: "carol", title: "t", payload: "p" }))
        ],
        [
          "observed_by",
          post(url, "/api/v1/links", JSON.stringify({ source_id: "a", target_id: "b", observed_by: "bob" }))
        ],
        ["agent_id", fetch(`${url}/api/v1/inbox?agent_id=bob`, { headers: { "x-api-key": alice.secret } })]
      ]
      for (const [field, answer] of refused) {
        const { json: read, status } = await answer.then(async (response) => ({
          status: response.status,
          json: await response.json()
        }))
        assert.strictEqual(status, 403, field)
        assert.deepStrictEqual(read, {
          error: `${field} names another agent than the one that this API key speaks for`,
          field
        })
      }
      assert.deepStrictEqual(await contents(), before)
    }))

  it("does nothing in which others speak, whatever its scopes", () => {
    const bound = made("bound", ["read", "write", "admin", "peer"], { agentId: Option.some(AgentId.make("alice")) })
    return withNode({ apiKeys: Option.some([bound.key]) }, async ({ contents, url }) => {
      const before = await contents()
      const row = { id: "one", title: "t", content: "c", metadata: { agent_id: "bob" }, agent_id: "alice" }
      const asked = [
        ["/api/v1/import", "application/json", JSON.stringify({ memories: [row] })],
        ["/api/v1/import", "application/x-ndjson", `${JSON.stringify({ type: "memory", ...row })}\n`],
        ["/api/v1/sync/push", "application/json", JSON.stringify({ sender_agent_id: "alice", memories: [] })]
      ] as const
      for (const [path, type, body] of asked) {
        const headers = { "content-type": type, "x-api-key": bound.secret }
        const answered = await fetch(`${url}${path}`, { method: "POST", headers, body })
        assert.strictEqual(answered.status, 403, path)
        assert.deepStrictEqual(await answered.json(), {
          error: "this API key speaks for one agent, and here others would speak, too"
        })
      }
      assert.strictEqual(
        (await fetch(`${url}/api/v1/sync/hello`, { headers: { "x-api-key": bound.secret } })).status,
        403
      )
      assert.deepStrictEqual(await contents(), before)
    })
  })

  it("lets others be looked for", () =>
    withNode(settings, async ({ url }) => {
      const found = await fetch(`${url}${MEMORIES}?agent_id=bob`, { headers: { "x-api-key": alice.secret } })
      assert.strictEqual(found.status, 200)
      const inbox = await fetch(`${url}/api/v1/inbox`, { headers: { "x-api-key": alice.secret } })
      assert.include(await inbox.json(), { agent_id: "alice" })
    }))
})

describe("a file of keys", () => {
  const stats = async (url: string, { secret }: Made) =>
    (await fetch(`${url}/api/v1/stats`, { headers: { "x-api-key": secret } })).status

  const until = async (what: string, holds: () => Promise<boolean>) => {
    const end = Date.now() + 10_000
    while (!(await holds())) {
      if (Date.now() > end) assert.fail(`${what} did not come true`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  it("holds as it is now: a key that is added opens, one that is revoked does not", async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-keys-"))
    const file = path.join(folder, "keys.json")
    const write = (...keys: ReadonlyArray<Made>) => {
      fs.writeFileSync(`${file}.new`, keyDocument.print(keys.map(({ key }) => key)))
      fs.renameSync(`${file}.new`, file)
    }
    try {
      write(reader)
      await withNode({ apiKeys: Option.some([]), apiKeysFile: Option.some(file) }, async ({ url }) => {
        await until("the first key opens", async () => await stats(url, reader) === 200)
        assert.strictEqual(await stats(url, soon), 401)
        write(soon)
        await until("the new key opens", async () => await stats(url, soon) === 200)
        assert.strictEqual(await stats(url, reader), 401)
        // What can not be read changes nothing, and neither does a file that has gone.
        fs.writeFileSync(file, "{")
        await new Promise((resolve) => setTimeout(resolve, 1_500))
        assert.strictEqual(await stats(url, soon), 200)
        fs.rmSync(file)
        await new Promise((resolve) => setTimeout(resolve, 1_500))
        assert.strictEqual(await stats(url, soon), 200)
        // Asked without fetch, which takes an answer that says it closes for a whole one where it is cut.
        const listening = async ({ secret }: Made) => {
          const asked = http.get(`${url}/api/v1/approvals/stream`, { headers: { "x-api-key": secret } })
          const [answer]: ReadonlyArray<http.IncomingMessage> = await once(asked, "response")
          if (answer === undefined) assert.fail("answered by nothing")
          const over = new Promise((resolve) => {
            answer.on("error", () => {}).on("close", () => resolve(answer.complete ? "ended" : "cut")).resume()
          })
          return { status: answer.statusCode, over }
        }
        // Under load a key may have run out before anything was asked by it: then one that lives longer is made.
        const brieflyListening = async (
          seconds: number
        ): Promise<Awaited<ReturnType<typeof listening>> & { readonly end: number }> => {
          const end = Date.now() + seconds * 1_000
          const brief = made("brief", ["read"], { expiresAt: Option.some(Stamp.fromMillis(end)) })
          write(soon, brief)
          while (Date.now() < end && await stats(url, brief) !== 200) {
            await new Promise((resolve) => setTimeout(resolve, 50))
          }
          const heard = await listening(brief)
          return heard.status === 200 || seconds > 20 ? { ...heard, end } : brieflyListening(seconds * 2)
        }
        const ofBrief = await brieflyListening(3)
        const ofSoon = await listening(soon)
        assert.deepStrictEqual([ofBrief.status, ofSoon.status], [200, 200])
        // An answer that has begun ends with its key, by its time or by the file.
        const overdue = (end: number) =>
          new Promise((resolve) => setTimeout(() => resolve("goes on"), end - Date.now() + 3_000))
        const first = [ofBrief.over, ofSoon.over.then(() => "the other"), overdue(ofBrief.end)]
        assert.strictEqual(await Promise.race(first), "cut")
        // No key left is not the same as none asked for.
        write()
        await until("nothing opens", async () => await stats(url, soon) === 401)
        assert.strictEqual(await Promise.race([ofSoon.over, overdue(Date.now())]), "cut")
        assert.strictEqual((await fetch(`${url}/api/v1/stats`)).status, 401)
      })
    } finally {
      fs.rmSync(folder, { recursive: true })
    }
  }, 90_000)
})

describe("how much one caller may ask", () => {
  const status = async (url: string, { secret }: Made) => {
    const answered = await fetch(`${url}/api/v1/stats`, { headers: { "x-api-key": secret } })
    return { status: answered.status, after: answered.headers.get("retry-after"), body: await answered.json() }
  }

  it("is bounded in a second, for each key alone", () =>
    withNode({ ...settings, rateLimit: 3 }, async ({ url }) => {
      const answers = []
      for (let at = 0; at < 8; at++) answers.push(await status(url, reader))
      const refused = answers.filter((each) => each.status === 429)
      assert.isAtLeast(refused.length, 3)
      assert.deepStrictEqual(refused[0], {
        status: 429,
        after: "1",
        body: { error: "too many requests of this caller in a second: nothing was done, try again later" }
      })
      assert.strictEqual((await status(url, soon)).status, 200)
      assert.strictEqual((await fetch(`${url}/health/live`)).status, 200)
      const hello = await fetch(`${url}/api/v1/sync/hello`, { headers: { "x-api-key": peer.secret } })
      assert.notStrictEqual(hello.status, 429)
    }))

  it("is bounded for who has no key that opens, too", () =>
    withNode({ ...settings, rateLimit: 3 }, async ({ url }) => {
      const statuses = []
      for (let at = 0; at < 8; at++) {
        statuses.push((await fetch(`${url}/api/v1/stats`, { headers: { "x-api-key": `guess ${at}` } })).status)
      }
      assert.deepStrictEqual(statuses.slice(0, 3), [401, 401, 401])
      assert.isAtLeast(statuses.filter((each) => each === 429).length, 3)
      assert.strictEqual((await status(url, reader)).status, 200)
    }))

  it.each([
    ["127.0.0.1", "127.0.0.1"],
    ["::ffff:192.0.2.1", "::ffff:192.0.2.1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
    ["2001:db8:1:2::6", "2001:db8:1:2"],
    ["2001:db8::6", "2001:db8:0:0"],
    ["fe80::1%eth0", "fe80:0:0:0"],
    ["::1", "0:0:0:0"],
    ["1::2:3:4:5:6:7", "1:0:2:3"]
  ])("is that of one network, where anybody has as many addresses as he likes: %s", (address, network) => {
    assert.strictEqual(Rates.networkOf(address), network)
  })

  it("is bounded at the same time", () =>
    withNode({ ...settings, concurrencyLimit: 1 }, async ({ url }) => {
      const listening = new AbortController()
      const open = await fetch(`${url}/api/v1/approvals/stream`, {
        headers: { "x-api-key": reader.secret },
        signal: listening.signal
      })
      assert.strictEqual(open.status, 200)
      assert.deepStrictEqual((await status(url, reader)).body, {
        error: "too many requests of this caller at the same time: nothing was done, try again later"
      })
      assert.strictEqual((await status(url, soon)).status, 200)
      listening.abort()
      const end = Date.now() + 5_000
      while ((await status(url, reader)).status !== 200) {
        if (Date.now() > end) assert.fail("a request that is over counts for ever")
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }))
})
