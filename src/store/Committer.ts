import Database from "better-sqlite3"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import * as Metrics from "../telemetry/Metrics.js"
import { LocalWriteFailed, Overloaded } from "./errors.js"
import { eventLoopTurn } from "./eventLoopTurn.js"

/** Jobs committed together at most: bounds the time one transaction holds the event loop. */
export const MAX_BATCH = 256
/** Jobs waiting at most; one more is refused before anything is written. */
export const MAX_QUEUED = 10_000

/** A commit or fsync failed: what is in the file is unknown, and only a new start can tell. */
export class CommitFailed extends Data.TaggedError("CommitFailed")<{ readonly detail: string }> {
  override get message() {
    return `a commit failed and the state of the database is unknown: ${this.detail}`
  }
}

/** What must move together with the database: saved before a job, restored when the job or the transaction rolls back. */
export interface Ledger<State> {
  readonly save: () => State
  readonly restore: (state: State) => void
  /** Runs last inside each transaction; answers how many operations it wrote. */
  readonly finish: () => number
}

/** Group commit: every job that waits is committed in one transaction, each in its own savepoint. */
export interface Committer {
  /** A job that answers `Left` is rolled back alone. Interrupting the caller does not take back a job. */
  readonly submit: <A, E>(job: () => Either.Either<A, E>) => Effect.Effect<A, E | LocalWriteFailed | Overloaded>
  /** Fails once a commit has failed; never succeeds. */
  readonly fatal: Effect.Effect<never, CommitFailed>
}

interface Waiting {
  /** Runs the job in its savepoint; `false` asks for its rollback. */
  readonly run: () => boolean
  readonly committed: () => void
  readonly failed: (error: LocalWriteFailed) => void
  readonly died: (defect: unknown) => void
}

export const make = <State>(
  writer: Database.Database,
  ledger: Ledger<State>
): Effect.Effect<Committer, never, Scope.Scope> =>
  Effect.gen(function*() {
    const clock = yield* Effect.clock
    const fatal = yield* Deferred.make<never, CommitFailed>()
    const waiting: Array<Waiting> = []
    const work = yield* Effect.makeLatch(false)
    const transaction = makeTransaction(writer, ledger)
    let oldest = 0n
    let broken: string | null = null

    const submit: Committer["submit"] = <A, E>(job: () => Either.Either<A, E>) =>
      Effect.async<A, E | LocalWriteFailed | Overloaded>((resume) => {
        if (broken !== null) return resume(Effect.fail(new LocalWriteFailed({ detail: broken })))
        if (waiting.length >= MAX_QUEUED) return resume(Effect.fail(new Overloaded({ queued: waiting.length })))
        let outcome: Either.Either<A, E>
        waiting.push({
          run: () => {
            outcome = job()
            return Either.isRight(outcome)
          },
          committed: () => resume(outcome),
          failed: (error) => resume(Effect.fail(error)),
          died: (defect) => resume(Effect.die(defect))
        })
        if (waiting.length === 1) {
          oldest = clock.unsafeCurrentTimeNanos()
          work.unsafeOpen()
        }
      })

    const commitWaiting = Effect.sync(() => {
      const batch = waiting.splice(0, MAX_BATCH)
      if (waiting.length === 0) work.unsafeClose()
      const started = clock.unsafeCurrentTimeNanos()
      const result = transaction(batch)
      Metrics.commit({
        operations: result.operations,
        queueSeconds: Number(started - oldest) / 1e9,
        commitSeconds: Number(clock.unsafeCurrentTimeNanos() - started) / 1e9,
        queueDepth: waiting.length
      })
      oldest = started
      if (result.fatal !== null) {
        broken = result.fatal
        for (const job of waiting.splice(0)) job.failed(new LocalWriteFailed({ detail: broken }))
        Deferred.unsafeDone(fatal, Effect.fail(new CommitFailed({ detail: broken })))
      }
    })

    yield* Effect.forkScoped(
      work.await.pipe(
        Effect.zipRight(eventLoopTurn),
        Effect.zipRight(commitWaiting),
        Effect.forever,
        Effect.tapErrorCause((cause) => Effect.logError("the committer stopped", cause))
      )
    )
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        while (waiting.length > 0 && broken === null) transaction(waiting.splice(0, MAX_BATCH))
      })
    )
    return { submit, fatal: Deferred.await(fatal) }
  })

/** Errors after which SQLite has rolled back by itself and the file is as it was before. */
const isHarmless = (cause: unknown) => cause instanceof Database.SqliteError && cause.code.startsWith("SQLITE_FULL")

/** Errors that end the whole transaction and not only the statement. */
export const endsTransaction = (cause: unknown) =>
  cause instanceof Database.SqliteError &&
  /^SQLITE_(FULL|IOERR|CORRUPT|NOMEM|NOTADB|PROTOCOL|READONLY)/.test(cause.code)

const detailOf = (cause: unknown) =>
  cause instanceof Database.SqliteError ? `${cause.code}: ${cause.message}` : String(cause)

/** One transaction over a batch: answers every job, and reports what only a restart can mend. */
const makeTransaction = <State>(writer: Database.Database, ledger: Ledger<State>) => {
  const begin = writer.prepare("BEGIN IMMEDIATE")
  const commit = writer.prepare("COMMIT")
  const rollback = writer.prepare("ROLLBACK")
  const savepoint = writer.prepare("SAVEPOINT job")
  const release = writer.prepare("RELEASE job")
  const rollbackJob = writer.prepare("ROLLBACK TO job")

  const runJob = (job: Waiting): "done" | (() => void) => {
    const before = ledger.save()
    const undo = () => {
      rollbackJob.run()
      release.run()
      ledger.restore(before)
    }
    savepoint.run()
    try {
      if (job.run()) release.run()
      else undo()
      return "done"
    } catch (cause) {
      if (endsTransaction(cause)) throw cause
      undo()
      return () =>
        cause instanceof Database.SqliteError
          ? job.failed(new LocalWriteFailed({ detail: detailOf(cause) }))
          : job.died(cause)
    }
  }

  return (batch: ReadonlyArray<Waiting>): { readonly operations: number; readonly fatal: string | null } => {
    const before = ledger.save()
    const answers: Array<() => void> = []
    let operations = 0
    let committing = false
    try {
      begin.run()
      for (const job of batch) {
        const outcome = runJob(job)
        answers.push(outcome === "done" ? job.committed : outcome)
      }
      operations = ledger.finish()
      committing = true
      commit.run()
    } catch (cause) {
      const detail = detailOf(cause)
      try {
        if (writer.inTransaction) rollback.run()
      } finally {
        ledger.restore(before)
        for (const job of batch) job.failed(new LocalWriteFailed({ detail }))
      }
      const unknown = !isHarmless(cause) && (committing || endsTransaction(cause))
      return { operations: 0, fatal: unknown ? detail : null }
    }
    for (const answer of answers) answer()
    return { operations, fatal: null }
  }
}
