import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Authors from "../../src/access/Authors.js"
import * as PeerApi from "../../src/federation/wire/PeerApi.js"
import { remember } from "../../src/operations/memories/remember.js"
import * as VersionVector from "../../src/replication/VersionVector.js"
import { DeadLetters } from "../../src/store/DeadLetters.js"
import { MemoryStore } from "../../src/store/MemoryStore.js"
import { until } from "../mesh/Cluster.js"
import { knowing, table } from "../store/authors.js"
import { Network, type Node, ROUND, startNode } from "./inProcess.js"

const [A, B, C] = ["http://a", "http://b", "http://c"] as const
const nobody = { agentId: Option.none(), idempotencyKey: Option.none() }

const write = (node: Node, title: string) =>
  node.runPromise(remember({ title, content: `content of ${title}` }, nobody).pipe(Effect.either))
const writeAll = (node: Node, count: number, prefix: string) =>
  Promise.all(Array.from({ length: count }, (_, index) => write(node, `${prefix} ${index}`)))

const store = <A>(node: Node, read: (store: MemoryStore["Type"]) => A) => node.runPromise(Effect.map(MemoryStore, read))
const heldBy = (node: Node) => store(node, ({ vector }) => VersionVector.toJson(vector()))
const sealedAt = (node: Node) => store(node, ({ sealed }) => VersionVector.toJson(sealed()))
const isEqual = async (...nodes: ReadonlyArray<Node>) =>
  new Set(await Promise.all(nodes.map(async (node) => JSON.stringify(Object.entries(await heldBy(node)).sort()))))
    .size === 1
const isSealed = async (node: Node) => {
  const [held, sealed] = await Promise.all([heldBy(node), sealedAt(node)])
  return JSON.stringify(Object.entries(held).sort()) === JSON.stringify(Object.entries(sealed).sort())
}

describe("operations that are sealed", () => {
  let nodes: Array<Node> = []
  afterEach(async () => {
    await Promise.all(nodes.map((node) => node.dispose()))
    nodes = []
  })

  /** Which keys every node knows, by the names of the nodes; each has the secret of its own. */
  let keys: Readonly<Record<string, string>> = {}
  const start = (
    network: Network,
    url: string,
    others: ReadonlyArray<string>,
    { level = "enrolled", w = 1 }: { readonly level?: Authors.Authors["level"]; readonly w?: number } = {}
  ) => {
    const node = startNode(network, url, others, {
      w,
      firstRoundAfter: ROUND,
      authors: (at) => knowing(table(() => keys), { own: new URL(at).hostname, level })
    })
    nodes.push(node)
    return node
  }

  it("come with their seals over a push, a relay and a catch-up page", async () => {
    keys = { a: "a", b: "b", c: "c" }
    const network = new Network()
    const one = start(network, A, [B], { w: 2, level: "all" })
    const two = start(network, B, [A], { level: "all" })
    const first = await write(one, "first")
    assert.isTrue(Either.isRight(first), JSON.stringify(first))
    await writeAll(one, 20, "more")
    await until("the second node has all", () => isEqual(one, two))
    network.cut.add(A)
    // It never hears of their author.
    const three = start(network, C, [B], { level: "all" })
    await until("the third node has all", () => isEqual(one, two, three))
    assert.isTrue(await isSealed(three))
  })

  it("are not altered on their way, nor made up", async () => {
    keys = { a: "a", b: "b" }
    const network = new Network()
    const one = start(network, A, [B], { w: 2 })
    const two = start(network, B, [A])
    await until("they are in touch", async () => Either.isRight(await write(one, `try ${Math.random()}`)))
    // With the hash of what it says now, as its sender would make it.
    network.tamper = (body) => body.replaceAll(/"seal":"[^"]+"/g, (seal) => seal.replace(/.{9}"$/, "AAAAAAAA=\""))
    const missed = await write(one, "forged")
    assert.isTrue(Either.isLeft(missed) && JSON.stringify(missed.left).includes("forged"), JSON.stringify(missed))
    network.tamper = (body) => body.replaceAll(/"seal":"[^"]+",/g, "")
    network.tamperAnswer = network.tamper
    const bare = await write(one, "bare")
    assert.isTrue(Either.isLeft(bare) && JSON.stringify(bare.left).includes("unsealed"), JSON.stringify(bare))
    assert.isFalse(await isEqual(one, two))
  })

  it(
    "of before the key of their author are taken by a later node that asks it of all, though the author is gone",
    async () => {
      keys = {}
      const network = new Network()
      const one = start(network, A, [B], { w: 2 })
      const two = start(network, B, [A])
      await until("they are in touch", async () => Either.isRight(await write(one, `try ${Math.random()}`)))
      await writeAll(one, 300, "before")
      await writeAll(two, 20, "theirs")
      await until("both have all", () => isEqual(one, two))
      assert.isFalse(await isSealed(two))
      keys = { a: "a", b: "b", c: "c" }
      await until("the second node has all seals", () => isSealed(two), 20_000)
      network.cut.add(A)
      const three = start(network, C, [B], { level: "all" })
      await until("the third node has all", () => isEqual(one, two, three), 20_000)
    },
    60_000
  )

  it("of before a new key of their author come to who knows that alone", async () => {
    keys = { a: "old", b: "b" }
    const network = new Network()
    const one = start(network, A, [B], { w: 2 })
    const two = start(network, B, [A])
    await until("they are in touch", async () => Either.isRight(await write(one, `try ${Math.random()}`)))
    await writeAll(one, 30, "before")
    keys = { a: "new", b: "b", c: "c" }
    const written = await write(one, "after")
    assert.isTrue(Either.isRight(written), JSON.stringify(written))
    await until("the second node has all seals", async () => await isEqual(one, two) && await isSealed(two), 20_000)
    network.cut.add(A)
    const three = start(network, C, [B], { level: "all" })
    await until("the third node has all", () => isEqual(one, two, three), 20_000)
    assert.isTrue(await isSealed(three))
  }, 60_000)

  it("that were refused for want of a seal are sent again once they have one", async () => {
    keys = {}
    const network = new Network()
    network.refuse = ({ path }) => path.startsWith(PeerApi.SINCE_PATH) ? 503 : undefined
    const one = startNode(network, A, [B], {
      w: 2,
      firstRoundAfter: ROUND,
      authors: () => knowing(table(() => keys), { own: "a" })
    })
    const two = startNode(network, B, [A], {
      w: 1,
      firstRoundAfter: ROUND,
      authors: () => knowing(table(() => ({ a: "a" })))
    })
    nodes.push(one, two)
    await until("it is refused", async () => {
      const missed = await write(one, `early ${Math.random()}`)
      return Either.isLeft(missed) && JSON.stringify(missed.left).includes("unsealed")
    })
    const depth = () => one.runPromise(Effect.map(DeadLetters, (letters) => letters.depth()))
    await until("it waits for another attempt", async () => await depth() > 0)
    keys = { a: "a" }
    await until("all of it is there", () => isEqual(one, two), 20_000)
    await until("nothing waits any more", async () => await depth() === 0, 20_000)
  }, 60_000)
})
