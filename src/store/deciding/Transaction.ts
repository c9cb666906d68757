import type Database from "better-sqlite3"
import * as Schema from "effect/Schema"
import { MemoryId, Origin } from "../../domain/ids.js"
import type { Lifetimes } from "../../domain/Lifetimes.js"
import * as Memory from "../../domain/Memory.js"
import type * as PendingAction from "../../domain/PendingAction.js"
import * as Stamp from "../../domain/Stamp.js"
import type { Format, Operation, VersionRef } from "../../replication/Operation.js"
import { ofLog, type Payload } from "../../replication/Payload.js"
import { fromRow, LogRow, type OpLog, VersionRow } from "../log/OpLog.js"
import { many, ofEachType, one, run } from "../log/statements.js"
import * as Versions from "../log/versions.js"
import { memoryVersion } from "../state/apply.js"
import type { Load } from "../state/load.js"
import { counting } from "../state/objects.js"
import { type Archival, type ObjectType, type ObjectVersion, places, type Version } from "../state/Slice.js"
import * as Touch from "../state/Touch.js"

/** A memory with the version it is at. */
export interface Held {
  readonly memory: Memory.Memory
  readonly version: VersionRef
  readonly visible: boolean
  readonly archived: Archival | null
  /** When it expires here: its own expiry, or later where this node extended it. */
  readonly expiresAt: Stamp.Stamp | null
}

/** What the deciding code of a local write may look at: the state as it is at its turn in the committer's transaction. */
export interface View {
  /** A memory that is not archived. */
  readonly byId: (id: string) => Held | null
  readonly archivedById: (id: string) => Held | null
  /** Whoever is visible in the slot, also when it has expired: `slot` tells what that means to a write. */
  readonly holder: (namespace: string, title: string) => Held | null
  /** Every version that claims the slot, the visible one included. */
  readonly claims: (namespace: string, title: string) => ReadonlyArray<VersionRef>
  /** What a delete of this memory ends: its live versions, and with the visible one everything that claims its slot. */
  readonly endable: (held: Held) => ReadonlyArray<VersionRef>
  /** The newest version of this id that was ended, if any. */
  readonly endedUntil: (id: string) => Stamp.Stamp | null
  /** The live versions of this id that carry a stamp, as they were written: one for each origin that gave one. */
  readonly versionsAt: (id: string, hlc: Stamp.Stamp) => ReadonlyArray<Version>
  /** Whether a version of this id that carries the stamp is held, whole, without effect. */
  readonly isVoidAt: (id: string, hlc: Stamp.Stamp) => boolean
  /** Whether a version of a memory or an object was ended for ever. */
  readonly isEnded: Load["isEnded"]
  /** A version of a memory as the log has it, whatever became of it. */
  readonly given: Versions.Versions["ofMemory"]
  /** The operation that brought a memory to the version it is at. */
  readonly entryOf: (held: Held) => { readonly operation: Operation; readonly payload: Payload }
  /** Whether a version of this id that carried the stamp was ended. */
  readonly isEndedAt: (id: string, hlc: Stamp.Stamp) => boolean
  /** The id that took this one over, if any. `liveId` follows it to the end. */
  readonly alias: (id: string) => string | null
  /** The version of an object that counts. */
  readonly current: (type: ObjectType, key: string) => ObjectVersion | null
  /** All live versions of an object, in their order. */
  readonly versions: (type: ObjectType, key: string) => ReadonlyArray<ObjectVersion>
  /**
   * What an edit of this memory ends: the version it replaces, and those that had lost against it. They were seen, and would
   * pile up.
   */
  readonly replaceable: (held: Held) => ReadonlyArray<VersionRef>
  /** Entries of standards that may point at a memory: by its id, or by one that some memory took over. */
  readonly standardsNear: (id: string) => ReadonlyArray<string>
  /** Whether the memory ends by approval alone, as of a moment, on all nodes, and nobody approved it. */
  readonly isKept: (memory: Pick<Memory.Memory, "id" | "namespace">, at: Stamp.Stamp) => boolean
  /** Whether a decision of that moment counts, by whom and by what it is, on all nodes. */
  readonly mayDecide: (decision: PendingAction.Decision, at: Stamp.Stamp) => boolean
  /** Whether there is anything of the type. */
  readonly any: (type: ObjectType) => boolean
}

/** What a decision sees: the state as of its own turn in the transaction, so nothing can change before it is written. */
export interface Transaction extends View {
  /** All that there is, also where the caller reads nothing: the rules of a namespace may stand above those that it sees. */
  readonly whole: View
  /** What operations are written in: the first format has no words for what later ones can say. */
  readonly format: Format
  readonly wallMillis: number
  /**
   * The stamp the operation will carry, unless the decision brings its own: after everything that was looked at so far, as far
   * as that is followed. What is looked at later may move it on, and the version that is written with it.
   */
  readonly stamp: Stamp.Stamp
  /** Where an operation stands in this node's log, or where the log ends: see `OpLog`. */
  readonly position: OpLog["position"]
}

/** What a memory earned by being recalled: to be kept for good, to count for more, or to live longer everywhere. */
export interface Reinforced {
  readonly id: MemoryId
  readonly promote: boolean
  readonly raisePriority: boolean
  /** Its new expiry, where that is to replicate. */
  readonly expiresAt: Stamp.Stamp | null
}

/** The whole row of a memory as SQLite gives it. */
export const Row = Schema.Struct({
  rid: Schema.Int,
  id: MemoryId,
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
  origin: Origin,
  visible: Schema.Literal(0, 1, 2),
  extended_until: Schema.NullOr(Stamp.Stamp),
  archived_at: Schema.NullOr(Stamp.Stamp),
  archive_reason: Schema.NullOr(Schema.String),
  carried: Schema.NullOr(Schema.parseJson(Memory.Metadata))
})
type Row = typeof Row.Type

const Ref = Schema.Struct({ id: Schema.String, hlc: Stamp.Stamp, origin: Origin })

/** The view of the writer's connection, and what counts the uses of a memory by it. */
export const make = (
  writer: Database.Database,
  { judge: { isKept, mayDecide }, lifetimes, load }: {
    readonly load: Load
    readonly lifetimes: Lifetimes
    readonly judge: Pick<View, "isKept" | "mayDecide">
  }
): View & { readonly touch: Touching } => {
  const rowById = one(writer, Row, "SELECT * FROM memories WHERE id = ?")
  const rowBySlot = one(writer, Row, "SELECT * FROM memories WHERE namespace = ? AND title = ? AND visible = 1")
  const slotClaims = many(
    writer,
    Ref,
    `SELECT id, updated_at AS hlc, origin FROM memories WHERE namespace = ? AND title = ? AND visible = 1
     UNION ALL SELECT id, updated_at, origin FROM memories WHERE namespace = ? AND title = ? AND visible = 0`
  )
  const idVersions = many(
    writer,
    Ref,
    `SELECT id, updated_at AS hlc, origin FROM memories WHERE id = ?
     UNION ALL SELECT memory_id, hlc, origin FROM conflicts WHERE memory_id = ?`
  )
  const aliasTarget = one(writer, Schema.Struct({ target: Schema.String }), "SELECT target FROM aliases WHERE id = ?")
  const near = many(
    writer,
    Schema.Struct({ body: Schema.String }),
    `SELECT body FROM objects WHERE type = 'namespace_meta' AND current = 1
       AND (json_extract(body, '$.standard_id') = ? OR json_extract(body, '$.standard_id') IN (SELECT id FROM aliases))
     ORDER BY key`
  )
  const exists = ofEachType((type) => writer.prepare(`SELECT 1 FROM objects WHERE type = ${type} LIMIT 1`))
  const claims: View["claims"] = (namespace, title) => slotClaims(namespace, title, namespace, title)

  return {
    byId: (id) => {
      const held = heldOf(rowById(id))
      return held?.archived === null ? held : null
    },
    archivedById: (id) => {
      const held = heldOf(rowById(id))
      return held?.archived === null ? null : held
    },
    holder: (namespace, title) => heldOf(rowBySlot(namespace, title)),
    claims,
    endable: ({ memory, visible }) => {
      const others = visible ? claims(memory.namespace, memory.title).filter(({ id }) => id !== memory.id) : []
      return [memory.id, ...others.map(({ id }) => id)].flatMap((id) => idVersions(id, id))
    },
    replaceable: ({ memory: { id } }) => idVersions(id, id),
    ...makeVersions(writer),
    alias: (id) => aliasTarget(id)?.target ?? null,
    current: (type, key) => counting(type, load.objects(type, key)) ?? null,
    versions: load.objects,
    standardsNear: (id) => near(id).map(({ body }) => body),
    isKept,
    mayDecide,
    isEnded: load.isEnded,
    given: Versions.make(writer).ofMemory,
    any: (type) => exists(type).get() !== undefined,
    touch: makeTouch(writer, rowById, lifetimes)
  }
}

/** What is known of the versions of one memory. */
const makeVersions = (
  writer: Database.Database
): Pick<View, "endedUntil" | "versionsAt" | "entryOf" | "isEndedAt" | "isVoidAt"> => {
  const newestCovered = one(
    writer,
    Schema.Struct({ hlc: Stamp.Stamp }),
    "SELECT hlc FROM covered WHERE memory_id = ? ORDER BY hlc DESC LIMIT 1"
  )
  const versionRows = many(
    writer,
    VersionRow,
    `SELECT o.hlc, o.origin, o.oseq, o.hash, o.kind, o.entity, o.body FROM (
       SELECT origin, oseq FROM memories WHERE id = ? AND updated_at = ?
       UNION ALL SELECT origin, oseq FROM conflicts WHERE memory_id = ? AND hlc = ?
     ) v JOIN oplog o ON o.origin = v.origin AND o.oseq = v.oseq`
  )
  const operationOf = one(
    writer,
    LogRow,
    "SELECT o.* FROM memories m JOIN oplog o ON o.origin = m.origin AND o.oseq = m.oseq WHERE m.id = ?"
  )
  const voidAt = writer.prepare(
    `SELECT 1 FROM voids v CROSS JOIN oplog o ON o.origin = v.origin AND o.oseq = v.oseq
     WHERE v.entity = ? AND v.whole = 1 AND o.hlc = ? LIMIT 1`
  )
  const coveredAt = writer.prepare("SELECT 1 FROM covered WHERE memory_id = ? AND hlc = ? LIMIT 1")
  return {
    endedUntil: (id) => newestCovered(id)?.hlc ?? null,
    versionsAt: (id, hlc) => versionRows(id, hlc, id, hlc).flatMap((row) => memoryVersion(row, ofLog(row)) ?? []),
    entryOf: ({ memory: { id } }) => {
      const row = operationOf(id)
      if (row === null) throw new Error(`the log is damaged: it has not the version of ${id}`)
      const operation = fromRow(row)
      return { operation, payload: ofLog(operation) }
    },
    isVoidAt: (id, hlc) => voidAt.get(id, hlc) !== undefined,
    isEndedAt: (id, hlc) => coveredAt.get(id, hlc) !== undefined
  }
}

/** Counts a use of the memory on this node; tells when it earned a write that replicates. */
export type Touching = (id: string, now: Stamp.Stamp) => Reinforced | null

const makeTouch = (
  writer: Database.Database,
  rowById: (id: string) => Row | null,
  lifetimes: Lifetimes
): Touching => {
  const setTouch = run(
    writer,
    "UPDATE memories SET access_count = ?, last_accessed_at = ?, extended_until = ? WHERE rid = ?"
  )
  return (id, now) => {
    const row = rowById(id)
    if (row === null || row.visible === places.archived) return null
    const use = Touch.touched(
      {
        tier: row.tier,
        priority: row.priority,
        accessCount: row.access_count,
        expiresAt: row.expires_at,
        extendedUntil: row.extended_until
      },
      now,
      lifetimes
    )
    setTouch(use.accessCount, use.lastAccessedAt, use.extendedUntil, row.rid)
    const { extend, extendedUntil, promote, raisePriority } = use
    return promote || raisePriority || extend
      ? { id: row.id, promote, raisePriority, expiresAt: extend ? extendedUntil : null }
      : null
  }
}

const heldOf = (row: Row | null): Held | null =>
  row === null ? null : {
    memory: memoryOf(row),
    version: { id: row.id, hlc: row.updated_at, origin: row.origin },
    visible: row.visible === places.visible,
    archived: row.archived_at === null ? null : { at: row.archived_at, reason: row.archive_reason ?? "" },
    expiresAt: row.expires_at !== null && row.extended_until !== null && row.extended_until > row.expires_at
      ? row.extended_until
      : row.expires_at
  }

/** The memory as its row says. */
export const memoryOf = (row: Row): Memory.Memory => ({
  ...row.carried,
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
