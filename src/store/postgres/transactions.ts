import type { PgClient } from "@effect/sql-pg/PgClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { isConflict, isSqlError } from "./failures.js"

/** In one transaction. Where its commit fails, that is a failure like any other, and no defect. */
export const inTransaction = <A, E>(
  sql: PgClient,
  run: Effect.Effect<A, E>
): Effect.Effect<A, SqlError | E> =>
  Effect.catchSomeDefect(
    sql.withTransaction(run),
    (defect) => isSqlError(defect) ? Option.some(Effect.fail(defect)) : Option.none()
  )

const CONFLICTS = { first: Duration.millis(5), most: 12 }

/** The same again, as long as other transactions come between. */
export const againOnConflict = <A, E>(run: Effect.Effect<A, SqlError | E>): Effect.Effect<A, SqlError | E> =>
  Effect.retry(run, {
    while: (error) => isSqlError(error) && isConflict(error),
    schedule: Schedule.intersect(
      Schedule.jittered(Schedule.exponential(CONFLICTS.first, 1.5)),
      Schedule.recurs(CONFLICTS.most)
    )
  })
