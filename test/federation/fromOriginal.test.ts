import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stamp from "../../src/domain/Stamp.js"
import { push } from "../../src/federation/inbound/receive.js"
import { standardOf } from "../../src/operations/governance/standards.js"
import { linksOf } from "../../src/operations/graph/linksOf.js"
import { consolidate } from "../../src/operations/memories/consolidate.js"
import { getMemory } from "../../src/operations/memories/getMemory.js"
import { listMemories } from "../../src/operations/memories/listMemories.js"
import { remember } from "../../src/operations/memories/remember.js"
import * as VersionVector from "../../src/replication/VersionVector.js"
import { MemoryStore } from "../../src/store/MemoryStore.js"
import { Network, type Node, startNode } from "./inProcess.js"

const nobody = { agentId: Option.none(), idempotencyKey: Option.none() }

describe("what an original node says of a memory by an id that was consolidated twice", () => {
  let node: Node
  let offsetMillis = 0
  /** The first source, and the memory that stands in its place: A and B became C, C and D became E. */
  let a: string
  let e: string
  beforeEach(async () => {
    offsetMillis = 0
    node = startNode(new Network(), "http://me", [], { w: 1, clockOffsetMillis: () => offsetMillis })
    a = await create("a")
    const c = await whole([a, await create("b")], "c")
    e = await whole([c, await create("d")], "e")
  })
  afterEach(() => node.dispose())

  const create = (title: string, changes: { readonly ttl_secs?: number } = {}) =>
    node.runPromise(
      Effect.map(remember({ title, content: `content of ${title}`, ...changes }, nobody), ({ memory }) => memory.id)
    )
  const whole = (ids: ReadonlyArray<string>, title: string) =>
    node.runPromise(
      Effect.map(consolidate({ ids, title, summary: `what ${title} is` }, nobody), ({ memory }) => memory.id)
    )
  const send = (lists: Record<string, unknown>): Promise<Record<string, unknown>> =>
    node.runPromise(push({ sender_agent_id: "host:rust", memories: [], ...lists }, {}))
  const written = () =>
    node.runPromise(Effect.map(MemoryStore, (store) => VersionVector.upto(store.vector(), store.origin())))
  const isLive = async (id: string) => Either.isRight(await node.runPromise(Effect.either(getMemory(id))))

  it("a deletion ends the memory that stands now", async () => {
    assert.isTrue(await isLive(a))
    assert.deepInclude(await send({ deletions: [a] }), { deleted: 1, noop: 0 })
    assert.isFalse(await isLive(a))
    assert.isFalse(await isLive(e))
    assert.deepInclude(await send({ deletions: [a] }), { deleted: 0, noop: 1 })
  })

  it("an archive puts it away, and a restore takes it back", async () => {
    assert.deepInclude(await send({ archives: [a] }), { archived: 1, noop: 0 })
    assert.isFalse(await isLive(e))
    assert.deepInclude(await send({ archives: [a] }), { archived: 0, noop: 1 })
    assert.deepInclude(await send({ restores: [a] }), { restored: 1, noop: 0 })
    assert.isTrue(await isLive(e))
  })

  it("a restore waits for a slot that is held, and not for a memory that has expired", async () => {
    await send({ archives: [e] })
    const holder = await create("e", { ttl_secs: 60 })
    assert.deepInclude(await send({ restores: [a] }), { restored: 0, skipped: 1 })
    offsetMillis = 61_000
    assert.deepInclude(await send({ restores: [a] }), { restored: 1, skipped: 0 })
    assert.isTrue(await isLive(e))
    assert.strictEqual((await node.runPromise(getMemory(holder))).id, e, "what has expired made room")
  })

  it("a link is shown between the memories that stand now", async () => {
    const other = await create("other")
    const link = { source_id: a, target_id: other, relation: "supersedes", created_at: Stamp.fromMillis(Date.now()) }
    assert.deepInclude(await send({ links: [link] }), { links_applied: 1 })
    for (const id of [a, e, other]) {
      const [shown, ...more] = await node.runPromise(linksOf(id))
      assert.deepStrictEqual(more, [])
      assert.deepInclude(shown, { source_id: e, target_id: other, relation: "supersedes" })
    }
  })

  it("a standard is the memory that stands now", async () => {
    const meta = {
      namespace: "ruled",
      standard_id: a,
      parent_namespace: null,
      updated_at: Stamp.fromMillis(Date.now())
    }
    assert.deepInclude(await send({ namespace_meta: [meta] }), { namespace_meta_applied: 1 })
    assert.strictEqual((await node.runPromise(standardOf("ruled"))).standardId, e)
    const before = await written()
    assert.deepInclude(await send({ namespace_meta: [{ ...meta, standard_id: e }] }), { namespace_meta_applied: 1 })
    assert.strictEqual(await written(), before, "it is the same standard")
  })
})

describe("a decision of an original node that comes before its action", () => {
  it("is carried out once the action is there, and only once", async () => {
    const node = startNode(new Network(), "http://me", [], { w: 1 })
    const send = (lists: Record<string, unknown>): Promise<Record<string, unknown>> =>
      node.runPromise(push({ sender_agent_id: "host:rust", memories: [], ...lists }, {}))
    const stamp = Stamp.fromMillis(Date.now())
    const actionOf = (id: string, status = "pending") => ({
      id,
      action_type: "store",
      memory_id: null,
      namespace: "ruled",
      payload: {
        ...{
          id,
          tier: "long",
          namespace: "ruled",
          title: `title of ${id}`,
          content: "approved",
          tags: [],
          priority: 5
        },
        ...{ confidence: 1, source: "api", access_count: 0, created_at: stamp, updated_at: stamp, metadata: {} }
      },
      requested_by: "ann",
      requested_at: stamp,
      status,
      approvals: []
    })
    const approved = (id: string) => ({ pending_decisions: [{ id, approved: true, decider: "bob" }] })
    const titles = async () =>
      (await node.runPromise(listMemories({ namespace: "ruled", limit: 10, offset: 0 }))).map(({ title }) => title)
        .sort()
    const one = "6f0d6f84-0000-4000-8000-000000000001"
    const two = "6f0d6f84-0000-4000-8000-000000000002"
    assert.deepInclude(await send(approved(one)), { pending_decisions_applied: 1, noop: 0 })
    assert.deepInclude(await send(approved(one)), { pending_decisions_applied: 0, noop: 1 })
    assert.deepStrictEqual(await titles(), [])
    await send({ pendings: [actionOf(one)] })
    assert.deepStrictEqual(await titles(), [`title of ${one}`])
    await send({ pendings: [actionOf(one, "approved")], ...approved(one) })
    assert.deepStrictEqual(await titles(), [`title of ${one}`])
    await send({ pending_decisions: [{ id: two, approved: false, decider: "bob" }] })
    await send({ pendings: [actionOf(two)] })
    assert.deepStrictEqual(await titles(), [`title of ${one}`])
    await node.dispose()
  })
})
