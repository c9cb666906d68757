import type { Held } from "../../store/deciding/Transaction.js"
import type { Decision, Transaction } from "../../store/MemoryStore.js"

/** A memory that is put away. Its version ends; what else claimed its slot comes forward. */
export const archival = (now: Transaction, held: Held, reason: string): Decision => ({
  payload: {
    kind: "archive",
    memory: { ...held.memory, updated_at: now.stamp },
    archivedAt: now.stamp,
    reason
  },
  baseHlc: held.version.hlc,
  covers: now.replaceable(held)
})
