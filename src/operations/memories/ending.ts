import { reasons } from "../../domain/Archive.js"
import { canonicalStamp } from "../../domain/validate.js"
import type { VersionRef } from "../../replication/Operation.js"
import { earning } from "../../store/deciding/earning.js"
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
  if (!applies(held, now)) return
  // What is deleted by approval alone waits for that in the archive.
  const isKept = retention.archives || now.isKept(held.memory, now.stamp)
  batch.write(isKept ? putAway(now, held, reason) : deletion(now, held))
}

/**
 * What ends by time never competes with what somebody writes: it is earned by the version that was seen. In a mesh with
 * members of version 0.2.0, which has no words for that, it is archived like anything else.
 */
const putAway = (now: Transaction, held: Held, reason: string): Decision =>
  reason !== reasons.expired || held.memory.expires_at === undefined || now.format === 1
    ? archival(now, held, reason)
    : earning(now, held, { expired: { at: now.stamp, reason, seen: canonicalStamp(held.memory.expires_at) } })

/** All versions of the memory end; what else claimed its slot comes forward. */
const deletion = (now: Transaction, held: Held): Decision => ({
  payload: { kind: "delete", entity: held.memory.id },
  baseHlc: held.version.hlc,
  covers: now.endable({ ...held, visible: false })
})
