import type Database from "better-sqlite3"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { one, run } from "../log/statements.js"

/*
 * A file is that of a node by itself, or what one daemon of a site holds of the memory of that: it can not be taken for the other,
 * nor for that of another site.
 */

const Row = Schema.Struct({ site_id: Schema.String })

/** The site that a file is of. */
export const read = (writer: Database.Database): Option.Option<string> =>
  Option.map(Option.fromNullable(one(writer, Row, "SELECT site_id FROM site")()), ({ site_id }) => site_id)

/** From now on the file is that of this site, or of none. Says why it can not be. */
export const bind = (writer: Database.Database, siteId: string | null): Either.Either<void, string> => {
  const bound = Option.getOrNull(read(writer))
  if (bound === siteId) return Either.void
  if (siteId === null) {
    return Either.left(
      "what is in it is the memory of a site: give the database that has that with --store, or another file"
    )
  }
  if (bound !== null) return Either.left("what is in it is the memory of another site: give another file with --db")
  if (one(writer, Schema.Struct({ lsn: Schema.Int }), "SELECT lsn FROM oplog LIMIT 1")() !== null) {
    return Either.left(
      "it has a memory of its own: give another file with --db, or bring it to the store with `quorate move`"
    )
  }
  run(writer, "INSERT INTO site (only_row, site_id) VALUES (1, ?)")(siteId)
  return Either.void
}
