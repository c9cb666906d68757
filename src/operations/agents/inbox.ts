import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { checkCount } from "../../domain/checks.js"
import { DEFAULT_MESSAGES, MAX_MESSAGES } from "../../domain/limits.js"
import type { Memory } from "../../domain/Memory.js"
import * as Stamp from "../../domain/Stamp.js"
import * as validate from "../../domain/validate.js"
import { AgentReader } from "../../store/read/AgentReader.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { ReadFailed } from "../errors.js"
import { anonymous, type Caller } from "../writing/Written.js"
import { inboxOf, SUBJECT } from "./notify.js"

export interface AskInbox {
  /** Whose messages; otherwise those of the caller. */
  readonly agentId?: string | undefined
  readonly unreadOnly?: boolean | undefined
  /** RFC 3339: sent at this moment or later. */
  readonly since?: string | undefined
  /** 0 to 500, 50 unless given. */
  readonly limit?: number | undefined
}

/** A message as its reader sees it. */
export interface Received {
  readonly id: string
  readonly from: string | null
  /** As it was sent. */
  readonly title: string
  readonly memory: Memory
  /** It was recalled on this node. */
  readonly read: boolean
}

export interface Inbox {
  readonly agentId: string
  readonly namespace: string
  /** The newest first. */
  readonly messages: ReadonlyArray<Received>
}

/** The messages that were left for an agent. Looking at them does not count as reading them; recalling one does. */
export const inbox = (
  asked: AskInbox,
  caller: Pick<Caller, "agentId"> = anonymous
): Effect.Effect<Inbox, validate.Invalid | ReadFailed, AgentReader> =>
  Effect.gen(function*() {
    const reader = yield* AgentReader
    const agentId = asked.agentId ?? Option.getOrUndefined(caller.agentId)
    if (agentId === undefined) {
      return yield* new validate.Invalid({
        field: "agent_id",
        message: "agent_id is required, as a parameter or in X-Agent-Id"
      })
    }
    yield* validate.agentId(agentId)
    const limit = yield* checkCount("limit", asked.limit ?? DEFAULT_MESSAGES, MAX_MESSAGES)
    const since = asked.since === undefined ? undefined : yield* validate.stamp("since", asked.since)
    const namespace = inboxOf(agentId)
    const now = Stamp.fromMillis(yield* Clock.currentTimeMillis)
    const found = limit === 0
      ? []
      : yield* reader.inbox({ namespace, now, since, limit, unreadOnly: asked.unreadOnly === true })
    return { agentId, namespace, messages: found.map(received) }
  }).pipe(hotSpan("inbox"))

const received = (memory: Memory): Received => {
  const { access_count, id, metadata, title } = memory
  const { agent_id: from, [SUBJECT]: subject } = metadata
  return {
    id,
    from: typeof from === "string" ? from : null,
    title: typeof subject === "string" ? subject : title,
    memory,
    read: access_count > 0
  }
}
