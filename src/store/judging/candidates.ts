import type Database from "better-sqlite3"
import * as Schema from "effect/Schema"
import { Origin } from "../../domain/ids.js"
import * as Quarantine from "../../domain/Quarantine.js"
import type * as Stamp from "../../domain/Stamp.js"
import { ofLog, writersOf } from "../../replication/Payload.js"
import type { Name } from "../../replication/reissue.js"
import { fromRow, LogRow, type OpLog } from "../log/OpLog.js"
import { many } from "../log/statements.js"
import type { Steps } from "../log/Steps.js"
import type { Change } from "./changes.js"
import { waiting } from "./rights.js"
import type { Voids } from "./Voids.js"

interface Parts {
  readonly writer: Database.Database
  readonly log: OpLog
}

const NameRow = Schema.Struct({ origin: Origin, oseq: Schema.Int })
const PlacedRow = Schema.Struct({ lsn: Schema.Int, ...NameRow.fields })
const EntityRow = Schema.Struct({ body: Schema.String })

/** Operations of the log that are looked at in one go. */
const PAGE = 512

/** The operations that may be judged otherwise after a change. */
export const make = ({ log, writer }: Parts, voids: Voids) => {
  const ofRule = laterThan(writer)
  const ofQuarantine = writtenBy(writer, log)
  const ofEnding = ending(writer, log)
  // Of the log: one that another has ended is no object any more, and is judged all the same.
  const votes = many(
    writer,
    NameRow,
    "SELECT origin, oseq FROM oplog WHERE kind = 'vote' AND lower(json_extract(body, '$.agent_id')) = ?"
  )
  const decisions = many(writer, NameRow, "SELECT origin, oseq FROM objects WHERE type = 'decision' AND key = ?")
  const deletes = many(writer, NameRow, "SELECT origin, oseq FROM oplog WHERE kind = 'delete' AND entity = ?")
  // Of the log: one that is void now is no object any more.
  const actions = many(
    writer,
    EntityRow,
    "SELECT body FROM oplog WHERE kind = 'pending' AND entity = ? AND body IS NOT NULL"
  )
  function* ofApproved({ id, isLess, memory: known }: Extract<Change, { readonly _tag: "Approved" }>) {
    // One of them counts. What the others ask for had the approval until that came, or has it once that goes.
    const asked = actions(id)
    const memories = new Set([known, ...asked.map(({ body }) => memoryOf(body))])
    const mayBeLess = isLess || asked.length > 1 || decisions(id).length > 1
    const names: Array<Name> = []
    for (const memory of memories) {
      if (memory === null) continue
      names.push(...voids.waitingFor(waiting.memory(memory)), ...deletes(memory))
      // Whatever else ended it did so by an approval that counted: where none can have been taken back, that still does.
      if (mayBeLess) names.push(...yield* ofEnding(memory))
    }
    return names
  }

  return function*(change: Exclude<Change, { readonly _tag: "Late" }>): Steps<ReadonlyArray<Name>> {
    switch (change._tag) {
      case "Rule":
        return change.since >= log.newest() ? [] : yield* ofRule(change.since)
      case "Registered":
        return [...voids.waitingFor(waiting.agent(change.agent)), ...votes(change.agent)]
      case "Action":
        return [...voids.waitingFor(waiting.action(change.id)), ...decisions(change.id)]
      case "Approved":
        return yield* ofApproved(change)
      case "Quarantine":
        return yield* ofQuarantine(change.selector)
    }
  }
}

const ActionBody = Schema.parseJson(Schema.Struct({ memory_id: Schema.NullOr(Schema.String) }))
const memoryOf = (body: string): string | null => Schema.decodeSync(ActionBody)(body).memory_id

/** What is judged by the rules of namespaces, and stamped later than that. */
const laterThan = (writer: Database.Database) => {
  const later = many(
    writer,
    PlacedRow,
    `SELECT lsn, origin, oseq FROM oplog WHERE lsn > ? AND hlc > ? AND (kind IN ('pending', 'decision')
       OR (covers <> '[]' AND kind IN ('store', 'delete', 'archive', 'restore', 'consolidate')))
     ORDER BY lsn LIMIT ${PAGE}`
  )

  return function*(since: Stamp.Stamp): Steps<ReadonlyArray<Name>> {
    const found: Array<Name> = []
    for (let rows = later(0, since); rows.length > 0; rows = later(rows.at(-1)?.lsn ?? 0, since)) {
      found.push(...rows)
      yield rows.length
    }
    return found
  }
}

/** What ends versions of a memory, whatever else it is about. */
const ending = (writer: Database.Database, log: OpLog) => {
  const page = many(
    writer,
    NameRow,
    `SELECT origin, oseq FROM oplog WHERE lsn > ? AND lsn <= ? AND covers <> '[]' AND instr(covers, ?) > 0
       AND kind IN ('store', 'delete', 'archive', 'restore', 'consolidate', 'decision')
     ORDER BY lsn`
  )
  return function*(memory: string): Steps<ReadonlyArray<Name>> {
    const end = log.position()
    const found: Array<Name> = []
    for (let from = 0; from < end; from += PAGE) {
      found.push(...page(from, from + PAGE, JSON.stringify(memory)))
      yield 0
    }
    return found
  }
}

/** What was written by whom a quarantine names. */
const writtenBy = (writer: Database.Database, log: OpLog) => {
  const page = many(
    writer,
    LogRow,
    `SELECT * FROM oplog WHERE lsn > ? AND lsn <= ? AND hlc >= ? AND hlc <= ? AND (? = '' OR origin = ?)
       AND (? = '' OR origin LIKE ? ESCAPE '\\')
       -- More than those that name the agent: which do, their payloads tell.
       AND (? = '' OR agent = ? OR instr(body, ?) > 0)
     ORDER BY lsn`
  )

  return function*(selector: Quarantine.Selector): Steps<ReadonlyArray<Name>> {
    const { agent = "", origin = "", peer = "", since = "", until = LATEST } = selector
    const like = `${peer.replace(/[\\%_]/g, "\\$&")}/%`
    const end = log.position()
    const found: Array<Name> = []
    for (let from = 0; from < end; from += PAGE) {
      for (
        const row of page(
          from,
          from + PAGE,
          since,
          until,
          origin,
          origin,
          peer,
          like,
          agent,
          agent,
          JSON.stringify(agent)
        )
      ) {
        const operation = fromRow(row)
        const written = { origin: row.origin, hlc: row.hlc, agents: writersOf(operation, ofLog(operation)) }
        if (Quarantine.matches(selector, written)) found.push(operation)
        yield row.body?.length ?? 0
      }
      yield 0
    }
    return found
  }
}

/** Greater than any stamp. */
const LATEST = "~"
