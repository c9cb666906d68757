import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as CreateMemory from "../../domain/CreateMemory.js"
import type { Memory, Tier } from "../../domain/Memory.js"
import { withSuffix } from "../../domain/Upsert.js"
import * as validate from "../../domain/validate.js"
import type { Transaction } from "../../store/MemoryStore.js"
import * as Write from "../writing/Write.js"

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

export interface Notified extends Write.Acknowledged {
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
  caller = Write.anonymous
): Write.Verb<Notified, validate.Invalid> =>
  Write.one({
    name: "notify",
    counts: "created",
    caller,
    request: [message],
    governed: "ungoverned",
    prepare: (self) =>
      Effect.gen(function*() {
        const asking = yield* Write.askingOf(self, message.from)
        return { asking, draft: yield* draftOf(message, asking.agentId, yield* Clock.currentTimeMillis) }
      }),
    decide: (now, { asking, draft }) => {
      const memory = apart(now, CreateMemory.build(draft, { ...asking, stamp: now.stamp }))
      return Either.right({ payload: { kind: "store", memory }, isNewId: asking.isNewId, baseHlc: null, covers: [] })
    },
    answer: (done, { asking }) => {
      const memory = Write.memoryOf(done)
      const owner = memory.metadata["agent_id"]
      return { ...done.acknowledged, to: message.to, from: typeof owner === "string" ? owner : asking.agentId, memory }
    }
  })

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
