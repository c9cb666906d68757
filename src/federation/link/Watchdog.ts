import type * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"

/** How often the lanes are looked at. */
const LOOK_EVERY = Duration.seconds(1)
/** Lanes get so long to end with their link. One that hangs must not keep the node from ending. */
const STOP_WITHIN = Duration.seconds(1)

/** Watches a request that is to end within a time. */
type Within = (limit: Duration.Duration) => <A, E, R>(request: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** One turn of a lane. It goes round for as long as the link lives. */
export type Lane = (within: Within) => Effect.Effect<void>

/** Why a lane is begun anew. */
export interface Stuck {
  readonly lane: string
  /** How long a request of it has taken; null when it has stopped, by a defect of its own. */
  readonly seconds: number | null
}

/**
 * Runs the lanes of a link side by side, each round after round, and watches them: one that stopped, or whose request
 * does not end long after it should have, is no way to the peer any more. Then `onStuck` is told, and all lanes begin
 * anew. What hangs is interrupted and not waited for.
 */
export const run = (options: {
  readonly lanes: Readonly<Record<string, Lane>>
  readonly onStuck: (stuck: Stuck) => Effect.Effect<void>
  readonly onStopped: (lane: string, cause: Cause.Cause<never>) => Effect.Effect<void>
}): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function*() {
    const clock = yield* Effect.clock
    const now = () => clock.unsafeCurrentTimeNanos()
    const start = Effect.forEach(Object.entries(options.lanes), ([name, lane]) => begin(name, lane, options, now))
    let running = yield* start

    const look = Effect.uninterruptible(Effect.gen(function*() {
      const stuck = running.map((lane) => lane.look()).find((found) => found !== null)
      if (stuck === undefined) return
      interrupt(running)
      yield* options.onStuck(stuck)
      running = yield* start
    }))
    yield* Effect.addFinalizer(() => Effect.suspend(() => stop(running)))
    // Begun last, so that it ends first: what it finds ended then has not stopped by itself.
    yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Effect.sleep(LOOK_EVERY), look)))
  })

interface Request {
  readonly since: bigint
  readonly limit: bigint
}

interface Running {
  readonly fiber: Fiber.RuntimeFiber<void>
  /** What is wrong with it, if it was so at the look before, too: a machine that slept is late with everything. */
  readonly look: () => Stuck | null
}

const begin = (
  name: string,
  lane: Lane,
  { onStopped }: Pick<Parameters<typeof run>[0], "onStopped">,
  now: () => bigint
): Effect.Effect<Running> => {
  const requests = new Set<Request>()
  let suspect: Request | undefined
  const within: Within = (limit) => (effect) =>
    Effect.suspend(() => {
      const request = { since: now(), limit: Duration.unsafeToNanos(limit) }
      requests.add(request)
      return Effect.ensuring(effect, Effect.sync(() => requests.delete(request)))
    })
  const rounds = Effect.forever(lane(within)).pipe(Effect.tapErrorCause((cause) => onStopped(name, cause)))
  return Effect.map(Effect.forkDaemon(Effect.interruptible(rounds)), (fiber) => ({
    fiber,
    look: () => {
      if (fiber.unsafePoll() !== null) return { lane: name, seconds: null }
      const overdue = Array.from(requests).find(({ limit, since }) => now() - since > limit)
      const isStuck = overdue !== undefined && suspect === overdue
      suspect = overdue
      return isStuck ? { lane: name, seconds: Number(now() - overdue.since) / 1e9 } : null
    }
  }))
}

const interrupt = (running: ReadonlyArray<Running>) => {
  for (const { fiber } of running) fiber.unsafeInterruptAsFork(fiber.id())
}

const stop = (running: ReadonlyArray<Running>) => {
  interrupt(running)
  return Effect.forEach(running, ({ fiber }) => Fiber.await(fiber), { discard: true }).pipe(
    Effect.interruptible,
    Effect.timeoutOption(STOP_WITHIN),
    Effect.asVoid
  )
}
