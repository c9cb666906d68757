import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Archive from "../../domain/Archive.js"
import * as Stamp from "../../domain/Stamp.js"
import { broadcastRestore } from "../../federation/broadcasts.js"
import type { Federation } from "../../federation/Federation.js"
import { archivedId } from "../../store/deciding/liveId.js"
import { type Decision, MemoryStore, type Transaction } from "../../store/MemoryStore.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import { NotArchived, SlotTaken } from "../errors.js"
import { idempotencyOf, storedMemory } from "../writing/caller.js"
import { counted } from "../writing/counted.js"
import type { Caller, WriteError, Written } from "../writing/Written.js"

/** Takes a memory back from the archive, by its whole id or one that it took over. */
export const restore = (
  id: string,
  caller: Caller
): Effect.Effect<Written, NotArchived | SlotTaken | WriteError, MemoryStore | Federation> =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    const committed = yield* store.commit((now) => decide(now, id), idempotencyOf(caller, ["restore", id]))
    const acknowledged = yield* broadcastRestore(committed.operation)
    return { ...acknowledged, memory: yield* storedMemory(committed) }
  }).pipe(counted("updated"), hotSpan("restore"))

/** What has expired in its slot makes room, as it does for a new memory. */
const decide = (now: Transaction, id: string): Either.Either<Decision, NotArchived | SlotTaken> => {
  const held = archivedId(now, id)
  if (held === null) return Either.left(new NotArchived())
  const { namespace, title } = held.memory
  const holder = now.holder(namespace, title)
  const isExpired = holder !== null && holder.expiresAt !== null &&
    holder.expiresAt <= Stamp.fromMillis(now.wallMillis)
  if (holder !== null && !isExpired) return Either.left(new SlotTaken({ namespace, existingId: holder.memory.id }))
  return Either.right({
    payload: { kind: "restore", memory: Archive.restored(held.memory, now.stamp) },
    baseHlc: held.version.hlc,
    covers: [held.version, ...isExpired ? now.claims(namespace, title) : []]
  })
}
