import type Database from "better-sqlite3"
import * as Schema from "effect/Schema"
import * as Governance from "../../domain/Governance.js"
import { Origin } from "../../domain/ids.js"
import { Metadata } from "../../domain/Memory.js"
import * as Stamp from "../../domain/Stamp.js"
import { Covers, encodeCovers, type Operation, type VersionRef } from "../../replication/Operation.js"
import type { Name } from "../../replication/reissue.js"
import { many, one, run } from "../log/statements.js"
import { refKey } from "../state/Slice.js"

/**
 * What held in a namespace at any time: every version of the entries of standards and of the memories that they point at, with
 * what ended it, and what took it over. So it can be told which policy an operation met that was written then, whenever either
 * arrives.
 */
export interface RuleBook {
  /** Whether anybody ever set a standard that holds for all nodes. */
  readonly isEmpty: () => boolean
  /** The policy of a namespace as of a moment: by what was stamped before it. */
  readonly policyAt: (namespace: string, at: Stamp.Stamp) => Governance.Policy | null
  /** Whether versions of this memory are kept here: it has, or had, a policy, or one operation is about it and about one that has. */
  readonly isStandard: (id: string) => boolean
  /** Whether any is. */
  readonly anyStandard: () => boolean
  /** Whether any policy that is, or was, said that memories end by approval alone. */
  readonly everProtects: () => boolean
  /** Answers whether that is new. */
  readonly note: (entry: Entry) => boolean
  /** Takes out what an operation noted; answers since when that had held. */
  readonly remove: (name: Name) => ReadonlyArray<Stamp.Stamp>
}

/** A version of an entry or of a standard that an operation gives, and those that it ends. */
interface Entry {
  readonly type: "entry" | "standard"
  /** A namespace, or the id of a memory. */
  readonly key: string
  readonly operation: Pick<Operation, "hlc" | "origin" | "oseq">
  readonly gives: Given | null
  readonly covers: ReadonlyArray<VersionRef>
}

/** Of an entry the standard and the parent, of a standard its policy; nothing of one that is archived. */
const Given = Schema.Struct({
  standard_id: Schema.optional(Schema.String),
  parent: Schema.optional(Schema.NullOr(Schema.String)),
  metadata: Schema.optional(Metadata)
})
export type Given = typeof Given.Type

const Row = Schema.Struct({
  hlc: Stamp.Stamp,
  origin: Origin,
  gives: Schema.NullOr(Schema.parseJson(Given)),
  covers: Schema.parseJson(Covers)
})

/** Memories that are looked at, each of which took over the one before. */
const MAX_FOLLOWED = 8

export const make = (writer: Database.Database): RuleBook => {
  const any = writer.prepare("SELECT 1 FROM rule_history WHERE type = 'entry' LIMIT 1")
  const anyKnown = writer.prepare("SELECT 1 FROM rule_history WHERE type = 'standard' LIMIT 1")
  const known = writer.prepare("SELECT 1 FROM rule_history WHERE type = 'standard' AND key = ? LIMIT 1")
  const protecting = writer.prepare(
    `SELECT 1 FROM rule_history
     WHERE type = 'standard' AND json_extract(gives, '$.metadata.governance.delete') = 'approve' LIMIT 1`
  )
  const before = many(
    writer,
    Row,
    "SELECT hlc, origin, gives, covers FROM rule_history WHERE type = ? AND key = ? AND hlc < ? ORDER BY hlc, origin"
  )
  const takerOf = makeTakerOf(writer)
  const insert = run(
    writer,
    `INSERT OR IGNORE INTO rule_history (type, key, hlc, origin, oseq, gives, covers) VALUES (?, ?, ?, ?, ?, ?, ?)`
  )
  const removed = many(
    writer,
    Schema.Struct({ hlc: Stamp.Stamp }),
    "DELETE FROM rule_history WHERE origin = ? AND oseq = ? RETURNING hlc"
  )

  /** The version that counted then: the greatest that nothing had ended. */
  const standing = (type: Entry["type"], key: string, at: Stamp.Stamp): Given | null => {
    const rows = before(type, key, at)
    const ended = new Set(rows.flatMap(({ covers }) => covers.map(([id, hlc, origin]) => refKey({ id, hlc, origin }))))
    return rows.findLast(({ gives, hlc, origin }) => gives !== null && !ended.has(refKey({ id: key, hlc, origin })))
      ?.gives ?? null
  }

  const metadataAt = (id: string, at: Stamp.Stamp): Metadata | null => {
    const followed = new Set<string>()
    for (let next: string | null = id; next !== null && !followed.has(next); next = takerOf(next, at)) {
      const given = standing("standard", next, at)
      if (given !== null) return given.metadata ?? null
      if (followed.add(next).size === MAX_FOLLOWED) break
    }
    return null
  }

  return {
    isEmpty: () => any.get() === undefined,
    isStandard: (id) => known.get(id) !== undefined,
    anyStandard: () => anyKnown.get() !== undefined,
    everProtects: () => protecting.get() !== undefined,
    policyAt: (namespace, at) => {
      const entry = (name: string) => standing("entry", name, at)
      const chain = Governance.chainOf(namespace, (name) => entry(name)?.parent ?? null)
      const standards: Array<Metadata> = []
      for (const name of chain.toReversed()) {
        const id = entry(name)?.standard_id
        const metadata = id === undefined ? null : metadataAt(id, at)
        if (metadata !== null) standards.push(metadata)
      }
      return Governance.resolve(standards)
    },
    note: ({ covers, gives, key, operation: { hlc, origin, oseq }, type }) => {
      const text = gives === null ? null : JSON.stringify(gives)
      return insert(type, key, hlc, origin, oseq, text, encodeCovers(covers)).changes > 0
    },
    remove: ({ origin, oseq }) => removed(origin, oseq).map(({ hlc }) => hlc)
  }
}

/** The memory that had taken another one over as of a moment: by one operation, which ended a version of that and gave it. */
const makeTakerOf = (writer: Database.Database) => {
  const takers = one(
    writer,
    Schema.Struct({ id: Schema.String }),
    `SELECT t.key AS id FROM rule_history e CROSS JOIN rule_history t ON t.origin = e.origin AND t.oseq = e.oseq
     WHERE e.type = 'standard' AND e.key = ? AND e.hlc < ? AND e.covers <> '[]'
       AND t.type = 'standard' AND t.key <> e.key AND t.gives IS NOT NULL
     ORDER BY e.hlc DESC, e.origin DESC LIMIT 1`
  )
  return (id: string, at: Stamp.Stamp): string | null => takers(id, at)?.id ?? null
}
