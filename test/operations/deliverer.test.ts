import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import * as NodeConfig from "../../src/config/NodeConfig.js"
import * as Stamp from "../../src/domain/Stamp.js"
import * as ChangeFeed from "../../src/operations/changes/ChangeFeed.js"
import * as cursor from "../../src/operations/changes/cursor.js"
import { remember } from "../../src/operations/memories/remember.js"
import { deadEvents, replayAll } from "../../src/operations/subscriptions/deadEvents.js"
import * as Deliverer from "../../src/operations/subscriptions/Deliverer.js"
import { subscribe } from "../../src/operations/subscriptions/subscribe.js"
import { subscriptions } from "../../src/operations/subscriptions/subscriptions.js"
import { unsubscribe } from "../../src/operations/subscriptions/unsubscribe.js"
import { NotTaken, Webhooks } from "../../src/operations/subscriptions/Webhooks.js"
import * as Deliveries from "../../src/store/Deliveries.js"
import { Sqlite } from "../../src/store/log/Sqlite.js"
import { MemoryStore } from "../../src/store/MemoryStore.js"
import * as ChangeReader from "../../src/store/read/ChangeReader.js"
import * as SubscriptionReader from "../../src/store/read/SubscriptionReader.js"
import { AuditLog } from "../../src/telemetry/AuditLog.js"
import { writtenElsewhere } from "../store/elsewhere.js"
import * as Node from "./node.js"

const noon = Date.UTC(2026, 0, 15, 12)

interface Sent {
  readonly id: unknown
  readonly correlation: unknown
  readonly atMillis: number
}

/** A receiver that the test has take events or not. */
const making = () => {
  const sent: Array<Sent> = []
  const state = { takes: true }
  const webhooks = Layer.succeed(Webhooks, {
    post: (_, { body, headers }) =>
      Effect.flatMap(Clock.currentTimeMillis, (atMillis) => {
        const { memory_id: id } = JSON.parse(body)
        sent.push({ id, correlation: headers["x-ai-memory-correlation-id"], atMillis })
        return state.takes ? Effect.void : new NotTaken({ reason: "it is away" })
      })
  })
  return { sent, state, webhooks }
}

/** Time goes on, and everybody gets their turns meanwhile. */
const pass = (millis: number, step = 500) =>
  Effect.gen(function*() {
    for (let left = millis; left > 0; left -= step) {
      yield* TestClock.adjust(Math.min(left, step))
      for (let turn = 0; turn < 5; turn++) yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    }
  })

const onNode = <A, E, R>(receiver: ReturnType<typeof making>, test: Effect.Effect<A, E, R>) =>
  Effect.zipRight(
    TestClock.setTime(noon),
    Effect.provide(
      test,
      Deliverer.layer.pipe(
        Layer.provideMerge(ChangeFeed.layer),
        Layer.provideMerge(Layer.mergeAll(ChangeReader.layer, SubscriptionReader.layer, Deliveries.layer, unheard)),
        Layer.provideMerge(receiver.webhooks),
        Layer.provideMerge(NodeConfig.layerWith({})),
        Layer.provideMerge(Node.layer())
      )
    )
  )

/** Nobody looks into the audit log. */
const unheard = Layer.mock(AuditLog, { record: () => Effect.void, note: () => {}, flush: Effect.void })

const hook = { url: "https://hooks.example.org/", namespace: "n", agent_id: "ann" }
const put = (title: string) =>
  Effect.map(remember({ namespace: "n", title, content: "c", tier: "long" }, Node.anonymous), ({ memory }) => memory.id)

const operations = Effect.map(
  Sqlite,
  ({ writer }) => Number(writer.prepare("SELECT count(*) FROM oplog WHERE kind = 'delivery'").pluck().get())
)

describe("who delivers", () => {
  const one = making()
  it.effect("tries an event after 200 ms, 1 s and 5 s under one name, and goes on with the next one", () =>
    onNode(
      one,
      Effect.gen(function*() {
        const { subscription } = yield* subscribe(hook, Node.anonymous)
        yield* pass(5_000)
        one.state.takes = false
        const first = yield* put("first")
        yield* pass(8_000)
        const tries = one.sent.filter(({ id }) => id === first)
        assert.lengthOf(tries, 4)
        assert.lengthOf(new Set(tries.map(({ correlation }) => correlation)), 1)
        const [a = 0, b = 0, c = 0, d = 0] = tries.map(({ atMillis }) => atMillis)
        assert.deepStrictEqual([b - a, c - b, d - c].map((gap, at) => gap >= ([200, 1000, 5000][at] ?? 0)), [
          true,
          true,
          true
        ])
        one.state.takes = true
        const second = yield* put("second")
        yield* pass(2_000)
        assert.strictEqual(one.sent.at(-1)?.id, second)
        const [letter] = yield* deadEvents({ subscription_id: subscription.id })
        assert.deepInclude(letter, {
          subscriptionId: subscription.id,
          event: "memory_store",
          attempts: 4,
          reason: "it is away"
        })
        assert.deepStrictEqual(yield* replayAll(subscription.id), { delivered: 1, left: 0 })
        assert.strictEqual(one.sent.at(-1)?.id, first)
      })
    ))

  const away = making()
  it.effect(
    "waits longer and longer for a receiver that is away, and loses nothing where there is no more room",
    () =>
      onNode(
        away,
        Effect.gen(function*() {
          const { subscription } = yield* subscribe(hook, Node.anonymous)
          yield* pass(5_000)
          away.state.takes = false
          const ids: Array<string> = []
          for (let i = 0; i < 6; i++) ids.push(yield* put(`t${i}`))
          const { writer } = yield* Sqlite
          const full = writer.prepare(
            `INSERT INTO subscription_dead_letters (subscription_id, change_id, event, origin, oseq, reason, attempts, failed_at)
         VALUES (?, 'c', 'memory_store', 'x/1', ?, 'r', 4, 'then')`
          )
          writer.transaction(() => {
            for (let i = 0; i < 997; i++) full.run(subscription.id, i + 1)
          })()
          yield* pass(60_000, 2_000)
          // Three with their tries, then a pause each time: 10 s, and twice that.
          assert.lengthOf(yield* deadEvents({ subscription_id: subscription.id, limit: 1000 }), 1000)
          const before = away.sent.length
          yield* pass(40_000, 2_000)
          assert.isAtMost(away.sent.length - before, 8)
          away.state.takes = true
          yield* pass(60_000, 5_000)
          // The fourth is the first without room: it and what follows came once there was somebody to take it.
          assert.deepStrictEqual(away.sent.slice(-3).map(({ id }) => id), ids.slice(3))
        })
      ),
    60_000
  )

  const quiet = making()
  it.effect(
    "writes how far it is by time, and not by event, and tells who asks",
    () =>
      onNode(
        quiet,
        Effect.gen(function*() {
          const { subscription } = yield* subscribe(hook, Node.anonymous)
          yield* pass(5_000)
          for (let i = 0; i < 40; i++) yield* put(`t${i}`)
          yield* pass(9_000)
          assert.lengthOf(quiet.sent, 40)
          assert.isAtMost(yield* operations, 2)
          yield* pass(60_000, 2_000)
          const settled = yield* operations
          assert.isAtMost(settled, 3)
          // Its own words are no news.
          yield* pass(40_000, 5_000)
          assert.strictEqual(yield* operations, settled)
          const [listed] = yield* subscriptions("ann")
          assert.deepInclude(listed, { dispatched: 40, failed: 0 })
          yield* unsubscribe({ id: subscription.id }, Node.anonymous)
          yield* pass(1_000)
          yield* put("after")
          yield* pass(10_000)
          assert.lengthOf(quiet.sent, 40)
        })
      ),
    60_000
  )

  const after = making()
  it.effect("begins where the other one was that served it before", () =>
    onNode(
      after,
      Effect.gen(function*() {
        const { subscription } = yield* subscribe(hook, Node.anonymous)
        for (const title of ["a", "b", "c"]) yield* put(title)
        const { end } = yield* ChangeFeed.ChangeFeed
        const said = { id: subscription.id, cursor: yield* cursor.write(yield* end), dispatched: 3, failed: 0 }
        const { receive } = yield* MemoryStore
        const [receipt] = yield* receive([
          writtenElsewhere({ kind: "delivery", delivery: said }, Stamp.fromMillis(noon), { node: "other" })
        ])
        assert.strictEqual(receipt?.result, "applied")
        yield* pass(5_000)
        assert.lengthOf(after.sent, 0)
        const next = yield* put("d")
        yield* pass(2_000)
        assert.deepStrictEqual(after.sent.map(({ id }) => id), [next])
        const [listed] = yield* subscriptions("ann")
        assert.deepInclude(listed, { dispatched: 4 })
      })
    ))
})
