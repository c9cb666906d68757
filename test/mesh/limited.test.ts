import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as keyDirectory from "../../src/access/keyDirectory.js"
import * as NodeConfig from "../../src/config/NodeConfig.js"
import { NodeId } from "../../src/domain/ids.js"
import { HttpListener } from "../../src/http/server/Server.js"
import * as MemoryNode from "../../src/MemoryNode.js"
import * as Original from "../interop/Original.js"
import * as Api from "./api.js"
import { call, freePorts, isRecord, until } from "./Cluster.js"

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-limited-"))
afterAll(() => fs.rmSync(folder, { recursive: true }))

/** What stands in a row that nobody outside of its namespace may ever have. */
const SECRET = "nobody on the edge may read this"

const start = (name: string, ports: Readonly<Record<string, number>>, settings: Partial<NodeConfig.Settings>) =>
  ManagedRuntime.make(
    MemoryNode.layerDaemon.pipe(
      Layer.provide(NodeConfig.layerWith({
        port: ports[name] ?? 0,
        db: path.join(folder, `${ports[name]}.db`),
        nodeId: Option.some(NodeId.make(name)),
        quorumPeers: Object.entries(ports).flatMap(([other, port]) =>
          other === name ? [] : [`http://127.0.0.1:${port}`]
        ),
        quorumWrites: Option.some(2),
        quorumTimeout: Duration.seconds(2),
        catchupInterval: Duration.millis(500),
        shutdownGrace: Duration.seconds(1),
        ...settings
      })),
      Layer.provide(Logger.remove(Logger.defaultLogger))
    )
  )

const urlOf = async (node: ReturnType<typeof start>) => (await node.runPromise(HttpListener)).url
const everything = { allowed_namespaces: ["*"] }
const listOf = (rows: Record<string, unknown>) => ({ peerAttestation: Option.some(JSON.stringify(rows)) })

const hello = async (url: string, as: string) => {
  const { body } = await call(url, "GET", "/api/v1/sync/hello", { headers: { "x-peer-id": as } })
  return body
}
const vectorOf = (body: Record<string, unknown>) =>
  JSON.stringify(Object.entries(Api.record(body["vector"])).sort(([a], [b]) => a < b ? -1 : 1))
const sharedOf = (body: Record<string, unknown>) => Api.record(body["limited"])["digest"]

const metric = async (url: string, name: string): Promise<ReadonlyArray<number>> => {
  const text = await (await fetch(`${url}/metrics`)).text()
  return text.split("\n").filter((line) => line.startsWith(name)).map((line) => Number(line.split(" ").at(-1)))
}

/** Everything that is in a database, with what is not checkpointed yet. */
const bytesOf = (file: string) =>
  [file, `${file}-wal`].map((name) => fs.existsSync(name) ? fs.readFileSync(name, "latin1") : "").join("")

const settled = (urls: Readonly<Record<string, string>>) =>
  until("all hold the same operations", async () => {
    const all = await Promise.all(Object.values(urls).map((url) => hello(url, "one")))
    return new Set(all.map(vectorOf)).size === 1
  })

const withNodes = async (
  settings: Readonly<Record<string, Partial<NodeConfig.Settings>>>,
  body: (
    urls: Readonly<Record<string, string>>,
    again: (name: string) => Promise<void>,
    files: Readonly<Record<string, string>>
  ) => Promise<void>
) => {
  const free = await freePorts(Object.keys(settings).length)
  const ports = Object.fromEntries(Object.keys(settings).map((name, at) => [name, free[at] ?? 0]))
  const nodes = new Map(Object.entries(settings).map(([name, own]) => [name, start(name, ports, own)]))
  try {
    const urls = Object.fromEntries(
      await Promise.all(Array.from(nodes, async ([name, node]) => [name, await urlOf(node)] as const))
    )
    const again = async (name: string) => {
      await nodes.get(name)?.dispose()
      const node = start(name, ports, settings[name] ?? {})
      nodes.set(name, node)
      await node.runPromise(Effect.void)
    }
    const files = Object.fromEntries(
      Object.entries(ports).map(([name, port]) => [name, path.join(folder, `${port}.db`)])
    )
    for (const url of Object.values(urls)) {
      await until("it is in touch", async () => {
        const { body } = await call(url, "GET", "/health/ready")
        return JSON.stringify(body).includes(`${free.length - 1} of ${free.length - 1} answer`)
      })
    }
    await body(urls, again, files)
  } finally {
    await Promise.all(Array.from(nodes.values(), (node) => node.dispose()))
  }
}

describe("a node that is limited to some namespaces", () => {
  const rows = { one: everything, two: everything, edge: { allowed_namespaces: ["team/*"] } }
  const mesh = { one: listOf(rows), two: listOf(rows), edge: {} }

  it(
    "holds a whole vector, what is in them, and nothing of all else, whatever is moved",
    () =>
      withNodes(mesh, async (urls, again, files) => {
        const { edge = "", one = "", two = "" } = urls
        const own = await Api.create(one, { title: "own", namespace: "team/a" })
        const hidden = await Api.create(one, { title: "hidden", namespace: "secret/s", content: SECRET })
        const deep = await Api.create(two, { title: "deep", namespace: "team/a/deep", content: SECRET })
        const leaving = await Api.create(one, { title: "leaving", namespace: "team/b" })
        const ending = await Api.create(two, { title: "ending", namespace: "team/b" })
        const archived = await Api.create(one, { title: "archived", namespace: "team/b" })
        await Api.ask(one, "POST /links", {
          body: { source_id: own, target_id: hidden, relation: "related_to" },
          status: 201
        })
        const shown = (id: string) => async () => (await Api.memory(edge, id)) !== undefined
        const gone = (id: string) => async () => (await Api.memory(edge, id)) === undefined
        for (const id of [own, leaving, ending, archived]) await until(`the edge has ${id}`, shown(id))

        await Api.ask(one, `PUT /memories/${leaving}`, { body: { namespace: "secret/s", content: SECRET } })
        await Api.ask(two, `PUT /memories/${hidden}`, { body: { namespace: "team/c", content: "for all by now" } })
        await Api.ask(two, `DELETE /memories/${ending}`)
        await Api.ask(one, "POST /archive", { body: { ids: [archived] } })
        await until("what moved out is gone", gone(leaving))
        await until("what moved in is there", shown(hidden))
        await until("what was deleted is gone", gone(ending))
        await until("what was archived is gone", gone(archived))

        const back = await Api.create(edge, { title: "back", namespace: "team/c" })
        await until(
          "the others have what it wrote",
          async () => (await Api.memory(one, back)) !== undefined && (await Api.memory(two, back)) !== undefined
        )
        await settled(urls)

        const compare = async () => {
          const [theirs, ours] = await Promise.all([hello(one, "edge"), hello(edge, "one")])
          return vectorOf(theirs) === vectorOf(ours) && sharedOf(theirs) !== undefined &&
            sharedOf(theirs) === sharedOf(ours)
        }
        await until("what both may see has the same sum", compare)
        await until(
          "nothing is lacking there",
          async () => (await metric(one, "replication_lag_operations")).every((lag) => lag === 0)
        )

        await again("edge")
        await Api.create(one, { title: "later", namespace: "secret/s", content: SECRET })
        await Api.ask(one, `DELETE /memories/${own}`)
        await until("what was deleted meanwhile is gone", gone(own))
        await settled(urls)
        await until("what both may see has the same sum after a restart", compare)
        for (const url of [edge, one, two]) {
          assert.isTrue((await metric(url, "replication_divergence_total")).every((count) => count === 0))
          assert.isTrue((await metric(url, "store_check_faults")).every((count) => count === 0))
        }
        assert.isDefined(await Api.memory(one, deep))
        assert.isUndefined(await Api.memory(edge, deep))
        assert.deepStrictEqual(await Api.titles(edge, "secret/s"), [])
        assert.isFalse(bytesOf(files["edge"] ?? "").includes(SECRET))
        assert.isTrue(bytesOf(files["one"] ?? "").includes(SECRET))
      }),
    90_000
  )

  it("brings nothing elsewhere, by a push or when it is asked, and is told so", () =>
    withNodes(mesh, async (urls) => {
      const { edge = "", one = "", two = "" } = urls
      const theirs = await Api.create(one, { title: "theirs", namespace: "secret/s" })
      const moving = await Api.create(one, { title: "moving", namespace: "team/a" })
      await until("the edge has it", async () => (await Api.memory(edge, moving)) !== undefined)
      const body = { title: "outside", namespace: "secret/s", content: "from the edge" }
      const refused = await Api.ask(edge, "POST /memories", { body, status: 503 })
      assert.include(JSON.stringify(refused), "not_allowed")
      await Api.ask(edge, `PUT /memories/${moving}`, { body: { namespace: "secret/s" }, status: 503 })
      await Api.create(edge, { title: "inside", namespace: "team/a" })
      await until("what is inside arrives", async () => (await Api.titles(two, "team/a")).includes("inside"))
      // Rounds of catch-up, in which the others ask.
      await new Promise((resolve) => setTimeout(resolve, 1_500))
      for (const url of [one, two]) {
        assert.deepStrictEqual(await Api.titles(url, "secret/s"), ["theirs"])
        assert.strictEqual((await Api.memory(url, moving))?.["namespace"], "team/a")
        const [count = 0] = await metric(url, "federation_not_allowed_total")
        assert.isAbove(count, 0)
      }
      const push = (items: Record<string, unknown>) =>
        call(one, "POST", "/api/v1/sync/push", {
          body: { sender_agent_id: "edge", memories: [], ...items },
          headers: { "x-peer-id": "edge" }
        })
      const deleted = await push({ deletions: [theirs, "nothing"], archives: [theirs], restores: [theirs] })
      assert.deepInclude(deleted.body, { deleted: 0, archived: 0, restored: 0, skipped: 4, noop: 0 })
      assert.isDefined(await Api.memory(one, theirs))
    }), 60_000)

  it("knows what it may not see by the seal of its author, where all must sign and seal", () => {
    const names = Object.keys(mesh)
    const secrets = path.join(folder, "secrets")
    for (const name of names) Either.getOrThrow(keyDirectory.generate(secrets, name, { replace: false }))
    const keysOf = (name: string) => {
      const own = path.join(folder, `keys-${name}`)
      fs.mkdirSync(own, { mode: 0o700 })
      for (const file of [`${name}.priv`, ...names.map((other) => `${other}.pub`)]) {
        fs.copyFileSync(path.join(secrets, file), path.join(own, file))
      }
      return { keyDir: Option.some(own), requireSignatures: "all" as const }
    }
    return withNodes(
      Object.fromEntries(Object.entries(mesh).map(([name, own]) => [name, { ...own, ...keysOf(name) }])),
      async ({ edge = "", one = "", two = "" }) => {
        const hidden = await Api.create(one, { title: "hidden", namespace: "secret/s", content: SECRET })
        const leaving = await Api.create(two, { title: "leaving", namespace: "team/a" })
        await until("the edge has what it may", async () => (await Api.memory(edge, leaving)) !== undefined)
        await Api.ask(one, `PUT /memories/${leaving}`, { body: { namespace: "secret/s" } })
        await until("what moved out is gone", async () => (await Api.memory(edge, leaving)) === undefined)
        await Api.ask(one, `PUT /memories/${hidden}`, { body: { namespace: "team/c", content: "for all" } })
        await until("what moved in is there", async () => (await Api.memory(edge, hidden)) !== undefined)
        await until(
          "nothing is lacking there",
          async () => (await metric(one, "replication_lag_operations")).every((lag) => lag === 0)
        )
      }
    )
  }, 60_000)

  it("is no ack for what it may not hold", async () => {
    const pair = { one: everything, edge: { allowed_namespaces: ["team/*"] } }
    await withNodes({ one: listOf(pair), edge: {} }, async ({ one = "" }) => {
      await Api.create(one, { title: "inside", namespace: "team/a" })
      const refused = await Api.ask(one, "POST /memories", {
        body: { title: "outside", namespace: "secret/s", content: SECRET },
        status: 503
      })
      assert.include(JSON.stringify(refused), "withheld")
    })
  }, 60_000)

  it("is whole again once it may see everything", async () => {
    const file = path.join(folder, "list.json")
    const write = (namespaces: ReadonlyArray<string>) =>
      fs.writeFileSync(file, JSON.stringify({ one: everything, edge: { allowed_namespaces: namespaces } }))
    write(["team/*"])
    await withNodes({ one: { peerAttestation: Option.some(file) }, edge: {} }, async ({ edge = "", one = "" }) => {
      await Api.ask(one, "POST /memories", {
        body: { title: "outside", namespace: "secret/s", content: "c" },
        status: 503
      })
      await Api.create(one, { title: "inside", namespace: "team/a" })
      assert.isUndefined((await hello(edge, "stranger"))["digest"])
      write(["*"])
      await until("it has all", async () => (await Api.titles(edge, "secret/s")).includes("outside"))
      await until("its sums are those of all", async () => {
        const [theirs, ours] = await Promise.all([hello(one, "edge"), hello(edge, "one")])
        return ours["digest"] !== undefined && ours["digest"] === theirs["digest"]
      })
    })
  }, 60_000)
})

describe("a list of peers", () => {
  const rows = { one: everything, two: { allowed_namespaces: ["team/*"], allowed_sender_agent_ids: ["ai:relay"] } }

  it(
    "refuses who is not in it, and who says to be another",
    () =>
      withNodes({ one: { ...listOf(rows), quorumPeers: [], quorumWrites: Option.none() } }, async ({ one = "" }) => {
        const push = (peer: string | undefined, sender: string) =>
          call(one, "POST", "/api/v1/sync/push", {
            body: { sender_agent_id: sender, memories: [] },
            headers: peer === undefined ? {} : { "x-peer-id": peer }
          })
        const answers = async (peer: string | undefined, sender: string) => {
          const { body, status } = await push(peer, sender)
          return [status, body["error"]]
        }
        assert.deepStrictEqual(await answers("stranger", "stranger"), [401, "x_peer_id_not_in_allowlist"])
        assert.deepStrictEqual(await answers(undefined, "two"), [403, "peer_id_header_missing"])
        assert.deepStrictEqual(await answers("two", "one"), [403, "sender_agent_id_mismatch"])
        assert.strictEqual((await push("two", "two")).status, 200)
        assert.strictEqual((await push("two", "ai:relay")).status, 200)
        for (const question of ["hello", "digests", "since?vv=%7B%7D"]) {
          const { body, status } = await call(one, "GET", `/api/v1/sync/${question}`, {
            headers: { "x-peer-id": "stranger" }
          })
          assert.deepStrictEqual([status, body["error"]], [401, "x_peer_id_not_in_allowlist"])
        }
        const sums = await call(one, "GET", "/api/v1/sync/digests", { headers: { "x-peer-id": "two" } })
        assert.strictEqual(sums.status, 403)
      }),
    30_000
  )

  it(
    "gives an original node the rows that it may see, a full page as long as there are some",
    () =>
      withNodes({ one: { ...listOf(rows), quorumPeers: [], quorumWrites: Option.none() } }, async ({ one = "" }) => {
        for (let at = 0; at < 12; at++) {
          await Api.create(one, { title: `hidden ${at}`, namespace: "secret/s", content: SECRET })
          if (at % 4 === 3) await Api.create(one, { title: `shown ${at}`, namespace: "team/a" })
        }
        const page = async (peer: string | undefined, since: string, limit: number) =>
          (await call(one, "GET", `/api/v1/sync/since?limit=${limit}&since=${encodeURIComponent(since)}`, {
            headers: peer === undefined ? {} : { "x-peer-id": peer }
          })).body
        const titles: Array<unknown> = []
        let since = ""
        for (let round = 0; round < 3; round++) {
          const found = await page("two", since, 1)
          const [row] = Array.isArray(found["memories"]) ? found["memories"].filter(isRecord) : []
          assert.isDefined(row)
          titles.push(row["title"])
          since = String(found["latest_updated_at"])
          assert.isUndefined(found["scope_status"])
        }
        assert.deepStrictEqual(titles, ["shown 3", "shown 7", "shown 11"])
        assert.deepInclude(await page("two", since, 100), { memories: [], count: 0 })
        for (const peer of ["stranger", undefined]) {
          assert.deepInclude(await page(peer, "", 100), { memories: [], scope_status: "no_allowlist_default_deny" })
        }
        assert.deepInclude(await page("one", "", 100), { count: 15 })
      }),
    30_000
  )

  it("keeps what is pushed to an original node within the namespaces of its address", async () => {
    const original = await Original.start({ name: "old", peers: [], quorumWrites: 0, catchupMillis: 0 })
    try {
      const own = listOf({ one: everything, [original.url]: { allowed_namespaces: ["team/*"] } })
      const ports = await freePorts(1)
      const node = start("one", { one: ports[0] ?? 0 }, {
        ...own,
        quorumPeers: [original.url],
        quorumWrites: Option.some(2)
      })
      try {
        const one = await urlOf(node)
        await until("what is inside has its quorum", async () =>
          (await call(one, "POST", "/api/v1/memories", {
            body: { title: `inside ${Math.random()}`, content: "c", namespace: "team/a" }
          })).status === 201)
        const refused = await Api.ask(one, "POST /memories", {
          body: { title: "outside", namespace: "secret/s", content: SECRET },
          status: 503
        })
        assert.include(JSON.stringify(refused), "withheld")
        await Api.create(one, { title: "last", namespace: "team/a" })
        await new Promise((resolve) => setTimeout(resolve, 1_500))
        const namespaces = new Set(original.memories().map(({ namespace }) => namespace))
        assert.deepStrictEqual(Array.from(namespaces), ["team/a"])
        assert.isFalse(JSON.stringify(original.requests()).includes(SECRET))
      } finally {
        await node.dispose()
      }
    } finally {
      await original.stop()
    }
  }, 30_000)

  it("that can not be read refuses everybody", () =>
    withNodes(
      { one: { peerAttestation: Option.some("{\"two\": 1}"), quorumPeers: [], quorumWrites: Option.none() } },
      async ({ one = "" }) => {
        const { status } = await call(one, "GET", "/api/v1/sync/hello", { headers: { "x-peer-id": "two" } })
        assert.strictEqual(status, 401)
        await Api.create(one, { title: "of a client", namespace: "team/a" })
      }
    ), 30_000)
})
