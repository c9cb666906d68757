import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { MemoryId, OpId, Origin } from "../../src/domain/ids.js"
import * as Memory from "../../src/domain/Memory.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { push } from "../../src/federation/inbound/receive.js"
import * as PeerApi from "../../src/federation/wire/PeerApi.js"
import { getMemory } from "../../src/operations/memories/getMemory.js"
import { remember } from "../../src/operations/memories/remember.js"
import { remove } from "../../src/operations/memories/remove.js"
import { hashed, type Operation } from "../../src/replication/Operation.js"
import { MemoryStore } from "../../src/store/MemoryStore.js"
import { Network, type Node, startNode } from "./inProcess.js"

const nobody = { agentId: Option.none(), idempotencyKey: Option.none() }
const NOW = Stamp.fromMillis(1_750_000_000_000)

const row = (id: string, changes: Partial<Memory.Memory> = {}): Memory.Memory => ({
  id: MemoryId.make(id),
  tier: "long",
  namespace: "n",
  title: `title of ${id}`,
  content: "content",
  tags: [],
  priority: 5,
  confidence: 1,
  source: "api",
  access_count: 0,
  created_at: NOW,
  updated_at: NOW,
  metadata: {},
  ...changes
})

const storeOperation = (oseq: number, memory: Memory.Memory, changes: Partial<Operation> = {}): Operation => {
  const { hash: _, ...operation } = {
    format: 2 as const,
    opId: OpId.make(`op-${oseq}`),
    origin: Origin.make("peer/1"),
    oseq,
    hlc: NOW,
    kind: "store" as const,
    entity: memory.id,
    body: Memory.encodeJson(memory),
    baseHlc: null,
    covers: [],
    hash: "",
    idempotency: null,
    ...changes
  }
  return hashed(operation)
}

/** A push as a peer of ours makes it. */
const carrying = (...operations: ReadonlyArray<Operation>) =>
  JSON.parse(
    `{"sender_agent_id":"peer",${PeerApi.encodeCarrier(operations.map(PeerApi.write))},"dry_run":false}`
  ) as Record<string, unknown> & { ops: Array<Record<string, unknown>>; memories: Array<Record<string, unknown>> }

describe("POST /api/v1/sync/push", () => {
  let node: Node
  const start = () => {
    node = startNode(new Network(), "http://me", [], { w: 1 })
  }
  afterEach(() => node.dispose())

  const send = async (body: unknown): Promise<Record<string, unknown>> => ({ ...await node.runPromise(push(body, {})) })
  const refusal = (body: unknown) => node.runPromise(Effect.flip(push(body, {})))
  const resultsOf = (answer: Record<string, unknown>) =>
    (answer["results"] as ReadonlyArray<{ result: string; why?: string }>).map(({ result, why }) => why ?? result)
  const held = () => node.runPromise(Effect.map(MemoryStore, (store) => store.vector().size))

  it("answers what makes an ack, beside the original's counters", async () => {
    start()
    const operation = storeOperation(1, row("one"))
    const answer = await send(carrying(operation))
    assert.deepInclude(answer, {
      applied: 1,
      skipped: 0,
      dry_run: false,
      receiver_node_id: "me",
      durable: true,
      vector: { "peer/1": 1 },
      results: [{ op_id: "op-1", result: "applied" }]
    })
    for (const counter of ["deleted", "archived", "restored", "links_applied", "noop", "namespace_meta_cleared"]) {
      assert.strictEqual(answer[counter], 0)
    }
    assert.deepStrictEqual(resultsOf(await send(carrying(operation))), ["duplicate"])
    assert.strictEqual((await node.runPromise(getMemory("one"))).title, "title of one")
  })

  it("tells a node of ours all that it holds while that is short, and else what it holds of the same origins", async () => {
    start()
    const vectorOf = async (oseq: number, origin: string) => {
      const opId = OpId.make(`${origin.replace("/", "-")}-${oseq}`)
      const changes = { origin: Origin.make(origin), opId }
      return (await send(carrying(storeOperation(oseq, row(opId), changes))))["vector"]
    }
    await vectorOf(1, "one/1")
    assert.deepStrictEqual(await vectorOf(2, "two/1"), { "one/1": 1, "two/1": [0, [2, 2]] })
    assert.deepStrictEqual((await send({ sender_agent_id: "host:a", memories: [] }))["vector"], {})
    // An origin is one range, and each of its gaps makes one more.
    for (let origin = 1; origin <= 29; origin++) await vectorOf(1, `other${origin}/1`)
    assert.deepInclude(await vectorOf(2, "one/1"), { "one/1": 2, "two/1": [0, [2, 2]], "other29/1": 1 })
    assert.deepStrictEqual(await vectorOf(4, "one/1"), { "one/1": [2, [4, 4]] })
  })

  it("answers who it takes the sender for, and the newest that came from there, as the original does", async () => {
    start()
    const body = {
      sender_agent_id: "host:a",
      memories: [row("one"), { ...row("two"), updated_at: "2026-05-01T10:00:00+00:00" }]
    }
    const plain = await send(body)
    assert.deepInclude(plain, {
      receiver_agent_id: "me",
      receiver_clock: { entries: { "host:a": "2026-05-01T10:00:00+00:00" } }
    })
    const named = { ...await node.runPromise(push({ ...body, memories: [] }, { "x-agent-id": "tester" })) }
    assert.deepInclude(named, { receiver_agent_id: "tester", receiver_clock: { entries: {} } })
    const refused = await node.runPromise(Effect.flip(push(body, { "x-agent-id": "a b" })))
    assert.deepInclude({ ...refused }, { status: 400, field: "X-Agent-Id" })
  })

  it("refuses the whole of a malformed body, and names the field", async () => {
    start()
    const shapes: ReadonlyArray<readonly [unknown, number, string]> = [
      [null, 422, ""],
      [[], 422, ""],
      [{ memories: [] }, 422, "sender_agent_id"],
      [{ sender_agent_id: "p" }, 422, "memories"],
      [{ sender_agent_id: "p", memories: [{ ...row("x"), tier: "eternal" }] }, 422, "memories[0].tier"],
      [{ sender_agent_id: "p", memories: [row("ok"), { ...row("x"), tags: undefined }] }, 422, "memories[1].tags"],
      [{ sender_agent_id: "p", memories: [], deletions: [1] }, 422, "deletions[0]"],
      [{ sender_agent_id: "p", memories: [], dry_run: "no" }, 422, "dry_run"],
      [{ sender_agent_id: "p", memories: [], ops: [{}] }, 422, "ops[0].op_id"],
      [{ sender_agent_id: "not valid!", memories: [] }, 400, "sender_agent_id"],
      [{ sender_agent_id: "p", memories: [], deletions: Array.from({ length: 1001 }, () => "x") }, 400, "deletions"],
      [{ sender_agent_id: "p", memories: [], links: Array.from({ length: 1001 }, () => ({})) }, 400, "links"]
    ]
    for (const [body, status, field] of shapes) {
      const refused = await refusal(body)
      assert.strictEqual(refused._tag, "PushRefused")
      if (refused._tag === "PushRefused") assert.deepStrictEqual([refused.status, refused.field ?? ""], [status, field])
    }
    assert.strictEqual(await held(), 0)
  })

  it("refuses an operation that is not what its author sealed, and takes the others", async () => {
    start()
    const changed = carrying(storeOperation(1, row("a")), storeOperation(2, row("b")))
    const [first] = changed.memories
    if (first !== undefined) first["content"] = "changed on its way"
    assert.deepStrictEqual(resultsOf(await send(changed)), [
      "applied",
      "malformed: the hash does not belong to the operation"
    ])
  })

  it("never acks what it does not replicate, breaks a rule, or points nowhere", async () => {
    start()
    const unknown = carrying(storeOperation(1, row("a")))
    for (const op of unknown.ops) op["kind"] = "teleport"
    assert.match(resultsOf(await send(unknown)).join(), /unsupported: kind teleport/)

    const mislabelled = carrying(storeOperation(1, row("a")))
    for (const op of mislabelled.ops) op["kind"] = "archive"
    assert.match(resultsOf(await send(mislabelled)).join(), /malformed: kind archive/)

    const nowhere = carrying(storeOperation(1, row("a")))
    for (const op of nowhere.ops) op["ref"] = "/memories/7"
    assert.match(resultsOf(await send(nowhere)).join(), /nothing stands at/)

    const invalid = await send(
      carrying(storeOperation(1, row("a", { priority: 11 })), storeOperation(2, row("b", { content: "a\rb" })))
    )
    assert.strictEqual(invalid["skipped"], 2)
    assert.match(resultsOf(invalid).join(), /priority.*content/)

    assert.strictEqual(await held(), 0)
  })

  it("counts and writes nothing in a dry run", async () => {
    start()
    const answer = await send({ ...carrying(storeOperation(1, row("a"))), dry_run: true })
    assert.deepInclude(answer, { noop: 1, applied: 0, dry_run: true })
    const original = { sender_agent_id: "rust", memories: [row("b")], deletions: ["x", "bad\u0000id"], dry_run: true }
    assert.deepInclude(await send(original), { noop: 2, applied: 0 })
    assert.strictEqual(await held(), 0)
  })

  it("ends the versions a delete had seen, whichever comes first", async () => {
    start()
    const stored = storeOperation(1, row("a"))
    const later = Stamp.fromMillis(1_750_000_001_000)
    const { hash: _, ...parts } = {
      ...stored,
      oseq: 2,
      opId: OpId.make("op-2"),
      kind: "delete" as const,
      body: null,
      hlc: later
    }
    const deleted = hashed({ ...parts, covers: [{ id: "a", hlc: stored.hlc, origin: stored.origin }] })
    assert.deepStrictEqual(resultsOf(await send(carrying(deleted))), ["applied"])
    assert.deepStrictEqual(resultsOf(await send(carrying(stored))), ["superseded"])
    assert.strictEqual((await node.runPromise(Effect.flip(getMemory("a"))))._tag, "NotFound")
  })

  it("takes rows and deletions of an original node, and lets no delete come back", async () => {
    start()
    const rust = (changes: Record<string, unknown>) =>
      send({ sender_agent_id: "host:rust", memories: [], dry_run: false, ...changes })
    assert.deepInclude(await rust({ memories: [row("r", { updated_at: "2025-06-15T15:06:40.5+00:00" })] }), {
      applied: 1
    })
    assert.strictEqual((await node.runPromise(getMemory("r"))).updated_at, "2025-06-15T15:06:40.500000000+00:00")
    assert.deepInclude(await rust({ deletions: ["r", "never seen"] }), { deleted: 1, noop: 1 })
    assert.deepInclude(await rust({ memories: [row("r", { updated_at: "2025-06-15T15:06:40.5+00:00" })] }), {
      applied: 1
    })
    assert.strictEqual((await node.runPromise(Effect.flip(getMemory("r"))))._tag, "NotFound")

    const future = row("future", { updated_at: "9999-12-31T23:59:59+00:00" })
    assert.deepInclude(await rust({ memories: [future] }), { applied: 0, skipped: 1 })
    const own = await node.runPromise(remember({ title: "t", content: "ours", namespace: "n" }, nobody))
    await rust({ memories: [row("older", { title: "t", content: "older" })] })
    assert.strictEqual((await node.runPromise(getMemory(own.memory.id))).content, "ours")
    await node.runPromise(remove(own.memory.id, { caller: nobody, ifMatch: Option.none() }))
  })
})
