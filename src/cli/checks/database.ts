import Database from "better-sqlite3"
import * as Schema from "effect/Schema"
import { MAX_AHEAD_MILLIS } from "../../domain/Hlc.js"
import * as Stamp from "../../domain/Stamp.js"
import * as rows from "../../store/checking/rows.js"
import * as sums from "../../store/checking/sums.js"
import { type Fault, toItsEnd } from "../../store/checking/Walk.js"
import { knownStart, ownTide, startName, whyForeign } from "../../store/log/checkMarks.js"
import { Identity, SELECT_IDENTITY } from "../../store/log/Identity.js"
import { highestMigration, schemaOf, whyUnusable } from "../../store/log/Sqlite.js"
import { many, one } from "../../store/log/statements.js"
import type * as TideMark from "../../store/log/TideMark.js"
import { type Check, checked, fault, ok, warning } from "./Check.js"

/** Things found that are told one by one at most. */
const MOST_TOLD = 5

/** What is known beside the database. */
export interface Beside {
  readonly file: string
  /** What the mark beside it said before the database was read: a node that runs goes on writing both. */
  readonly tide: TideMark.Found | null
  /** What the lock file says of the last start; null while a daemon holds it. */
  readonly lastStart: { readonly mark: unknown } | null
  readonly nowMillis: number
}

/** What the latest start of a node on it is called; null where that can not be read. */
export const startOf = (file: string): string | null => {
  try {
    const db = new Database(file, { readonly: true, fileMustExist: true })
    try {
      return startName(knownStart(db))
    } finally {
      db.close()
    }
  } catch {
    return null
  }
}

/** Looks at all of a database, which is open for reading. Where its tables are of another version, not at what they hold. */
export const examine = (db: Database.Database, beside: Beside): ReadonlyArray<Check> => {
  const file = checked("file", () => ofFile(db, beside.file))
  if (file.status === "fault") return [file]
  const { newest } = schemaOf(db)
  const integrity = checked("integrity", () => ofIntegrity(db))
  if (newest !== highestMigration) {
    const detail = `${
      newest ?? "none"
    }; the next start brings it to ${highestMigration}, and what it holds was not looked at`
    return [file, warning("schema", detail), integrity]
  }
  return [
    file,
    ok("schema", String(newest)),
    integrity,
    checked("rows", () => {
      const { faults, rows: count } = toItsEnd(rows.walk(db))
      return told("rows", faults, `${count} rows are as the log says`)
    }),
    checked("sums", () => {
      const { faults } = db.transaction(() => toItsEnd(sums.walk(db)))()
      return told("sums", faults, "digests and version vector are those of the rows")
    }),
    checked("words", () => ofWords(db)),
    checked("vectors", () => ofVectors(db)),
    checked("name", () => ofName(db, beside)),
    checked("clock", () => ofClock(db, beside.nowMillis))
  ]
}

const Held = Schema.Struct({ pages: Schema.Int, size: Schema.Int })

const ofFile = (db: Database.Database, file: string): Check => {
  const why = whyUnusable(schemaOf(db))
  if (why !== null) return fault("file", `${file}: ${why}`)
  const held = one(
    db,
    Held,
    "SELECT page_count AS pages, page_size AS size FROM pragma_page_count, pragma_page_size"
  )()
  return ok("file", `${file}, ${Math.ceil((held?.pages ?? 0) * (held?.size ?? 0) / 1024)} KiB`)
}

const ofIntegrity = (db: Database.Database): Check => {
  const found = Schema.decodeUnknownSync(Schema.Array(Schema.Struct({ integrity_check: Schema.String })))(
    db.pragma(`integrity_check(${MOST_TOLD})`)
  ).map(({ integrity_check }) => integrity_check)
  return found.length === 1 && found[0] === "ok"
    ? ok("integrity", "SQLite finds nothing wrong with the file")
    : fault("integrity", `SQLite: ${found.join("; ")}; put back a backup`)
}

const told = (name: string, faults: ReadonlyArray<Fault>, well: string): Check => {
  if (faults.length === 0) return ok(name, well)
  const some = faults.slice(0, MOST_TOLD).map(({ key, table, what }) => `${table} ${key}: ${what}`)
  const more = faults.length > MOST_TOLD ? ` and ${faults.length - MOST_TOLD} more` : ""
  return fault(name, `${some.join("; ")}${more}`)
}

const ofWords = (db: Database.Database): Check => {
  const found = one(db, Schema.Struct({ left: Schema.Int }), "SELECT unread AS \"left\" FROM reindexing")()
  return found === null || found.left === 0
    ? ok("words", "all rows are in the index of words")
    : warning("words", `${found.left} rows are not in the index of words yet; a node that runs goes on with that`)
}

const Embedded = Schema.Struct({ name: Schema.String, memories: Schema.Int })
const EMBEDDED = `SELECT e.name, count(*) AS memories FROM vectors v
  CROSS JOIN memories m ON m.rid = v.place >> 8 CROSS JOIN embedders e ON e.id = v.embedder
  WHERE v.place & 255 = 0 GROUP BY e.id ORDER BY memories DESC, e.id DESC`

/** A node makes what lacks while it runs; which of the models is its own, its settings say. */
const ofVectors = (db: Database.Database): Check => {
  const all = one(db, Schema.Struct({ memories: Schema.Int }), "SELECT count(*) AS memories FROM memories")()
  const embedded = many(db, Embedded, EMBEDDED)().map(({ memories, name }) => `${memories} have vectors of ${name}`)
  return ok(
    "vectors",
    `of ${all?.memories ?? 0} rows ${embedded.length === 0 ? "none has vectors" : embedded.join(", ")}`
  )
}

/** Whether the next start, or this run, may go on under the name that it has. */
const ofName = (db: Database.Database, { lastStart, tide }: Beside): Check => {
  const identity = one(db, Identity, SELECT_IDENTITY)()
  if (identity === null) return ok("name", "it is new and has none")
  const own = ownTide(db)
  const name = `${identity.node_id}/${identity.incarnation}, ${own?.oseq ?? 0} operations of its own`
  const why = whyForeign(db, lastStart === null ? knownStart(db) : lastStart.mark, tide)
  return why === null
    ? ok("name", name)
    : warning("name", `${name}; it was put there, and the next start takes a new incarnation: ${why}`)
}

const ofClock = (db: Database.Database, nowMillis: number): Check => {
  const identity = one(db, Identity, SELECT_IDENTITY)()
  const ahead = identity === null ? 0 : Stamp.toMillis(identity.clock) - nowMillis
  return ahead > MAX_AHEAD_MILLIS
    ? warning("clock", `the newest stamp is ${Math.ceil(ahead / 1000)} s ahead of this machine's clock`)
    : ok("clock", "no stamp is ahead of this machine's clock")
}
