import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import { randomUUID } from "node:crypto"
import { NodeId, OpId, Origin } from "../../src/domain/ids.js"
import type * as PendingAction from "../../src/domain/PendingAction.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { Uuid } from "../../src/domain/Uuid.js"
import { hashed } from "../../src/replication/Operation.js"
import * as Payload from "../../src/replication/Payload.js"
import * as VersionVector from "../../src/replication/VersionVector.js"
import * as Sqlite from "../../src/store/log/Sqlite.js"
import * as MemoryStore from "../../src/store/MemoryStore.js"
import * as ChangeReader from "../../src/store/read/ChangeReader.js"
import * as Metrics from "../../src/telemetry/Metrics.js"
import { memory } from "./memories.js"

const node = ChangeReader.layer.pipe(
  Layer.provideMerge(MemoryStore.layer({ nodeId: Option.some(NodeId.make("me")) })),
  Layer.provideMerge(Sqlite.layer({ file: ":memory:" })),
  Layer.provideMerge(Metrics.layer),
  Layer.provide(Layer.succeed(Uuid, { make: () => randomUUID() })),
  Layer.provide(Logger.remove(Logger.defaultLogger)),
  Layer.orDie
)

const operation = (origin: string, oseq: number, payload: Payload.Payload, key: string | null = null) => {
  const hlc = Stamp.fromMillis(oseq * 1000)
  const stamped = Payload.stampedAt(hlc, payload)
  return {
    payload: stamped,
    operation: hashed({
      format: 2,
      opId: OpId.make(`${origin}-${oseq}`),
      origin: Origin.make(origin),
      oseq,
      hlc,
      kind: stamped.kind,
      entity: Payload.entityOf(stamped),
      body: Payload.encode(stamped),
      baseHlc: null,
      covers: [],
      idempotency: key === null ? null : { keyHash: key, requestHash: key, turn: 0 }
    })
  }
}

const stored = (origin: string, oseq: number, key?: string) =>
  operation(origin, oseq, {
    kind: "store",
    memory: memory(`${origin}-${oseq}`, `${origin} ${oseq}`, Stamp.fromMillis(1))
  }, key)

const queued = (oseq: number, requested_at: Stamp.Stamp) => {
  const action: PendingAction.Valid = {
    id: `p-${oseq}`,
    action_type: "store",
    memory_id: null,
    namespace: "asks",
    payload: { ...memory(`m-${oseq}`, "wanted", Stamp.fromMillis(1)) },
    requested_by: "ann",
    requested_at,
    status: "pending",
    approvals: []
  }
  return operation("other/1", oseq, { kind: "pending", action })
}

const start: ChangeReader.Position = { held: VersionVector.empty, expired: Stamp.fromMillis(0) }
const DAY = 86_400_000

const read = (since: ChangeReader.Position, millis: number, limit = 100) =>
  Effect.gen(function*() {
    const { after } = yield* ChangeReader.ChangeReader
    const { vector } = yield* MemoryStore.MemoryStore
    return yield* after(since, { vector: vector(), millis }, { wanted: {}, limit })
  })

const names = ({ changes }: ChangeReader.Page) => changes.map(({ event, origin, seq }) => `${event} ${origin} ${seq}`)

describe("the log as changes", () => {
  it.effect("waits where an operation lacks, and not for ever", () =>
    Effect.gen(function*() {
      const { receive } = yield* MemoryStore.MemoryStore
      yield* receive([stored("a/1", 1), stored("a/1", 3), stored("b/1", 1)])
      const first = yield* read(start, 10_000)
      assert.deepStrictEqual(names(first), ["memory_store a/1 1", "memory_store b/1 1"])
      yield* receive([stored("a/1", 2)])
      const then = yield* read(first.next, 10_000)
      assert.deepStrictEqual(names(then), ["memory_store a/1 2", "memory_store a/1 3"])
      yield* receive([stored("a/1", 5)])
      assert.lengthOf((yield* read(then.next, 10_000)).changes, 0)
      const late = yield* read(then.next, 5_000 + 10 * 60_000 + 1)
      assert.deepStrictEqual(names(late), ["memory_store a/1 5"])
      yield* receive([stored("a/1", 4)])
      assert.deepStrictEqual(names(yield* read(late.next, 1_000_000)), ["memory_store a/1 4"])
    }).pipe(Effect.provide(node)))

  it.effect("has each origin take part in each page", () =>
    Effect.gen(function*() {
      const { receive } = yield* MemoryStore.MemoryStore
      yield* receive(Array.from({ length: 20 }, (_, i) => stored("a/1", i + 1)))
      yield* receive([stored("b/1", 1), stored("b/1", 2)])
      const first = yield* read(start, 60_000, 4)
      assert.deepStrictEqual(names(first), [
        "memory_store a/1 1",
        "memory_store a/1 2",
        "memory_store b/1 1",
        "memory_store b/1 2"
      ])
      assert.isTrue(first.more)
    }).pipe(Effect.provide(node)))

  it.effect("tells of one request that two nodes carried out by one id", () =>
    Effect.gen(function*() {
      const { receive } = yield* MemoryStore.MemoryStore
      const twin = (origin: string) =>
        operation(origin, 1, { kind: "store", memory: memory("m", "t", Stamp.fromMillis(1)) }, "key")
      yield* receive([twin("a/1"), twin("b/1"), stored("c/1", 1, "key")])
      const [a, b, c] = (yield* read(start, 60_000)).changes
      assert.strictEqual(a?.id, b?.id)
      assert.notStrictEqual(a?.id, c?.id)
    }).pipe(Effect.provide(node)))

  it.effect("tells once of what nobody decided in time, also of what comes after that", () =>
    Effect.gen(function*() {
      const { receive } = yield* MemoryStore.MemoryStore
      yield* receive([
        queued(1, Stamp.fromMillis(1000)),
        queued(2, Stamp.fromMillis(2000)),
        queued(3, Stamp.fromMillis(3000))
      ])
      const decision = { id: "p-2", approved: false, decider: "boss", decided_at: Stamp.fromMillis(4000) }
      yield* receive([operation("other/1", 4, { kind: "decision", decision })])
      const asked = yield* read(start, 10_000)
      assert.deepStrictEqual(names(asked), [1, 2, 3].map((seq) => `approval_requested other/1 ${seq}`))
      const first = yield* read(asked.next, DAY + 3500, 1)
      assert.deepStrictEqual(names(first), ["pending_action_expired other/1 1"])
      assert.isTrue(first.more)
      const second = yield* read(first.next, DAY + 3500, 1)
      assert.deepStrictEqual(names(second), ["pending_action_expired other/1 3"])
      assert.notInclude([...asked.changes, ...first.changes].map(({ id }) => id), second.changes[0]?.id)
      yield* receive([queued(5, Stamp.fromMillis(2500))])
      const late = yield* read(second.next, DAY + 10_000)
      assert.deepStrictEqual(names(late), ["approval_requested other/1 5", "pending_action_expired other/1 5"])
      assert.lengthOf((yield* read(late.next, 3 * DAY)).changes, 0)
      const { again } = yield* ChangeReader.ChangeReader
      const found = yield* again({ origin: Origin.make("other/1"), seq: 5, event: "pending_action_expired" })
      assert.strictEqual(found?.id, late.changes[1]?.id)
    }).pipe(Effect.provide(node)))
})
