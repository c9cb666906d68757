import type Database from "better-sqlite3"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { one, run } from "../log/statements.js"

/*
 * A file is that of a node by itself, or what one daemon of a site holds of the memory of that: it can not be taken for the other,
 * nor for that of another site.
 */

const Row = Schema.Struct({ site_id: Schema.String, is_moving: Schema.Int })

interface Bound {
  readonly siteId: string
  /** What is in the file is being brought to the log of the site. */
  readonly isMoving: boolean
}

/** The site that a file is of. */
export const read = (writer: Database.Database): Option.Option<Bound> =>
  Option.map(
    Option.fromNullable(one(writer, Row, "SELECT site_id, is_moving FROM site")()),
    ({ is_moving, site_id }) => ({ siteId: site_id, isMoving: is_moving === 1 })
  )

/** From now on it is that of this one. */
export const write = (writer: Database.Database, { isMoving, siteId }: Bound): void => {
  run(writer, "INSERT OR REPLACE INTO site (only_row, site_id, is_moving) VALUES (1, ?, ?)")(siteId, isMoving ? 1 : 0)
}

/** From now on it is that of a node by itself. */
export const clear = (writer: Database.Database): void => {
  run(writer, "DELETE FROM site")()
  run(writer, "DELETE FROM site_places")()
}

/** Why no site can have the file, whichever it is; null where one can. */
export const refusal = (writer: Database.Database): string | null =>
  Option.match(read(writer), {
    onNone: () => hasMemory(writer) ? OWN : null,
    onSome: ({ isMoving }) => isMoving ? MOVING : null
  })

const OWN = "it has a memory of its own: give another file with --db, or bring it to the store with `quorate move`"
const MOVING = "its move to a store is not over: let `quorate move` go on"

/** Whether there is something in the file that could be brought to a site. */
const hasMemory = (writer: Database.Database): boolean =>
  one(writer, Schema.Struct({ lsn: Schema.Int }), "SELECT lsn FROM oplog LIMIT 1")() !== null

/** From now on the file is that of a daemon of this site, or of a node by itself. Says why it can not be. */
export const bind = (writer: Database.Database, siteId: string | null): Either.Either<void, string> => {
  const bound = Option.getOrNull(read(writer))
  if (bound?.isMoving === true) return Either.left(MOVING)
  if ((bound?.siteId ?? null) === siteId) return Either.void
  if (siteId === null) {
    return Either.left(
      "it has the memory of a site: give the database that it is of with --store, or take it out with `quorate move`"
    )
  }
  if (bound !== null) return Either.left("it has the memory of another site: give another file with --db")
  if (hasMemory(writer)) return Either.left(OWN)
  write(writer, { siteId, isMoving: false })
  return Either.void
}
