import type { VersionRef } from "../../replication/Operation.js"
import type { Held } from "../../store/deciding/Transaction.js"
import type { Batch, Decision, Transaction } from "../../store/MemoryStore.js"
import { archival } from "../archive/archival.js"
import { keeps, type Kept } from "../archive/keepingStandards.js"
import type { Retention } from "./Retention.js"

/** Ends the version that was found, if the memory is still at it and still to be ended. */
export const ending = (
  retention: Retention["Type"],
  reason: string,
  { applies, kept }: { readonly applies: (held: Held, now: Transaction) => boolean; readonly kept: Kept }
) =>
(batch: Batch, { hlc, id, origin }: VersionRef): void => {
  const now = batch.now()
  const held = now.byId(id)
  if (held === null || held.version.hlc !== hlc || held.version.origin !== origin || keeps(now, id, kept)) return
  if (applies(held, now)) batch.write(retention.archives ? archival(now, held, reason) : deletion(now, held))
}

/** All versions of the memory end; what else claimed its slot comes forward. */
const deletion = (now: Transaction, held: Held): Decision => ({
  payload: { kind: "delete", entity: held.memory.id },
  baseHlc: held.version.hlc,
  covers: now.endable({ ...held, visible: false })
})
