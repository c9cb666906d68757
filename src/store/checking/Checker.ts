import Database from "better-sqlite3"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Metrics } from "../../telemetry/Metrics.js"
import { ReadFailed } from "../errors.js"
import { eventLoopTurn } from "../log/eventLoopTurn.js"
import { FileHealth } from "../log/FileHealth.js"
import { Sqlite } from "../log/Sqlite.js"
import * as Findings from "./Findings.js"
import * as rows from "./rows.js"
import * as sums from "./sums.js"
import type { Walk } from "./Walk.js"

/** The standing check of what a node holds: all of it is gone through again and again, and slowly. */
export class Checker
  extends Context.Tag("quorate/store/Checker")<Checker, Pick<Findings.Findings, "faults" | "rounds">>()
{}

/** Between two rounds: a small database is not gone through all the time. */
const PAUSE = Duration.minutes(10)

interface Pace {
  /** 0 turns the check off. */
  readonly rowsPerSecond: number
  readonly pause?: Duration.Duration
}

const make = ({ pause = PAUSE, rowsPerSecond }: Pace) =>
  Effect.gen(function*() {
    const { writer } = yield* Sqlite
    const health = yield* FileHealth
    const findings = Findings.make(yield* Metrics)
    const brokenOff = (cause: Cause.Cause<unknown>) => {
      health.failed(Cause.squash(cause))
      return Effect.logWarning("check: a round was broken off", cause)
    }
    const round = Effect.scoped(Effect.flatMap(opened(writer.name), (db) => roundOf(db, findings, rowsPerSecond)))
    if (rowsPerSecond > 0 && !writer.memory) {
      yield* round.pipe(
        Effect.catchAllCause((cause) => Cause.isInterruptedOnly(cause) ? Effect.interrupt : brokenOff(cause)),
        Effect.zipRight(Effect.sleep(pause)),
        Effect.forever,
        Effect.forkScoped
      )
    }
    return Checker.of(findings)
  })

export const layer = (pace: Pace): Layer.Layer<Checker, never, Sqlite | FileHealth | Metrics> =>
  Layer.scoped(Checker, make(pace))

/** A connection of its own, so that it reads what is in the file, and stands in nobody's way. */
const opened = (file: string): Effect.Effect<Database.Database, ReadFailed, Scope.Scope> =>
  Effect.acquireRelease(
    attempt(() => new Database(file, { readonly: true, fileMustExist: true })),
    (db) => Effect.sync(() => db.close())
  )

const attempt = <A>(read: () => A): Effect.Effect<A, ReadFailed> =>
  Effect.try({ try: read, catch: (cause) => new ReadFailed({ cause }) })

/**
 * Rows are read at the given pace. The sums have to be of one moment, for which the log of the latest writes is kept until they
 * are done: so they are not slowed down, but let everybody else have a turn after each piece.
 */
const roundOf = (db: Database.Database, findings: Findings.Findings, rowsPerSecond: number) => {
  const walking = (from: Walk, rest: (rows: number) => Effect.Effect<void>) =>
    Effect.iterate<Walk | null, never, ReadFailed>(from, {
      while: (walk) => walk !== null,
      body: (walk) =>
        Effect.gen(function*() {
          const walked = yield* attempt(() => walk?.())
          if (walked === undefined) return null
          yield* findings.note(walked)
          yield* rest(walked.rows)
          return walked.next
        })
    })
  const atPace = (count: number) => Effect.sleep(Duration.seconds(count / rowsPerSecond))
  const ofOneMoment = Effect.acquireUseRelease(
    attempt(() => db.exec("BEGIN")),
    () => walking(sums.walk(db), () => eventLoopTurn),
    () => Effect.sync(() => db.inTransaction && db.exec("COMMIT"))
  )
  return walking(rows.walk(db), atPace).pipe(Effect.zipRight(ofOneMoment), Effect.zipRight(findings.roundIsOver))
}
