import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as FiberSet from "effect/FiberSet"
import * as Scheduler from "effect/Scheduler"
import * as Scope from "effect/Scope"
import { quorumFanout, type QuorumMissed, type Tally } from "../../src/federation/quorumFanout.js"
import { breathe } from "../breathe.js"

// Here nothing happens by itself: tasks of fibers wait in a list, results and the deadline are given by hand. So every
// order of events, and any order of the fibers' steps, is a plain loop.

type Outcome = "ack" | "fail" | "defect"
type Event = { readonly target: number; readonly outcome: Outcome } | "deadline"
type Settled = readonly [target: number, outcome: Outcome]

interface Verdict {
  readonly verdict: "met" | "unreachable" | "deadline"
  readonly acks: ReadonlyArray<Settled>
  readonly failures: ReadonlyArray<Settled>
  readonly pending: ReadonlyArray<number>
}

const outcomes: ReadonlyArray<Outcome> = ["ack", "fail", "defect"]

const resultOf = (outcome: Outcome): Effect.Effect<"held", "down"> =>
  outcome === "ack" ? Effect.succeed("held") : outcome === "fail" ? Effect.fail("down") : Effect.die("bug")

const outcomeOf = (exit: Exit.Exit<"held", "down">): Outcome =>
  Exit.isSuccess(exit) ? "ack" : Cause.isDie(exit.cause) ? "defect" : "fail"

const verdictOf = (exit: Exit.Exit<Tally<number, "held", "down">, QuorumMissed<number, "held", "down">>): Verdict => {
  const [verdict, { acks, failures, pending }] = Exit.match(exit, {
    onSuccess: (tally) => ["met" as const, tally] as const,
    onFailure: (cause) => {
      const missed = cause._tag === "Fail" ? cause.error : assert.fail(Cause.pretty(cause))
      return [missed.reason, missed.tally] as const
    }
  })
  return {
    verdict,
    acks: acks.map(({ target }) => [target, "ack"]),
    failures: failures.map(({ cause, target }) => [target, outcomeOf(Exit.failCause(cause))]),
    pending
  }
}

const owner = () => Effect.runSync(Scope.extend(FiberSet.make<void>(), Effect.runSync(Scope.make())))

/** One fan-out whose world stands still. `immediate` targets settle before their send first waits. */
const begin = (options: {
  readonly targets: number
  readonly needed: number
  readonly immediate?: ReadonlyArray<Settled>
  /** One after the other may have the same: each that has ended leaves it empty. */
  readonly inFlight?: FiberSet.FiberSet<void>
}) => {
  const tasks: Array<Scheduler.Task> = []
  const scheduler = Scheduler.make((task) => void tasks.push(task), () => false)
  const resumes = new Map<number, (result: Effect.Effect<"held", "down">) => void>()
  const sleeping = new Set<() => void>()
  const late: Array<Settled> = []
  const clock: Clock.Clock = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: () => 0,
    unsafeCurrentTimeNanos: () => 0n,
    currentTimeMillis: Effect.succeed(0),
    currentTimeNanos: Effect.succeed(0n),
    sleep: (duration) =>
      Effect.async((resume) => {
        assert.strictEqual(Duration.toMillis(duration), 500)
        const wake = () => {
          sleeping.delete(wake)
          resume(Effect.void)
        }
        sleeping.add(wake)
        return Effect.sync(() => sleeping.delete(wake))
      })
  }
  const inFlight = options.inFlight ?? owner()
  const immediate = new Map(options.immediate)
  const fiber = Effect.runFork(
    quorumFanout<number, "held", "down">({
      targets: Array.from({ length: options.targets }, (_, target) => target),
      send: (target) => {
        const outcome = immediate.get(target)
        return outcome === undefined
          ? Effect.async((resume) => void resumes.set(target, resume))
          : resultOf(outcome)
      },
      needed: options.needed,
      deadline: 500,
      inFlight,
      onLate: (target, exit) => Effect.sync(() => void late.push([target, outcomeOf(exit)]))
    }).pipe(Effect.withClock(clock)),
    { scheduler }
  )
  const flush = () => {
    for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) task()
  }
  return {
    late,
    tasks,
    isDecided: () => fiber.unsafePoll() !== null,
    decision: () => {
      const exit = fiber.unsafePoll()
      return exit === null ? null : verdictOf(exit)
    },
    happen: (event: Event) => {
      if (event === "deadline") sleeping.forEach((wake) => wake())
      else resumes.get(event.target)?.(resultOf(event.outcome))
    },
    flush,
    left: () => ({ fibers: Array.from(inFlight).length, timers: sleeping.size }),
    /** Settles what is open: fibers that wait for ever are kept by the runtime, and 80,000 fan-outs of them are its garbage. */
    end: () => {
      resumes.forEach((resume) => resume(Effect.fail("down")))
      sleeping.forEach((wake) => wake())
      flush()
    }
  }
}

/** The sequential model: counts one event after the other, and stops at the first that decides. */
const reference = (targets: number, needed: number, events: ReadonlyArray<Event>) => {
  const settled: Array<Settled> = []
  const late: Array<Settled> = []
  let decidedAt: number | null = null
  let verdict: Verdict["verdict"] = "deadline"
  const decide = (at: number, expired: boolean) => {
    const acks = settled.filter(([, outcome]) => outcome === "ack").length
    if (acks >= needed) verdict = "met"
    else if (targets - (settled.length - acks) < needed) verdict = "unreachable"
    else if (!expired) return
    decidedAt = at
  }
  decide(-1, false)
  events.forEach((event, at) => {
    if (event === "deadline") {
      if (decidedAt === null) decide(at, true)
    } else if (decidedAt === null) {
      settled.push([event.target, event.outcome])
      decide(at, false)
    } else late.push([event.target, event.outcome])
  })
  const inOrder = settled.toSorted(([a], [b]) => a - b)
  return {
    decidedAt,
    late,
    decision: {
      verdict,
      acks: inOrder.filter(([, outcome]) => outcome === "ack"),
      failures: inOrder.filter(([, outcome]) => outcome !== "ack"),
      pending: Array.from({ length: targets }, (_, target) => target).filter((target) =>
        !settled.some(([of]) => of === target)
      )
    }
  }
}

/** All ways in which some of the targets settle, one after the other. */
const settlings = (rest: ReadonlyArray<number>): ReadonlyArray<ReadonlyArray<Event>> => [
  [],
  ...rest.flatMap((target) =>
    settlings(rest.filter((other) => other !== target)).flatMap((after) =>
      outcomes.map((outcome): ReadonlyArray<Event> => [{ target, outcome }, ...after])
    )
  )
]

const label = (targets: number, needed: number, events: ReadonlyArray<Event>) =>
  `${needed} of ${targets}: ${
    events.map((event) => event === "deadline" ? event : `${event.target} ${event.outcome}`).join(", ")
  }`

describe("quorumFanout, every interleaving", () => {
  it.each([
    { targets: 0, cases: 2 },
    { targets: 1, cases: 21 },
    { targets: 2, cases: 268 },
    { targets: 3, cases: 4_145 },
    { targets: 4, cases: 75_966 }
  ])(
    "of $targets targets: all orders, all outcomes, the deadline anywhere, every quorum",
    async ({ cases, targets }) => {
      const inFlight = owner()
      let ran = 0
      for (const settling of settlings(Array.from({ length: targets }, (_, target) => target))) {
        await breathe()
        for (let position = 0; position <= settling.length; position++) {
          const events: ReadonlyArray<Event> = [...settling.slice(0, position), "deadline", ...settling.slice(position)]
          for (let needed = 0; needed <= targets + 1; needed++) {
            const expected = reference(targets, needed, events)
            const fanout = begin({ targets, needed, inFlight })
            fanout.flush()
            let decidedAt = fanout.isDecided() ? -1 : null
            events.forEach((event, at) => {
              fanout.happen(event)
              fanout.flush()
              if (decidedAt === null && fanout.isDecided()) decidedAt = at
            })
            const actual = { decidedAt, late: fanout.late, decision: fanout.decision(), left: fanout.left() }
            const left = { fibers: targets - settling.length, timers: 0 }
            // Text first: a deep comparison of 80,000 cases takes longer than all the rest.
            if (JSON.stringify(actual) !== JSON.stringify({ ...expected, left })) {
              assert.deepStrictEqual(actual, { ...expected, left }, label(targets, needed, events))
            }
            fanout.end()
            ran++
          }
        }
      }
      assert.strictEqual(ran, cases)
    },
    120_000
  )

  it("also when some results are there before the first wait", () => {
    let ran = 0
    for (const targets of [1, 2, 3]) {
      const all = Array.from({ length: targets }, (_, target) => target)
      for (const immediate of settlings(all)) {
        const early = immediate.filter((event) => event !== "deadline")
        if (early.some(({ target }, i) => target < (early[i - 1]?.target ?? -1))) continue
        for (let needed = 0; needed <= targets + 1; needed++) {
          const what = label(targets, needed, early)
          const fanout = begin({ targets, needed, immediate: early.map(({ outcome, target }) => [target, outcome]) })
          const acks = early.filter(({ outcome }) => outcome === "ack").length
          const failures = early.length - acks
          const verdict = acks >= needed ? "met" : targets - failures < needed ? "unreachable" : null
          fanout.flush()
          assert.strictEqual(fanout.decision()?.verdict ?? null, verdict, what)
          fanout.happen("deadline")
          fanout.flush()
          const decision = fanout.decision()
          assert.strictEqual(decision?.verdict, verdict ?? "deadline", what)
          assert.strictEqual((decision?.acks.length ?? 0) + (decision?.failures.length ?? 0), early.length, what)
          assert.deepStrictEqual(fanout.late, [], what)
          assert.deepStrictEqual(fanout.left(), { fibers: targets - early.length, timers: 0 }, what)
          ran++
        }
      }
    }
    assert.isAbove(ran, 300)
  })

  it("counts an ack that comes at the instant of the deadline, in either order", () => {
    for (
      const order of [["deadline", { target: 0, outcome: "ack" }], [{ target: 0, outcome: "ack" }, "deadline"]] as const
    ) {
      const fanout = begin({ targets: 1, needed: 1 })
      fanout.flush()
      order.forEach(fanout.happen)
      fanout.flush()
      assert.strictEqual(fanout.decision()?.verdict, "met")
      assert.deepStrictEqual(fanout.late, [])
    }
  })
})

describe("quorumFanout, fibers stepping in any order", () => {
  const result = FastCheck.constantFrom("never" as const, "at once" as const, ...outcomes)
  const scenario = FastCheck.integer({ min: 0, max: 7 }).chain((targets) =>
    FastCheck.record({
      targets: FastCheck.constant(targets),
      needed: FastCheck.integer({ min: 0, max: targets + 1 }),
      results: FastCheck.array(result, { minLength: targets, maxLength: targets }),
      expires: FastCheck.boolean(),
      choices: FastCheck.array(FastCheck.nat(), { minLength: 80, maxLength: 80 })
    })
  )

  it("gives the verdict that the outcomes alone determine, and every result to the tally or to onLate, once", () => {
    const seen = { met: 0, unreachable: 0, deadline: 0, late: 0, expiredEarly: 0 }
    FastCheck.assert(
      FastCheck.property(scenario, ({ choices, expires, needed, results, targets }) => {
        const events: Array<Event> = results.flatMap((outcome, target) =>
          outcome === "never" || outcome === "at once" ? [] : [{ target, outcome }]
        )
        const settling: Array<Settled> = results.flatMap((outcome, target) =>
          outcome === "never" ? [] : [[target, outcome === "at once" ? "ack" : outcome]]
        )
        if (expires) events.push("deadline")
        const immediate = results.flatMap((outcome, target) => outcome === "at once" ? [[target, "ack"] as const] : [])
        const fanout = begin({ targets, needed, immediate })
        for (const choice of choices) {
          const { tasks } = fanout
          const [picked] = choice % (tasks.length + events.length) < tasks.length
            ? tasks.splice(choice % (tasks.length + events.length), 1)
            : []
          if (picked !== undefined) picked()
          else events.splice(choice % Math.max(1, events.length), 1).forEach(fanout.happen)
        }
        fanout.flush()
        events.forEach(fanout.happen)
        fanout.flush()

        const acks = settling.filter(([, outcome]) => outcome === "ack").length
        const certain = acks >= needed
          ? "met"
          : targets - (settling.length - acks) < needed
          ? "unreachable"
          : "deadline"
        if (!expires) assert.strictEqual(fanout.decision()?.verdict ?? "deadline", certain)
        fanout.happen("deadline")
        fanout.flush()

        const decision = fanout.decision() ?? assert.fail("undecided after the deadline")
        if (decision.verdict !== certain) assert.isTrue(expires && decision.verdict === "deadline")
        assert.strictEqual(decision.verdict === "met", decision.acks.length >= needed)
        const told = [...decision.acks, ...decision.failures, ...fanout.late].toSorted(([a], [b]) => a - b)
        assert.deepStrictEqual(told, settling)
        assert.deepStrictEqual(fanout.left(), { fibers: targets - settling.length, timers: 0 })
        seen[decision.verdict]++
        seen.late += fanout.late.length
        if (decision.verdict !== certain) seen.expiredEarly++
      }),
      { numRuns: 3_000 }
    )
    for (const [what, count] of Object.entries(seen)) assert.isAbove(count, 5, `${what}: ${JSON.stringify(seen)}`)
  })
})
