import Database from "better-sqlite3"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { Metrics } from "../../telemetry/Metrics.js"
import { IN_DOUBT, LocalWriteFailed, Overloaded } from "../errors.js"
import { eventLoopTurn } from "./eventLoopTurn.js"
import { paced, type Steps, type Turns, withoutTurns, withTurns } from "./Steps.js"

/** Jobs committed together at most: bounds the time one transaction holds the event loop. */
const MAX_BATCH = 256
/** Jobs waiting at most; one more is refused before anything is written. */
export const MAX_QUEUED = 10_000

/** A commit or fsync failed: what is in the file is unknown, and only a new start can tell. */
export class CommitFailed extends Data.TaggedError("CommitFailed")<{ readonly detail: string }> {
  override get message() {
    return `a commit failed and the state of the database is unknown: ${this.detail}`
  }
}

/** What must move together with the database: saved before a job, restored when the job or the transaction rolls back. */
interface Ledger<State> {
  readonly save: () => State
  readonly restore: (state: State) => void
  /** Runs inside a long transaction now and then, in a turn of its own: what can be done by then need not be done at its end. */
  readonly rest: () => void
  /** Runs last inside each transaction; answers how many operations it wrote. */
  readonly finish: () => number
  /**
   * What has to be done elsewhere between that and the commit; null when nothing has. Where it fails the transaction is undone, and
   * who waits for it fails by the same.
   */
  readonly share: () => Effect.Effect<void, LocalWriteFailed> | null
  /** Whether there is work that stands behind what was committed, and what does that work, in a transaction. */
  readonly isBehind: () => boolean
  readonly catchUp: () => void
  /** Runs after each commit, before anybody is answered. */
  readonly committed: () => void
}

/** Runs a part of a job so that its failure takes nothing else with it: it is undone, and answered by `failed`. */
export type Isolate = <A>(part: () => A, failed: (cause: unknown) => A) => A

/** Group commit: every job that waits is committed in one transaction, each as if in a savepoint of its own. */
interface Committer {
  /**
   * A job that throws is undone alone. It must not write before it answers `Left`, and may be run twice, the first time
   * being undone whole. Interrupting the caller does not take back a job.
   */
  readonly submit: <A, E>(
    job: (isolate: Isolate) => Either.Either<A, E>
  ) => Effect.Effect<A, E | LocalWriteFailed | Overloaded>
  /** The same for jobs that come at once: each stands or falls alone, and who waits for them is woken once. */
  readonly submitEach: <A, E>(
    jobs: ReadonlyArray<(isolate: Isolate) => Either.Either<A, E>>
  ) => Effect.Effect<ReadonlyArray<Exit.Exit<A, E | LocalWriteFailed | Overloaded>>>
  /**
   * The same for a job of many parts, in a transaction of its own. Between its parts others have their turns, but no other job:
   * nothing is written in between, and nobody sees half of it.
   */
  readonly submitSteps: <A, E>(
    job: () => Steps<Either.Either<A, E>>
  ) => Effect.Effect<A, E | LocalWriteFailed | Overloaded>
  /** Does what stands behind commits, before anything that waits. */
  readonly catchUp: Effect.Effect<void, LocalWriteFailed | Overloaded>
  /** Fails once a commit has failed; never succeeds. */
  readonly fatal: Effect.Effect<never, CommitFailed>
}

/** The file that is written to. */
interface File {
  /** Why nothing may be written now; null when nothing speaks against it. */
  readonly refusal: () => string | null
  /** A transaction failed by this. */
  readonly failed: (cause: unknown) => void
  /** Operations were committed. */
  readonly wrote: () => void
}

interface Waiting {
  readonly run: (isolate: Isolate) => void
  /** Instead of that, where it is a job of many parts. */
  readonly steps: (() => Steps<void>) | null
  readonly committed: () => void
  readonly failed: (error: LocalWriteFailed) => void
  readonly died: (defect: unknown) => void
}

export const make = <State>(
  writer: Database.Database,
  ledger: Ledger<State>,
  file: File
): Effect.Effect<Committer, never, Metrics | Scope.Scope> =>
  Effect.gen(function*() {
    const clock = yield* Effect.clock
    const metrics = yield* Metrics
    const fatal = yield* Deferred.make<never, CommitFailed>()
    const waiting: Array<Waiting> = []
    const work = yield* Effect.makeLatch(false)
    const transaction = makeTransaction(writer, ledger, file)
    const next = nextOf(waiting, ledger)
    let oldest = 0n
    let broken: string | null = null
    let isGathered = false

    const enqueue: Enqueue = (job, place = "last") => {
      if (broken !== null) return new LocalWriteFailed({ detail: broken })
      if (waiting.length >= MAX_QUEUED) return new Overloaded({ queued: waiting.length })
      if (place === "last") waiting.push(job)
      else waiting.unshift(job)
      if (waiting.length === 1) {
        oldest = clock.unsafeCurrentTimeNanos()
        work.unsafeOpen()
      }
      return null
    }

    /** Nothing is written any more: whoever waits is told, and the node ends. */
    const stop = (detail: string) => {
      broken = detail
      for (const job of waiting.splice(0)) job.failed(new LocalWriteFailed({ detail }))
      Deferred.unsafeDone(fatal, Effect.fail(new CommitFailed({ detail })))
    }

    // What has begun is finished: nobody can begin another transaction meanwhile.
    const commitWaiting = Effect.uninterruptible(Effect.suspend(() => {
      const batch = next()
      isGathered = false
      if (waiting.length === 0) work.unsafeClose()
      const started = clock.unsafeCurrentTimeNanos()
      return Effect.map(whole(writer, transaction(batch)), (result) => {
        metrics.commit({
          operations: result.operations,
          queueSeconds: Number(started - oldest) / 1e9,
          commitSeconds: Number(clock.unsafeCurrentTimeNanos() - started) / 1e9,
          queueDepth: waiting.length
        })
        oldest = started
        if (result.fatal !== null) stop(result.fatal)
      })
    }))

    yield* Effect.addFinalizer(() =>
      Effect.whileLoop({
        while: () => waiting.length > 0 && broken === null,
        body: () => withoutTurns(transaction(next())),
        step: () => {}
      })
    )
    // What came at once has been waited for already.
    const turn = Effect.suspend(() => isGathered ? Effect.void : eventLoopTurn)
    yield* Effect.forkScoped(forever(work.await.pipe(Effect.zipRight(turn), Effect.zipRight(commitWaiting)), stop))
    const gathered = () => {
      isGathered = true
    }
    return { ...submitting(enqueue, gathered), catchUp: catchingUp(enqueue, ledger), fatal: Deferred.await(fatal) }
  })

/** It ends by a defect alone, and then nothing is written any more. */
const forever = (committing: Effect.Effect<void>, stop: (detail: string) => void) =>
  Effect.forever(committing).pipe(
    Effect.tapErrorCause((cause) =>
      Effect.zipRight(
        Effect.logError("the committer stopped", cause),
        Effect.sync(() => stop(`the committer stopped: ${Cause.squash(cause)}`))
      )
    )
  )

type Done<A, E> = (exit: Exit.Exit<A, E | LocalWriteFailed | Overloaded>) => void

/** Puts a job into the queue, or says why not. */
type Enqueue = (job: Waiting, place?: "first" | "last") => LocalWriteFailed | Overloaded | null

const submitting = (
  enqueue: Enqueue,
  gathered: () => void
): Pick<Committer, "submit" | "submitEach" | "submitSteps"> => {
  const queue = <A, E>(job: Waiting, done: Done<A, E>): void => {
    const refused = enqueue(job)
    if (refused !== null) done(Exit.fail(refused))
  }
  return {
    submit: <A, E>(job: (isolate: Isolate) => Either.Either<A, E>) =>
      Effect.async<A, E | LocalWriteFailed | Overloaded>((resume) => queue(waitingFor(job, resume), resume)),
    submitEach: <A, E>(jobs: ReadonlyArray<(isolate: Isolate) => Either.Either<A, E>>) =>
      Effect.async<ReadonlyArray<Exit.Exit<A, E | LocalWriteFailed | Overloaded>>>((resume) => {
        const exits: Array<Exit.Exit<A, E | LocalWriteFailed | Overloaded>> = []
        let left = jobs.length
        if (left === 0) return resume(Effect.succeed(exits))
        gathered()
        jobs.forEach((job, index) => {
          const done: Done<A, E> = (exit) => {
            exits[index] = exit
            if (--left === 0) resume(Effect.succeed(exits))
          }
          queue(waitingFor(job, done), done)
        })
      }),
    submitSteps: <A, E>(job: () => Steps<Either.Either<A, E>>) =>
      Effect.async<A, E | LocalWriteFailed | Overloaded>((resume) => queue(waitingForSteps(job, resume), resume))
  }
}

/** The job that does what stands behind commits, before all others. */
const catchingUp = <State>(enqueue: Enqueue, ledger: Ledger<State>): Committer["catchUp"] =>
  Effect.async((resume) => {
    const refused = enqueue(waitingFor(() => Either.right(ledger.catchUp()), resume), "first")
    if (refused !== null) resume(Exit.fail(refused))
  })

/** All of a transaction. The reader of a database in memory is on the same connection, and would see half of it. */
const whole = <A>(writer: Database.Database, turns: Turns<A>): Effect.Effect<A> =>
  writer.memory ? withoutTurns(turns) : withTurns(turns)

/**
 * What is committed next. Nobody catches up while a job of many parts is under way, and those who would wait for it read meanwhile: it
 * is done before. When that comes to nothing the job has its turn all the same.
 */
const nextOf = <State>(waiting: Array<Waiting>, ledger: Ledger<State>): () => ReadonlyArray<Waiting> => {
  const catchingUp = waitingFor(() => Either.right(ledger.catchUp()), () => {})
  let isTried = false
  return () => {
    const [first] = waiting
    isTried = !isTried && first !== undefined && first.steps !== null && ledger.isBehind()
    return isTried ? [catchingUp] : nextBatch(waiting)
  }
}

/** A job of many parts has a transaction of its own. */
const nextBatch = (waiting: Array<Waiting>): ReadonlyArray<Waiting> => {
  const long = waiting.findIndex(({ steps }) => steps !== null)
  return waiting.splice(0, long === -1 ? MAX_BATCH : Math.min(MAX_BATCH, Math.max(1, long)))
}

/** A job with the ways it may end, for whoever waits for it. */
const waitingFor = <A, E>(
  job: (isolate: Isolate) => Either.Either<A, E>,
  done: Done<A, E>
): Waiting => {
  let outcome: Either.Either<A, E>
  return {
    run: (isolate) => {
      outcome = job(isolate)
    },
    steps: null,
    committed: () => done(Exit.fromEither(outcome)),
    failed: (error) => done(Exit.fail(error)),
    died: (defect) => done(Exit.die(defect))
  }
}

/** The same for a job of many parts. */
const waitingForSteps = <A, E>(job: () => Steps<Either.Either<A, E>>, done: Done<A, E>): Waiting => {
  let outcome: Either.Either<A, E>
  return {
    ...waitingFor(() => outcome, done),
    *steps() {
      outcome = yield* job()
    }
  }
}

/** Errors after which SQLite has rolled back by itself and the file is as it was before. */
const isHarmless = (cause: unknown) => cause instanceof Database.SqliteError && cause.code.startsWith("SQLITE_FULL")

/** What was read of the file makes no sense: nothing was written. */
const isDamage = (cause: unknown) =>
  cause instanceof Database.SqliteError && /^SQLITE_(CORRUPT|NOTADB)/.test(cause.code)

/** Errors that end the whole transaction and not only the statement. */
const endsTransaction = (cause: unknown) =>
  cause instanceof Database.SqliteError &&
  /^SQLITE_(FULL|IOERR|CORRUPT|NOMEM|NOTADB|PROTOCOL|READONLY)/.test(cause.code)

const detailOf = (cause: unknown) =>
  cause instanceof CommitFailed
    ? cause.detail
    : cause instanceof Database.SqliteError
    ? `${cause.code}: ${cause.message}`
    : String(cause)

/** It is not one job that failed. */
const isOfAll = (cause: unknown) =>
  cause instanceof CommitFailed || cause instanceof NotShared || cause instanceof HeldElsewhere

type Answer = () => void

/**
 * One transaction over a batch: answers every job, and reports what only a restart can mend. Nearly every batch has nothing
 * to undo, so it is first run without savepoints; when one job fails it is undone whole and run again with them. A job of many
 * parts is alone in its batch.
 */
const makeTransaction = <State>(writer: Database.Database, ledger: Ledger<State>, file: File) => {
  const rollback = writer.prepare("ROLLBACK")
  const attempt = makeAttempt(writer, ledger)
  const careful = makeCareful(writer, ledger)

  return function*(batch: ReadonlyArray<Waiting>): Turns<Result> {
    const refusal = file.refusal()
    if (refusal !== null) {
      for (const job of batch) job.failed(new LocalWriteFailed({ detail: refusal }))
      return { operations: 0, fatal: null }
    }
    const before = ledger.save()
    const abandon = () => {
      if (writer.inTransaction) rollback.run()
      ledger.restore(before)
    }
    const failed = (thrown: unknown) => {
      abandon()
      const cause = thrown instanceof HeldElsewhere ? thrown.failure : thrown
      file.failed(cause)
      const error = cause instanceof NotShared
        ? cause.error
        : new LocalWriteFailed(
          thrown === cause
            ? { detail: detailOf(cause) }
            : { detail: `${detailOf(cause)}: ${IN_DOUBT}`, site: "unavailable" }
        )
      for (const job of batch) job.failed(error)
      const isUnknown = cause instanceof CommitFailed ||
        (endsTransaction(cause) && !isHarmless(cause) && !isDamage(cause))
      return { operations: 0, fatal: isUnknown ? error.detail : null }
    }
    const tried = yield* attempt(batch, trusting)
    if (Either.isLeft(tried) && (isOfAll(tried.left) || endsTransaction(tried.left))) {
      return failed(tried.left)
    }
    if (Either.isLeft(tried)) {
      abandon()
      const long = batch.find(({ steps }) => steps !== null)
      if (long !== undefined) {
        failing(long)(tried.left)()
        return { operations: 0, fatal: null }
      }
    }
    const committed = Either.isLeft(tried) ? yield* attempt(batch, careful) : tried
    if (Either.isLeft(committed)) return failed(committed.left)
    ledger.committed()
    if (committed.right.operations > 0) file.wrote()
    for (const answer of committed.right.answers) answer()
    return { operations: committed.right.operations, fatal: null }
  }
}

interface Result {
  readonly operations: number
  /** Why nothing may be written any more; null where it may. */
  readonly fatal: string | null
}

/** Runs a batch from BEGIN to COMMIT, or says why nothing of it was committed. */
const makeAttempt = <State>(writer: Database.Database, ledger: Ledger<State>) => {
  const begin = writer.prepare("BEGIN IMMEDIATE")
  const commit = writer.prepare("COMMIT")

  const end = function*(answers: ReadonlyArray<Answer>): Turns<Attempt> {
    const operations = ledger.finish()
    const shared = ledger.share()
    if (shared !== null) yield* waitedFor(shared)
    try {
      commit.run()
    } catch (cause) {
      const failure = isHarmless(cause) ? cause : new CommitFailed({ detail: detailOf(cause) })
      throw shared === null ? failure : new HeldElsewhere({ failure })
    }
    return { answers, operations }
  }

  return function*(batch: ReadonlyArray<Waiting>, isolate: Isolate): Turns<Either.Either<Attempt, unknown>> {
    try {
      begin.run()
      const answers: Array<Answer> = []
      for (const job of batch) {
        if (job.steps !== null) yield* paced(job.steps(), ledger.rest)
        answers.push(isolate<Answer>(
          () => {
            job.run(isolate)
            return job.committed
          },
          failing(job)
        ))
      }
      return Either.right(yield* end(answers))
    } catch (cause) {
      return Either.left(cause)
    }
  }
}

/** Waits for what has to be done elsewhere, and throws what it fails by. */
const waitedFor = function*(shared: Effect.Effect<void, LocalWriteFailed>): Turns<void> {
  let exit: Exit.Exit<void, LocalWriteFailed> = Exit.void
  yield Effect.map(Effect.exit(shared), (ended) => {
    exit = ended
  })
  if (Exit.isFailure(exit)) {
    const error = Cause.squash(exit.cause)
    throw new NotShared({
      error: error instanceof LocalWriteFailed ? error : new LocalWriteFailed({ detail: String(error) })
    })
  }
}

/** What had to be done elsewhere was, and then the commit failed by this. */
class HeldElsewhere extends Data.TaggedError("HeldElsewhere")<{ readonly failure: unknown }> {}

/** What had to be done elsewhere was not: it is that of all jobs, and of none of them alone. */
class NotShared extends Data.TaggedError("NotShared")<{ readonly error: LocalWriteFailed }> {}

/** What was committed. */
interface Attempt {
  readonly answers: ReadonlyArray<Answer>
  readonly operations: number
}

/** How a job is answered that failed by itself. */
const failing = (job: Waiting) => (cause: unknown): Answer => () =>
  cause instanceof LocalWriteFailed
    ? job.failed(cause)
    : cause instanceof Database.SqliteError
    ? job.failed(new LocalWriteFailed({ detail: detailOf(cause) }))
    : job.died(cause)

/** Undoes nothing: a part that fails fails the whole attempt. */
const trusting: Isolate = (part) => part()

/** A savepoint around each part. */
const makeCareful = <State>(writer: Database.Database, ledger: Ledger<State>): Isolate => {
  const savepoint = writer.prepare("SAVEPOINT part")
  const release = writer.prepare("RELEASE part")
  const undo = writer.prepare("ROLLBACK TO part")

  return (part, failed) => {
    const before = ledger.save()
    savepoint.run()
    try {
      const value = part()
      release.run()
      return value
    } catch (cause) {
      if (endsTransaction(cause)) throw cause
      undo.run()
      release.run()
      ledger.restore(before)
      return failed(cause)
    }
  }
}
