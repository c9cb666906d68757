import * as Either from "effect/Either"
import { hash as digest } from "node:crypto"
import * as Attestation from "../../domain/Attestation.js"
import { MemoryId } from "../../domain/ids.js"
import { MAX_APPROVALS } from "../../domain/limits.js"
import * as Memory from "../../domain/Memory.js"
import * as PendingAction from "../../domain/PendingAction.js"
import type * as Stamp from "../../domain/Stamp.js"
import { mergeUpsert } from "../../domain/Upsert.js"
import * as Uuid from "../../domain/Uuid.js"
import { validateMemory } from "../../domain/validate.js"
import type { VersionRef } from "../../replication/Operation.js"
import type { Batch, Entry } from "./Decision.js"
import { liveId } from "./liveId.js"
import { endedBy, slot } from "./slot.js"
import * as standards from "./standards.js"
import type { Transaction } from "./Transaction.js"

/** A pending action with all that this node knows of it. */
export interface Governed {
  readonly action: PendingAction.PendingAction
  readonly votes: ReadonlyArray<PendingAction.Vote>
  /** The first decision, which counts. */
  readonly decision: PendingAction.Decision | null
}

/** What a decision is and did. */
interface Decided {
  readonly entry: Entry
  /** The memory that was stored, promoted or deleted. */
  readonly memoryId: MemoryId | null
}

/** The action of an id, as of this turn of the transaction. */
export const find = (now: Transaction, id: string): Governed | null => {
  const queued = now.current("pending", id)
  if (queued === null) return null
  const decision = now.current("decision", id)
  return {
    action: read(PendingAction.decode, queued.body),
    votes: distinct(now.versions("vote", id).map(({ body }) => read(PendingAction.decodeVote, body))),
    decision: decision === null ? null : read(PendingAction.decodeDecision, decision.body)
  }
}

/**
 * Ends an action that is pending, and executes it when it was approved by who may: the decision of another is written, as a node
 * that is told of it knows no better, and nothing comes of it. Every node that executes it comes to the same
 * memory: its id belongs to the action.
 */
export const decide = (
  batch: Batch,
  action: PendingAction.PendingAction,
  verdict: { readonly approved: boolean; readonly decider: string }
): Decided => {
  const now = batch.now()
  const execution = verdict.approved ? executionOf(now, action, verdict.decider) : nothing
  const entry = batch.write({
    payload: {
      kind: "decision",
      decision: {
        id: action.id,
        ...verdict,
        decided_at: now.stamp,
        ...(execution.stored === null ? {} : { memory: execution.stored })
      }
    },
    baseHlc: null,
    covers: execution.ends
  })
  const counts = now.mayDecide({ id: action.id, ...verdict, decided_at: now.stamp }, entry.operation.hlc)
  if (counts) execution.then(batch)
  return { entry, memoryId: counts ? execution.memoryId : null }
}

/** Executes an action whose decision was known before the action itself was, if that was by who may decide. */
export const carryOut = (batch: Batch, action: PendingAction.PendingAction): void => {
  const early = batch.now().current("decision", action.id)
  if (early === null) return
  const decision = read(PendingAction.decodeDecision, early.body)
  if (!decision.approved || !batch.now().mayDecide(decision, early.ref.hlc)) return
  const execution = executionOf(batch.now(), action, decision.decider)
  if (execution.stored !== null) {
    batch.write({ payload: { kind: "store", memory: execution.stored }, baseHlc: null, covers: execution.ends })
  }
  execution.then(batch)
}

/**
 * Takes an action over from where it was queued, with its votes and its decision, as far as they are new here. It was executed
 * there: what that came to arrives as a memory of its own.
 */
export const takeOver = (batch: Batch, action: PendingAction.Valid): ReadonlyArray<Entry> => {
  const known = find(batch.now(), action.id)
  const entries: Array<Entry> = []
  const write = (payload: Entry["payload"]) => entries.push(batch.write({ payload, baseHlc: null, covers: [] }))
  if (known === null) write({ kind: "pending", action })
  const voted = new Set(known?.votes.map((vote) => vote.agent_id.toLowerCase()))
  for (const approval of action.approvals.slice(0, MAX_APPROVALS)) {
    const vote = PendingAction.validateVote({ id: action.id, ...approval })
    if (Either.isRight(vote) && !voted.has(approval.agent_id.toLowerCase())) write({ kind: "vote", vote: vote.right })
  }
  const isDecided = action.status === "approved" || action.status === "rejected"
  if (isDecided && batch.now().current("decision", action.id) === null) {
    const decider = action.decided_by ?? action.requested_by
    const decision = { id: action.id, approved: action.status === "approved", decider }
    const told = PendingAction.validateDecision({ ...decision, decided_at: action.decided_at ?? "" })
    write({
      kind: "decision",
      decision: {
        ...decision,
        decided_at: Either.match(told, { onLeft: () => batch.now().stamp, onRight: (d) => d.decided_at })
      }
    })
  }
  return entries
}

/** The id of the memory that an approved store comes to. */
export const memoryIdOf = (pendingId: string): MemoryId =>
  MemoryId.make(Uuid.fromHash(digest("sha256", `pending ${pendingId}`, "hex")))

interface Execution {
  readonly memoryId: MemoryId | null
  /** A memory in a slot that is free lives and falls with the decision. */
  readonly stored: Memory.Memory | null
  /** What has expired in its slot, and ends with the decision. */
  readonly ends: ReadonlyArray<VersionRef>
  /** Everything else is an operation like any other. */
  readonly then: (batch: Batch) => void
}

const nothing: Execution = { memoryId: null, stored: null, ends: [], then: () => {} }

const executionOf = (now: Transaction, action: PendingAction.PendingAction, decider: string): Execution => {
  const type = PendingAction.ACTIONS.find((known) => known === action.action_type)
  return type === undefined ? nothing : executions[type](now, action, decider)
}

/** What comes of each action that is approved. */
const executions: {
  readonly [Action in (typeof PendingAction.ACTIONS)[number]]: (
    now: Transaction,
    action: PendingAction.PendingAction,
    decider: string
  ) => Execution
} = {
  store: (now, action) =>
    // An action of an original node holds what that node let through: what breaks a rule here, no peer would take.
    Either.match(Either.flatMap(Memory.decode(action.payload), validateMemory), {
      onLeft: () => nothing,
      onRight: (memory) => storing(now, freshly(memory, memoryIdOf(action.id), now.stamp))
    }),
  delete: (now, { id, memory_id: memoryId }, decider) =>
    memoryId === null ? nothing : deleting(now, memoryId, `deletion ${id} approved by ${decider}`),
  promote: (now, { memory_id: id }) => id === null ? nothing : promoting(now, id)
}

/** As for a store that nobody has to approve: what has expired makes room, and its id stands for the new memory. */
const storing = (now: Transaction, memory: Memory.Memory): Execution => {
  const taken = slot(now, memory.namespace, memory.title)
  if (taken._tag !== "held") {
    return { memoryId: memory.id, stored: memory, ends: endedBy(taken), then: () => {} }
  }
  const { holder } = taken
  return {
    ...nothing,
    memoryId: holder.memory.id,
    then: (batch) => {
      const { stamp } = batch.now()
      batch.write({
        payload: { kind: "store", memory: mergeUpsert(holder.memory, { ...memory, updated_at: stamp }, stamp) },
        baseHlc: holder.version.hlc,
        covers: [
          ...now.replaceable(holder),
          ...now.claims(memory.namespace, memory.title).filter(({ id }) => id !== holder.memory.id)
        ]
      })
    }
  }
}

/**
 * What somebody approved may turn out to have been rejected elsewhere, before that: so it is archived, with the reason, and can
 * be taken back. What became the standard of a namespace meanwhile stays.
 */
const deleting = (now: Transaction, id: string, reason: string): Execution => {
  const held = liveId(now, id)
  return held === null || standards.ofMemory(now, held.memory.id) !== null ? nothing : {
    ...nothing,
    memoryId: held.memory.id,
    then: (batch) => {
      const { stamp } = batch.now()
      batch.write({
        payload: { kind: "archive", memory: { ...held.memory, updated_at: stamp }, archivedAt: stamp, reason },
        baseHlc: held.version.hlc,
        covers: [held.version]
      })
    }
  }
}

const promoting = (now: Transaction, id: string): Execution => {
  const held = liveId(now, id)
  if (held === null) return nothing
  const { expires_at: _, ...kept } = held.memory
  return {
    ...nothing,
    memoryId: held.memory.id,
    then: (batch) => {
      batch.write({
        payload: { kind: "store", memory: { ...kept, tier: "long", updated_at: batch.now().stamp } },
        baseHlc: held.version.hlc,
        covers: now.replaceable(held)
      })
    }
  }
}

const freshly = (memory: Memory.Memory, id: MemoryId, stamp: Stamp.Stamp): Memory.Memory => ({
  ...memory,
  id,
  // What its author signed says when it was written.
  created_at: Attestation.isSigned(memory) ? memory.created_at : stamp,
  updated_at: stamp
})

/** An agent has one vote, however it writes its name: the first counts. */
export const distinct = (votes: ReadonlyArray<PendingAction.Vote>): ReadonlyArray<PendingAction.Vote> => {
  const seen = new Map<string, PendingAction.Vote>()
  for (const vote of votes) {
    const agent = vote.agent_id.toLowerCase()
    if (!seen.has(agent)) seen.set(agent, vote)
  }
  return Array.from(seen.values())
}

/** What stands in the tables was checked before it came in. */
const read = <A, E>(decode: (value: unknown) => Either.Either<A, E>, body: string): A =>
  Either.getOrThrow(decode(JSON.parse(body)))
