import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { PermissionsMode } from "../../config/NodeConfig.js"
import * as Agent from "../../domain/Agent.js"
import * as AgentId from "../../domain/AgentId.js"
import * as Governance from "../../domain/Governance.js"
import type { Memory } from "../../domain/Memory.js"
import type * as PendingAction from "../../domain/PendingAction.js"
import * as Uuid from "../../domain/Uuid.js"
import type { Invalid } from "../../domain/validate.js"
import { broadcast } from "../../federation/broadcasts.js"
import type { Federation } from "../../federation/Federation.js"
import type { Idempotency } from "../../replication/Operation.js"
import * as standards from "../../store/deciding/standards.js"
import { type Committed, type Decision, MemoryStore, type Transaction } from "../../store/MemoryStore.js"
import { AwaitingApproval, Denied } from "../errors.js"
import { type DecisionCounts, Permissions } from "./Permissions.js"
import type { Acknowledged, Caller, WriteError } from "./Written.js"

/** A write that the rules of a namespace have a say in. */
export interface Planned {
  readonly decision: Decision
  readonly action: (typeof PendingAction.ACTIONS)[number]
  /** The memory as it would be stored, or as it is and would be deleted or promoted. */
  readonly memory: Memory
}

/** Who asks. `id` is that of the pending action, should it come to one. */
export interface Asking {
  readonly id: string
  readonly agentId: string
}

/**
 * Commits one operation and waits for its quorum, if the rules of its namespace let the caller do it. They are looked at in
 * the deciding transaction, after everything else that could be wrong. Where they ask for approval the action is queued
 * instead, on as many nodes as any other write.
 */
export const commitGoverned = <E>(
  asking: Asking,
  plan: (now: Transaction) => Either.Either<Planned, E>,
  idempotency: Idempotency | null
): Effect.Effect<
  { readonly committed: Committed; readonly acknowledged: Acknowledged },
  E | Denied | AwaitingApproval | WriteError,
  MemoryStore | Federation
> =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    const { counts, mode } = yield* Permissions
    let found: Found | null = null
    const decide = (now: Transaction): Either.Either<Decision, E | Denied> =>
      Either.flatMap(plan(now), (planned) => {
        // The one look that a write costs where nobody has set a standard.
        if (mode === "off" || !now.any("namespace_meta")) return Either.right(planned.decision)
        found = rulingOn(now, planned, asking)
        if (found === null || found.ruling === "allowed" || mode === "advisory") return Either.right(planned.decision)
        return found.ruling === "queued"
          ? Either.right(queued(now, found.policy, planned, asking))
          : Either.left(new Denied({ detail: `${planned.action} denied by governance: ${found.ruling}` }))
      })
    const noted = Effect.suspend(() => note(found, mode, counts))
    const committed = yield* store.commit(decide, idempotency).pipe(Effect.tapError(() => noted))
    yield* noted
    const acknowledged = yield* broadcast(committed.operation)
    const { payload } = committed
    if (payload.kind === "pending") return yield* awaiting(payload.action, acknowledged)
    return { committed, acknowledged }
  })

/**
 * Who asks for a write: the agent as its body says, or else as the header does. The pending action gets its id from the
 * idempotency key where there is one, so that a retry elsewhere can not queue it twice.
 */
export const askingOf = (
  agentId: string | undefined,
  caller: Caller,
  idempotency: Idempotency | null
): Effect.Effect<Asking, Invalid, Uuid.Uuid> =>
  Effect.flatMap(Uuid.Uuid, ({ make }) =>
    Either.map(AgentId.resolve(agentId, caller.agentId, make), (resolved) => ({
      id: idempotency === null ? make() : Uuid.fromHash(idempotency.keyHash),
      agentId: resolved
    })))

/** Whether an agent is registered, as of this turn of the transaction. */
export const isRegistered = (now: Transaction, agentId: string): boolean =>
  now.holder(Agent.NAMESPACE, Agent.titleOf(agentId)) !== null

/** What the rules of the namespace say. */
interface Found {
  readonly policy: Governance.Policy
  readonly action: Planned["action"]
  readonly ruling: Governance.Ruling
}

const rulingOn = (now: Transaction, { action, memory }: Planned, { agentId }: Asking): Found | null => {
  const rules = standards.rulesOf(now, memory.namespace)
  if (rules === null) return null
  const owner = action === "store" ? rules.owner : memory.metadata["agent_id"]
  const ruling = Governance.rule(Governance.levelOf(rules.policy, action), {
    isOwner: owner === agentId,
    isRegistered: () => isRegistered(now, agentId)
  })
  return { policy: rules.policy, action, ruling }
}

const queued = (
  now: Transaction,
  policy: Governance.Policy,
  { action, memory }: Planned,
  asking: Asking
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
const payloadOf = (action: Planned["action"], memory: Memory): unknown => {
  switch (action) {
    case "store":
      return memory
    case "delete":
      return { id: memory.id, title: memory.title }
    case "promote":
      return { id: memory.id }
  }
}

const awaiting = (action: PendingAction.PendingAction, { ackedBy, acks, opId }: Acknowledged) =>
  new AwaitingApproval({
    pendingId: action.id,
    action: action.action_type,
    namespace: action.namespace,
    memoryId: action.memory_id,
    opId,
    acks,
    ackedBy
  })

/** Counts a ruling, and says in the log what was let through although the rules are against it. */
const note = (found: Found | null, mode: PermissionsMode, counts: DecisionCounts): Effect.Effect<void> => {
  if (found === null) return Effect.void
  const { action, ruling } = found
  if (ruling === "allowed") counts.allowed++
  else if (ruling === "queued") counts.queued++
  else counts.denied++
  if (mode !== "advisory" || ruling === "allowed") return Effect.void
  const would = ruling === "queued" ? "need approval" : `be denied: ${ruling}`
  return Effect.logWarning(`governance (advisory): ${action} would ${would}`)
}
