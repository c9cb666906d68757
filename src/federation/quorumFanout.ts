import * as Arr from "effect/Array"
import type * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as FiberSet from "effect/FiberSet"

/** What is known at the decision, each list in the order of the targets. `pending` targets are still being tried. */
export interface Tally<Target, Ack, E> {
  readonly needed: number
  readonly acks: ReadonlyArray<{ readonly target: Target; readonly ack: Ack }>
  readonly failures: ReadonlyArray<{ readonly target: Target; readonly cause: Cause.Cause<E> }>
  readonly pending: ReadonlyArray<Target>
}

/**
 * Fewer acks than needed were there at the decision. It does not mean that the targets do not have what was sent: a
 * pending one may still get it, and a failed one may have got it and lost its answer.
 *
 * `unreachable`: too many failed for the rest to be enough. `deadline`: the rest could have been enough, but time is
 * up.
 */
export class QuorumMissed<Target, Ack, E> extends Data.TaggedError("QuorumMissed")<{
  readonly reason: "deadline" | "unreachable"
  readonly tally: Tally<Target, Ack, E>
}> {
  override get message() {
    return `${this.tally.acks.length} of ${this.tally.needed} acks (${this.reason})`
  }
}

export interface QuorumFanout<Target, Ack, E, R> {
  /** A target listed twice (by `Equal`) is one target: it is sent to once and counts once. */
  readonly targets: ReadonlyArray<Target>
  /**
   * Started for every target at once, synchronously up to its first wait. Must end by itself, and must not lean on what
   * ends with the caller (its scope): it may outlive it.
   */
  readonly send: (target: Target) => Effect.Effect<Ack, E, R>
  /** Acks wanted from `targets`; a local commit is counted by the caller. */
  readonly needed: number
  /** Counted from the call, the time `send` takes before its first wait included. */
  readonly deadline: Duration.DurationInput
  /** Owns every send: those undecided at return live on here, and end with its scope. */
  readonly inFlight: FiberSet.FiberSet<void>
  /**
   * Told each result that comes after the decision, once; also the interruption of a send by its owner. Must not wait:
   * the owner's end waits for it. Its own failure is logged and goes no further.
   */
  readonly onLate?: (target: Target, exit: Exit.Exit<Ack, E>) => Effect.Effect<void>
  /**
   * Of a target that failed: tells an ack that comes in another way before the decision. Answers how to stop it.
   */
  readonly otherwise?: (target: Target, acked: (ack: Ack) => void) => () => void
}

/**
 * Sends to all targets at once and answers as soon as the result is certain: at the ack that makes the quorum, at the
 * failure that makes it impossible, or at the deadline. The undecided sends go on; neither the decision nor an
 * interruption of the caller touches them. A defect in one send is the failure of that target only.
 */
export const quorumFanout = <Target, Ack, E = never, R = never>(
  options: QuorumFanout<Target, Ack, E, R>
): Effect.Effect<Tally<Target, Ack, E>, QuorumMissed<Target, Ack, E>, R> =>
  inSpan(
    options,
    Effect.flatMap(FiberSet.runtime(options.inFlight)<R>(), (run) =>
      // Only the race may be interrupted, so that every result is either in the tally or told to onLate, never neither.
      Effect.uninterruptibleMask((restore) =>
        Effect.clockWith((clock) => {
          const begin = clock.unsafeCurrentTimeNanos()
          const round = launch(options, run)
          if (round.isCertain()) return round.decide()
          const left = Duration.subtract(options.deadline, wholeMillis(clock.unsafeCurrentTimeNanos() - begin))
          const verdict = Effect.raceAll([round.met, round.impossible, Effect.sleep(left)])
          return Effect.matchCauseEffect(restore(verdict), {
            // The caller was interrupted: the rest is late, too.
            onFailure: (cause) => Effect.zipRight(Effect.ignore(round.decide()), Effect.failCause(cause)),
            onSuccess: round.decide
          })
        })
      ))
  )

/** Without a tracer a span is not worth its cost: this runs for every write. */
const inSpan = <Target, Ack, E, R, B, F>(
  { needed, targets }: QuorumFanout<Target, Ack, E, R>,
  fanout: Effect.Effect<B, F, R>
): Effect.Effect<B, F, R> =>
  Effect.withFiberRuntime((fiber) =>
    fiber.getFiberRef(FiberRef.currentTracerEnabled)
      ? Effect.withSpan(fanout, "federation.quorumFanout", {
        captureStackTrace: false,
        attributes: { "quorum.targets": targets.length, "quorum.needed": needed }
      })
      : fanout
  )

/** A timer counts whole milliseconds: what is less must not make the deadline come early. */
const wholeMillis = (nanos: bigint): Duration.Duration => Duration.millis(Number(nanos / 1_000_000n))

/** One call: its sends are started, each counted as it settles, until `decide` draws the line. */
interface Round<Target, Ack, E> {
  readonly isCertain: () => boolean
  /** Ends once the acks suffice; never before the race is over when they do not. */
  readonly met: Effect.Effect<void>
  /** Ends once too many have failed. */
  readonly impossible: Effect.Effect<void>
  /** Whatever settles from here on is late. What came with the verdict, and be it the deadline's, still counts. */
  readonly decide: () => Effect.Effect<Tally<Target, Ack, E>, QuorumMissed<Target, Ack, E>>
}

const launch = <Target, Ack, E, R>(
  options: QuorumFanout<Target, Ack, E, R>,
  run: (send: Effect.Effect<void, never, R>) => Fiber.RuntimeFiber<void>
): Round<Target, Ack, E> => {
  const { needed, otherwise, send } = options
  const targets = Arr.dedupe(options.targets)
  const exits: Array<Exit.Exit<Ack, E> | undefined> = targets.map(() => undefined)
  let acked = 0
  let failed = 0
  let decided = false
  const watched: Array<() => void> = []
  const met = signal(() => acked >= needed)
  const impossible = signal(() => targets.length - failed < needed)

  const settle = (index: number, target: Target, exit: Exit.Exit<Ack, E>): Effect.Effect<void> => {
    if (decided) return tellLate(options, target, exit)
    exits[index] = exit
    if (Exit.isSuccess(exit)) acked++
    else {
      failed++
      if (otherwise !== undefined) watched.push(otherwise(target, (ack) => mend(index, ack)))
    }
    met.update()
    impossible.update()
    return Effect.void
  }

  const mend = (index: number, ack: Ack): void => {
    const before = exits[index]
    if (decided || before === undefined) return
    if (Exit.isFailure(before)) {
      failed--
      acked++
    }
    exits[index] = Exit.succeed(ack)
    met.update()
  }

  targets.forEach((target, index) => {
    const fiber = run(Effect.uninterruptible(Effect.flatMap(
      // In a region of its own, so that its owner can end it and the result is settled all the same.
      Effect.exit(Effect.interruptible(Effect.suspend(() => send(target)))),
      (exit) => settle(index, target, exit)
    )))
    // An owner that has ended takes no more fibers and hands out one that is interrupted: then nothing was sent.
    const refused = exits[index] === undefined ? fiber.unsafePoll() : null
    if (refused !== null && Exit.isFailure(refused)) settle(index, target, Exit.failCause(refused.cause))
  })

  return {
    isCertain: () => met.isTrue() || impossible.isTrue(),
    met: met.await,
    impossible: impossible.await,
    decide: () => {
      decided = true
      for (const stop of watched) stop()
      const tally = tallyOf(needed, targets, exits)
      if (met.isTrue()) return Effect.succeed(tally)
      return Effect.fail(new QuorumMissed({ reason: impossible.isTrue() ? "unreachable" : "deadline", tally }))
    }
  }
}

/** A condition one fiber waits for; no `Deferred`, which costs several times as much and is needed twice a call. */
const signal = (isTrue: () => boolean) => {
  let wake: (() => void) | undefined
  return {
    isTrue,
    update: () => {
      if (wake !== undefined && isTrue()) wake()
    },
    await: Effect.async<void>((resume) => {
      wake = () => resume(Effect.void)
      if (isTrue()) wake()
    })
  }
}

const tellLate = <Target, Ack, E, R>(
  { onLate }: QuorumFanout<Target, Ack, E, R>,
  target: Target,
  exit: Exit.Exit<Ack, E>
): Effect.Effect<void> =>
  onLate === undefined ? Effect.void : Effect.catchAllCause(
    Effect.suspend(() => onLate(target, exit)),
    (cause) => Effect.logError("the handler of a late result failed", cause)
  )

const tallyOf = <Target, Ack, E>(
  needed: number,
  targets: ReadonlyArray<Target>,
  exits: ReadonlyArray<Exit.Exit<Ack, E> | undefined>
): Tally<Target, Ack, E> => {
  const acks: Array<{ readonly target: Target; readonly ack: Ack }> = []
  const failures: Array<{ readonly target: Target; readonly cause: Cause.Cause<E> }> = []
  const pending: Array<Target> = []
  targets.forEach((target, index) => {
    const exit = exits[index]
    if (exit === undefined) pending.push(target)
    else if (Exit.isSuccess(exit)) acks.push({ target, ack: exit.value })
    else failures.push({ target, cause: exit.cause })
  })
  return { needed, acks, failures, pending }
}
