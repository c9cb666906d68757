import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { hash } from "node:crypto"
import * as Agent from "../../domain/Agent.js"
import { MAX_AGENTS, MAX_OFFSET } from "../../domain/limits.js"
import * as Uuid from "../../domain/Uuid.js"
import type { Invalid } from "../../domain/validate.js"
import { broadcastStore } from "../../federation/broadcasts.js"
import type { Federation } from "../../federation/Federation.js"
import { type Decision, MemoryStore, type Transaction } from "../../store/MemoryStore.js"
import { AgentReader } from "../../store/read/AgentReader.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { ReadFailed } from "../errors.js"
import { checkCount } from "../filter.js"
import { idempotencyOf, storedMemory } from "../writing/caller.js"
import { counted } from "../writing/counted.js"
import type { Acknowledged, Caller, WriteError } from "../writing/Written.js"

export interface Registered extends Acknowledged {
  /** The id of the memory that stands for the agent. */
  readonly id: string
  readonly agent: Pick<Agent.Agent, "agent_id" | "agent_type" | "capabilities">
}

/** Registers an agent, or notes that one which is registered was seen again. What it says of itself is not proved. */
export const registerAgent = (
  request: Agent.Registration,
  caller: Caller
): Effect.Effect<Registered, Invalid | WriteError, MemoryStore | Federation | Uuid.Uuid> =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    const { make } = yield* Uuid.Uuid
    const agent = yield* Agent.validate(request)
    const committed = yield* store.commit(
      (now) => Either.right(decide(now, agent, make)),
      idempotencyOf(caller, ["registerAgent", request])
    )
    const acknowledged = yield* broadcastStore(committed.operation)
    const { id } = yield* storedMemory(committed)
    return { ...acknowledged, id, agent }
  }).pipe(counted("created"), hotSpan("registerAgent"))

/** The registered agents, the one that was seen last first. */
export const listAgents = (
  page: { readonly limit?: number | undefined; readonly offset?: number | undefined }
): Effect.Effect<ReadonlyArray<Agent.Agent>, Invalid | ReadFailed, AgentReader> =>
  Effect.gen(function*() {
    const reader = yield* AgentReader
    const limit = yield* checkCount("limit", page.limit ?? MAX_AGENTS, MAX_AGENTS)
    const offset = yield* checkCount("offset", page.offset ?? 0, MAX_OFFSET)
    return limit === 0 ? [] : yield* reader.agents({ limit, offset })
  }).pipe(hotSpan("listAgents"))

const decide = (now: Transaction, agent: Registered["agent"], mint: () => string): Decision => {
  const known = now.holder(Agent.NAMESPACE, Agent.titleOf(agent.agent_id))
  const memory = Agent.memoryOf(agent, {
    id: known?.memory.id ?? freshId(now, agent.agent_id, mint),
    stamp: now.stamp,
    known: known?.memory ?? null
  })
  return {
    payload: { kind: "store", memory },
    baseHlc: known?.version.hlc ?? null,
    covers: now.claims(memory.namespace, memory.title)
  }
}

/** The same on every node, so that one agent registered on two of them at once is one memory. */
const freshId = (now: Transaction, agentId: string, mint: () => string): string => {
  const id = Uuid.fromHash(hash("sha256", `agent ${agentId}`, "hex"))
  return now.byId(id) === null && now.archivedById(id) === null ? id : mint()
}
