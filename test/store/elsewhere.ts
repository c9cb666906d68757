import { OpId, Origin } from "../../src/domain/ids.js"
import type { Memory } from "../../src/domain/Memory.js"
import type * as Stamp from "../../src/domain/Stamp.js"
import { canonicalStamp } from "../../src/domain/validate.js"
import { hashed, type Operation } from "../../src/replication/Operation.js"
import * as Payload from "../../src/replication/Payload.js"
import type { Entry } from "../../src/store/MemoryStore.js"

interface How extends Partial<Pick<Operation, "covers" | "oseq">> {
  readonly node?: string
}

/** What another node wrote at that moment, which had seen nothing unless it says so. */
export const writtenElsewhere = (
  payload: Payload.Payload,
  hlc: Stamp.Stamp,
  { covers = [], node = "other", oseq = 1 }: How = {}
): Entry => ({
  payload,
  operation: hashed({
    format: 2,
    opId: OpId.make(`op-${node}-${oseq}`),
    origin: Origin.make(`${node}/1`),
    oseq,
    hlc,
    kind: payload.kind,
    entity: Payload.entityOf(payload),
    body: Payload.encode(payload),
    baseHlc: null,
    covers,
    idempotency: null
  })
})

export const storedElsewhere = (memory: Memory, how: How = {}): Entry =>
  writtenElsewhere({ kind: "store", memory }, canonicalStamp(memory.updated_at), how)
