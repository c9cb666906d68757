import type { Origin } from "./ids.js"
import type { Stamp } from "./Stamp.js"

/*
 * What whoever follows a node hears of its writes: which thing was changed how, and nothing of its text. Who wants that asks for the
 * memory.
 */

/** What can be heard of, under the original's names (contract.md 2.11). */
export const EVENTS = [
  "memory_store",
  "memory_promote",
  "memory_delete",
  "memory_link_created",
  "memory_link_invalidated",
  "memory_consolidated",
  "approval_requested",
  "pending_action_expired"
] as const
export type Event = (typeof EVENTS)[number]

/** What is said of a change beside what is said of all: see `replication/changes.ts`. */
export interface Details {
  readonly tier?: string
  /** The memory was not there before. */
  readonly created?: boolean
  /** It went to the archive. */
  readonly archived?: boolean
  /** It came back from there. */
  readonly restored?: boolean
  /** The memories in whose place a consolidated one is. */
  readonly sources?: ReadonlyArray<string>
  readonly source_id?: string
  readonly target_id?: string
  readonly relation?: string
  readonly valid_until?: string
  readonly pending_id?: string
  readonly action_type?: string
  readonly requested_by?: string
  readonly requested_at?: string
}

export interface Change {
  /** The same on every node, and for what one request brought about on several. */
  readonly id: string
  readonly event: Event
  /** The run of a node that wrote it, and where in the order of what that wrote. */
  readonly origin: Origin
  readonly seq: number
  readonly at: Stamp
  /** Of a link its source; null for the action of a memory that is not there yet. */
  readonly memoryId: string | null
  readonly namespace: string
  /** Who asked for it, where that is known. */
  readonly agentId: string | null
  readonly details: Details
}

/** What somebody wants to hear of; what is not given is all. */
export interface Wanted {
  /** A namespace, or a pattern: see `namespaces.ts`. */
  readonly namespace?: string | undefined
  readonly agentId?: string | undefined
  readonly events?: ReadonlySet<Event> | undefined
}

/** In the form in which it is told. */
export const shown = ({ agentId, at, details, event, id, memoryId, namespace, origin, seq }: Change) => ({
  id,
  event,
  memory_id: memoryId,
  namespace,
  agent_id: agentId,
  at,
  origin,
  seq,
  ...details
})
