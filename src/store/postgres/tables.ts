import type { PgClient } from "@effect/sql-pg/PgClient"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

/*
 * The tables of a site. Nothing here is of PostgreSQL alone that others who speak its language lack: no extension, no notification,
 * no lock beside those of transactions, no sequence.
 */
export const tables = {
  "0001_site": Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient

    yield* sql`CREATE TABLE quorate_site (
      only_row integer PRIMARY KEY CHECK (only_row = 1),
      site_id text NOT NULL,
      node_id text NOT NULL
    )`
    // How far each daemon has written. Only that daemon changes its row.
    yield* sql`CREATE TABLE quorate_writers (writer text PRIMARY KEY, place bigint NOT NULL)`
    // The log (store/log/migrations, oplog, seals and withheld), in the order in which each daemon brought it.
    yield* sql`CREATE TABLE quorate_entries (
      writer text NOT NULL,
      place bigint NOT NULL,
      origin text NOT NULL,
      oseq bigint NOT NULL,
      op_id text NOT NULL,
      hlc text NOT NULL,
      hash text NOT NULL,
      format integer,
      kind text,
      entity text,
      body text,
      base_hlc text,
      covers text,
      key_hash text,
      request_hash text,
      key_turn integer,
      agent text,
      seal text,
      detail text,
      ends text,
      PRIMARY KEY (writer, place)
    )`
    // Whoever used a key first, on whichever daemon.
    yield* sql`CREATE TABLE quorate_keys (key_hash text PRIMARY KEY, writer text NOT NULL, place bigint NOT NULL)`
    yield* sql`CREATE TABLE quorate_lease (
      only_row integer PRIMARY KEY CHECK (only_row = 1),
      holder text NOT NULL,
      fence bigint NOT NULL,
      expires_at timestamptz NOT NULL
    )`
  })
}

/** Whether there are tables of a site. */
export const hasTables = (sql: PgClient) =>
  Effect.map(
    sql`SELECT 1 FROM information_schema.tables WHERE table_name = 'quorate_site' AND table_schema = current_schema()`,
    (found) => found.length > 0
  )
