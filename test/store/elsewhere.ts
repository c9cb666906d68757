import { OpId, Origin } from "../../src/domain/ids.js"
import type { Memory } from "../../src/domain/Memory.js"
import { canonicalStamp } from "../../src/domain/validate.js"
import { type Operation, seal } from "../../src/replication/Operation.js"
import * as Payload from "../../src/replication/Payload.js"
import type { Entry } from "../../src/store/MemoryStore.js"

/** A memory as another node stored it, which had seen nothing unless it says so. */
export const storedElsewhere = (
  memory: Memory,
  { covers = [], node = "other", oseq = 1 }: Partial<Pick<Operation, "covers" | "oseq">> & { readonly node?: string } =
    {}
): Entry => {
  const payload: Payload.Payload = { kind: "store", memory }
  return {
    payload,
    operation: seal({
      format: 2,
      opId: OpId.make(`op-${node}-${oseq}`),
      origin: Origin.make(`${node}/1`),
      oseq,
      hlc: canonicalStamp(memory.updated_at),
      kind: "store",
      entity: memory.id,
      body: Payload.encode(payload),
      baseHlc: null,
      covers,
      idempotency: null
    })
  }
}
