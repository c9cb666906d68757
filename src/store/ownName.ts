import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Hlc from "../domain/Hlc.js"
import type * as Stamp from "../domain/Stamp.js"
import type { Operation } from "../replication/Operation.js"
import * as VersionVector from "../replication/VersionVector.js"
import { Metrics } from "../telemetry/Metrics.js"
import type { LocalWriteFailed, Overloaded } from "./errors.js"
import type * as Committer from "./log/Committer.js"
import type { OpLog } from "./log/OpLog.js"
import type { Collision } from "./receiving.js"
import type { Reissuing } from "./reissuing.js"

/** So long the first write after a start waits for the word of the peers; then it goes under a new incarnation. */
const FIRST_WORD = Duration.seconds(1)

/** So long after the start the first write of a file that was put back waits for what this node had written itself. */
const OWN_PAST = Duration.seconds(1)

/** What others may hold, or hold, under the name of this node. */
export interface OwnName {
  /**
   * Compares what another node holds of this node's own origin. When that is more than this node ever wrote, the file is an
   * old backup or a clone: from now on it writes under a new incarnation. Answers whether it had to.
   */
  readonly renewWhenBehind: (
    theirs: VersionVector.VersionVector
  ) => Effect.Effect<boolean, LocalWriteFailed | Overloaded>
  /**
   * A peer holds others under the names of these operations of this node's own: they are written again under names that
   * nobody has, and the alarm is raised. Answers those that this node goes on holding under their names, because nobody else
   * can have used them.
   */
  readonly reissue: (
    operations: ReadonlyArray<Operation>
  ) => Effect.Effect<ReadonlyArray<Operation>, LocalWriteFailed | Overloaded>
  /**
   * The clock of this node is right, by the word of others. What it stamped so far in the future that they do not take it is
   * written again with stamps of now, and no write of a client is kept waiting for that. Answers what was, under its former
   * names.
   */
  readonly restamp: Effect.Effect<ReadonlyArray<Operation>, LocalWriteFailed | Overloaded>
  /**
   * There are peers, and they may hold more of this node's own than its file. `rewritten` is called when the log got
   * operations that no write sends to them.
   */
  readonly meet: (peers: { readonly rewritten: () => void }) => Effect.Effect<void>
  /** All peers have been asked what they hold. */
  readonly met: Effect.Effect<void>
  /** And for what they hold and this node did not, as far as they can be reached. */
  readonly caughtUp: Effect.Effect<void>
}

interface Parts {
  readonly log: OpLog
  readonly committer: Effect.Effect.Success<ReturnType<typeof Committer.make>>
  readonly reissuing: Reissuing
  readonly clock: Clock.Clock
  /** The file got a new incarnation when it was opened: it had been put back, or copied. */
  readonly isRenewed: boolean
}

/** What is done about operations that others may hold, or hold, under the name of this node. */
export const make = (parts: Parts) =>
  Effect.gen(function*() {
    const { clock, committer, isRenewed, log, reissuing: { reissue, restamp } } = parts
    const alarm = makeAlarm(yield* Metrics)
    const firstWrite = yield* makeFirstWrite(parts)
    const past = yield* makePast(clock)
    let rewritten = () => {}
    /** The newest stamp when all of this node's own was looked at: nothing of it has become later since. */
    let looked: Stamp.Stamp | null = null

    const raise = (collisions: ReadonlyArray<Alarming>) =>
      collisions.length === 0
        ? Effect.void
        : Effect.zipRight(
          Effect.forEach(collisions, alarm, { discard: true }),
          Effect.sync(() => rewritten())
        )

    const methods: OwnName = {
      reissue: (operations) =>
        committer.submit(() => {
          const isHeld = ({ hash, origin, oseq }: Operation) => log.hashAt(origin, oseq) === hash
          const done = reissue(operations.filter(isHeld))
          return Either.right({ done, kept: operations.filter(isHeld) })
        }).pipe(
          Effect.tap(({ done }) => raise(done.map((ours) => ({ ours, theirs: null })))),
          Effect.map(({ kept }) => kept)
        ),
      restamp: Effect.suspend(() => {
        const newest = Hlc.toStamp(log.state().newest)
        if (newest === looked || !Hlc.isFuture(newest, clock.unsafeCurrentTimeMillis())) return Effect.succeed([])
        return Effect.tap(restamping(committer, restamp), (done) => {
          // Not before: what failed for want of room is tried again.
          looked = newest
          if (done.length === 0) return Effect.void
          rewritten()
          return Effect.logWarning(
            `${done.length} operations that a wrong clock had stamped in the future have stamps of now: others take them`
          )
        })
      }),
      meet: (peers) =>
        Effect.sync(() => {
          firstWrite.doubt()
          past.begin()
          if (isRenewed) past.isLacking()
          rewritten = peers.rewritten
        }),
      met: Effect.sync(firstWrite.settle),
      caughtUp: Effect.sync(past.isHeld),
      renewWhenBehind: (theirs) =>
        committer.submit(() => {
          if (!VersionVector.holdsMoreOf(log.origin(), theirs, log.state().vector)) return Either.right(false)
          log.renewIncarnation()
          past.isLacking()
          return Either.right(true)
        })
    }
    return { ...methods, alarm: raise, firstWrite: Effect.zipRight(firstWrite.settled, past.awaited) }
  })

/** Operations that get new stamps in one transaction at most. */
const MAX_RESTAMPED = 250

const restamping = (
  committer: Parts["committer"],
  restamp: Reissuing["restamp"],
  after = 0
): Effect.Effect<ReadonlyArray<Operation>, LocalWriteFailed | Overloaded> =>
  Effect.flatMap(
    committer.submit(() => Either.right(restamp({ after, limit: MAX_RESTAMPED }))),
    ({ done, next }) => {
      const given = done.map(({ from }) => from)
      return next === null
        ? Effect.succeed(given)
        : Effect.map(restamping(committer, restamp, next), (others) => [...given, ...others])
    }
  )

/** A collision, also one that a peer only spoke of. */
type Alarming = Omit<Collision, "theirs"> & { readonly theirs: Operation | null }

const makeAlarm = (metrics: Metrics["Type"]) => ({ ours, theirs }: Alarming) => {
  const name = theirs ?? ours?.from
  metrics.originReused()
  return Effect.logError(
    `${name?.origin} ${name?.oseq} was used twice: the database was an old backup or a copy; ` +
      "what this node wrote under that name is written again under a new incarnation"
  ).pipe(Effect.annotateLogs({
    op_id: name?.opId,
    hash: ours?.from.hash ?? "not known",
    hash_elsewhere: theirs?.hash ?? "not known",
    written_again: ours === null ? "no" : `${ours.to.origin} ${ours.to.oseq}`
  }))
}

/**
 * A file that was put back lacks what this node has written since: whoever wrote it here would edit or delete what is older, and
 * what is newer would come back. So the first write waits for the first round with the peers.
 */
const makePast = (clock: Clock.Clock) =>
  Effect.map(Effect.makeLatch(true), (held) => {
    let isOver = false
    let isLacking = false
    let overAt = -Infinity
    const isHeld = () => {
      isOver = true
      isLacking = false
      held.unsafeOpen()
    }
    const late = Effect.zipRight(
      Effect.suspend(() => Effect.sleep(Duration.millis(overAt - clock.unsafeCurrentTimeMillis()))),
      Effect.sync(isHeld)
    )
    return {
      isHeld,
      begin: () => {
        overAt = clock.unsafeCurrentTimeMillis() + Duration.toMillis(OWN_PAST)
      },
      isLacking: () => {
        if (isOver) return
        isLacking = true
        held.unsafeClose()
      },
      awaited: Effect.suspend(() => isLacking ? Effect.raceFirst(held.await, late) : Effect.void)
    }
  })

/**
 * Before its first write a node that was started again must know that nobody holds more of its own operations than it does:
 * its disk may have been put back as a whole, with all that would tell it so. A run that began under a name that nobody can
 * have used need not wait.
 */
const makeFirstWrite = ({ committer, log }: Parts) =>
  Effect.gen(function*() {
    const told = yield* Effect.makeLatch(true)
    const once = yield* Effect.makeSemaphore(1)
    let isAsking = false
    const isInDoubt = () => isAsking && !log.isFresh()
    const settle = () => {
      isAsking = false
      told.unsafeOpen()
    }
    const renew = Effect.zipRight(
      committer.submit(() => Either.right(log.renewIncarnation())),
      Effect.logWarning(
        "not all peers were heard in time before the first write of this run: it goes under a new incarnation"
      )
    )
    const renewed = once.withPermits(1)(
      Effect.suspend(() => isInDoubt() ? Effect.tap(renew, () => Effect.sync(settle)) : Effect.void)
    )
    const asked = Effect.raceFirst(told.await, Effect.zipRight(Effect.sleep(FIRST_WORD), renewed))
    return {
      doubt: () => {
        if (log.isFresh()) return
        isAsking = true
        told.unsafeClose()
      },
      settle,
      settled: Effect.suspend(() => isInDoubt() ? asked : Effect.void)
    }
  })
