import * as Effect from "effect/Effect"
import type { PermissionsMode } from "../../config/NodeConfig.js"
import * as Agent from "../../domain/Agent.js"
import * as Governance from "../../domain/Governance.js"
import type { Memory } from "../../domain/Memory.js"
import type * as PendingAction from "../../domain/PendingAction.js"
import * as standards from "../../store/deciding/standards.js"
import type { Decision, Transaction } from "../../store/MemoryStore.js"
import { AwaitingApproval, Denied } from "../errors.js"
import type { Asking } from "./caller.js"
import type { DecisionCounts, Permissions } from "./Permissions.js"
import type { Acknowledged } from "./Written.js"

/** What the rules of a namespace are asked about. */
export type Action = (typeof PendingAction.ACTIONS)[number]

/** A write that the rules of a namespace have a say in. */
export interface Planned {
  readonly decision: Decision
  /** The memory as it would be stored, or as it is and would be deleted or promoted. */
  readonly memory: Memory
}

/** What the rules of the namespace say to a write, and what is to be written by that: it, a request for it, or nothing. */
export interface Ruling {
  /** None where nobody set any rules, or this node does not look at them. */
  readonly ruled: Governance.Ruling | "unruled"
  readonly decision: Decision | null
}

/**
 * Asks the rules, in the deciding transaction and after everything else that could be wrong. This may be run twice: what was
 * found is noted once it is written.
 */
export const rule = (
  now: Transaction,
  planned: Planned,
  options: { readonly action: Action; readonly asking: Asking; readonly mode: PermissionsMode }
): Ruling => {
  const { action, asking, mode } = options
  const { decision, memory } = planned
  // The one look that a write costs where nobody has set a standard.
  if (!now.any("namespace_meta")) return { ruled: "unruled", decision }
  // What holds on all nodes this one is held to as well, whatever it does with its own.
  const isBound = action === "delete" && now.isKept(memory, now.stamp)
  if (mode === "off" && !isBound) return { ruled: "unruled", decision }
  const rules = standards.rulesOf(now, memory.namespace)
  if (rules === null) return { ruled: "unruled", decision }
  const owner = action === "store" ? rules.owner : memory.metadata["agent_id"]
  const ruled = Governance.rule(Governance.levelOf(rules.policy, action), {
    isOwner: owner === asking.agentId,
    isRegistered: () => isRegistered(now, asking.agentId)
  })
  if (ruled === "allowed" || (mode === "advisory" && !isBound)) return { ruled, decision }
  return { ruled, decision: ruled === "queued" ? queued(now, rules.policy, { action, asking, memory }) : null }
}

/** Whether an agent is registered, as of this turn of the transaction. */
export const isRegistered = (now: Transaction, agentId: string): boolean =>
  now.whole.holder(Agent.NAMESPACE, Agent.titleOf(agentId)) !== null

/** Counts a ruling, and says in the log what was let through although the rules are against it. */
export const note = (
  { ruled }: Ruling,
  action: Action,
  { counts, mode }: Permissions["Type"]
): Effect.Effect<void> => {
  if (ruled === "unruled") return Effect.void
  counts[counterOf(ruled)]++
  if (mode !== "advisory" || ruled === "allowed") return Effect.void
  const would = ruled === "queued" ? "need approval" : `be denied: ${ruled}`
  return Effect.logWarning(`governance (advisory): ${action} would ${would}`)
}

/** What a caller is answered whose write the rules are against. */
export const denied = ({ ruled }: Ruling, action: Action): Denied =>
  new Denied({ detail: `${action} denied by governance: ${ruled}` })

/** What a caller is answered whose write was queued. */
export const awaiting = (
  action: PendingAction.Valid,
  { ackedBy, acks, opId }: Acknowledged
): AwaitingApproval =>
  new AwaitingApproval({
    pendingId: action.id,
    action: action.action_type,
    namespace: action.namespace,
    memoryId: action.memory_id,
    opId,
    acks,
    ackedBy
  })

const counterOf = (ruling: Governance.Ruling): keyof DecisionCounts =>
  ruling === "allowed" || ruling === "queued" ? ruling : "denied"

const queued = (
  now: Transaction,
  policy: Governance.Policy,
  { action, asking, memory }: { readonly action: Action; readonly asking: Asking; readonly memory: Memory }
): Decision => ({
  payload: {
    kind: "pending",
    action: {
      id: asking.id,
      action_type: action,
      memory_id: action === "store" ? null : memory.id,
      namespace: memory.namespace,
      payload: payloadOf(action, memory),
      requested_by: asking.agentId,
      requested_at: now.stamp,
      status: "pending",
      approvals: [],
      approver: policy.approver
    }
  },
  baseHlc: null,
  covers: []
})

/** What each action brings with it, as the original has it. */
const payloadOf = (action: Action, memory: Memory): unknown => {
  switch (action) {
    case "store":
      return memory
    case "delete":
      return { id: memory.id, title: memory.title }
    case "promote":
      return { id: memory.id }
  }
}
