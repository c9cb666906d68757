import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { Federation } from "../../src/federation/Federation.js"
import * as operations from "../../src/operations/federation/deadLetters.js"
import { getMemory } from "../../src/operations/memories/getMemory.js"
import { remember } from "../../src/operations/memories/remember.js"
import { update } from "../../src/operations/memories/update.js"
import { readiness } from "../../src/operations/node/readiness.js"
import * as Embedding from "../../src/operations/recall/Embedding.js"
import * as VersionVector from "../../src/replication/VersionVector.js"
import { Checker } from "../../src/store/checking/Checker.js"
import { MemoryStore } from "../../src/store/MemoryStore.js"
import { until } from "../mesh/Cluster.js"
import { Network, type Node, ROUND, startNodes } from "./inProcess.js"

const [A, B, C] = ["http://a", "http://b", "http://c"] as const
const caller = { agentId: Option.none(), idempotencyKey: Option.none() }
const HOUR = 3_600_000

const write = (node: Node, title: string) =>
  node.runPromise(Effect.either(remember({ title, content: `content of ${title}`, tier: "long" }, caller)))

const written = async (node: Node, title: string) =>
  Either.getOrThrowWith(await write(node, title), (error) => new Error(error.message)).memory

const vectorOf = (node: Node) => node.runPromise(Effect.map(MemoryStore, (store) => store.vector()))
const writtenBy = (node: Node) =>
  node.runPromise(Effect.map(MemoryStore, (store) => VersionVector.upto(store.vector(), store.origin())))
const digestOf = (node: Node) => node.runPromise(Effect.map(MemoryStore, (store) => store.digest()))
const stateOf = (node: Node) =>
  node.runPromise(
    Effect.provide(Effect.provideService(readiness, Checker, { faults: () => [], rounds: () => 0 }), Embedding.none)
  )
const letters = (node: Node) => node.runPromise(operations.listDeadLetters({}))

const secondsAhead = (stamp: string) => (Date.parse(stamp) - Date.now()) / 1000

describe("clocks that disagree", () => {
  let nodes: ReadonlyArray<Node> = []
  const offsets = new Map<string, number>()
  afterEach(async () => {
    await Promise.all(nodes.map((node) => node.dispose()))
    offsets.clear()
  })

  const start = (network: Network, w: number) => {
    nodes = startNodes(network, [A, B, C], {
      w,
      firstRoundAfter: ROUND,
      clockOffsetMillis: (url) => offsets.get(url) ?? 0
    })
    const [a, b, c] = nodes
    assert.isDefined(a)
    assert.isDefined(b)
    assert.isDefined(c)
    return [a, b, c] as const
  }

  const agree = async () => {
    const [first, ...others] = await Promise.all(nodes.map(vectorOf))
    assert.isDefined(first)
    const digests = new Set(await Promise.all(nodes.map(digestOf)))
    return others.every((vector) => VersionVector.equals(vector, first)) && digests.size === 1
  }

  it(
    "refuse at the one that is off from most of its peers, before it writes anything, and at nobody else",
    async () => {
      const [a, b, c] = start(new Network(), 2)
      await written(a, "before")
      await until("all have it", agree)
      for (
        const [offset, words] of [[2 * HOUR, "7200 s ahead of 2 of its 2 peers"], [
          -90_000,
          "90 s behind 2 of"
        ]] as const
      ) {
        offsets.set(A, offset)
        const before = await writtenBy(a)
        const refused = await write(a, "refused")
        assert.isTrue(Either.isLeft(refused))
        if (Either.isRight(refused)) return
        assert.strictEqual(refused.left._tag, "ClockSkewed")
        assert.include(refused.left.message, words)
        assert.strictEqual(await writtenBy(a), before, "nothing was written")
        const { checks, ready } = await stateOf(a)
        assert.isFalse(ready)
        assert.include(checks["clock"]?.detail, words)
        await written(b, `at b ${offset}`)
        await written(c, `at c ${offset}`)
        offsets.set(A, 0)
        await written(a, `again ${offset}`)
        assert.deepStrictEqual((await stateOf(a)).checks["clock"], { ok: true, detail: "sane" })
      }
      await until("all have all", agree)
    },
    20_000
  )

  it("that was off for one write does not keep it from the others once it is right", async () => {
    const network = new Network()
    const [a, b, c] = start(network, 1)
    await written(a, "before")
    await until("all have it", agree)
    // It does not hear from anybody that its clock is off.
    for (const url of [B, C]) network.cut.add(url)
    await until("it has lost them", async () => {
      await write(a, "probe")
      return (await stateOf(a)).checks["peers"]?.detail === "0 of 2 answer"
    }, 10_000)
    offsets.set(A, 2 * HOUR)
    const ahead = await written(a, "ahead")
    const edited = await a.runPromise(update(ahead.id, { content: "edited" }, { caller }))
    assert.isAbove(secondsAhead(edited.memory.updated_at), 7_000)
    network.cut.clear()
    await until("it is told", async () => {
      const result = await write(a, "refused")
      return Either.isLeft(result) && result.left._tag === "ClockSkewed"
    }, 15_000)
    await until("they refused it", async () => (await letters(a)).length > 0, 10_000)
    offsets.set(A, 0)
    const next = await written(a, "next")
    assert.isBelow(secondsAhead(next.updated_at), 31)
    await until("all have all of it", agree, 15_000)
    for (const node of [a, b, c]) {
      const memory = await node.runPromise(getMemory(ahead.id))
      assert.strictEqual(memory.content, "edited")
      assert.isBelow(secondsAhead(memory.updated_at), 31)
    }
    assert.deepStrictEqual(await letters(a), [])
  }, 60_000)

  it("at one peer alone decide nothing", async () => {
    const [a, b] = start(new Network(), 2)
    await written(a, "before")
    await until("all have it", agree)
    offsets.set(B, 2 * HOUR)
    const refused = await write(b, "refused")
    assert.strictEqual(Either.isLeft(refused) && refused.left._tag, "ClockSkewed")
    await until(
      "it is heard",
      async () =>
        (await a.runPromise(Effect.map(Federation, ({ links }) => links.map(({ skewMillis }) => skewMillis() ?? 0))))
          .some((skew) => skew > HOUR)
    )
    await written(a, "goes on")
    assert.isTrue((await stateOf(a)).checks["clock"]?.ok)
  }, 20_000)

  it("by 59 s at one node do not part two others that are seconds apart", async () => {
    offsets.set(C, 59_000).set(B, -8_000)
    const network = new Network()
    const [a, , c] = start(network, 2)
    network.cut.add(B)
    await written(c, "ahead")
    assert.isTrue(VersionVector.dominates(await vectorOf(a), await vectorOf(c)), "the one that had to took it")
    network.cut.clear()
    network.cut.add(C)
    await written(a, "ours")
  }, 20_000)
})
