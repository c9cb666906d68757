import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { Uuid } from "../../domain/Uuid.js"
import type { Invalid } from "../../domain/validate.js"
import { broadcastEach } from "../../federation/broadcasts.js"
import { type Batched, type Entry, type Job, MemoryStore } from "../../store/MemoryStore.js"
import { Metrics } from "../../telemetry/Metrics.js"
import { askingOf, type Self } from "./caller.js"
import { count } from "./counted.js"
import { Permissions } from "./Permissions.js"
import * as ruling from "./ruling.js"
import {
  agentOf,
  type Came,
  entryOf,
  type Governed,
  type Head,
  type OneAtMost,
  outcomeOf,
  ruled,
  selfOf,
  unruled
} from "./Write.js"
import type { Ruled, WriteError, WriteServices } from "./Written.js"

/*
 * Writes of one operation each that came at once: each is decided, answered and counted as `one` or `oneAtMost` does it alone, but
 * they share a fiber, a transaction, a fan-out and the waking of whoever waits. None of them is in a trace.
 */

type Single<P, E, R, F, A> = Governed<P, E, R, F, A> | OneAtMost<P, E, R, F, A>

interface Options<A, E, S> {
  /** Told what became of each, as soon as that is certain. */
  readonly told: (index: number, exit: Exit.Exit<A, E | WriteError>) => void
  /** Done with all that were written while their quorum is waited for, and over before anybody is told. */
  readonly meanwhile: (written: ReadonlyArray<WrittenAt>) => Effect.Effect<void, never, S>
}

/** What one of them wrote. */
interface WrittenAt {
  readonly index: number
  readonly entry: Entry
}

export function each<P, E, R, F, A, S>(
  writes: ReadonlyArray<OneAtMost<P, E, R, F, A>>,
  options: Options<A, E | F, S>
): Effect.Effect<void, never, R | S | WriteServices>
export function each<P, E, R, F, A, S>(
  writes: ReadonlyArray<Governed<P, E, R, F, A>>,
  options: Options<A, E | F | Invalid | Ruled, S>
): Effect.Effect<void, never, R | S | WriteServices>
export function each<P, E, R, F, A, S>(
  writes: ReadonlyArray<Single<P, E, R, F, A>>,
  { meanwhile, told }: Options<A, E | F | Invalid | Ruled, S>
): Effect.Effect<void, never, R | S | WriteServices> {
  return Effect.gen(function*() {
    const metrics = yield* Metrics
    const settle = (index: number, exit: Exit.Exit<A, E | F | Invalid | Ruled | WriteError>) => {
      const write = writes[index]
      if (write !== undefined) counting(metrics, write, exit)
      told(index, exit)
    }
    const written = yield* commitEach(writes, settle)
    const { hold, release } = holding(settle)
    yield* Effect.all([
      broadcastEach(written.map(({ entry }) => entry.operation), (position, exit) => {
        const one = written[position]
        if (one !== undefined) hold(one.index, Exit.flatMap(exit, (acknowledged) => one.answer(acknowledged)))
      }),
      Effect.ensuring(meanwhile(written), Effect.sync(release))
    ], { concurrency: "unbounded", discard: true })
  })
}

type Acknowledged = Parameters<typeof ruling.awaiting>[1]

/** A write that was committed, and how it is answered once it is acknowledged. */
interface Committed<A> extends WrittenAt {
  readonly answer: (acknowledged: Acknowledged) => Exit.Exit<A, Ruled>
}

/** Prepares and commits them; what comes to nothing is settled. */
const commitEach = <P, E, R, F, A>(
  writes: ReadonlyArray<Single<P, E, R, F, A>>,
  settle: (index: number, exit: Exit.Exit<never, E | F | Invalid | Ruled | WriteError>) => void
): Effect.Effect<ReadonlyArray<Committed<A>>, never, R | WriteServices> =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    const permissions = yield* Permissions
    const ready: Array<Ready<P, E, R, F, A>> = []
    for (const [index, write] of writes.entries()) {
      const exit = yield* Effect.exit(prepared(index, write, permissions))
      if (Exit.isSuccess(exit)) ready.push(exit.value)
      else settle(index, Exit.failCause(exit.cause))
    }
    const exits = yield* Effect.exit(store.commitEach(ready.map(({ job }) => job)))
    const written: Array<Committed<A>> = []
    for (const [position, { index, prepared, write }] of ready.entries()) {
      const exit = Exit.flatMap(exits, (all) => all[position] ?? LOST)
      const outcome = yield* Effect.exit(
        Effect.flatMap(exit, (batched) => writtenBy(write, batched, permissions))
      )
      if (Exit.isFailure(outcome)) settle(index, Exit.failCause(outcome.cause))
      else written.push({ index, entry: outcome.value, answer: answering(write, prepared, outcome.value) })
    }
    return written
  })

const LOST: Exit.Exit<never> = Exit.die(new Error("a job of several was not answered"))

interface Ready<P, E, R, F, A> {
  readonly index: number
  readonly write: Single<P, E, R, F, A>
  readonly prepared: P
  readonly job: Job<Came, F>
}

const prepared = <P, E, R, F, A>(index: number, write: Single<P, E, R, F, A>, permissions: Permissions["Type"]) =>
  Effect.suspend(() => {
    const self = selfOf(write)
    const { idempotency } = self
    const agent = agentOf(write)
    return Effect.flatMap(write.prepare(self), (prepared) =>
      Effect.map(
        deciding(write, prepared, self, permissions),
        (job): Ready<P, E, R, F, A> => ({ index, write, prepared, job: { job, idempotency, agent } })
      ))
  })

const deciding = <P, E, R, F, A>(
  write: Single<P, E, R, F, A>,
  prepared: P,
  self: Self,
  { mode }: Permissions["Type"]
): Effect.Effect<Job<Came, F>["job"], Invalid, Uuid> => {
  if (write.governed === "ungoverned") return Effect.succeed(unruled((now) => write.decide(now, prepared)))
  const { action, agentId } = write.governed
  return Effect.map(
    askingOf(self, agentId),
    (asking) => ruled((now) => write.decide(now, prepared, asking), { action, asking, mode })
  )
}

const writtenBy = <P, E, R, F, A>(
  { governed }: Single<P, E, R, F, A>,
  batched: Batched<Came>,
  permissions: Permissions["Type"]
): Effect.Effect<Entry, Ruled> =>
  governed === "ungoverned" ? Effect.succeed(entryOf(batched)) : outcomeOf(batched, governed.action, permissions)

const answering =
  <P, E, R, F, A>(write: Single<P, E, R, F, A>, prepared: P, entry: Entry) =>
  (acknowledged: Acknowledged): Exit.Exit<A, Ruled> =>
    entry.payload.kind === "pending"
      ? Exit.fail(ruling.awaiting(entry.payload.action, acknowledged))
      : Exit.succeed(write.answer({ ...entry, acknowledged }, prepared))

const counting = (
  metrics: Metrics["Type"],
  { counts }: Pick<Head, "counts">,
  exit: Exit.Exit<unknown, unknown>
): void => {
  if (Exit.isSuccess(exit)) return count(metrics, counts)
  const error = Option.getOrUndefined(Cause.failureOption(exit.cause))
  if (error !== undefined) count(metrics, counts, error)
}

/** Keeps what is certain back until it is released. */
const holding = <X>(tell: (index: number, exit: X) => void) => {
  let held: Array<readonly [index: number, exit: X]> | null = []
  return {
    hold: (index: number, exit: X) => {
      if (held === null) tell(index, exit)
      else held.push([index, exit])
    },
    release: () => {
      const all = held ?? []
      held = null
      for (const [index, exit] of all) tell(index, exit)
    }
  }
}
