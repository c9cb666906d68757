import * as Either from "effect/Either"
import * as Attestation from "../../domain/Attestation.js"
import type * as CreateMemory from "../../domain/CreateMemory.js"
import type { Memory } from "../../domain/Memory.js"
import { freeTitle, mergeUpsert } from "../../domain/Upsert.js"
import { endedBy, slot } from "../../store/deciding/slot.js"
import type { Decision, Transaction } from "../../store/MemoryStore.js"
import { SlotTaken } from "../errors.js"

/** What storing a memory comes to, and the memory as it would be on its own, under the title that it gets. */
interface Placed {
  readonly decision: Decision
  readonly memory: Memory
}

/** What the slot (namespace, title) says to a new memory, at its turn in the transaction. */
export const place = (
  now: Transaction,
  memory: Memory,
  { isNewId, onConflict }: { readonly onConflict: CreateMemory.OnConflict; readonly isNewId: boolean }
): Either.Either<Placed, SlotTaken> => {
  const { namespace, title } = memory
  const taken = slot(now, namespace, title)
  if (taken._tag === "free") return Either.right(fresh(memory, isNewId))
  if (taken._tag === "expired") {
    const decision: Decision = { payload: { kind: "store", memory }, baseHlc: null, covers: endedBy(taken) }
    return Either.right({ decision, memory })
  }
  const { holder } = taken
  switch (onConflict) {
    case "error":
      return Either.left(new SlotTaken({ namespace, existingId: holder.memory.id }))
    case "merge":
      return Either.right({
        memory,
        decision: {
          payload: { kind: "store", memory: mergeUpsert(holder.memory, memory, now.stamp) },
          baseHlc: holder.version.hlc,
          covers: [
            ...now.replaceable(holder),
            ...now.claims(namespace, title).filter(({ id }) => id !== holder.memory.id)
          ]
        }
      })
    case "version": {
      const free = freeTitle(title, (candidate) => now.holder(namespace, candidate) !== null)
      return Either.right(fresh(Attestation.settle({ ...memory, title: free }, memory), isNewId))
    }
  }
}

const fresh = (memory: Memory, isNewId: boolean): Placed => ({
  memory,
  decision: { payload: { kind: "store", memory }, isNewId, baseHlc: null, covers: [] }
})
