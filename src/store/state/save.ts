import type Database from "better-sqlite3"
import * as Schema from "effect/Schema"
import type { NamespaceLanguages } from "../../domain/analysis/namespaceLanguages.js"
import * as Memory from "../../domain/Memory.js"
import type { VersionRef } from "../../replication/Operation.js"
import { type Digest, places as digestPlaces } from "../log/Digest.js"
import { ofEachType, one, run } from "../log/statements.js"
import * as followingVectors from "./followingVectors.js"
import { type Change, type ObjectType, places, type Row } from "./Slice.js"
import * as words from "./words.js"

/** Writes what the rules came to, with the sums over it. Used inside the committer's transaction only. */
export interface Save {
  readonly changes: (changes: ReadonlyArray<Change>) => void
  /** Indexes the rows that wait for it once they are many, and brings the sums of that index up to date. */
  readonly finish: () => void
  readonly words: Pick<words.WordIndex, "state" | "restore" | "standing" | "catchUp" | "reindex" | "titles">
}

export const make = (writer: Database.Database, digest: Digest, languages: NamespaceLanguages): Save => {
  const index = words.make(writer, languages)
  const vectors = followingVectors.make(writer)
  const rows = makeRows(writer, digest, { index, vectors })
  const versions = makeVersions(writer, digest)
  const objects = makeObjects(writer, digest)

  const one = (change: Change): void => {
    switch (change._tag) {
      case "Covered":
        return versions.cover(change.ref)
      case "ConflictDropped":
        return versions.drop(change.ref)
      case "ConflictAdded":
        return versions.add(change)
      case "Aliased":
        return versions.alias(change)
      case "Keyed":
        return versions.key(change)
      case "Unkeyed":
        return versions.unkey(change)
      case "RowRemoved":
        return rows.remove(change.row)
      case "RowMoved":
        return rows.move(change)
      case "RowInserted":
        return rows.insert(change)
      case "ObjectEnded":
        return objects.end(change.type, change.ref)
      case "ObjectRemoved":
        return objects.remove(change.type, change.ref)
      case "ObjectAdded":
        return objects.add(change)
      case "ObjectCounts":
        return objects.count(change.type, change.ref)
    }
  }

  return {
    changes: (changes) => {
      for (const change of changes) one(change)
    },
    finish: () => {
      index.finish()
      vectors.clear()
    },
    words: index
  }
}

type Of<Tag extends Change["_tag"]> = Extract<Change, { readonly _tag: Tag }>

const Greatest = Schema.Struct({ rid: Schema.Int })
const GREATEST =
  `SELECT max(coalesce((SELECT max(rid) FROM memories), 0), coalesce((SELECT max(place) >> 8 FROM vectors), 0),
     (SELECT unread FROM reindexing)) AS rid`

const makeRows = (writer: Database.Database, digest: Digest, { index, vectors }: {
  readonly index: words.WordIndex
  readonly vectors: followingVectors.FollowingVectors
}) => {
  const writeVisible = run(writer, "UPDATE memories SET visible = ? WHERE rid = ?")
  const deleteRow = run(writer, "DELETE FROM memories WHERE rid = ?")
  const insertRow = run(
    writer,
    `INSERT INTO memories (rid, id, tier, namespace, title, content, tags, priority, confidence, source, access_count,
       created_at, updated_at, last_accessed_at, expires_at, metadata, origin, oseq, hash, visible, extended_until,
       archived_at, archive_reason, carried)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
  )
  const greatestKept = one(writer, Greatest, GREATEST)
  // The greatest number that a row had in this run, whether it still stands or not, or that vectors have of one that is gone, or
  // up to which rows are in the index of before: what is kept beside rows goes by it. Read with the first row: a start reads
  // nothing that may be damaged.
  let greatest: number | undefined
  return {
    remove: (row: Row): void => {
      if (row.place !== places.archived) index.remove(row.rid)
      index.titles.changed(row.id)
      vectors.leave(row.id, row.rid)
      deleteRow(row.rid)
      digest.remove(row.id, row.hash, row.place)
    },
    move: ({ row, to }: Of<"RowMoved">): void => {
      digest.remove(row.id, row.hash, row.place)
      digest.add(row.id, row.hash, to)
      index.titles.changed(row.id)
      writeVisible(to, row.rid)
    },
    /** Under a number that no row had before. */
    insert: ({ place, use, version: { archived, hash, hlc, memory, origin, oseq } }: Of<"RowInserted">): void => {
      index.begin()
      greatest = (greatest ?? greatestKept()?.rid ?? 0) + 1
      insertRow(
        greatest,
        memory.id,
        memory.tier,
        memory.namespace,
        memory.title,
        memory.content,
        JSON.stringify(memory.tags),
        memory.priority,
        memory.confidence,
        memory.source,
        Math.max(memory.access_count, use?.accessCount ?? 0),
        memory.created_at,
        hlc,
        use?.lastAccessedAt ?? memory.last_accessed_at ?? null,
        memory.expires_at ?? null,
        JSON.stringify(memory.metadata ?? {}),
        origin,
        oseq,
        hash,
        place,
        use?.extendedUntil ?? null,
        archived?.at ?? null,
        archived?.reason ?? null,
        carriedText(memory)
      )
      digest.add(memory.id, hash, place)
      vectors.follow(memory, greatest)
      if (place !== places.archived) index.inserted({ rid: greatest, ...textOf(memory) })
    }
  }
}

/** What is indexed of it: not the memory, of which the rest would be kept as well. */
const textOf = ({ content, created_at, id, namespace, tags, title }: Memory.Memory) => ({
  id,
  namespace,
  title,
  content,
  tags,
  created_at
})

const carriedText = (memory: Memory.Memory): string | null => {
  const carried = Memory.carried(memory)
  return Object.keys(carried).length === 0 ? null : JSON.stringify(carried)
}

const makeVersions = (writer: Database.Database, digest: Digest) => {
  const cover = run(writer, "INSERT OR IGNORE INTO covered (memory_id, hlc, origin) VALUES (?, ?, ?)")
  const addConflict = run(
    writer,
    "INSERT OR IGNORE INTO conflicts (memory_id, hlc, origin, oseq, hash) VALUES (?, ?, ?, ?, ?)"
  )
  const deleteConflict = writer.prepare(
    "DELETE FROM conflicts WHERE memory_id = ? AND hlc = ? AND origin = ? RETURNING hash"
  ).pluck()
  const addAlias = makeAlias(writer)
  const addTwin = run(
    writer,
    "INSERT OR IGNORE INTO twins (type, key, hlc, origin, twin_key) VALUES (?, ?, ?, ?, ?)"
  )
  const removeTwin = run(
    writer,
    "DELETE FROM twins WHERE type = ? AND key = ? AND hlc = ? AND origin = ? AND twin_key = ?"
  )
  return {
    key: ({ ref: { hlc, id, origin }, twinKey, type }: Of<"Keyed">): void => {
      addTwin(type, id, hlc, origin, twinKey)
    },
    unkey: ({ ref: { hlc, id, origin }, twinKey, type }: Of<"Unkeyed">): void => {
      removeTwin(type, id, hlc, origin, twinKey)
    },
    cover: ({ hlc, id, origin }: VersionRef): void => {
      cover(id, hlc, origin)
    },
    add: ({ id, version }: Of<"ConflictAdded">): void => {
      const { changes } = addConflict(id, version.hlc, version.origin, version.oseq, version.hash)
      if (changes > 0) digest.add(id, version.hash, digestPlaces.conflict)
    },
    drop: ({ hlc, id, origin }: VersionRef): void => {
      const hash = deleteConflict.get(id, hlc, origin)
      if (typeof hash === "string") digest.remove(id, hash, digestPlaces.conflict)
    },
    alias: addAlias
  }
}

/** Notes which memory an id stands for; of several the newest word holds. */
export const makeAlias = (writer: Database.Database) => {
  const add = run(
    writer,
    `INSERT INTO aliases (id, target, hlc, origin) VALUES (?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET target = excluded.target, hlc = excluded.hlc, origin = excluded.origin
     WHERE (excluded.hlc, excluded.origin) > (hlc, origin)`
  )
  return ({ by, id, target }: Omit<Of<"Aliased">, "_tag">): void => {
    add(id, target, by.hlc, by.origin)
  }
}

const makeObjects = (writer: Database.Database, digest: Digest) => {
  const insert = run(
    writer,
    `INSERT OR IGNORE INTO objects (type, key, hlc, origin, oseq, hash, body, current) VALUES (?, ?, ?, ?, ?, ?, ?, 0)`
  )
  const markEnded = run(writer, "INSERT OR IGNORE INTO ended (type, key, hlc, origin) VALUES (?, ?, ?, ?)")
  const remove = ofEachType((type) =>
    writer.prepare(
      `DELETE FROM objects WHERE type = ${type} AND key = ? AND hlc = ? AND origin = ? RETURNING hash`
    ).pluck()
  )
  const unmark = ofEachType((type) =>
    run(writer, `UPDATE objects SET current = 0 WHERE type = ${type} AND key = ? AND current = 1`)
  )
  const mark = ofEachType((type) =>
    run(writer, `UPDATE objects SET current = 1 WHERE type = ${type} AND key = ? AND hlc = ? AND origin = ?`)
  )
  const gone = (type: ObjectType, { hlc, id, origin }: VersionRef): void => {
    const hash = remove(type).get(id, hlc, origin)
    if (typeof hash === "string") digest.remove(id, hash, digestPlaces.object)
  }
  return {
    remove: gone,
    end: (type: ObjectType, ref: VersionRef): void => {
      markEnded(type, ref.id, ref.hlc, ref.origin)
      gone(type, ref)
    },
    add: ({ oseq, type, version: { body, hash, ref } }: Of<"ObjectAdded">): void => {
      insert(type, ref.id, ref.hlc, ref.origin, oseq, hash, body)
      digest.add(ref.id, hash, digestPlaces.object)
    },
    count: (type: ObjectType, { hlc, id, origin }: VersionRef): void => {
      unmark(type)(id)
      mark(type)(id, hlc, origin)
    }
  }
}
