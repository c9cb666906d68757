import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Operation } from "../replication/Operation.js"
import * as VersionVector from "../replication/VersionVector.js"
import { Metrics } from "../telemetry/Metrics.js"
import type { LocalWriteFailed, Overloaded } from "./errors.js"
import type * as Committer from "./log/Committer.js"
import type { OpLog } from "./log/OpLog.js"
import type { Collision } from "./receiving.js"
import type { Reissue } from "./reissuing.js"

/** So long the first write after a start waits for the word of the peers; then it goes under a new incarnation. */
const FIRST_WORD = Duration.seconds(1)

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
   * There are peers, and they may hold more of this node's own than its file. `rewritten` is called when the log got
   * operations that no write sends to them.
   */
  readonly meet: (peers: { readonly rewritten: () => void }) => Effect.Effect<void>
  /** All peers have been asked what they hold. */
  readonly met: Effect.Effect<void>
}

interface Parts {
  readonly log: OpLog
  readonly committer: Effect.Effect.Success<ReturnType<typeof Committer.make>>
  readonly reissue: Reissue
}

/** What is done about operations that others may hold, or hold, under the name of this node. */
export const make = (parts: Parts) =>
  Effect.gen(function*() {
    const { committer, log, reissue } = parts
    const alarm = makeAlarm(yield* Metrics)
    const firstWrite = yield* makeFirstWrite(parts)
    let rewritten = () => {}

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
      meet: (peers) =>
        Effect.sync(() => {
          firstWrite.doubt()
          rewritten = peers.rewritten
        }),
      met: Effect.sync(firstWrite.settle),
      renewWhenBehind: (theirs) =>
        committer.submit(() => {
          if (!VersionVector.holdsMoreOf(log.origin(), theirs, log.state().vector)) return Either.right(false)
          log.renewIncarnation()
          return Either.right(true)
        })
    }
    return { ...methods, alarm: raise, firstWrite: firstWrite.settled }
  })

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
