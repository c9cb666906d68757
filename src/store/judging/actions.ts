import type Database from "better-sqlite3"
import * as Arr from "effect/Array"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { isDeepStrictEqual } from "node:util"
import * as Governance from "../../domain/Governance.js"
import * as Memory from "../../domain/Memory.js"
import * as PendingAction from "../../domain/PendingAction.js"
import type * as Quarantine from "../../domain/Quarantine.js"
import { validateMemory } from "../../domain/validate.js"
import type { Operation } from "../../replication/Operation.js"
import * as Payload from "../../replication/Payload.js"
import { distinct, memoryIdOf } from "../deciding/governed.js"
import { fromRow, LogRow } from "../log/OpLog.js"
import { many } from "../log/statements.js"
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

interface Parts {
  readonly book: RuleBook
  readonly load: Load
  readonly quarantines: (operation: Operation, payload: Payload.Payload) => Quarantine.Quarantine | null
}

export const make = (writer: Database.Database, parts: Parts): Actions => {
  const { book, load } = parts
  const { decidedAt, whyNot } = makeAsked(writer, parts)
  // Also those that are void: whether one counts is a matter of when it was decided.
  const deletions = many(
    writer,
    KeyRow,
    `SELECT DISTINCT entity AS key FROM oplog WHERE kind = 'pending' AND json_extract(body, '$.memory_id') = ?
       AND json_extract(body, '$.action_type') = 'delete'`
  )

  /** What the decision that counts has approved by then, if it has. */
  const approvedBy = (id: string, at: Operation["hlc"]): PendingAction.Valid | null => {
    const [first] = load.objects("decision", id)
    if (first === undefined || first.ref.hlc >= at) return null
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
    const { action, format, hlc } = found
    if (format === 1) return null
    const approver = action.approver ?? approverAt(book, action, hlc < at ? hlc : at) ?? "human"
    const votes = load.objects("vote", decision.id).filter(({ ref }) => ref.hlc <= at)
    return notBy(approver, decision, votes) ?? notOf(action, decision)
  }

  return { ofPending, ofDecision, isApproved }
}

/**
 * What was asked for, as of a moment: by the log. An operation that ends an action, as no node of ours says of one, may have no right to
 * anything itself, so what it ends has its say here all the same.
 */
const makeAsked = (writer: Database.Database, { book, quarantines }: Parts) => {
  const logged = many(
    writer,
    LogRow,
    "SELECT * FROM oplog WHERE kind = 'pending' AND entity = ? AND body IS NOT NULL ORDER BY hlc, origin"
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

  /** What an operation asks for, if it would count at that moment. What an original let through that no peer takes is nothing. */
  const askedIn = (operation: Operation, at: Operation["hlc"]): ReadonlyArray<Asked> => {
    const { body, entity, format, hlc, kind } = operation
    const payload = Either.getOrNull(Payload.read(kind, entity, JSON.parse(body ?? "null")))
    if (payload?.kind !== "pending" || quarantines(operation, payload) !== null) return []
    return whyNot(at, format, payload.action) === null ? [{ format, hlc, action: payload.action }] : []
  }

  /**
   * What a decision of that moment is about: what was asked for last by then, or else first after it, if that would have counted then. A
   * clock that was wrong once may have stamped an action after its decision, and a node of the original may tell it after that.
   */
  const decidedAt = (id: string, at: Operation["hlc"]): Asked | null => {
    const [before, after] = Arr.partition(logged(id).map(fromRow), ({ hlc }) => hlc > at)
    return before.flatMap((operation) => askedIn(operation, operation.hlc)).at(-1) ??
      after.flatMap((operation) => askedIn(operation, at))[0] ?? null
  }

  return { whyNot, decidedAt }
}

interface Asked extends Pick<Operation, "format" | "hlc"> {
  readonly action: PendingAction.Valid
}

/** The approver by the rules that held when the action was queued, or when it was decided, if that was before. */
const approverAt = (
  book: RuleBook,
  { namespace }: PendingAction.Valid,
  at: Operation["hlc"]
): PendingAction.Approver | null => book.isEmpty() ? null : book.policyAt(namespace, at)?.approver ?? null

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
