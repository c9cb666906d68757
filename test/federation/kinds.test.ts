import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { MemoryId } from "../../src/domain/ids.js"
import type * as Memory from "../../src/domain/Memory.js"
import type * as Stamp from "../../src/domain/Stamp.js"
import { push } from "../../src/federation/inbound/receive.js"
import * as PeerApi from "../../src/federation/wire/PeerApi.js"
import { all } from "../../src/replication/kinds.js"
import * as VersionVector from "../../src/replication/VersionVector.js"
import { earning } from "../../src/store/deciding/earning.js"
import * as governed from "../../src/store/deciding/governed.js"
import { type Batch, MemoryStore } from "../../src/store/MemoryStore.js"
import { Network, type Node, startNode } from "./inProcess.js"

const row = (id: string, stamp: Stamp.Stamp, changes: Partial<Memory.Memory> = {}): Memory.Memory => ({
  id: MemoryId.make(id),
  tier: "long",
  namespace: "n",
  title: `title of ${id}`,
  content: "content",
  tags: ["a", "b"],
  priority: 5,
  confidence: 0.5,
  source: "api",
  access_count: 0,
  created_at: stamp,
  updated_at: stamp,
  metadata: { agent_id: "alice", nested: { list: [1, 2.5, null, "ä"] } },
  ...changes
})

/** One operation of every kind, and what must be there afterwards. */
const everyKind = (batch: Batch) => {
  const now = () => batch.now().stamp
  const none = { baseHlc: null, covers: [] }
  const store = (id: string) => batch.write({ payload: { kind: "store", memory: row(id, now()) }, ...none })
  const versionOf = (entry: ReturnType<Batch["write"]>) => ({
    id: entry.operation.entity,
    hlc: entry.operation.hlc,
    origin: entry.operation.origin
  })
  const gone = store("gone")
  batch.write({ payload: { kind: "delete", entity: "gone" }, baseHlc: null, covers: [versionOf(gone)] })
  for (const id of ["archived", "restored"]) {
    const stored = store(id)
    const archived = batch.write({
      payload: { kind: "archive", memory: row(id, now()), archivedAt: now(), reason: "a \"reason\"" },
      baseHlc: stored.operation.hlc,
      covers: [versionOf(stored)]
    })
    if (id === "restored") {
      batch.write({
        payload: { kind: "restore", memory: row(id, now()) },
        baseHlc: archived.operation.hlc,
        covers: [versionOf(archived)]
      })
    }
  }
  const sources = [store("first"), store("second")]
  batch.write({
    payload: { kind: "consolidate", memory: row("whole", now()) },
    baseHlc: null,
    covers: sources.map(versionOf)
  })
  const link = { source_id: "whole", target_id: "restored", created_at: now() }
  batch.write({ payload: { kind: "link", link: { ...link, relation: "related_to" } }, ...none })
  const removed = batch.write({ payload: { kind: "link", link: { ...link, relation: "supersedes" } }, ...none })
  batch.write({
    payload: { kind: "unlink", entity: removed.operation.entity },
    baseHlc: null,
    covers: [versionOf(removed)]
  })
  const action = {
    id: "pending-1",
    action_type: "store" as const,
    memory_id: null,
    namespace: "n",
    payload: row("wanted", now()),
    requested_by: "alice",
    requested_at: now(),
    status: "pending",
    approvals: [],
    approver: { agent: "carol" }
  }
  const bob = { namespace: "_agents", title: "agent:bob", metadata: { agent_id: "bob" } }
  batch.write({ payload: { kind: "store", memory: row("bob", now(), bob) }, ...none })
  batch.write({ payload: { kind: "pending", action }, ...none })
  batch.write({
    payload: { kind: "vote", vote: { id: "pending-1", agent_id: "bob", approved_at: now() } },
    ...none
  })
  governed.decide(batch, action, { approved: true, decider: "carol" })
  const nobody = { id: "nobody", peer: "nobody", reason: "a test", by: "carol", at: now() }
  const aside = batch.write({ payload: { kind: "quarantine", quarantine: nobody }, ...none })
  batch.write({ payload: { kind: "release", entity: "nobody" }, baseHlc: null, covers: [versionOf(aside)] })
  const since = "eyJ2IjoxfQ"
  const heard = { id: "hook", events: [], agent_id: "carol", created_by: "carol", created_at: now(), since }
  const hook = batch.write({ payload: { kind: "subscription", subscription: heard }, ...none })
  batch.write({ payload: { kind: "unsubscribe", entity: "hook" }, baseHlc: null, covers: [versionOf(hook)] })
  const delivery = { id: "hook", cursor: since, dispatched: 1, failed: 0 }
  batch.write({ payload: { kind: "delivery", delivery }, ...none })
  const meta = (namespace: string) =>
    batch.write({
      payload: {
        kind: "namespace_meta",
        meta: { namespace, standard_id: "whole", parent_namespace: null, updated_at: now() }
      },
      ...none
    })
  meta("n/kept")
  const cleared = meta("n/cleared")
  const whole = batch.now().byId("whole")
  if (whole !== null) batch.write(earning(batch.now(), whole, { long: true, priority: 9 }))
  batch.write({
    payload: { kind: "namespace_meta_clear", entity: "n/cleared" },
    baseHlc: null,
    covers: [versionOf(cleared)]
  })
}

describe("every kind of operation", () => {
  const nodes: Array<Node> = []
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.dispose()))
  })
  const start = (url: string) => {
    const node = startNode(new Network(), url, [], { w: 1 })
    nodes.push(node)
    return node
  }

  it("crosses the wire and comes to the same state, in any order", async () => {
    const author = start("http://author")
    const written = await author.runPromise(Effect.gen(function*() {
      const store = yield* MemoryStore
      const batched = yield* store.commitAll((batch) => Either.right(everyKind(batch)), null)
      const [range] = VersionVector.missing(store.vector(), VersionVector.empty)
      assert(range !== undefined)
      const logged = yield* store.operations(range, 1000)
      assert.deepStrictEqual(logged, batched.written.map(({ operation }) => operation))
      return { operations: logged, digest: store.digest() }
    }))
    assert.strictEqual(new Set(written.operations.map(({ kind }) => kind)).size, all.length)

    const orders = [written.operations, [...written.operations].reverse()]
    for (const [index, operations] of orders.entries()) {
      const receiver = start(`http://receiver-${index}`)
      const carrier = PeerApi.encodeCarrier(operations.map(PeerApi.write))
      const body: unknown = JSON.parse(`{"sender_agent_id":"author",${carrier},"dry_run":false}`)
      const answer = await receiver.runPromise(push(body, {}))
      assert.deepStrictEqual(answer.results.filter(({ result }) => result === "rejected"), [])
      assert.strictEqual(answer.skipped, 0)
      assert.deepInclude(answer, {
        deleted: 1,
        archived: 2,
        restored: 1,
        pending_decisions_applied: 1,
        namespace_meta_applied: 2,
        namespace_meta_cleared: 1
      })
      const state = await receiver.runPromise(Effect.map(MemoryStore, (store) => store.digest()))
      assert.strictEqual(state, written.digest)
      const again = await receiver.runPromise(push(body, {}))
      assert.isTrue(again.results.every(({ result }) => result === "duplicate"))
    }
  })
})
