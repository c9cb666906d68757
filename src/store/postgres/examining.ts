import type { PgClient } from "@effect/sql-pg/PgClient"
import { SqlError } from "@effect/sql/SqlError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Head } from "../site/SiteLog.js"
import * as Connection from "./Connection.js"
import { wordsOf } from "./failures.js"
import * as rows from "./rows.js"
import { type Driver, placeOf } from "./server.js"
import * as Standbys from "./Standbys.js"
import { hasTables } from "./tables.js"
import { inTransaction } from "./transactions.js"

/** What one server of a store says of itself and of what it has. */
interface Seen {
  /** It only repeats what another one has. */
  readonly isStandby: boolean
  /** Its setting of the standbys that have to confirm a commit. */
  readonly names: string
  /** Null where it has no tables of one yet. */
  readonly site: SeenSite | null
}

interface SeenSite {
  readonly siteId: string
  readonly nodeId: string
  readonly heads: ReadonlyArray<Head>
  /** The number of the daemon that has the background work; null where none has. */
  readonly leader: number | null
}

/** How many entries there are of a daemon, and where the last one stands. */
interface Counted extends Head {
  readonly entries: number
}

/** A server that is asked how it is answers soon. */
const WITHIN = Duration.seconds(5)
/** What goes through all of a log may take longer. */
const COUNTED_WITHIN = Duration.minutes(1)

const late = () => new SqlError({ cause: undefined, message: "it does not answer in time" })

/**
 * Looks at one server of a store by transactions that write nothing, and makes nothing there. Fails by which server it is, and why it
 * can not be looked at.
 */
export const look = (driver: Driver, server: string): Effect.Effect<Seen, string> =>
  asked(driver, server, WITHIN, (sql) =>
    Effect.gen(function*() {
      const [state] = yield* decoded(States, sql.unsafe(STATE))
      const site = (yield* hasTables(sql)) ? yield* siteOf(sql) : null
      return { isStandby: state.is_standby, names: state.names, site }
    }))

/** Goes through all of the log there. */
export const count = (driver: Driver, server: string): Effect.Effect<ReadonlyArray<Counted>, string> =>
  asked(driver, server, COUNTED_WITHIN, (sql) =>
    decoded(
      Schema.Array(CountRow),
      sql`SELECT writer, max(place) AS place, count(*) AS entries FROM quorate_entries GROUP BY writer`
    ))

const asked = <A>(
  driver: Driver,
  server: string,
  timeout: Duration.Duration,
  ask: (sql: PgClient) => Effect.Effect<A, SqlError>
): Effect.Effect<A, string> =>
  Effect.gen(function*() {
    const address = { text: server, servers: [server] }
    const connection = yield* Connection.make(driver, address, { for: "reads", timeout })
    return yield* connection.within(timeout, late)(
      connection.use((sql) => inTransaction(sql, ask(sql)))
    )
  }).pipe(Effect.scoped, Effect.mapError((error) => failed(server, wordsOf(error))))

/** A connection that fails says of which server. */
const failed = (server: string, words: string): string => {
  const place = `${placeOf(server)}: `
  return words.startsWith(place) ? words : `${place}${words}`
}

const STATE = `SELECT pg_is_in_recovery() AS is_standby, ${Standbys.SETTING} AS names`
const States = Schema.Tuple(Schema.Struct({ is_standby: Schema.Boolean, names: Schema.String }))
const Leaders = Schema.Array(Schema.Struct({ fence: rows.LeaseRow.fields.fence }))
const CountRow = Schema.Struct({ ...rows.HeadRow.fields, entries: rows.HeadRow.fields.place })

const siteOf = (sql: PgClient): Effect.Effect<SeenSite, SqlError> =>
  Effect.gen(function*() {
    const [{ node_id, site_id }] = yield* decoded(rows.Site, sql`SELECT site_id, node_id FROM quorate_site`)
    const heads = yield* decoded(Schema.Array(rows.HeadRow), sql`SELECT writer, place FROM quorate_writers`)
    const leaders = yield* decoded(Leaders, sql`SELECT fence FROM quorate_lease WHERE expires_at > now()`)
    return { siteId: site_id, nodeId: node_id, heads, leader: leaders[0]?.fence ?? null }
  })

/** What is not of that form was not written by a daemon. */
const decoded = <A, I>(schema: Schema.Schema<A, I>, found: Effect.Effect<unknown, SqlError>) =>
  Effect.flatMap(found, Schema.decodeUnknown(schema)).pipe(
    Effect.catchTag(
      "ParseError",
      ({ message }) => new SqlError({ cause: undefined, message: `what it has is not a site's: ${message}` })
    )
  )
