import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as AgentId from "../../domain/AgentId.js"
import * as CreateMemory from "../../domain/CreateMemory.js"
import type { Memory, Tier } from "../../domain/Memory.js"
import { withSuffix } from "../../domain/Upsert.js"
import * as Uuid from "../../domain/Uuid.js"
import * as validate from "../../domain/validate.js"
import { broadcastStore } from "../../federation/broadcasts.js"
import type { Federation } from "../../federation/Federation.js"
import { MemoryStore, type Transaction } from "../../store/MemoryStore.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import { idempotencyOf, storedMemory } from "../writing/caller.js"
import { counted } from "../writing/counted.js"
import type { Acknowledged, Caller, WriteError } from "../writing/Written.js"

/** A message to an agent. */
export interface Message {
  readonly to: string
  readonly title: string
  readonly payload: string
  readonly priority?: number | undefined
  /** `mid` unless given. */
  readonly tier?: Tier | undefined
  /** The sender; otherwise the caller. */
  readonly from?: string | undefined
}

export interface Notified extends Acknowledged {
  readonly to: string
  readonly from: string
  readonly memory: Memory
}

/** Where the messages to an agent are. */
export const inboxOf = (agentId: string): string => `_messages/${agentId}`

/** In the metadata of a message: its title as it was sent, where another message has that one already. */
export const SUBJECT = "subject"

/**
 * Leaves a message for an agent: a memory of a namespace of its own. Every message is one, also with a title that another
 * has.
 */
export const notify = (
  message: Message,
  caller: Caller
): Effect.Effect<Notified, validate.Invalid | WriteError, MemoryStore | Federation | Uuid.Uuid> =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    const { make } = yield* Uuid.Uuid
    const from = yield* AgentId.resolve(message.from, caller.agentId, make)
    const draft = yield* draftOf(message, from, yield* Clock.currentTimeMillis)
    const idempotency = idempotencyOf(caller, ["notify", message])
    const isNewId = idempotency === null
    const id = isNewId ? make() : Uuid.fromHash(idempotency.keyHash)
    const committed = yield* store.commit((now) => {
      const memory = apart(now, CreateMemory.build(draft, { id, agentId: from, stamp: now.stamp }))
      return Either.right({ payload: { kind: "store", memory }, isNewId, baseHlc: null, covers: [] })
    }, idempotency)
    const acknowledged = yield* broadcastStore(committed.operation)
    const memory = yield* storedMemory(committed)
    const owner = memory.metadata["agent_id"]
    return { ...acknowledged, to: message.to, from: typeof owner === "string" ? owner : from, memory }
  }).pipe(counted("created"), hotSpan("notify"))

const draftOf = (message: Message, from: string, nowMillis: number) =>
  Either.gen(function*() {
    yield* validate.named("target_agent_id", validate.agentId(message.to))
    yield* validate.named("payload", validate.content(message.payload))
    const namespace = yield* validate.named("target_agent_id", validate.namespace(inboxOf(message.to)))
    return yield* CreateMemory.validate({
      title: message.title,
      content: message.payload,
      namespace,
      source: "notify",
      agent_id: from,
      ...(message.priority === undefined ? {} : { priority: message.priority }),
      ...(message.tier === undefined ? {} : { tier: message.tier })
    }, nowMillis)
  })

/** A title that is taken gets the id of the message behind it: counting up to a free one would take ever longer. */
const apart = (now: Transaction, memory: Memory): Memory =>
  now.holder(memory.namespace, memory.title) === null ? memory : {
    ...memory,
    title: withSuffix(memory.title, ` (${memory.id})`),
    metadata: { ...memory.metadata, [SUBJECT]: memory.title }
  }
