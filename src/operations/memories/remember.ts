import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as CreateMemory from "../../domain/CreateMemory.js"
import type { Memory } from "../../domain/Memory.js"
import { freeTitle, mergeUpsert } from "../../domain/Upsert.js"
import type * as Uuid from "../../domain/Uuid.js"
import type { Invalid } from "../../domain/validate.js"
import type { Federation } from "../../federation/Federation.js"
import { endedBy, slot } from "../../store/deciding/slot.js"
import type { Decision, MemoryStore, Transaction } from "../../store/MemoryStore.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import { type AwaitingApproval, type Denied, SlotTaken } from "../errors.js"
import { idempotencyOf, storedMemory } from "../writing/caller.js"
import { askingOf, commitGoverned } from "../writing/commitGoverned.js"
import { counted } from "../writing/counted.js"
import type { Caller, WriteError, Written } from "../writing/Written.js"

/**
 * Stores a memory here and on as many peers as the quorum asks for. Where the rules of its namespace ask for approval, what
 * is stored is the request for it.
 */
export const remember = (
  request: CreateMemory.CreateMemory,
  caller: Caller
): Effect.Effect<
  Written,
  Invalid | SlotTaken | Denied | AwaitingApproval | WriteError,
  MemoryStore | Federation | Uuid.Uuid
> =>
  Effect.gen(function*() {
    const draft = yield* CreateMemory.validate(request, yield* Clock.currentTimeMillis)
    const idempotency = idempotencyOf(caller, ["remember", request])
    // The same key mints the same id on every node, so that a retry elsewhere can not make a second memory.
    const asking = yield* askingOf(request.agent_id, caller, idempotency)
    const { acknowledged, committed } = yield* commitGoverned(asking, (now) => {
      const memory = CreateMemory.build(draft, { ...asking, stamp: now.stamp })
      const placed = place(now, memory, { onConflict: draft.onConflict, isNewId: idempotency === null })
      return Either.map(placed, ({ decision, title }) => ({
        decision,
        action: "store",
        memory: title === memory.title ? memory : { ...memory, title }
      }))
    }, idempotency)
    return { ...acknowledged, memory: yield* storedMemory(committed) }
  }).pipe(counted("created"), hotSpan("remember"))

/** A decision, and the title under which the new memory is stored. */
interface Placed {
  readonly decision: Decision
  readonly title: string
}

/** What the slot (namespace, title) says to a new memory, at its turn in the transaction. */
export const place = (
  now: Transaction,
  memory: Memory,
  options: { readonly onConflict: CreateMemory.OnConflict; readonly isNewId: boolean }
): Either.Either<Placed, SlotTaken> => {
  const { namespace, title } = memory
  const { isNewId } = options
  const taken = slot(now, namespace, title)
  if (taken._tag === "free") {
    return Either.right({ title, decision: { payload: { kind: "store", memory }, isNewId, baseHlc: null, covers: [] } })
  }
  if (taken._tag === "expired") {
    const covers = endedBy(taken)
    return Either.right({ title, decision: { payload: { kind: "store", memory }, baseHlc: null, covers } })
  }
  const { holder } = taken
  switch (options.onConflict) {
    case "error":
      return Either.left(new SlotTaken({ namespace, existingId: holder.memory.id }))
    case "merge":
      return Either.right({
        title,
        decision: {
          payload: { kind: "store", memory: mergeUpsert(holder.memory, memory, now.stamp) },
          baseHlc: holder.version.hlc,
          covers: now.claims(namespace, title)
        }
      })
    case "version": {
      const free = freeTitle(title, (candidate) => now.holder(namespace, candidate) !== null)
      return Either.right({
        title: free,
        decision: {
          payload: { kind: "store", memory: { ...memory, title: free } },
          isNewId,
          baseHlc: null,
          covers: []
        }
      })
    }
  }
}
