import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as CreateMemory from "../../domain/CreateMemory.js"
import type { Lifetimes as Times } from "../../domain/Lifetimes.js"
import type { Memory, Tier } from "../../domain/Memory.js"
import * as Letter from "../../domain/Message.js"
import { tidy } from "../../domain/text.js"
import { withSuffix } from "../../domain/Upsert.js"
import * as validate from "../../domain/validate.js"
import { Lifetimes } from "../../store/Lifetimes.js"
import type { Transaction } from "../../store/MemoryStore.js"
import * as Write from "../writing/Write.js"

/** A message to an agent. */
export interface Message {
  readonly to: string
  readonly title: string
  /** The text of the message, which is the content of its memory. */
  readonly payload: string
  /** Any JSON that goes with the text. */
  readonly attachment?: unknown
  /** The memory that the message is about; it need not be there. */
  readonly memoryId?: string | undefined
  /** Any JSON object that goes with the text. */
  readonly metadata?: unknown
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
        return {
          asking,
          draft: yield* draftOf(message, asking.agentId, {
            nowMillis: yield* Clock.currentTimeMillis,
            lifetimes: yield* Lifetimes
          })
        }
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

const draftOf = (
  message: Message,
  from: string,
  { lifetimes, nowMillis }: { readonly nowMillis: number; readonly lifetimes: Times }
) =>
  Either.gen(function*() {
    yield* validate.named("target_agent_id", validate.agentId(message.to))
    yield* validate.named("payload", validate.content(tidy(message.payload)))
    if (message.memoryId !== undefined) yield* validate.named("memory_id", validate.memoryId(message.memoryId))
    const namespace = yield* validate.named("target_agent_id", validate.namespace(Letter.inboxOf(message.to)))
    const given = message.metadata === undefined ? {} : yield* validate.metadata(message.metadata)
    return yield* CreateMemory.validate(
      {
        title: message.title,
        content: message.payload,
        namespace,
        source: "notify",
        agent_id: from,
        tags: [Letter.TAG],
        metadata: Letter.metadataOf(message.to, {
          payload: message.attachment,
          memoryId: message.memoryId,
          metadata: given
        }),
        ...(message.priority === undefined ? {} : { priority: message.priority }),
        ...(message.tier === undefined ? {} : { tier: message.tier })
      },
      nowMillis,
      lifetimes
    )
  })

/** A title that is taken gets the id of the message behind it: counting up to a free one would take ever longer. */
const apart = (now: Transaction, memory: Memory): Memory =>
  now.holder(memory.namespace, memory.title) === null
    ? memory
    : Letter.retitled(memory, withSuffix(memory.title, ` (${memory.id})`))
