import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Migrator from "@effect/sql/Migrator"
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { StoreAddress } from "../../config/storeAddress.js"
import { type NodeId, Origin } from "../../domain/ids.js"
import { Uuid } from "../../domain/Uuid.js"
import { type Placed, type Reading, SiteLog, SiteUnavailable } from "../site/SiteLog.js"
import * as append from "./append.js"
import * as Connection from "./Connection.js"
import * as failures from "./failures.js"
import * as rows from "./rows.js"
import type { Driver } from "./server.js"
import * as Standbys from "./Standbys.js"
import { hasTables, tables } from "./tables.js"
import { againOnConflict, inTransaction } from "./transactions.js"

interface Options {
  readonly driver: Driver
  /** Where it is, as `--store` says it; checked already. */
  readonly address: StoreAddress
  /** A standby of it, which is asked where what is read may be behind. */
  readonly standby: Option.Option<StoreAddress>
  /** That of the site, where it is new. */
  readonly nodeId: Option.Option<NodeId>
  /** The site that it is to be the log of; none where it may be a new one. */
  readonly expected: Option.Option<string>
  /** There has to be one. */
  readonly isMade: boolean
  /** How many standbys have to hold what is brought, before it is answered. */
  readonly standbys: number
  /** How long a write may take there. */
  readonly timeout: Duration.Duration
}

/** The log of a site in a database of PostgreSQL. Makes its tables where there are none. */
export const layer = (options: Options): Layer.Layer<SiteLog, SiteUnavailable, Uuid> =>
  Layer.scoped(SiteLog, make(options))

/** What a daemon asks of it before it begins: a server that is slow, as one that has just been started, is waited for. */
const OPENED_WITHIN = Duration.seconds(30)

const make = ({ address, driver, expected, isMade, nodeId, standby, standbys, timeout }: Options) =>
  Effect.gen(function*() {
    const connection = yield* Connection.make(driver, address, { for: "writes", timeout })
    const uuid = yield* Uuid
    const using = (timeout: Duration.Duration) => <A>(run: (sql: PgClient) => Effect.Effect<A, SqlError>) =>
      connection.use(run).pipe(
        againOnConflict,
        Effect.mapError((error) => unavailable(error, standbys)),
        connection.within(timeout, () => late(connection.isConfirming() ? standbys : 0))
      )
    const use = using(timeout)
    const open = using(Duration.max(timeout, OPENED_WITHIN))
    const durability = Standbys.make(standbys, connection.renew)
    const [row] = yield* open((sql) => sql.unsafe(`SELECT ${Standbys.SETTING}`).values)
    yield* durability.said(String(row?.[0] ?? ""))
    if ((isMade || Option.isSome(expected)) && !(yield* open(hasTables))) {
      return yield* new SiteUnavailable({ detail: LOST, isInDoubt: false })
    }
    yield* open(migrate)
    const identity = yield* open((sql) =>
      inTransaction(
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
      append: append.make({ connection, durability, standbys, timeout }),
      ...reading(use, durability.said),
      standby: Option.isNone(standby)
        ? null
        : yield* repeating({ driver, address: standby.value, siteId: site_id, timeout }),
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
      durability: durability.shown
    })
  })

const decodeSite = (found: unknown) => Effect.map(Schema.decodeUnknown(rows.Site)(found), ([site]) => site)
const decodeLease = Schema.decodeUnknownSync(rows.LeaseRow)

type Use = <A>(run: (sql: PgClient) => Effect.Effect<A, SqlError>) => Effect.Effect<A, SiteUnavailable>

/** How far they are, and the setting of the standbys, also where there are none. */
const HEADS = `SELECT names, writer, place FROM (SELECT ${Standbys.SETTING} AS names) AS setting
  LEFT JOIN quorate_writers ON true`

const HeadRows = Schema.Array(
  Schema.extend(
    Schema.Struct({ names: Schema.String }),
    Schema.Union(rows.HeadRow, Schema.Struct({ writer: Schema.Null }))
  )
)
const decodeHeads = Schema.decodeUnknownSync(HeadRows)

/** What it shows is believed as long as it waits for its standbys. */
const reading = (use: Use, said: Standbys.Standbys["said"]): Reading => ({
  heads: Effect.flatMap(use((sql) => sql.unsafe(HEADS)), (found) => {
    const heads = decodeHeads(found)
    return Effect.as(
      said(heads[0]?.names ?? ""),
      heads.flatMap((head) => head.writer === null ? [] : [{ writer: head.writer, place: head.place }])
    )
  }),
  news: (held) => Effect.map(use((sql) => sql.unsafe(NEWS, [JSON.stringify(held), PAGE.bytes])), byWriter)
})

interface Repeating extends Pick<Options, "address" | "driver" | "timeout"> {
  readonly siteId: string
}

/** Who reads waits for it no longer, as there is another one to ask. */
const REPEATED_WITHIN = Duration.millis(200)

/** A server that repeats what the one has which is written to. Each time it is asked it has to be one of that site. */
const repeating = ({ address, driver, siteId, timeout }: Repeating) =>
  Effect.map(Connection.make(driver, address, { for: "reads", timeout }), (connection): Reading => {
    const use: Use = (run) =>
      connection.use(run).pipe(
        Effect.mapError((error) => unavailable(error, 0)),
        connection.within(Duration.min(timeout, REPEATED_WITHIN), late)
      )
    const { heads, news } = reading(use, () => Effect.void)
    const isOfSite = Effect.filterOrFail(
      use((sql) => sql`SELECT 1 FROM quorate_site WHERE site_id = ${siteId}`),
      (found) => found.length > 0,
      () => new SiteUnavailable({ detail: "the standby that is to be read has another memory", isInDoubt: false })
    )
    return { heads: Effect.zipRight(isOfSite, heads), news }
  })

/** Of each writer, and of all together. */
const PAGE = { items: 128, bytes: 8 * 1024 * 1024 }

/** What makes the page too large is the last of it. */
const NEWS = `SELECT * FROM (
  SELECT e.*, sum(octet_length(coalesce(e.body, ''))) OVER (ORDER BY e.writer, e.place) - octet_length(coalesce(e.body, ''))
    AS bytes_before
  FROM json_to_recordset($1::json) AS h(writer text, place bigint) CROSS JOIN LATERAL (
    SELECT * FROM quorate_entries WHERE writer = h.writer AND place > h.place ORDER BY place LIMIT ${PAGE.items}
  ) e) page WHERE bytes_before < $2 ORDER BY writer, place`

const decodeWriter = Schema.decodeUnknownSync(Schema.Struct({ writer: Origin }))

const byWriter = (found: ReadonlyArray<unknown>): ReadonlyMap<Origin, ReadonlyArray<Placed>> => {
  const placed = new Map<Origin, Array<Placed>>()
  for (const row of found) {
    const { writer } = decodeWriter(row)
    const of = placed.get(writer) ?? []
    placed.set(writer, of)
    of.push(rows.fromRow(row))
  }
  return placed
}

const LOST = "the store does not have the memory that is looked for there: put it back, or give the one that has"

/** Two daemons may make the tables at once: one of them comes second, and finds them. */
const MIGRATIONS = 5

const migrate = (sql: PgClient): Effect.Effect<unknown, SqlError> =>
  Migrator.make({})({ loader: Migrator.fromRecord(tables), table: "quorate_migrations" }).pipe(
    Effect.provideService(SqlClient.SqlClient, sql),
    Effect.retry({ times: MIGRATIONS }),
    Effect.catchTag("MigrationError", (error) => Effect.die(error))
  )

const unavailable = (error: SqlError, standbys: number) =>
  new SiteUnavailable({
    detail: `the store can not be asked: ${failures.wordsOf(error)}`,
    isInDoubt: false,
    ...(failures.isUnheld(error) && standbys > 0 ? { standbys } : {})
  })

const late = (standbys = 0) =>
  new SiteUnavailable({
    detail: "the store does not answer in time",
    isInDoubt: false,
    ...(standbys > 0 ? { standbys } : {})
  })

const leasing = (holder: string, millis: number) => (sql: PgClient) =>
  inTransaction(
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
