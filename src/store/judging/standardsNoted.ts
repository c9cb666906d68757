import type Database from "better-sqlite3"
import type { Memory, Metadata } from "../../domain/Memory.js"
import type { Payload } from "../../replication/kinds.js"
import type { Operation, VersionRef } from "../../replication/Operation.js"
import { ofLog, versionOf } from "../../replication/Payload.js"
import { formerNames } from "../../replication/reissue.js"
import { fromRow, LogRow } from "../log/OpLog.js"
import { many } from "../log/statements.js"
import type { Change } from "./changes.js"
import type { Rights } from "./rights.js"
import type { Given, RuleBook } from "./RuleBook.js"

/** Keeps what held in namespaces: what operations say of the entries of standards, and of the memories that these point at. */
export const make = (writer: Database.Database, { book, changed, rights }: {
  readonly book: RuleBook
  readonly rights: Rights
  readonly changed: (change: Change) => void
}) => {
  const versions = many(
    writer,
    LogRow,
    `SELECT * FROM oplog WHERE (entity = ? OR instr(covers, ?) > 0)
       AND kind IN ('store', 'archive', 'restore', 'consolidate', 'delete', 'decision')`
  )
  const others = writer.prepare(
    `SELECT 1 FROM covered WHERE memory_id = ? UNION ALL SELECT 1 FROM conflicts WHERE memory_id = ? LIMIT 1`
  )
  /** What the log has of it beside the operation, which nobody had to know before. */
  const earlier = (id: string) => others.get(id, id) === undefined ? [] : versions(id, JSON.stringify(id))

  const ofMemory = (operation: Operation, memory: Memory | undefined, payload: Payload) => {
    const isLive = payload.kind !== "archive"
    const governs = memory !== undefined && "governance" in memory.metadata
    const ids = new Set(operation.covers.map(({ id }) => id))
    if (memory !== undefined) ids.add(memory.id)
    for (const id of ids) {
      const isKnown = book.isStandard(id)
      if (!isKnown && !(governs && id === memory.id)) continue
      const covers = operation.covers.filter((ref) => ref.id === id)
      const gives = memory?.id === id ? givenBy(memory, isLive) : null
      const isNew = book.note({ type: "standard", key: id, operation, gives, covers })
      // Its other versions were none of anybody's business before.
      if (!isKnown) { for (const row of earlier(id)) noteEarlier(fromRow(row), id) }
      if (isNew) changed({ _tag: "Rule", since: operation.hlc })
    }
  }

  const noteEarlier = (operation: Operation, id: string) => {
    const payload = ofLog(operation)
    const verdict = rights.of(operation, payload)
    if (verdict.isVoid) return
    const memory = versionOf(payload)
    const covers = verdict.covers.filter((ref) => ref.id === id)
    const gives = memory?.id === id ? givenBy(memory, payload.kind !== "archive") : null
    book.note({ type: "standard", key: id, operation, gives, covers })
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

const givenBy = ({ metadata }: Memory, isLive: boolean): Given => isLive ? { metadata: governanceOf(metadata) } : {}

const governanceOf = (metadata: Metadata): Metadata =>
  "governance" in metadata ? { governance: metadata["governance"] } : {}
