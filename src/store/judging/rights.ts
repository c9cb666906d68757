import type Database from "better-sqlite3"
import * as Arr from "effect/Array"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Agent from "../../domain/Agent.js"
import * as Governance from "../../domain/Governance.js"
import type * as Memory from "../../domain/Memory.js"
import type * as PendingAction from "../../domain/PendingAction.js"
import * as Quarantine from "../../domain/Quarantine.js"
import { kinds, type Payload } from "../../replication/kinds.js"
import type { Operation, VersionRef } from "../../replication/Operation.js"
import { versionOf, writersOf } from "../../replication/Payload.js"
import { many, one } from "../log/statements.js"
import * as Versions from "../log/versions.js"
import type { Load } from "../state/load.js"
import * as Actions from "./actions.js"
import type { RuleBook } from "./RuleBook.js"

/** What an operation may do, by everything else that is held. */
export interface Verdict {
  /** Why it has no effect, or not all of it; null where nothing speaks against it. */
  readonly why: string | null
  /** Whether nothing of it has an effect; else it ends fewer versions than it says. */
  readonly isVoid: boolean
  /** The versions that it may end. */
  readonly covers: ReadonlyArray<VersionRef>
  /** What may come, and change that: see `waiting`. */
  readonly waitsFor: string
}

/** What waits for several things has their names, with this between them. */
export const BETWEEN = "\n"

/** The names of what judgements wait for. */
export const waiting = {
  quarantine: "quarantine",
  agent: (id: string) => `agent ${id.toLowerCase()}`,
  action: (id: string) => `action ${id}`,
  memory: (id: string) => `memory ${id}`,
  /** Any of them. */
  memories: (ids: Iterable<string>) => Array.from(ids, waiting.memory).join(BETWEEN),
  nothing: ""
}

/** The judge of single operations. It looks at what is held, and changes nothing. */
export interface Rights {
  readonly of: (operation: Operation, payload: Payload) => Verdict
  /** Whether a memory ends by approval alone, as of a moment, and nobody approved it. */
  readonly isKept: (memory: Pick<Memory.Memory, "id" | "namespace">, at: Operation["hlc"]) => boolean
  /** Whether a decision of that moment counts, by whom and by what it is. */
  readonly mayDecide: (decision: PendingAction.Decision, at: Operation["hlc"]) => boolean
}

/*
 * Each verdict is to follow from what is stamped before the operation, from what an action says that is stamped after its decision, and
 * from quarantines, which nothing else is judged by; a registration that is no decision's counts whenever it is stamped. Where that
 * holds no two verdicts depend on each other: there is one set of them, whatever came first, and judging anew comes to an end.
 */

const Found = Schema.Struct({ found: Schema.Int })
const BodyRow = Schema.Struct({ body: Schema.String })

export const make = (writer: Database.Database, { book, load }: {
  readonly book: RuleBook
  readonly load: Load
}): Rights => {
  const quarantines = makeQuarantines(writer)
  const actions = Actions.make(writer, { book, load, quarantines })
  const endings = makeEndings(writer, { book, isApproved: actions.isApproved })
  // What a decision stores has its votes before it.
  const registered = one(
    writer,
    Found,
    `SELECT 1 AS found FROM registrations r LEFT JOIN oplog o ON o.origin = r.origin AND o.oseq = r.oseq
     WHERE r.agent = ? AND (o.kind IS NOT 'decision' OR o.hlc < ?) LIMIT 1`
  )

  return {
    isKept: endings.isKept,
    mayDecide: (decision, at) => actions.ofDecision(at, decision) === null,
    of: (operation, payload) => {
      const { covers } = operation
      const set = quarantines(operation, payload)
      const whole = (why: string, waitsFor: string): Verdict => ({ why, waitsFor, isVoid: true, covers: [] })
      if (set !== null) return whole(`quarantined by ${set.id}`, waiting.quarantine)
      switch (payload.kind) {
        case "vote": {
          const agent = payload.vote.agent_id
          if (registered(agent.toLowerCase(), operation.hlc) === null) {
            return whole("its agent is not registered", waiting.agent(agent))
          }
          return { why: null, isVoid: false, covers, waitsFor: waiting.nothing }
        }
        case "pending": {
          const why = actions.ofPending(operation, payload.action)
          return why === null ? { why, isVoid: false, covers, waitsFor: waiting.nothing } : whole(why, waiting.nothing)
        }
        case "decision": {
          const why = actions.ofDecision(operation.hlc, payload.decision)
          if (why !== null) return whole(why, waiting.action(operation.entity))
          const verdict = endings.of(operation, payload)
          const waitsFor = [verdict.waitsFor, waiting.action(operation.entity)].join(BETWEEN)
          return verdict.why === null ? verdict : { ...verdict, waitsFor }
        }
        default: {
          const memory = versionOf(payload)
          return memory !== undefined && Agent.isOfAnother(memory)
            ? whole("it registers another agent than it names", waiting.nothing)
            : endings.of(operation, payload)
        }
      }
    }
  }
}

/** The quarantine that sets an operation aside, if one does. */
const makeQuarantines = (writer: Database.Database) => {
  const bodies = many(
    writer,
    BodyRow,
    "SELECT body FROM objects WHERE type = 'quarantine' AND current = 1 ORDER BY key"
  )
  return (operation: Operation, payload: Payload): Quarantine.Quarantine | null => {
    if (payload.kind === "quarantine" || payload.kind === "release") return null
    const rows = bodies()
    if (rows.length === 0) return null
    const written = { origin: operation.origin, hlc: operation.hlc, agents: writersOf(operation, payload) }
    for (const { body } of rows) {
      const quarantine = read(Quarantine.decode, body)
      if (Quarantine.matches(quarantine, written)) return quarantine
    }
    return null
  }
}

/** Ends of memories in namespaces where that takes an approval. */
const makeEndings = (writer: Database.Database, { book, isApproved }: {
  readonly book: RuleBook
  readonly isApproved: Actions.Actions["isApproved"]
}) => {
  const versions = Versions.make(writer)

  const isKept: Rights["isKept"] = ({ id, namespace }, at) => {
    if (book.isEmpty()) return false
    const policy = book.policyAt(namespace, at)
    return policy !== null && Governance.levelOf(policy, "delete") === "approve" && !isApproved(id, at)
  }

  const versionAt = (ref: VersionRef) => {
    const given = versions.ofMemory(ref)
    return given === null ? null : { hlc: ref.hlc, ...given }
  }

  /** Whether an operation may not end this memory. What it knows of its versions decides: the newest. */
  const isBeyond = (operation: Operation, own: Memory.Memory | undefined, refs: ReadonlyArray<VersionRef>): boolean => {
    const newest = refs.flatMap((ref) => versionAt(ref) ?? []).reduce<ReturnType<typeof versionAt>>(
      (best, each) => best === null || each.hlc > best.hlc ? each : best,
      null
    )
    if (newest === null || newest.isArchived) return false
    const { expires_at: until, id, namespace, title } = newest.memory
    if (until !== undefined && until <= operation.hlc) return false
    // What is consolidated within its namespace is in another memory of it, under the same rules.
    const isSame = own?.namespace === namespace && (operation.kind === "consolidate" || own.title === title)
    if (isSame) return false
    return isKept({ id, namespace }, operation.hlc)
  }

  return {
    isKept,
    of: (operation: Operation, payload: Payload): Verdict => {
      const { covers } = operation
      const free: Verdict = { why: null, isVoid: false, covers, waitsFor: waiting.nothing }
      const { part } = kinds[payload.kind]
      if (covers.length === 0 || (part !== "memory" && part !== "decision") || book.isEmpty()) return free
      const own = versionOf(payload)
      const kept = new Set(
        Object.entries(Arr.groupBy(covers, ({ id }) => id))
          .filter(([id, refs]) => id !== own?.id && isBeyond(operation, own, refs))
          .map(([id]) => id)
      )
      if (kept.size === 0) return free
      const left = covers.filter(({ id }) => !kept.has(id))
      const why = "it ends what may be deleted by approval alone"
      return { why, covers: left, isVoid: own === undefined && left.length === 0, waitsFor: waiting.memories(kept) }
    }
  }
}

/** What stands in the tables was checked before it came in. */
const read = <A, E>(decode: (value: unknown) => Either.Either<A, E>, body: string): A =>
  Either.getOrThrow(decode(JSON.parse(body)))
