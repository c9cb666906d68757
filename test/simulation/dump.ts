import type Database from "better-sqlite3"
import * as Schema from "effect/Schema"
import { hash } from "node:crypto"
import { Origin } from "../../src/domain/ids.js"
import * as VersionVector from "../../src/replication/VersionVector.js"
import { SELECT_IDENTITY } from "../../src/store/log/Identity.js"

/*
 * The only file of the simulation that knows tables and columns.
 */

const statements = new WeakMap<Database.Database, Map<string, Database.Statement>>()

const prepared = (db: Database.Database, sql: string): Database.Statement => {
  const known = statements.get(db) ?? new Map<string, Database.Statement>()
  statements.set(db, known)
  const statement = known.get(sql) ?? db.prepare(sql)
  known.set(sql, statement)
  return statement
}

/** Everything on one disk that says something about replication. */
export interface Dump {
  readonly node: string
  readonly clock: string
  readonly incarnation: number
  readonly vector: VersionVector.VersionVector
  /** In the order in which this node wrote them. */
  readonly log: ReadonlyArray<LoggedOperation>
  readonly state: State
  readonly voids: ReadonlyArray<Void>
}

/** An operation that is held without effect, or without all of it. */
type Void = typeof Void.Type

/** What the operations made of the replicated tables, sorted, without what belongs to one node. */
export interface State {
  readonly memories: ReadonlyArray<HeldMemory>
  /** `[id, hlc, origin]` as JSON text, as are all versions here. */
  readonly conflicts: ReadonlyArray<string>
  readonly covered: ReadonlyArray<string>
  /** `[id, target]`. */
  readonly aliases: ReadonlyArray<string>
  /** `[type, key, hlc, origin, body, counts]` of everything small. */
  readonly objects: ReadonlyArray<string>
  /** Every other replicated table, each row as JSON text. */
  readonly others: ReadonlyMap<string, ReadonlyArray<string>>
}

/** A memory that is there, with the version it is at. */
export interface HeldMemory {
  readonly id: string
  readonly hlc: string
  readonly origin: string
  readonly place: "visible" | "shadow" | "archived"
  readonly namespace: string
  readonly title: string
  /** What the author wrote, as `contentOf` gives it. */
  readonly content: string
}

export type LoggedOperation = typeof LoggedOperation.Type

const Ref = Schema.Tuple(Schema.String, Schema.String, Schema.String)

const LoggedOperation = Schema.Struct({
  origin: Origin,
  oseq: Schema.Int,
  op_id: Schema.String,
  hlc: Schema.String,
  kind: Schema.String,
  entity: Schema.String,
  body: Schema.NullOr(Schema.String),
  base_hlc: Schema.NullOr(Schema.String),
  covers: Schema.parseJson(Schema.Array(Ref)),
  hash: Schema.String,
  key_hash: Schema.NullOr(Schema.String),
  request_hash: Schema.NullOr(Schema.String),
  format: Schema.Int,
  key_turn: Schema.Int
})

const Void = Schema.Struct({
  origin: Schema.String,
  oseq: Schema.Int,
  whole: Schema.Int,
  covers: Schema.parseJson(Schema.Array(Ref))
})
/** A database that never ran has none. */
const hasTable = (db: Database.Database, name: string): boolean =>
  prepared(db, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?").get(name) !== undefined
const decodeVoids = Schema.decodeUnknownSync(Schema.Array(Void))

/** A little of a dump, cheap enough to be looked at often. */
export interface Facts {
  readonly node: string
  readonly clock: string
  readonly incarnation: number
  readonly vector: VersionVector.VersionVector
  readonly operations: number
  /** Digest of the state. */
  readonly state: string
  /** Versions that were ended and are visible all the same. */
  readonly resurrected: ReadonlyArray<string>
  readonly shadows: number
  readonly conflicts: number
}

/** Tables that belong to one node, or are derived from others for search. */
const LOCAL_TABLES =
  /^(sqlite_|effect_sql_|federation_nonce_cache|subscription_|memories_fts|memory_words|word_spellings|signed_event|governance_rules|void_news|word_languages|reindexing|(node_identity|marks|digest_sums|version_vector|oplog|seals|withheld|peer_state|dead_letter|last_start|legacy_cursor|site|site_places)$)/
/** Columns of replicated tables that belong to one node. */
const LOCAL_COLUMNS = new Set(["rid", "place", "found_at", "lsn", "access_count", "last_accessed_at", "extended_until"])

const Identity = Schema.Struct({ clock: Schema.String, incarnation: Schema.Int })
/** A database that never ran has no identity yet. */
const identityOf = (db: Database.Database): typeof Identity.Type =>
  Schema.decodeUnknownSync(Identity)(
    prepared(db, SELECT_IDENTITY).get() ?? { clock: "", incarnation: 0 }
  )

const VectorRow = Schema.Struct({ origin: Schema.String, entry: Schema.parseJson() })
const decodeVectorRows = Schema.decodeUnknownSync(Schema.Array(VectorRow))
const decodeVector = Schema.decodeUnknownSync(VersionVector.Stored)

const vectorOf = (db: Database.Database): VersionVector.VersionVector => {
  const rows = decodeVectorRows(prepared(db, "SELECT origin, entry FROM version_vector").all())
  return decodeVector(Object.fromEntries(rows.map(({ entry, origin }) => [origin, entry])))
}

const decodeLog = Schema.decodeUnknownSync(Schema.Array(LoggedOperation))

const decodeNames = Schema.decodeUnknownSync(Schema.Array(Schema.Struct({ name: Schema.String })))

const stateOf = (db: Database.Database): State => {
  const tables = decodeNames(prepared(db, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all())
    .map(({ name }) => name)
    .filter((name) => !LOCAL_TABLES.test(name) && !OWN_SHAPE.has(name))
  return {
    memories: decodeMemories(prepared(db, "SELECT * FROM memories ORDER BY id").all()).map(heldMemory),
    conflicts: textsOf(db, "SELECT json_array(memory_id, hlc, origin) AS text FROM conflicts ORDER BY text"),
    covered: textsOf(
      db,
      `SELECT json_array(memory_id, hlc, origin) AS text FROM covered
       UNION SELECT json_array(key, hlc, origin) FROM ended ORDER BY text`
    ),
    aliases: textsOf(db, "SELECT json_array(id, target) AS text FROM aliases ORDER BY text"),
    objects: textsOf(
      db,
      "SELECT json_array(type, key, hlc, origin, body, current) AS text FROM objects ORDER BY text"
    ),
    others: new Map([
      // A sum that came back to nothing is as good as one that never was.
      ["digests", textsOf(db, "SELECT json_array(bucket, sum) AS text FROM digests WHERE sum <> 0 ORDER BY bucket")],
      ...tables.map((table) => [table, rowsOf(db, table)] as const)
    ])
  }
}

const OWN_SHAPE = new Set(["memories", "conflicts", "covered", "aliases", "objects", "ended", "digests"])

const Texts = Schema.Array(Schema.Struct({ text: Schema.String }))
const decodeTexts = Schema.decodeUnknownSync(Texts)

const textsOf = (db: Database.Database, sql: string): ReadonlyArray<string> =>
  decodeTexts(prepared(db, sql).all()).map(({ text }) => text)

const rowsOf = (db: Database.Database, table: string): ReadonlyArray<string> => {
  const columns = decodeNames(prepared(db, `SELECT name FROM pragma_table_info('${table}')`).all())
    .map(({ name }) => name)
    .filter((name) => !LOCAL_COLUMNS.has(name))
  return prepared(db, `SELECT ${columns.join(", ")} FROM ${table}`).all().map((row) => JSON.stringify(row)).sort()
}

const MemoryRow = Schema.Struct({
  id: Schema.String,
  tier: Schema.String,
  namespace: Schema.String,
  title: Schema.String,
  content: Schema.String,
  tags: Schema.parseJson(Schema.Unknown),
  priority: Schema.Int,
  confidence: Schema.Number,
  source: Schema.String,
  created_at: Schema.String,
  updated_at: Schema.String,
  expires_at: Schema.NullOr(Schema.String),
  metadata: Schema.parseJson(Schema.Unknown),
  origin: Schema.String,
  visible: Schema.Literal(0, 1, 2),
  archived_at: Schema.NullOr(Schema.String),
  archive_reason: Schema.NullOr(Schema.String)
})
const PLACES = { 0: "shadow", 1: "visible", 2: "archived" } as const
const decodeMemories = Schema.decodeUnknownSync(Schema.Array(MemoryRow))

const heldMemory = (row: typeof MemoryRow.Type): HeldMemory => ({
  id: row.id,
  hlc: row.updated_at,
  origin: row.origin,
  place: PLACES[row.visible],
  namespace: row.namespace,
  title: row.title,
  content: contentOf(row)
})

/** What of a memory replicates, as one text; takes a row as well as the body of an operation. */
export const contentOf = (memory: { readonly [field: string]: unknown }): string =>
  JSON.stringify(REPLICATED_FIELDS.map((field) => memory[field] ?? null))

const REPLICATED_FIELDS = [
  "tier",
  "namespace",
  "title",
  "content",
  "tags",
  "priority",
  "confidence",
  "source",
  "created_at",
  "expires_at",
  "metadata",
  "archived_at",
  "archive_reason"
]

/** How far a node has come. */
export const progress = (db: Database.Database): Pick<Dump, "clock" | "incarnation" | "vector"> => ({
  ...identityOf(db),
  vector: vectorOf(db)
})

const digestOf = (state: State): string =>
  hash("sha256", JSON.stringify({ ...state, others: [...state.others] }), "hex")

export const dump = (node: string, db: Database.Database): Dump => ({
  node,
  ...identityOf(db),
  vector: vectorOf(db),
  log: decodeLog(prepared(db, "SELECT * FROM oplog ORDER BY lsn").all()),
  voids: hasTable(db, "voids") ? decodeVoids(prepared(db, "SELECT origin, oseq, whole, covers FROM voids").all()) : [],
  state: stateOf(db)
})

export const digest = ({ clock, incarnation, log, node, state }: Dump): string =>
  hash("sha256", JSON.stringify([node, clock, incarnation, log, digestOf(state)]), "hex")

const decodeCounts = Schema.decodeUnknownSync(
  Schema.Struct({ operations: Schema.Int, shadows: Schema.Int, conflicts: Schema.Int })
)
const decodeResurrected = Schema.decodeUnknownSync(Schema.Array(Schema.Struct({ version: Schema.String })))

export const facts = (node: string, db: Database.Database): Facts => ({
  node,
  ...identityOf(db),
  vector: vectorOf(db),
  ...decodeCounts(
    prepared(
      db,
      `SELECT (SELECT count(*) FROM oplog) AS operations,
         (SELECT count(*) FROM memories WHERE visible = 0) AS shadows,
         (SELECT count(*) FROM conflicts) AS conflicts`
    ).get()
  ),
  state: digestOf(stateOf(db)),
  resurrected: decodeResurrected(
    prepared(
      db,
      `SELECT m.id || ' ' || m.updated_at AS version FROM memories m
       JOIN covered c ON c.memory_id = m.id AND c.hlc = m.updated_at AND c.origin = m.origin`
    ).all()
  ).map(({ version }) => version)
})

/** Whether the operation is in the log on this disk. */
export const holds = (db: Database.Database, opId: string): boolean =>
  prepared(db, "SELECT 1 FROM oplog WHERE op_id = ?").get(opId) !== undefined
