import type { Kind } from "../../replication/Operation.js"
import type { Receipt } from "../../store/MemoryStore.js"

/** What an answer to a push counts, under the original's names and in its order. */
export interface Counters {
  readonly applied: number
  readonly deleted: number
  readonly archived: number
  readonly restored: number
  readonly links_applied: number
  readonly pendings_applied: number
  readonly pending_decisions_applied: number
  readonly namespace_meta_applied: number
  readonly namespace_meta_cleared: number
  readonly noop: number
  readonly skipped: number
}

export const none: Counters = {
  applied: 0,
  deleted: 0,
  archived: 0,
  restored: 0,
  links_applied: 0,
  pendings_applied: 0,
  pending_decisions_applied: 0,
  namespace_meta_applied: 0,
  namespace_meta_cleared: 0,
  noop: 0,
  skipped: 0
}

/** The counter that each kind of operation moves. The original has none for votes and removed links. */
export const counterOf = {
  store: "applied",
  consolidate: "applied",
  delete: "deleted",
  archive: "archived",
  restore: "restored",
  link: "links_applied",
  unlink: "links_applied",
  pending: "pendings_applied",
  vote: "pendings_applied",
  decision: "pending_decisions_applied",
  namespace_meta: "namespace_meta_applied",
  namespace_meta_clear: "namespace_meta_cleared"
} as const satisfies Record<Kind, keyof Counters>

/** What one operation counts for. As in the original a row counts as applied also when it changed nothing. */
export const of = (kind: Kind | undefined, result: Receipt["result"]): keyof Counters => {
  if (kind === undefined || result === "rejected" || result === "parked") return "skipped"
  const counter = counterOf[kind]
  return result === "duplicate" && counter !== "applied" ? "noop" : counter
}

export const sum = (counted: ReadonlyArray<keyof Counters>): Counters => {
  const counters = { ...none }
  for (const counter of counted) counters[counter]++
  return counters
}
