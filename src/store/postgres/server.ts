import * as Reactivity from "@effect/experimental/Reactivity"
import type * as PgClient from "@effect/sql-pg/PgClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type * as Pg from "pg"
import { Unheld, unusable } from "./failures.js"

/** What is loaded where there is such a store alone. */
export interface Driver {
  readonly PgClient: typeof PgClient
  readonly Pg: typeof Pg
}

/** Host and port. */
export const placeOf = (server: string): string => /^[a-z]+:\/\/(?:[^@/]*@)?([^/?]*)/.exec(server)?.[1] ?? ""

/** A server that takes writes; or any, also one that only repeats another. */
export type Purpose = "writes" | "reads"

interface Asked {
  readonly server: string
  readonly within: Duration.Duration
  readonly purpose: Purpose
  /** One begins to wait for its confirmation, or no longer does. */
  readonly onBarrier: (isOver: boolean) => void
  readonly onBrokenPromise: () => void
}

/** The server, where it is one for the purpose; what was opened to find that out is closed where it is not. */
export const open = (
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

/** Connections of one daemon at most: what is written goes over one, what is read over the others. */
const MAX_CONNECTIONS = 4
const END_WITHIN = Duration.millis(250)

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
