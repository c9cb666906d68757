import type { PgClient } from "@effect/sql-pg/PgClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as RcRef from "effect/RcRef"
import type * as Scope from "effect/Scope"
import type { StoreAddress } from "../../config/storeAddress.js"
import { isBroken, isSqlError, isUnheld, Unheld, unusable, wordsOf } from "./failures.js"
import { type Driver, open, placeOf, type Purpose } from "./server.js"

/** The server of a database that takes writes, whichever of its servers that is now. */
export interface Connection {
  /**
   * Runs it there. What fails because the connection did, or because the server takes no writes, or does not answer in time,
   * chooses anew the next time.
   */
  readonly use: <A, E = never>(
    run: (sql: PgClient) => Effect.Effect<A, SqlError | E>
  ) => Effect.Effect<A, SqlError | E>
  /** The same for no longer than that: a server that is gone without a word is left then, and who waits fails by `late`. */
  readonly within: <E2>(
    timeout: Duration.Duration,
    late: () => E2
  ) => <A, E>(run: Effect.Effect<A, E>) => Effect.Effect<A, E | E2>
  /** What comes next begins with a connection, which shows nothing before something was confirmed on it. */
  readonly renew: Effect.Effect<void>
  /** Whether one waits for that. */
  readonly isConfirming: () => boolean
  /** How often a commit was confirmed by a server that had given up waiting for its standbys. */
  readonly brokenPromises: () => number
}

/** To each server, also for a daemon that begins: nothing waits for that yet which has less time. */
const MOST_CONNECT = Duration.seconds(5)

export const make = (
  driver: Driver,
  { servers }: StoreAddress,
  { for: purpose, timeout }: { readonly for: Purpose; readonly timeout: Duration.Duration }
): Effect.Effect<Connection, never, Scope.Scope> =>
  Effect.gen(function*() {
    let within = MOST_CONNECT
    let brokenPromises = 0
    let confirming = 0
    const onBarrier = (isOver: boolean) => {
      confirming += isOver ? -1 : 1
    }
    const onBrokenPromise = () => {
      brokenPromises += 1
    }
    let current: PgClient | null = null
    const chosen = yield* RcRef.make({
      acquire: Effect.tap(
        Effect.suspend(() =>
          firstOf(servers, (server) => open(driver, { server, within, purpose, onBarrier, onBrokenPromise }))
        ),
        (sql) =>
          Effect.sync(() => {
            current = sql
            within = turnOf(servers, timeout)
          })
      ),
      idleTimeToLive: Duration.infinity
    })
    /** Chooses anew, unless that has been done since. */
    const leave = (sql: PgClient) =>
      Effect.suspend(() => {
        if (sql !== current) return Effect.void
        current = null
        return RcRef.invalidate(chosen)
      })
    return {
      renew: Effect.suspend(() => current === null ? Effect.void : leave(current)),
      isConfirming: () => confirming > 0,
      brokenPromises: () => brokenPromises,
      within: (timeout, late) => (run) =>
        run.pipe(
          Effect.disconnect,
          // A transaction that waits for it is not to be interrupted: all the same this is waited for no longer.
          Effect.interruptible,
          Effect.timeoutOption(timeout),
          Effect.flatMap(Option.match({
            onNone: () =>
              Effect.zipRight(
                Effect.suspend(() => current === null ? Effect.void : leave(current)),
                Effect.fail(late())
              ),
            onSome: Effect.succeed
          }))
        ),
      use: (run) =>
        Effect.flatMap(RcRef.get(chosen), (sql) =>
          run(sql).pipe(
            Effect.tapError((error) => isSqlError(error) && isBroken(error) ? leave(sql) : Effect.void)
          )).pipe(
            Effect.scoped,
            // It serves many writes at once, and is in the trace of none.
            Effect.withTracerEnabled(false)
          )
    }
  })

/** Each of several has its turn within the time of a write, also when those before it are silent. */
const turnOf = ({ length }: ReadonlyArray<string>, timeout: Duration.Duration): Duration.Duration =>
  Duration.min(MOST_CONNECT, Duration.times(timeout, 1 / (length === 1 ? 1 : length + 1)))

/** The first one that there is; else what is wrong with each of them. */
const firstOf = <A, R>(
  servers: ReadonlyArray<string>,
  open: (server: string) => Effect.Effect<A, SqlError, R>,
  failed: ReadonlyArray<Failed> = []
): Effect.Effect<A, SqlError, R> => {
  const [server, ...others] = servers
  if (server !== undefined) {
    return Effect.catchAll(open(server), (error) => firstOf(others, open, [...failed, { server, error }]))
  }
  const words = failed.map(({ error, server }) => `${placeOf(server)}: ${wordsOf(error)}`).join("; ")
  return Effect.fail(unusable(failed.some(({ error }) => isUnheld(error)) ? new Unheld(words) : new Error(words)))
}

interface Failed {
  readonly server: string
  readonly error: SqlError
}
