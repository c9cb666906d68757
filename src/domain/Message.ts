import * as Predicate from "effect/Predicate"
import type { Memory, Metadata } from "./Memory.js"

/*
 * A message to an agent is a memory in a namespace of the agent's own: its text is the content, and what goes with the text
 * is in its metadata.
 */

/** What every message has beside its text, as the original writes it. */
export const TAG = "_message"
const KIND = "notify"

/** Where the messages to an agent are. */
export const inboxOf = (agentId: string): string => `${INBOXES}${agentId}`

const INBOXES = "_messages/"

/** Whether a memory is a message to an agent. */
export const is = ({ namespace }: Pick<Memory, "namespace">): boolean => namespace.startsWith(INBOXES)

/** What goes with the text of a message. */
interface Beside {
  /** Any JSON; undefined where there is none. */
  readonly payload: unknown
  /** The memory that the message is about; it need not be there. */
  readonly memoryId: string | undefined
  readonly metadata: Metadata
}

/** The metadata of the memory of a message. */
export const metadataOf = (to: string, { memoryId, metadata, payload }: Beside): Metadata => ({
  recipient_agent_id: to,
  message_kind: KIND,
  ...(payload === undefined ? {} : { payload }),
  ...(memoryId === undefined ? {} : { memory_id: memoryId }),
  ...(Object.keys(metadata).length === 0 ? {} : { metadata })
})

/** What went with the text of a message. */
export const besideOf = (
  { metadata: { memory_id: memoryId, metadata, payload } }: Pick<Memory, "metadata">
): Beside => ({
  payload,
  memoryId: Predicate.isString(memoryId) ? memoryId : undefined,
  metadata: Predicate.isRecord(metadata) ? metadata : {}
})

/** The title of a message as it was sent: where another message had that one, its memory has another. */
export const subjectOf = ({ metadata: { subject }, title }: Pick<Memory, "metadata" | "title">): string =>
  Predicate.isString(subject) ? subject : title

/** The memory of a message under another title than it was sent with. */
export const retitled = (memory: Memory, title: string): Memory => ({
  ...memory,
  title,
  metadata: { ...memory.metadata, subject: memory.title }
})
