import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as AgentId from "../../domain/AgentId.js"
import { checkCount } from "../../domain/checks.js"
import { DEFAULT_MESSAGES, MAX_MESSAGES, MAX_OFFSET } from "../../domain/limits.js"
import type { Memory, Metadata } from "../../domain/Memory.js"
import * as Message from "../../domain/Message.js"
import * as Stamp from "../../domain/Stamp.js"
import { Uuid } from "../../domain/Uuid.js"
import * as validate from "../../domain/validate.js"
import { AgentReader } from "../../store/read/AgentReader.js"
import { NOTHING } from "../../store/read/Bounded.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { ReadFailed } from "../errors.js"
import { anonymous, type Caller } from "../writing/Written.js"

export interface AskInbox {
  /** Whose messages; otherwise those of the caller. */
  readonly agentId?: string | undefined
  readonly unreadOnly?: boolean | undefined
  /** RFC 3339: sent at this moment or later. */
  readonly since?: string | undefined
  /** 0 to 500, 50 unless given. */
  readonly limit?: number | undefined
  readonly offset?: number | undefined
}

/** A message as its reader sees it. */
export interface Received {
  readonly id: string
  readonly from: string | null
  /** As it was sent. */
  readonly title: string
  /** What goes with its text, as it was sent; the text itself where nothing does. */
  readonly payload: unknown
  /** The memory that it is about. */
  readonly memoryId: string | null
  readonly metadata: Metadata
  readonly memory: Memory
  /** It was recalled on this node. */
  readonly read: boolean
}

export interface Inbox {
  readonly agentId: string
  readonly namespace: string
  /** The newest first. */
  readonly messages: ReadonlyArray<Received>
  /** There are more that were left out because these are large. */
  readonly truncated: boolean
}

/**
 * The messages that were left for an agent; who names none is nobody yet, with an empty inbox. Looking at them does not count
 * as reading them; recalling one does, and so does reading it by its id.
 */
export const inbox = (
  asked: AskInbox,
  caller: Pick<Caller, "agentId"> = anonymous
): Effect.Effect<Inbox, validate.Invalid | ReadFailed, AgentReader | Uuid> =>
  Effect.gen(function*() {
    const reader = yield* AgentReader
    const uuid = yield* Uuid
    const agentId = yield* AgentId.resolve(asked.agentId, caller.agentId, uuid.make)
    const limit = yield* checkCount("limit", asked.limit ?? DEFAULT_MESSAGES, MAX_MESSAGES)
    const offset = yield* checkCount("offset", asked.offset ?? 0, MAX_OFFSET)
    const since = asked.since === undefined ? undefined : yield* validate.stamp("since", asked.since)
    const namespace = Message.inboxOf(agentId)
    const now = Stamp.fromMillis(yield* Clock.currentTimeMillis)
    const found = limit === 0
      ? NOTHING
      : yield* reader.inbox({ namespace, now, since, limit, offset, unreadOnly: asked.unreadOnly === true })
    return { agentId, namespace, messages: found.rows.map(received), truncated: found.truncated }
  }).pipe(hotSpan("inbox"))

const received = (memory: Memory): Received => {
  const { agent_id: from } = memory.metadata
  const { memoryId = null, metadata, payload = memory.content } = Message.besideOf(memory)
  return {
    id: memory.id,
    from: typeof from === "string" ? from : null,
    title: Message.subjectOf(memory),
    payload,
    memoryId,
    metadata,
    memory,
    read: memory.access_count > 0
  }
}
