import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { Memory } from "../../domain/Memory.js"
import { slot } from "../../store/deciding/slot.js"
import type { Held } from "../../store/deciding/Transaction.js"
import type { Decision, Transaction } from "../../store/MemoryStore.js"
import { MemoryReader } from "../../store/read/MemoryReader.js"
import { AmbiguousPrefix, NotFound, type ReadFailed, SlotTaken, VersionMismatch } from "../errors.js"

/** Which version the caller wants to change, as it read it; `none` takes whatever is there. */
export type Expected = Option.Option<string>

/** The exact id behind an id or unique prefix; what is unknown stays as it is, for the transaction to decide. */
export const resolveId = (
  idOrPrefix: string
): Effect.Effect<string, AmbiguousPrefix | ReadFailed, MemoryReader> =>
  Effect.gen(function*() {
    const reader = yield* MemoryReader
    const { ids } = yield* reader.resolve(idOrPrefix)
    if (ids.length > 1) return yield* new AmbiguousPrefix({ ids })
    return ids[0] ?? idOrPrefix
  })

/**
 * The memory a write is about, if it is there and still at the version the caller expects. Its id was resolved before: one
 * that was taken over in this very moment is gone.
 */
export const expectHeld = (
  now: Transaction,
  id: string,
  expected: Expected
): Either.Either<Held, NotFound | VersionMismatch> => {
  const held = now.byId(id)
  if (held === null) return Either.left(new NotFound())
  return Option.isSome(expected) && expected.value !== held.version.hlc
    ? Either.left(new VersionMismatch({ currentVersion: held.version.hlc }))
    : Either.right(held)
}

/** What giving an existing memory a new version can fail with, beside what any write can. */
export type AmendError = NotFound | AmbiguousPrefix | SlotTaken | VersionMismatch | ReadFailed

/** The new version ends the one it replaces, and with it everything else that claimed the slot it goes to. */
export const decide = (now: Transaction, held: Held, memory: Memory): Either.Either<Decision, SlotTaken> => {
  const place = slot(now, memory.namespace, memory.title)
  const isOther = place._tag !== "free" && place.holder.memory.id !== memory.id
  const stays = memory.namespace === held.memory.namespace && memory.title === held.memory.title
  // A shadow may be edited where it stands; what may not is to push another memory out of its slot.
  if (place._tag === "held" && isOther && !stays) {
    return Either.left(new SlotTaken({ namespace: memory.namespace, existingId: place.holder.memory.id }))
  }
  const claims = isOther && stays ? [] : now.claims(memory.namespace, memory.title)
  const others = claims.filter(({ id }) => id !== memory.id)
  return Either.right({
    payload: { kind: "store", memory },
    baseHlc: held.version.hlc,
    covers: [...now.replaceable(held), ...others]
  })
}
