import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Agent from "../../domain/Agent.js"
import { checkCount } from "../../domain/checks.js"
import { MAX_AGENTS, MAX_OFFSET } from "../../domain/limits.js"
import { Uuid } from "../../domain/Uuid.js"
import type { Invalid } from "../../domain/validate.js"
import type { Decision, Transaction } from "../../store/MemoryStore.js"
import { AgentReader } from "../../store/read/AgentReader.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { ReadFailed } from "../errors.js"
import * as Write from "../writing/Write.js"

export interface RegisteredAgent extends Write.Acknowledged {
  /** The id of the memory that stands for the agent. */
  readonly id: string
  readonly agent: Agent.Agent
}

/** Registers an agent, or notes that one which is registered was seen again. What it says of itself is not proved. */
export const registerAgent = (
  request: Agent.Registration,
  caller = Write.anonymous
): Write.Verb<RegisteredAgent, Invalid> =>
  Write.one({
    name: "registerAgent",
    counts: "created",
    caller,
    request: [request],
    governed: "ungoverned",
    prepare: () =>
      Effect.gen(function*() {
        const { make } = yield* Uuid
        return { agent: yield* Agent.validate(request), mint: make }
      }),
    decide: (now, { agent, mint }) => Either.right(decide(now, agent, mint)),
    answer: (done, { agent }) => {
      const memory = Write.memoryOf(done)
      const at = { registered_at: memory.created_at, last_seen_at: memory.updated_at }
      return { ...done.acknowledged, id: memory.id, agent: Agent.ofMemory(memory) ?? { ...agent, ...at } }
    }
  })

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

const decide = (now: Transaction, agent: Agent.Claimed, mint: () => string): Decision => {
  const known = now.holder(Agent.NAMESPACE, Agent.titleOf(agent.agent_id))
  const memory = Agent.memoryOf(agent, {
    id: known?.memory.id ?? Write.commonId(now, `agent ${agent.agent_id}`, mint),
    stamp: now.stamp,
    known: known?.memory ?? null
  })
  return {
    payload: { kind: "store", memory },
    baseHlc: known?.version.hlc ?? null,
    covers: now.claims(memory.namespace, memory.title)
  }
}
