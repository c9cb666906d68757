import type Database from "better-sqlite3"
import * as Schema from "effect/Schema"
import { Origin } from "../../domain/ids.js"
import * as Stamp from "../../domain/Stamp.js"
import { kinds, type Part, type Payload } from "../../replication/kinds.js"
import { type Operation, twinKey, type VersionRef } from "../../replication/Operation.js"
import { ofLog } from "../../replication/Payload.js"
import { type Former, formerOf, withoutNames } from "../../replication/reissue.js"
import { VersionRow } from "../log/OpLog.js"
import { firstThat, many, ofEachType, one } from "../log/statements.js"
import { memoryVersion, overruledBy } from "./apply.js"
import {
  isNewer,
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
  /** Whether the version was ended for ever. */
  readonly isEnded: (type: "memory" | ObjectType, ref: VersionRef) => boolean
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

const ObjectRow = Schema.Struct({
  key: Schema.String,
  hlc: Stamp.Stamp,
  origin: Origin,
  hash: Schema.String,
  body: Schema.String
})

const TwinRow = Schema.Struct({ hlc: Stamp.Stamp, origin: Origin })

const Found = Schema.Struct({ found: Schema.Int })

export const make = (writer: Database.Database): Load => {
  const memories = makeMemories(writer)
  const { isEnded, objects, objectsOf } = makeObjects(writer)
  const twins = makeTwins(writer)

  const ofMemories: LoadPart = (operation, payload, isNewId, former) => {
    const gives = memoryVersion(operation, payload)
    const given = gives === null || isNewId ? null : refOf(operation)
    const { ends, isBehind, isDead, older } = twins.endedBy("memory", operation, given, memories.isCovered, former)
    const ids = new Set([...operation.covers, ...given === null ? [] : [given]].map(({ id }) => id))
    return {
      ...nothing,
      ...memories.of(ids, [...ends, ...older], gives),
      objects: isNewId ? nothing.objects : objectsOf("earned", ids),
      ends,
      older,
      isCovered: isDead || isBehind
    }
  }

  const ofObjects = (type: ObjectType): LoadPart => (operation, _payload, _isNewId, former) => {
    const { covers, entity } = operation
    const given = operation.body === null ? null : refOf(operation)
    const { ends, isDead } = twins.endedBy(type, operation, given, (ref) => isEnded(type, ref), former)
    return { ...nothing, ends, objects: objectsOf(type, [entity, ...covers.map(({ id }) => id)]), isEnded: isDead }
  }

  // It has no say in what another memory earned.
  const ofEarned: LoadPart = (given, payload, isNewId, former) => {
    const { entity: id } = given
    const operation = { ...given, covers: given.covers.filter((ref) => ref.id === id) }
    const version = memories.standing(id)
    return {
      ...ofObjects("earned")(operation, payload, isNewId, former),
      ...version === null ? {} : memories.of([id], [], version),
      standing: version
    }
  }

  const parts: { readonly [P in Part]: LoadPart } = {
    memory: ofMemories,
    link: ofObjects("link"),
    pending: ofObjects("pending"),
    vote: ofObjects("vote"),
    decision: makeDecisions({ memories, objectsOf, twins }),
    namespace_meta: ofObjects("namespace_meta"),
    earned: ofEarned,
    quarantine: ofObjects("quarantine"),
    subscription: ofObjects("subscription"),
    delivery: ofObjects("delivery")
  }
  return {
    objects,
    isEnded: (type, ref) => type === "memory" ? memories.isCovered(ref) : isEnded(type, ref),
    slice: (given, payload, isNewId) => {
      const former = formerOf(given)
      const load = parts[kinds[payload.kind].part]
      const loaded = load(withoutNames(given), payload, isNewId, former)
      return former === null ? loaded : { ...loaded, former }
    }
  }
}

/** A decision ends versions of memories, and may store one. */
const makeDecisions = ({ memories, objectsOf, twins }: {
  readonly memories: ReturnType<typeof makeMemories>
  readonly objectsOf: ReturnType<typeof makeObjects>["objectsOf"]
  readonly twins: ReturnType<typeof makeTwins>
}): LoadPart =>
(operation, payload, _isNewId, former) => {
  const gives = memoryVersion(operation, payload)
  const decisions = objectsOf("decision", [operation.entity])
  const overruled = overruledBy(decisions, operation)
  const ends = twins.closed("memory", operation.covers)
  const ending = overruled === null ? ends : [...ends, overruled]
  const ids = new Set([...ending, ...gives === null ? [] : [gives.memory]].map(({ id }) => id))
  return {
    ...nothing,
    ...memories.of(ids, ending, gives),
    ends,
    objects: new Map([...decisions, ...objectsOf("earned", ids)]),
    isCovered: gives !== null &&
      twins.closed("memory", named(gives.memory.id, operation, former)).some(memories.isCovered)
  }
}

const makeMemories = (writer: Database.Database) => {
  const rowById = one(writer, PlaceRow, `SELECT ${columns} FROM memories WHERE id = ?`)
  const { claimOf, nextOf } = makeBests(writer)
  const covered = one(writer, Found, "SELECT 1 AS found FROM covered WHERE memory_id = ? AND hlc = ? AND origin = ?")

  const loggedAt = one(
    writer,
    VersionRow,
    "SELECT hlc, origin, oseq, hash, kind, entity, body FROM oplog WHERE origin = ? AND oseq = ?"
  )

  const rowsOf = (ids: Iterable<string>) => {
    const rows = new Map<string, Row>()
    for (const id of ids) {
      const row = rowById(id)
      if (row !== null) rows.set(id, rowOf(row))
    }
    return rows
  }

  /** The claims on the slot of a version alone. */
  const claimsOn = (rows: ReadonlyMap<string, Row>, { archived, memory }: Version): Slice["claims"] => {
    const claim = archived === null ? claimOf(memory, rows) : undefined
    return claim === undefined ? nothing.claims : new Map([[slotKey(memory), claim]])
  }

  return {
    /** The version at which the memory stands. */
    standing: (id: string): Version | null => {
      const row = rowById(id)
      if (row === null) return null
      const logged = loggedAt(row.origin, row.oseq)
      return logged === null ? null : memoryVersion(logged, ofLog(logged))
    },
    isCovered: ({ hlc, id, origin }: VersionRef): boolean => covered(id, hlc, origin) !== null,
    of: (
      ids: Iterable<string>,
      ends: ReadonlyArray<VersionRef>,
      gives: Version | null
    ): Pick<Slice, "rows" | "next" | "claims"> => {
      const rows = rowsOf(ids)
      if (rows.size === 0 && gives !== null) return { rows, next: nothing.next, claims: claimsOn(rows, gives) }
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
    VersionRow,
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

/** Finds what is one with the versions that an operation names. */
const makeTwins = (writer: Database.Database) => {
  const twinsOfVersion = many(
    writer,
    TwinRow,
    `SELECT other.hlc, other.origin FROM twins one JOIN twins other USING (type, key, twin_key)
     WHERE one.type = ? AND one.key = ? AND one.hlc = ? AND one.origin = ?`
  )
  const twinsOfKey = many(writer, TwinRow, "SELECT hlc, origin FROM twins WHERE type = ? AND key = ? AND twin_key = ?")

  /** With all that is known to be one with them: their twins, the same under former names, and what is one with those. */
  const closed = (type: "memory" | ObjectType, covers: ReadonlyArray<VersionRef>): ReadonlyArray<VersionRef> => {
    if (covers.length === 0) return covers
    const all = new Map(covers.map((ref) => [refKey(ref), ref]))
    // What is added on the way is looked at as well.
    for (const { hlc, id, origin } of all.values()) {
      for (const twin of twinsOfVersion(type, id, hlc, origin)) {
        const ref = { ...twin, id }
        if (!all.has(refKey(ref))) all.set(refKey(ref), ref)
      }
    }
    return Array.from(all.values())
  }

  return {
    closed,
    /**
     * What ends with the operation for ever, and how the version that it gives stands among its twins: `isDead` when one of
     * them was ended, before or now, `isBehind` when one is newer; otherwise it stands for the `older` ones.
     */
    endedBy: (
      type: "memory" | ObjectType,
      operation: Operation,
      given: VersionRef | null,
      isEnded: (ref: VersionRef) => boolean,
      former: Former | null
    ) => {
      const covers = closed(type, operation.covers)
      const key = twinKey(operation)
      if (given === null) return { ends: covers, older: [], isDead: false, isBehind: false }
      const twins = key === null ? [] : twinsOfKey(type, given.id, key)
        .map((twin): VersionRef => ({ ...twin, id: given.id }))
        .filter((twin) => refKey(twin) !== refKey(given))
      const ending = new Set(covers.map(refKey))
      const same = twins.length === 0 && former === null
        ? [given]
        : closed(type, [...named(given.id, given, former), ...twins])
      const isDead = same.some((one) => ending.has(refKey(one)) || isEnded(one))
      const isBehind = twins.some((twin) => isNewer({ ...twin, hash: "" }, { ...given, hash: "" }))
      return {
        ends: isDead ? [...covers, ...same.filter((one) => !ending.has(refKey(one)))] : covers,
        older: isDead || isBehind ? [] : twins,
        isDead,
        isBehind
      }
    }
  }
}

/** A version by all the names that it had. */
const named = (
  id: string,
  { hlc, origin }: Pick<VersionRef, "hlc" | "origin">,
  former: Former | null
): ReadonlyArray<VersionRef> =>
  [{ hlc, origin }, ...former?.versions ?? []].map((version) => ({ id, hlc: version.hlc, origin: version.origin }))

const refOf = ({ entity: id, hlc, origin }: Operation): VersionRef => ({ id, hlc, origin })

const makeObjects = (writer: Database.Database) => {
  const ended = one(writer, Found, "SELECT 1 AS found FROM ended WHERE type = ? AND key = ? AND hlc = ? AND origin = ?")
  const rowsOf = ofEachType((type) =>
    many(
      writer,
      ObjectRow,
      `SELECT key, hlc, origin, hash, body FROM objects WHERE type = ${type} AND key = ? ORDER BY hlc, origin, hash`
    )
  )
  const objects: Load["objects"] = (type, key) => rowsOf(type)(key).map(objectOf)
  return {
    objects,
    objectsOf: (type: ObjectType, ids: Iterable<string>): Slice["objects"] =>
      new Map(Array.from(new Set(ids), (id) => [objectKey(type, id), objects(type, id)])),
    isEnded: (type: ObjectType, { hlc, id, origin }: VersionRef): boolean => ended(type, id, hlc, origin) !== null
  }
}

type LoadPart = (operation: Operation, payload: Payload, isNewId: boolean, former: Former | null) => Slice

const nothing: Slice = {
  rows: new Map(),
  next: new Map(),
  claims: new Map(),
  objects: new Map(),
  standing: null,
  ends: [],
  older: [],
  isCovered: false,
  isEnded: false,
  former: null
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
