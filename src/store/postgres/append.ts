import type { PgClient } from "@effect/sql-pg/PgClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { Shared } from "../log/OpLog.js"
import { type Bringing, SiteAhead, SiteUnavailable } from "../site/SiteLog.js"
import type { Connection } from "./Connection.js"
import * as failures from "./failures.js"
import * as rows from "./rows.js"
import { SETTING, type Standbys } from "./Standbys.js"
import { againOnConflict, inTransaction } from "./transactions.js"

interface Options {
  readonly connection: Connection
  readonly durability: Standbys
  /** How many standbys have to hold it. */
  readonly standbys: number
  readonly timeout: Duration.Duration
}

const REPEATED = { first: "20 millis", most: "250 millis" } as const

/** Another setting of the standbys holds than that by which it was brought; nothing was taken. */
class Otherwise extends Data.TaggedError("Otherwise")<{ readonly names: string }> {}

/**
 * Brings items in, in one transaction. As each has its own place, the same again is refused for its places, and what stands there
 * tells whether it is the same: so what fails without a word on its outcome is tried again, until there is no more time.
 */
export const make =
  ({ connection, durability, standbys, timeout }: Options) =>
  (bringing: Bringing): Effect.Effect<void, SiteUnavailable | SiteAhead> =>
    Effect.suspend(() => {
      let hasBegun = false
      let hasBroken = false
      const promises = connection.brokenPromises()
      const failed = (detail: string, isOfStandbys: boolean) =>
        new SiteUnavailable({
          detail,
          isInDoubt: hasBegun,
          ...(isOfStandbys && standbys > 0 ? { standbys } : {})
        })
      const begun = Effect.sync(() => {
        hasBegun = true
      })
      const attempt = Effect.suspend(() =>
        connection.use((sql) => Effect.zipRight(begun, bring(sql, bringing, durability.names())))
      )
      return attempt.pipe(
        againOnConflict,
        Effect.catchIf(isPlaceTaken, () => connection.use(standing(bringing))),
        Effect.tapErrorTag("Otherwise", ({ names }) =>
          Effect.mapError(durability.said(names), (error) =>
            new SiteUnavailable({ ...error, isInDoubt: hasBroken }))),
        Effect.tapError((error) =>
          Effect.sync(() => {
            hasBroken ||= error._tag === "SqlError" && failures.isBroken(error)
          })
        ),
        Effect.retry({
          while: (error) =>
            error._tag === "Otherwise" || (error._tag === "SqlError" && failures.isBroken(error)),
          schedule: Schedule.either(Schedule.exponential(REPEATED.first), Schedule.spaced(REPEATED.most))
        }),
        Effect.catchTags({
          SqlError: (error) =>
            failed(`the store did not take it: ${failures.wordsOf(error)}`, failures.isUnheld(error)),
          Otherwise: () => failed("the store changes its standbys", true)
        }),
        Effect.zipRight(standbys === 0 ? Effect.void : stillAsked(connection, durability, failed)),
        connection.within(timeout, () => failed("the store does not confirm in time", true)),
        Effect.filterOrFail(
          () => connection.brokenPromises() === promises,
          () => failed("the store confirmed without its standbys", true)
        )
      )
    })

/** Who takes back, while a commit waits, what it waits for has it confirmed at once. */
const stillAsked = (
  connection: Connection,
  durability: Standbys,
  failed: (detail: string, isOfStandbys: boolean) => SiteUnavailable
) =>
  connection.use((sql) => sql.unsafe(`SELECT ${SETTING}`).values).pipe(
    Effect.flatMap(([row]) => durability.said(String(row?.[0] ?? ""))),
    Effect.mapError(({ message }) => failed(message, true))
  )

/** By this very item, it may be. */
const isPlaceTaken = (error: SqlError | SiteAhead | Otherwise): boolean =>
  error._tag === "SiteAhead" ? error.why === "place" : error._tag === "SqlError" && failures.isTaken(error)

const Brought = Schema.Struct({ stands: Schema.Boolean, names: Schema.String })
const decodeBrought = Schema.decodeUnknownSync(Brought)
const decodeHeads = Schema.decodeUnknownSync(Schema.Array(rows.HeadRow))

/** One statement, which is a transaction by itself where no key is brought. */
const bring = (
  sql: PgClient,
  { after, isKnown, items, writer }: Bringing,
  names: string
): Effect.Effect<void, SqlError | SiteAhead | Otherwise> =>
  Effect.suspend(() => {
    const placed = items.map((item, index) => rows.rowOf({ item, place: after + index + 1 }))
    const keyed = placed.filter(({ key_hash }) => typeof key_hash === "string")
    const values = [writer, JSON.stringify(placed), after + items.length, names]
    const insert = Effect.flatMap(
      sql.unsafe(
        statement({ isFirst: after === 0, isKeyed: keyed.length > 0 }),
        after === 0 ? values : [...values, after]
      ),
      ([row]): Effect.Effect<void, SiteAhead | Otherwise> => {
        const said = decodeBrought(row)
        if (said.stands) return Effect.void
        // Where it lacks what was brought before, nothing is brought after that.
        return said.names === names ? new SiteAhead({ why: "place" }) : new Otherwise({ names: said.names })
      }
    )
    // Who no longer waits for it takes nothing back: the driver would have the server confirm what no standby holds.
    if (keyed.length === 0) return Effect.uninterruptible(insert)
    const own = keyed.flatMap(({ key_hash, origin }) => origin === writer ? [key_hash ?? ""] : [])
    const first = own.length === 0 ? Effect.void : Effect.flatMap(
      sql`SELECT writer, place FROM quorate_keys WHERE ${sql.in("key_hash", own)}`,
      (taken): Effect.Effect<void, SiteAhead> =>
        decodeHeads(taken).every((head) => head.writer === writer || isKnown(head))
          ? Effect.void
          : new SiteAhead({ why: "key" })
    )
    return inTransaction(sql, Effect.zipRight(insert, first))
  })

const COLUMNS = Object.keys(rows.COLUMNS).join(", ")
const GIVEN = `json_to_recordset($2::json) AS t(${
  Object.entries(rows.COLUMNS).map((column) => column.join(" ")).join(", ")
})`

/** Its place is taken first, and all else where that was. */
const statement = ({ isFirst, isKeyed }: { readonly isFirst: boolean; readonly isKeyed: boolean }) =>
  `WITH stands AS (${
    isFirst ? BEGIN : GO_ON
  } RETURNING place), given AS (SELECT t.* FROM ${GIVEN}), entries AS (${ENTRIES})${
    isKeyed ? `, keys AS (${KEYS})` : ""
  } SELECT EXISTS (SELECT FROM stands) AS stands, ${SETTING} AS names`

const BEGIN = `INSERT INTO quorate_writers (writer, place) SELECT $1, $3::bigint WHERE ${SETTING} = $4`
const GO_ON = `UPDATE quorate_writers SET place = $3 WHERE writer = $1 AND place = $5 AND ${SETTING} = $4`
const ENTRIES =
  `INSERT INTO quorate_entries (writer, ${COLUMNS}) SELECT $1, ${COLUMNS} FROM given WHERE EXISTS (SELECT FROM stands)`
const KEYS = `INSERT INTO quorate_keys (key_hash, writer, place) SELECT key_hash, $1, min(place) FROM given
  WHERE key_hash IS NOT NULL AND EXISTS (SELECT FROM stands) GROUP BY key_hash ON CONFLICT (key_hash) DO NOTHING`

/** Whether what stands at its places is what is brought: then it was taken before. */
const standing = ({ after, items, writer }: Bringing) => (sql: PgClient) =>
  Effect.flatMap(
    sql`SELECT * FROM quorate_entries WHERE writer = ${writer} AND place > ${after} ORDER BY place LIMIT ${items.length}`,
    (found) =>
      items.every((item, at) => found[at] !== undefined && hashOf(rows.fromRow(found[at]).item) === hashOf(item))
        ? Effect.void
        : new SiteAhead({ why: "place" })
  )

const hashOf = (item: Shared) => "stub" in item ? item.stub.hash : item.operation.hash
