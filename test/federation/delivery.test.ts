import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { NodeId, PeerUrl } from "../../src/domain/ids.js"
import * as Stamp from "../../src/domain/Stamp.js"
import * as Delivery from "../../src/federation/link/Delivery.js"
import * as LinkState from "../../src/federation/link/LinkState.js"
import { Outcome, outgoing, PeerFailed, type Push } from "../../src/federation/wire/PeerClient.js"
import * as VersionVector from "../../src/replication/VersionVector.js"
import * as Metrics from "../../src/telemetry/Metrics.js"
import { operation, storeIn } from "../store/letters.js"

const nodeId = NodeId.make("b")
const hello = {
  protocol: 2,
  node_id: nodeId,
  incarnation: 1,
  version: "0",
  capabilities: [],
  limits: { operations: 1000, bytes: 1024 },
  vector: VersionVector.empty,
  wall_clock: Stamp.fromMillis(0)
}
const failed = (reason: PeerFailed["reason"], detail: string) => new PeerFailed({ peer: "b", reason, detail })

/** One request after another ends like that, unless its own time is up before. */
const delivering = (...ends: ReadonlyArray<Effect.Effect<void, PeerFailed>>) =>
  Effect.gen(function*() {
    const machine = LinkState.make()
    machine.tell({ _tag: "met", identity: { kind: "quorate", peerId: nodeId, hello } })
    const never = Effect.never
    let requests = 0
    const push = ({ batch, timeout }: Push) =>
      Effect.suspend(() => ends[requests++] ?? never).pipe(
        Effect.timeoutFail({ duration: timeout, onTimeout: () => failed("timeout", "no answer") }),
        Effect.as({ outcomes: batch.map(() => Outcome.held(nodeId)), vector: undefined })
      )
    const peer = { name: "b", url: PeerUrl.make("http://b") }
    const client = {
      peer,
      push,
      hello: never,
      restate: () => never,
      since: () => never,
      rows: () => never,
      digests: never,
      vectors: () => never,
      revocations: () => never
    }
    const { pushWithRetry } = yield* Delivery.make(client, machine, () => {})
    return Effect.either(
      pushWithRetry([outgoing(operation(1))], { timeout: Duration.seconds(2), bulk: false })
    )
  }).pipe(Effect.provide(Layer.merge(storeIn(":memory:"), Metrics.layer)))

const messageOf = (answer: Either.Either<unknown, PeerFailed>) => Either.isLeft(answer) ? answer.left.message : null

describe("the second attempt of a push", () => {
  it.scoped("waits for its answer as long as the first one would have: a caller that asks again may want it", () =>
    Effect.gen(function*() {
      const late = Effect.sleep("1900 millis")
      const answer = yield* Effect.fork(
        yield* delivering(Effect.delay(failed("overloaded", "http 503"), "1500 millis"), late)
      )
      yield* TestClock.adjust("3600 millis")
      assert.isNull(answer.unsafePoll(), "1,500 + 250 + 1,900 are not over")
      yield* TestClock.adjust("100 millis")
      assert.isNull(messageOf(yield* Fiber.join(answer)))
    }))

  it.scoped("begins while there is time left only", () =>
    Effect.gen(function*() {
      const answer = yield* Effect.fork(
        yield* delivering(Effect.delay(failed("network", "reset"), "1800 millis"), Effect.void)
      )
      yield* TestClock.adjust("1900 millis")
      assert.strictEqual(messageOf(yield* Fiber.join(answer)), "network: reset")
    }))

  it.scoped("is said beside the first one where it has something else to say", () =>
    Effect.gen(function*() {
      const overloaded = failed("overloaded", "http 503: not_ready")
      const same = yield* Effect.fork(yield* delivering(overloaded, overloaded))
      const other = yield* Effect.fork(yield* delivering(failed("network", "reset"), overloaded))
      yield* TestClock.adjust("300 millis")
      assert.strictEqual(messageOf(yield* Fiber.join(same)), "overloaded: http 503: not_ready")
      assert.strictEqual(
        messageOf(yield* Fiber.join(other)),
        "overloaded: first: network: reset; retry: overloaded: http 503: not_ready"
      )
    }))
})
