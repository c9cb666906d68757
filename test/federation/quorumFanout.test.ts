import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Supervisor from "effect/Supervisor"
import * as TestClock from "effect/TestClock"
import { quorumFanout, type QuorumMissed, type Tally } from "../../src/federation/quorumFanout.js"

const missedBy = <A, Target, Ack, E>(
  fanout: Effect.Effect<A, QuorumMissed<Target, Ack, E>>
): Effect.Effect<QuorumMissed<Target, Ack, E>> => Effect.orDie(Effect.flip(fanout))

const acksOf = <Target, Ack, E>(tally: Tally<Target, Ack, E>) => tally.acks.map(({ target }) => target)

/** Sends that settle when told to, and what came late. */
const scripted = Effect.gen(function*() {
  const inFlight = yield* FiberSet.make<void>()
  const answers = new Map<string, Deferred.Deferred<string, string>>()
  const sent: Array<string> = []
  const late: Array<readonly [string, Exit.Exit<string, string>]> = []
  for (const target of ["a", "b", "c"]) answers.set(target, yield* Deferred.make<string, string>())
  const answer = (target: string) => answers.get(target) ?? assert.fail(`no target ${target}`)
  return {
    inFlight,
    sent,
    late,
    ack: (target: string) => Deferred.succeed(answer(target), `${target} has it`),
    fail: (target: string) => Deferred.fail(answer(target), "down"),
    /** Until every fiber has done what it can without time or answers. */
    settle: Effect.repeatN(Effect.yieldNow(), 20),
    fanout: (options: { readonly needed: number; readonly targets?: ReadonlyArray<string> }) =>
      quorumFanout({
        targets: ["a", "b", "c"],
        ...options,
        send: (target: string) =>
          Effect.suspend(() => {
            sent.push(target)
            return Deferred.await(answer(target))
          }),
        deadline: "500 millis",
        inFlight,
        onLate: (target, exit) => Effect.sync(() => void late.push([target, exit]))
      })
  }
})

describe("quorumFanout", () => {
  it.scoped("answers at the deciding ack, and tells the rest to onLate", () =>
    Effect.gen(function*() {
      const { ack, fail, fanout, inFlight, late, settle } = yield* scripted
      const fiber = yield* Effect.fork(fanout({ needed: 2 }))
      yield* settle
      yield* ack("c")
      yield* settle
      assert.isNull(fiber.unsafePoll())
      yield* ack("a")
      const tally = yield* Fiber.join(fiber)
      assert.deepStrictEqual(tally.acks, [{ target: "a", ack: "a has it" }, { target: "c", ack: "c has it" }])
      assert.deepStrictEqual(tally.failures, [])
      assert.deepStrictEqual(tally.pending, ["b"])
      assert.deepStrictEqual(late, [])
      assert.strictEqual(yield* FiberSet.size(inFlight), 1)
      yield* fail("b")
      yield* FiberSet.awaitEmpty(inFlight)
      assert.deepStrictEqual(late, [["b", Exit.fail("down")]])
    }))

  it.scoped("gives up at the failure that makes success impossible, without waiting", () =>
    Effect.gen(function*() {
      const { ack, fail, fanout, inFlight, late, settle } = yield* scripted
      const fiber = yield* Effect.fork(missedBy(fanout({ needed: 2 })))
      yield* settle
      yield* fail("b")
      yield* settle
      assert.isNull(fiber.unsafePoll())
      yield* fail("a")
      const { message, reason, tally } = yield* Fiber.join(fiber)
      assert.strictEqual(reason, "unreachable")
      assert.strictEqual(message, "0 of 2 acks (unreachable)")
      assert.deepStrictEqual(tally.failures, [
        { target: "a", cause: Cause.fail("down") },
        { target: "b", cause: Cause.fail("down") }
      ])
      assert.deepStrictEqual(tally.pending, ["c"])
      yield* ack("c")
      yield* FiberSet.awaitEmpty(inFlight)
      assert.deepStrictEqual(late, [["c", Exit.succeed("c has it")]])
    }))

  it.scoped("answers at the deadline, not before and not after", () =>
    Effect.gen(function*() {
      const { ack, fanout, late, settle } = yield* scripted
      const fiber = yield* Effect.fork(missedBy(fanout({ needed: 2 })))
      yield* ack("a")
      yield* TestClock.adjust("499 millis")
      yield* settle
      assert.isNull(fiber.unsafePoll())
      yield* TestClock.adjust("1 millis")
      const { reason, tally } = yield* Fiber.join(fiber)
      assert.strictEqual(reason, "deadline")
      assert.deepStrictEqual(acksOf(tally), ["a"])
      assert.deepStrictEqual(tally.pending, ["b", "c"])
      yield* ack("b")
      yield* settle
      assert.deepStrictEqual(late.map(([target]) => target), ["b"])
    }))

  it.scoped("waits for nobody when nothing is needed, and sends all the same", () =>
    Effect.gen(function*() {
      const { ack, fanout, inFlight, late, sent } = yield* scripted
      for (const needed of [0, -1]) {
        sent.length = 0
        const tally = yield* fanout({ needed })
        assert.deepStrictEqual(tally.pending, ["a", "b", "c"])
        assert.deepStrictEqual(sent, ["a", "b", "c"])
      }
      for (const target of ["a", "b", "c"]) yield* ack(target)
      yield* FiberSet.awaitEmpty(inFlight)
      assert.strictEqual(late.length, 6)
    }))

  it.scoped("is certain at once without enough targets", () =>
    Effect.gen(function*() {
      const { fanout, sent } = yield* scripted
      const none = yield* missedBy(fanout({ needed: 1, targets: [] }))
      assert.deepStrictEqual([none.reason, none.tally.pending], ["unreachable", []])
      const tooFew = yield* missedBy(fanout({ needed: 3, targets: ["a", "b"] }))
      assert.deepStrictEqual([tooFew.reason, tooFew.tally.pending], ["unreachable", ["a", "b"]])
      assert.deepStrictEqual(sent, ["a", "b"])
    }))

  it.scoped("sends once to a target that is listed twice, and counts it once", () =>
    Effect.gen(function*() {
      const { ack, fanout, inFlight, sent } = yield* scripted
      yield* ack("a")
      const { reason, tally } = yield* missedBy(fanout({ needed: 2, targets: ["a", "a", "a"] }))
      assert.deepStrictEqual([reason, tally.pending], ["unreachable", ["a"]])
      assert.deepStrictEqual(sent, ["a"])
      assert.deepStrictEqual(acksOf(yield* fanout({ needed: 1, targets: ["a", "a"] })), ["a"])
      const equal = yield* missedBy(quorumFanout({
        targets: [Data.struct({ host: "a" }), Data.struct({ host: "a" })],
        send: () => Effect.void,
        needed: 2,
        deadline: 500,
        inFlight
      }))
      assert.strictEqual(equal.tally.acks.length, 1)
    }))

  it.scoped("counts sends that end before they wait, without the clock", () =>
    Effect.gen(function*() {
      const inFlight = yield* FiberSet.make<void>()
      const sleeps = { count: 0 }
      const clock = yield* Effect.clock
      const counting: Clock.Clock = {
        [Clock.ClockTypeId]: Clock.ClockTypeId,
        unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis(),
        unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
        currentTimeMillis: clock.currentTimeMillis,
        currentTimeNanos: clock.currentTimeNanos,
        sleep: (duration) => {
          sleeps.count++
          return clock.sleep(duration)
        }
      }
      const run = (send: (target: number) => Effect.Effect<number, string>) =>
        quorumFanout({ targets: [1, 2, 3], send, needed: 2, deadline: 500, inFlight }).pipe(Effect.withClock(counting))
      const tally = yield* run((target) => Effect.succeed(target * 10))
      assert.deepStrictEqual(tally.acks, [1, 2, 3].map((target) => ({ target, ack: target * 10 })))
      const { reason, tally: missed } = yield* missedBy(
        run((target) => target === 1 ? Effect.succeed(1) : Effect.fail("no"))
      )
      assert.deepStrictEqual([reason, missed.acks.length, missed.failures.length], ["unreachable", 1, 2])
      assert.deepStrictEqual([sleeps.count, yield* FiberSet.size(inFlight)], [0, 0])
    }))

  it.scoped("makes a defect the failure of its target: in the send, or while it is made", () =>
    Effect.gen(function*() {
      const inFlight = yield* FiberSet.make<void>()
      const tally = yield* quorumFanout({
        targets: ["dies", "throws", "acks"],
        send: (target) => {
          if (target === "throws") throw new Error(target)
          return target === "dies" ? Effect.die(target) : Effect.delay(Effect.succeed(target), 0)
        },
        needed: 1,
        deadline: 500,
        inFlight
      }).pipe(Effect.zipLeft(TestClock.adjust(0), { concurrent: true }))
      assert.deepStrictEqual(acksOf(tally), ["acks"])
      assert.deepStrictEqual(tally.failures.map(({ cause, target }) => [target, Cause.isDie(cause)]), [
        ["dies", true],
        ["throws", true]
      ])
      yield* FiberSet.awaitEmpty(inFlight)
      assert.isFalse(yield* Deferred.isDone(inFlight.deferred))
    }))

  it.scoped("logs what goes wrong in onLate; nothing else suffers", () =>
    Effect.gen(function*() {
      const inFlight = yield* FiberSet.make<void>()
      const logged: Array<string> = []
      const log = Logger.make(({ cause, logLevel }) => {
        logged.push(`${logLevel.label} ${Cause.pretty(cause).split("\n")[0]}`)
      })
      const told: Array<string> = []
      yield* quorumFanout({
        targets: ["dies", "throws", "interrupts", "listens"],
        send: (target) => Effect.delay(Effect.succeed(target), 100),
        needed: 0,
        deadline: 500,
        inFlight,
        onLate: (target) => {
          if (target === "throws") throw new Error("onLate throws")
          told.push(target)
          if (target === "dies") return Effect.die(new Error("onLate dies"))
          return target === "interrupts" ? Effect.interrupt : Effect.void
        }
      }).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, log)))
      yield* TestClock.adjust(100)
      yield* FiberSet.awaitEmpty(inFlight)
      assert.sameMembers(told, ["dies", "interrupts", "listens"])
      assert.sameMembers(logged, [
        "ERROR Error: onLate dies",
        "ERROR Error: onLate throws",
        "ERROR All fibers interrupted without errors."
      ])
      assert.isFalse(yield* Deferred.isDone(inFlight.deferred), "a failed fiber would have ended the set's join")
    }))

  it.scoped("leaves every send alone when its caller is interrupted, and all results are late then", () =>
    Effect.gen(function*() {
      const { ack, fanout, inFlight, late, sent, settle } = yield* scripted
      const fiber = yield* Effect.fork(fanout({ needed: 2 }))
      yield* settle
      yield* ack("a")
      yield* settle
      const exit = yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.isInterrupted(exit))
      assert.strictEqual(yield* FiberSet.size(inFlight), 2)
      yield* ack("b")
      yield* ack("c")
      yield* FiberSet.awaitEmpty(inFlight)
      assert.deepStrictEqual(sent, ["a", "b", "c"])
      assert.deepStrictEqual(late, [["b", Exit.succeed("b has it")], ["c", Exit.succeed("c has it")]])
    }))

  it.scoped("keeps its deadline in a region that cannot be interrupted", () =>
    Effect.gen(function*() {
      const { fanout } = yield* scripted
      const fiber = yield* Effect.fork(Effect.uninterruptible(missedBy(fanout({ needed: 1 }))))
      yield* TestClock.adjust(500)
      assert.strictEqual((yield* Fiber.join(fiber)).reason, "deadline")
    }))

  it.scoped("ends the race at once in such a region, and its sends can still be ended by their owner", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const inFlight = yield* Scope.extend(FiberSet.make<void>(), scope)
      const late: Array<string> = []
      const tally = yield* Effect.uninterruptible(quorumFanout({
        targets: ["a", "b"],
        send: (target) => target === "a" ? Effect.yieldNow() : Effect.never,
        needed: 1,
        deadline: "1 hour",
        inFlight,
        onLate: (target, exit) => Effect.sync(() => void late.push(`${target} ${Exit.isInterrupted(exit)}`))
      }))
      assert.deepStrictEqual(acksOf(tally), ["a"])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(late, ["b true"])
    }))

  it.scoped("counts sends that their owner interrupts as failures", () =>
    Effect.gen(function*() {
      const { fanout, inFlight, settle } = yield* scripted
      const fiber = yield* Effect.fork(missedBy(fanout({ needed: 1 })))
      yield* settle
      yield* FiberSet.clear(inFlight)
      const { reason, tally } = yield* Fiber.join(fiber)
      assert.strictEqual(reason, "unreachable")
      assert.deepStrictEqual(tally.failures.map(({ cause }) => Cause.isInterruptedOnly(cause)), [true, true, true])
    }))

  it.effect("sends nothing when the owner has ended, and says so at once", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const inFlight = yield* Scope.extend(FiberSet.make<void>(), scope)
      yield* Scope.close(scope, Exit.void)
      const sent: Array<string> = []
      const { reason, tally } = yield* missedBy(quorumFanout({
        targets: ["a", "b"],
        send: (target) => Effect.sync(() => sent.push(target)),
        needed: 1,
        deadline: 500,
        inFlight
      }))
      assert.deepStrictEqual([reason, tally.failures.length, sent.length], ["unreachable", 2, 0])
    }))

  it.scoped("takes from the deadline what the sends spend before they wait", () =>
    Effect.gen(function*() {
      const inFlight = yield* FiberSet.make<void>()
      let now = 0
      const slept: Array<number> = []
      const clock: Clock.Clock = {
        [Clock.ClockTypeId]: Clock.ClockTypeId,
        unsafeCurrentTimeMillis: () => now,
        unsafeCurrentTimeNanos: () => BigInt(Math.round(now * 1e6)),
        currentTimeMillis: Effect.sync(() => now),
        currentTimeNanos: Effect.sync(() => BigInt(Math.round(now * 1e6))),
        sleep: (duration) => Effect.sync(() => void slept.push(Duration.toMillis(duration)))
      }
      const spending = (millis: number) =>
        missedBy(quorumFanout({
          targets: ["a", "b"],
          send: () => {
            now += millis
            return Effect.never
          },
          needed: 1,
          deadline: 500,
          inFlight
        })).pipe(Effect.withClock(clock))
      for (const millis of [0, 0.3, 100, 600]) yield* spending(millis)
      assert.deepStrictEqual(slept, [500, 500, 300, 0])
    }))

  it.scoped("is one span, the parent of what its sends do", () =>
    Effect.gen(function*() {
      const inFlight = yield* FiberSet.make<void>()
      const { acks } = yield* quorumFanout({
        targets: ["a", "b"],
        send: () => Effect.currentSpan,
        needed: 1,
        deadline: 500,
        inFlight
      }).pipe(Effect.withSpan("caller"))
      for (const { ack } of acks) {
        assert.strictEqual(ack.name, "federation.quorumFanout")
        assert.deepStrictEqual(Object.fromEntries(ack.attributes), { "quorum.targets": 2, "quorum.needed": 1 })
        const parent = Option.getOrThrow(ack.parent)
        assert.strictEqual(parent._tag === "Span" ? parent.name : "", "caller")
      }
      assert.strictEqual(acks.length, 2)
    }))
})

describe("quorumFanout against a loop over sorted delays", () => {
  const deadline = 501
  const target = FastCheck.record({
    delay: FastCheck.integer({ min: 0, max: 300 }).map((half) => 2 * half),
    outcome: FastCheck.constantFrom("ack", "ack", "ack", "fail", "defect", "never", "never", "never")
  })
  type Target = typeof target extends FastCheck.Arbitrary<infer T> ? T : never

  /** When it is decided, and as what: one target after the other, as they settle. */
  const reference = (targets: ReadonlyArray<Target>, needed: number) => {
    let acks = 0
    let possible = targets.length
    if (acks >= needed) return { at: 0, verdict: "met" }
    if (possible < needed) return { at: 0, verdict: "unreachable" }
    const settling = targets.filter(({ delay, outcome }) => outcome !== "never" && delay < deadline)
    for (const { delay, outcome } of settling.toSorted((x, y) => x.delay - y.delay)) {
      if (outcome === "ack") acks++
      else possible--
      if (acks >= needed) return { at: delay, verdict: "met" }
      if (possible < needed) return { at: delay, verdict: "unreachable" }
    }
    return { at: deadline, verdict: "deadline" }
  }

  const sendTo = ({ delay, outcome }: Target): Effect.Effect<string, string> =>
    Effect.delay(
      outcome === "ack" ? Effect.succeed("ok") : outcome === "fail" ? Effect.fail("down") : Effect.die("bug"),
      delay
    )

  const seen = new Map<string, number>()

  it.effect.prop(
    "decides the same at the same instant, and loses no result",
    [FastCheck.array(target, { maxLength: 7 }), FastCheck.integer({ min: 0, max: 8 })],
    ([targets, asked]) =>
      Effect.gen(function*() {
        const needed = Math.min(asked, targets.length + 1)
        const expected = reference(targets, needed)
        seen.set(expected.verdict, (seen.get(expected.verdict) ?? 0) + 1)
        const late: Array<Target> = []
        const inFlight = yield* FiberSet.make<void>()
        const begin = yield* Clock.currentTimeMillis
        const fiber = yield* quorumFanout({
          targets,
          send: (to) => to.outcome === "never" ? Effect.never : sendTo(to),
          needed,
          deadline,
          inFlight,
          onLate: (from) => Effect.sync(() => void late.push(from))
        }).pipe(
          Effect.either,
          Effect.zip(Clock.currentTimeMillis),
          Effect.fork
        )
        yield* TestClock.adjust("1 second")
        const [result, at] = yield* Fiber.join(fiber)
        const tally = Either.isRight(result) ? result.right : result.left.tally
        assert.deepStrictEqual(
          { at: at - begin, verdict: Either.isRight(result) ? "met" : result.left.reason },
          expected
        )
        const counted = [...tally.acks, ...tally.failures].map(({ target }) => target)
        for (const one of targets.filter(({ outcome }) => outcome !== "never")) {
          const times = counted.filter((other) => other === one).length + late.filter((other) => other === one).length
          assert.strictEqual(times, 1, "each result is counted or late, once")
          if (one.delay < expected.at) assert.include(counted, one)
          if (one.delay > expected.at) assert.include(late, one)
        }
        assert.deepStrictEqual(tally.pending, targets.filter((one) => !counted.includes(one)))
        assert.strictEqual(
          yield* FiberSet.size(inFlight),
          targets.filter(({ outcome }) => outcome === "never").length
        )
      }).pipe(Effect.scoped),
    { fastCheck: { numRuns: 200 } }
  )

  it("has seen each verdict often", () => {
    for (const verdict of ["met", "unreachable", "deadline"]) assert.isAbove(seen.get(verdict) ?? 0, 20, verdict)
  })
})

describe("quorumFanout, a thousand times", () => {
  it.live("leaves no fiber and no timer behind", () =>
    Effect.gen(function*() {
      const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length
      const supervisor = yield* Supervisor.track
      const before = timers()
      const late = { count: 0 }
      const reasons = new Map<string, number>()
      yield* Effect.gen(function*() {
        const inFlight = yield* FiberSet.make<void>()
        const soon = (turns: number) => Effect.repeatN(Effect.yieldNow(), turns)
        const call = (i: number) =>
          quorumFanout({
            targets: [0, 1, 2],
            send: (target) =>
              Effect.zipRight(soon((i + target) % 5), i % 3 === target ? Effect.fail("down") : Effect.void),
            needed: i % 5,
            deadline: i % 10 === 0 ? 0 : "1 hour",
            inFlight,
            onLate: () => Effect.sync(() => void late.count++)
          }).pipe(Effect.match({
            onFailure: ({ reason }) => void reasons.set(reason, (reasons.get(reason) ?? 0) + 1),
            onSuccess: () => void reasons.set("met", (reasons.get("met") ?? 0) + 1)
          }))
        const interrupted = (i: number) =>
          Effect.flatMap(Effect.fork(call(i)), (fiber) => Effect.zipRight(soon(i % 4), Fiber.interrupt(fiber)))
        yield* Effect.forEach(
          Array.from({ length: 1_000 }, (_, i) => i % 7 === 6 ? interrupted(i) : call(i)),
          (one) => one,
          { concurrency: 50, discard: true }
        )
        yield* FiberSet.awaitEmpty(inFlight)
        assert.strictEqual(yield* FiberSet.size(inFlight), 0)
      }).pipe(Effect.scoped, Effect.fork, Effect.flatMap(Fiber.join), Effect.supervised(supervisor))
      yield* soonAfter
      assert.deepStrictEqual(yield* supervisor.value, [])
      assert.isAtMost(timers(), before)
      assert.isAbove(late.count, 100)
      assert.isAbove(reasons.get("met") ?? 0, 100)
      assert.isAbove(reasons.get("unreachable") ?? 0, 100)
    }))
})

/** A fiber that has given its result may still be on its way out. */
const soonAfter = Effect.repeatN(Effect.yieldNow(), 5)
