import { afterAll, afterEach, assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DIGEST_BUCKETS } from "../../src/domain/limits.js"
import { Federation } from "../../src/federation/Federation.js"
import * as serveCatchup from "../../src/federation/inbound/serveCatchup.js"
import { remember } from "../../src/operations/memories/remember.js"
import { remove } from "../../src/operations/memories/remove.js"
import type { Caller } from "../../src/operations/writing/Written.js"
import * as VersionVector from "../../src/replication/VersionVector.js"
import * as Digest from "../../src/store/log/Digest.js"
import { MemoryStore } from "../../src/store/MemoryStore.js"
import { Metrics } from "../../src/telemetry/Metrics.js"
import { until } from "../mesh/Cluster.js"
import { Network, type Node, startNode } from "./inProcess.js"

const nobody: Caller = { agentId: Option.none(), idempotencyKey: Option.none() }

describe("the standing check of digests", () => {
  const folder = mkdtempSync(join(tmpdir(), "quorate-divergence-"))
  let nodes: Array<Node> = []
  afterEach(async () => {
    await Promise.all(nodes.map((node) => node.dispose()))
    nodes = []
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  /** The alarms of all nodes, with the peer that each is about. */
  const alarms: Array<{ readonly level: string; readonly text: string }> = []
  const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
    const text = Array.isArray(message) ? message.join(" ") : String(message)
    if (text.includes("came to another state")) alarms.push({ level: logLevel.label, text })
  })
  const start = async (network: Network, urls: ReadonlyArray<string>) => {
    alarms.length = 0
    const file = (url: string) => join(folder, `${new URL(url).hostname}.db`)
    nodes = urls.map((url) => startNode(network, url, urls.filter((other) => other !== url), { w: 1, file, logger }))
    await Promise.all(nodes.map((node) => node.runPromise(Effect.void)))
    return file
  }
  const at = (index: number) => {
    const node = nodes[index]
    assert.isDefined(node)
    return node
  }
  const write = (index: number, title: string) =>
    at(index).runPromise(Effect.map(remember({ title, content: "c" }, nobody), ({ memory }) => memory.id))
  const equalVectors = async () => {
    const [first, ...rest] = await Promise.all(
      nodes.map((node) => node.runPromise(Effect.map(MemoryStore, (store) => store.vector())))
    )
    return first !== undefined && rest.every((other) => VersionVector.equals(first, other))
  }
  /** A greeting of every peer by every node, as each round of catch-up makes it. */
  const greetings = () =>
    Promise.all(
      nodes.map((node) =>
        node.runPromise(Effect.flatMap(Federation, ({ links }) => Effect.forEach(links, ({ refresh }) => refresh)))
      )
    )
  /** How often a node found this peer to be in another state. */
  const counted = async (index: number, peer: string): Promise<number> => {
    const text = await at(index).runPromise(Effect.flatMap(Metrics, ({ render }) => render))
    const [, value] = new RegExp(`replication_divergence_total\\{peer="${peer}"\\} (\\d+)`).exec(text) ?? []
    return Number(value ?? 0)
  }

  it("finds a row that is another one here, in its bucket, and says so once", async () => {
    const network = new Network()
    const urls = ["http://sound", "http://broken"]
    const file = await start(network, urls)
    const id = await write(0, "to be damaged")
    for (let index = 0; index < 20; index++) await write(0, `other ${index}`)
    await until("equal vectors", equalVectors)
    await greetings()
    assert.deepStrictEqual(alarms, [], "as long as all is well")
    await Promise.all(nodes.map((node) => node.dispose()))

    const damaged = new Database(file("http://broken"))
    const { changes } = damaged.prepare("UPDATE memories SET hash = ? WHERE id = ?").run("f".repeat(64), id)
    assert.strictEqual(changes, 1)
    damaged.exec("DELETE FROM digest_sums")
    damaged.close()

    await start(network, urls)
    await until("both have found it", () => Promise.resolve(alarms.length === 2))
    for (const [index, peer] of [[1, "sound"], [0, "broken"]] as const) {
      const [about, ...more] = alarms.filter(({ text }) => text.includes(`peer ${peer} `))
      assert.deepStrictEqual(more, [])
      assert.strictEqual(about?.level, "ERROR")
      assert.match(about?.text ?? "", new RegExp(`buckets that differ: ${Digest.bucketOf(id)}$`))
      assert.strictEqual(await counted(index, peer), 1)
    }
    for (let index = 0; index < 10; index++) {
      await write(index % 2, `after ${index}`)
      await until("equal vectors", equalVectors)
      await greetings()
    }
    assert.lengthOf(alarms, 2, "what both go on to write does not make it another difference")
    assert.strictEqual(await counted(0, "broken"), 1)
  }, 30_000)

  it("is silent in a busy mesh that is well", async () => {
    const network = new Network()
    await start(network, ["http://busy1", "http://busy2", "http://busy3"])
    let writing = true
    const greet = async () => {
      while (writing) {
        await greetings()
        await new Promise((resolve) => setTimeout(resolve, 1))
      }
    }
    const load = async () => {
      for (let round = 0; round < 40; round++) {
        const ids = await Promise.all([0, 1, 2, 0, 1, 2].map((index, at) => write(index, `${round} ${at}`)))
        await at(round % 3).runPromise(Effect.either(remove(ids[0] ?? "", { caller: nobody, ifMatch: Option.none() })))
        // A moment at which all can be compared, while the next writes begin.
        if (round % 5 === 0) await until("equal vectors", equalVectors)
      }
    }
    await Promise.all([
      greet(),
      load().finally(() => {
        writing = false
      })
    ])
    await until("equal vectors", equalVectors)
    await greetings()
    assert.deepStrictEqual(alarms, [])
    for (const index of [0, 1, 2]) {
      for (const peer of ["busy1", "busy2", "busy3"]) assert.strictEqual(await counted(index, peer), 0)
    }
  }, 30_000)

  it("is served by bucket, together with what it is about", async () => {
    const network = new Network()
    await start(network, ["http://alone"])
    const served = async () => {
      const { buckets, vector } = await at(0).runPromise(serveCatchup.digests)
      return { buckets, vector }
    }
    const empty = await served()
    assert.lengthOf(empty.buckets, DIGEST_BUCKETS)
    assert.isTrue(empty.buckets.every((sum) => sum === 0))
    const id = await write(0, "one")
    const { buckets, vector } = await served()
    assert.deepStrictEqual(Object.values(vector), [1])
    assert.deepStrictEqual(buckets.flatMap((sum, bucket) => sum === 0 ? [] : [bucket]), [Digest.bucketOf(id)])
    const { digest } = await at(0).runPromise(serveCatchup.hello({}))
    assert.strictEqual(digest, buckets[Digest.bucketOf(id)])
  })
})
