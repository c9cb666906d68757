import type Database from "better-sqlite3"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { isDeepStrictEqual } from "node:util"
import * as Governance from "../../domain/Governance.js"
import * as Memory from "../../domain/Memory.js"
import * as PendingAction from "../../domain/PendingAction.js"
import type * as Quarantine from "../../domain/Quarantine.js"
import { validateMemory } from "../../domain/validate.js"
import type { Payload } from "../../replication/kinds.js"
import type { Operation, VersionRef } from "../../replication/Operation.js"
import { ofLog } from "../../replication/Payload.js"
import { distinct, memoryIdOf } from "../deciding/governed.js"
import { fromRow, LogRow } from "../log/OpLog.js"
import { many, one } from "../log/statements.js"
import type { Load } from "../state/load.js"
import type { ObjectVersion } from "../state/Slice.js"
import type { RuleBook } from "./RuleBook.js"

/** What is asked for, and what was decided about it. It looks at what is held, and changes nothing. */
export interface Actions {
  /** Why an action does not count; null where it does. */
  readonly ofPending: (operation: Operation, action: PendingAction.Valid) => string | null
  /** Why a decision of that moment does not count; null where it does. */
  readonly ofDecision: (at: Operation["hlc"], decision: PendingAction.Decision) => string | null
  /** Whether somebody approved by then that a memory is deleted. */
  readonly isApproved: (id: string, at: Operation["hlc"]) => boolean
}

const KeyRow = Schema.Struct({ key: Schema.String })
const FormatRow = Schema.Struct({ format: Schema.Int })

interface Parts {
  readonly book: RuleBook
  readonly load: Load
  readonly quarantines: (operation: Operation, payload: Payload) => Quarantine.Quarantine | null
}

export const make = (writer: Database.Database, parts: Parts): Actions => {
  const { book, load } = parts
  const { decidedAt, whyNot } = makeAsked(writer, parts)
  const formatAt = one(
    writer,
    FormatRow,
    "SELECT format FROM oplog WHERE kind = 'pending' AND entity = ? AND hlc = ? AND origin = ?"
  )
  // Also those that are void: whether one counts is a matter of when it was decided.
  const deletions = many(
    writer,
    KeyRow,
    `SELECT DISTINCT entity AS key FROM oplog WHERE kind = 'pending' AND json_extract(body, '$.memory_id') = ?
       AND json_extract(body, '$.action_type') = 'delete'`
  )

  /** What the decision that counts has approved by then, if it has. */
  const approvedBy = (id: string, at: Operation["hlc"]): PendingAction.PendingAction | null => {
    const [first] = load.objects("decision", id)
    if (first === undefined || first.ref.hlc > at) return null
    if (!read(PendingAction.decodeDecision, first.body).approved) return null
    return decidedAt(id, first.ref.hlc)?.action ?? null
  }

  const isApproved = (id: string, at: Operation["hlc"]): boolean =>
    deletions(id).some(({ key }) => {
      const action = approvedBy(key, at)
      return action !== null && action.action_type === "delete" && action.memory_id === id
    })

  const ofPending = ({ format, hlc }: Operation, action: PendingAction.Valid): string | null =>
    whyNot(hlc, format, action)

  const ofDecision = (at: Operation["hlc"], decision: PendingAction.Decision): string | null => {
    if (!decision.approved) return null
    const found = decidedAt(decision.id, at)
    if (found === null) return decision.memory === undefined ? null : "what it decides about is not known"
    const { hlc, origin } = found.ref
    if (formatAt(decision.id, hlc, origin)?.format === 1) return null
    const approver = found.action.approver ?? approverAt(book, found, hlc < at ? hlc : at) ?? "human"
    const votes = load.objects("vote", decision.id).filter(({ ref }) => ref.hlc <= at)
    return notBy(approver, decision, votes) ?? notOf(found.action, decision)
  }

  return { ofPending, ofDecision, isApproved }
}

/** What was asked for, as of a moment. */
const makeAsked = (writer: Database.Database, { book, load, quarantines }: Parts) => {
  const logged = many(
    writer,
    LogRow,
    "SELECT * FROM oplog WHERE kind = 'pending' AND entity = ? AND hlc > ? AND body IS NOT NULL ORDER BY hlc, origin"
  )
  /** Why an action that is asked for at that moment does not count. */
  const whyNot = (
    at: Operation["hlc"],
    format: Operation["format"],
    { approver, action_type, namespace }: PendingAction.Valid
  ): string | null => {
    if (format === 1 || approver === undefined || book.isEmpty()) return null
    const policy = book.policyAt(namespace, at)
    if (policy === null || Governance.levelOf(policy, action_type) !== "approve") return null
    return isDeepStrictEqual(approver, policy.approver) ? null : "it names an approver that the namespace does not have"
  }

  /** What was asked for last, as of a moment. */
  const askedBy = (id: string, at: Operation["hlc"]): Queued | null => {
    const queued = load.objects("pending", id).findLast(({ ref }) => ref.hlc <= at)
    return queued === undefined ? null : { ref: queued.ref, action: read(PendingAction.decode, queued.body) }
  }

  /**
   * What was asked for first after a moment, and would count then: a clock that was wrong once may have stamped an action after its
   * decision, and a node of the original may tell it after that.
   */
  const askedAfter = (id: string, at: Operation["hlc"]): Queued | null => {
    for (const row of logged(id, at)) {
      const operation = fromRow(row)
      const payload = ofLog(operation)
      if (payload.kind !== "pending" || quarantines(operation, payload) !== null) continue
      if (whyNot(at, operation.format, payload.action) !== null) continue
      return { ref: { id, hlc: operation.hlc, origin: operation.origin }, action: payload.action }
    }
    return null
  }

  /** What a decision of that moment is about. */
  const decidedAt = (id: string, at: Operation["hlc"]): Queued | null => askedBy(id, at) ?? askedAfter(id, at)

  return { whyNot, decidedAt }
}

interface Queued {
  readonly ref: VersionRef
  readonly action: PendingAction.PendingAction
}

/** The approver by the rules that held when the action was queued, or when it was decided, if that was before. */
const approverAt = (book: RuleBook, { action }: Queued, at: Operation["hlc"]): PendingAction.Approver | null =>
  book.isEmpty() ? null : book.policyAt(action.namespace, at)?.approver ?? null

/** Why the decision is none of who has to make it. */
const notBy = (
  approver: PendingAction.Approver,
  { decider }: PendingAction.Decision,
  votes: ReadonlyArray<ObjectVersion>
): string | null => {
  if (approver === "human") return null
  if ("agent" in approver) return approver.agent === decider ? null : "its decider is not the approver"
  const agents = distinct(votes.map(({ body }) => read(PendingAction.decodeVote, body)))
  return agents.length >= approver.consensus ? null : "it has not the votes that it takes"
}

/** Why what the decision stores is not what was asked for. */
const notOf = (action: PendingAction.PendingAction, { id, memory }: PendingAction.Decision): string | null => {
  if (memory === undefined) return null
  if (action.action_type !== "store") return "it stores something where nothing was to be stored"
  const asked = Either.flatMap(Memory.decode(action.payload), validateMemory)
  const isAsked = Either.isRight(asked) && memory.id === memoryIdOf(id) &&
    memory.namespace === asked.right.namespace && memory.title === asked.right.title &&
    memory.content === asked.right.content
  return isAsked ? null : "it stores something else than was asked for"
}

/** What stands in the tables was checked before it came in. */
const read = <A, E>(decode: (value: unknown) => Either.Either<A, E>, body: string): A =>
  Either.getOrThrow(decode(JSON.parse(body)))
