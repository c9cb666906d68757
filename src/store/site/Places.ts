import type Database from "better-sqlite3"
import * as Schema from "effect/Schema"
import { Origin } from "../../domain/ids.js"
import { many, run } from "../log/statements.js"
import type { Head } from "./SiteLog.js"

/** How far what each daemon of the site brought in is held here. Saved and restored with the transaction. */
export interface Places {
  readonly state: () => ReadonlyMap<Origin, number>
  readonly restore: (state: ReadonlyMap<Origin, number>) => void
  /** It is held up to there, in the transaction. */
  readonly reach: (head: Head) => void
}

const Row = Schema.Struct({ writer: Origin, place: Schema.Int })

/** What a file says of it. */
export const read = (db: Database.Database): ReadonlyArray<Head> =>
  many(db, Row, "SELECT writer, place FROM site_places")()

export const make = (writer: Database.Database): Places => {
  const put = run(
    writer,
    "INSERT INTO site_places (writer, place) VALUES (?, ?) ON CONFLICT (writer) DO UPDATE SET place = excluded.place"
  )
  let state: ReadonlyMap<Origin, number> = new Map(read(writer).map(({ place, writer }) => [writer, place]))
  return {
    state: () => state,
    restore: (saved) => {
      state = saved
    },
    reach: ({ place, writer: of }) => {
      if (place <= (state.get(of) ?? 0)) return
      put(of, place)
      state = new Map(state).set(of, place)
    }
  }
}
