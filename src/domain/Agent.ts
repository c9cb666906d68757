import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { absentable } from "./absentable.js"
import * as Attestation from "./Attestation.js"
import type { MemoryId } from "./ids.js"
import { MAX_AGENT_TYPE_CHARS } from "./limits.js"
import type { Memory, Metadata } from "./Memory.js"
import { decoder } from "./ShapeError.js"
import type { Stamp } from "./Stamp.js"
import * as rules from "./validate.js"

/** Where agents are registered: one memory each, under the title of `titleOf`. */
export const NAMESPACE = "_agents"
const TAG = "agent-registration"

/** A request to register an agent. What it says of itself is claimed, never proved. */
export const Registration = Schema.Struct({
  agent_id: Schema.String,
  agent_type: Schema.String,
  capabilities: absentable(Schema.Array(Schema.String))
})
export type Registration = typeof Registration.Type

/** What a node knows of an agent. */
export interface Agent {
  readonly agent_id: string
  readonly agent_type: string
  readonly capabilities: ReadonlyArray<string>
  readonly registered_at: string
  readonly last_seen_at: string
}

/** What an agent says of itself. */
export type Claimed = Pick<Agent, "agent_id" | "agent_type" | "capabilities">

export const titleOf = (agentId: string): string => `agent:${agentId}`

/** Checks a registration; capabilities have the bounds of tags. */
export const validate = (
  { agent_id, agent_type, capabilities = [] }: Registration
): Either.Either<Claimed, rules.Invalid> =>
  Either.gen(function*() {
    yield* rules.agentId(agent_id)
    yield* agentType(agent_type)
    yield* rules.named("capabilities", rules.tags(capabilities))
    return { agent_id, agent_type, capabilities }
  })

/** `human`, `system`, or `ai:` and the name of a model; at most 64 characters. */
const agentType = (value: string): Either.Either<string, rules.Invalid> =>
  value.length <= MAX_AGENT_TYPE_CHARS && AGENT_TYPE.test(value)
    ? Either.right(value)
    : Either.left(
      new rules.Invalid({
        field: "agent_type",
        message: `agent_type must be human, system, or ai: and characters of A-Z a-z 0-9 _ . -, ` +
          `${MAX_AGENT_TYPE_CHARS} in all at most`
      })
    )

/** The memory that registers an agent. One that was registered before keeps since when, and the id of its memory. */
export const memoryOf = (
  agent: Claimed,
  options: { readonly id: MemoryId; readonly stamp: Stamp; readonly known: Memory | null }
): Memory => {
  const { id, known, stamp } = options
  const facts = {
    agent_id: agent.agent_id,
    agent_type: agent.agent_type,
    capabilities: agent.capabilities,
    registered_at: known === null ? stamp : ofMemory(known)?.registered_at ?? known.created_at,
    last_seen_at: stamp
  }
  return {
    id,
    tier: "long",
    namespace: NAMESPACE,
    title: titleOf(agent.agent_id),
    content: JSON.stringify(facts),
    tags: [TAG],
    priority: known?.priority ?? 5,
    confidence: known?.confidence ?? 1,
    source: "system",
    access_count: known?.access_count ?? 0,
    created_at: known?.created_at ?? stamp,
    updated_at: stamp,
    metadata: Attestation.withKey(facts, known === null ? undefined : Attestation.keyOf(known.metadata))
  }
}

/** The memory that registers an agent with the key that the agent signs by from now on. */
export const bind = (registered: Memory, key: string, stamp: Stamp): Memory => ({
  ...registered,
  updated_at: stamp,
  metadata: Attestation.withKey(registered.metadata, key)
})

/** A new version of a memory: it says the key that it said before, as long as it registers the same agent. */
export const withKeyOf = (before: Memory, after: Memory): Memory => {
  const key = Attestation.keyOf(before.metadata)
  if (key === undefined) return after
  const isSame = before.namespace === after.namespace && before.title === after.title
  const metadata = Attestation.withoutKey(after.metadata)
  return { ...after, metadata: isSame ? Attestation.withKey(metadata, key) : metadata }
}

/** The agent that a memory registers; null where its metadata is no registration. */
export const ofMemory = (memory: { readonly metadata: Metadata; readonly created_at: string }): Agent | null =>
  Either.match(decodeFacts(memory.metadata), {
    onLeft: () => null,
    onRight: (facts) => {
      const registeredAt = facts.registered_at ?? memory.created_at
      return {
        agent_id: facts.agent_id,
        agent_type: facts.agent_type,
        capabilities: facts.capabilities ?? [],
        registered_at: registeredAt,
        last_seen_at: facts.last_seen_at ?? registeredAt
      }
    }
  })

/** Whether that is where an agent is registered. */
export const isTitle = ({ namespace, title }: Pick<Memory, "namespace" | "title">): boolean =>
  namespace === NAMESPACE && title.startsWith(titleOf(""))

/** Whether it is under the title of one agent and says to be another. */
export const isOfAnother = (
  { metadata, namespace, title }: Pick<Memory, "namespace" | "title" | "metadata">
): boolean =>
  isTitle({ namespace, title }) && typeof metadata["agent_id"] === "string" && title !== titleOf(metadata["agent_id"])

const AGENT_TYPE = /^(?:human|system|ai:[A-Za-z0-9_.-]+)$/

const decodeFacts = decoder(Schema.Struct({
  ...Registration.fields,
  registered_at: absentable(Schema.String),
  last_seen_at: absentable(Schema.String)
}))
