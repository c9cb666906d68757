import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as MetricRegistry from "effect/MetricRegistry"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { NodeId, PeerUrl } from "../../src/domain/ids.js"
import * as Federation from "../../src/federation/Federation.js"
import * as Replicating from "../../src/federation/replicating.js"
import * as Outcome from "../../src/federation/wire/Outcome.js"
import type { Outgoing } from "../../src/federation/wire/PeerClient.js"
import * as QuorumPolicy from "../../src/replication/QuorumPolicy.js"
import * as MemoryStore from "../../src/store/MemoryStore.js"
import * as Metrics from "../../src/telemetry/Metrics.js"
import { operation, storeIn } from "../store/letters.js"

type Outcomes = ReadonlyArray<Outcome.Outcome>

/** A peer that does with a request what `send` says, and the requests that it got, by the sequences of their operations. */
const target = (name: string, send: (items: ReadonlyArray<Outgoing>) => Effect.Effect<Outcomes, Outcomes>) => {
  const got: Array<string> = []
  return {
    got,
    peer: { name, url: PeerUrl.make(`http://${name}`) },
    send: (items: ReadonlyArray<Outgoing>) =>
      Effect.suspend(() => {
        got.push(items.map((item) => item.operation.oseq).join(" "))
        return send(items)
      })
  }
}
/** Refuses the second operation, as a peer does that answers. */
const refusesSecond = (items: ReadonlyArray<Outgoing>): Effect.Effect<Outcomes, Outcomes> => {
  const outcomes = items.map(({ operation }) =>
    operation.oseq === 2 ? Outcome.refused("no") : Outcome.held(NodeId.make("b"))
  )
  return outcomes.some(Outcome.isHeld) ? Effect.succeed(outcomes) : Effect.fail(outcomes)
}

const held = (name: string) => (items: ReadonlyArray<Outgoing>): Effect.Effect<Outcomes> =>
  Effect.succeed(items.map(() => Outcome.held(NodeId.make(name))))

const replicating = (links: ReadonlyArray<ReturnType<typeof target>>, w: number, metrics = Metrics.layer) =>
  Effect.gen(function*() {
    const policy = Either.getOrThrow(
      QuorumPolicy.make({ n: links.length + 1, w, ackTimeout: Duration.seconds(2) })
    )
    const inFlight = yield* FiberSet.make<void>()
    return yield* Replicating.make({ nodeId: NodeId.make("a"), policy, links, inFlight })
  }).pipe(Effect.provide(metrics))

describe("the replication of writes", () => {
  it.scoped("shares one fan-out among those that come at once, and answers each by itself", () =>
    Effect.gen(function*() {
      const refusing = target("b", refusesSecond)
      const slow = target("c", (items) => Effect.delay(held("c")(items), "500 millis"))
      const { replicate } = yield* replicating([refusing, slow], 2)
      const writes = yield* Effect.forEach([1, 2, 3], (oseq) => Effect.fork(replicate(operation(oseq))))
      yield* TestClock.adjust("1 millis")
      const states = writes.map((write) => write.unsafePoll() !== null)
      assert.deepStrictEqual(states, [true, false, true], "the others do not wait for the one that is refused")
      yield* TestClock.adjust("1 second")
      const answers = yield* Effect.forEach(writes, Fiber.join)
      assert.deepStrictEqual(answers.map(({ ackedBy }) => ackedBy.join(" ")), ["a b", "a c", "a b"])
      assert.deepStrictEqual(refusing.got, ["1 2 3", "2"])
      assert.deepStrictEqual(slow.got, ["1 2 3", "2"])
    }))

  it.scoped("tries those of bulk that one peer refuses by themselves, within one deadline for all", () =>
    Effect.gen(function*() {
      const refusing = target("b", refusesSecond)
      const silent = target("c", () => Effect.never)
      const { replicateAll } = yield* replicating([refusing, silent], 2)
      const all = yield* Effect.fork(replicateAll([1, 2, 3].map((oseq) => operation(oseq))))
      yield* TestClock.adjust("1900 millis")
      assert.isNull(all.unsafePoll())
      yield* TestClock.adjust("100 millis")
      const verdicts = yield* Fiber.join(all)
      assert.deepStrictEqual(verdicts.map(Either.isRight), [true, false, true])
    }))

  it.effect("leaves nobody waiting when the node ends, or its metrics break", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { replicate } = yield* Scope.extend(replicating([target("b", () => Effect.never)], 2), scope)
      const waiting = yield* Effect.fork(replicate(operation(1)))
      yield* TestClock.adjust("1 millis")
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 millis")
      const ended = waiting.unsafePoll()
      assert.isTrue(ended !== null && Exit.isFailure(ended) && Cause.isInterruptedOnly(ended.cause))

      const broken = Layer.succeed(Metrics.Metrics, {
        ...Metrics.make(MetricRegistry.make()),
        quorum: () => {
          throw new Error("broken")
        }
      })
      const answered = yield* replicating([target("b", held("b"))], 2, broken).pipe(
        Effect.flatMap(({ replicate }) => replicate(operation(1))),
        Effect.scoped,
        Effect.exit
      )
      assert.isTrue(Exit.isFailure(answered) && Cause.isDie(answered.cause))
    }))
})

describe("a node without peers", () => {
  it.effect("acknowledges what it has committed, and needs nothing but its store", () =>
    Effect.gen(function*() {
      const { links, replicate, replicateAll } = yield* Federation.Federation
      assert.deepStrictEqual(links, [])
      assert.deepInclude(yield* replicate(operation(1)), { acks: 1, ackedBy: [NodeId.make("me")] })
      const verdicts = yield* replicateAll([operation(1), operation(2)])
      assert.deepStrictEqual(verdicts.map(Either.isRight), [true, true])
    }).pipe(Effect.provide(alone)))
})

const alone: Layer.Layer<Federation.Federation> = Federation.layerAlone.pipe(
  Layer.provide(Layer.effect(MemoryStore.MemoryStore, MemoryStore.MemoryStore)),
  Layer.provide(storeIn(":memory:"))
)
