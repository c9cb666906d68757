import type Database from "better-sqlite3"
import * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import { kinds, type Part, type Payload } from "../../replication/kinds.js"
import type { Operation } from "../../replication/Operation.js"
import { ofLog } from "../../replication/Payload.js"
import type { Name } from "../../replication/reissue.js"
import { asEnding } from "../../replication/Stub.js"
import { memoryIdOf } from "../deciding/governed.js"
import { fromRow, LogRow, type OpLog, VersionRow } from "../log/OpLog.js"
import { many, one, run } from "../log/statements.js"
import type { Steps } from "../log/Steps.js"
import { fromRow as fromStub, StubRow } from "../log/Stubs.js"
import type { State } from "../state/State.js"
import { keyOf, type Thing, touchedBy } from "./touching.js"

/** Operations of the log that are looked at in one go. */
const PAGE = 512

const Use = Schema.Struct({
  access_count: Schema.Int,
  last_accessed_at: Schema.NullOr(Schema.String),
  extended_until: Schema.NullOr(Schema.String)
})

interface Parts {
  readonly writer: Database.Database
  readonly log: OpLog
  readonly state: State
  readonly apply: (operation: Operation, payload: Payload) => unknown
}

/**
 * Makes the state of things anew from the log: what is known of them is taken out, and every operation that touches one of them
 * is applied again, as far as it has the right. On all else that those touch they change nothing, as always.
 */
export const make = (parts: Parts) => {
  const { apply, log, state, writer } = parts
  const clear = clearing(parts)
  const find = finding(writer, log)
  const setUse = run(
    writer,
    "UPDATE memories SET access_count = max(access_count, ?), last_accessed_at = ?, extended_until = ? WHERE id = ?"
  )
  // Few: they are of what this node may not see, and end what it may.
  const stubs = many(writer, StubRow, "SELECT * FROM withheld WHERE ends IS NOT NULL")

  return function*(given: ReadonlyArray<Thing>): Steps<void> {
    const { things, uses } = yield* clear(given)
    const found = yield* find(things)
    for (const row of stubs()) {
      const ending = asEnding(fromStub(row))
      if (ending !== null && touches(things, ending.operation, ending.payload)) {
        state.apply(ending.operation, ending.payload)
      }
      yield 0
    }
    for (const part of ORDER) {
      for (const name of found.get(part) ?? []) {
        const operation = log.at(name)
        if (operation === null) throw new Error(`the log is damaged: it has no ${name.origin} ${name.oseq}`)
        apply(operation, ofLog(operation))
        yield operation.body?.length ?? 0
      }
    }
    for (const [id, { access_count, extended_until, last_accessed_at }] of uses) {
      setUse(access_count, last_accessed_at, extended_until, id)
    }
  }
}

/** By their keys. */
type Things = ReadonlyMap<string, Thing>

const touches = (things: Things, operation: Operation, payload: Payload): boolean =>
  touchedBy(operation, payload).some((thing) => things.has(keyOf(thing)))

/** Takes out what is known of things; answers all that it took out, and how memories were used on this node. */
const clearing = ({ log, state, writer }: Parts) => {
  const rowOf = one(writer, VersionRow.pick("origin", "oseq"), "SELECT origin, oseq FROM memories WHERE id = ?")
  const useOf = one(writer, Use, "SELECT access_count, last_accessed_at, extended_until FROM memories WHERE id = ?")

  /** All versions of it. What gave the one that counted is to be applied again as well. */
  const clearMemory = (id: string): ReadonlyArray<Thing> => {
    state.clear.memory(id)
    const row = rowOf(id)
    if (row === null) return []
    const operation = log.at(row)
    if (operation === null) throw new Error(`the log is damaged: it has not the version of ${id}`)
    state.withdraw(operation, ofLog(operation))
    return kinds[operation.kind].part === "decision" ? [{ type: "decision", id: operation.entity }] : []
  }

  const withGiven = (thing: Thing): ReadonlyArray<Thing> =>
    thing.type === "decision" ? [thing, { type: "memory", id: memoryIdOf(thing.id) }] : [thing]

  return function*(given: ReadonlyArray<Thing>) {
    const things = new Map(given.flatMap(withGiven).map((thing) => [keyOf(thing), thing]))
    const uses = new Map<string, typeof Use.Type>()
    // What is added on the way is cleared as well.
    for (const { id, type } of things.values()) {
      if (type === "memory") {
        const use = useOf(id)
        if (use !== null) uses.set(id, use)
        for (const more of clearMemory(id)) things.set(keyOf(more), more)
      } else state.clear.object(type, id)
      yield 0
    }
    return { things, uses }
  }
}

/** The operations of the log that touch things, by the part of the state that they change. */
const finding = (writer: Database.Database, log: OpLog) => {
  // Which ids are looked for. Most operations end nothing, and are about something else.
  writer.exec("CREATE TEMP TABLE IF NOT EXISTS made_anew (id TEXT PRIMARY KEY) WITHOUT ROWID")
  const forget = run(writer, "DELETE FROM made_anew")
  const lookFor = run(writer, "INSERT OR IGNORE INTO made_anew (id) VALUES (?)")
  const page = many(
    writer,
    LogRow,
    `SELECT * FROM oplog WHERE lsn > ? AND lsn <= ?
       AND (covers <> '[]' OR kind = 'decision' OR entity IN (SELECT id FROM made_anew)) ORDER BY lsn`
  )
  return function*(things: Things): Steps<ReadonlyMap<Part, ReadonlyArray<Name>>> {
    const ids = new Set(Array.from(things.values(), ({ id }) => id))
    forget()
    for (const id of ids) lookFor(id)
    const found = new Map<Part, Array<Name>>()
    const end = log.position()
    for (let from = 0; from < end; from += PAGE) {
      for (const row of page(from, from + PAGE)) {
        const operation = fromRow(row)
        if (!mayTouch(ids, operation) || !touches(things, operation, ofLog(operation))) continue
        const { kind, origin, oseq } = operation
        const names = found.get(kinds[kind].part) ?? []
        names.push({ origin, oseq })
        found.set(kinds[kind].part, names)
        yield row.body?.length ?? 0
      }
      yield 0
    }
    return found
  }
}

/** What others are judged by comes before those. */
const IN_ORDER: { readonly [P in Part]: true } = {
  quarantine: true,
  namespace_meta: true,
  pending: true,
  vote: true,
  decision: true,
  memory: true,
  link: true,
  earned: true,
  subscription: true,
  delivery: true
}
const ORDER = Struct.keys(IN_ORDER)

/** Whether that has to be looked at: what a decision stores has an id that follows from its own. */
const mayTouch = (ids: ReadonlySet<string>, { covers, entity, kind }: Operation): boolean =>
  ids.has(entity) || covers.some(({ id }) => ids.has(id)) || (kind === "decision" && ids.has(memoryIdOf(entity)))
