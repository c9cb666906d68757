import type Database from "better-sqlite3"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Memory from "../../domain/Memory.js"
import { type Decision, decodeDecision } from "../../domain/PendingAction.js"
import * as Stamp from "../../domain/Stamp.js"
import type { Operation, VersionRef } from "../../replication/Operation.js"
import { Kind } from "../../replication/kinds.js"
import * as Payload from "../../replication/Payload.js"
import { type Digest, type Place as DigestPlace, places } from "../log/Digest.js"
import type { Objects, ObjectType } from "./Objects.js"
import * as Touch from "./Touch.js"

/** What became of an operation: it counts now, is behind the slot's winner, or behind a newer version of the same thing. */
export type Outcome = "applied" | "shadowed" | "superseded"

/** The first row this transaction inserted: rows from there on are indexed for search at its end, all at once. */
export interface FreshRows {
  readonly first: number | null
  readonly last: number
}

/** When and why a memory was archived. */
export interface Archival {
  readonly at: Stamp.Stamp
  readonly reason: string
}

/** A memory with the version it is at. */
export interface Held {
  readonly memory: Memory.Memory
  readonly version: VersionRef
  readonly visible: boolean
  readonly archived: Archival | null
  /** When it expires here: its own expiry, or later where this node extended it. */
  readonly expiresAt: Stamp.Stamp | null
}

/** What a memory earned by being recalled: to be kept for good, to count for more, or to live longer everywhere. */
export interface Reinforced {
  readonly id: string
  readonly promote: boolean
  readonly raisePriority: boolean
  /** Its new expiry, where that is to replicate. */
  readonly expiresAt: Stamp.Stamp | null
}

/**
 * The state of a node as a function of the set of operations applied, whatever their order:
 *
 * - the live versions of an id are those stored and not covered; the greatest by (hlc, origin, hash) is the memory, the
 *   others are its conflicts; it is archived when that version says so;
 * - of the memories that claim one slot (namespace, title) the greatest by the same order is visible, the others are shadows;
 *   an archived memory claims nothing;
 * - the memory that an approved action stores lives as long as no earlier decision of that action is known;
 * - everything else follows `Objects`.
 *
 * Used inside the committer's transaction only. Applying is idempotent per version.
 */
export interface Register {
  readonly apply: (operation: Operation, payload: Payload.Payload) => Outcome
  /** Applies an operation whose memory has an id that was minted for it: nothing can be known of it yet. */
  readonly applyNew: (operation: Operation, memory: Memory.Memory) => Outcome
  /** A memory that is not archived. */
  readonly byId: (id: string) => Held | null
  readonly archivedById: (id: string) => Held | null
  readonly holder: (namespace: string, title: string) => Held | null
  /** Every version that claims the slot, the visible one included. */
  readonly claims: (namespace: string, title: string) => ReadonlyArray<VersionRef>
  /** What a delete of this memory ends: its live versions, and with the visible one everything that claims its slot. */
  readonly endable: (held: Held) => ReadonlyArray<VersionRef>
  /** The newest version of this id that was ended, if any. */
  readonly endedUntil: (id: string) => Stamp.Stamp | null
  /** The id that took this one over, if any. */
  readonly alias: (id: string) => string | null
  /** From now on an id that an original node made up stands for this memory, on this node alone. */
  readonly noteAlias: (id: string, target: string, stamp: Stamp.Stamp) => void
  /** Counts a use of the memory on this node; tells when it earned a write that replicates. */
  readonly touch: (id: string, now: Stamp.Stamp) => Reinforced | null
  readonly fresh: () => FreshRows
  readonly restore: (fresh: FreshRows) => void
  /** Indexes the rows of this transaction for search. */
  readonly finish: () => void
}

/** The whole row of a memory as SQLite gives it. */
const Row = Schema.Struct({
  rid: Schema.Int,
  id: Schema.String,
  tier: Memory.Memory.fields.tier,
  namespace: Schema.String,
  title: Schema.String,
  content: Schema.String,
  tags: Schema.parseJson(Memory.Memory.fields.tags),
  priority: Schema.Int,
  confidence: Schema.Number,
  source: Schema.String,
  access_count: Schema.Int,
  created_at: Schema.String,
  updated_at: Stamp.Stamp,
  last_accessed_at: Schema.NullOr(Schema.String),
  expires_at: Schema.NullOr(Stamp.Stamp),
  metadata: Schema.parseJson(Memory.Metadata),
  origin: Schema.String,
  visible: Schema.Literal(0, 1, 2),
  extended_until: Schema.NullOr(Stamp.Stamp),
  archived_at: Schema.NullOr(Stamp.Stamp),
  archive_reason: Schema.NullOr(Schema.String)
})

/** The columns that place a version in the order, and its row in the slot. */
const Place = Schema.Struct({
  rid: Schema.Int,
  id: Schema.String,
  namespace: Schema.String,
  title: Schema.String,
  updated_at: Stamp.Stamp,
  origin: Schema.String,
  oseq: Schema.Int,
  hash: Schema.String,
  visible: Schema.Literal(0, 1, 2),
  access_count: Schema.Int,
  last_accessed_at: Schema.NullOr(Schema.String),
  extended_until: Schema.NullOr(Schema.String)
})
type Place = typeof Place.Type

const Ref = Schema.Struct({ id: Schema.String, hlc: Stamp.Stamp, origin: Schema.String })
const Conflict = Schema.Struct({
  hlc: Stamp.Stamp,
  origin: Schema.String,
  oseq: Schema.Int,
  hash: Schema.String,
  kind: Kind,
  entity: Schema.String,
  body: Schema.String
})

/** A version on its way into the register. */
interface Version {
  readonly memory: Memory.Memory
  readonly archived: Archival | null
  readonly hlc: Stamp.Stamp
  readonly origin: string
  readonly oseq: number
  readonly hash: string
}

/** The total order of versions. */
const isNewer = (
  a: { readonly hlc: string; readonly origin: string; readonly hash: string },
  b: { readonly hlc: string; readonly origin: string; readonly hash: string }
): boolean => a.hlc !== b.hlc ? a.hlc > b.hlc : a.origin !== b.origin ? a.origin > b.origin : a.hash > b.hash

const orderOf = (place: Place) => ({ hlc: place.updated_at, origin: place.origin, hash: place.hash })

const placeColumns =
  "rid, id, namespace, title, updated_at, origin, oseq, hash, visible, access_count, last_accessed_at, extended_until"

export const make = (writer: Database.Database, objects: Objects, digest: Digest): Register => {
  const one = <A, I>(schema: Schema.Schema<A, I>, sql: string) => {
    const statement = writer.prepare(sql)
    const decode = Schema.decodeUnknownSync(schema)
    return (...params: ReadonlyArray<unknown>): A | null => {
      const row = statement.get(...params)
      return row === undefined ? null : decode(row)
    }
  }
  const many = <A, I>(schema: Schema.Schema<A, I>, sql: string) => {
    const statement = writer.prepare(sql)
    const decode = Schema.decodeUnknownSync(Schema.Array(schema))
    return (...params: ReadonlyArray<unknown>): ReadonlyArray<A> => decode(statement.all(...params))
  }
  const run = (sql: string) => {
    const statement = writer.prepare(sql)
    return (...params: ReadonlyArray<unknown>) => statement.run(...params)
  }

  const rowById = one(Row, "SELECT * FROM memories WHERE id = ?")
  const rowBySlot = one(Row, "SELECT * FROM memories WHERE namespace = ? AND title = ? AND visible = 1")
  const placeById = one(Place, `SELECT ${placeColumns} FROM memories WHERE id = ?`)
  const placeBySlot = one(
    Place,
    `SELECT ${placeColumns} FROM memories WHERE namespace = ? AND title = ? AND visible = 1`
  )
  const bestShadow = one(
    Place,
    `SELECT ${placeColumns} FROM memories WHERE namespace = ? AND title = ? AND visible = 0
     ORDER BY updated_at DESC, origin DESC, hash DESC LIMIT 1`
  )
  const slotClaims = many(
    Ref,
    `SELECT id, updated_at AS hlc, origin FROM memories WHERE namespace = ? AND title = ? AND visible = 1
     UNION ALL SELECT id, updated_at, origin FROM memories WHERE namespace = ? AND title = ? AND visible = 0`
  )
  const idVersions = many(
    Ref,
    `SELECT id, updated_at AS hlc, origin FROM memories WHERE id = ?
     UNION ALL SELECT memory_id, hlc, origin FROM conflicts WHERE memory_id = ?`
  )
  const claims = (namespace: string, title: string) => slotClaims(namespace, title, namespace, title)
  const versions = (id: string) => idVersions(id, id)
  const bestConflict = one(
    Conflict,
    `SELECT c.hlc, c.origin, c.oseq, c.hash, o.kind, o.entity, o.body FROM conflicts c JOIN oplog o USING (origin, oseq)
     WHERE c.memory_id = ? ORDER BY c.hlc DESC, c.origin DESC, c.hash DESC LIMIT 1`
  )
  const aliasTarget = one(Schema.Struct({ target: Schema.String }), "SELECT target FROM aliases WHERE id = ?")
  const isCovered = one(
    Schema.Struct({ found: Schema.Int }),
    "SELECT 1 AS found FROM covered WHERE memory_id = ? AND hlc = ? AND origin = ?"
  )
  const newestCovered = one(
    Schema.Struct({ hlc: Stamp.Stamp }),
    "SELECT hlc FROM covered WHERE memory_id = ? ORDER BY hlc DESC LIMIT 1"
  )
  const cover = run("INSERT OR IGNORE INTO covered (memory_id, hlc, origin) VALUES (?, ?, ?)")
  const writeVisible = run("UPDATE memories SET visible = ? WHERE rid = ?")
  const setTouch = run("UPDATE memories SET access_count = ?, last_accessed_at = ?, extended_until = ? WHERE rid = ?")
  const deleteRow = run("DELETE FROM memories WHERE rid = ?")
  const unindex = run(
    `INSERT INTO memories_fts (memories_fts, rowid, title, content, tags)
     SELECT 'delete', rid, title, content, tags FROM memories WHERE rid = ?`
  )
  const index = run(
    `INSERT INTO memories_fts (rowid, title, content, tags)
     SELECT rid, title, content, tags FROM memories WHERE rid BETWEEN ? AND ? AND visible < 2`
  )
  const addConflict = run(
    "INSERT OR IGNORE INTO conflicts (memory_id, hlc, origin, oseq, hash) VALUES (?, ?, ?, ?, ?)"
  )
  const deleteConflict = writer.prepare(
    "DELETE FROM conflicts WHERE memory_id = ? AND hlc = ? AND origin = ? RETURNING hash"
  ).pluck()
  const addAlias = run(
    `INSERT INTO aliases (id, target, hlc, origin) VALUES (?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET target = excluded.target, hlc = excluded.hlc, origin = excluded.origin
     WHERE (excluded.hlc, excluded.origin) > (hlc, origin)`
  )
  const insertRow = run(
    `INSERT INTO memories (id, tier, namespace, title, content, tags, priority, confidence, source, access_count,
       created_at, updated_at, last_accessed_at, expires_at, metadata, origin, oseq, hash, visible, extended_until,
       archived_at, archive_reason)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
  )

  let fresh: FreshRows = { first: null, last: 0 }

  /** Puts a version in as the memory of its id and settles the slot it claims. */
  const insert = (version: Version, touch: Place | null): "applied" | "shadowed" => {
    const { archived, memory } = version
    const place = archived === null ? settle(version) : places.archived
    const { lastInsertRowid } = insertRow(
      memory.id,
      memory.tier,
      memory.namespace,
      memory.title,
      memory.content,
      JSON.stringify(memory.tags),
      memory.priority,
      memory.confidence,
      memory.source,
      Math.max(memory.access_count, touch?.access_count ?? 0),
      memory.created_at,
      version.hlc,
      touch?.last_accessed_at ?? memory.last_accessed_at ?? null,
      memory.expires_at ?? null,
      JSON.stringify(memory.metadata ?? {}),
      version.origin,
      version.oseq,
      version.hash,
      place,
      touch?.extended_until ?? null,
      archived?.at ?? null,
      archived?.reason ?? null
    )
    digest.add(memory.id, version.hash, place)
    const rid = Number(lastInsertRowid)
    // The number after the greatest there is: where rows went, one below the first of this transaction.
    fresh = { first: Math.min(fresh.first ?? rid, rid), last: rid }
    return place === places.shadow ? "shadowed" : "applied"
  }

  /** The place of a new version in the slot it claims; the one that held the slot steps back if it must. */
  const settle = (version: Version): typeof places.visible | typeof places.shadow => {
    const holder = placeBySlot(version.memory.namespace, version.memory.title)
    if (holder === null) return places.visible
    if (!isNewer(version, orderOf(holder))) return places.shadow
    move(holder, places.shadow)
    return places.visible
  }

  const move = (place: Place, to: DigestPlace): void => {
    digest.remove(place.id, place.hash, place.visible)
    digest.add(place.id, place.hash, to)
    writeVisible(to, place.rid)
  }

  const conflict = (version: VersionRef & { readonly oseq: number; readonly hash: string }): void => {
    const { changes } = addConflict(version.id, version.hlc, version.origin, version.oseq, version.hash)
    if (changes > 0) digest.add(version.id, version.hash, places.conflict)
  }

  const dropConflict = (ref: VersionRef): void => {
    const hash = deleteConflict.get(ref.id, ref.hlc, ref.origin)
    if (typeof hash === "string") digest.remove(ref.id, hash, places.conflict)
  }

  /** Takes the memory of an id out, and lets the best shadow of its slot come forward. */
  const remove = (place: Place): void => {
    const isIndexed = place.visible !== places.archived && (fresh.first === null || place.rid < fresh.first)
    if (isIndexed) unindex(place.rid)
    deleteRow(place.rid)
    digest.remove(place.id, place.hash, place.visible)
    if (place.visible !== places.visible) return
    const next = bestShadow(place.namespace, place.title)
    if (next !== null) move(next, places.visible)
  }

  /** Ends a version for ever. */
  const end = (ref: VersionRef): void => {
    cover(ref.id, ref.hlc, ref.origin)
    retract(ref)
  }

  /** Takes a version out. When it was the memory, the best of its conflicts takes its place. */
  const retract = (ref: VersionRef): void => {
    const place = placeById(ref.id)
    if (place === null || place.updated_at !== ref.hlc || place.origin !== ref.origin) {
      dropConflict(ref)
      return
    }
    remove(place)
    const next = bestConflict(ref.id)
    if (next === null) return
    dropConflict({ id: ref.id, hlc: next.hlc, origin: next.origin })
    const version = versionOf(next, Payload.ofLog(next))
    if (version !== null) insert(version, place)
  }

  /** Gives the memory a version: the greater of the two becomes or stays the memory, the other one its conflict. */
  const put = (version: Version, touch: Place | null): Outcome => {
    const id = version.memory.id
    if (isCovered(id, version.hlc, version.origin) !== null) return "superseded"
    const current = placeById(id)
    if (current === null) return insert(version, touch)
    if (current.hash === version.hash) return current.visible === places.shadow ? "shadowed" : "applied"
    if (!isNewer(version, orderOf(current))) {
      conflict({ ...version, id })
      return "superseded"
    }
    conflict({ ...current, hlc: current.updated_at })
    remove(current)
    return insert(version, current)
  }

  const held = (row: typeof Row.Type | null): Held | null =>
    row === null ? null : {
      memory: memoryOf(row),
      version: { id: row.id, hlc: row.updated_at, origin: row.origin },
      visible: row.visible === places.visible,
      archived: row.archived_at === null ? null : { at: row.archived_at, reason: row.archive_reason ?? "" },
      expiresAt: row.expires_at !== null && row.extended_until !== null && row.extended_until > row.expires_at
        ? row.extended_until
        : row.expires_at
    }

  /** A new version of a memory, or the end of one. */
  const applyToMemory = (operation: Operation, version: Version | null): Outcome => {
    const touch = operation.covers.length === 0 ? null : placeById(operation.entity)
    for (const ref of operation.covers) end(ref)
    if (version === null) return "applied"
    for (const ref of operation.covers) {
      if (ref.id !== operation.entity) addAlias(ref.id, operation.entity, operation.hlc, operation.origin)
    }
    return put(version, touch)
  }

  const applyToObject = (operation: Operation, type: ObjectType): Outcome => {
    for (const ref of operation.covers) objects.end(type, ref)
    return putObject(operation, type)
  }

  const putObject = ({ body, entity: id, hash, hlc, origin, oseq }: Operation, type: ObjectType): Outcome => {
    if (body === null) return "applied"
    return objects.put(type, { ref: { id, hlc, origin }, oseq, hash, body }) ? "applied" : "superseded"
  }

  /**
   * The first decision counts, and what a later one stored is taken out again. No operation ends a decision: what it covers
   * are versions of memories, which end whether it counts or not.
   */
  const applyDecision = (operation: Operation, decision: Decision): Outcome => {
    for (const ref of operation.covers) end(ref)
    const before = objects.current("decision", operation.entity)
    const outcome = putObject(operation, "decision")
    if (outcome === "superseded") return outcome
    const overruled = before === null || before.hash === operation.hash ? undefined : decisionOf(before.body).memory
    if (before !== null && overruled !== undefined) retract({ ...before.ref, id: overruled.id })
    if (decision.approved && decision.memory !== undefined) {
      put({ ...operation, memory: decision.memory, archived: null }, null)
    }
    return outcome
  }

  return {
    apply: (operation, payload) => {
      switch (payload.kind) {
        case "link":
        case "unlink":
          return applyToObject(operation, "link")
        case "namespace_meta":
        case "namespace_meta_clear":
          return applyToObject(operation, "namespace_meta")
        case "pending":
        case "vote":
          return applyToObject(operation, payload.kind)
        case "decision":
          return applyDecision(operation, payload.decision)
        default:
          return applyToMemory(operation, versionOf(operation, payload))
      }
    },
    applyNew: (operation, memory) => insert({ ...operation, memory, archived: null }, null),
    byId: (id) => unlessArchived(held(rowById(id))),
    archivedById: (id) => {
      const found = held(rowById(id))
      return found?.archived === null ? null : found
    },
    holder: (namespace, title) => held(rowBySlot(namespace, title)),
    claims,
    endable: ({ memory, visible }) => {
      const others = visible ? claims(memory.namespace, memory.title).filter(({ id }) => id !== memory.id) : []
      return [memory.id, ...others.map(({ id }) => id)].flatMap((id) => versions(id))
    },
    endedUntil: (id) => newestCovered(id)?.hlc ?? null,
    alias: (id) => aliasTarget(id)?.target ?? null,
    noteAlias: (id, target, stamp) => {
      addAlias(id, target, stamp, "")
    },
    touch: (id, now) => {
      const row = rowById(id)
      if (row === null || row.visible === places.archived) return null
      const use = Touch.touched({
        tier: row.tier,
        priority: row.priority,
        accessCount: row.access_count,
        expiresAt: row.expires_at,
        extendedUntil: row.extended_until
      }, now)
      setTouch(use.accessCount, use.lastAccessedAt, use.extendedUntil, row.rid)
      const { extend, extendedUntil, promote, raisePriority } = use
      return promote || raisePriority || extend
        ? { id, promote, raisePriority, expiresAt: extend ? extendedUntil : null }
        : null
    },
    fresh: () => fresh,
    restore: (saved) => {
      fresh = saved
    },
    finish: () => {
      if (fresh.first !== null) index(fresh.first, fresh.last)
      fresh = { first: null, last: 0 }
    }
  }
}

/** The version of a memory that an operation makes; null when it only ends others. */
const versionOf = (
  operation: Pick<Operation, "hlc" | "origin" | "oseq" | "hash">,
  payload: Payload.Payload
): Version | null => {
  const memory = Payload.versionOf(payload)
  if (memory === undefined) return null
  const archived = payload.kind === "archive" ? { at: payload.archivedAt, reason: payload.reason } : null
  const { hash, hlc, origin, oseq } = operation
  return { hash, hlc, origin, oseq, memory, archived }
}

/** A body was decoded and checked before it came into the log; one that fails now is a damaged database. */
const decisionOf = (body: string): Decision => Either.getOrThrow(decodeDecision(JSON.parse(body)))

const unlessArchived = (held: Held | null): Held | null => held?.archived === null ? held : null

const memoryOf = (row: typeof Row.Type): Memory.Memory => ({
  id: row.id,
  tier: row.tier,
  namespace: row.namespace,
  title: row.title,
  content: row.content,
  tags: row.tags,
  priority: row.priority,
  confidence: row.confidence,
  source: row.source,
  access_count: row.access_count,
  created_at: row.created_at,
  updated_at: row.updated_at,
  ...(row.last_accessed_at === null ? {} : { last_accessed_at: row.last_accessed_at }),
  ...(row.expires_at === null ? {} : { expires_at: row.expires_at }),
  metadata: row.metadata
})
