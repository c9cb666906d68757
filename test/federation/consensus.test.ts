import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"
import { registerAgent } from "../../src/operations/agents/registerAgent.js"
import { restore } from "../../src/operations/archive/restore.js"
import * as consensus from "../../src/operations/governance/consensus.js"
import * as decide from "../../src/operations/governance/decide.js"
import { listPending } from "../../src/operations/governance/pending.js"
import { setStandard } from "../../src/operations/governance/setStandard.js"
import { standardOf, standardsChain } from "../../src/operations/governance/standards.js"
import { getMemory } from "../../src/operations/memories/getMemory.js"
import { listConflicts } from "../../src/operations/memories/listConflicts.js"
import { remember } from "../../src/operations/memories/remember.js"
import { remove } from "../../src/operations/memories/remove.js"
import { importData } from "../../src/operations/transfer/importData.js"
import * as VersionVector from "../../src/replication/VersionVector.js"
import { memoryIdOf } from "../../src/store/deciding/governed.js"
import { MemoryStore } from "../../src/store/MemoryStore.js"
import { MemoryReader } from "../../src/store/read/MemoryReader.js"
import { until } from "../mesh/Cluster.js"
import { Network, type Node, startNodes } from "./inProcess.js"

const [A, B] = ["http://a", "http://b"] as const
const NAMESPACE = "governed"

const memoryStamp = "2024-01-01T00:00:00.000000000+00:00"

/** What a row of an import has besides its id, its text and its stamps. */
const plain = {
  tier: "long",
  namespace: NAMESPACE,
  tags: [],
  priority: 5,
  confidence: 1,
  source: "api",
  access_count: 0
}

const caller = (agent: string, key: string | null = null) => ({
  agentId: Option.some(agent),
  idempotencyKey: Option.fromNullable(key)
})

describe("governance over nodes", () => {
  let network = new Network()
  let nodes: ReadonlyArray<Node> = []
  afterEach(() => Promise.all(nodes.map((node) => node.dispose())))
  const at = (index: number) => {
    const node = nodes[index]
    assert.isDefined(node)
    return node
  }

  const stateOf = (node: Node) =>
    node.runPromise(Effect.map(MemoryStore, (store) => ({ vector: store.vector(), digest: store.digest() })))

  const settled = () =>
    until("both hold the same", async () => {
      const [a, b] = [await stateOf(at(0)), await stateOf(at(1))]
      return VersionVector.equals(a.vector, b.vector) && a.digest === b.digest
    }, 15_000)

  const cut = () => network.cut.add(A).add(B)
  const heal = () => network.cut.clear()

  /** Two nodes that hold the same, with a namespace whose writes take so many votes. */
  const start = async (options: { readonly w: number; readonly quorum: number }) => {
    network = new Network()
    nodes = startNodes(network, [A, B], { w: options.w, ackTimeout: "500 millis" })
    for (const agent_id of ["one", "two", "three"]) {
      await at(0).runPromise(registerAgent({ agent_id, agent_type: "human" }, caller("admin")).pipe(Effect.either))
    }
    const governance = { write: "approve", delete: "any", approver: { consensus: options.quorum } } as const
    await at(0).runPromise(setStandard({ namespace: NAMESPACE, governance }, caller("admin")).pipe(Effect.either))
    await settled()
  }

  /** Asks for a memory, and waits until both nodes know. */
  const queue = async (title: string) => {
    const asked = await at(0).runPromise(
      Effect.either(remember({ title, content: "c", namespace: NAMESPACE }, caller("writer")))
    )
    assert(Either.isLeft(asked) && asked.left._tag === "AwaitingApproval", JSON.stringify(asked))
    await settled()
    return asked.left.pendingId
  }

  const approve = (node: Node, id: string, agent: string, key: string | null = null) =>
    node.runPromise(Effect.either(decide.approve(id, caller(agent, key))))

  const pendingOf = async (node: Node, id: string) =>
    (await node.runPromise(listPending({ limit: 1000 }))).find((action) => action.id === id)

  const memoriesOf = async (node: Node) => {
    const listed = await node.runPromise(
      Effect.flatMap(MemoryReader, (reader) => Stream.runCollect(reader.changedSince("", 1000)))
    )
    return Array.from(listed).filter(({ namespace, tags }) => namespace === NAMESPACE && tags.length === 0)
  }

  it("votes that were cast apart add up when the nodes meet: one decision, one memory", async () => {
    await start({ w: 1, quorum: 2 })
    const id = await queue("wanted")
    const workers = nodes.map((node) => node.runFork(Layer.launch(consensus.layer)))
    cut()
    for (const [node, agent] of [[at(0), "one"], [at(1), "two"]] as const) {
      const voted = await approve(node, id, agent)
      assert.deepInclude(Either.getOrThrow(voted), { _tag: "Voted", votes: 1, quorum: 2 })
    }
    for (const node of nodes) assert.deepStrictEqual(await memoriesOf(node), [])
    heal()
    await until("both have it", async () => {
      const found = await Promise.all(nodes.map(memoriesOf))
      return found.every((memories) => memories.length === 1)
    }, 15_000)
    await settled()
    for (const node of nodes) {
      const action = await pendingOf(node, id)
      // The vote that was the last one needed, in the order of the mesh.
      assert.deepInclude(action, { status: "approved", decided_by: "two" })
      assert.sameMembers(action?.approvals.map(({ agent_id }) => agent_id) ?? [], ["one", "two"])
      assert.deepStrictEqual((await memoriesOf(node)).map((memory) => memory.id), [memoryIdOf(id)])
    }
    const answered = await approve(at(1), id, "one")
    assert.deepInclude(Either.getOrThrow(answered), { _tag: "Approved", decidedBy: "two", memoryId: memoryIdOf(id) })
    for (const worker of workers) await Effect.runPromise(Fiber.interrupt(worker))
  }, 60_000)

  it("decisions that were made apart come to the first of them, and to one memory", async () => {
    await start({ w: 1, quorum: 1 })
    const id = await queue("wanted")
    cut()
    const first = Either.getOrThrow(await approve(at(0), id, "one"))
    const second = Either.getOrThrow(await approve(at(1), id, "two"))
    for (const [answer, agent] of [[first, "one"], [second, "two"]] as const) {
      assert.deepInclude(answer, { _tag: "Approved", decidedBy: agent, memoryId: memoryIdOf(id) })
    }
    heal()
    await settled()
    for (const node of nodes) {
      assert.deepInclude(await pendingOf(node, id), { status: "approved", decided_by: "one" })
      assert.deepStrictEqual((await memoriesOf(node)).map((memory) => memory.id), [memoryIdOf(id)])
    }
  }, 60_000)

  it("a rejection that was made first takes back what another node approved", async () => {
    await start({ w: 1, quorum: 1 })
    const id = await queue("disputed")
    cut()
    await at(0).runPromise(decide.reject(id, caller("anybody")))
    const approved = Either.getOrThrow(await approve(at(1), id, "one"))
    assert.deepInclude(approved, { _tag: "Approved" })
    assert.lengthOf(await memoriesOf(at(1)), 1)
    heal()
    await settled()
    for (const node of nodes) {
      assert.deepInclude(await pendingOf(node, id), { status: "rejected", decided_by: "anybody" })
      assert.deepStrictEqual(await memoriesOf(node), [])
    }
    const again = await approve(at(1), id, "one")
    assert.deepInclude(Either.isLeft(again) ? again.left : again, {
      _tag: "Denied",
      detail: "approve rejected: already decided"
    })
  }, 60_000)

  it("tells of a deletion that was approved and then overruled, and lets it be taken back", async () => {
    await start({ w: 1, quorum: 1 })
    const namespace = "deletions"
    const governance = { write: "any", delete: "approve" } as const
    await at(0).runPromise(setStandard({ namespace, governance }, caller("admin")))
    const { memory } = await at(0).runPromise(remember({ title: "t", content: "c", namespace }, caller("writer")))
    const asked = await at(0).runPromise(Effect.flip(remove(memory.id, { caller: caller("writer") })))
    assert(asked._tag === "AwaitingApproval", asked.message)
    const id = asked.pendingId
    await settled()
    cut()
    await at(0).runPromise(decide.reject(id, caller("anybody")))
    assert.deepInclude(Either.getOrThrow(await approve(at(1), id, "one")), { _tag: "Approved", memoryId: memory.id })
    heal()
    await settled()
    for (const node of nodes) {
      const action = await pendingOf(node, id)
      assert.deepInclude(action, { status: "rejected", decided_by: "anybody" })
      const [overruled, ...others] = action?.overruled ?? []
      assert.deepInclude(overruled, { approved: true, decided_by: "one", done: "archived", memory_id: memory.id })
      assert.lengthOf(others, 0)
    }
    const restored = await at(0).runPromise(restore(memory.id, caller("writer")))
    assert.strictEqual(restored.memory.content, "c")
    await settled()
    const seen = await at(1).runPromise(getMemory(memory.id))
    assert.strictEqual(seen.content, "c")
  }, 60_000)

  it("an approved store that was done apart leaves its text once", async () => {
    await start({ w: 1, quorum: 1 })
    const id = await queue("wanted")
    cut()
    const first = Either.getOrThrow(await approve(at(0), id, "one"))
    assert.deepInclude(first, { memoryId: memoryIdOf(id) })
    // On the other side somebody took the title before it was approved there: it merges.
    const row = { id: "other", updated_at: memoryStamp, created_at: memoryStamp, content: "before", title: "wanted" }
    await at(1).runPromise(importData([{ kind: "memory", at: "row", value: { ...plain, ...row } }], caller("admin")))
    const second = Either.getOrThrow(await approve(at(1), id, "two"))
    assert.deepInclude(second, { memoryId: "other" })
    heal()
    await settled()
    for (const node of nodes) await node.runPromise(consensus.mendTwice)
    await settled()
    for (const node of nodes) {
      const contents = (await memoriesOf(node)).map((memory) => [memory.id, memory.content])
      assert.deepStrictEqual(contents, [["other", "c"]])
      assert.deepStrictEqual(await node.runPromise(listConflicts({})), [])
      assert.strictEqual((await node.runPromise(getMemory(memoryIdOf(id)))).id, "other", "its id stands for that")
      const action = await pendingOf(node, id)
      assert.deepInclude(action, { status: "approved", decided_by: "one" })
      assert.deepInclude(action?.overruled?.[0], {
        approved: true,
        decided_by: "two",
        done: "merged",
        memory_id: "other"
      })
    }
  }, 60_000)

  it("what missed its quorum is answered by the next try, once the quorum holds it", async () => {
    await start({ w: 2, quorum: 2 })
    const id = await queue("wanted")
    const tryTwice = async (agent: string, key: string | null) => {
      cut()
      const missed = await approve(at(0), id, agent, key)
      assert.deepInclude(Either.isLeft(missed) ? missed.left : missed, { _tag: "QuorumNotMet", got: 1, needed: 2 })
      const still = await approve(at(0), id, agent, key)
      assert.deepInclude(Either.isLeft(still) ? still.left : still, { _tag: "QuorumNotMet", got: 1, needed: 2 })
      heal()
      let answered = await approve(at(0), id, agent, key)
      await until("the peer is back", async () => {
        if (Either.isLeft(answered)) answered = await approve(at(0), id, agent, key)
        return Either.isRight(answered)
      }, 20_000)
      const done = Either.getOrThrow(answered)
      assert.isAtLeast(done.acks, 2)
      return done
    }
    assert.deepInclude(await tryTwice("one", null), { _tag: "Voted", votes: 1 })
    const approved = await tryTwice("two", randomUUID())
    assert.deepInclude(approved, { _tag: "Approved", decidedBy: "two", memoryId: memoryIdOf(id) })
    // On the other node as well, where nobody ever asked.
    await settled()
    assert.deepInclude(Either.getOrThrow(await approve(at(1), id, "two")), {
      opId: approved.opId,
      memoryId: memoryIdOf(id)
    })
    assert.lengthOf(await memoriesOf(at(1)), 1)
  }, 120_000)

  it("standards that were set apart are one memory, and its entry has one parent everywhere", async () => {
    await start({ w: 1, quorum: 1 })
    cut()
    const sets = await Promise.all(
      nodes.map((node, index) =>
        node.runPromise(setStandard({ namespace: "apart-x", parent: `parent${index}` }, caller("admin")))
      )
    )
    assert.strictEqual(sets[0]?.standardId, sets[1]?.standardId)
    heal()
    await settled()
    const chains = await Promise.all(nodes.map((node) => node.runPromise(standardsChain("apart-x"))))
    assert.deepStrictEqual(chains[0], chains[1])
    assert.lengthOf(chains[0]?.standards ?? [], 1)
    for (const node of nodes) {
      assert.strictEqual((await node.runPromise(standardOf("apart-x"))).standardId, sets[0]?.standardId)
    }
  }, 60_000)

  it("what was decided stays decided when the action comes again", async () => {
    await start({ w: 1, quorum: 1 })
    const id = await queue("wanted")
    await approve(at(1), id, "one")
    await settled()
    const { memoryId } = { memoryId: memoryIdOf(id) }
    await at(0).runPromise(remove(memoryId, { caller: caller("writer"), ifMatch: Option.none() }))
    await settled()
    await at(1).runPromise(consensus.decideRipe)
    assert.deepStrictEqual(await memoriesOf(at(1)), [])
    assert.deepInclude(Either.getOrThrow(await approve(at(1), id, "one")), { _tag: "Approved", memoryId })
    assert.deepStrictEqual(await memoriesOf(at(1)), [])
  }, 60_000)
})
