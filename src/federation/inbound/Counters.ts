import { type Counter, type Kind, kinds } from "../../replication/kinds.js"
import type { Receipt } from "../../store/MemoryStore.js"

/** What an answer to a push counts, under the original's names and in its order. */
export interface Counters extends Readonly<Record<Counter, number>> {
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

/** What one operation counts for. As in the original a row counts as applied also when it changed nothing. */
export const of = (kind: Kind | undefined, result: Receipt["result"]): keyof Counters => {
  if (kind === undefined || result === "rejected" || result === "parked" || result === "withheld") return "skipped"
  const { counter } = kinds[kind]
  return result === "duplicate" && counter !== "applied" ? "noop" : counter
}

export const sum = (counted: ReadonlyArray<keyof Counters>): Counters => {
  const counters = { ...none }
  for (const counter of counted) counters[counter]++
  return counters
}
