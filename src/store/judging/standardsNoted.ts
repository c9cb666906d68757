import type Database from "better-sqlite3"
import type { Memory, Metadata } from "../../domain/Memory.js"
import type { Payload } from "../../replication/kinds.js"
import type { Operation, VersionRef } from "../../replication/Operation.js"
import { ofLog, versionOf } from "../../replication/Payload.js"
import { formerNames } from "../../replication/reissue.js"
import { fromRow, LogRow } from "../log/OpLog.js"
import { many } from "../log/statements.js"
import type { Change } from "./changes.js"
import type { Given, RuleBook } from "./RuleBook.js"
import type { Voids } from "./Voids.js"

/** What became of noting an operation. */
interface Noted {
  readonly isNew: boolean
  /** The memories of which nothing was kept before. */
  readonly unknown: ReadonlyArray<string>
}

/** Keeps what held in namespaces: what operations say of the entries of standards, and of the memories that these point at. */
export const make = (writer: Database.Database, { book, changed, voids }: {
  readonly book: RuleBook
  readonly voids: Voids
  readonly changed: (change: Change) => void
}) => {
  const earlier = makeEarlier(writer)
  const noteAll = makeNoteAll(book)

  const ofMemory = (operation: Operation, memory: Memory | undefined, payload: Payload) => {
    const { isNew, unknown } = noteAll(operation, memory, payload)
    // What else the log has of them was none of anybody's business before.
    for (let rows = earlier(unknown); rows.length > 0;) rows = earlier(rows.flatMap((row) => noteEarlier(fromRow(row))))
    if (isNew) changed({ _tag: "Rule", since: operation.hlc })
  }

  /** Answers the memories that are kept here from now on. */
  const noteEarlier = (operation: Operation): ReadonlyArray<string> => {
    const payload = ofLog(operation)
    const covers = voids.allowedOf(operation)
    return covers === null ? [] : noteAll({ ...operation, covers }, versionOf(payload), payload).unknown
  }

  const ofEntry = (operation: Operation, payload: Payload) => {
    const covers: ReadonlyArray<VersionRef> = operation.covers.slice(formerNames(operation).length)
    const noted = (isNew: boolean) => {
      if (isNew) changed({ _tag: "Rule", since: operation.hlc })
    }
    const common = { type: "entry", key: operation.entity, operation, covers } as const
    if (payload.kind === "namespace_meta") {
      const { advisory, parent_namespace: parent, standard_id } = payload.meta
      const binds = operation.format !== 1 && advisory !== true
      noted(book.note({ ...common, gives: { parent, ...binds ? { standard_id } : {} } }))
    } else noted(book.note({ ...common, gives: null }))
  }

  return { ofMemory, ofEntry }
}

/** What the log has of memories. Of most that is one operation, which nobody has to look up. */
const makeEarlier = (writer: Database.Database) => {
  const versions = many(
    writer,
    LogRow,
    `WITH ids (id) AS (SELECT value FROM json_each(?))
     SELECT * FROM oplog
     WHERE (kind IN ('store', 'archive', 'restore', 'consolidate', 'delete') AND entity IN (SELECT id FROM ids))
       OR (kind = 'decision' AND json_extract(body, '$.memory.id') IN (SELECT id FROM ids))
       OR (kind IN ('store', 'archive', 'restore', 'consolidate', 'delete', 'decision') AND covers <> '[]'
         AND EXISTS (SELECT 1 FROM ids WHERE instr(covers, json_quote(id)) > 0))`
  )
  const others = writer.prepare(
    `SELECT 1 FROM covered WHERE memory_id = ? UNION ALL SELECT 1 FROM conflicts WHERE memory_id = ? LIMIT 1`
  )
  return (ids: ReadonlyArray<string>) => {
    const several = ids.filter((id) => others.get(id, id) !== undefined)
    return several.length === 0 ? [] : versions(JSON.stringify(several))
  }
}

/**
 * Notes all memories that an operation is about, if it gives one of them a policy, or any of them is kept here: one may stand
 * for another from then on.
 */
const makeNoteAll = (book: RuleBook) => (operation: Operation, memory: Memory | undefined, payload: Payload): Noted => {
  const ids = new Set(operation.covers.map(({ id }) => id))
  if (memory !== undefined) ids.add(memory.id)
  const unknown = [...ids].filter((id) => !book.isStandard(id))
  const governs = memory !== undefined && "governance" in memory.metadata
  if (!governs && unknown.length === ids.size) return { isNew: false, unknown: [] }
  const news = [...ids].map((id) => {
    const covers = operation.covers.filter((ref) => ref.id === id)
    const gives = memory?.id === id ? givenBy(memory, payload.kind !== "archive") : null
    return book.note({ type: "standard", key: id, operation, gives, covers })
  })
  return { isNew: news.includes(true), unknown }
}

const givenBy = ({ metadata }: Memory, isLive: boolean): Given => isLive ? { metadata: governanceOf(metadata) } : {}

const governanceOf = (metadata: Metadata): Metadata =>
  "governance" in metadata ? { governance: metadata["governance"] } : {}
