import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Migrator from "@effect/sql/Migrator"
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { StoreAddress } from "../../config/storeAddress.js"
import { NodeId } from "../../domain/ids.js"
import { Uuid } from "../../domain/Uuid.js"
import type { Shared } from "../log/OpLog.js"
import { type Bringing, SiteAhead, SiteLog, SiteUnavailable } from "../site/SiteLog.js"
import * as Connection from "./Connection.js"
import * as rows from "./rows.js"
import { tables } from "./tables.js"

interface Options {
  readonly driver: Connection.Driver
  /** Where it is, as `--store` says it; checked already. */
  readonly address: StoreAddress
  /** That of the site, where it is new. */
  readonly nodeId: Option.Option<NodeId>
  /** The site that it is to be the log of; none where it may be a new one. */
  readonly expected: Option.Option<string>
  /** There has to be one. */
  readonly isMade: boolean
  /** How long a write may take there. */
  readonly timeout: Duration.Duration
}

/** The log of a site in a database of PostgreSQL. Makes its tables where there are none. */
export const layer = (options: Options): Layer.Layer<SiteLog, SiteUnavailable, Uuid> =>
  Layer.scoped(SiteLog, make(options))

/** What a daemon asks of it before it begins: a server that is slow, as one that has just been started, is waited for. */
const OPENED_WITHIN = Duration.seconds(30)

const make = ({ address, driver, expected, isMade, nodeId, timeout }: Options) =>
  Effect.gen(function*() {
    const connection = yield* Connection.make(driver, address, timeout)
    const uuid = yield* Uuid
    const using = (timeout: Duration.Duration) => <A>(run: (sql: PgClient) => Effect.Effect<A, SqlError>) =>
      connection.use(run).pipe(
        Connection.againOnConflict,
        Effect.mapError(unavailable),
        connection.within(timeout, late)
      )
    const use = using(timeout)
    const open = using(Duration.max(timeout, OPENED_WITHIN))
    if ((isMade || Option.isSome(expected)) && !(yield* open(hasTables))) {
      return yield* new SiteUnavailable({ detail: LOST, isInDoubt: false })
    }
    yield* open(migrate)
    const identity = yield* open((sql) =>
      Connection.inTransaction(
        sql,
        Effect.zipRight(
          sql`INSERT INTO quorate_site (only_row, site_id, node_id)
            VALUES (1, ${uuid.make()}, ${Option.getOrElse(nodeId, uuid.make)})
            ON CONFLICT (only_row) DO NOTHING`,
          sql`SELECT site_id, node_id FROM quorate_site`
        )
      )
    )
    const { node_id, site_id } = yield* Effect.orDie(decodeSite(identity))
    if (Option.isSome(expected) && expected.value !== site_id) {
      return yield* new SiteUnavailable({ detail: LOST, isInDoubt: false })
    }

    return SiteLog.of({
      siteId: site_id,
      nodeId: node_id,
      append: appending(connection, timeout),
      heads: Effect.map(
        use((sql) => sql`SELECT writer, place FROM quorate_writers`),
        (found) => decodeHeads(found)
      ),
      after: ({ place, writer }, limit) =>
        Effect.map(
          use((sql) =>
            sql`SELECT * FROM quorate_entries WHERE writer = ${writer} AND place > ${place} ORDER BY place LIMIT ${limit}`
          ),
          (found) => found.map(rows.fromRow)
        ),
      lease: (holder, lasts) => Effect.map(use(leasing(holder, Duration.toMillis(lasts))), ([row]) => decodeLease(row)),
      release: ({ fence, holder }) =>
        Effect.asVoid(
          use((sql) => sql`UPDATE quorate_lease SET expires_at = now() WHERE holder = ${holder} AND fence = ${fence}`)
        ),
      durability: use(probe)
    })
  })

const Site = Schema.Tuple(Schema.Struct({ site_id: Schema.String, node_id: NodeId }))
const decodeSite = (found: unknown) => Effect.map(Schema.decodeUnknown(Site)(found), ([site]) => site)
const decodeHeads = Schema.decodeUnknownSync(Schema.Array(rows.HeadRow))
const decodeLease = Schema.decodeUnknownSync(rows.LeaseRow)

const LOST = "the store does not have the memory that is looked for there: put it back, or give the one that has"

/** Whether there are tables of a site. */
const hasTables = (sql: PgClient) =>
  Effect.map(
    sql`SELECT 1 FROM information_schema.tables WHERE table_name = 'quorate_site' AND table_schema = current_schema()`,
    (found) => found.length > 0
  )

/** Two daemons may make the tables at once: one of them comes second, and finds them. */
const MIGRATIONS = 5

const migrate = (sql: PgClient): Effect.Effect<unknown, SqlError> =>
  Migrator.make({})({ loader: Migrator.fromRecord(tables), table: "quorate_migrations" }).pipe(
    Effect.provideService(SqlClient.SqlClient, sql),
    Effect.retry({ times: MIGRATIONS }),
    Effect.catchTag("MigrationError", (error) => Effect.die(error))
  )

const unavailable = (error: SqlError) =>
  new SiteUnavailable({ detail: `the store can not be asked: ${Connection.wordsOf(error)}`, isInDoubt: false })

const late = () => new SiteUnavailable({ detail: "the store does not answer in time", isInDoubt: false })

const FROM_JSON = (columns: ReadonlyArray<string>) => `json_to_recordset($2::json) AS t(${columns.join(", ")})`

const INSERT = `INSERT INTO quorate_entries (writer, ${Object.keys(rows.COLUMNS).join(", ")}) SELECT $1, t.* FROM ${
  FROM_JSON(Object.entries(rows.COLUMNS).map((column) => column.join(" ")))
}`

const INSERT_KEYS = `INSERT INTO quorate_keys (key_hash, writer, place)
  SELECT key_hash, $1, min(place) FROM ${FROM_JSON(["key_hash text", "place bigint"])}
  WHERE key_hash IS NOT NULL GROUP BY key_hash ON CONFLICT (key_hash) DO NOTHING`

const REPEATED = { first: Duration.millis(20), most: Duration.millis(250) }

/**
 * Brings items in, in one transaction. As each has its own place, the same again is refused for its places, and what stands there
 * tells whether it is the same: so what fails without a word on its outcome is tried again, until there is no more time.
 */
const appending =
  (connection: Connection.Connection, timeout: Duration.Duration) =>
  (bringing: Bringing): Effect.Effect<void, SiteUnavailable | SiteAhead> =>
    Effect.suspend(() => {
      let hasBegun = false
      const promises = connection.brokenPromises()
      const failed = (detail: string) => new SiteUnavailable({ detail, isInDoubt: hasBegun })
      return connection.use((sql) =>
        Connection.inTransaction(
          sql,
          Effect.zipRight(
            Effect.sync(() => {
              hasBegun = true
            }),
            bring(sql, bringing)
          )
        )
      ).pipe(
        Connection.againOnConflict,
        Effect.catchIf(
          (error) => error._tag === "SqlError" && Connection.isTaken(error),
          () => connection.use(standing(bringing))
        ),
        Effect.retry({
          while: (error) => error._tag === "SqlError" && Connection.isBroken(error),
          schedule: Schedule.either(Schedule.exponential(REPEATED.first), Schedule.spaced(REPEATED.most))
        }),
        Effect.catchTag("SqlError", (error) => failed(`the store did not take it: ${Connection.wordsOf(error)}`)),
        connection.within(timeout, () => failed("the store does not confirm in time")),
        Effect.filterOrFail(
          () => connection.brokenPromises() === promises,
          () => failed("the store confirmed without its standbys")
        )
      )
    })

/** The statements of that transaction. */
const bring = (sql: PgClient, { after, isKnown, items, writer }: Bringing) =>
  Effect.gen(function*() {
    const placed = items.map((item, index) => rows.rowOf({ item, place: after + index + 1 }))
    const text = JSON.stringify(placed)
    yield* sql.unsafe(INSERT, [writer, text])
    const place = after + items.length
    const stands = after === 0
      ? sql`INSERT INTO quorate_writers (writer, place) VALUES (${writer}, ${place}) RETURNING place`
      : sql`UPDATE quorate_writers SET place = ${place} WHERE writer = ${writer} AND place = ${after} RETURNING place`
    // Where it lacks what was brought before, nothing is brought after that.
    if ((yield* stands).length === 0) return yield* new SiteAhead({ why: "place" })
    const keyed = placed.filter(({ key_hash }) => typeof key_hash === "string")
    if (keyed.length === 0) return
    yield* sql.unsafe(INSERT_KEYS, [writer, text])
    const own = keyed.flatMap(({ key_hash, origin }) => origin === writer ? [key_hash ?? ""] : [])
    if (own.length === 0) return
    const taken = decodeHeads(yield* sql`SELECT writer, place FROM quorate_keys WHERE ${sql.in("key_hash", own)}`)
    if (!taken.every((head) => head.writer === writer || isKnown(head))) return yield* new SiteAhead({ why: "key" })
  })

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

/** Which of its standbys it waits for, by its settings; and how many of them are enough. */
const probe = (sql: PgClient) =>
  Effect.gen(function*() {
    const [row] = yield* sql`SHOW synchronous_standby_names`.values
    const said = String(row?.[0] ?? "").trim()
    if (said === "") return { engine: "postgresql", synchronous: null, standbys: 0 } as const
    const [, count = "1"] = /^(?:ANY|FIRST)?\s*([0-9]+)\s*\(/i.exec(said) ?? []
    return { engine: "postgresql", synchronous: said, standbys: Number(count) } as const
  })

const leasing = (holder: string, millis: number) => (sql: PgClient) =>
  Connection.inTransaction(
    sql,
    Effect.zipRight(
      sql`INSERT INTO quorate_lease (only_row, holder, fence, expires_at)
      VALUES (1, ${holder}, 1, now() + ${millis} * interval '1 millisecond')
      ON CONFLICT (only_row) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at,
        fence = quorate_lease.fence + CASE WHEN quorate_lease.holder = excluded.holder THEN 0 ELSE 1 END
      WHERE quorate_lease.holder = excluded.holder OR quorate_lease.expires_at <= now()`,
      sql`SELECT holder, fence FROM quorate_lease`
    )
  )
