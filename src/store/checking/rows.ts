import type Database from "better-sqlite3"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Memory from "../../domain/Memory.js"
import { validateMemory } from "../../domain/validate.js"
import { kinds } from "../../replication/kinds.js"
import { hashOf, type Operation } from "../../replication/Operation.js"
import { ofLog } from "../../replication/Payload.js"
import { isSound } from "../../replication/Stub.js"
import { memoryOf, Row } from "../deciding/Transaction.js"
import { fromRow, LogRow } from "../log/OpLog.js"
import { fromRow as stubOf, StubRow } from "../log/Stubs.js"
import { memoryVersion } from "../state/apply.js"
import { withEarned } from "../state/earned.js"
import * as Load from "../state/load.js"
import { objectKey, places, type Version } from "../state/Slice.js"
import { inTurn, through, type Walk } from "./Walk.js"

/*
 * Rows are compared with the log, and the log with itself: a row says what the operation said that gave it, with what it has
 * earned since, and an operation has the hash of its own fields. What is changed by hand, or rots where SQLite does not see it,
 * differs then; unless it was forged with all that depends on it, which shows in the sums, here or on a peer.
 */

/** A row costs the reading of two JSON texts and a hash: so many take a few milliseconds. */
const most = { rows: 16, bytes: 256 * 1024 }

/** The walk through all rows of a database: the log, then what follows from it. */
export const walk = (db: Database.Database): Walk => {
  const log = logOf(db)
  return inTurn([operations(db), stubs(db), memories(db, log), conflicts(db, log), objects(db, log)])
}

/** The operation of a name. */
type Log = (origin: string, oseq: number) => Operation | null

const logOf = (db: Database.Database): Log => {
  const select = db.prepare("SELECT * FROM oplog WHERE origin = ? AND oseq = ?")
  const decode = Schema.decodeUnknownSync(LogRow)
  return (origin, oseq) => {
    const row = select.get(origin, oseq)
    return row === undefined ? null : fromRow(decode(row))
  }
}

const operations = (db: Database.Database): Walk =>
  through(db, {
    table: "oplog",
    columns: "*",
    schema: LogRow,
    order: { origin: "", oseq: 0 },
    keyOf: (place) => place.join(" "),
    most,
    bytesOf: ({ body }) => body?.length ?? 0,
    wrong: (row) => {
      const { hash, ...operation } = fromRow(row)
      return hashOf(operation) === hash ? null : "its hash is not that of its fields"
    }
  })

/** What is held by its name alone says no more than what its detail is of. */
const stubs = (db: Database.Database): Walk =>
  through(db, {
    table: "withheld",
    columns: "*",
    schema: StubRow,
    order: { origin: "", oseq: 0 },
    keyOf: (place) => place.join(" "),
    most,
    bytesOf: ({ ends }) => ends?.[2].length ?? 0,
    wrong: (row) => isSound(stubOf(row)) ? null : "its detail is not that of what it ends"
  })

const memories = (db: Database.Database, log: Log): Walk => {
  const { objects } = Load.make(db)
  return through(db, {
    table: "memories",
    columns: "*",
    schema: Schema.Struct({ ...Row.fields, oseq: Schema.Int, hash: Schema.String }),
    order: { id: "" },
    keyOf: (place) => place.join(),
    most,
    bytesOf: ({ content }) => content.length,
    wrong: (row) =>
      against(log, row, (operation) => {
        const given = memoryVersion(operation, ofLog(operation))
        if (given === null) return "the operation that it names gives no memory"
        const key = objectKey("earned", given.memory.id)
        return differing(row, withEarned(new Map([[key, objects("earned", given.memory.id)]]), given))
      })
  })
}

const NAMED = { hlc: Schema.String, origin: Schema.String, oseq: Schema.Int, hash: Schema.String }
const OTHERWISE = "it is not what the log says"

const conflicts = (db: Database.Database, log: Log): Walk =>
  through(db, {
    table: "conflicts",
    columns: "*",
    schema: Schema.Struct({ memory_id: Schema.String, ...NAMED }),
    order: { memory_id: "", hlc: "", origin: "" },
    keyOf: (place) => place.join(" "),
    most,
    bytesOf: () => 0,
    wrong: (row) =>
      against(log, row, (operation) => {
        const version = memoryVersion(operation, ofLog(operation))
        return version?.memory.id === row.memory_id && version.hlc === row.hlc ? null : OTHERWISE
      })
  })

const objects = (db: Database.Database, log: Log): Walk =>
  through(db, {
    table: "objects",
    columns: "*",
    schema: Schema.Struct({ type: Schema.String, key: Schema.String, body: Schema.String, ...NAMED }),
    order: { type: "", key: "", hlc: "", origin: "" },
    keyOf: (place) => place.join(" "),
    most,
    bytesOf: ({ body }) => body.length,
    wrong: (row) =>
      against(log, row, ({ body, entity, hlc, kind }) =>
        kinds[kind].part === row.type && entity === row.key && hlc === row.hlc && body === row.body ? null : OTHERWISE)
  })

/** Compares a row with the operation that it names. */
const against = (
  log: Log,
  { hash, origin, oseq }: { readonly origin: string; readonly oseq: number; readonly hash: string },
  wrong: (operation: Operation) => string | null
): string | null => {
  const operation = log(origin, oseq)
  if (operation === null) return "the log has not the operation that it names"
  return operation.hash === hash ? wrong(operation) : "its hash is not that of the operation that it names"
}

const OWN = new Set([...Object.keys(Memory.Memory.fields), "archived_at", "archive_reason", "visible"])

/** The fields in which a memory stands otherwise than its version does. */
const differing = (row: typeof Row.Type, { archived, hlc, memory }: Version): string | null => {
  const held = memoryOf(row)
  // What this node alone knows no operation says.
  const { access_count, last_accessed_at, ...is } = fieldsOf(held)
  const should: Memory.Metadata = { ...fieldsOf({ ...memory, updated_at: hlc }), access_count, last_accessed_at }
  const stands: Memory.Metadata = { ...is, access_count, last_accessed_at }
  const names = [
    ...Array.from(new Set([...Object.keys(stands), ...Object.keys(should)])).filter((name) =>
      JSON.stringify(stands[name]) !== JSON.stringify(should[name])
    ),
    ...row.archived_at === (archived?.at ?? null) ? [] : ["archived_at"],
    ...row.archive_reason === (archived?.reason ?? null) ? [] : ["archive_reason"],
    ...(row.visible === places.archived) === (archived !== null) ? [] : ["visible"]
  ]
  // What a field is called that is not known here is what somebody wrote, too.
  const told = new Set(names.map((name) => OWN.has(name) ? name : "carried"))
  return names.length === 0 ? null : `not as the log says: ${Array.from(told).join(", ")}`
}

/** All fields of a memory as they are written: rules that a memory of another time keeps give it the form of today. */
const fieldsOf = (memory: Memory.Memory): Memory.Metadata =>
  readFields(Memory.encodeJson(Either.getOrElse(validateMemory(memory), () => memory)))

const readFields = Schema.decodeSync(Schema.parseJson(Memory.Metadata))
