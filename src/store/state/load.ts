import type Database from "better-sqlite3"
import * as Schema from "effect/Schema"
import { Origin } from "../../domain/ids.js"
import * as Stamp from "../../domain/Stamp.js"
import { Kind, kinds, type Part, type Payload } from "../../replication/kinds.js"
import type { Operation, VersionRef } from "../../replication/Operation.js"
import { ofLog } from "../../replication/Payload.js"
import { firstThat, many, one } from "../log/statements.js"
import { memoryVersion, overruledBy } from "./apply.js"
import {
  objectKey,
  type ObjectType,
  type ObjectVersion,
  places,
  refKey,
  type Row,
  type Slice,
  slotKey,
  type Version
} from "./Slice.js"

/** Reads the slices of the state that operations can change. Used inside the committer's transaction only. */
export interface Load {
  /** The slice of one operation. An id that was minted for it is not looked up: nothing can be known of it yet. */
  readonly slice: (operation: Operation, payload: Payload, isNewId: boolean) => Slice
  /** The live versions of an object, in their order. */
  readonly objects: (type: ObjectType, key: string) => ReadonlyArray<ObjectVersion>
}

const PlaceRow = Schema.Struct({
  rid: Schema.Int,
  id: Schema.String,
  namespace: Schema.String,
  title: Schema.String,
  updated_at: Stamp.Stamp,
  origin: Origin,
  oseq: Schema.Int,
  hash: Schema.String,
  visible: Schema.Literal(0, 1, 2),
  access_count: Schema.Int,
  last_accessed_at: Schema.NullOr(Schema.String),
  extended_until: Schema.NullOr(Schema.String)
})
const columns = Object.keys(PlaceRow.fields).join(", ")

const ConflictRow = Schema.Struct({
  hlc: Stamp.Stamp,
  origin: Origin,
  oseq: Schema.Int,
  hash: Schema.String,
  kind: Kind,
  entity: Schema.String,
  body: Schema.String
})

const ObjectRow = Schema.Struct({
  key: Schema.String,
  hlc: Stamp.Stamp,
  origin: Origin,
  hash: Schema.String,
  body: Schema.String
})

const Found = Schema.Struct({ found: Schema.Int })

export const make = (writer: Database.Database): Load => {
  const memories = makeMemories(writer)
  const { isEnded, objects, objectsOf } = makeObjects(writer)

  const ofMemories: LoadPart = (operation, payload, isNewId) => {
    const gives = memoryVersion(operation, payload)
    const ids = new Set(operation.covers.map(({ id }) => id))
    if (gives !== null && !isNewId) ids.add(operation.entity)
    return {
      ...nothing,
      ...memories.of(ids, operation.covers, gives),
      isCovered: gives !== null && !isNewId && memories.isCovered({ ...operation, id: operation.entity })
    }
  }

  const ofObjects = (type: ObjectType): LoadPart => ({ body, covers, entity, hlc, origin }) => ({
    ...nothing,
    objects: objectsOf(type, [entity, ...covers.map(({ id }) => id)]),
    isEnded: body !== null && isEnded(type, { id: entity, hlc, origin })
  })

  const ofDecisions: LoadPart = (operation, payload) => {
    const gives = memoryVersion(operation, payload)
    const decisions = objectsOf("decision", [operation.entity])
    const overruled = overruledBy(decisions, operation)
    const ends = overruled === null ? operation.covers : [...operation.covers, overruled]
    const ids = new Set([...ends, ...gives === null ? [] : [gives.memory]].map(({ id }) => id))
    return {
      ...nothing,
      ...memories.of(ids, ends, gives),
      objects: decisions,
      isCovered: gives !== null && memories.isCovered({ ...operation, id: gives.memory.id })
    }
  }

  const parts: { readonly [P in Part]: LoadPart } = {
    memory: ofMemories,
    link: ofObjects("link"),
    pending: ofObjects("pending"),
    vote: ofObjects("vote"),
    decision: ofDecisions,
    namespace_meta: ofObjects("namespace_meta")
  }
  return {
    objects,
    slice: (operation, payload, isNewId) => parts[kinds[payload.kind].part](operation, payload, isNewId)
  }
}

const makeMemories = (writer: Database.Database) => {
  const rowById = one(writer, PlaceRow, `SELECT ${columns} FROM memories WHERE id = ?`)
  const { claimOf, nextOf } = makeBests(writer)
  const covered = one(writer, Found, "SELECT 1 AS found FROM covered WHERE memory_id = ? AND hlc = ? AND origin = ?")

  const rowsOf = (ids: Iterable<string>) => {
    const rows = new Map<string, Row>()
    for (const id of ids) {
      const row = rowById(id)
      if (row !== null) rows.set(id, rowOf(row))
    }
    return rows
  }

  return {
    isCovered: ({ hlc, id, origin }: VersionRef): boolean => covered(id, hlc, origin) !== null,
    of: (
      ids: Iterable<string>,
      ends: ReadonlyArray<VersionRef>,
      gives: Version | null
    ): Pick<Slice, "rows" | "next" | "claims"> => {
      const rows = rowsOf(ids)
      const ending = new Set(ends.map(refKey))
      const next = new Map<string, Version>()
      for (const row of rows.values()) {
        const version = ending.has(refKey(row)) ? nextOf(row.id, ending) : null
        if (version !== null) next.set(row.id, version)
      }
      const given = [...next.values(), ...gives === null ? [] : [gives]]
      const slots = new Map([
        ...Array.from(rows.values()).filter(({ place }) => place !== places.archived),
        ...given.filter(({ archived }) => archived === null).map(({ memory }) => memory)
      ].map((slot) => [slotKey(slot), slot]))
      const claims = new Map<string, Row>()
      for (const [key, slot] of slots) {
        const claim = claimOf(slot, rows)
        if (claim !== undefined) claims.set(key, claim)
      }
      return { rows, next, claims }
    }
  }
}

/** Finds who comes next, where there may be many to choose from. */
const makeBests = (writer: Database.Database) => {
  const holder = one(
    writer,
    PlaceRow,
    `SELECT ${columns} FROM memories WHERE namespace = ? AND title = ? AND visible = 1`
  )
  const shadow = firstThat(
    writer,
    PlaceRow,
    `SELECT ${columns} FROM memories WHERE namespace = ? AND title = ? AND visible = 0
     ORDER BY updated_at DESC, origin DESC, hash DESC`
  )
  const conflict = firstThat(
    writer,
    ConflictRow,
    `SELECT c.hlc, c.origin, c.oseq, c.hash, o.kind, o.entity, o.body FROM conflicts c JOIN oplog o USING (origin, oseq)
     WHERE c.memory_id = ? ORDER BY c.hlc DESC, c.origin DESC, c.hash DESC`
  )
  return {
    /** The greatest conflict of an id that does not end. */
    nextOf: (id: string, ends: ReadonlySet<string>): Version | null => {
      const row = conflict([id], ({ hlc, origin }) => !ends.has(refKey({ id, hlc, origin })))
      return row === null ? null : memoryVersion(row, ofLog(row))
    },
    /** The greatest claim on a slot by an id that is not named. */
    claimOf: (
      { namespace, title }: { readonly namespace: string; readonly title: string },
      named: ReadonlyMap<string, Row>
    ): Row | undefined => {
      const visible = holder(namespace, title)
      if (visible === null) return undefined
      if (!named.has(visible.id)) return rowOf(visible)
      const best = shadow([namespace, title], ({ id }) => !named.has(id))
      return best === null ? undefined : rowOf(best)
    }
  }
}

const makeObjects = (writer: Database.Database) => {
  const ended = one(writer, Found, "SELECT 1 AS found FROM ended WHERE type = ? AND key = ? AND hlc = ? AND origin = ?")
  const rows = many(
    writer,
    ObjectRow,
    "SELECT key, hlc, origin, hash, body FROM objects WHERE type = ? AND key = ? ORDER BY hlc, origin, hash"
  )
  const objects: Load["objects"] = (type, key) => rows(type, key).map(objectOf)
  return {
    objects,
    objectsOf: (type: ObjectType, ids: Iterable<string>): Slice["objects"] =>
      new Map(Array.from(new Set(ids), (id) => [objectKey(type, id), objects(type, id)])),
    isEnded: (type: ObjectType, { hlc, id, origin }: VersionRef): boolean => ended(type, id, hlc, origin) !== null
  }
}

type LoadPart = (operation: Operation, payload: Payload, isNewId: boolean) => Slice

const nothing: Slice = {
  rows: new Map(),
  next: new Map(),
  claims: new Map(),
  objects: new Map(),
  isCovered: false,
  isEnded: false
}

const rowOf = (
  { access_count, extended_until, last_accessed_at, updated_at, visible, ...row }: typeof PlaceRow.Type
): Row => ({
  ...row,
  hlc: updated_at,
  place: visible,
  use: { accessCount: access_count, lastAccessedAt: last_accessed_at, extendedUntil: extended_until }
})

const objectOf = ({ body, hash, hlc, key, origin }: typeof ObjectRow.Type): ObjectVersion => ({
  ref: { id: key, hlc, origin },
  hash,
  body
})
