import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { kgInvalidate } from "../../src/operations/graph/kgInvalidate.js"
import { link } from "../../src/operations/graph/link.js"
import { linksOf } from "../../src/operations/graph/linksOf.js"
import { unlink } from "../../src/operations/graph/unlink.js"
import { remember } from "../../src/operations/memories/remember.js"
import type { Caller } from "../../src/operations/writing/Written.js"
import * as VersionVector from "../../src/replication/VersionVector.js"
import { MemoryStore } from "../../src/store/MemoryStore.js"
import { Network, type Node, startNodes } from "../federation/inProcess.js"
import { until } from "../mesh/Cluster.js"

const [A, B, C] = ["http://a", "http://b", "http://c"] as const
const nobody: Caller = { agentId: Option.none(), idempotencyKey: Option.none() }

describe("links on three nodes", () => {
  let nodes: ReadonlyArray<Node> = []
  let network = new Network()
  afterEach(() => Promise.all(nodes.map((node) => node.dispose())))

  const at = (index: number) => {
    const node = nodes[index]
    assert.isDefined(node)
    return node
  }
  const states = () =>
    Promise.all(
      nodes.map((node) =>
        node.runPromise(Effect.map(MemoryStore, (store) => ({ vector: store.vector(), digest: store.digest() })))
      )
    )
  const settled = async () => {
    await until("equal vectors", async () => {
      const [first, ...rest] = await states()
      return first !== undefined && rest.every(({ vector }) => VersionVector.equals(first.vector, vector))
    })
    assert.lengthOf(new Set((await states()).map(({ digest }) => digest)), 1, "equal vectors, equal digests")
  }
  const store = (index: number, title: string) =>
    at(index).runPromise(Effect.map(remember({ title, content: "c" }, nobody), ({ memory }) => memory.id))
  const connect = (index: number, source_id: string, target_id: string) =>
    at(index).runPromise(link({ source_id, target_id }, nobody).pipe(Effect.either))
  const cutAll = () => {
    for (const url of [A, B, C]) network.cut.add(url)
  }
  /** The links of a memory with their ends, the same on all nodes. */
  const shown = async (id: string) => {
    const [first, ...rest] = await Promise.all(nodes.map((node) => node.runPromise(linksOf(id))))
    assert.isDefined(first)
    for (const other of rest) assert.deepStrictEqual(other, first)
    return first.map(({ relation, source_id, target_id, valid_until }) => [source_id, relation, target_id, valid_until])
  }
  const start = async (w: number) => {
    network = new Network()
    nodes = startNodes(network, [A, B, C], { w, ackTimeout: "600 millis" })
    const hello = remember({ title: "hello", content: "c", on_conflict: "merge" }, nobody).pipe(Effect.either)
    await until("in touch", async () => Either.isRight(await at(0).runPromise(hello)))
    await settled()
    return { a: await store(0, "a"), b: await store(0, "b") }
  }

  it("shows a link to those who looked before there was any, on whatever node it was made", async () => {
    network = new Network()
    nodes = startNodes(network, [A, B, C], { w: 1, ackTimeout: "600 millis" })
    const [a, b] = [await store(0, "first"), await store(0, "second")]
    await settled()
    const counts = () =>
      Promise.all(nodes.map((node) => node.runPromise(Effect.map(linksOf(a), (found) => found.length))))
    assert.deepStrictEqual(await counts(), [0, 0, 0])
    assert.deepStrictEqual(await counts(), [0, 0, 0])
    assert.isTrue(Either.isRight(await connect(1, a, b)))
    await settled()
    assert.deepStrictEqual(await counts(), [1, 1, 1])
  })

  it("are made, ended and removed on all of them", async () => {
    const { a, b } = await start(2)
    const made = await connect(0, a, b)
    assert(Either.isRight(made))
    assert.isAtLeast(made.right.acks, 2)
    await settled()
    assert.deepStrictEqual(await shown(a), [[a, "related_to", b, undefined]])
    const until = "2030-01-01T00:00:00.000000000+00:00"
    await at(1).runPromise(
      kgInvalidate({ source_id: a, target_id: b, relation: "related_to", valid_until: until }, nobody)
    )
    await settled()
    assert.deepStrictEqual(await shown(b), [[a, "related_to", b, until]])
    const { acks, removed } = await at(2).runPromise(unlink({ source_id: a, target_id: b }, nobody))
    assert.deepStrictEqual([removed, acks >= 2], [1, true])
    await settled()
    assert.deepStrictEqual(await shown(a), [])
  })

  it("answer for a link that is there only when a quorum holds it", async () => {
    const { a, b } = await start(2)
    await settled()
    cutAll()
    const alone = await connect(0, a, b)
    assert(Either.isLeft(alone) && alone.left._tag === "QuorumNotMet")
    const again = await connect(0, a, b)
    assert(Either.isLeft(again) && again.left._tag === "QuorumNotMet", "being there is not yet being held")
    assert.strictEqual(again.left.opId, alone.left.opId)
    network.cut.clear()
    await settled()
    const held = await connect(0, a, b)
    assert(Either.isRight(held))
    assert.strictEqual(held.right.opId, alone.left.opId, "the same operation")
    assert.isAtLeast(held.right.acks, 2)
    const elsewhere = await connect(1, a, b)
    assert(Either.isRight(elsewhere))
    assert.strictEqual(elsewhere.right.opId, alone.left.opId, "also on a node that did not write it")
    assert.isAtLeast(elsewhere.right.acks, 2)
  })

  it("made and removed at the same time stay where the removal had not seen them", async () => {
    const { a, b } = await start(1)
    await settled()
    cutAll()
    for (const index of [0, 1]) assert.isTrue(Either.isRight(await connect(index, a, b)))
    assert.strictEqual((await at(0).runPromise(unlink({ source_id: a, target_id: b }, nobody))).removed, 1)
    network.cut.clear()
    await settled()
    assert.deepStrictEqual(await shown(a), [[a, "related_to", b, undefined]], "the link of the other node")
    assert.strictEqual((await at(0).runPromise(unlink({ source_id: a, target_id: b }, nobody))).removed, 1)
    await settled()
    assert.deepStrictEqual(await shown(a), [])
  })
})
