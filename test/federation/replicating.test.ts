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
import * as Attempts from "../../src/federation/attempts.js"
import * as Federation from "../../src/federation/Federation.js"
import * as RecentTraces from "../../src/federation/RecentTraces.js"
import * as Replicating from "../../src/federation/replicating.js"
import type { Target } from "../../src/federation/sending.js"
import * as Outcome from "../../src/federation/wire/Outcome.js"
import { type Outgoing, PeerFailed } from "../../src/federation/wire/PeerClient.js"
import type { Operation } from "../../src/replication/Operation.js"
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
    holds: () => false,
    peer: { name, url: PeerUrl.make(`http://${name}`) },
    send: (items: ReadonlyArray<Outgoing>) =>
      Effect.suspend(() => {
        got.push(items.map((item) => item.operation.oseq).join(" "))
        return send(items)
      })
  }
}
/** Refuses the second operation, as a peer does that answers. */
const refusesSecond = (name: string) => (items: ReadonlyArray<Outgoing>): Effect.Effect<Outcomes, Outcomes> => {
  const outcomes = items.map(({ operation }) =>
    operation.oseq === 2 ? Outcome.refused("no") : Outcome.held(NodeId.make(name))
  )
  return outcomes.some(Outcome.isHeld) ? Effect.succeed(outcomes) : Effect.fail(outcomes)
}

const held = (name: string) => (items: ReadonlyArray<Outgoing>): Effect.Effect<Outcomes> =>
  Effect.succeed(items.map(() => Outcome.held(NodeId.make(name))))

const replicating = (links: ReadonlyArray<Target>, w: number, metrics = Metrics.layer) =>
  Effect.gen(function*() {
    const policy = Either.getOrThrow(
      QuorumPolicy.make({ n: links.length + 1, w, ackTimeout: Duration.seconds(2) })
    )
    const inFlight = yield* FiberSet.make<void>()
    const attempts = Attempts.make()
    const traces = RecentTraces.make()
    const made = yield* Replicating.make({ nodeId: NodeId.make("a"), policy, links, attempts, inFlight, traces })
    return { ...made, heard: attempts.heard, pending: attempts.pending }
  }).pipe(Effect.provide(metrics))

describe("the replication of writes", () => {
  it.scoped("has each peer take another part of bulk first, where not all are needed", () =>
    Effect.gen(function*() {
      const count = 1_000
      const firsts = (w: number) =>
        Effect.gen(function*() {
          const asked: Array<ReadonlyArray<string | undefined>> = []
          const links = ["b", "c"].map((name): Target => {
            const peer = target(name, held(name))
            return {
              ...peer,
              send: (items, how) => {
                if (name === "b") asked.push([String(items.length), how.first])
                return peer.send(items)
              }
            }
          })
          const { replicateAll } = yield* replicating(links, w)
          const verdicts = yield* replicateAll(Array.from({ length: count }, (_, at) => operation(at + 1)))
          assert.isTrue(verdicts.every(Either.isRight))
          return asked
        })
      const [b, c] = ["http://b", "http://c"]
      assert.deepStrictEqual(yield* firsts(2), [["256", b], ["256", c], ["256", b], ["232", c]])
      assert.deepStrictEqual((yield* firsts(3)).map(([, first]) => first), Array.from({ length: 4 }, () => undefined))
    }))

  it.scoped("shares one fan-out among those that come at once, and answers each by itself", () =>
    Effect.gen(function*() {
      const refusing = target("b", refusesSecond("b"))
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
      assert.deepStrictEqual(slow.got, ["1 2 3"], "it is still at it")
    }))

  it.scoped("tries those of bulk that one peer refuses by themselves, within one deadline for all", () =>
    Effect.gen(function*() {
      const refusing = target("b", refusesSecond("b"))
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

describe("what a peer was sent before", () => {
  /** Only the first request is ever answered, after so long. */
  const answersFirst = (name: string, after: Duration.DurationInput) => {
    let requests = 0
    return target(name, (items) => requests++ === 0 ? Effect.delay(held(name)(items), after) : Effect.never)
  }
  /** Is known not to answer, until a write can not do without it. */
  const away = (name: string): Target => ({
    holds: () => false,
    peer: { name, url: PeerUrl.make(`http://${name}`) },
    send: (items, { wanted }) => wanted ? held(name)(items) : Effect.fail(items.map(() => unavailable(name)))
  })
  const unavailable = (peer: string) =>
    Outcome.failed(new PeerFailed({ peer, reason: "unavailable", detail: "it did not answer" }))
  const answered = (write: Fiber.Fiber<{ readonly ackedBy: ReadonlyArray<string> }, unknown>) =>
    Effect.map(Fiber.join(write), ({ ackedBy }) => [...ackedBy].sort().join(" "))

  it.scoped("counts when it is under way while a round of its own begins for one", () =>
    Effect.gen(function*() {
      const late = answersFirst("c", "1900 millis")
      const { replicate } = yield* replicating([target("b", refusesSecond("b")), late], 2)
      const writes = yield* Effect.forEach([1, 2, 3], (oseq) => Effect.fork(replicate(operation(oseq))))
      yield* TestClock.adjust("1950 millis")
      assert.deepStrictEqual(yield* Effect.forEach(writes, answered), ["a b", "a c", "a b"])
      assert.deepStrictEqual(late.got, ["1 2 3"])
    }))

  it.scoped("counts when it was acked before that, and is not sent again", () =>
    Effect.gen(function*() {
      const prompt = answersFirst("b", "10 millis")
      const { replicate } = yield* replicating(
        [prompt, target("c", refusesSecond("c")), target("d", (items) => Effect.delay(held("d")(items), "1 second"))],
        3
      )
      const writes = yield* Effect.forEach([1, 2], (oseq) => Effect.fork(replicate(operation(oseq))))
      yield* TestClock.adjust("1100 millis")
      assert.deepStrictEqual(yield* Effect.forEach(writes, answered), ["a b c", "a b d"])
      assert.deepStrictEqual(prompt.got, ["1 2"])
    }))

  it.scoped("counts when it is under way while those are asked that did not answer before", () =>
    Effect.gen(function*() {
      const single = yield* replicating([away("b"), answersFirst("c", "1900 millis")], 3)
      const write = yield* Effect.fork(single.replicate(operation(1)))
      const bulk = yield* replicating([away("b"), answersFirst("c", "1900 millis")], 3)
      const all = yield* Effect.fork(bulk.replicateAll([operation(1), operation(2)]))
      yield* TestClock.adjust("1950 millis")
      assert.strictEqual(yield* answered(write), "a b c")
      assert.deepStrictEqual((yield* Fiber.join(all)).map(Either.isRight), [true, true])
    }))

  it.scoped("counts for the same write when its caller asks again", () =>
    Effect.gen(function*() {
      const late = answersFirst("b", "2500 millis")
      const { replicate } = yield* replicating([late], 2)
      const first = yield* Effect.fork(Effect.either(replicate(operation(1))))
      yield* TestClock.adjust("2 seconds")
      assert.isTrue(Either.isLeft(yield* Fiber.join(first)))
      const again = yield* Effect.fork(replicate(operation(1)))
      yield* TestClock.adjust("600 millis")
      assert.strictEqual(yield* answered(again), "a b")
      assert.deepStrictEqual(late.got, ["1"])
      const third = yield* Effect.fork(replicate(operation(1)))
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(late.got, ["1", "1"], "one that holds it no more is sent it again")
      yield* Fiber.interrupt(third)
    }))

  it.scoped("counts when it was acked while nobody waited, as long as the peer holds it under the same id", () =>
    Effect.gen(function*() {
      let holder: string | null = "b"
      const failing = {
        ...target("b", (items) => Effect.fail(items.map(() => Outcome.refused("not now", "overloaded")))),
        holds: ({ oseq }: Operation, by: string) => oseq !== 2 && by === holder
      }
      const { heard, pending, replicate } = yield* replicating([failing], 2)
      const missed = yield* Effect.either(replicate(operation(1)))
      assert.isTrue(Either.isLeft(missed))
      assert.strictEqual(pending(), 0)
      const acked = [1, 2, 3].map((oseq) => ({ operation: operation(oseq) }))
      heard(failing.peer, acked, acked.map(() => Outcome.held(NodeId.make("b"))))
      const before = failing.got.length
      assert.deepInclude(yield* replicate(operation(1)), { acks: 2, ackedBy: [NodeId.make("a"), NodeId.make("b")] })
      assert.deepInclude(yield* replicate(operation(1)), { acks: 2, ackedBy: [NodeId.make("a"), NodeId.make("b")] })
      assert.strictEqual(failing.got.length, before, "and is not sent again")
      assert.isTrue(Either.isLeft(yield* Effect.either(replicate(operation(2)))), "it holds that no more")
      const ofEarlierRun = yield* replicate(operation(3))
      assert.strictEqual(ofEarlierRun.acks, 2, "also when nobody had asked for it since the start")
      holder = "another"
      assert.isTrue(Either.isLeft(yield* Effect.either(replicate(operation(1)))))
      holder = "b"
      assert.isTrue(Either.isLeft(yield* Effect.either(replicate(operation(1)))), "what was void once stays void")
    }))

  it.scoped("counts when another lane brings it, also after its own attempt has failed", () =>
    Effect.gen(function*() {
      const failing = target("b", (items) => Effect.fail(items.map(() => Outcome.refused("not now", "overloaded"))))
      const silent = target("c", () => Effect.never)
      const { heard, replicate } = yield* replicating([failing, silent], 2)
      const [write, other] = yield* Effect.forEach([1, 2], (oseq) => Effect.fork(replicate(operation(oseq))))
      assert.isDefined(write)
      assert.isDefined(other)
      yield* TestClock.adjust("100 millis")
      heard(failing.peer, [{ operation: operation(3) }, { operation: operation(1) }], [
        Outcome.held(NodeId.make("b")),
        Outcome.held(NodeId.make("b"))
      ])
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* answered(write), "a b", "at once")
      yield* TestClock.adjust("100 millis")
      heard(silent.peer, [{ operation: operation(2) }], [Outcome.held(NodeId.make("c"))])
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* answered(other), "a c", "at the deadline, when its own attempt is at it still")
    }))

  it.scoped("counts when it is known while all others fail at once", () =>
    Effect.gen(function*() {
      let isAway = false
      const later = target("c", (items) =>
        isAway
          ? Effect.fail(items.map(() => Outcome.refused("no")))
          : Effect.zipRight(Effect.sleep("1 second"), Effect.fail(items.map(() => unavailable("c")))))
      const { replicate } = yield* replicating([target("b", refusesSecond("b")), later, target("d", held("d"))], 4)
      const writes = yield* Effect.forEach([1, 2], (oseq) => Effect.fork(Effect.either(replicate(operation(oseq)))))
      yield* TestClock.adjust("500 millis")
      isAway = true
      yield* TestClock.adjust("1 second")
      const missed = yield* Effect.forEach(writes, Fiber.join)
      assert.deepStrictEqual(
        missed.map((write) => Either.isLeft(write) ? write.left._tag === "QuorumNotMet" && write.left.got : null),
        [3, 2]
      )
    }))

  it.scoped("is not kept in mind for a caller that is gone", () =>
    Effect.gen(function*() {
      const refusing = target("b", (items) => Effect.delay(refusesSecond("b")(items), "100 millis"))
      const { pending, replicate } = yield* replicating([refusing, target("c", () => Effect.never)], 2)
      const writes = yield* Effect.forEach([1, 2], (oseq) => Effect.fork(replicate(operation(oseq))))
      yield* TestClock.adjust("50 millis")
      assert.strictEqual(pending(), 2)
      yield* Effect.forEach(writes, Fiber.interruptFork)
      yield* TestClock.adjust("200 millis")
      assert.strictEqual(pending(), 0)
    }))

  it.scoped("is told once when it comes too late and to nothing", () =>
    Effect.gen(function*() {
      const refusing = target("c", (items) =>
        Effect.delay(Effect.fail(items.map(() => Outcome.refused("no"))), "3 seconds"))
      const metrics = Metrics.make(MetricRegistry.make())
      let dropped = 0
      const counting = Layer.succeed(Metrics.Metrics, {
        ...metrics,
        dropped: () =>
          void dropped++
      })
      const { replicate } = yield* replicating([target("b", refusesSecond("b")), refusing], 2, counting)
      const writes = yield* Effect.forEach([1, 2], (oseq) => Effect.fork(Effect.either(replicate(operation(oseq)))))
      yield* TestClock.adjust("4 seconds")
      yield* Effect.forEach(writes, Fiber.join)
      assert.strictEqual(dropped, 2)
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
