import * as Reactivity from "@effect/experimental/Reactivity"
import type * as PgClient from "@effect/sql-pg/PgClient"
import { SqlError } from "@effect/sql/SqlError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as RcRef from "effect/RcRef"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type * as Pg from "pg"
import type { StoreAddress } from "../../config/storeAddress.js"

/** The server of a database that takes writes, whichever of its servers that is now. */
export interface Connection {
  /**
   * Runs it there. What fails because the connection did, or because the server takes no writes, or does not answer in time,
   * chooses anew the next time.
   */
  readonly use: <A, E = never>(
    run: (sql: PgClient.PgClient) => Effect.Effect<A, SqlError | E>
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

/** Connections of one daemon at most: what is written goes over one, what is read over the others. */
const MAX_CONNECTIONS = 4
/** To each server, also for a daemon that begins: nothing waits for that yet which has less time. */
const MOST_CONNECT = Duration.seconds(5)
const END_WITHIN = Duration.millis(250)

/** What is loaded where there is such a store alone. */
export interface Driver {
  readonly PgClient: typeof PgClient
  readonly Pg: typeof Pg
}

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
    let current: PgClient.PgClient | null = null
    const chosen = yield* RcRef.make({
      acquire: Effect.tap(
        Effect.suspend(() =>
          firstOf(servers, (server) => usable(driver, { server, within, purpose, onBarrier, onBrokenPromise }))
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
    const leave = (sql: PgClient.PgClient) =>
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

/** The server takes writes, and its standbys do not hold them. */
class Unheld extends Error {}

/** It is the standbys that it fails for. */
export const isUnheld = ({ cause }: SqlError): boolean => cause instanceof Unheld

/** Host and port. */
export const placeOf = (server: string): string => /^[a-z]+:\/\/(?:[^@/]*@)?([^/?]*)/.exec(server)?.[1] ?? ""

const unusable = (cause: Error) => new SqlError({ cause, message: cause.message })

/** A server that takes writes; or any, also one that only repeats another. */
type Purpose = "writes" | "reads"

/** The server, where it is one for the purpose; what was opened to find that out is closed where it is not. */
const usable = (
  { Pg, PgClient }: Driver,
  asked: Asked
): Effect.Effect<PgClient.PgClient, SqlError, Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const own = yield* Scope.fork(scope, scope.strategy)
    let confirming = 0
    const onBarrier = (isOver: boolean) => {
      confirming += isOver ? -1 : 1
      asked.onBarrier(isOver)
    }
    return yield* PgClient.fromPool({ acquire: opened(Pg, { ...asked, onBarrier }) }).pipe(
      Effect.tap((sql) =>
        asked.purpose === "reads" ? Effect.void : Effect.flatMap(sql`SHOW transaction_read_only`.values, refuseStandby)
      ),
      Effect.disconnect,
      Effect.interruptible,
      Effect.timeoutFail({
        duration: asked.within,
        onTimeout: () => unusable(confirming > 0 ? new Unheld(NO_STANDBYS) : new Error("it does not answer"))
      }),
      Scope.extend(own),
      Effect.onError((cause) => Scope.close(own, Exit.failCause(cause)))
    )
  }).pipe(Effect.provide(Reactivity.layer))

const refuseStandby = ([row]: ReadonlyArray<ReadonlyArray<unknown>>) =>
  row?.[0] === "off"
    ? Effect.void
    : Effect.fail(unusable(new Error("it takes no writes")))

interface Asked {
  readonly server: string
  readonly within: Duration.Duration
  readonly purpose: Purpose
  /** One begins to wait for its confirmation, or no longer does. */
  readonly onBarrier: (isOver: boolean) => void
  readonly onBrokenPromise: () => void
}

const opened = (
  { Pool }: Driver["Pg"],
  { onBarrier, onBrokenPromise, purpose, server, within }: Asked
): Effect.Effect<Pg.Pool, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const millis = Duration.toMillis(within)
      const pool = new Pool({
        connectionString: server,
        max: MAX_CONNECTIONS,
        connectionTimeoutMillis: millis,
        application_name: "quorate",
        keepAlive: true,
        verify: (client, done) => {
          let isBroken = false
          client.on("notice", (notice) => {
            if (!isOfStandbys(notice)) return
            isBroken = true
            onBrokenPromise()
          })
          const begin = async () => {
            await client.query(`SET synchronous_commit = on; SET statement_timeout = ${Math.ceil(millis * 0.8)}`)
            onBarrier(false)
            await client.query(BARRIER).catch((error: unknown) => {
              if (!isOf(WITHOUT_TABLES, error)) throw isOf(TOO_LATE, error) ? new Unheld(NO_STANDBYS) : error
            }).finally(() => onBarrier(true))
            if (isBroken) throw new Unheld(NO_STANDBYS)
            await client.query(SERIALIZABLE)
          }
          const begun = purpose === "writes" ? begin() : client.query(READS)
          begun.then(() => done(), done)
        }
      })
      // Who uses a connection hears of its end; of one that nobody uses another takes the place.
      pool.on("error", () => {})
      return pool
    }),
    (pool) => Effect.promise(() => pool.end()).pipe(Effect.interruptible, Effect.timeoutOption(END_WITHIN))
  )

/**
 * A server that was started again shows what it had not confirmed: nothing of that is believed before a write that comes after it was.
 * Each commit is durable when it is confirmed, on the standbys that it has to wait for as well, whatever is usual there. A server
 * waits for these without an end, also for those who are gone by then: as all write to one row, that is one of them and no more.
 */
const BARRIER = "UPDATE quorate_site SET node_id = node_id"

const SERIALIZABLE = "RESET statement_timeout; SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE"

/** A standby knows no serializable transactions. */
const READS = "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"

const NO_STANDBYS = "its standbys do not answer"

interface Notice {
  readonly code?: string | undefined
  /** Where in the server it comes from: the same in all languages, as the message is not. */
  readonly routine?: string | undefined
  readonly message?: string | undefined
}

/** A commit was confirmed though the standbys that it waited for had not. */
const isOfStandbys = ({ code, message, routine }: Notice): boolean =>
  routine === "SyncRepWaitForLSN" || (code === "01000" && message?.includes("synchronous replication") === true)

/** Of a database that has no site yet. */
const WITHOUT_TABLES = "42P01"
/** It waits for somebody whose barrier is not confirmed. */
const TOO_LATE = "57014"

const isOf = (code: string, error: unknown): boolean => error instanceof Error && "code" in error && error.code === code

/** The driver has classes of its own. */
const isSqlError = (error: unknown): error is SqlError => Predicate.isTagged(error, "SqlError")

/** The code that the server gave to a failure, or the system to that of a connection. */
const codeOf = ({ cause }: SqlError): string | null =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : null

/** What the server says is wrong. */
export const wordsOf = (error: SqlError): string => {
  const { cause, message } = error
  const said = cause instanceof Error ? cause.message : message ?? ""
  // A name with several addresses fails by an error for each, and has no words of its own.
  return said === "" ? codeOf(error) ?? "it can not be reached" : said
}

/** The connection, or the server behind it, is gone; or it takes no writes any more. */
export const isBroken = (error: SqlError): boolean => {
  const code = codeOf(error)
  return code === null || !/^[0-9A-Z]{5}$/.test(code) || /^(?:08|57P|53|25006)/.test(code)
}

/** In one transaction. Where its commit fails, that is a failure like any other, and no defect. */
export const inTransaction = <A, E>(
  sql: PgClient.PgClient,
  run: Effect.Effect<A, E>
): Effect.Effect<A, SqlError | E> =>
  Effect.catchSomeDefect(
    sql.withTransaction(run),
    (defect) => isSqlError(defect) ? Option.some(Effect.fail(defect)) : Option.none()
  )

/** What it brings in is there already, under the same key. */
export const isTaken = (error: SqlError): boolean => codeOf(error) === "23505"

/** Another transaction came between, and the same again may succeed. */
const isConflict = (error: SqlError): boolean => ["40001", "40P01"].includes(codeOf(error) ?? "")

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
