import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as AgentId from "../domain/AgentId.js"
import * as CreateMemory from "../domain/CreateMemory.js"
import * as Stamp from "../domain/Stamp.js"
import { freeTitle, mergeUpsert } from "../domain/Upsert.js"
import * as Uuid from "../domain/Uuid.js"
import type { Invalid } from "../domain/validate.js"
import { broadcastStore } from "../federation/broadcasts.js"
import type { Federation } from "../federation/Federation.js"
import { type Decision, MemoryStore, type Transaction } from "../store/MemoryStore.js"
import { hotSpan } from "../telemetry/hotSpan.js"
import { idempotencyOf, storedMemory } from "./caller.js"
import { counted } from "./counted.js"
import { SlotTaken } from "./errors.js"
import type { Caller, WriteError, Written } from "./Written.js"

/** Stores a memory here and on as many peers as the quorum asks for. */
export const remember = (
  request: CreateMemory.CreateMemory,
  caller: Caller
): Effect.Effect<Written, Invalid | SlotTaken | WriteError, MemoryStore | Federation | Uuid.Uuid> =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    const uuid = yield* Uuid.Uuid
    const draft = yield* CreateMemory.validate(request, yield* Clock.currentTimeMillis)
    const agentId = yield* AgentId.resolve(request.agent_id, caller.agentId, uuid.make)
    const idempotency = idempotencyOf(caller, ["remember", request])
    // The same key mints the same id on every node, so that a retry elsewhere can not make a second memory.
    const id = idempotency === null ? uuid.make() : Uuid.fromHash(idempotency.keyHash)
    const committed = yield* store.commit(
      (now) => decide(now, draft, { id, agentId, isNewId: idempotency === null }),
      idempotency
    )
    const acknowledged = yield* broadcastStore(committed.operation)
    return { ...acknowledged, memory: yield* storedMemory(committed) }
  }).pipe(counted("created"), hotSpan("remember"))

/** What the slot (namespace, title) says to a new memory, at its turn in the transaction. */
const decide = (
  now: Transaction,
  draft: CreateMemory.Validated,
  identity: { readonly id: string; readonly agentId: string; readonly isNewId: boolean }
): Either.Either<Decision, SlotTaken> => {
  const memory = CreateMemory.build(draft, { ...identity, stamp: now.stamp })
  const holder = now.holder(memory.namespace, memory.title)
  const { isNewId } = identity
  if (holder === null) return Either.right({ payload: { kind: "store", memory }, isNewId, baseHlc: null, covers: [] })
  if (holder.expiresAt !== null && holder.expiresAt <= Stamp.fromMillis(now.wallMillis)) {
    return Either.right({
      payload: { kind: "store", memory },
      baseHlc: null,
      covers: now.claims(memory.namespace, memory.title)
    })
  }
  switch (draft.onConflict) {
    case "error":
      return Either.left(new SlotTaken({ namespace: memory.namespace, existingId: holder.memory.id }))
    case "merge":
      return Either.right({
        payload: { kind: "store", memory: mergeUpsert(holder.memory, memory, now.stamp) },
        baseHlc: holder.version.hlc,
        covers: now.claims(memory.namespace, memory.title)
      })
    case "version": {
      const title = freeTitle(memory.title, (candidate) => now.holder(memory.namespace, candidate) !== null)
      return Either.right({
        payload: { kind: "store", memory: { ...memory, title } },
        isNewId,
        baseHlc: null,
        covers: []
      })
    }
  }
}
