import type Database from "better-sqlite3"
import * as Schema from "effect/Schema"
import * as Agent from "../../domain/Agent.js"
import type * as Quarantine from "../../domain/Quarantine.js"
import { kinds, type Payload } from "../../replication/kinds.js"
import type { Operation } from "../../replication/Operation.js"
import { ofLog, versionOf } from "../../replication/Payload.js"
import type { Name } from "../../replication/reissue.js"
import type { OpLog } from "../log/OpLog.js"
import { many, run } from "../log/statements.js"
import type { Outcome } from "../state/Slice.js"
import type { State } from "../state/State.js"
import type { Change } from "./changes.js"
import { waiting } from "./rights.js"
import type { RuleBook } from "./RuleBook.js"
import * as Standards from "./standardsNoted.js"
import type { Voids } from "./Voids.js"

interface Parts {
  readonly writer: Database.Database
  readonly log: OpLog
  readonly state: State
}

/** What applying an operation came to, and whether it is applied for the first time, or otherwise than before. */
interface Applied {
  readonly outcome: Outcome
  readonly isNews: boolean
}

/** Keeps what others are judged by. */
export const make = (
  { log, state, writer }: Parts,
  { book, changed, voids }: {
    readonly book: RuleBook
    readonly voids: Voids
    readonly changed: (change: Change) => void
  }
) => {
  const registrations = makeRegistrations(writer)
  const standards = Standards.make(writer, { book, voids, changed })

  const ofMemory = (operation: Operation, payload: Payload, { isNews, outcome }: Applied) => {
    const memory = versionOf(payload)
    if (memory !== undefined && Agent.isTitle(memory)) {
      const agent = memory.title.slice(Agent.titleOf("").length).toLowerCase()
      if (registrations.add(agent, operation)) changed({ _tag: "Registered", agent })
    }
    if (memory !== undefined && "governance" in memory.metadata || book.anyStandard()) {
      standards.ofMemory(operation, memory, payload)
    }
    // Of a decision that counts the memory may have been ended.
    if (isNews) late(operation, payload, outcome === "superseded" || payload.kind === "decision")
  }

  /** Whether a version may be ended is another question once it is here. */
  const late = (operation: Operation, payload: Payload, mayBeEnded: boolean) => {
    const memory = versionOf(payload)
    if (memory === undefined || !book.everProtects()) return
    const ref = { id: memory.id, hlc: operation.hlc, origin: operation.origin }
    const isEnded = mayBeEnded && state.load.isEnded("memory", ref)
    if (isEnded || voids.waitingFor(waiting.memory(memory.id)).length > 0) {
      changed({ _tag: "Late", thing: { type: "memory", id: memory.id } })
    }
  }

  return {
    late,
    note: (operation: Operation, payload: Payload, applied: Applied): void => {
      const news = applied.isNews ? changed : () => {}
      switch (kinds[payload.kind].part) {
        case "memory":
          return ofMemory(operation, payload, applied)
        case "namespace_meta":
          return standards.ofEntry(operation, payload)
        case "vote":
        case "pending":
          return deciding(operation, payload, false).forEach(news)
        case "decision":
          deciding(operation, payload, false).forEach(news)
          return ofMemory(operation, payload, applied)
        case "quarantine":
          for (const selector of selectorsOf(log, operation, payload)) news({ _tag: "Quarantine", selector })
          return
        case "link":
        case "earned":
        case "subscription":
        case "delivery":
          return
      }
    },
    remove: (operation: Operation, payload: Payload): void => {
      for (const since of book.remove(operation)) changed({ _tag: "Rule", since })
      for (const { agent } of registrations.remove(operation)) changed({ _tag: "Registered", agent })
      deciding(operation, payload, true).forEach(changed)
    }
  }
}

/** What an action, a vote or a decision that came, or is gone, has to do with. */
const deciding = (operation: Operation, payload: Payload, isGone: boolean): ReadonlyArray<Change> => {
  const action: Change = { _tag: "Action", id: operation.entity }
  switch (kinds[payload.kind].part) {
    case "vote":
      return [action]
    case "pending":
      return [action, approved(operation, payload, isGone)]
    case "decision":
      return [approved(operation, payload, isGone)]
    default:
      return []
  }
}

/** What ends the memory may have its approval now, or has it no longer. */
const approved = ({ entity }: Operation, payload: Payload, isLess: boolean): Change => ({
  _tag: "Approved",
  id: entity,
  memory: payload.kind === "pending" ? payload.action.memory_id : null,
  isLess
})

/** The operations that registered agents. */
const makeRegistrations = (writer: Database.Database) => {
  const add = run(writer, "INSERT OR IGNORE INTO registrations (agent, origin, oseq) VALUES (?, ?, ?)")
  const removed = many(
    writer,
    Schema.Struct({ agent: Schema.String }),
    "DELETE FROM registrations WHERE origin = ? AND oseq = ? RETURNING agent"
  )
  return {
    /** Answers whether that is new. */
    add: (agent: string, { origin, oseq }: Name): boolean => add(agent, origin, oseq).changes > 0,
    remove: ({ origin, oseq }: Name) => removed(origin, oseq)
  }
}

/** What is set aside by the operation, and by those that it ends. */
const selectorsOf = (log: OpLog, operation: Operation, payload: Payload): ReadonlyArray<Quarantine.Selector> => {
  const ended = operation.covers.flatMap(({ hlc, origin }) => {
    const of = log.quarantine(origin, hlc)
    const given = of === null ? null : ofLog(of)
    return given?.kind === "quarantine" ? [given.quarantine] : []
  })
  return payload.kind === "quarantine" ? [payload.quarantine, ...ended] : ended
}
