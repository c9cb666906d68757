import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { OF_FILE } from "../../src/domain/Durability.js"
import { NodeId, Origin } from "../../src/domain/ids.js"
import * as ApprovalFeed from "../../src/operations/governance/ApprovalFeed.js"
import { MemoryStore } from "../../src/store/MemoryStore.js"
import { AgentReader } from "../../src/store/read/AgentReader.js"
import { type ApprovalEvent, PendingReader } from "../../src/store/read/PendingReader.js"
import { words } from "../store/library.js"

const requested = (id: string): ApprovalEvent => ({
  type: "requested",
  action: {
    id,
    action_type: "store",
    memory_id: null,
    namespace: "n",
    payload: {},
    requested_by: "writer",
    requested_at: "2026-01-01T00:00:00Z",
    status: "pending",
    approvals: []
  }
})

/** A log that the test writes; its vector is another one with each event. */
const logged: Array<ApprovalEvent> = []
let vector = new Map()
let reads = 0
const log = (...events: ReadonlyArray<ApprovalEvent>) => {
  logged.push(...events)
  vector = new Map()
}

const layer = ApprovalFeed.layer.pipe(
  Layer.provide(Layer.mergeAll(
    Layer.mock(PendingReader, {
      newest: Effect.sync(() => logged.length),
      newsAfter: (after) =>
        Effect.sync(() => {
          reads++
          return { events: logged.slice(after), upTo: logged.length }
        })
    }),
    Layer.mock(AgentReader, { isRegistered: () => Effect.succeed(false) }),
    Layer.mock(MemoryStore, {
      nodeId: NodeId.make("me"),
      origin: () => Origin.make("me/1"),
      words,
      sealedForm: (operation) => operation,
      sealed: () => new Map(),
      durability: () => OF_FILE,
      digest: () => 0,
      withheld: () => 0,
      vector: () => vector
    })
  ))
)

const idsOf = (heard: ReadonlyArray<ApprovalFeed.Heard>) =>
  heard.map((one) => one.type === "lagged" ? `lagged ${one.missed}` : one.action.id)

const listen = Effect.flatMap(ApprovalFeed.ApprovalFeed, (feed) => feed.listen("anybody"))

describe("ApprovalFeed", () => {
  it.scoped("reads the log only while somebody listens and something happens", () =>
    Effect.gen(function*() {
      log(requested("long ago"))
      yield* TestClock.adjust("10 seconds")
      const before = reads
      const scope = yield* Scope.make()
      const next = yield* Scope.extend(listen, scope)
      log(requested("now"))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(idsOf(yield* next), ["now"])
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(reads, before + 1)
      yield* Scope.close(scope, Exit.void)
      log(requested("unheard"))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(reads, before + 1)
      const again = yield* listen
      log(requested("heard"))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(idsOf(yield* again), ["heard"])
    }).pipe(Effect.provide(layer)))

  it.scoped("drops what a slow listener has no room for, says how much, and holds up nobody else", () =>
    Effect.gen(function*() {
      const slow = yield* listen
      const fast = yield* listen
      const total = ApprovalFeed.MAX_WAITING + 44
      const ids = Array.from({ length: total }, (_, index) => `${index}`)
      for (const part of [ids.slice(0, 200), ids.slice(200)]) {
        log(...part.map(requested))
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(idsOf(yield* fast), part)
      }
      assert.deepStrictEqual(idsOf(yield* slow), [...ids.slice(0, ApprovalFeed.MAX_WAITING), "lagged 44"])
      log(requested("after"))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(idsOf(yield* slow), ["after"])
    }).pipe(Effect.provide(layer)))

  it.scoped("drops what is beyond the bytes that may wait for one listener", () =>
    Effect.gen(function*() {
      const slow = yield* listen
      const large = (id: string): ApprovalEvent => {
        const event = requested(id)
        return { ...event, action: { ...event.action, payload: "x".repeat(60_000) } }
      }
      log(...["1", "2", "3", "4", "5", "6"].map(large))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(idsOf(yield* slow), ["1", "2", "3", "4", "lagged 2"])
      log(large("7"))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(idsOf(yield* slow), ["7"])
    }).pipe(Effect.provide(layer)))

  it.scoped("takes no more listeners than its bound", () =>
    Effect.gen(function*() {
      yield* Effect.replicateEffect(listen, ApprovalFeed.MAX_LISTENERS)
      const refused = yield* Effect.either(Effect.asVoid(listen))
      assert(Either.isLeft(refused))
      assert.strictEqual(refused.left._tag, "Overloaded")
    }).pipe(Effect.provide(layer)))
})
