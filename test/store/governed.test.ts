import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { NodeId } from "../../src/domain/ids.js"
import type { Memory } from "../../src/domain/Memory.js"
import type { Valid } from "../../src/domain/PendingAction.js"
import { Uuid } from "../../src/domain/Uuid.js"
import * as Payload from "../../src/replication/Payload.js"
import * as governed from "../../src/store/deciding/governed.js"
import * as Sqlite from "../../src/store/log/Sqlite.js"
import * as MemoryStore from "../../src/store/MemoryStore.js"
import * as Metrics from "../../src/telemetry/Metrics.js"
import { memoryOf, now } from "./library.js"

let minted = 0

const layer = Layer.provideMerge(
  MemoryStore.layer({ nodeId: Option.some(NodeId.make("me")) }),
  Layer.mergeAll(
    Metrics.layer,
    Sqlite.layer({ file: ":memory:" }),
    Layer.succeed(Uuid, { make: () => `uuid-${++minted}` })
  )
)

const within = <A>(job: (batch: MemoryStore.Batch) => A) =>
  Effect.flatMap(
    MemoryStore.MemoryStore,
    (store) =>
      Effect.map(store.commitAll((batch) => Either.right(job(batch)), null), ({ answer, written }) => ({
        answer: Option.getOrThrow(answer),
        written
      }))
  )

const actionOf = (given: Partial<Valid>): Valid => ({
  id: "action",
  action_type: "store",
  memory_id: null,
  namespace: "global",
  payload: memoryOf({ id: "asked" }),
  requested_by: "tester",
  requested_at: now,
  status: "pending",
  approvals: [],
  ...given
})

const write = (payload: Payload.Payload) => (batch: MemoryStore.Batch) =>
  batch.write({ payload, baseHlc: null, covers: [] })

const stored = (memory: Memory) =>
  within((batch) => write({ kind: "store", memory: { ...memory, updated_at: batch.now().stamp } })(batch))

const approve = (action: Valid) =>
  Effect.zipRight(
    within(write({ kind: "pending", action })),
    within((batch) => governed.decide(batch, action, { approved: true, decider: "human" }))
  )

const memories = within((batch) =>
  [governed.memoryIdOf("action"), "asked", "there"].flatMap((id) => {
    const held = batch.now().byId(id)
    return held === null ? [] : [{ id: held.memory.id, content: held.memory.content, tier: held.memory.tier }]
  })
).pipe(Effect.map(({ answer }) => answer))

describe("decide", () => {
  it.effect("stores what was asked for under the id of the action, as part of the decision", () =>
    Effect.gen(function*() {
      const { answer, written } = yield* approve(actionOf({}))
      assert.deepStrictEqual(written.map(({ operation }) => operation.kind), ["decision"])
      assert.strictEqual(answer.memoryId, governed.memoryIdOf("action"))
      assert.deepStrictEqual(yield* memories, [{ id: governed.memoryIdOf("action"), content: "content", tier: "mid" }])
    }).pipe(Effect.provide(layer)))

  it.effect("merges into the memory that holds the slot, with an operation of its own", () =>
    Effect.gen(function*() {
      yield* stored(memoryOf({ id: "there", title: "title of asked" }))
      const { answer, written } = yield* approve(actionOf({ payload: memoryOf({ id: "asked", content: "approved" }) }))
      assert.deepStrictEqual(written.map(({ operation }) => operation.kind), ["decision", "store"])
      assert.strictEqual(answer.memoryId, "there")
      assert.deepStrictEqual(yield* memories, [{ id: "there", content: "approved", tier: "mid" }])
    }).pipe(Effect.provide(layer)))

  it.effect("archives and promotes what is there, and does nothing about what is not", () =>
    Effect.gen(function*() {
      yield* stored(memoryOf({ id: "there" }))
      const promoted = yield* approve(
        actionOf({ action_type: "promote", memory_id: "there", payload: { id: "there" } })
      )
      assert.deepStrictEqual(promoted.written.map(({ operation }) => operation.kind), ["decision", "store"])
      assert.deepStrictEqual(yield* memories, [{ id: "there", content: "content", tier: "long" }])
      const deleting = { action_type: "delete" as const, memory_id: "there", payload: { id: "there" } }
      const deleted = yield* approve(actionOf({ ...deleting, id: "second" }))
      assert.deepStrictEqual(deleted.written.map(({ operation }) => operation.kind), ["decision", "archive"])
      assert.deepStrictEqual(yield* memories, [])
      const nothing = yield* approve(actionOf({ ...deleting, id: "third" }))
      assert.deepStrictEqual(nothing.written.map(({ operation }) => operation.kind), ["decision"])
      assert.isNull(nothing.answer.memoryId)
    }).pipe(Effect.provide(layer)))

  const unfit = {
    "no memory at all": { id: "asked" },
    "a blank title": memoryOf({ id: "asked", title: " " }),
    "a lone surrogate": memoryOf({ id: "asked", content: "\ud800" }),
    "a priority out of bounds": memoryOf({ id: "asked", priority: 11 })
  }

  it.effect.each(Object.entries(unfit))(
    "writes nothing that other nodes would refuse: %s",
    ([, payload]) =>
      Effect.gen(function*() {
        const { answer, written } = yield* approve(actionOf({ payload }))
        assert.isNull(answer.memoryId)
        for (const { operation: { body, entity, kind } } of written) {
          const read = Payload.read(kind, entity, body === null ? null : JSON.parse(body))
          assert.strictEqual(Either.isRight(read), true, `${kind} would be refused`)
        }
        assert.deepStrictEqual(yield* memories, [])
      }).pipe(Effect.provide(layer))
  )
})
