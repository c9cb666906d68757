import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { NodeId } from "../../src/domain/ids.js"
import type { Valid } from "../../src/domain/PendingAction.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { Uuid } from "../../src/domain/Uuid.js"
import * as governed from "../../src/store/deciding/governed.js"
import * as Sqlite from "../../src/store/log/Sqlite.js"
import * as MemoryStore from "../../src/store/MemoryStore.js"
import * as PendingReader from "../../src/store/read/PendingReader.js"
import * as Metrics from "../../src/telemetry/Metrics.js"
import { memoryOf, now } from "./library.js"

const nowMillis = Stamp.toMillis(now)
const HOUR = 3_600_000

let minted = 0
const layer = Layer.merge(MemoryStore.layer({ nodeId: Option.some(NodeId.make("me")) }), PendingReader.layer).pipe(
  Layer.provideMerge(Layer.mergeAll(
    Metrics.layer,
    Sqlite.layer({ file: ":memory:" }),
    Layer.succeed(Uuid, { make: () => `uuid-${++minted}` })
  )),
  Layer.tap(() => TestClock.setTime(nowMillis))
)

const within = <A>(job: (batch: MemoryStore.Batch) => A) =>
  Effect.flatMap(MemoryStore.MemoryStore, (store) => store.commitAll((batch) => Either.right(job(batch)), null))

const actionOf = (given: Partial<Valid> & { readonly id: string }): Valid => ({
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

const none = { baseHlc: null, covers: [] }
const queue = (given: Parameters<typeof actionOf>[0]) =>
  within((batch) => batch.write({ payload: { kind: "pending", action: actionOf(given) }, ...none }))
const vote = (id: string, agent_id: string) =>
  within((batch) => {
    const agent = memoryOf({
      id: `agent-${agent_id}-${++minted}`,
      namespace: "_agents",
      title: `agent:${agent_id}`,
      metadata: { agent_id },
      updated_at: batch.now().stamp
    })
    // Its versions claim one slot, and the first of them is enough.
    batch.write({ payload: { kind: "store", memory: agent }, ...none })
    return batch.write({ payload: { kind: "vote", vote: { id, agent_id, approved_at: batch.now().stamp } }, ...none })
  })
const approve = (given: Parameters<typeof actionOf>[0], approved = true) =>
  within((batch) => governed.decide(batch, actionOf(given), { approved, decider: "boss" }))
const store = (id: string) =>
  within((batch) =>
    batch.write({ payload: { kind: "store", memory: memoryOf({ id, updated_at: batch.now().stamp }) }, ...none })
  )
const remove = (id: string) =>
  within((batch) => {
    const held = batch.now().byId(id)
    const covers = held === null ? [] : batch.now().endable(held)
    return batch.write({ payload: { kind: "delete", entity: id }, baseHlc: null, covers })
  })

const kindsOf = (id: string) =>
  Effect.flatMap(PendingReader.PendingReader, (reader) => reader.trace(id)).pipe(
    Effect.map((trace) => Option.getOrThrow(trace).decided.map(({ entity, kind }) => `${kind} ${entity}`))
  )

describe("trace", () => {
  it.effect("has the operation that executed a decision", () =>
    Effect.gen(function*() {
      for (const id of ["deleted", "promoted"]) yield* store(id)
      const deletion = { id: "d", action_type: "delete" as const, memory_id: "deleted" }
      yield* queue(deletion)
      yield* approve(deletion)
      const promotion = { id: "p", action_type: "promote" as const, memory_id: "promoted" }
      yield* queue(promotion)
      yield* approve(promotion)
      assert.deepStrictEqual(yield* kindsOf("d"), ["decision d", "archive deleted"])
      assert.deepStrictEqual(yield* kindsOf("p"), ["decision p", "store promoted"])
    }).pipe(Effect.provide(layer)))

  it.effect("does not take what follows a decision for its execution", () =>
    Effect.gen(function*() {
      yield* store("other")
      const nothing = { id: "nothing", action_type: "delete" as const, memory_id: "gone" }
      yield* queue(nothing)
      yield* approve(nothing)
      yield* remove("other")
      assert.deepStrictEqual(yield* kindsOf("nothing"), ["decision nothing"])
      yield* queue({ id: "stored" })
      yield* approve({ id: "stored" })
      yield* store("unrelated")
      assert.deepStrictEqual(yield* kindsOf("stored"), ["decision stored"])
      yield* queue({ id: "rejected", action_type: "delete", memory_id: "unrelated" })
      yield* approve({ id: "rejected", action_type: "delete", memory_id: "unrelated" }, false)
      yield* remove("unrelated")
      assert.deepStrictEqual(yield* kindsOf("rejected"), ["decision rejected"])
    }).pipe(Effect.provide(layer)))

  it.effect("finds the execution under the name that the memory has now", () =>
    Effect.gen(function*() {
      yield* store("taker")
      yield* within((batch) => batch.alias("taken", "taker", now))
      const deletion = { id: "d", action_type: "delete" as const, memory_id: "taken" }
      yield* queue(deletion)
      yield* approve(deletion)
      assert.deepStrictEqual(yield* kindsOf("d"), ["decision d", "archive taker"])
    }).pipe(Effect.provide(layer)))

  it.effect("is none of an id that nobody knows", () =>
    Effect.gen(function*() {
      const reader = yield* PendingReader.PendingReader
      assert.isTrue(Option.isNone(yield* reader.trace("unknown")))
    }).pipe(Effect.provide(layer)))
})

describe("ripe", () => {
  const ripe = Effect.flatMap(PendingReader.PendingReader, (reader) => reader.ripe(nowMillis, 10))
  const two = { approver: { consensus: 2 } }

  it.effect("are actions with the votes they need and no decision, each agent counted once", () =>
    Effect.gen(function*() {
      yield* queue({ id: "enough", ...two })
      for (const agent of ["a", "b", "c"]) yield* vote("enough", agent)
      yield* queue({ id: "same agent", ...two })
      for (const agent of ["a", "A"]) yield* vote("same agent", agent)
      yield* queue({ id: "decided", ...two })
      for (const agent of ["a", "b"]) yield* vote("decided", agent)
      yield* approve({ id: "decided", ...two })
      yield* queue({ id: "one agent", approver: { agent: "a" } })
      yield* vote("one agent", "a")
      yield* queue({ id: "anybody" })
      yield* vote("anybody", "a")
      for (const agent of ["a", "b"]) yield* vote("not here yet", agent)
      assert.deepStrictEqual(yield* ripe, ["enough"])
      yield* queue({ id: "not here yet", ...two })
      assert.deepStrictEqual([...(yield* ripe)].sort(), ["enough", "not here yet"])
    }).pipe(Effect.provide(layer)))

  it.effect("are not those of another day", () =>
    Effect.gen(function*() {
      const reader = yield* PendingReader.PendingReader
      yield* queue({ id: "old", ...two })
      for (const agent of ["a", "b"]) yield* vote("old", agent)
      assert.deepStrictEqual(yield* reader.ripe(nowMillis + 23 * HOUR, 10), ["old"])
      assert.deepStrictEqual(yield* reader.ripe(nowMillis + 25 * HOUR, 10), [])
    }).pipe(Effect.provide(layer)))
})

describe("list", () => {
  it.effect("tells statuses apart at the very millisecond, as statusOf does", () =>
    Effect.gen(function*() {
      const reader = yield* PendingReader.PendingReader
      yield* queue({ id: "waiting" })
      yield* queue({ id: "done" })
      yield* approve({ id: "done" })
      yield* queue({ id: "refused" })
      yield* approve({ id: "refused" }, false)
      for (const at of [nowMillis, nowMillis + 24 * HOUR - 1, nowMillis + 24 * HOUR, nowMillis + 48 * HOUR]) {
        const { rows: all } = yield* reader.list({ nowMillis: at, limit: 10, offset: 0 })
        assert.lengthOf(all, 3)
        for (const status of PendingReader.STATUSES) {
          const { rows: found } = yield* reader.list({ status, nowMillis: at, limit: 10, offset: 0 })
          const expected = all.filter((each) => PendingReader.statusOf(each, at) === status)
          assert.deepStrictEqual(found, expected, `${status} at ${at - nowMillis}`)
        }
        const waiting = all.filter((each) => PendingReader.statusOf(each, at) === "pending").length
        assert.strictEqual(yield* reader.countPending(at), waiting)
      }
      const { rows: later } = yield* reader.list({ nowMillis: nowMillis + 24 * HOUR, limit: 10, offset: 0 })
      const statuses = later.map((each) => PendingReader.statusOf(each, nowMillis + 24 * HOUR))
      assert.deepStrictEqual(statuses, ["rejected", "approved", "expired"])
    }).pipe(Effect.provide(layer)))
})

describe("newsAfter", () => {
  it.effect("has what came after a place in the log, in its order, and of two decisions the one that counts", () =>
    Effect.gen(function*() {
      const reader = yield* PendingReader.PendingReader
      yield* queue({ id: "before" })
      const start = yield* reader.newest
      yield* store("noise")
      yield* queue({ id: "first" })
      yield* approve({ id: "before" })
      yield* vote("first", "a")
      yield* approve({ id: "before" }, false)
      yield* approve({ id: "first" }, false)
      const { events, upTo } = yield* reader.newsAfter(start)
      assert.deepStrictEqual(
        events.map((event) =>
          `${event.type} ${event.action.id}${event.type === "decided" ? ` ${event.decision.approved}` : ""}`
        ),
        ["requested first", "decided before true", "decided first false"]
      )
      assert.strictEqual(upTo, yield* reader.newest)
      assert.deepStrictEqual((yield* reader.newsAfter(upTo)).events, [])
    }).pipe(Effect.provide(layer)))
})
